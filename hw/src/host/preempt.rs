//! # Preemption lines
//! The line `P` of every endpoint. It holds READY, which follows from what the scheduler asks, and
//! BUSY, which the worker sets and clears while it holds the line. When READY changes, a line that the
//! host holds is recalled; what it brings back is BUSY. All of this is rare, so the endpoints take
//! turns: in each cycle one of them may be answered or recalled.
//! Reference: `lauberhorn_coherence::home::PreemptHome`.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `settings` | in | `HostConfig` | `worker_preempt`: READY of these workers is clear |
//! | `resetting[e]` | in | bit | high: the line is recalled, held or not, and BUSY forgotten; falls only while `cleared` |
//! | `load[e]` | in | stream of `EndpointLoad` | loads of endpoint `e`'s line; one has room, and there is one line |
//! | `event` | in | flow of `PreemptionEvent` | lines that came back; at most one cycle behind a later `load` |
//! | `done` | in | flow of requester numbers | a fill has left, all its beats |
//! | `fill` | out | stream of `FillRequest` | answers, always with the right to write |
//! | `recall` | out | stream of `RecallRequest` | only for lines whose fill has left, one at a time for each |
//! | `cleared[e]` | out | bit | the line came back since `resetting` rose |
//! | `yielded` | out | 16 bits | workers that were asked, are not BUSY and have seen, or will see, that READY is clear |
//!
//! Latency: with `E` endpoints 3 to E + 2 cycles from `load` to `fill`, 2 to E + 1 from `settings` or
//! `resetting` to `recall`, 2 from `event` to `yielded`. Throughput: one fill at a time, the next when
//! the last has left; a recall in every second cycle. Backpressure: a load waits while its line
//! is recalled; `load.ready` follows from a register. Ordering: none between endpoints. Reset: every
//! READY is set, no line is held.
//! Errors: lines that come back although nobody has them change BUSY of their endpoint at most.

use super::shape::{BEAT_BITS, ENDPOINT_BITS, INDEX_BITS, PREEMPTION_INDEX, SLOT_BITS, Shape};
use super::types::{EndpointLoad, FillRequest, PreemptionEvent, RecallRequest};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, HostConfig, StreamIn, StreamOut};
use lauberhorn_interface::line::preemption::{BUSY, READY};
use rust_hdl::prelude::*;

/// Requester number of these fills.
const REQUESTER: u128 = 62;
const MASK_BITS: usize = 16;
// A fill request carries both bits in the place of a control line's kind.
const _: () = assert!(READY.line_lsb() == 1 && BUSY.line_lsb() == 2);

/// The block.
#[derive(LogicBlock, Default)]
pub struct PreemptionLines {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Who is asked for the core.
    pub settings: Signal<In, HostConfig>,
    /// Endpoints that are taken from their workers.
    pub resetting: Vec<Signal<In, Bit>>,
    /// Loads.
    pub load: Vec<StreamIn<EndpointLoad>>,
    /// Lines that came back.
    pub event: FlowIn<PreemptionEvent>,
    /// Fills that have left.
    pub done: FlowIn<Bits<6>>,
    /// Answers.
    pub fill: StreamOut<FillRequest>,
    /// Lines wanted back.
    pub recall: StreamOut<RecallRequest>,
    /// Lines that are back.
    pub cleared: Vec<Signal<Out, Bit>>,
    /// Workers that have yielded; bit 0 is endpoint 1.
    pub yielded: Signal<Out, Bits<16>>,
}

impl PreemptionLines {
    /// The preemption lines of all endpoints.
    pub fn new(shape: &Shape) -> Self {
        let endpoints = shape.endpoints();
        Self {
            resetting: vec![Signal::default(); endpoints],
            load: vec![StreamIn::default(); endpoints],
            cleared: vec![Signal::default(); endpoints],
            ..Self::default()
        }
    }
}

impl Leaf for PreemptionLines {
    fn body(&self, b: &Body) {
        let count = self.load.len();
        let row = |name: &str| b.reg(name, count);
        let settings = b.read(&self.settings);
        b.unused(settings);

        let turn = b.reg("turn_q", ENDPOINT_BITS);
        let last = turn.q().eq_lit(count as u128 - 1);
        turn.set(last.mux(b.zero(ENDPOINT_BITS), turn.q().inc()));
        let turns: Vec<_> = (0..count).map(|e| turn.q().eq_lit(e as u128)).collect();
        let turns = b.cat_le(&turns);

        // READY is clear; the bypass endpoint is never asked.
        let asked = row("asked_q");
        let busy = row("busy_q");
        let held = row("held_q");
        // A recall is to be sent; was sent and not acknowledged.
        let due = row("due_q");
        let out = row("out_q");
        let waits = row("waits_q");
        // The one whose fill was chosen and has not left.
        let leaving = row("leaving_q");
        let resets = row("resets_q");
        let cleared = row("cleared_q");

        // What came back.
        let event = b.read(&self.event.payload);
        let came = |e: usize| b.read(&self.event.valid) & event.field("endpoint").eq_lit(e as u128);
        let back: Vec<_> = (0..count).map(came).collect();
        let back = b.wire("back", b.cat_le(&back));
        let acknowledged = back & event.field("acknowledged").repeat(count);
        let written = back & event.field("dirty").repeat(count);

        // A change of READY and the begin of a reset want the line back, unless it is on its way.
        let wish = settings.field("worker_preempt").trunc(count - 1);
        let wish = b.cat(&[wish, b.bit(false)]);
        let resetting: Vec<_> = self.resetting.iter().map(|port| b.read(port)).collect();
        let resetting = b.cat_le(&resetting);
        asked.set(wish);
        resets.set(resetting);
        let changes = b.wire("changes", wish ^ asked.q());
        let stale = changes & held.q() & !back;
        let wanted = (stale | (resetting & !resets.q())) & !out.q() & !due.q();
        let ends = resetting & !cleared.q() & acknowledged;
        cleared.set(resetting & (cleared.q() | acknowledged));
        let kept = busy.q() & !written;
        busy.set((kept | (written & event.field("busy").repeat(count))) & !ends);

        // Whose turn it is, is recalled or chosen for a fill.
        let recall_valid = b.reg("recall_valid_q", 1);
        let recall_endpoint = b.reg_data("recall_endpoint_q", ENDPOINT_BITS);
        let can_recall = !recall_valid.q();
        let calls = b.wire(
            "calls",
            turns & due.q() & !leaving.q() & can_recall.repeat(count),
        );
        b.when(b.read(&self.recall.ready), || {
            recall_valid.set(b.bit(false))
        });
        b.when(calls.any(), || {
            recall_valid.set(b.bit(true));
            recall_endpoint.set(turn.q());
        });
        let can_fill = b.wire("can_fill", !leaving.q().any());
        let chosen = b.wire(
            "chosen",
            turns & waits.q() & !due.q() & !out.q() & !changes & can_fill.repeat(count),
        );
        let left = b.wire(
            "left",
            b.read(&self.done.valid) & b.read(&self.done.payload).eq_lit(REQUESTER),
        );
        b.assert("fills_are_counted", !left | leaving.q().any());
        due.set((due.q() & !calls) | wanted);
        out.set((out.q() & !acknowledged) | calls);
        held.set((held.q() & !back) | chosen);
        leaving.set((leaving.q() & !left.repeat(count)) | chosen);

        // One cycle later the word is right: whatever came back before the load has been seen.
        let form = b.reg("form_q", 1);
        form.set(chosen.any());
        let fill_valid = b.reg("fill_valid_q", 1);
        let fill_kind = b.reg_data("fill_kind_q", 2);
        let fill_id = b.reg_data("fill_id_q", 8);
        let ids: Vec<_> = self
            .load
            .iter()
            .enumerate()
            .map(|(e, port)| {
                let id = b.reg_data("load_id_q", 8);
                let load = b.read(&port.payload);
                b.unused(load);
                b.when(!waits.q().bit(e), || id.set(load.field("id")));
                b.drive(&port.ready, !waits.q().bit(e));
                (leaving.q().bit(e), id.q())
            })
            .collect();
        let arrives: Vec<_> = self.load.iter().map(|port| b.read(&port.valid)).collect();
        let formed = leaving.q() & form.q().repeat(count);
        waits.set((waits.q() & !formed) | (b.cat_le(&arrives) & !waits.q()));
        b.when(b.read(&self.fill.ready), || fill_valid.set(b.bit(false)));
        b.when(form.q(), || {
            let ready = (leaving.q() & !asked.q()).any();
            fill_valid.set(b.bit(true));
            fill_kind.set(b.cat(&[(leaving.q() & busy.q()).any(), ready]));
            fill_id.set(b.one_hot(&ids));
        });

        b.drive(&self.fill.valid, fill_valid.q());
        b.drive(
            &self.fill.payload,
            b.pack::<FillRequest>(&[
                ("from_slot", b.bit(false)),
                ("from_transmit", b.bit(false)),
                ("kind", fill_kind.q().zext(3)),
                ("slot", b.zero(SLOT_BITS)),
                ("beat", b.zero(BEAT_BITS)),
                ("beats", b.zero(BEAT_BITS)),
                ("id", fill_id.q()),
                ("exclusive", b.bit(true)),
                ("requester", b.lit(6, REQUESTER)),
            ]),
        );
        b.drive(&self.recall.valid, recall_valid.q());
        b.drive(
            &self.recall.payload,
            b.pack::<RecallRequest>(&[
                ("endpoint", recall_endpoint.q()),
                ("tx", b.bit(false)),
                ("control", b.bit(true)),
                ("index", b.lit(INDEX_BITS, PREEMPTION_INDEX)),
            ]),
        );
        for (e, port) in self.cleared.iter().enumerate() {
            b.drive(port, cleared.q().bit(e));
        }
        let yielded = b.reg("yielded_q", count - 1);
        let yields = asked.q() & !busy.q() & !due.q() & !out.q() & !resetting;
        yielded.set(yields.slice(1, count - 1));
        b.drive(&self.yielded, yielded.q().zext(MASK_BITS));
    }
}
leaf!(impl[] PreemptionLines { load, fill, recall, cleared, yielded });
