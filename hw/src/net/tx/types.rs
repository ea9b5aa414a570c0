//! Signals between the blocks of the transmit path.

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use crate::types::Peer;
use rust_hdl::prelude::*;

/// Width of a session's index.
pub const SESSION_BITS: usize = 10;

/// Whose a session is.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Ownership {
    /// It is open and an endpoint serves it.
    pub bound: Bit,
    /// That endpoint.
    pub endpoint: Bits<5>,
    /// Its generation.
    pub generation: Bits<16>,
}

/// Asks whether a handle names an open session of an endpoint; if it does, the session is freed.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SessionCheck {
    /// Session index of the handle.
    pub session: Bits<10>,
    /// Generation of the handle.
    pub generation: Bits<16>,
    /// Endpoint that presents it.
    pub endpoint: Bits<5>,
}

/// Answer to a session check, two cycles later, for one cycle.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SessionVerdict {
    /// The handle was right; the session is free now.
    pub valid: Bit,
    /// Whom to answer.
    pub peer: Peer,
}

/// Says what the beat read from the transmit lines in the cycle before is.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct GatherBeat {
    /// First beat of the message: its first 32 bytes are the line header.
    pub first: Bit,
    /// Last beat of the message.
    pub last: Bit,
    /// The message has a body to keep.
    pub store: Bit,
    /// Bytes of the beat that lie before the end of the message.
    pub keep: Bits<64>,
}

/// What a frame says, apart from whom it goes to.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FrameForm {
    /// A whole frame from the bypass endpoint.
    pub raw: Bit,
    /// A reply that the card gives without software.
    pub nic: Bit,
    /// As in `NicReply`.
    pub kind: Bits<4>,
    /// As in `NicReply`.
    pub low: Bits<32>,
    /// As in `NicReply`.
    pub high: Bits<32>,
    /// Body length in bytes.
    pub length_bytes: Bits<16>,
}

/// All of a frame but its body and its UDP checksum. Multi-byte fields are numeric unless the name
/// ends in `_wire`: those hold the first byte on the wire least significant.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FrameHead {
    /// A whole frame from the bypass endpoint: nothing is put in front of the body.
    pub raw: Bit,
    /// A reply that the card gives without software.
    pub nic: Bit,
    /// Emission step of the last beat. Step 0 sends the header (nothing when `raw`), step `s` the
    /// beat that starts with the end of body beat `s - 1`.
    pub last_step: Bits<8>,
    /// Beats of the body in the store-and-forward buffer.
    pub body_beats: Bits<8>,
    /// Bytes in the last beat; 0 is 64.
    pub last_bytes: Bits<6>,
    /// IPv4 total length.
    pub ip_length: Bits<16>,
    /// UDP length.
    pub udp_length: Bits<16>,
    /// IPv4 header checksum.
    pub ip_checksum_wire: Bits<16>,
    /// Own IPv4 address.
    pub local_ipv4_wire: Bits<32>,
    /// Destination.
    pub peer: Peer,
    /// reply_stat is MSG_DENIED.
    pub denied: Bit,
    /// reject_stat is AUTH_ERROR.
    pub auth_error: Bit,
    /// Frame bytes 58 to 73.
    pub words_wire: Bits<128>,
}

/// A frame ready to be sent, once its body beats follow.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Frame {
    /// Header fields; `peer.mac` is the destination.
    pub head: FrameHead,
    /// UDP checksum.
    pub checksum_wire: Bits<16>,
    /// The destination was not in the neighbour table.
    pub neighbour_miss: Bit,
}

/// Answer of the neighbour table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct NeighbourHit {
    /// The address is in the table.
    pub hit: Bit,
    /// Its MAC, first byte on the wire least significant; meaningless without `hit`.
    pub mac: Bits<48>,
}

/// One-cycle pulses for messages that end without a frame, or not as they should.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct AdmitEvents {
    /// A session was freed without a reply.
    pub released: Bit,
    /// A message with a wrong handle was dropped.
    pub bad_session: Bit,
    /// A message was malformed.
    pub malformed: Bit,
}
