//! # Intake
//! Takes the lines that come back, unasked or recalled: writes TX data into the transmit lines and
//! tells the endpoints. The two channels take turns message by message; messages about one line
//! arrive in the order in which they were sent, so the turn does not matter to a line.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `writeback` | in | stream of `LineWriteback` | lines given back unasked |
//! | `recall_ack` | in | stream of `LineRecallAck` | answers to recalls; the id is the line address |
//! | `write` | out | flow of `BufferWrite` | beats for the transmit lines |
//! | `event` | out | flow of `LineEvent` | one per message, with or after its last write |
//! | `preemption` | out | flow of `PreemptionEvent` | the same for preemption lines |
//!
//! Latency: 2 cycles. Throughput: 1 beat/cycle over both channels. Backpressure: none but the turns;
//! each `ready` follows from both `valid` in the same cycle. Ordering: kept within each channel.
//! Reset: forgets a message half taken.
//! Errors: addresses without a line, data for RX lines and beats beyond the line go nowhere.

use super::shape::{BEAT_BITS, BUFFER_ADDRESS_BITS, ENDPOINT_BITS, Shape};
use super::types::{LineEvent, PreemptionEvent, SendHeader};
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{BufferWrite, FlowOut, LineRecallAck, LineWriteback, StreamIn};
use lauberhorn_interface::line::preemption::BUSY;
use rust_hdl::prelude::*;

const BEAT_COUNT_BITS: usize = 2;
const ADDRESS_BITS: usize = 24;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Intake {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Lines given back unasked.
    pub writeback: StreamIn<LineWriteback>,
    /// Lines given back when recalled.
    pub recall_ack: StreamIn<LineRecallAck>,
    /// Beats for the transmit lines.
    pub write: FlowOut<BufferWrite>,
    /// What came back.
    pub event: FlowOut<LineEvent>,
    /// Preemption lines that came back.
    pub preemption: FlowOut<PreemptionEvent>,
    _shape: Shape,
}

impl Intake {
    /// An intake for these endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl Leaf for Intake {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "recall_ack$ready <- recall_ack$valid",
            "recall_ack$ready <- writeback$valid",
            "writeback$ready <- recall_ack$valid",
            "writeback$ready <- writeback$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let shape = &self._shape;
        let (given, back) = (
            b.read(&self.writeback.payload),
            b.read(&self.recall_ack.payload),
        );
        let (given_valid, back_valid) = (
            b.read(&self.writeback.valid),
            b.read(&self.recall_ack.valid),
        );

        // The owner of a message that is half taken keeps its turn.
        let inside = b.reg("inside_q", 1);
        let turn = b.reg("turn_q", 1);
        let choose_back = b.wire(
            "choose_back",
            inside
                .q()
                .mux(turn.q(), back_valid & (turn.q() | !given_valid)),
        );
        let valid = choose_back.mux(back_valid, given_valid);
        let last = choose_back.mux(back.field("last"), given.field("last"));
        b.drive(&self.writeback.ready, !choose_back);
        b.drive(&self.recall_ack.ready, choose_back);
        b.when(valid, || {
            inside.set(!last);
            // During a message `turn` names its owner, after it the other channel.
            turn.set(choose_back.mux(!last, last));
        });

        let beat_valid = b.reg("beat_valid_q", 1);
        let is_ack = b.reg_data("beat_is_ack_q", 1);
        let dirty = b.reg_data("beat_dirty_q", 1);
        let beat_last = b.reg_data("beat_last_q", 1);
        let address = b.reg_data("beat_address_q", ADDRESS_BITS);
        let data = b.reg_data("beat_data_q", 512);
        beat_valid.set(valid);
        is_ack.set(choose_back);
        dirty.set(choose_back.mux(back.field("dirty"), given.field("dirty")));
        beat_last.set(last);
        // Wide, so that `ready` does not wait for a net of this many loads: the same choice, but when nothing comes.
        let take_back = b.wire(
            "take_back",
            turn.q()
                .mux(inside.q() | back_valid, !inside.q() & !given_valid),
        );
        address.set(take_back.mux(back.field("id").zext(ADDRESS_BITS), given.field("address")));
        data.set(take_back.mux(back.field("data"), given.field("data")));

        let line = shape.decode(b, address.q());
        b.unused(line.beat);
        b.unused(line.index);
        let count = b.reg("beat_count_q", BEAT_COUNT_BITS);
        b.when(beat_valid.q(), || {
            b.when(beat_last.q(), || count.set(b.zero(BEAT_COUNT_BITS)))
                .or_when(!count.q().bit(BEAT_COUNT_BITS - 1), || {
                    count.set(count.q().inc());
                });
        });
        let fits = count
            .q()
            .lt(b.lit(BEAT_COUNT_BITS, shape.beats_per_line() as u128));
        let arrives = b.wire("arrives", beat_valid.q() & line.half);
        let store = b.wire("store", arrives & line.tx & dirty.q() & fits);

        let write_valid = b.reg("write_valid_q", 1);
        let write_address = b.reg_data("write_address_q", BUFFER_ADDRESS_BITS);
        let write_data = b.reg_data("write_data_q", 512);
        write_valid.set(store);
        write_address.set(shape.transmit_address(b, line.endpoint, line.beat, count.q().bit(0)));
        write_data.set(data.q());
        b.drive(&self.write.valid, write_valid.q());
        b.drive(
            &self.write.payload,
            b.pack::<BufferWrite>(&[("address", write_address.q()), ("data", write_data.q())]),
        );

        // Headers are kept per control line: a clean acknowledgement means the last one counts.
        let headers = b.memory("headers", 64, SendHeader::BITS, MemoryStyle::Distributed);
        let place = b.cat(&[line.endpoint, line.index.bit(0)]);
        let arriving = data.q().trunc(SendHeader::BITS);
        let first = b.wire("first", dirty.q() & !count.q().any());
        b.when(store & line.control & first, || {
            headers.write(place, arriving)
        });
        let header = first.mux(arriving, headers.read_now(place));

        let event_valid = b.reg("event_valid_q", 1);
        let event = b.reg_of::<LineEvent>("event_q");
        event_valid.set(arrives & beat_last.q());
        event.set(b.pack::<LineEvent>(&[
            ("endpoint", line.endpoint),
            ("tx", line.tx),
            ("control", line.control),
            ("index", line.index),
            ("acknowledged", is_ack.q()),
            ("dirty", dirty.q()),
            ("header", header),
        ]));
        b.drive(&self.event.valid, event_valid.q());
        b.drive(&self.event.payload, event.q());

        // BUSY is in the first beat, the event comes with the last.
        let kept_busy = b.reg_data("kept_busy_q", 1);
        let busy = count
            .q()
            .any()
            .mux(kept_busy.q(), data.q().bit(BUSY.line_lsb()));
        b.when(beat_valid.q(), || kept_busy.set(busy));
        let preemption_valid = b.reg("preemption_valid_q", 1);
        let preemption = b.reg_of::<PreemptionEvent>("preemption_q");
        preemption_valid.set(beat_valid.q() & line.preemption & beat_last.q());
        preemption.set(b.pack::<PreemptionEvent>(&[
            ("endpoint", line.endpoint),
            ("acknowledged", is_ack.q()),
            ("dirty", dirty.q()),
            ("busy", busy),
        ]));
        b.drive(&self.preemption.valid, preemption_valid.q());
        b.drive(&self.preemption.payload, preemption.q());
        debug_assert!(line.beat.width() == BEAT_BITS && line.endpoint.width() == ENDPOINT_BITS);
    }
}
leaf!(impl[] Intake { writeback, recall_ack, write, event, preemption });
