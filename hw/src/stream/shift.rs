//! # Alignment shifter
//! Moves each packet up by an offset of its own, as if that many zero bytes stood before it: byte 0
//! comes out as byte `offset_bytes`. The offset is a multiple of `granule_bytes`. Non-goal: removing
//! bytes.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of [`OffsetBeat`] | packets in; the offset counts in the first beat |
//! | `tx` | out | stream of [`Beat`] | packets out, `offset_bytes` longer; `keep` covers the zeros |
//!
//! Latency: 2 cycles.
//! Throughput: 1 beat/cycle out. A packet whose end moves across a beat boundary is one beat longer:
//! `rx` waits one cycle for it.
//! Backpressure: lossless; `rx.ready` falls one or two cycles after `tx` stopped. No combinational
//! path from any input to any output.
//! Ordering: first in, first out.
//! Reset: empties it; the next beat starts a packet.
//! Errors: none; offset bits below the granule are ignored. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{Beat, OffsetBeat, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// Bytes in a beat.
const BEAT_BYTES: usize = 64;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Shift {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Packets in.
    pub rx: StreamIn<OffsetBeat>,
    /// Moved packets out.
    pub tx: StreamOut<Beat>,
    _granule_bytes: usize,
}

impl Shift {
    /// Offsets are multiples of `granule_bytes`, a power of two from 1 to 32.
    pub fn new(granule_bytes: usize) -> Self {
        Self {
            _granule_bytes: granule_bytes,
            ..Self::default()
        }
    }
}

/// `value` turned by `amount` lanes towards its top; what leaves there comes in below.
fn turn<'b>(b: &'b Body, value: Expr<'b>, amount: Expr<'b>, lane_bits: usize) -> Expr<'b> {
    let width = value.width();
    (0..amount.width()).fold(value, |value, bit| {
        let by = lane_bits << bit;
        let turned = b.cat(&[value.trunc(width - by), value.slice(width - by, by)]);
        amount.bit(bit).mux(turned, value)
    })
}

/// Every bit of `lanes` `count` times side by side.
fn spread<'b>(b: &'b Body, lanes: Expr<'b>, count: usize) -> Expr<'b> {
    let lane = |index| lanes.bit(index).repeat(count);
    b.cat_le(&(0..lanes.width()).map(lane).collect::<Vec<_>>())
}

impl Leaf for Shift {
    fn body(&self, b: &Body) {
        let granule = self._granule_bytes;
        assert!(
            granule.is_power_of_two() && granule < BEAT_BYTES,
            "Shift: granule_bytes is {granule}, allowed is a power of two from 1 to 32"
        );
        let lanes = BEAT_BYTES / granule;
        let amount_bits = lanes.ilog2() as usize;

        // Stage 1: turn the beat; a spare place keeps `ready` registered.
        let rx = b.read(&self.rx.payload);
        let (data, keep) = (rx.field("beat.data"), rx.field("beat.keep"));
        let offset = rx.field("offset_bytes");
        let (turned_valid, spare_valid) = (b.reg("turned_valid_q", 1), b.reg("spare_valid_q", 1));
        let first = b.reg_init("first_q", crate::rtl::Value::ones(1));
        let held = b.reg_data("amount_q", amount_bits);
        let push = b.wire("push", b.read(&self.rx.valid) & !spare_valid.q());
        let given = offset.slice(offset.width() - amount_bits, amount_bits);
        if granule > 1 {
            b.unused(offset.trunc(granule.ilog2() as usize));
        }
        let amount = b.wire("amount", first.q().mux(given, held.q()));
        b.when(push, || {
            first.set(rx.field("beat.last"));
            held.set(amount);
        });
        let moved = |lane| amount.gt(b.lit(amount_bits, lane as u128));
        let item = b.cat_le(&[
            turn(b, data, amount, 8 * granule),
            turn(b, keep, amount, granule),
            b.cat_le(&(0..lanes).map(moved).collect::<Vec<_>>()),
            first.q(),
            rx.field("beat.last"),
        ]);
        let (turned, spare) = (
            b.reg_data("turned_q", item.width()),
            b.reg_data("spare_q", item.width()),
        );
        let flush = b.reg("flush_q", 1);
        let valid = b.reg("valid_q", 1);
        let output_free = b.wire("output_free", !valid.q() | b.read(&self.tx.ready));
        let refill = b.wire("refill", !turned_valid.q() | (output_free & !flush.q()));
        b.when(refill, || {
            turned_valid.set(spare_valid.q() | push);
            turned.set(spare_valid.q().mux(spare.q(), item));
            spare_valid.set(b.bit(false));
        })
        .or_when(push, || spare_valid.set(b.bit(true)));
        b.when(!spare_valid.q(), || spare.set(item));

        // Stage 2: the lanes below the offset come from the beat before.
        let (data, keep) = (turned.q().trunc(512), turned.q().slice(512, 64));
        let below = turned.q().slice(576, lanes);
        let (first, last) = (turned.q().bit(576 + lanes), turned.q().bit(577 + lanes));
        let below_bytes = b.wire("below_bytes", spread(b, below, granule));
        let below_bits = b.wire("below_bits", spread(b, below, 8 * granule));
        let (carry, carry_keep) = (b.reg_data("carry_q", 512), b.reg_data("carry_keep_q", 64));
        let payload = b.reg_of::<Beat>("payload_q");
        // `keep` is contiguous: bytes crossed the boundary when byte 0 is one of them.
        let extra = b.wire("extra", last & keep.bit(0) & below.bit(0));
        let from_carry = b.wire("from_carry", flush.q() | !first).repeat(512);
        let from_beat = !below_bits & (!flush.q()).repeat(512);
        let beat = b.pack::<Beat>(&[
            ("data", (carry.q() & from_carry) | (data & from_beat)),
            ("keep", flush.q().mux(carry_keep.q(), keep | below_bytes)),
            ("last", flush.q() | (last & !extra)),
        ]);
        b.when(output_free, || {
            valid.set(flush.q() | turned_valid.q());
            payload.set(beat);
            flush.set(turned_valid.q() & extra & !flush.q());
        });
        b.when(output_free & !flush.q() & turned_valid.q(), || {
            carry.set(data & below_bits);
            carry_keep.set(keep & below_bytes);
        });

        b.drive(&self.rx.ready, !spare_valid.q());
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
    }
}
leaf!(impl[] Shift { rx, tx });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_shift_1", Shift::new(1)),
        Design::leaf("stream_shift_4", Shift::new(4)),
        Design::leaf("stream_shift_32", Shift::new(32)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Rng, Suite, beat, beat_parts, packet_beats};
    use rand::Rng as _;

    fn with_offset(beat: &Value, offset: usize) -> Value {
        let mut item = Value::zero(583);
        item.set_slice(0, beat);
        item.set_slice(577, &Value::new(6, offset as u128));
        item
    }

    /// Random packets; offsets that are a multiple of `granule` in their first beats, anything in
    /// the others.
    fn packets(rng: &mut Rng, count: usize, granule: usize) -> Vec<Vec<Value>> {
        let mut items = Vec::new();
        while items.len() < count {
            let length = match rng.random_range(0..3) {
                0 => rng.random_range(1..=64),
                1 => 64 * rng.random_range(1..=3),
                _ => rng.random_range(1..=400),
            };
            let offset = granule * rng.random_range(0..64 / granule);
            for (index, beat) in packet_beats(rng, length, 64).iter().enumerate() {
                let offset = if index == 0 {
                    offset
                } else {
                    rng.random_range(0..64)
                };
                items.push(with_offset(beat, offset));
            }
        }
        vec![items]
    }

    /// Zero bytes before each packet.
    fn model(inputs: &[Vec<Value>]) -> Vec<Vec<Value>> {
        let mut moved = Vec::new();
        for packet in inputs[0].split_inclusive(|item| item.bit(576)) {
            let offset = packet[0].slice(577, 6).to_u64() as usize;
            let mut bytes = vec![0; offset];
            let mut length = offset;
            for item in packet {
                let (data, valid, _) = beat_parts(&item.slice(0, 577));
                bytes.extend(data);
                length += valid;
            }
            let count = length.div_ceil(64);
            bytes.resize(64 * count, 0);
            for (index, data) in bytes.chunks(64).enumerate() {
                moved.push(beat(data, length - 64 * index, index + 1 == count));
            }
        }
        vec![moved]
    }

    #[test]
    fn keeps_its_contract_at_every_granule() {
        for granule in [1, 4, 32] {
            Suite {
                name: "shift",
                make: &|| Box::new(Interpreter::new(Shift::new(granule).elaborate())),
                inputs: &["rx"],
                outputs: &["tx"],
                items: &|rng, count| packets(rng, count, granule),
                model: &model,
                latency_cycles: 2,
                cycles_per_100_items: 100,
            }
            .run();
        }
    }

    #[test]
    fn takes_an_extra_beat_only_when_bytes_cross_the_boundary() {
        let mut rng = crate::testing::rng(crate::testing::root_seed(), "shift_border");
        for (length, offset, beats) in [(60, 4, 1), (61, 4, 2), (64, 0, 1), (128, 4, 3), (1, 60, 1)]
        {
            let mut dut = Interpreter::new(Shift::new(4).elaborate());
            let mut bench = crate::testing::Bench::new(&mut dut, 1);
            let packet = packet_beats(&mut rng, length, 64);
            let items = packet
                .iter()
                .map(|beat| with_offset(beat, offset))
                .collect();
            bench.source("rx", items, crate::testing::Pace::Full);
            let sink = bench.sink("tx", crate::testing::Pace::Full);
            bench.run_until_quiet(10);
            assert_eq!(
                bench.received(sink).len(),
                beats,
                "{length} bytes moved by {offset}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "Shift: granule_bytes is 64, allowed is a power of two from 1 to 32")]
    fn refuses_other_granules() {
        Shift::new(64).elaborate();
    }
}
