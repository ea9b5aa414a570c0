//! # Gather
//!
//! Takes the beats of a message as they come from the transmit lines, clears what is not body, adds
//! it up for the UDP checksum on the way and keeps it until the checksum is known (store and
//! forward: the checksum stands in the frame's first beat).
//!
//! | port | contract |
//! |---|---|
//! | `beat`, `lines_data` | together, never stalled; messages are at least 3 cycles and 1 bubble apart |
//! | `seed` | sum of everything but the body, as two words, 2 cycles after the first beat |
//! | `keep` | 2 cycles after the last beat: the message counts; else its beats are forgotten |
//! | `checksum` | complement of the sum, never 0, 4 cycles after the last beat of a message that counts |
//! | `body` | beats of messages that count, not later than their checksum |
//! | `room` | the largest message fits |
//!
//! Latency: 4 cycles.
//! Throughput: 1 beat/cycle.
//! Backpressure: none on `beat`: `room` is asked for first; lossless on `body`.
//! Reset: empty.

use super::checksum;
use super::types::GatherBeat;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{FlowIn, FlowOut, StreamOut};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::BEAT_BYTES;
use lauberhorn_interface::line::FRAME_BODY_OFFSET;
use rust_hdl::prelude::*;

/// Beats that may be on their way when `room` is looked at: the tail of the message before.
const IN_FLIGHT_BEATS: usize = 4;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct Gather {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What the word is.
    pub beat: FlowIn<GatherBeat>,
    /// The word from the transmit lines.
    pub lines_data: Signal<In, Bits<512>>,
    /// Sum of the headers.
    pub seed: Signal<In, Bits<32>>,
    /// The message counts.
    pub keep: Signal<In, Bit>,
    /// Room for the largest message.
    pub room: Signal<Out, Bit>,
    /// UDP checksum as it stands on the wire.
    pub checksum: FlowOut<Bits<16>>,
    /// Body beats; what is not body is zero.
    pub body: StreamOut<Bits<512>>,
    _message_beats: usize,
}

impl Gather {
    /// For the line images of `config`.
    pub fn new(config: &NicConfig) -> Self {
        let image_bytes = FRAME_BODY_OFFSET + config.max_frame_bytes();
        Self {
            _message_beats: image_bytes.div_ceil(BEAT_BYTES),
            ..Self::default()
        }
    }
}

impl Leaf for Gather {
    fn body(&self, b: &Body) {
        let beat = b.read(&self.beat.payload);
        let beat_valid = b.read(&self.beat.valid);

        // Stage 1: clear what is not body.
        let data = b.read(&self.lines_data);
        let header = beat.field("first").repeat(32).zext(64);
        let clean: Vec<_> = (0..BEAT_BYTES)
            .map(|byte| {
                let wanted = beat.field("keep").bit(byte) & !header.bit(byte);
                data.bytes(byte, 1) & wanted.repeat(8)
            })
            .collect();
        let clean_data = b.reg_data("clean_data_q", 512);
        let clean_first = b.reg_data("clean_first_q", 1);
        let clean_last = b.reg("clean_last_q", 1);
        let clean_valid = b.reg("clean_valid_q", 1);
        let clean_store = b.reg("clean_store_q", 1);
        clean_data.set(b.cat_le(&clean));
        clean_valid.set(beat_valid);
        clean_first.set(beat.field("first"));
        clean_last.set(beat_valid & beat.field("last"));
        clean_store.set(beat_valid & beat.field("store"));

        // Stage 2: 32 words to 5; the beat goes to the buffer.
        let few = checksum::reduce(b, &checksum::words(clean_data.q()), 5);
        let few_words = b.reg_data("few_words_q", 80);
        let few_first = b.reg_data("few_first_q", 1);
        let few_valid = b.reg("few_valid_q", 1);
        let few_last = b.reg("few_last_q", 1);
        few_words.set(b.cat_le(&few));
        few_first.set(clean_first.q());
        few_valid.set(clean_valid.q());
        few_last.set(clean_last.q());

        // Stage 3: add them to the sum so far, or to that of the headers.
        let sum = b.reg_data("sum_q", 32);
        let sum_valid = b.reg("sum_valid_q", 1);
        let so_far = few_first.q().mux(b.read(&self.seed), sum.q());
        let mut addends = checksum::words(few_words.q());
        addends.extend(checksum::words(so_far));
        b.when(few_valid.q(), || {
            sum.set(b.cat_le(&checksum::reduce(b, &addends, 2)));
        });
        let done = b.wire("done", few_last.q() & b.read(&self.keep));
        sum_valid.set(done);

        // Stage 4: the two words to one. Headers are never all zero, so the sum is not 0 and only
        // 0xffff complements to the 0 that RFC 768 reserves.
        let total = checksum::add(b, sum.q().trunc(16), sum.q().slice(16, 16));
        let checksum = b.reg_data("checksum_q", 16);
        let checksum_valid = b.reg("checksum_valid_q", 1);
        checksum.set((!total) | total.all().repeat(16));
        checksum_valid.set(sum_valid.q());
        b.drive(&self.checksum.valid, checksum_valid.q());
        b.drive(&self.checksum.payload, checksum.q());

        // The buffer. Beats behind `kept` belong to a message that may still be forgotten.
        let depth = (3 * self._message_beats + IN_FLIGHT_BEATS).next_power_of_two();
        let bits = depth.trailing_zeros() as usize;
        let buffer = b.memory("body_beats", depth, 512, MemoryStyle::Block);
        let write_index = b.reg("write_index_q", bits);
        let kept = b.reg("kept_q", bits);
        let read_index = b.reg("read_index_q", bits);
        b.when(clean_store.q(), || {
            buffer.write(write_index.q(), clean_data.q());
            write_index.set(write_index.q().inc());
        });
        b.when(few_last.q(), || {
            b.when(b.read(&self.keep), || kept.set(write_index.q()))
                .otherwise(|| write_index.set(kept.q()));
            b.assert("messages_have_a_bubble_between", !clean_valid.q());
        });
        let head_valid = b.reg("head_valid_q", 1);
        let ready = b.read(&self.body.ready);
        let fetch = b.wire(
            "fetch",
            (!head_valid.q() | ready) & read_index.q().ne(kept.q()),
        );
        b.when(fetch, || read_index.set(read_index.q().inc()));
        head_valid.set(fetch | (head_valid.q() & !ready));
        b.drive(&self.body.valid, head_valid.q());
        b.drive(&self.body.payload, buffer.read(fetch, read_index.q()));

        let used = write_index.q() - read_index.q();
        let limit = depth - 1 - self._message_beats - IN_FLIGHT_BEATS;
        let room = b.reg("room_q", 1);
        room.set(used.le(b.lit(bits, limit as u128)));
        b.drive(&self.room, room.q());
        b.assert("buffer_does_not_overflow", !(clean_store.q() & used.all()));
    }
}
leaf!(impl[] Gather { room, checksum, body });
