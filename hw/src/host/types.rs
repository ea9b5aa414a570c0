//! Signals between the blocks of the host side.

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use rust_hdl::prelude::*;

/// A load on its way to one half of an endpoint.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct EndpointLoad {
    /// A control line, else an overflow line.
    pub control: Bit,
    /// Parity of the control line or number of the overflow line.
    pub index: Bits<8>,
    /// Echoed by the fill.
    pub id: Bits<8>,
    /// The host wants to write the line.
    pub exclusive: Bit,
}

/// What a fill is made of.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct FillRequest {
    /// The message in `slot` of the packet buffer.
    pub from_slot: Bit,
    /// The transmit lines of endpoint `slot`. With neither, the line is zeros.
    pub from_transmit: Bit,
    /// Kind of a control line without message, or READY and BUSY of a preemption line.
    pub kind: Bits<3>,
    /// Slot or endpoint.
    pub slot: Bits<10>,
    /// First beat of the line in the slot or in the endpoint's transmit lines.
    pub beat: Bits<9>,
    /// Beats of the message in the slot; beats from here on are zeros.
    pub beats: Bits<9>,
    /// Of the load.
    pub id: Bits<8>,
    /// The host may write the line.
    pub exclusive: Bit,
    /// Told when the line has left: endpoint, bit 5 set for its TX half; 62 for the preemption lines,
    /// 63 for nobody.
    pub requester: Bits<6>,
}

/// A line to be recalled.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct RecallRequest {
    /// Endpoint.
    pub endpoint: Bits<5>,
    /// A TX line, else an RX line.
    pub tx: Bit,
    /// A control line, else an overflow line.
    pub control: Bit,
    /// Parity of the control line or number of the overflow line; with `control` and without `tx`, 2
    /// is the preemption line.
    pub index: Bits<8>,
}

/// The first bytes of a TX header.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct SendHeader {
    /// There is a message.
    pub valid: Bit,
    /// What it is.
    pub kind: Bits<3>,
    /// accept_stat of an error reply.
    pub status: Bits<12>,
    /// Body length in bytes.
    pub length_bytes: Bits<16>,
    /// Session index of the handle.
    pub session: Bits<16>,
    /// Generation of the handle.
    pub generation: Bits<16>,
    /// Sequence number, the low byte.
    pub sequence: Bits<8>,
}

/// A line came back.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LineEvent {
    /// Endpoint.
    pub endpoint: Bits<5>,
    /// A TX line, else an RX line.
    pub tx: Bit,
    /// A control line, else an overflow line.
    pub control: Bit,
    /// Parity of the control line or number of the overflow line.
    pub index: Bits<8>,
    /// It answers a recall, else it came unasked.
    pub acknowledged: Bit,
    /// It brought data.
    pub dirty: Bit,
    /// TX control lines: the header last written to the line, by this message or before.
    pub header: SendHeader,
}

/// A preemption line came back.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct PreemptionEvent {
    /// Endpoint.
    pub endpoint: Bits<5>,
    /// It answers a recall, else it came unasked.
    pub acknowledged: Bit,
    /// It brought data.
    pub dirty: Bit,
    /// BUSY in that data.
    pub busy: Bit,
}

/// A message is given to an endpoint.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Assignment {
    /// Endpoint.
    pub endpoint: Bits<5>,
    /// Packet buffer slot that holds the message image.
    pub slot: Bits<10>,
    /// Body length in bytes.
    pub length_bytes: Bits<16>,
}

/// A session whose worker is gone.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Orphan {
    /// Endpoint of the worker.
    pub endpoint: Bits<5>,
    /// Session index of the handle.
    pub session: Bits<10>,
    /// Generation of the handle.
    pub generation: Bits<16>,
}

/// One-cycle pulses of an RX half.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct RxHalfEvents {
    /// A wait ended with TRY_AGAIN.
    pub try_again: Bit,
    /// A message was delivered.
    pub delivered: Bit,
    /// A load was answered EMPTY.
    pub early: Bit,
}
