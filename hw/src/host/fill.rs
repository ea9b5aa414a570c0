//! # Fill engine
//! Turns fill requests into lines on the line port: reads the message, its header or the transmit
//! lines, masks what is beyond the message and sends the beats of each line without a gap in order.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `request` | in | stream of `FillRequest` | answers, arbitrated |
//! | `packet_read` → `packet_data`, `packet_header` | | | packet buffer, one cycle later |
//! | `transmit_read` → `transmit_data` | | | transmit lines, one cycle later |
//! | `fill` | out | stream of `LineFill` | beats; those of one line follow each other |
//! | `done` | out | flow of requester numbers | the last beat of its line has left |
//!
//! Latency: 2 cycles. Throughput: 1 beat/cycle. Backpressure: lossless; a short FIFO takes what the
//! reads bring. Ordering: requests in order. Reset: drops everything inside.
//! The line image of a message: header bytes 0 to 31 from the descriptor, then the slot's beats
//! from byte 32 (frames: 34) up to the message's last beat, whose end the writer has padded with
//! zeros; then zeros.
//! Within a cycle: `packet_read` and `transmit_read` follow from `request`.

use super::shape::{BUFFER_ADDRESS_BITS, ENDPOINT_BITS, Shape};
use super::types::FillRequest;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{FlowOut, LineFill, StreamIn, StreamOut};
use lauberhorn_interface::line::{CALL_BODY_OFFSET, FRAME_BODY_OFFSET};
use rust_hdl::prelude::*;

const REQUESTER_BITS: usize = 6;
const FIFO_ADDRESS_BITS: usize = 3;

/// The block.
#[derive(LogicBlock, Default)]
pub struct FillEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Answers wanted.
    pub request: StreamIn<FillRequest>,
    /// Beat address in the packet buffer.
    pub packet_read: FlowOut<Bits<16>>,
    /// Its beat.
    pub packet_data: Signal<In, Bits<512>>,
    /// Header of its slot.
    pub packet_header: Signal<In, Bits<256>>,
    /// Beat address in the transmit lines.
    pub transmit_read: FlowOut<Bits<16>>,
    /// Its beat.
    pub transmit_data: Signal<In, Bits<512>>,
    /// Lines.
    pub fill: StreamOut<LineFill>,
    /// Lines that have left.
    pub done: FlowOut<Bits<6>>,
    _shape: Shape,
}

impl FillEngine {
    /// A fill engine for these endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl Leaf for FillEngine {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "packet_read$payload <- request$payload",
            "packet_read$valid <- request$payload",
            "packet_read$valid <- request$valid",
            "transmit_read$payload <- request$payload",
            "transmit_read$valid <- request$payload",
            "transmit_read$valid <- request$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let shape = &self._shape;
        let request = b.read(&self.request.payload);
        let field = |name: &str| request.field(name);
        let two_beats = shape.beats_per_line() == 2;

        // Stage 1: read. One beat per cycle while the FIFO has room for what is under way.
        let level = b.reg("level_q", FIFO_ADDRESS_BITS + 1);
        let room = !level.q().bit(FIFO_ADDRESS_BITS - 1) & !level.q().bit(FIFO_ADDRESS_BITS);
        let second = b.reg("second_q", 1);
        let issue = b.wire("issue", b.read(&self.request.valid) & room);
        let last = match two_beats {
            true => second.q(),
            false => b.bit(true),
        };
        b.when(issue, || second.set(!last));
        b.unused(second.q());
        let within = match two_beats {
            true => second.q(),
            false => b.bit(false),
        };
        b.drive(&self.request.ready, room & last);
        let beat = b.cat(&[field("beat").slice(1, 8), field("beat").bit(0) | within]);
        let in_message = beat.lt(field("beats"));
        let packet = shape.slot_address(b, field("slot"), field("beat"), within);
        let endpoint = field("slot").trunc(ENDPOINT_BITS);
        let transmit = shape.transmit_address(b, endpoint, field("beat"), within);
        debug_assert!(packet.width() == BUFFER_ADDRESS_BITS);
        b.drive(&self.packet_read.valid, issue & field("from_slot"));
        b.drive(&self.packet_read.payload, packet);
        b.drive(&self.transmit_read.valid, issue & field("from_transmit"));
        b.drive(&self.transmit_read.payload, transmit);

        // Stage 2: the words are there; mask and merge.
        let read_valid = b.reg("read_valid_q", 1);
        let use_body = b.reg_data("use_body_q", 1);
        let use_header = b.reg_data("use_header_q", 1);
        let use_transmit = b.reg_data("use_transmit_q", 1);
        let is_frame = b.reg_data("is_frame_q", 1);
        let kind = b.reg_data("kind_q", 3);
        let tail_bits = 8 + 1 + 1 + REQUESTER_BITS;
        let tail = b.reg_data("tail_q", tail_bits);
        read_valid.set(issue);
        use_body.set(field("from_slot") & in_message);
        use_header.set(field("from_slot") & !beat.any());
        use_transmit.set(field("from_transmit"));
        is_frame.set(!field("requester").any());
        kind.set((within | field("from_slot")).mux(b.zero(3), field("kind")));
        tail.set(b.cat(&[field("requester"), last, field("exclusive"), field("id")]));

        let data = b.read(&self.packet_data);
        let header_width = 8 * CALL_BODY_OFFSET;
        let gap_width = 8 * (FRAME_BODY_OFFSET - CALL_BODY_OFFSET);
        let header = b.read(&self.packet_header);
        let body_low =
            (use_body.q() & !use_header.q()).repeat(header_width) & data.trunc(header_width);
        let low = body_low | (use_header.q().repeat(header_width) & header);
        let gap = (use_body.q() & !(use_header.q() & is_frame.q())).repeat(gap_width)
            & data.slice(header_width, gap_width);
        let rest_width = 512 - header_width - gap_width;
        let rest =
            use_body.q().repeat(rest_width) & data.slice(header_width + gap_width, rest_width);
        let control = b.cat(&[b.zero(512 - 4), kind.q(), b.bit(false)]);
        let merged = b.cat(&[rest, gap, low])
            | (use_transmit.q().repeat(512) & b.read(&self.transmit_data))
            | control;
        let word = b.wire("word", b.cat(&[merged, tail.q()]));

        // Output register with a FIFO behind it for the time that `fill` waits.
        let width = 512 + tail_bits;
        let depth = 1 << FIFO_ADDRESS_BITS;
        let words = b.memory("waiting_words", depth, width, MemoryStyle::Distributed);
        let write = b.reg("write_q", FIFO_ADDRESS_BITS);
        let read = b.reg("read_q", FIFO_ADDRESS_BITS);
        let out_valid = b.reg("out_valid_q", 1);
        let out = b.reg_data("out_q", width);
        let taken = b.wire("taken", out_valid.q() & b.read(&self.fill.ready));
        let refill = b.wire("refill", taken | !out_valid.q());
        let stored = b.wire("stored", write.q().ne(read.q()));
        let push = b.wire("push", read_valid.q() & (stored | !refill));
        b.when(push, || {
            words.write(write.q(), word);
            write.set(write.q().inc());
        });
        b.when(refill, || {
            out.set(stored.mux(words.read_now(read.q()), word));
            out_valid.set(stored | read_valid.q());
        });
        b.when(refill & stored, || read.set(read.q().inc()));
        b.when(push & !(refill & stored), || level.set(level.q().inc()));
        b.when(!push & refill & stored, || level.set(level.q().dec()));
        b.assert("fifo_has_room", !(push & level.q().bit(FIFO_ADDRESS_BITS)));

        let field = |low: usize, width: usize| out.q().slice(low, width);
        b.drive(&self.fill.valid, out_valid.q());
        b.drive(
            &self.fill.payload,
            b.pack::<LineFill>(&[
                ("id", field(0, 8)),
                ("exclusive", field(8, 1)),
                ("last", field(9, 1)),
                ("data", field(tail_bits, 512)),
            ]),
        );
        let done_valid = b.reg("done_valid_q", 1);
        let done = b.reg_data("done_requester_q", REQUESTER_BITS);
        done_valid.set(taken & field(9, 1));
        done.set(field(10, REQUESTER_BITS));
        b.drive(&self.done.valid, done_valid.q());
        b.drive(&self.done.payload, done.q());
    }
}
leaf!(impl[] FillEngine { request, packet_read, transmit_read, fill, done });
