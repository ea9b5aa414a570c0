//! Messages of the buses, as the adapters' ports carry them.

#![allow(
    missing_docs,
    reason = "the derives emit undocumented join/link and field methods"
)]

use rust_hdl::prelude::*;

/// AXI4 read or write address.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct AxiAddress {
    /// Byte address.
    pub address: Bits<40>,
    /// Transaction id.
    pub id: Bits<7>,
    /// Beats less one.
    pub len: Bits<8>,
    /// Log2 of the bytes of a beat.
    pub size: Bits<3>,
    /// 0 FIXED, 1 INCR, 2 WRAP.
    pub burst: Bits<2>,
}

/// Beat of an AXI4 read.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct AxiReadData {
    /// Bytes, lowest address least significant.
    pub data: Bits<512>,
    /// Of the address.
    pub id: Bits<7>,
    /// 0 OKAY, 2 SLVERR, 3 DECERR.
    pub resp: Bits<2>,
    /// Last beat of the burst.
    pub last: Bit,
}

/// Beat of an AXI4 write.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct AxiWriteData {
    /// Bytes, lowest address least significant.
    pub data: Bits<512>,
    /// Bytes that are written.
    pub strobe: Bits<64>,
    /// Last beat of the burst.
    pub last: Bit,
}

/// Answer to an AXI4 write.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct AxiWriteResponse {
    /// Of the address.
    pub id: Bits<7>,
    /// 0 OKAY, 2 SLVERR, 3 DECERR.
    pub resp: Bits<2>,
}

/// What the PCIe gatherer does next: a write or a recall of one line.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct GatherRequest {
    /// Bytes, lowest address least significant.
    pub data: Bits<512>,
    /// Bytes that are written: none by recalls and refused writes.
    pub strobe: Bits<64>,
    /// Line index in the aperture.
    pub line: Bits<24>,
    /// Of the write's address, or of the recall.
    pub id: Bits<16>,
    /// 0 OKAY, 2 SLVERR, 3 DECERR: how a write is answered.
    pub resp: Bits<2>,
    /// A recall, else a write.
    pub recall: Bit,
}

/// Beat of the answer to a read, on its way to an AXI read channel.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ReadAnswer {
    /// Bytes, lowest address least significant.
    pub data: Bits<512>,
    /// Of the load: the port in the top bit, below it the transaction id.
    pub id: Bits<8>,
    /// The card did not answer in time; `data` means nothing.
    pub failed: Bit,
    /// Last beat of the line.
    pub last: Bit,
}

/// A message of one word on a local channel of Enzian's directory controller.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct EciMessage {
    /// The word.
    pub word: Bits<64>,
    /// Words in the message.
    pub size: Bits<5>,
    /// Virtual channel.
    pub channel: Bits<5>,
}
