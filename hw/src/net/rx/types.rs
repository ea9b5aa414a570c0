//! What the receive blocks hand to each other. Each layer's metadata owns the layer below. All
//! metadata travels with every beat of its frame and is valid from the frame's first beat on, unless
//! a field says otherwise.

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use crate::types::Peer;
use rust_hdl::prelude::*;

/// Why a frame is no good whatever it carries; valid with the last beat. The first that holds counts.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FrameFault {
    /// The MAC said so.
    pub mac_error: Bit,
    /// Shorter than an Ethernet header.
    pub runt: Bit,
    /// Longer than the MTU allows.
    pub oversize: Bit,
}

/// One beat of a frame.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FrameBeat {
    /// Frame bytes, first byte least significant; zero beyond the end of the frame.
    pub data: Bits<512>,
    /// Position in the frame: 0, 1, … 255, 255, …
    pub index: Bits<8>,
    /// Last beat of the frame.
    pub last: Bit,
    /// With `last`: length of the frame.
    pub length_bytes: Bits<16>,
    /// With `last`: what is wrong with the frame as such.
    pub fault: FrameFault,
}

/// What the Ethernet header says.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct EthernetMeta {
    /// Neither for this card nor for a group nor wanted promiscuously; or receiving is off.
    pub not_for_us: Bit,
    /// The destination is the card's own address.
    pub own: Bit,
    /// The payload is IPv4.
    pub ipv4: Bit,
    /// Source address, first byte on the wire least significant.
    pub peer_mac: Bits<48>,
}

/// A beat behind the Ethernet decoder.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct EthernetBeat {
    /// The beat.
    pub frame: FrameBeat,
    /// Its frame.
    pub ethernet: EthernetMeta,
}

/// What the IPv4 header says.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Ipv4Meta {
    /// The layer below.
    pub ethernet: EthernetMeta,
    /// UDP in an unfragmented, option-free IPv4 packet for this card, as far as the header tells.
    pub plain_udp: Bit,
    /// Source address, first byte on the wire least significant.
    pub source: Bits<32>,
    /// Where the packet ends in the frame: 14 bytes more than its total length.
    pub end_bytes: Bits<17>,
}

/// A beat behind the IPv4 decoder.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Ipv4Beat {
    /// The beat.
    pub frame: FrameBeat,
    /// Its frame.
    pub ipv4: Ipv4Meta,
}

/// What the UDP header says.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct UdpMeta {
    /// The layer below.
    pub ipv4: Ipv4Meta,
    /// A plain UDP datagram to a port in the RPC port table.
    pub rpc_port: Bit,
    /// Source port.
    pub source_port: Bits<16>,
    /// Destination port.
    pub local_port: Bits<16>,
    /// Length of the datagram, UDP header included.
    pub length_bytes: Bits<16>,
    /// The length is below 8 or runs past the IPv4 packet.
    pub length_bad: Bit,
    /// With the last beat: the IPv4 total length is below 20 or runs past the frame.
    pub packet_bad: Bit,
}

/// A beat behind the UDP decoder.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct UdpBeat {
    /// The beat.
    pub frame: FrameBeat,
    /// Its frame.
    pub udp: UdpMeta,
}

/// A beat with its class, for those who store it.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ClassifiedBeat {
    /// The beat.
    pub frame: FrameBeat,
    /// The frame is a call, the card's own business.
    pub call: Bit,
    /// The frame goes to the bypass.
    pub bypass: Bit,
    /// From the second beat of a call on: the verifier starts at frame byte `4 * verifier_word + 2`.
    pub verifier_word: Bits<8>,
}

/// What the service table is searched for; all fields numeric. The field order is that of the key.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ServiceKeyFields {
    /// UDP port.
    pub port: Bits<16>,
    /// RPC procedure.
    pub procedure: Bits<32>,
    /// RPC program version.
    pub version: Bits<32>,
    /// RPC program.
    pub program: Bits<32>,
}

/// What the program table is searched for; all fields numeric. The field order is that of the key.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ProgramKeyFields {
    /// UDP port.
    pub port: Bits<16>,
    /// RPC program.
    pub program: Bits<32>,
}

/// Where a frame ended up in the walk through the headers, once per frame. From `packet_bad` on the
/// flags mean something for calls only.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct HeaderVerdict {
    /// What is wrong with the frame as such.
    pub fault: FrameFault,
    /// Not for this card.
    pub not_for_us: Bit,
    /// The frame is the bypass's.
    pub bypass: Bit,
    /// IPv4 total length.
    pub packet_bad: Bit,
    /// UDP length.
    pub datagram_bad: Bit,
    /// The RPC header runs past the datagram; excludes the following three.
    pub malformed: Bit,
    /// RPC version other than 2.
    pub rpc_mismatch: Bit,
    /// Credential of unknown flavour or impossible length.
    pub bad_credential: Bit,
    /// Verifier other than AUTH_NONE.
    pub bad_verifier: Bit,
    /// Who calls.
    pub peer: Peer,
    /// RPC program version.
    pub version: Bits<32>,
    /// RPC procedure.
    pub procedure: Bits<32>,
    /// Argument bytes, of a well-formed call.
    pub body_bytes: Bits<16>,
}

/// Whether the checksums of a frame hold, once per frame.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ChecksumVerdict {
    /// The IPv4 header checksum holds.
    pub ipv4_good: Bit,
    /// The UDP checksum holds or is absent.
    pub udp_good: Bit,
}

/// The slot of a frame, once per frame.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SlotTaken {
    /// The frame has a slot.
    pub taken: Bit,
    /// Which.
    pub slot: Bits<10>,
}

/// What is to become of a frame if slots, sessions and the reply queue allow.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Decision {
    /// Its disposition; none for the bypass's frames.
    pub events: crate::types::RxEvents,
    /// Give the call to a worker.
    pub dispatch: Bit,
    /// Answer it.
    pub answer: Bit,
    /// The slot it has.
    pub slot: SlotTaken,
    /// The answer; its peer is the caller in any case.
    pub reply: crate::types::NicReply,
    /// RPC procedure.
    pub procedure: Bits<32>,
    /// Argument bytes.
    pub body_bytes: Bits<16>,
    /// Function handle of the service.
    pub function: Bits<64>,
    /// Service id.
    pub service: Bits<16>,
}

/// One-cycle pulses of the bypass queue.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct BypassEvents {
    /// A frame was accepted.
    pub delivered: Bit,
    /// A good frame found no room.
    pub full: Bit,
}

/// A bypass frame that lies in its slot.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct BypassFrame {
    /// Its slot.
    pub slot: Bits<10>,
    /// Length of the frame.
    pub length_bytes: Bits<16>,
}
