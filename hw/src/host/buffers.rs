//! # Line buffers
//! [`PacketBuffer`] holds the received messages (bodies and headers), [`TransmitLines`] what the
//! host wrote into its TX lines.
//!
//! | block | port | dir | type | contract |
//! |---|---|---|---|---|
//! | both | `write` | in | flow of `BufferWrite` | one beat (of a call) |
//! | `PacketBuffer` | `frame_write` | in | flow of `FrameWrite` | one or two beats of a bypass frame |
//! | `PacketBuffer` | `descriptor` | in | flow of `DescriptorWrite` | header of the message in a slot |
//! | both | `read` | in | flow of addresses | the word is there in the next cycle and stays |
//! | `PacketBuffer` | `data`, `header` | out | 512, 256 bits | body beat; header of the slot |
//! | `TransmitLines` | `data` | out | 512 bits | beat |
//! | `TransmitLines` | `lines_read`, `lines_data` | | | the same for the transmit path, which counts beats of line images |
//!
//! Latency: 1 cycle. Throughput: 1 read/cycle on every port. Backpressure: none. A read sees what was written before its
//! cycle. Reset: contents stay, nothing reads what was not written since.

use super::shape::{BEAT_BITS, BUFFER_ADDRESS_BITS, ENDPOINT_BITS, Shape};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Memory, MemoryStyle};
use crate::types::{BufferWrite, DescriptorWrite, FlowIn, FrameWrite};
use rust_hdl::prelude::*;

const BEAT_WIDTH: usize = 512;
const HEADER_WIDTH: usize = 256;

/// Received messages.
#[derive(LogicBlock, Default)]
pub struct PacketBuffer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of calls.
    pub write: FlowIn<BufferWrite>,
    /// Beats of bypass frames.
    pub frame_write: FlowIn<FrameWrite>,
    /// Headers.
    pub descriptor: FlowIn<DescriptorWrite>,
    /// Beat address; the header is that of its slot.
    pub read: FlowIn<Bits<16>>,
    /// Beat.
    pub data: Signal<Out, Bits<512>>,
    /// Header.
    pub header: Signal<Out, Bits<256>>,
    _shape: Shape,
}

impl PacketBuffer {
    /// A buffer with all slots of the configuration.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

/// A pool of slots, which is a power of two; the sum of both pools is not, so each has memories of its
/// own.
#[derive(Clone, Copy)]
struct Pool {
    name: &'static str,
    first: usize,
    slots: usize,
    beat_bits: usize,
}

impl Pool {
    /// Number of `slot` inside the pool, and whether it is one of the pool's.
    fn own<'b>(self, b: &'b Body, slot: Expr<'b>) -> (Expr<'b>, Expr<'b>) {
        let own = slot - b.lit(slot.width(), self.first as u128);
        let inside = own.lt(b.lit(slot.width(), self.slots as u128));
        (own.trunc(self.slots.ilog2() as usize), inside)
    }

    /// Slot inside the pool, beat in the pool's memory, whether it is the pool's.
    fn split<'b>(self, b: &'b Body, address: Expr<'b>) -> (Expr<'b>, Expr<'b>, Expr<'b>) {
        let bits = BUFFER_ADDRESS_BITS - self.beat_bits;
        let (own, inside) = self.own(b, address.slice(self.beat_bits, bits));
        (own, b.cat(&[own, address.trunc(self.beat_bits)]), inside)
    }

    fn beats<'b>(self, b: &'b Body, bank: &str, banks: usize) -> Memory<'b> {
        let depth = (self.slots << self.beat_bits) / banks;
        let name = format!("{}_{bank}", self.name);
        b.memory(&name, depth, BEAT_WIDTH, MemoryStyle::Block)
    }
}

/// Row of a beat in its bank.
fn row(beat: Expr<'_>) -> Expr<'_> {
    beat.slice(1, beat.width() - 1)
}

impl PacketBuffer {
    fn pools(&self) -> [Pool; 2] {
        let config = self._shape.config();
        let beat_bits = config.slot_beats().ilog2() as usize;
        let pool = |name, first, slots| Pool {
            name,
            first,
            slots,
            beat_bits,
        };
        [
            pool("call", 0, config.call_slots()),
            pool("bypass", config.call_slots(), config.bypass_slots()),
        ]
    }

    /// Writes headers of `pool`, and reads the one of `slot` when `read`.
    fn header<'b>(&self, b: &'b Body, pool: Pool, read: Expr<'b>, slot: Expr<'b>) -> Expr<'b> {
        let name = format!("{}_headers", pool.name);
        let headers = b.memory(&name, pool.slots, HEADER_WIDTH, MemoryStyle::Block);
        let descriptor = b.read(&self.descriptor.payload);
        let (own, inside) = pool.own(b, descriptor.field("slot"));
        b.when(b.read(&self.descriptor.valid) & inside, || {
            headers.write(own, descriptor.field("header"));
        });
        headers.read(read, slot)
    }
}

impl Leaf for PacketBuffer {
    fn body(&self, b: &Body) {
        let [calls, frames] = self.pools();
        let (at, read) = (b.read(&self.read.payload), b.read(&self.read.valid));

        let (slot, beat, inside) = calls.split(b, at);
        let beats = calls.beats(b, "beats", 1);
        let write = b.read(&self.write.payload);
        let (_, address, ours) = calls.split(b, write.field("address"));
        b.when(b.read(&self.write.valid) & ours, || {
            beats.write(address, write.field("data"));
        });
        let call = beats.read(read & inside, beat);
        let call_header = self.header(b, calls, read & inside, slot);
        let call_asked = b.reg("call_asked_q", 1);
        b.when(read, || call_asked.set(inside));

        // Two beats in a row lie in two memories, so that both can be written in one cycle.
        let (slot, beat, inside) = frames.split(b, at);
        let banks = [frames.beats(b, "even", 2), frames.beats(b, "odd", 2)];
        let write = b.read(&self.frame_write.payload);
        let valid = b.read(&self.frame_write.valid);
        let (_, address, ours) = frames.split(b, write.field("address"));
        let (first_in, spills) = (address.bit(0), write.field("spills"));
        let next_row = row(address.inc());
        for (bank, holds_first) in banks.iter().zip([!first_in, first_in]) {
            b.when(valid & ours & (holds_first | spills), || {
                bank.write(
                    holds_first.mux(row(address), next_row),
                    holds_first.mux(write.field("data"), write.field("spill").zext(BEAT_WIDTH)),
                );
            });
        }
        let [even, odd] = banks.map(|bank| bank.read(read & inside, row(beat)));
        let odd_asked = b.reg("odd_asked_q", 1);
        b.when(read, || odd_asked.set(beat.bit(0)));
        let frame_header = self.header(b, frames, read & inside, slot);

        let frame = odd_asked.q().mux(odd, even);
        b.drive(&self.data, call_asked.q().mux(call, frame));
        b.drive(&self.header, call_asked.q().mux(call_header, frame_header));
    }
}
leaf!(impl[] PacketBuffer { data, header });

/// What the host wrote.
#[derive(LogicBlock, Default)]
pub struct TransmitLines {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Beats, at the addresses of `Shape::transmit_address`.
    pub write: FlowIn<BufferWrite>,
    /// Beat address for the fill engine, of the same kind.
    pub read: FlowIn<Bits<16>>,
    /// Beat for the fill engine.
    pub data: Signal<Out, Bits<512>>,
    /// Control line of each endpoint whose turn it is.
    pub parity: Vec<Signal<In, Bit>>,
    /// Beat address for the transmit path: endpoint times `slot_beats`, plus beat of the image.
    pub lines_read: FlowIn<Bits<16>>,
    /// Beat for the transmit path.
    pub lines_data: Signal<Out, Bits<512>>,
    _shape: Shape,
}

impl TransmitLines {
    /// Transmit lines of all endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            parity: vec![Signal::default(); shape.endpoints()],
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl Leaf for TransmitLines {
    fn body(&self, b: &Body) {
        let shape = &self._shape;
        let stride = shape.transmit_stride_beats();
        let depth = (shape.endpoints() * stride).next_power_of_two();
        let bits = depth.ilog2() as usize;
        let lines = b.memory("lines", depth, BEAT_WIDTH, MemoryStyle::Block);
        let write = b.read(&self.write.payload);
        b.unused(write.field("address"));
        b.when(b.read(&self.write.valid), || {
            lines.write(write.field("address").trunc(bits), write.field("data"));
        });
        let address = b.read(&self.read.payload);
        b.unused(address);
        b.drive(
            &self.data,
            lines.read(b.read(&self.read.valid), address.trunc(bits)),
        );

        // The image's control line is T0 or T1, whichever has its turn.
        let beat_bits = shape.config().slot_beats().ilog2() as usize;
        let address = b.read(&self.lines_read.payload);
        b.unused(address);
        let endpoint = address.slice(beat_bits, ENDPOINT_BITS);
        let parities: Vec<_> = self.parity.iter().map(|port| b.read(port)).collect();
        let parity = b.select(&parities, endpoint.trunc(index_bits(parities.len())));
        let beat = address.trunc(beat_bits).zext(BEAT_BITS);
        let control = beat.lt(b.lit(BEAT_BITS, shape.beats_per_line() as u128));
        let second = b.lit(BEAT_BITS, shape.message_beats() as u128);
        let base = (control & parity).mux(second | beat, beat);
        let address = shape.transmit_address(b, endpoint, base, b.bit(false));
        b.drive(
            &self.lines_data,
            lines.read(b.read(&self.lines_read.valid), address.trunc(bits)),
        );
    }
}
leaf!(impl[] TransmitLines { data, lines_data });

/// Address bits that tell `count` items apart.
fn index_bits(count: usize) -> usize {
    count.next_power_of_two().ilog2() as usize
}
