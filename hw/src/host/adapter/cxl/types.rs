//! Messages of CXL.mem, without what the link layer adds, and their encodings.
//! Sources: `docs/src/interconnects.md`.

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use rust_hdl::prelude::*;

/// M2S Req: reads line ownership out.
pub const MEM_INV: u64 = 0b0000;
/// M2S Req: reads a line.
pub const MEM_RD: u64 = 0b0001;
/// M2S Req: reads a line, shared if possible.
pub const MEM_RD_DATA: u64 = 0b0010;
/// M2S Req: a read that may be ignored.
pub const MEM_SPEC_RD: u64 = 0b1000;
/// M2S Req: as [`MEM_INV`], not to be cached by others.
pub const MEM_INV_NT: u64 = 0b1001;
/// M2S Req: a clean line was evicted.
pub const MEM_CLN_EVCT: u64 = 0b1010;
/// M2S RwD: writes a line.
pub const MEM_WR: u64 = 0b0001;
/// M2S RwD: writes some bytes of a line.
pub const MEM_WR_PTL: u64 = 0b0010;
/// M2S RwD: a snoop met a request of its line.
pub const BI_CONFLICT: u64 = 0b0100;
/// M2S BIRsp: the host does not hold the line any more.
pub const BI_RSP_I: u64 = 0b0000;
/// S2M BISnp: give the line back.
pub const BI_SNP_INV: u64 = 0b0010;
/// S2M NDR: done.
pub const CMP: u64 = 0b000;
/// S2M NDR: done, the host may share the line.
pub const CMP_S: u64 = 0b001;
/// S2M NDR: done, the host owns the line.
pub const CMP_E: u64 = 0b010;
/// S2M NDR: answers [`BI_CONFLICT`], behind all completions of what was taken before.
pub const BI_CONFLICT_ACK: u64 = 0b100;
/// S2M DRS: the line.
pub const MEM_DATA: u64 = 0b000;
/// S2M DRS: there is no such line.
pub const MEM_DATA_NXM: u64 = 0b001;
/// Snoop type: none.
pub const SNP_NO_OP: u64 = 0b000;
/// Snoop type: the host will share the line.
pub const SNP_DATA: u64 = 0b001;
/// Snoop type: the host wants the value and will not hold the line.
pub const SNP_CUR: u64 = 0b010;
/// Snoop type: the host will own the line.
pub const SNP_INV: u64 = 0b011;
/// Meta field: the value says how the host will hold the line.
pub const META0_STATE: u64 = 0b00;
/// Meta field: no value.
pub const META_NO_OP: u64 = 0b11;
/// Meta value: the host will not hold it.
pub const META_INVALID: u64 = 0b00;
/// Meta value: shared, exclusive or modified.
pub const META_ANY: u64 = 0b10;
/// Meta value: shared.
pub const META_SHARED: u64 = 0b11;

/// Master to subordinate, request.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlRequest {
    /// Line number in the device's memory.
    pub address: Bits<46>,
    /// Echoed by the responses.
    pub tag: Bits<16>,
    /// What is asked.
    pub opcode: Bits<4>,
    /// What the device must do to its own caches; the card has none.
    pub snoop: Bits<3>,
    /// Whether `meta_value` counts.
    pub meta_field: Bits<2>,
    /// How the host will hold the line.
    pub meta_value: Bits<2>,
}

/// Master to subordinate, request with data.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlWrite {
    /// The line.
    pub data: Bits<512>,
    /// Line number in the device's memory.
    pub address: Bits<46>,
    /// Echoed by the response.
    pub tag: Bits<16>,
    /// What is asked.
    pub opcode: Bits<4>,
    /// Whether `meta_value` counts.
    pub meta_field: Bits<2>,
    /// How the host will hold the line.
    pub meta_value: Bits<2>,
    /// The data is known to be damaged.
    pub poison: Bit,
}

/// Master to subordinate, answer to a back-invalidate snoop.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlSnoopResponse {
    /// How the host holds the line now.
    pub opcode: Bits<4>,
    /// Of the snoop.
    pub bi_tag: Bits<12>,
}

/// Subordinate to master, response without data.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlCompletion {
    /// What is answered.
    pub opcode: Bits<3>,
    /// Of the request.
    pub tag: Bits<16>,
}

/// Subordinate to master, response with data.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlData {
    /// The line.
    pub data: Bits<512>,
    /// What is answered.
    pub opcode: Bits<3>,
    /// Of the request.
    pub tag: Bits<16>,
    /// The data is no line's.
    pub poison: Bit,
}

/// Subordinate to master, back-invalidate snoop.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlSnoop {
    /// Line number in the device's memory.
    pub address: Bits<46>,
    /// What is asked.
    pub opcode: Bits<4>,
    /// Echoed by the response.
    pub bi_tag: Bits<12>,
}

/// A load that was passed to the card: what its answer needs.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlOpened {
    /// Of the load.
    pub id: Bits<8>,
    /// Of the request.
    pub tag: Bits<16>,
    /// The request wants the line.
    pub data: Bit,
    /// The host will hold the line.
    pub cached: Bit,
    /// It may be told that it owns the line.
    pub may_own: Bit,
}

/// An answer that needs no line.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct CxlDone {
    /// Completion, unless `nowhere`.
    pub opcode: Bits<3>,
    /// Of the request.
    pub tag: Bits<16>,
    /// A read of a line that there is not: MemData-NXM is its only answer.
    pub nowhere: Bit,
}
