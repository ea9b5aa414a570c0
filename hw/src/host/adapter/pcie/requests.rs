//! # PCIe requests
//! Makes one row of requests for the gatherer out of writes and recalls, which take turns: joins a
//! write's address with its data, and checks it.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `aw`, `w` | in | streams of `AxiAddress`, `AxiWriteData` | writes of one beat, any strobes |
//! | `recall` | in | stream of `LineRecall` | lines wanted back |
//! | `request` | out | stream of `GatherRequest` | a request for each write and each recall |
//!
//! Latency: 1 cycle. Throughput: 1 write or recall/cycle.
//! Backpressure: lossless; every `ready` is a register, behind it a place for one item.
//! Ordering: writes as they come, recalls as they come.
//! Reset: forgets what it holds.
//! Errors: outside of the aperture DECERR, more than one beat SLVERR; such a write becomes a request that
//! writes no bytes, with its last beat.

use crate::host::adapter::axi_read::{Aperture, DECERR, OKAY, SLVERR};
use crate::host::adapter::types::{AxiAddress, AxiWriteData, GatherRequest};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Reg};
use crate::types::{LineRecall, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const LEN_BITS: usize = 8;
const LINE_BYTES: usize = 64;
const ID_BITS: usize = 16;
const LINE_BITS: usize = 24;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Requests {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Write addresses.
    pub aw: StreamIn<AxiAddress>,
    /// Their data.
    pub w: StreamIn<AxiWriteData>,
    /// Lines wanted back.
    pub recall: StreamIn<LineRecall>,
    /// Both in turns.
    pub request: StreamOut<GatherRequest>,
    _aperture: Aperture,
}

impl Requests {
    /// Requests for the lines of this aperture.
    pub fn new(aperture: Aperture) -> Self {
        Self {
            _aperture: aperture,
            ..Self::default()
        }
    }
}

/// An input with a place for an item that cannot go on in the cycle in which it comes.
struct Place<'b> {
    waits: Reg<'b>,
    there: Expr<'b>,
    item: Expr<'b>,
}

impl<'b> Place<'b> {
    fn new<T: Synth>(b: &'b Body, name: &str, port: &StreamIn<T>) -> Self {
        let waits = b.reg(&format!("{name}_waits_q"), 1);
        let place = b.reg_of::<T>(&format!("{name}_q"));
        let item = b.read(&port.payload);
        b.when(!waits.q(), || place.set(item));
        b.drive(&port.ready, !waits.q());
        let there = b.wire(&format!("{name}_there"), waits.q() | b.read(&port.valid));
        let item = waits.q().mux(place.q(), item);
        Self { waits, there, item }
    }

    fn taken(&self, taken: Expr<'b>) {
        self.waits.set(self.there & !taken);
    }
}

impl Leaf for Requests {
    fn body(&self, b: &Body) {
        let aw = Place::new(b, "aw", &self.aw);
        let w = Place::new(b, "w", &self.w);
        let recall = Place::new(b, "recall", &self.recall);
        let valid = b.reg("valid_q", 1);
        let request = b.reg_of::<GatherRequest>("request_q");
        let room = b.wire("room", !valid.q() | b.read(&self.request.ready));

        let turn = b.reg("turn_q", 1);
        let writes = b.wire("writes", aw.there & w.there);
        let recalls = b.wire("recalls", recall.there & (turn.q() | !writes));
        let takes_recall = recalls & room;
        let takes_write = b.wire("takes_write", writes & !recalls & room);
        b.when(takes_recall | takes_write, || turn.set(takes_write));

        // A longer burst is taken beat by beat and its address with the last.
        let inside = b.reg("inside_q", 1);
        let left = b.reg_data("left_q", LEN_BITS);
        let len = aw.item.field("len");
        let single = !len.any();
        let last = b.wire("last", inside.q().mux(!left.q().any(), single));
        b.when(takes_write, || {
            inside.set(!last);
            left.set(inside.q().mux(left.q(), len).dec());
        });
        aw.taken(takes_write & last);
        w.taken(takes_write);
        recall.taken(takes_recall);

        let (index, found) = self._aperture.find(aw.item.field("address"));
        let legal = b.wire("legal", found & single & !aw.item.field("size").eq_lit(7));
        let error = found.mux(b.lit(2, SLVERR), b.lit(2, DECERR));
        let strobe = w.item.field("strobe") & (legal & !recalls).repeat(LINE_BYTES);
        b.when(room, || {
            valid.set(recalls | (writes & last));
            request.set(b.pack::<GatherRequest>(&[
                ("data", w.item.field("data")),
                ("strobe", strobe),
                (
                    "line",
                    recalls.mux(recall.item.field("address"), index.zext(LINE_BITS)),
                ),
                (
                    "id",
                    recalls.mux(recall.item.field("id"), aw.item.field("id").zext(ID_BITS)),
                ),
                ("resp", legal.mux(b.lit(2, OKAY), error)),
                ("recall", recalls),
            ]));
        });
        for item in [aw.item, w.item] {
            b.unused(item);
        }
        b.drive(&self.request.valid, valid.q());
        b.drive(&self.request.payload, request.q());
    }
}
leaf!(impl[] Requests { aw, w, recall, request });
