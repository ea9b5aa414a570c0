//! # Slot writer
//! Takes a packet buffer slot for every call of more than one beat and writes the call's line image
//! there: one rotation by whole words brings the arguments to image byte 32.
//!
//! Arguments start at frame byte `4 * verifier_word + 10`, so frame and image differ by two bytes and
//! a number of words: the two bytes are wiring, the words a 16-way rotation. Image bytes before the
//! arguments are the call's own header, bytes after them what followed in the frame, then zeros. Beats
//! behind the end of the frame are not written, and nothing is ever written past the slot.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`ClassifiedBeat`] | beats of frames |
//! | `call_slot` | in | stream of slots | free slots; ready in the cycle of a call's second beat |
//! | `buffer` | out | flow of [`BufferWrite`] | all writes |
//! | `slot` | out | flow of [`SlotTaken`] | once per frame, 2 cycles after its last beat |
//!
//! Latency: 2 cycles to a write, 3 to the last one of a call. Throughput: 1 beat/cycle.
//! Backpressure: none towards `rx`.
//! Ordering: kept. Reset: forgets the frame inside, its slot with it (the free list is reset too).
//! Errors: a call that finds no slot is not written and marked. Counters: none.
//! Within a cycle: `call_slot.ready` follows from `rx`.

use super::types::{ClassifiedBeat, SlotTaken};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{BufferWrite, FlowIn, FlowOut, StreamIn};
use rust_hdl::prelude::*;

const ADDRESS_BITS: usize = 16;
const SLOT_BITS: usize = 10;
/// Left rotation in words (beyond two bytes) is this minus `verifier_word`, modulo 16.
const ROTATION_BIAS: u128 = 5;
/// Frame beat `(verifier_word + this) / 16` completes image beat 0.
const COMPLETE_BIAS: u128 = 10;

/// The block.
#[derive(LogicBlock, Default)]
pub struct SlotWriter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<ClassifiedBeat>,
    /// Free slots for calls.
    pub call_slot: StreamIn<Bits<10>>,
    /// All writes.
    pub buffer: FlowOut<BufferWrite>,
    /// Slot of each frame.
    pub slot: FlowOut<SlotTaken>,
    _slot_beats: usize,
}

impl SlotWriter {
    /// A writer to slots of `slot_beats` beats, a power of two from 2 to 256.
    pub fn new(slot_beats: usize) -> Self {
        assert!(
            slot_beats.is_power_of_two() && (2..=256).contains(&slot_beats),
            "SlotWriter: slot_beats is {slot_beats}, allowed is a power of two from 2 to 256"
        );
        Self {
            _slot_beats: slot_beats,
            ..Self::default()
        }
    }
}

/// Beat address of `beat` in `slot`; `beat` has as many bits as a slot needs.
pub(super) fn beat_address<'b>(b: &'b Body, slot: Expr<'b>, beat: Expr<'b>) -> Expr<'b> {
    let address = b.cat(&[slot, beat]);
    match address.width() {
        ..ADDRESS_BITS => address.zext(ADDRESS_BITS),
        _ => address.trunc(ADDRESS_BITS),
    }
}

/// `data` rotated left (to higher bytes) by two bytes and `words` words.
fn rotate<'b>(b: &'b Body, data: Expr<'b>, words: Expr<'b>) -> Expr<'b> {
    let turned = |bytes: usize| match bytes {
        0 => data,
        _ => b.cat(&[data.bytes(0, 64 - bytes), data.bytes(64 - bytes, bytes)]),
    };
    let choices: Vec<_> = (0..16).map(|words| turned(4 * words + 2)).collect();
    b.select(&choices, words)
}

/// The bytes of `next` from byte `4 * words + 2` on, those of `previous` below.
fn merge<'b>(b: &'b Body, previous: Expr<'b>, next: Expr<'b>, words: Expr<'b>) -> Expr<'b> {
    let halves: Vec<_> = (0..32)
        .map(|half| {
            // Half-word `half` is below the border, `2 * words + 1`.
            let below = match half {
                0 => b.bit(true),
                31 => b.bit(false),
                _ => words.ge(b.lit(4, (half as u128).div_ceil(2))),
            };
            below.mux(previous.bytes(2 * half, 2), next.bytes(2 * half, 2))
        })
        .collect();
    b.cat_le(&halves)
}

impl Leaf for SlotWriter {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "call_slot$ready <- rx$payload",
            "call_slot$ready <- rx$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let beat_bits = self._slot_beats.ilog2() as usize;
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let (index, last) = (rx.field("frame.index"), rx.field("frame.last"));
        let (call, word) = (rx.field("call"), rx.field("verifier_word"));
        b.unused(rx);
        let (slot, slot_there) = (
            b.read(&self.call_slot.payload),
            b.read(&self.call_slot.valid),
        );

        // Stage 1: slot and rotation.
        let first = index.eq_lit(0);
        let takes = b.wire("takes", valid & call & index.eq_lit(1));
        let (taken, slot_q) = (b.reg("taken_q", 1), b.reg_data("slot_q", SLOT_BITS));
        b.when(takes, || {
            taken.set(slot_there);
            slot_q.set(slot);
        });
        b.when(valid & first, || taken.set(b.bit(false)));
        b.drive(&self.call_slot.ready, takes);

        let words = b.lit(4, ROTATION_BIAS) - word.trunc(4);
        // The first frame beat whose rotated form completes an image beat; 1 at least.
        let complete = (word.zext(9) + b.lit(9, COMPLETE_BIAS)).slice(4, 5).zext(8);
        let completes = !first & index.ge(complete);
        let started = !first & index.inc().ge(complete);
        // Bytes of the last beat that the rotation carries over into a further image beat.
        let count = rx.field("frame.length_bytes").trunc(6);
        let carried = count.zext(7) + b.cat(&[b.zero(1), words, b.lit(2, 2)]);
        let carries = count.eq_lit(0) | carried.gt(b.lit(7, 64));
        let rotated = b.reg_data("rotated_q", 512);
        rotated.set(rotate(b, rx.field("frame.data"), words));
        let words_q = b.reg_data("words_q", 4);
        words_q.set(words);
        let valid_1 = b.reg("valid_1_q", 1);
        valid_1.set(valid);
        let flags = b.reg_data("flags_q", 4);
        flags.set(b.cat_le(&[first, last, completes, last & started & carries]));
        let flag = |bit| flags.q().bit(bit);
        let (first, last, completes, carries) = (flag(0), flag(1), flag(2), flag(3));

        // Stage 2: image beats. A flush writes what the last beat carried over, a cycle later.
        let present = valid_1.q() & taken.q();
        let flush = b.reg("flush_q", 1);
        flush.set(present & carries);
        // The topmost half-word is never below the border.
        let previous = b.reg_data("previous_q", 496);
        let flush_words = b.reg_data("flush_words_q", 4);
        b.when(valid_1.q(), || {
            previous.set(rotated.q().trunc(496));
            flush_words.set(words_q.q());
        });
        let next = flush.q().mux(b.zero(512), rotated.q());
        let border = flush.q().mux(flush_words.q(), words_q.q());
        let image = merge(b, previous.q().zext(512), next, border);

        let beat = b.reg("beat_q", beat_bits + 1);
        let writes = b.wire("writes", present & completes);
        let after = beat.q() + writes.zext(beat_bits + 1);
        b.when(valid_1.q(), || {
            beat.set(first.mux(b.zero(beat_bits + 1), after))
        });
        b.when(beat.next().bit(beat_bits), || {
            beat.set(b.lit(beat_bits + 1, 1 << beat_bits));
        });
        let flush_beat = b.reg_data("flush_beat_q", beat_bits + 1);
        flush_beat.set(after);
        let flush_slot = b.reg_data("flush_slot_q", SLOT_BITS);
        flush_slot.set(slot_q.q());
        let at = flush.q().mux(flush_beat.q(), beat.q());
        let holder = flush.q().mux(flush_slot.q(), slot_q.q());
        b.assert("a_flush_meets_no_write", !(flush.q() & writes));

        let own = b.pack::<BufferWrite>(&[
            ("address", beat_address(b, holder, at.trunc(beat_bits))),
            ("data", image),
        ]);
        let buffer = b.reg_of::<BufferWrite>("buffer_q");
        buffer.set(own);
        let buffer_valid = b.reg("buffer_valid_q", 1);
        buffer_valid.set((flush.q() | writes) & !at.bit(beat_bits));
        b.drive(&self.buffer.valid, buffer_valid.q());
        b.drive(&self.buffer.payload, buffer.q());

        let result = b.reg_of::<SlotTaken>("result_q");
        result.set(b.pack::<SlotTaken>(&[("taken", taken.q()), ("slot", slot_q.q())]));
        let result_valid = b.reg("result_valid_q", 1);
        result_valid.set(valid_1.q() & last);
        b.drive(&self.slot.valid, result_valid.q());
        b.drive(&self.slot.payload, result.q());
    }
}
leaf!(impl[] SlotWriter { call_slot, buffer, slot });
