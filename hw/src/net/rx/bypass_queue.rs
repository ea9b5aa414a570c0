//! # Bypass queue
//! Holds whole frames for the bypass endpoint until they are good and there is a slot, then writes their
//! line images. A frame is accepted with its last beat, when it is good and all of it was stored; else the
//! queue goes back to where the frame began. So a slot is only ever taken for a frame that will be
//! delivered, and short frames behind a long one wait in the queue, not in slots. An image may have one
//! beat more than its frame: it is written together with the one before, or short frames could not be
//! written as fast as they come.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`ClassifiedBeat`] | beats of frames; those of the bypass count |
//! | `bypass_slot` | in | stream of slots | free slots; ready in the cycle of a frame's first write |
//! | `write` | out | flow of [`FrameWrite`] | the line image, one write for each beat of the frame |
//! | `frame` | out | stream of [`BypassFrame`] | a frame; not before the cycle of its last write |
//! | `events` | out | [`BypassEvents`] | one pulse per good frame |
//!
//! Latency: 3 cycles from the last beat to the first write. Throughput: 1 beat/cycle in and out.
//! Backpressure: without a slot it waits, `frame` may stall for ever, towards `rx` it never stalls.
//! Ordering: kept. Reset: empties it.
//! Errors: bad frames vanish here, someone else counts them. Counters: `events`.

use super::slot_writer::beat_address;
use super::types::{BypassEvents, BypassFrame, ClassifiedBeat};
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{FlowIn, FlowOut, FrameWrite, StreamIn, StreamOut};
use lauberhorn_interface::line::FRAME_BODY_OFFSET;
use rust_hdl::prelude::*;

/// Beats inside: what a 512-bit wide block RAM has anyway.
const DEPTH: usize = 512;
/// Bytes of a frame beat that go to the next image beat.
const CARRIED_BYTES: usize = FRAME_BODY_OFFSET;
const KEPT_BYTES: usize = 64 - CARRIED_BYTES;
const SLOT_BITS: usize = 10;

/// The block.
#[derive(LogicBlock, Default)]
pub struct BypassQueue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<ClassifiedBeat>,
    /// Free slots for frames.
    pub bypass_slot: StreamIn<Bits<10>>,
    /// The frames' images.
    pub write: FlowOut<FrameWrite>,
    /// Frames that lie in their slots.
    pub frame: StreamOut<BypassFrame>,
    /// What happened.
    pub events: Signal<Out, BypassEvents>,
    _slot_beats: usize,
    _slots: usize,
}

impl BypassQueue {
    /// A queue in front of `slots` slots (a power of two from 2 to 1024) of `slot_beats` beats (a power
    /// of two from 2 to 256).
    pub fn new(slot_beats: usize, slots: usize) -> Self {
        assert!(
            slot_beats.is_power_of_two() && (2..=DEPTH / 2).contains(&slot_beats),
            "BypassQueue: slot_beats is {slot_beats}, allowed is a power of two from 2 to {}",
            DEPTH / 2
        );
        assert!(
            slots.is_power_of_two() && (2..=1024).contains(&slots),
            "BypassQueue: {slots} slots, allowed is a power of two from 2 to 1024"
        );
        Self {
            _slot_beats: slot_beats,
            _slots: slots,
            ..Self::default()
        }
    }
}

impl Leaf for BypassQueue {
    fn body(&self, b: &Body) {
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let (data, last) = (rx.field("frame.data"), rx.field("frame.last"));
        let length = rx.field("frame.length_bytes");
        b.unused(rx);

        // Storing. Pointers have a bit more than the address, to tell full from empty.
        let pointer_bits = DEPTH.ilog2() as usize + 1;
        let at_bits = pointer_bits - 1;
        let beats = b.memory("beats", DEPTH, 529, MemoryStyle::Block);
        let (committed, store) = (
            b.reg("committed_q", pointer_bits),
            b.reg("store_q", pointer_bits),
        );
        let (fetch, lost) = (b.reg("fetch_q", pointer_bits), b.reg("lost_q", 1));
        let full = store.q().trunc(at_bits).eq(fetch.q().trunc(at_bits))
            & store.q().bit(at_bits).ne(fetch.q().bit(at_bits));
        let comes = b.wire("comes", valid & rx.field("bypass"));
        let fault = rx.field("frame.fault");
        let good = b.wire("good", comes & last & !fault.any());
        let whole = !full & !lost.q();
        let accepted = b.wire("accepted", good & whole);
        b.when(comes & !full, || {
            beats.write(store.q().trunc(at_bits), b.cat(&[length, last, data]));
            store.set(store.q().inc());
        });
        b.when(comes, || lost.set(!last & (lost.q() | full)));
        b.when(comes & last & !accepted, || store.set(committed.q()));
        b.when(accepted, || committed.set(store.q().inc()));
        let events = b.reg("events_q", BypassEvents::BITS);
        events.set(b.pack::<BypassEvents>(&[("delivered", accepted), ("full", good & !accepted)]));
        b.drive(&self.events, events.q());

        // Fetching: the RAM's output register holds the next beat.
        let head_valid = b.reg("head_valid_q", 1);
        let inside = b.reg("inside_q", 1);
        let starts = head_valid.q() & !inside.q();
        let slot_there = b.read(&self.bypass_slot.valid);
        let moves = b.wire("moves", head_valid.q() & (inside.q() | slot_there));
        b.drive(&self.bypass_slot.ready, starts);
        let slot_q = b.reg_data("slot_q", SLOT_BITS);
        let slot = inside
            .q()
            .mux(slot_q.q(), b.read(&self.bypass_slot.payload));
        slot_q.set(slot);
        let next = !head_valid.q() | moves;
        let fetches = b.wire("fetches", next & fetch.q().ne(committed.q()));
        let head = beats.read(fetches, fetch.q().trunc(at_bits));
        b.when(fetches, || fetch.set(fetch.q().inc()));
        b.when(next, || head_valid.set(fetches));

        // Writing: every image beat is the rest of one frame beat and the begin of the next.
        let (head, head_last, length) = (head.trunc(512), head.bit(512), head.slice(513, 16));
        let carried = b.reg("carried_q", 8 * CARRIED_BYTES);
        let beat = b.reg("beat_q", self._slot_beats.ilog2() as usize);
        let over = length.trunc(6).eq_lit(0) | length.trunc(6).gt(b.lit(6, KEPT_BYTES as u128));
        let spill = head.bytes(KEPT_BYTES, CARRIED_BYTES);
        let ends = b.wire("ends", moves & head_last);
        b.when(moves, || {
            inside.set(!head_last);
            beat.set(beat.q().inc());
            carried.set(spill);
        });
        b.when(ends, || {
            beat.set(b.zero(beat.q().width()));
            carried.set(b.zero(8 * CARRIED_BYTES));
        });
        let (write_valid, write) = (b.reg("write_valid_q", 1), b.reg_of::<FrameWrite>("write_q"));
        write_valid.set(moves);
        write.set(b.pack::<FrameWrite>(&[
            ("address", beat_address(b, slot, beat.q())),
            ("data", b.cat(&[head.bytes(0, KEPT_BYTES), carried.q()])),
            ("spills", head_last & over),
            ("spill", spill),
        ]));
        b.drive(&self.write.valid, write_valid.q());
        b.drive(&self.write.payload, write.q());

        // Frames that are written. Each holds a slot, so there are never more than slots.
        let frame_bits = self._slots.ilog2() as usize;
        let frames = b.memory(
            "frames",
            self._slots,
            BypassFrame::BITS,
            MemoryStyle::Distributed,
        );
        let (frame_in, frame_out) = (
            b.reg("frame_in_q", frame_bits + 1),
            b.reg("frame_out_q", frame_bits + 1),
        );
        let frame = b.pack::<BypassFrame>(&[("slot", slot), ("length_bytes", length)]);
        b.when(ends, || {
            frames.write(frame_in.q().trunc(frame_bits), frame);
            frame_in.set(frame_in.q().inc());
        });
        let waiting = frame_in.q() - frame_out.q();
        b.drive(&self.frame.valid, waiting.any());
        let front = frames.read_now(frame_out.q().trunc(frame_bits));
        b.drive(&self.frame.payload, front);
        b.when(waiting.any() & b.read(&self.frame.ready), || {
            frame_out.set(frame_out.q().inc());
        });
        let most = b.lit(frame_bits + 1, self._slots as u128);
        b.assert("every_written_frame_has_a_slot", waiting.le(most));
    }
}
leaf!(impl[] BypassQueue { bypass_slot, write, frame, events });
