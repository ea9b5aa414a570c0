//! # CXL requests
//! Takes what the host sends on the Req and RwD channels: loads and notices of clean evictions from the
//! one, lines written back and conflicts from the other. What the card need not know is answered here.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `req` | in | stream of `CxlRequest` | requests |
//! | `rwd` | in | stream of `CxlWrite` | requests with data; wait for nothing but the card's `writeback` and `done` |
//! | `release` | in | flow of ids | of loads that were answered |
//! | `load` | out | stream of `LineLoad` | loads, of lines in the aperture |
//! | `opened` | out | flow of `CxlOpened` | one for each load, a cycle before it is offered |
//! | `writeback` | out | stream of `LineWriteback` | lines written back and notices of clean evictions, one beat each |
//! | `done` | out | stream of `CxlDone` | answers that need no line; of a writeback once the card has it; its `ready` does not fall while nothing is given |
//! | `refused_req`, `refused_rwd` | out | bits | pulses: a request, a request with data was refused |
//!
//! Latency: 1 cycle. Throughput: 1 load and 1 writeback/cycle.
//! Backpressure: lossless. `done` and `writeback.valid` follow from each other's `ready` in the cycle;
//! `req.ready` and `rwd.ready` from all inputs.
//! Ordering: each channel in order; `rwd` before `req` where both want the same way.
//! Reset: drops what is inside.
//! Errors: reads of no line are answered MemData-NXM alone, writes of none are completed and dropped; so are
//! partial and poisoned writes and requests this device class does not get. MemSpecRd is dropped, as it may be.

use super::types::*;
use crate::host::adapter::axi_read::Aperture;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowIn, FlowOut, LineLoad, LineWriteback, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 8;

/// The block.
#[derive(LogicBlock, Default)]
pub struct CxlHost {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Requests.
    pub req: StreamIn<CxlRequest>,
    /// Requests with data.
    pub rwd: StreamIn<CxlWrite>,
    /// Ids of answered loads.
    pub release: FlowIn<Bits<8>>,
    /// Loads.
    pub load: StreamOut<LineLoad>,
    /// What their answers need.
    pub opened: FlowOut<CxlOpened>,
    /// Lines given back.
    pub writeback: StreamOut<LineWriteback>,
    /// Answers without a line.
    pub done: StreamOut<CxlDone>,
    /// Pulse: a request was refused.
    pub refused_req: Signal<Out, Bit>,
    /// Pulse: a request with data was refused.
    pub refused_rwd: Signal<Out, Bit>,
    _aperture: Aperture,
}

impl CxlHost {
    /// Requests for the lines of this aperture.
    pub fn new(aperture: Aperture) -> Self {
        Self {
            _aperture: aperture,
            ..Self::default()
        }
    }
}

fn is(value: Expr<'_>, literal: u64) -> Expr<'_> {
    value.eq_lit(u128::from(literal))
}

impl Leaf for CxlHost {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "req$ready <- done$ready",
            "req$ready <- load$ready",
            "req$ready <- req$payload",
            "req$ready <- req$valid",
            "req$ready <- rwd$payload",
            "req$ready <- rwd$valid",
            "req$ready <- writeback$ready",
            "rwd$ready <- done$ready",
            "rwd$ready <- rwd$payload",
            "rwd$ready <- rwd$valid",
            "rwd$ready <- writeback$ready",
            "opened$payload <- req$payload",
            "opened$valid <- load$ready",
            "opened$valid <- req$payload",
            "opened$valid <- req$valid",
            "writeback$valid <- done$ready",
            "done$payload <- done$ready",
            "done$payload <- req$payload",
            "done$payload <- rwd$payload",
            "done$payload <- rwd$valid",
            "done$valid <- done$ready",
            "done$valid <- req$payload",
            "done$valid <- req$valid",
            "done$valid <- rwd$payload",
            "done$valid <- rwd$valid",
            "done$valid <- writeback$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let done_ready = b.read(&self.done.ready);

        // What a request is.
        let req = b.read(&self.req.payload);
        let req_valid = b.read(&self.req.valid);
        let opcode = req.field("opcode");
        let (line, inside) = self
            ._aperture
            .find(b.cat(&[req.field("address"), b.zero(self._aperture.offset_bits)]));
        let reads_data = is(opcode, MEM_RD_DATA);
        let reads = b.wire("reads", is(opcode, MEM_RD) | reads_data);
        let takes = is(opcode, MEM_INV) | is(opcode, MEM_INV_NT);
        let meta = is(req.field("meta_field"), META0_STATE);
        let any = b.wire("any", meta & is(req.field("meta_value"), META_ANY));
        let shared = meta & is(req.field("meta_value"), META_SHARED);
        let holds = b.wire("holds", any | shared);
        let wants_load = b.wire("wants_load", inside & (reads | (takes & holds)));
        let notice = b.wire("notice", inside & is(opcode, MEM_CLN_EVCT));
        let ignored = is(opcode, MEM_SPEC_RD);
        let flush = inside & takes & !holds;
        let direct = b.wire("direct", !wants_load & !notice & !ignored);

        // Loads.
        let load_valid = b.reg("load_valid_q", 1);
        let load = b.reg_of::<LineLoad>("load_q");
        let pass = !load_valid.q() | b.read(&self.load.ready);
        // An id that no load has: the next one that is not busy.
        let busy = b.reg("busy_ids_q", 1 << ID_BITS);
        let id = b.reg("next_id_q", ID_BITS);
        let has_id = b.wire("has_id", !busy.q().shift_right(id.q()).bit(0));
        let loads = b.wire("loads", req_valid & wants_load & pass & has_id);
        b.when(pass, || {
            load_valid.set(loads);
            load.set(b.pack::<LineLoad>(&[
                ("address", line.zext(24)),
                ("id", id.q()),
                ("exclusive", any),
            ]));
        });
        b.drive(&self.load.valid, load_valid.q());
        b.drive(&self.load.payload, load.q());
        b.when(loads | !has_id, || id.set(id.q().inc()));
        let one = b.lit(1, 1).zext(1 << ID_BITS);
        let given = one.shift_left(id.q()) & loads.repeat(1 << ID_BITS);
        let released = b.read(&self.release.valid).repeat(1 << ID_BITS);
        let back = one.shift_left(b.read(&self.release.payload)) & released;
        busy.set((busy.q() | given) & !back);
        b.drive(&self.opened.valid, loads);
        b.drive(
            &self.opened.payload,
            b.pack::<CxlOpened>(&[
                ("id", id.q()),
                ("tag", req.field("tag")),
                ("data", reads),
                ("cached", holds | reads_data),
                // Who asks for a shared line without its data gets no more.
                ("may_own", reads | any),
            ]),
        );

        // What a request with data is.
        let rwd = b.read(&self.rwd.payload);
        let rwd_valid = b.read(&self.rwd.valid);
        let (written, found) = self
            ._aperture
            .find(b.cat(&[rwd.field("address"), b.zero(self._aperture.offset_bits)]));
        let conflict = is(rwd.field("opcode"), BI_CONFLICT);
        let writes = is(rwd.field("opcode"), MEM_WR) & found & !rwd.field("poison");
        let writes = b.wire("writes", writes);
        // A host that keeps a copy of what it writes back would have to be snooped at once.
        let keeps = is(rwd.field("meta_field"), META0_STATE) & rwd.field("meta_value").any();

        // Lines and notices to the card; data first.
        let out_valid = b.reg("out_valid_q", 1);
        let out = b.reg_of::<LineWriteback>("out_q");
        let out_tag = b.reg_data("out_tag_q", 16);
        let offered = b.wire("offered", out_valid.q() & done_ready);
        let taken = b.wire("taken", offered & b.read(&self.writeback.ready));
        let room = b.wire("room", !out_valid.q() | taken);
        b.drive(&self.writeback.valid, offered);
        b.drive(&self.writeback.payload, out.q());
        let stores = b.wire("stores", rwd_valid & writes & room);
        let notes = b.wire("notes", req_valid & notice & room & !(rwd_valid & writes));
        b.when(room, || {
            out_valid.set(stores | notes);
            out.set(b.pack::<LineWriteback>(&[
                ("data", rwd.field("data")),
                ("address", stores.mux(written, line).zext(24)),
                ("dirty", stores),
                ("last", b.bit(true)),
            ]));
            out_tag.set(stores.mux(rwd.field("tag"), req.field("tag")));
        });

        // Answers: of what the card has taken, then of data, then of requests. None but its own may use
        // the room that a line on offer counts on.
        let done_free = done_ready & !out_valid.q();
        let rwd_direct = b.wire("rwd_direct", rwd_valid & !writes);
        let rwd_answers = b.wire("rwd_answers", rwd_direct & done_free);
        let req_direct = b.wire("req_direct", req_valid & direct);
        let req_answers = b.wire("req_answers", req_direct & done_free & !rwd_direct);
        b.drive(&self.done.valid, taken | rwd_answers | req_answers);
        let conflict_ack = b.lit(3, u128::from(BI_CONFLICT_ACK));
        let cmp = b.lit(3, u128::from(CMP));
        b.drive(
            &self.done.payload,
            b.pack::<CxlDone>(&[
                ("opcode", (rwd_answers & conflict).mux(conflict_ack, cmp)),
                (
                    "tag",
                    out_valid.q().mux(
                        out_tag.q(),
                        rwd_answers.mux(rwd.field("tag"), req.field("tag")),
                    ),
                ),
                ("nowhere", !out_valid.q() & !rwd_answers & reads),
            ]),
        );
        b.drive(&self.rwd.ready, stores | rwd_answers);
        b.drive(
            &self.req.ready,
            loads | notes | req_answers | (req_valid & ignored),
        );
        let refused = [b.reg("refused_req_q", 1), b.reg("refused_rwd_q", 1)];
        refused[0].set(req_answers & !flush);
        refused[1].set((rwd_answers & !conflict) | (stores & keeps));
        b.drive(&self.refused_req, refused[0].q());
        b.drive(&self.refused_rwd, refused[1].q());
        b.unused(req);
        b.unused(rwd);
    }
}
leaf!(impl[] CxlHost { req, rwd, load, opened, writeback, done, refused_req, refused_rwd });
