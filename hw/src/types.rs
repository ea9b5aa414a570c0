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

/// Thirty-two bytes of a packet, where a bus is narrower; otherwise as [`Beat`].
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Beat32 {
    /// Payload bytes, first byte least significant.
    pub data: Bits<256>,
    /// Valid bytes: contiguous from bit 0, all ones unless `last`.
    pub keep: Bits<32>,
    /// Last beat of the packet.
    pub last: Bit,
}

/// Sixteen bytes of a packet, where a bus is narrower; otherwise as [`Beat`].
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Beat16 {
    /// Payload bytes, first byte least significant.
    pub data: Bits<128>,
    /// Valid bytes: contiguous from bit 0, all ones unless `last`.
    pub keep: Bits<16>,
    /// Last beat of the packet.
    pub last: Bit,
}

/// Eight bytes of a packet, where a bus is narrower; otherwise as [`Beat`].
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Beat8 {
    /// Payload bytes, first byte least significant.
    pub data: Bits<64>,
    /// Valid bytes: contiguous from bit 0, all ones unless `last`.
    pub keep: Bits<8>,
    /// Last beat of the packet.
    pub last: Bit,
}

/// One beat of a packet that is to be moved.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct OffsetBeat {
    /// The beat.
    pub beat: Beat,
    /// In the packet's first beat: bytes to move it by. Without meaning in the others.
    pub offset_bytes: Bits<6>,
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
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Of the load.
    pub id: Bits<8>,
    /// The host may write the line.
    pub exclusive: Bit,
    /// Last beat of the line.
    pub last: Bit,
}

/// One beat of a line the host gives back unasked; a clean eviction notice is one beat.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineWriteback {
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Line index in the aperture.
    pub address: Bits<24>,
    /// The line carries data; else it is a notice of clean eviction.
    pub dirty: Bit,
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
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// Of the recall.
    pub id: Bits<16>,
    /// The line was modified and its data follows.
    pub dirty: Bit,
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

/// What one beat of a bypass frame brings to its line image: a beat, and at the end of the frame
/// perhaps the begin of the one behind it.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FrameWrite {
    /// Beat address: slot times beats per slot, plus beat.
    pub address: Bits<16>,
    /// Line bytes, first byte least significant.
    pub data: Bits<512>,
    /// There is a beat behind it.
    pub spills: Bit,
    /// First line bytes of that beat; the others are zero.
    pub spill: Bits<272>,
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

/// A session index with the generation that makes the handle unique.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SessionHandle {
    /// Session index.
    pub index: Bits<10>,
    /// Counts up each time the index is freed.
    pub generation: Bits<16>,
}

/// What the receive path needs to know of the register file.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct RxConfig {
    /// Frames are received.
    pub enable: Bit,
    /// Unicast frames for other stations go to the bypass instead of being dropped.
    pub promiscuous: Bit,
    /// Own MAC, first byte on the wire least significant.
    pub mac: Bits<48>,
    /// Own IPv4 address, first byte on the wire least significant.
    pub ipv4: Bits<32>,
    /// Sixteen UDP ports, numeric, entry 0 least significant.
    pub rpc_ports: Bits<256>,
    /// Which of them are valid.
    pub rpc_port_valid: Bits<16>,
}

/// What the transmit path needs to know of the register file.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct TxConfig {
    /// Own MAC, first byte on the wire least significant.
    pub mac: Bits<48>,
    /// Own IPv4 address, first byte on the wire least significant.
    pub ipv4: Bits<32>,
    /// Workers that send bare frames instead of replies; bit 0 is endpoint 1.
    pub raw_worker: Bits<16>,
}

/// What the endpoints need to know of the register file.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct HostConfig {
    /// Workers that may be given calls; bit 0 is endpoint 1.
    pub worker_enable: Bits<16>,
    /// Workers that are asked to retire at their next wait; bit 0 is endpoint 1.
    pub worker_retire: Bits<16>,
    /// Workers that are asked for their core; bit 0 is endpoint 1.
    pub worker_preempt: Bits<16>,
    /// Workers that are given bare frames instead of calls; bit 0 is endpoint 1.
    pub raw_worker: Bits<16>,
    /// Control lines that are written back are sent.
    pub eager_tx: Bit,
    /// A store to an answer acknowledges it, not a load of the other control line.
    pub store_acknowledge: Bit,
    /// A deferred load is answered TRY_AGAIN after this many cycles.
    pub block_time_cycles: Bits<32>,
}

/// Entry address of a two-bank hash table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct TableIndex {
    /// Bank.
    pub bank: Bit,
    /// Entry in the bank.
    pub index: Bits<10>,
}

/// An entry of the service table; all fields numeric.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ServiceEntry {
    /// The entry is in use.
    pub valid: Bit,
    /// RPC program.
    pub program: Bits<32>,
    /// RPC program version.
    pub version: Bits<32>,
    /// RPC procedure.
    pub procedure: Bits<32>,
    /// UDP port.
    pub port: Bits<16>,
    /// Handed to the worker as it is.
    pub function: Bits<64>,
    /// Service id, for the worker and for accounting.
    pub service: Bits<16>,
    /// Process that serves it.
    pub process: Bits<16>,
    /// Bit 0: the card answers this procedure itself (NULL).
    pub flags: Bits<8>,
}

/// Writes an entry of the service table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ServiceWrite {
    /// Where.
    pub at: TableIndex,
    /// What.
    pub entry: ServiceEntry,
}

/// An entry of the program table; all fields numeric.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ProgramEntry {
    /// The entry is in use.
    pub valid: Bit,
    /// RPC program.
    pub program: Bits<32>,
    /// UDP port.
    pub port: Bits<16>,
    /// Lowest version registered.
    pub low: Bits<32>,
    /// Highest version registered; at most `low + 31`.
    pub high: Bits<32>,
    /// Bit `v - low` is set when version `v` is registered.
    pub versions: Bits<32>,
}

/// Writes an entry of the program table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ProgramWrite {
    /// Where.
    pub at: TableIndex,
    /// What.
    pub entry: ProgramEntry,
}

/// An entry of the neighbour table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct NeighbourEntry {
    /// The entry is in use.
    pub valid: Bit,
    /// IPv4 address, first byte on the wire least significant.
    pub ipv4: Bits<32>,
    /// MAC, first byte on the wire least significant.
    pub mac: Bits<48>,
}

/// Writes an entry of the neighbour table.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct NeighbourWrite {
    /// Where.
    pub index: Bits<8>,
    /// What.
    pub entry: NeighbourEntry,
}

/// One-cycle pulses of the receive path, one per counter of the same name; of the dispositions
/// exactly one pulses per frame.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct RxEvents {
    pub rx_frames: Bit,
    pub rx_call_dispatched: Bit,
    pub rx_null_answered: Bit,
    pub rx_prog_unavail: Bit,
    pub rx_prog_mismatch: Bit,
    pub rx_proc_unavail: Bit,
    pub rx_rpc_mismatch: Bit,
    pub rx_auth_error: Bit,
    pub rx_bypass: Bit,
    pub rx_drop_mac_error: Bit,
    pub rx_drop_runt: Bit,
    pub rx_drop_oversize: Bit,
    pub rx_drop_not_for_us: Bit,
    pub rx_drop_ipv4_header: Bit,
    pub rx_drop_udp_length: Bit,
    pub rx_drop_udp_checksum: Bit,
    pub rx_drop_rpc_malformed: Bit,
    pub rx_drop_no_slot: Bit,
    pub rx_drop_no_session: Bit,
    pub rx_drop_bypass_full: Bit,
    pub rx_drop_reply_queue_full: Bit,
}

/// One-cycle pulses of the transmit path, one per counter of the same name.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct TxEvents {
    pub tx_frames: Bit,
    pub tx_replies: Bit,
    pub tx_nic_replies: Bit,
    pub tx_bypass: Bit,
    pub tx_released: Bit,
    pub tx_drop_bad_session: Bit,
    pub tx_drop_malformed: Bit,
    pub tx_neighbour_miss: Bit,
}

/// One-cycle pulses of the endpoints, one per counter of the same name. Endpoints that report in the
/// same cycle are counted one after the other, so each field is a small number.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct HostEvents {
    pub endpoint_try_again: Bits<5>,
    pub endpoint_delivered: Bits<5>,
    pub endpoint_early_loads: Bits<5>,
    pub endpoint_stray_loads: Bits<5>,
    pub endpoint_incomplete: Bits<5>,
}

/// What an adapter reports: one-cycle pulses and an amount, each for the register of the same name.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct BusEvents {
    pub bus_refused_requests: Bit,
    pub bus_refused_writes: Bit,
    pub bus_dropped_responses: Bit,
    pub bus_incomplete: Bits<16>,
}
