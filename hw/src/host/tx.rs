//! # TX half of an endpoint
//! Decides how each load of `T0`, `T1` and `TO[n]` is answered, recalls what the host wrote and
//! offers complete messages. Holds no line data. One instance per endpoint.
//!
//! Loads of `T[q]` and `TO[n]` are filled at once, with what was written back or with zeros. A load
//! of the other control line asks to send: `T[q]` is recalled and, when its header says so, the
//! overflow lines it needs. Once the transmit path has read the message (or at once when there is
//! none) everything kept is forgotten and the other control line is filled with zeros.
//!
//! Eager: only `T0` is used. It sends when it comes back by itself, valid and with the sequence
//! number that is due; overflow lines that it needs and that the host may hold, or that never came,
//! are recalled, which finds them wherever they are. A load of `T0` that follows is filled once the message was read.
//!
//! A reset lets the message under way end, recalls every line, answers the loads that
//! came until then with zeros, recalls these lines again and forgets everything. While it rests, it
//! sends SYSTEM_ERR for each session that the worker left behind.
//! Reference: `lauberhorn_coherence::home::TxHome`.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `settings` | in | `HostConfig` | eager or not; changes only before the first message |
//! | `load` | in | stream of `EndpointLoad` | loads of this half's lines, in order, none before the `event` of what was sent earlier about its line |
//! | `event` | in | flow of `LineEvent` | of every endpoint; data is in the transmit lines by then |
//! | `done` | in | flow of requester numbers | a fill has left, all its beats |
//! | `taken` | in | flow of endpoints | the transmit path has read the offered message |
//! | `resetting` | in | bit | high: reset, then rest until it falls; falls only while `cleared` |
//! | `orphan` | in | flow of `Orphan` | of every endpoint; ours only while `cleared`, none in the cycle after |
//! | `fill` | out | stream of `FillRequest` | answers, always exclusive |
//! | `recall` | out | stream of `RecallRequest` | only for lines whose fill has left |
//! | `message` | out | stream of `TxMessage` | one per valid control line |
//! | `parity` | out | bit | `q`; stable while a message is offered |
//! | `sending` | out | bit | a message is gathered, offered or read, or the half is reset |
//! | `cleared` | out | bit | the reset has ended, the half rests |
//! | `incomplete` | out | bit | pulse: a needed line was never written, or there is no such line |
//!
//! Latency: 1 cycle from the control line's `event` to `message` when the message ends in it.
//! Throughput: 1 load/cycle. Backpressure: loads wait while a message is gathered or offered.
//! Ordering: loads in order. Reset: `T0` is first, nothing is kept.
//! Errors: an incomplete reply becomes SYSTEM_ERR, an incomplete frame is dropped; a session index
//! that no handle can have becomes an unassigned kind, which the transmit path counts as malformed.
//! Counters: `endpoint_incomplete`.
//! Within a cycle: `load.ready` follows from `fill.ready` and `resetting`.

use super::shape::{BEAT_BITS, ENDPOINT_BITS, INDEX_BITS, SLOT_BITS, Shape};
use super::types::{EndpointLoad, FillRequest, LineEvent, Orphan, RecallRequest};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Reg};
use crate::types::{FlowIn, HostConfig, StreamIn, StreamOut, TxMessage};
use lauberhorn_interface::line::{AcceptStat, TxKind};
use rust_hdl::prelude::*;

const FILLS_BITS: usize = 6;
const KIND_BITS: usize = 3;
/// A kind that means nothing.
const UNASSIGNED_KIND: u128 = 7;
/// Set in the requester number of a TX half.
const TX_REQUESTER: usize = 32;

const IDLE: u128 = 0;
/// The control line is recalled.
const CONTROL: u128 = 1;
/// The message goes beyond its control line: how far?
pub(super) const SIZE: u128 = 2;
/// The overflow lines are gathered.
pub(super) const OVERFLOW: u128 = 3;
/// The message is offered.
const OFFER: u128 = 4;
/// The transmit path reads it.
const READING: u128 = 5;
/// Forget what was kept, answer the load if there is one.
pub(super) const TURN: u128 = 6;
/// Reset: lines are recalled.
pub(super) const FLUSH: u128 = 7;
/// Reset: the loads that came are answered.
pub(super) const ANSWER: u128 = 8;
/// Reset: nothing is left but sessions.
const CLEARED: u128 = 9;
const STATE_BITS: usize = 4;

/// The block.
#[derive(LogicBlock, Default)]
pub struct TxHalf {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Eager or not.
    pub settings: Signal<In, HostConfig>,
    /// Loads.
    pub load: StreamIn<EndpointLoad>,
    /// Lines that came back.
    pub event: FlowIn<LineEvent>,
    /// Fills that have left.
    pub done: FlowIn<Bits<6>>,
    /// Messages that were read.
    pub taken: FlowIn<Bits<5>>,
    /// The endpoint is taken from its worker.
    pub resetting: Signal<In, Bit>,
    /// Sessions to be answered with SYSTEM_ERR.
    pub orphan: FlowIn<Orphan>,
    /// Answers.
    pub fill: StreamOut<FillRequest>,
    /// Lines wanted back.
    pub recall: StreamOut<RecallRequest>,
    /// Messages.
    pub message: StreamOut<TxMessage>,
    /// Control line whose turn it is.
    pub parity: Signal<Out, Bit>,
    /// A message is under way.
    pub sending: Signal<Out, Bit>,
    /// Pulse: a message lacked a line.
    pub incomplete: Signal<Out, Bit>,
    /// The reset has ended.
    pub cleared: Signal<Out, Bit>,
    _endpoint: usize,
    _shape: Shape,
}

impl TxHalf {
    /// The TX half of endpoint `endpoint`.
    pub fn new(shape: &Shape, endpoint: usize) -> Self {
        Self {
            _endpoint: endpoint,
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

/// One bit per overflow line, that of `index` set.
fn one_hot_line<'b>(b: &'b Body, index: Expr<'b>, lines: usize) -> Expr<'b> {
    let place: Vec<_> = (0..lines).map(|n| index.eq_lit(n as u128)).collect();
    b.cat_le(&place)
}

/// One bit per control line, that of `index` set.
fn one_hot_parity<'b>(b: &'b Body, index: Expr<'b>) -> Expr<'b> {
    b.cat(&[index.bit(0), !index.bit(0)])
}

/// Lines whose content the card keeps.
struct Present<'b> {
    control: Reg<'b>,
    overflow: Reg<'b>,
}

impl<'b> Present<'b> {
    fn get(&self, b: &'b Body, control: Expr<'b>, index: Expr<'b>) -> Expr<'b> {
        let lines: Vec<_> = (0..self.overflow.q().width())
            .map(|n| self.overflow.q().bit(n))
            .collect();
        let bits = lines.len().next_power_of_two().ilog2() as usize;
        let pair = [self.control.q().bit(0), self.control.q().bit(1)];
        control.mux(
            index.bit(0).mux(pair[1], pair[0]),
            b.select(&lines, index.trunc(bits)),
        )
    }

    fn set(&self, b: &'b Body, control: Expr<'b>, index: Expr<'b>) {
        b.when(control, || {
            self.control
                .set(self.control.next() | one_hot_parity(b, index));
        })
        .otherwise(|| {
            let place = one_hot_line(b, index, self.overflow.q().width());
            self.overflow.set(self.overflow.next() | place);
        });
    }

    fn clear(&self, b: &'b Body) {
        self.control.set(b.zero(2));
        self.overflow.set(b.zero(self.overflow.q().width()));
    }
}

/// What a header asks for.
struct Need<'b> {
    /// Overflow lines to gather.
    lines: Expr<'b>,
    /// More than the endpoint has.
    too_long: Expr<'b>,
}

impl TxHalf {
    /// The message ends in its control line.
    fn is_short<'b>(&self, b: &'b Body, kind: Expr<'b>, length: Expr<'b>) -> Expr<'b> {
        let line = self._shape.config().line_bytes();
        let beyond = [TxKind::Reply, TxKind::Frame].map(|k| {
            let inline = (line - k.body_offset()) as u128;
            kind.eq_lit(k as u128) & length.gt(b.lit(16, inline))
        });
        !(beyond[0] | beyond[1])
    }

    fn need<'b>(&self, b: &'b Body, kind: Expr<'b>, length: Expr<'b>) -> Need<'b> {
        let config = self._shape.config();
        let (line, capacity) = (config.line_bytes(), config.capacity_bytes());
        let is = |kind_wanted: TxKind| kind.eq_lit(kind_wanted as u128);
        let (reply, frame) = (is(TxKind::Reply), is(TxKind::Frame));
        let of = |kind: TxKind| {
            // ceil((offset + length) / line) - 1, and offset + length > capacity.
            let offset = kind.body_offset();
            let sum = length.zext(17) + b.lit(17, (offset + line - 1) as u128);
            let lines = sum.slice(line.ilog2() as usize, INDEX_BITS).dec();
            (lines, length.gt(b.lit(16, (capacity - offset) as u128)))
        };
        let ((reply_lines, reply_long), (frame_lines, frame_long)) =
            (of(TxKind::Reply), of(TxKind::Frame));
        let too_long = (reply & reply_long) | (frame & frame_long);
        let all = b.lit(INDEX_BITS, self._shape.overflow_lines() as u128);
        let fitting = b.one_hot(&[(reply, reply_lines), (frame, frame_lines)]);
        Need {
            lines: too_long.mux(all, fitting),
            too_long,
        }
    }
}

impl Leaf for TxHalf {
    fn combinational(&self) -> &'static [&'static str] {
        &["load$ready <- fill$ready", "load$ready <- resetting"]
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one state machine, read top to bottom"
    )]
    fn body(&self, b: &Body) {
        let shape = &self._shape;
        let event = b.read(&self.event.payload);
        let returned = b.wire(
            "returned",
            b.read(&self.event.valid)
                & event.field("endpoint").eq_lit(self._endpoint as u128)
                & event.field("tx"),
        );
        let (event_control, event_index) = (event.field("control"), event.field("index"));
        let (dirty, acknowledged) = (event.field("dirty"), event.field("acknowledged"));
        let header = event.field("header");
        let requester = b.lit(6, (TX_REQUESTER + self._endpoint) as u128);
        let filled = b.wire(
            "filled",
            b.read(&self.done.valid) & b.read(&self.done.payload).eq(requester),
        );
        let taken =
            b.read(&self.taken.valid) & b.read(&self.taken.payload).eq_lit(self._endpoint as u128);
        let settings = b.read(&self.settings);
        b.unused(settings);
        let eager = settings.field("eager_tx");
        let load = b.read(&self.load.payload);
        b.unused(load.field("exclusive"));
        let (load_control, load_index) = (load.field("control"), load.field("index"));

        let state = b.reg("state_q", STATE_BITS);
        let go = |next: u128| state.set(b.lit(STATE_BITS, next));
        let resetting = b.read(&self.resetting);
        let orphan = b.read(&self.orphan.payload);
        let orphaned = b.wire(
            "orphaned",
            b.read(&self.orphan.valid) & orphan.field("endpoint").eq_lit(self._endpoint as u128),
        );
        let parity = b.reg("parity_q", 1);
        let sequence = b.reg("sequence_q", 8);
        let waiting_id = b.reg_data("waiting_id_q", 8);
        let present = Present {
            control: b.reg("present_control_q", 2),
            overflow: b.reg("present_overflow_q", shape.overflow_lines()),
        };

        // Overflow lines that the host may hold, and so may have changed since they were kept.
        let lines = shape.overflow_lines();
        let held = b.reg("held_overflow_q", lines);
        b.when(returned & !event_control, || {
            held.set(held.next() & !one_hot_line(b, event_index, lines));
        });
        // In a reset: control lines still to be recalled, and those that were filled meanwhile.
        let control_left = b.reg("control_left_q", 2);
        let refilled = b.reg("refilled_q", 2);
        let every_line = b.reg("every_line_q", 1);
        let clear = b.reg("clear_q", 1);

        // Fill request register, count of fills that have not left the line port.
        let fill_valid = b.reg("fill_valid_q", 1);
        let fill_kept = b.reg_data("fill_kept_q", 1);
        let fill_beat = b.reg_data("fill_beat_q", BEAT_BITS);
        let fill_id = b.reg_data("fill_id_q", 8);
        let fills = b.reg("fills_q", FILLS_BITS);
        let can_fill = b.wire(
            "can_fill",
            (!fill_valid.q() | b.read(&self.fill.ready)) & !fills.q().bit(FILLS_BITS - 1),
        );
        let requested = b.var(b.bit(false));
        b.when(b.read(&self.fill.ready), || fill_valid.set(b.bit(false)));
        let request = |kept, beat, id| {
            requested.set(b.bit(true));
            fill_valid.set(b.bit(true));
            fill_kept.set(kept);
            fill_beat.set(beat);
            fill_id.set(id);
        };

        // Recall register.
        let recall_valid = b.reg("recall_valid_q", 1);
        let recall_control = b.reg_data("recall_control_q", 1);
        let recall_index = b.reg_data("recall_index_q", INDEX_BITS);
        let can_recall = !recall_valid.q() | b.read(&self.recall.ready);
        b.when(b.read(&self.recall.ready), || {
            recall_valid.set(b.bit(false))
        });
        let recall_due = b.reg("recall_due_q", 1);

        // The message being gathered.
        let kind = b.reg_data("kind_q", KIND_BITS);
        let status = b.reg_data("status_q", 12);
        let length = b.reg_data("length_q", 16);
        let session = b.reg_data("session_q", 10);
        let generation = b.reg_data("generation_q", 16);
        let impossible_session = b.reg_data("impossible_session_q", 1);
        let needed = b.reg_data("needed_q", INDEX_BITS);
        let next_line = b.reg_data("next_line_q", INDEX_BITS);
        let recalled = b.reg_data("recalled_q", INDEX_BITS);
        let back = b.reg_data("back_q", INDEX_BITS);
        let missing = b.reg_data("missing_q", 1);
        let incomplete = b.reg("incomplete_q", 1);
        incomplete.set(b.bit(false));

        let kept = b.wire(
            "event_kept",
            present.get(b, event_control, event_index) | dirty,
        );
        let recall = |control, index| {
            recall_valid.set(b.bit(true));
            recall_control.set(control);
            recall_index.set(index);
        };
        let flush = |every: bool, control| {
            every_line.set(b.bit(every));
            control_left.set(control);
            next_line.set(b.zero(INDEX_BITS));
            needed.set(b.lit(INDEX_BITS, lines as u128));
            recalled.set(b.zero(INDEX_BITS));
            back.set(b.zero(INDEX_BITS));
            go(FLUSH);
        };
        let index_bits = lines.next_power_of_two().ilog2() as usize;
        let take_header = || {
            let (sent_kind, sent_length) = (header.field("kind"), header.field("length_bytes"));
            let index = header.field("session");
            let impossible =
                index.slice(10, 6).any() & sent_kind.ne(b.lit(KIND_BITS, TxKind::Frame as u128));
            kind.set(sent_kind);
            impossible_session.set(impossible);
            status.set(header.field("status"));
            length.set(sent_length);
            session.set(index.trunc(10));
            generation.set(header.field("generation"));
            missing.set(b.bit(false));
            next_line.set(b.zero(INDEX_BITS));
            recalled.set(b.zero(INDEX_BITS));
            back.set(b.zero(INDEX_BITS));
            b.when(self.is_short(b, sent_kind, sent_length), || go(OFFER))
                .otherwise(|| go(SIZE));
        };
        let due = header.field("valid") & header.field("sequence").eq(sequence.q());
        let given = returned & dirty & event_control & !event_index.bit(0);
        b.switch(state.q())
            .case(IDLE, || {
                b.when(!resetting & b.read(&self.load.valid) & can_fill, || {
                    let send = load_control & load_index.bit(0).ne(parity.q()) & !eager;
                    b.when(send, || {
                        waiting_id.set(load.field("id"));
                        recall_due.set(b.bit(true));
                        go(CONTROL);
                    })
                    .otherwise(|| {
                        request(
                            present.get(b, load_control, load_index),
                            shape.transmit_beat_of(b, load_control, load_index),
                            load.field("id"),
                        );
                        b.when(!load_control, || {
                            held.set(held.next() | one_hot_line(b, load_index, lines));
                        });
                    });
                });
                b.when(resetting, || flush(true, b.lit(2, 3)))
                    .or_when(eager & given & due, take_header);
            })
            .case(CONTROL, || {
                b.when(recall_due.q() & !fills.q().any() & can_recall, || {
                    recall(b.bit(true), parity.q().zext(INDEX_BITS));
                    recall_due.set(b.bit(false));
                });
                let ours = event_control & event_index.bit(0).eq(parity.q());
                b.when(returned & acknowledged & ours, || {
                    b.when(kept & header.field("valid"), take_header)
                        .otherwise(|| go(TURN));
                });
            })
            .case(SIZE, || {
                let need = self.need(b, kind.q(), length.q());
                needed.set(need.lines);
                missing.set(need.too_long);
                go(OVERFLOW);
            })
            .case(OVERFLOW, || {
                let left = next_line.q().ne(needed.q());
                let out: Vec<_> = (0..lines)
                    .map(|n| held.q().bit(n) | !present.overflow.q().bit(n))
                    .collect();
                let here = eager & !b.select(&out, next_line.q().trunc(index_bits));
                b.when(left & here, || next_line.set(next_line.q().inc()))
                    .or_when(left & can_recall & !fills.q().any(), || {
                        recall(b.bit(false), next_line.q());
                        next_line.set(next_line.q().inc());
                        recalled.set(recalled.q().inc());
                    });
                b.when(returned & acknowledged & !event_control, || {
                    back.set(back.q().inc());
                    b.when(!kept, || missing.set(b.bit(true)));
                });
                b.when(!left & back.q().eq(recalled.q()), || {
                    incomplete.set(missing.q());
                    let frame = kind.q().eq_lit(TxKind::Frame as u128);
                    b.when(missing.q() & frame, || go(TURN))
                        .otherwise(|| go(OFFER));
                    b.when(missing.q(), || {
                        let error = [TxKind::ErrorReply as u128, AcceptStat::SystemErr as u128];
                        let reply = kind.q().eq_lit(TxKind::Reply as u128);
                        kind.set(reply.mux(b.lit(KIND_BITS, error[0]), kind.q()));
                        status.set(b.lit(12, error[1]));
                        length.set(b.zero(16));
                    });
                });
            })
            .case(OFFER, || {
                b.when(b.read(&self.message.ready), || go(READING));
            })
            .case(READING, || {
                b.when(taken, || go(TURN));
            })
            .case(TURN, || {
                b.when(clear.q(), || go(CLEARED))
                    .or_when(eager, || {
                        present.clear(b);
                        sequence.set(sequence.q().inc());
                        go(IDLE);
                    })
                    .or_when(can_fill, || {
                        present.clear(b);
                        parity.set(!parity.q());
                        request(b.bit(false), b.zero(BEAT_BITS), waiting_id.q());
                        go(IDLE);
                    });
            })
            .case(FLUSH, || {
                let left = next_line.q().ne(needed.q());
                let out: Vec<_> = (0..lines).map(|n| held.q().bit(n)).collect();
                let out = every_line.q() | b.select(&out, next_line.q().trunc(index_bits));
                b.when(control_left.q().any(), || {
                    b.when(can_recall & !fills.q().any(), || {
                        let second = !control_left.q().bit(0);
                        recall(b.bit(true), second.zext(INDEX_BITS));
                        control_left.set(b.cat(&[control_left.q().bit(1) & !second, b.bit(false)]));
                        recalled.set(recalled.q().inc());
                    });
                })
                .or_when(left & !out, || next_line.set(next_line.q().inc()))
                .or_when(left & can_recall & !fills.q().any(), || {
                    recall(b.bit(false), next_line.q());
                    next_line.set(next_line.q().inc());
                    recalled.set(recalled.q().inc());
                });
                b.when(returned & acknowledged, || back.set(back.q().inc()));
                let done = !control_left.q().any() & !left & back.q().eq(recalled.q());
                b.when(done, || {
                    refilled.set(b.zero(2));
                    held.set(b.zero(lines));
                    b.when(every_line.q(), || go(ANSWER)).otherwise(|| {
                        present.clear(b);
                        parity.set(b.bit(false));
                        sequence.set(b.zero(8));
                        clear.set(b.bit(true));
                        go(CLEARED);
                    });
                });
            })
            .case(ANSWER, || {
                b.when(can_fill & b.read(&self.load.valid), || {
                    request(b.bit(false), b.zero(BEAT_BITS), load.field("id"));
                    b.when(load_control, || {
                        refilled.set(refilled.q() | one_hot_parity(b, load_index));
                    })
                    .otherwise(|| held.set(held.next() | one_hot_line(b, load_index, lines)));
                })
                .or_when(can_fill, || flush(false, refilled.q()));
            })
            .case(CLEARED, || {
                b.when(orphaned, || {
                    kind.set(b.lit(KIND_BITS, TxKind::ErrorReply as u128));
                    status.set(b.lit(12, AcceptStat::SystemErr as u128));
                    length.set(b.zero(16));
                    session.set(orphan.field("session"));
                    generation.set(orphan.field("generation"));
                    impossible_session.set(b.bit(false));
                    go(OFFER);
                })
                .or_when(!resetting, || {
                    clear.set(b.bit(false));
                    go(IDLE);
                });
            })
            .default(|| go(IDLE));
        let idle = state.q().eq_lit(IDLE);
        let answering = state.q().eq_lit(ANSWER);
        b.drive(
            &self.load.ready,
            can_fill & ((idle & !resetting) | answering),
        );
        b.when(returned & dirty, || {
            present.set(b, event_control, event_index)
        });

        let change = b.cat(&[b.zero(FILLS_BITS - 1), requested.get()])
            - b.cat(&[b.zero(FILLS_BITS - 1), filled]);
        fills.set(fills.q() + change);
        b.assert("fills_are_counted", !filled | fills.q().any());
        b.assert("taken_after_an_offer", !taken | state.q().eq_lit(READING));

        b.drive(&self.fill.valid, fill_valid.q());
        b.drive(
            &self.fill.payload,
            b.pack::<FillRequest>(&[
                ("from_slot", b.bit(false)),
                ("from_transmit", fill_kept.q()),
                ("kind", b.zero(KIND_BITS)),
                ("slot", b.lit(SLOT_BITS, self._endpoint as u128)),
                ("beat", fill_beat.q()),
                ("beats", b.zero(BEAT_BITS)),
                ("id", fill_id.q()),
                ("exclusive", b.bit(true)),
                ("requester", requester),
            ]),
        );
        b.drive(&self.recall.valid, recall_valid.q());
        b.drive(
            &self.recall.payload,
            b.pack::<RecallRequest>(&[
                ("endpoint", b.lit(ENDPOINT_BITS, self._endpoint as u128)),
                ("tx", b.bit(true)),
                ("control", recall_control.q()),
                ("index", recall_index.q()),
            ]),
        );
        let shown_kind = impossible_session
            .q()
            .mux(b.lit(KIND_BITS, UNASSIGNED_KIND), kind.q());
        b.drive(&self.message.valid, state.q().eq_lit(OFFER));
        b.drive(
            &self.message.payload,
            b.pack::<TxMessage>(&[
                ("endpoint", b.lit(ENDPOINT_BITS, self._endpoint as u128)),
                ("kind", shown_kind),
                ("status", status.q()),
                ("session", session.q()),
                ("generation", generation.q()),
                ("length_bytes", length.q()),
            ]),
        );
        b.drive(&self.parity, parity.q());
        b.drive(&self.sending, !idle);
        b.drive(&self.incomplete, incomplete.q());
        b.drive(&self.cleared, state.q().eq_lit(CLEARED));
    }
}
leaf!(impl[] TxHalf { load, fill, recall, message, parity, sending, incomplete, cleared });
