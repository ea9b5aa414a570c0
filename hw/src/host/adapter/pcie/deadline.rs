//! # Deadline of reads
//! Loads and their answers pass; a load that the card does not answer in time is answered here, so that
//! no read on the bus outlives the host's completion timeout. The card's own answer is dropped
//! when it comes, and until then further reads with that id fail at once.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `load`, `load_out` | both | streams of `LineLoad` | loads; one at a time of an id |
//! | `fill` | in | stream of `LineFill` | answers of the card, one beat each |
//! | `answer` | out | stream of `ReadAnswer` | answers to the bus |
//!
//! Latency: 1 cycle from `load` to `load_out`, 0 from `fill` to `answer`.
//! Throughput: 1 load and 1 answer/cycle.
//! Backpressure: lossless. Within a cycle `answer` follows from `fill` and `load`, `fill.ready` from
//! `fill` and `answer.ready`, `load.ready` from all inputs.
//! Ordering: loads in order, answers as they come.
//! Reset: forgets everything.
//! Errors: a load is given up between the deadline and 192 cycles later.

use crate::host::adapter::types::ReadAnswer;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{LineFill, LineLoad, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 7;
const IDS: usize = 1 << ID_BITS;
/// Time is counted in this many cycles.
const TICK_BITS: usize = 6;
const TIME_BITS: usize = 10;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Deadline {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Loads of the host.
    pub load: StreamIn<LineLoad>,
    /// The same, to the card.
    pub load_out: StreamOut<LineLoad>,
    /// Answers of the card.
    pub fill: StreamIn<LineFill>,
    /// Answers to the host.
    pub answer: StreamOut<ReadAnswer>,
    _limit_ticks: u64,
}

impl Deadline {
    /// A deadline of this many cycles, 64 to 32,000.
    pub fn new(limit_cycles: u64) -> Self {
        let limit_ticks = limit_cycles >> TICK_BITS;
        assert!(
            (1..=500).contains(&limit_ticks),
            "Deadline: {limit_cycles} cycles; 64 to 32000 can be counted"
        );
        Self {
            _limit_ticks: limit_ticks,
            ..Self::default()
        }
    }
}

impl Leaf for Deadline {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "load$ready <- answer$ready",
            "load$ready <- fill$payload",
            "load$ready <- fill$valid",
            "load$ready <- load$payload",
            "load$ready <- load_out$ready",
            "fill$ready <- answer$ready",
            "fill$ready <- fill$payload",
            "answer$payload <- fill$payload",
            "answer$payload <- fill$valid",
            "answer$payload <- load$payload",
            "answer$payload <- load$valid",
            "answer$valid <- fill$payload",
            "answer$valid <- fill$valid",
            "answer$valid <- load$payload",
            "answer$valid <- load$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let open = b.reg("open_q", IDS);
        let lost = b.reg("lost_q", IDS);
        let time = b.reg("time_q", TICK_BITS + TIME_BITS);
        time.set(time.q().inc());
        let now = time.q().slice(TICK_BITS, TIME_BITS);
        let started = b.memory("started", IDS, TIME_BITS, MemoryStyle::Distributed);
        let ready = b.read(&self.answer.ready);

        // Answers of the card come first.
        let fill = b.read(&self.fill.payload);
        let fill_id = fill.field("id").trunc(ID_BITS);
        let late = b.wire("late", lost.q().shift_right(fill_id).bit(0));
        let arrives = b.read(&self.fill.valid);
        let passes = b.wire("passes", arrives & !late);
        b.drive(&self.fill.ready, late | ready);
        let comes = b.wire("comes", arrives & (late | ready));

        // Loads; one whose id the card still owes an answer fails.
        let load = b.read(&self.load.payload);
        let load_id = load.field("id").trunc(ID_BITS);
        let fails = b.wire("fails", lost.q().shift_right(load_id).bit(0));
        let out_valid = b.reg("load_valid_q", 1);
        let out = b.reg_of::<LineLoad>("load_q");
        let pass = !out_valid.q() | b.read(&self.load_out.ready);
        let valid = b.read(&self.load.valid);
        let loads = b.wire("loads", valid & !fails & pass);
        let fails_now = b.wire("fails_now", valid & fails & !passes);
        b.drive(&self.load.ready, fails.mux(ready & !passes, pass));
        b.when(pass, || {
            out_valid.set(loads);
            out.set(load);
        });
        b.drive(&self.load_out.valid, out_valid.q());
        b.drive(&self.load_out.payload, out.q());
        b.when(loads, || started.write(load_id, now));

        // One id after the other is looked at.
        let scan = b.reg("scan_q", ID_BITS);
        let since = b.wire("since", now - started.read_now(scan.q()));
        let waits = (open.q() & !lost.q()).shift_right(scan.q()).bit(0);
        let limit = b.lit(TIME_BITS, u128::from(self._limit_ticks));
        let due = b.wire("due", waits & since.gt(limit));
        // Never in the cycle in which its answer comes or is on its way out.
        let gives_up = b.wire("gives_up", due & !arrives & !(valid & fails));
        b.when(!due | (gives_up & ready), || scan.set(scan.q().inc()));

        let failed = !passes;
        let id = passes.mux(fill_id, fails_now.mux(load_id, scan.q()));
        b.drive(&self.answer.valid, passes | fails_now | gives_up);
        b.drive(
            &self.answer.payload,
            b.pack::<ReadAnswer>(&[
                ("data", fill.field("data")),
                ("id", id.zext(8)),
                ("failed", failed),
                ("last", b.bit(true)),
            ]),
        );
        b.unused(fill);

        let one = b.lit(1, 1).zext(IDS);
        let asked = one.shift_left(load_id) & loads.repeat(IDS);
        let answered = one.shift_left(fill_id) & comes.repeat(IDS);
        let given_up = one.shift_left(scan.q()) & (gives_up & ready).repeat(IDS);
        open.set((open.q() | asked) & !answered);
        lost.set((lost.q() | given_up) & !answered);
    }
}
leaf!(impl[] Deadline { load, load_out, fill, answer });
