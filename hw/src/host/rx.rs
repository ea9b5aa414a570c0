//! # RX half of an endpoint
//! Decides how each load of `R0`, `R1` and `RO[n]` is answered and when lines are recalled. Holds no
//! line data: it asks the fill engine. One instance per endpoint.
//!
//! The load of the line whose turn it is, `R[cur]`, is parked until a message is assigned, the block
//! time runs out or the worker is to retire; loading the other line after that acknowledges it. For a
//! worker that is asked for its core the block time is over at once.
//! Before a control line is filled, and before a turn, every line the host holds is recalled, so
//! that it cannot meet stale content later. Loads queue meanwhile, in this half only.
//!
//! Acknowledged by store instead: every fill grants the right to write, the first dirty writeback of
//! `R[cur]` after its answer acknowledges it, and a load of the other line waits for that, or for the
//! end of the block time, when it is answered EMPTY.
//!
//! A reset lets recalls end, recalls every line held or not, answers the loads that came until then
//! with EMPTY, recalls these lines again, frees the slot and starts over.
//! Reference: `lauberhorn_coherence::home::RxHome`.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `settings` | in | `HostConfig` | block time, who is to retire or asked for its core, what acknowledges (changes only before the first load) |
//! | `resetting` | in | bit | high: reset, then rest until it falls; falls only while `cleared` |
//! | `load` | in | stream of `EndpointLoad` | loads of this half's lines, in order |
//! | `call`, `frame` | in | flow of `Assignment` | of all endpoints; ours only while `waiting` or one cycle after, and never both |
//! | `event` | in | flow of `LineEvent` | of every endpoint |
//! | `sending` | in | bit | the TX half has a message under way: nothing is given meanwhile |
//! | `done` | in | flow of requester numbers | a fill has left, all its beats |
//! | `fill` | out | stream of `FillRequest` | answers |
//! | `recall` | out | stream of `RecallRequest` | only for lines whose fill has left |
//! | `free` | out | stream of slots | acknowledged messages |
//! | `waiting` | out | bit | a message may be assigned; falls with `sending` and `resetting` in the same cycle, a cycle after retirement |
//! | `cleared` | out | bit | the reset has ended, the half rests |
//! | `events` | out | `RxHalfEvents` | pulses |
//!
//! Latency: 1 cycle from `call` or `frame` to `fill` when the host holds no other line.
//! Throughput: 1 load/cycle. Backpressure: loads wait while an answer is being prepared or recalls
//! are outstanding or the half is reset. Ordering: loads in order. Reset: `R0` is first, nothing is held.
//! Errors: acknowledgements and assignments that nobody asked for change nothing that matters to
//! another endpoint. Counters: `endpoint_try_again`, `endpoint_delivered`, `endpoint_early_loads`.
//! Within a cycle: `load.ready` follows from `fill.ready` and from the assignment that arrives.

use super::shape::{BEAT_BITS, ENDPOINT_BITS, INDEX_BITS, SLOT_BITS, Shape};
use super::types::{Assignment, EndpointLoad, FillRequest, LineEvent, RecallRequest, RxHalfEvents};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Reg, Value};
use crate::types::{FlowIn, HostConfig, StreamIn, StreamOut};
use lauberhorn_interface::config::BEAT_BYTES;
use lauberhorn_interface::line::{CALL_BODY_OFFSET, FRAME_BODY_OFFSET, RxKind};
use rust_hdl::prelude::*;

/// Width of the count of fills under way.
const FILLS_BITS: usize = 6;
const KIND_BITS: usize = 3;

/// Serving loads.
const RUN: u128 = 0;
/// Reset: every line is being recalled.
pub(super) const ALL: u128 = 1;
/// Reset: the loads that came are answered.
pub(super) const ANSWER: u128 = 2;
/// Reset: what these hold is being recalled.
const LAST: u128 = 3;
/// Reset: nothing is left.
const CLEARED: u128 = 4;

/// The block.
#[derive(LogicBlock, Default)]
pub struct RxHalf {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Block time and retirement.
    pub settings: Signal<In, HostConfig>,
    /// Loads.
    pub load: StreamIn<EndpointLoad>,
    /// Calls given to endpoints.
    pub call: FlowIn<Assignment>,
    /// Bare frames given to endpoints.
    pub frame: FlowIn<Assignment>,
    /// Lines that came back.
    pub event: FlowIn<LineEvent>,
    /// The endpoint's TX half has a message under way.
    pub sending: Signal<In, Bit>,
    /// The endpoint is taken from its worker.
    pub resetting: Signal<In, Bit>,
    /// Fills that have left.
    pub done: FlowIn<Bits<6>>,
    /// Answers.
    pub fill: StreamOut<FillRequest>,
    /// Lines wanted back.
    pub recall: StreamOut<RecallRequest>,
    /// Slots no longer needed.
    pub free: StreamOut<Bits<10>>,
    /// A message may be assigned.
    pub waiting: Signal<Out, Bit>,
    /// The reset has ended.
    pub cleared: Signal<Out, Bit>,
    /// Pulses.
    pub events: Signal<Out, RxHalfEvents>,
    _endpoint: usize,
    _shape: Shape,
}

impl RxHalf {
    /// The RX half of endpoint `endpoint`.
    pub fn new(shape: &Shape, endpoint: usize) -> Self {
        Self {
            _endpoint: endpoint,
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

/// The lines that the host may hold.
struct Held<'b> {
    control: Reg<'b>,
    overflow: Reg<'b>,
    /// No overflow line from here on is held.
    overflow_end: Reg<'b>,
}

impl<'b> Held<'b> {
    fn new(b: &'b Body, overflow_lines: usize) -> Self {
        Self {
            control: b.reg("held_control_q", 2),
            overflow: b.reg("held_overflow_q", overflow_lines),
            overflow_end: b.reg("held_end_q", INDEX_BITS),
        }
    }

    /// One-hot position of a line among the overflow lines.
    fn place(&self, b: &'b Body, index: Expr<'b>) -> Expr<'b> {
        let lines = self.overflow.q().width();
        let bits: Vec<_> = (0..lines).map(|n| index.eq_lit(n as u128)).collect();
        b.cat_le(&bits)
    }

    /// Every line is taken for held.
    fn set_all(&self, b: &'b Body) {
        let lines = self.overflow.q().width();
        self.control.set(b.lit(2, 3));
        self.overflow.set(b.value(Value::ones(lines)));
        self.overflow_end.set(b.lit(INDEX_BITS, lines as u128));
    }

    fn set(&self, b: &'b Body, control: Expr<'b>, index: Expr<'b>) {
        b.when(control, || {
            let place = b.cat(&[index.bit(0), !index.bit(0)]);
            self.control.set(self.control.next() | place);
        })
        .otherwise(|| {
            self.overflow
                .set(self.overflow.next() | self.place(b, index));
            b.when(index.ge(self.overflow_end.q()), || {
                self.overflow_end.set(index.inc());
            });
        });
    }

    fn clear(&self, b: &'b Body, control: Expr<'b>, index: Expr<'b>) {
        b.when(control, || {
            let place = b.cat(&[index.bit(0), !index.bit(0)]);
            self.control.set(self.control.next() & !place);
        })
        .otherwise(|| {
            self.overflow
                .set(self.overflow.next() & !self.place(b, index));
        });
    }
}

impl Leaf for RxHalf {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "load$ready <- call$payload",
            "load$ready <- call$valid",
            "load$ready <- fill$ready",
            "load$ready <- frame$payload",
            "load$ready <- frame$valid",
            "load$ready <- resetting",
            "waiting <- resetting",
            "waiting <- sending",
        ]
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one state machine, read top to bottom"
    )]
    fn body(&self, b: &Body) {
        let shape = &self._shape;
        let me = self._endpoint as u128;
        let config = b.read(&self.settings);
        b.unused(config);

        // What arrives for us in this cycle.
        let given = |flow: &FlowIn<Assignment>| {
            let assignment = b.read(&flow.payload);
            let ours = b.read(&flow.valid) & assignment.field("endpoint").eq_lit(me);
            (ours, assignment)
        };
        let (call_given, call) = given(&self.call);
        let (frame_given, frame) = given(&self.frame);
        let assigned = b.wire("assigned", call_given | frame_given);
        let assign = frame_given.mux(frame, call);
        let event = b.read(&self.event.payload);
        b.unused(event);
        let returned = b.wire(
            "returned",
            b.read(&self.event.valid) & event.field("endpoint").eq_lit(me) & !event.field("tx"),
        );
        let filled = b.wire(
            "filled",
            b.read(&self.done.valid) & b.read(&self.done.payload).eq_lit(me),
        );
        let load = b.read(&self.load.payload);
        let (load_control, load_index) = (load.field("control"), load.field("index"));

        // The wait: `R[cur]` is parked, then answered with a message or with a kind.
        let current = b.reg("current_q", 1);
        let parked = b.reg("parked_q", 1);
        let answered = b.reg("answered_q", 1);
        let has_message = b.reg("has_message_q", 1);
        let kind = b.reg_data("kind_q", KIND_BITS);
        let slot = b.reg_data("slot_q", SLOT_BITS);
        let beats = b.reg_data("beats_q", BEAT_BITS);
        let parked_id = b.reg_data("parked_id_q", 8);
        let parked_exclusive = b.reg_data("parked_exclusive_q", 1);
        // A load of the other line that came before the acknowledgement, or is it.
        let ahead = b.reg("ahead_q", 1);
        let ahead_id = b.reg_data("ahead_id_q", 8);
        let ahead_exclusive = b.reg_data("ahead_exclusive_q", 1);
        let by_store = config.field("store_acknowledge");
        let consumed = b.reg("consumed_q", 1);
        let stage = b.reg("stage_q", 3);
        let resetting = b.read(&self.resetting);
        let runs = b.wire("runs", stage.q().eq_lit(RUN) & !resetting);
        // Counts up once the wait is to end without message: an assignment may still arrive in the
        // first cycles, and then it counts.
        let closing = b.reg("closing_q", 2);
        let recalling = b.reg("recalling_q", 1);
        let turning = b.reg("turning_q", 1);
        let any_held = b.reg("any_held_q", 1);
        let held = Held::new(b, shape.overflow_lines());

        // Fill request register, count of fills that have not left the line port.
        let fill_valid = b.reg("fill_valid_q", 1);
        let fill_from_slot = b.reg_data("fill_from_slot_q", 1);
        let fill_kind = b.reg_data("fill_kind_q", KIND_BITS);
        let fill_beat = b.reg_data("fill_beat_q", BEAT_BITS);
        let fill_id = b.reg_data("fill_id_q", 8);
        let fill_exclusive = b.reg_data("fill_exclusive_q", 1);
        let fills = b.reg("fills_q", FILLS_BITS);
        let can_fill = b.wire(
            "can_fill",
            (!fill_valid.q() | b.read(&self.fill.ready)) & !fills.q().bit(FILLS_BITS - 1),
        );
        let requested = b.var(b.bit(false));
        b.when(b.read(&self.fill.ready), || fill_valid.set(b.bit(false)));
        let request = |from_slot, kind, beat, id, exclusive, control, index| {
            requested.set(b.bit(true));
            fill_valid.set(b.bit(true));
            fill_from_slot.set(from_slot);
            fill_kind.set(kind);
            fill_beat.set(beat);
            fill_id.set(id);
            fill_exclusive.set(exclusive | by_store);
            any_held.set(b.bit(true));
            held.set(b, control, index);
        };

        let events: Vec<_> = ["try_again", "delivered", "early"]
            .map(|name| (name, b.reg(&format!("{name}_q"), 1)))
            .into();
        for (_, pulse) in &events {
            pulse.set(b.bit(false));
        }
        let [try_again, delivered, early] = [events[0].1, events[1].1, events[2].1];

        // The block timer; of a worker that is asked for its core it has always run out.
        let asked = match self._endpoint {
            0 => b.bit(false),
            worker => config.field("worker_preempt").bit(worker - 1),
        };
        let timer = b.reg_data("timer_q", 32);
        let expired = b.reg("expired_q", 1);
        let waits_ahead = ahead.q() & answered.q() & !turning.q();
        b.when(parked.q() | waits_ahead, || {
            b.when(timer.q().any(), || timer.set(timer.q().dec()));
            expired.set(!timer.q().any() | asked);
        })
        .otherwise(|| {
            timer.set(config.field("block_time_cycles"));
            expired.set(b.bit(false));
        });
        // A register of its own, as `waiting` of every endpoint meets in the dispatcher.
        let retire = match self._endpoint {
            0 => b.bit(false),
            worker => {
                let retire = b.reg("retire_q", 1);
                retire.set(config.field("worker_retire").bit(worker - 1));
                retire.q()
            }
        };
        let open = parked.q() & !has_message.q();
        b.when(open & (expired.q() | retire) & !closing.q().all(), || {
            closing.set(closing.q().inc());
            let ending = [RxKind::TryAgain, RxKind::Retire].map(|k| b.lit(KIND_BITS, k as u128));
            b.when(!closing.q().any(), || {
                kind.set(retire.mux(ending[1], ending[0]));
            });
        })
        .or_when(closing.q().any() & !closing.q().all(), || {
            closing.set(closing.q().inc());
        });
        let given = !b.read(&self.sending) & !retire & runs;
        let waiting = b.wire("waits", open & !closing.q().any() & given);

        // An assignment: from here on the slot is ours until `free`.
        b.assert(
            "assigned_while_waiting",
            !assigned | (open & !closing.q().all()),
        );
        b.when(assigned, || {
            let length = assign.field("length_bytes").zext(17);
            let end_of_empty = |body_offset| b.lit(17, (body_offset + BEAT_BYTES - 1) as u128);
            let offset = frame_given.mux(
                end_of_empty(FRAME_BODY_OFFSET),
                end_of_empty(CALL_BODY_OFFSET),
            );
            let end = length + offset;
            let count = end.slice(BEAT_BYTES.ilog2() as usize, BEAT_BITS);
            has_message.set(b.bit(true));
            slot.set(assign.field("slot"));
            beats.set(length.any().mux(count, b.zero(BEAT_BITS)));
        });

        // Serving: an answer goes before the next load.
        let has = b.wire("has", has_message.q() | assigned);
        let answer = b.wire("answer", parked.q() & (has | closing.q().all()));
        let serving = b.wire("serving", !recalling.q() & runs);
        let overdue = waits_ahead & expired.q();
        let start_recall = b.var(b.bit(false));
        let is_current = load_control & load_index.bit(0).eq(current.q());
        let is_other = load_control & load_index.bit(0).ne(current.q());
        let from_slot = answered.q() & has_message.q();
        let (no_kind, load_id) = (b.zero(KIND_BITS), load.field("id"));
        let load_exclusive = load.field("exclusive");
        let empty = |id, exclusive, control, index| {
            request(
                b.bit(false),
                no_kind,
                b.zero(BEAT_BITS),
                id,
                exclusive,
                control,
                index,
            );
        };
        b.when(serving & consumed.q(), || {
            consumed.set(b.bit(false));
            start_recall.set(b.bit(true));
            turning.set(b.bit(true));
        })
        .or_when(serving & answer, || {
            b.when(any_held.q(), || start_recall.set(b.bit(true)))
                .or_when(can_fill, || {
                    request(
                        has,
                        has.mux(no_kind, kind.q()),
                        b.zero(BEAT_BITS),
                        parked_id.q(),
                        parked_exclusive.q(),
                        b.bit(true),
                        current.q().zext(INDEX_BITS),
                    );
                    parked.set(b.bit(false));
                    answered.set(b.bit(true));
                    closing.set(b.zero(2));
                    delivered.set(has);
                    try_again.set(!has & kind.q().eq_lit(RxKind::TryAgain as u128));
                });
        })
        .or_when(serving & overdue, || {
            b.when(can_fill, || {
                let other = (!current.q()).zext(INDEX_BITS);
                empty(ahead_id.q(), ahead_exclusive.q(), b.bit(true), other);
                ahead.set(b.bit(false));
            });
        })
        .or_when(serving & b.read(&self.load.valid) & can_fill, || {
            let wait = is_current & !answered.q() & !parked.q();
            let next = is_other & answered.q() & !ahead.q();
            let turn = next & !by_store;
            b.when(wait, || {
                parked.set(b.bit(true));
                parked_id.set(load_id);
                parked_exclusive.set(load_exclusive);
            });
            b.when(next, || {
                ahead.set(b.bit(true));
                ahead_id.set(load_id);
                ahead_exclusive.set(load_exclusive);
            });
            b.when(turn, || {
                start_recall.set(b.bit(true));
                turning.set(b.bit(true));
            });
            b.when(!wait & !next, || {
                let repeat = is_current & answered.q();
                let beat = shape.overflow_beat(load_index);
                request(
                    from_slot & !is_other,
                    (repeat & !has_message.q()).mux(kind.q(), no_kind),
                    load_control.mux(b.zero(BEAT_BITS), beat),
                    load_id,
                    load_exclusive,
                    load_control,
                    load_index,
                );
                early.set(load_control & !repeat);
            });
        });
        let busy = consumed.q() | answer | overdue;
        let answering = stage.q().eq_lit(ANSWER) & !parked.q() & !ahead.q();
        b.drive(&self.load.ready, can_fill & ((serving & !busy) | answering));

        // The worker has stored to the line it was given and gives it back.
        let event_line = (event.field("control"), event.field("index"));
        let unasked = returned & !event.field("acknowledged") & event.field("dirty");
        let of_current = event_line.0 & event_line.1.bit(0).eq(current.q());
        // Once: without coherence a store may come in pieces.
        let done_with = answered.q() & !consumed.q() & !turning.q() & by_store;
        b.when(unasked & of_current & done_with, || {
            consumed.set(b.bit(true));
        });

        // A reset, once no recall is out.
        let start_all = b.var(b.bit(false));
        b.switch(stage.q())
            .case(RUN, || {
                b.when(resetting & !recalling.q(), || {
                    start_all.set(b.bit(true));
                    stage.set(b.lit(3, ALL));
                });
            })
            .case(ANSWER, || {
                b.when(can_fill, || {
                    b.when(parked.q(), || {
                        let line = current.q().zext(INDEX_BITS);
                        empty(parked_id.q(), parked_exclusive.q(), b.bit(true), line);
                        parked.set(b.bit(false));
                    })
                    .or_when(ahead.q(), || {
                        let line = (!current.q()).zext(INDEX_BITS);
                        empty(ahead_id.q(), ahead_exclusive.q(), b.bit(true), line);
                        ahead.set(b.bit(false));
                    })
                    .or_when(b.read(&self.load.valid), || {
                        empty(load_id, load_exclusive, load_control, load_index);
                    })
                    .otherwise(|| {
                        start_recall.set(b.bit(true));
                        stage.set(b.lit(3, LAST));
                    });
                });
            })
            .case(CLEARED, || {
                b.when(!resetting, || stage.set(b.lit(3, RUN)));
            });

        // A line given back unasked is no longer held; while recalls are out, only their
        // acknowledgements count.
        let counts = recalling.q().mux(
            event.field("acknowledged"),
            !event.field("acknowledged") & !start_recall.get() & !start_all.get(),
        );
        b.when(returned & counts, || {
            held.clear(b, event_line.0, event_line.1)
        });
        let all_back = b.reg("all_back_q", 1);
        all_back.set(!held.control.q().any() & !held.overflow.q().any());

        // Recalling: first the fills under way leave, then one recall per held line.
        let recall_valid = b.reg("recall_valid_q", 1);
        let recall_control = b.reg_data("recall_control_q", 1);
        let recall_index = b.reg_data("recall_index_q", INDEX_BITS);
        let control_left = b.reg("control_left_q", 2);
        let next_overflow = b.reg("next_overflow_q", INDEX_BITS);
        b.when(start_recall.get(), || {
            recalling.set(b.bit(true));
            control_left.set(held.control.q());
            next_overflow.set(b.zero(INDEX_BITS));
        });
        b.when(start_all.get(), || {
            recalling.set(b.bit(true));
            held.set_all(b);
            control_left.set(b.lit(2, 3));
            next_overflow.set(b.zero(INDEX_BITS));
        });
        let overflow_left = next_overflow.q().ne(held.overflow_end.q());
        let quiet = b.wire("quiet", recalling.q() & !fills.q().any());
        b.when(b.read(&self.recall.ready), || {
            recall_valid.set(b.bit(false))
        });
        b.when(
            quiet & (!recall_valid.q() | b.read(&self.recall.ready)),
            || {
                b.when(control_left.q().any(), || {
                    recall_valid.set(b.bit(true));
                    recall_control.set(b.bit(true));
                    let second = !control_left.q().bit(0);
                    recall_index.set(second.zext(INDEX_BITS));
                    control_left.set(b.cat(&[control_left.q().bit(1) & !second, b.bit(false)]));
                })
                .or_when(overflow_left, || {
                    let lines: Vec<_> = (0..shape.overflow_lines())
                        .map(|n| held.overflow.q().bit(n))
                        .collect();
                    let bits = lines.len().next_power_of_two().ilog2() as usize;
                    recall_valid.set(b.select(&lines, next_overflow.q().trunc(bits)));
                    recall_control.set(b.bit(false));
                    recall_index.set(next_overflow.q());
                    next_overflow.set(next_overflow.q().inc());
                });
            },
        );
        let free_valid = b.reg("free_valid_q", 1);
        let free_slot = b.reg_data("free_slot_q", SLOT_BITS);
        let can_free = !free_valid.q() | b.read(&self.free.ready);
        b.when(b.read(&self.free.ready), || free_valid.set(b.bit(false)));
        let recalled = !control_left.q().any() & !overflow_left & !recall_valid.q();
        b.when(quiet & recalled & all_back.q() & can_free, || {
            recalling.set(b.bit(false));
            any_held.set(b.bit(false));
            held.overflow_end.set(b.zero(INDEX_BITS));
            b.when(turning.q(), || {
                turning.set(b.bit(false));
                current.set(!current.q());
                answered.set(b.bit(false));
                // By load, the acknowledgement is the load that waits next.
                parked.set(ahead.q());
                parked_id.set(ahead_id.q());
                parked_exclusive.set(ahead_exclusive.q());
                ahead.set(b.bit(false));
                free_valid.set(has_message.q());
                free_slot.set(slot.q());
                has_message.set(b.bit(false));
            });
            b.when(stage.q().eq_lit(ALL), || stage.set(b.lit(3, ANSWER)));
            b.when(stage.q().eq_lit(LAST), || {
                stage.set(b.lit(3, CLEARED));
                current.set(b.bit(false));
                answered.set(b.bit(false));
                consumed.set(b.bit(false));
                closing.set(b.zero(2));
                free_valid.set(has_message.q());
                free_slot.set(slot.q());
                has_message.set(b.bit(false));
            });
        });

        let change = b.cat(&[b.zero(FILLS_BITS - 1), requested.get()])
            - b.cat(&[b.zero(FILLS_BITS - 1), filled]);
        fills.set(fills.q() + change);
        b.assert("fills_are_counted", !filled | fills.q().any());

        b.drive(&self.fill.valid, fill_valid.q());
        b.drive(
            &self.fill.payload,
            b.pack::<FillRequest>(&[
                ("from_slot", fill_from_slot.q()),
                ("from_transmit", b.bit(false)),
                ("kind", fill_kind.q()),
                ("slot", slot.q()),
                ("beat", fill_beat.q()),
                ("beats", beats.q()),
                ("id", fill_id.q()),
                ("exclusive", fill_exclusive.q()),
                ("requester", b.lit(6, self._endpoint as u128)),
            ]),
        );
        b.drive(&self.recall.valid, recall_valid.q());
        b.drive(
            &self.recall.payload,
            b.pack::<RecallRequest>(&[
                ("endpoint", b.lit(ENDPOINT_BITS, self._endpoint as u128)),
                ("tx", b.bit(false)),
                ("control", recall_control.q()),
                ("index", recall_index.q()),
            ]),
        );
        b.drive(&self.free.valid, free_valid.q());
        b.drive(&self.free.payload, free_slot.q());
        b.drive(&self.waiting, waiting);
        b.drive(&self.cleared, stage.q().eq_lit(CLEARED));
        let pulses: Vec<_> = events.iter().map(|(name, reg)| (*name, reg.q())).collect();
        b.drive(&self.events, b.pack::<RxHalfEvents>(&pulses));
    }
}
leaf!(impl[] RxHalf { load, fill, recall, free, waiting, cleared, events });
