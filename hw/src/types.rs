//! Signal types and bundles that blocks share.
//!
//! `Stream*` carries a valid/ready handshake with registered outputs. `Flow*` has no ready: it is
//! used where the consumer can never stall (the receive path: the wire does not wait).

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use rust_hdl::prelude::*;

/// Producer side of a valid/ready stream.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "StreamIn"]
pub struct StreamOut<T: Synth> {
    /// Item offered; stable while `valid` waits for `ready`.
    pub payload: Signal<Out, T>,
    /// An item is offered.
    pub valid: Signal<Out, Bit>,
    /// The consumer takes the item in this cycle.
    pub ready: Signal<In, Bit>,
}

/// Consumer side of a valid/ready stream.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "StreamOut"]
pub struct StreamIn<T: Synth> {
    /// Item offered; stable while `valid` waits for `ready`.
    pub payload: Signal<In, T>,
    /// An item is offered.
    pub valid: Signal<In, Bit>,
    /// This side takes the item in this cycle.
    pub ready: Signal<Out, Bit>,
}

/// Producer side of a flow: every valid item is taken in its cycle.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "FlowIn"]
pub struct FlowOut<T: Synth> {
    /// Item of this cycle.
    pub payload: Signal<Out, T>,
    /// There is an item in this cycle.
    pub valid: Signal<Out, Bit>,
}

/// Consumer side of a flow: every valid item is taken in its cycle.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "FlowOut"]
pub struct FlowIn<T: Synth> {
    /// Item of this cycle.
    pub payload: Signal<In, T>,
    /// There is an item in this cycle.
    pub valid: Signal<In, Bit>,
}

/// One 64-byte beat of a packet; byte 0 of the packet is bits 7:0 of its first beat.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Beat {
    /// Payload bytes, first byte least significant.
    pub data: Bits<512>,
    /// Valid bytes: contiguous from bit 0, all ones unless `last`.
    pub keep: Bits<64>,
    /// Last beat of the packet.
    pub last: Bit,
}

/// One beat from the MAC.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct MacBeat {
    /// Payload bytes, first byte least significant.
    pub data: Bits<512>,
    /// Valid bytes: contiguous from bit 0, all ones unless `last`.
    pub keep: Bits<64>,
    /// Last beat of the frame.
    pub last: Bit,
    /// With `last`: the MAC found the frame bad (FCS, length, code error).
    pub error: Bit,
}

/// Host loads a line.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineLoad {
    /// Line index in the aperture.
    pub address: Bits<24>,
    /// Echoed by the fill.
    pub id: Bits<8>,
    /// The host wants to write the line.
    pub exclusive: Bit,
}

/// One beat of a line that answers a load; `line_bytes / 64` beats, contiguous.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineFill {
    /// Of the load.
    pub id: Bits<8>,
    /// The host may write the line.
    pub exclusive: Bit,
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Last beat of the line.
    pub last: Bit,
}

/// One beat of a line the host gives back unasked; a clean eviction notice is one beat.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineWriteback {
    /// Line index in the aperture.
    pub address: Bits<24>,
    /// The line carries data; else it is a notice of clean eviction.
    pub dirty: Bit,
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Last beat of the message.
    pub last: Bit,
}

/// The card asks for a line back.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineRecall {
    /// Line index in the aperture.
    pub address: Bits<24>,
    /// Echoed by the acknowledgement.
    pub id: Bits<16>,
}

/// One beat of the answer to a recall; a clean answer is one beat.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineRecallAck {
    /// Of the recall.
    pub id: Bits<16>,
    /// The line was modified and its data follows.
    pub dirty: Bit,
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Last beat of the message.
    pub last: Bit,
}

/// What the dispatcher decides on: one accepted call (or one bypass frame) in a packet buffer slot.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct DispatchRequest {
    /// Packet buffer slot that holds the message image.
    pub slot: Bits<10>,
    /// Session index; meaningless for bypass frames.
    pub session: Bits<10>,
    /// Body length in bytes.
    pub length_bytes: Bits<16>,
}

/// Header of a message in the packet buffer, written once per accepted message.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct DescriptorWrite {
    /// Packet buffer slot.
    pub slot: Bits<10>,
    /// The 32 header bytes of the control line, first byte least significant.
    pub header: Bits<256>,
}

/// One beat written to a line buffer.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct BufferWrite {
    /// Beat address: slot (or endpoint) times beats per slot, plus beat.
    pub address: Bits<16>,
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
}

/// Peer and call identity that a reply needs.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Peer {
    /// Peer's MAC as it stood in the call's source field, first byte on the wire least significant.
    pub mac: Bits<48>,
    /// Peer's IPv4 address, first byte on the wire least significant.
    pub ipv4: Bits<32>,
    /// Peer's UDP port, numeric.
    pub port: Bits<16>,
    /// The UDP port the call was sent to, numeric.
    pub local_port: Bits<16>,
    /// Transaction id, first byte on the wire least significant.
    pub xid: Bits<32>,
}

/// A reply that the card gives without software.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct NicReply {
    /// Where it goes.
    pub peer: Peer,
    /// 0 SUCCESS (NULL), 1 PROG_UNAVAIL, 2 PROG_MISMATCH, 3 PROC_UNAVAIL, 4 GARBAGE_ARGS,
    /// 5 SYSTEM_ERR (RFC 5531 accept_stat); 8 RPC_MISMATCH; 9 AUTH_ERROR.
    pub kind: Bits<4>,
    /// Lowest version supported, or the auth_stat of AUTH_ERROR; numeric.
    pub low: Bits<32>,
    /// Highest version supported; numeric.
    pub high: Bits<32>,
}

/// Opens a session for an accepted call.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SessionOpen {
    /// Session index, from the free list.
    pub session: Bits<10>,
    /// What its reply needs.
    pub peer: Peer,
}

/// A complete message in an endpoint's transmit lines, offered to the transmit path.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct TxMessage {
    /// Sending endpoint; 0 is the bypass endpoint.
    pub endpoint: Bits<5>,
    /// Transmit kind of the line header (reply, error reply, frame, release).
    pub kind: Bits<3>,
    /// accept_stat of an error reply.
    pub status: Bits<12>,
    /// Session index of the handle.
    pub session: Bits<10>,
    /// Generation of the handle.
    pub generation: Bits<16>,
    /// Body length in bytes.
    pub length_bytes: Bits<16>,
}

/// Binds a session to the endpoint that serves it; the handle's generation comes with it.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SessionOwner {
    /// Session index.
    pub session: Bits<10>,
    /// Endpoint that was given the call.
    pub endpoint: Bits<5>,
}

/// Request to the register file.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CsrRequest {
    /// Byte address, 4-byte aligned.
    pub address: Bits<16>,
    /// Write, else read.
    pub write: Bit,
    /// Ignored by reads.
    pub write_data: Bits<32>,
}
