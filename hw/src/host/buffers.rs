//! # Line buffers
//! [`PacketBuffer`] holds the received messages (bodies and headers), [`TransmitLines`] what the
//! host wrote into its TX lines.
//!
//! | block | port | dir | type | contract |
//! |---|---|---|---|---|
//! | both | `write` | in | flow of `BufferWrite` | one beat |
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
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{BufferWrite, DescriptorWrite, FlowIn};
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
    /// Body beats.
    pub write: FlowIn<BufferWrite>,
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

/// What one pool of slots gives: whether it was asked in the last cycle, the beat, the header.
struct Pool<'b> {
    asked: Expr<'b>,
    data: Expr<'b>,
    header: Expr<'b>,
}

impl PacketBuffer {
    /// Both pools are powers of two, their sum is not: each has memories of its own.
    fn pool<'b>(&self, b: &'b Body, name: &str, first: usize, slots: usize) -> Pool<'b> {
        let beat_bits = self._shape.config().slot_beats().ilog2() as usize;
        let slot_bits = slots.ilog2() as usize;
        // Slot number inside the pool, and whether it is one of the pool's.
        let own = |slot: Expr<'b>| {
            let own = slot - b.lit(slot.width(), first as u128);
            let inside = own.lt(b.lit(slot.width(), slots as u128));
            (own.trunc(slot_bits), inside)
        };
        let split = |address: Expr<'b>| {
            let slot = address.slice(beat_bits, BUFFER_ADDRESS_BITS - beat_bits);
            let (own, inside) = own(slot);
            (own, b.cat(&[own, address.trunc(beat_bits)]), inside)
        };
        let beats = b.memory(
            &format!("{name}_beats"),
            slots << beat_bits,
            BEAT_WIDTH,
            MemoryStyle::Block,
        );
        let headers = b.memory(
            &format!("{name}_headers"),
            slots,
            HEADER_WIDTH,
            MemoryStyle::Block,
        );
        let write = b.read(&self.write.payload);
        let (_, address, inside) = split(write.field("address"));
        b.when(b.read(&self.write.valid) & inside, || {
            beats.write(address, write.field("data"));
        });
        let descriptor = b.read(&self.descriptor.payload);
        let (slot, inside) = own(descriptor.field("slot"));
        b.when(b.read(&self.descriptor.valid) & inside, || {
            headers.write(slot, descriptor.field("header"));
        });
        let (slot, address, inside) = split(b.read(&self.read.payload));
        let read = b.read(&self.read.valid);
        let asked = b.reg(&format!("{name}_asked_q"), 1);
        b.when(read, || asked.set(inside));
        Pool {
            asked: asked.q(),
            data: beats.read(read & inside, address),
            header: headers.read(read & inside, slot),
        }
    }
}

impl Leaf for PacketBuffer {
    fn body(&self, b: &Body) {
        let config = self._shape.config();
        let calls = self.pool(b, "call", 0, config.call_slots());
        let bypass = self.pool(b, "bypass", config.call_slots(), config.bypass_slots());
        b.drive(&self.data, calls.asked.mux(calls.data, bypass.data));
        b.drive(&self.header, calls.asked.mux(calls.header, bypass.header));
        b.unused(bypass.asked);
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
