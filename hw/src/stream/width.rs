//! # Width converters
//! [`WidthDown`] cuts the beats of packets into narrower ones, [`WidthUp`] gathers narrow beats into
//! wide ones. The number of narrow beats in a wide one is a power of two. Non-goal: joining packets;
//! each starts with a beat of its own.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of beats | packets in; `keep` all ones but in the last beat |
//! | `tx` | out | stream of beats | the same bytes of the same packets |
//!
//! Down: narrow beats without a valid byte are left out, but for the first of a wide beat. Up: bytes
//! of `data` beyond the narrow beats that came are zero.
//!
//! Latency: 1 cycle, up from the narrow beat that completes a wide one.
//! Throughput: 1 narrow beat/cycle.
//! Backpressure: lossless; `rx.ready` falls one cycle after `tx` stopped, down also while a wide beat
//! waits behind another. No combinational path from any input to any output.
//! Ordering: first in, first out.
//! Reset: empties it; the next beat starts a packet.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{Beat, Beat8, Beat16, Beat32, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// From beats of type `W` to narrower ones of type `N`.
#[derive(LogicBlock, Default)]
pub struct WidthDown<W: Synth, N: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Wide beats in.
    pub rx: StreamIn<W>,
    /// Narrow beats out.
    pub tx: StreamOut<N>,
}

/// From beats of type `N` to wider ones of type `W`.
#[derive(LogicBlock, Default)]
pub struct WidthUp<N: Synth, W: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Narrow beats in.
    pub rx: StreamIn<N>,
    /// Wide beats out.
    pub tx: StreamOut<W>,
}

/// Bytes in a wide and in a narrow beat.
fn beat_bytes<W: Synth, N: Synth>(block: &str) -> (usize, usize) {
    // Nine bits per byte and the last flag.
    let (wide, narrow) = ((W::BITS - 1) / 9, (N::BITS - 1) / 9);
    assert!(
        narrow > 0 && wide > narrow && wide % narrow == 0 && (wide / narrow).is_power_of_two(),
        "{block}: beats of {wide} bytes do not consist of 2, 4, 8... beats of {narrow} bytes"
    );
    (wide, narrow)
}

impl<W: Synth, N: Synth> Leaf for WidthDown<W, N> {
    fn body(&self, b: &Body) {
        let (wide, narrow) = beat_bytes::<W, N>("WidthDown");
        let (valid, spare_valid) = (b.reg("valid_q", 1), b.reg("spare_valid_q", 1));
        let spare = b.reg_of::<W>("spare_q");
        // What is left of the wide beat; the part offered now is lowest.
        let (data, keep) = (b.reg_data("data_q", 8 * wide), b.reg_data("keep_q", wide));
        let (ends, last) = (b.reg_data("ends_q", 1), b.reg_data("last_q", 1));
        // The part offered now is the last of its wide beat.
        let done = b.reg_data("done_q", 1);

        let rx = b.read(&self.rx.payload);
        let ready = b.read(&self.tx.ready);
        let push = b.wire("push", b.read(&self.rx.valid) & !spare_valid.q());
        let refill = b.wire("refill", !valid.q() | (ready & done.q()));
        let next = spare_valid.q().mux(spare.q(), rx);
        // `keep` is contiguous: one bit tells whether another part follows.
        let next_done = !next.field("keep").bit(narrow);
        b.when(refill, || {
            valid.set(spare_valid.q() | push);
            data.set(next.field("data"));
            keep.set(next.field("keep"));
            ends.set(next.field("last"));
            done.set(next_done);
            last.set(next.field("last") & next_done);
            spare_valid.set(b.bit(false));
        })
        .or_when(push, || spare_valid.set(b.bit(true)));
        b.when(!spare_valid.q(), || spare.set(rx));

        let step_done = match 2 * narrow < wide {
            true => !keep.q().bit(2 * narrow),
            false => b.bit(true),
        };
        b.when(ready & !refill, || {
            data.set((data.q().slice(8 * narrow, 8 * (wide - narrow))).zext(8 * wide));
            keep.set(keep.q().slice(narrow, wide - narrow).zext(wide));
            done.set(step_done);
            last.set(ends.q() & step_done);
        });

        b.drive(&self.rx.ready, !spare_valid.q());
        b.drive(&self.tx.valid, valid.q());
        let part = b.pack::<N>(&[
            ("data", data.q().trunc(8 * narrow)),
            ("keep", keep.q().trunc(narrow)),
            ("last", last.q()),
        ]);
        b.drive(&self.tx.payload, part);
    }
}
leaf!(impl[W: Synth, N: Synth] WidthDown<W, N> { rx, tx });

impl<N: Synth, W: Synth> Leaf for WidthUp<N, W> {
    fn body(&self, b: &Body) {
        let (wide, narrow) = beat_bytes::<W, N>("WidthUp");
        let lanes = wide / narrow;
        let index = b.reg("index_q", lanes.ilog2() as usize);
        let gathered = b.reg_of::<W>("gathered_q");
        // A complete beat that the output register had no room for.
        let full = b.reg("full_q", 1);
        let (valid, payload) = (b.reg("valid_q", 1), b.reg_of::<W>("payload_q"));

        let rx = b.read(&self.rx.payload);
        let push = b.wire("push", b.read(&self.rx.valid) & !full.q());
        let complete = b.wire("complete", push & (rx.field("last") | index.q().all()));
        let output_free = b.wire("output_free", !valid.q() | b.read(&self.tx.ready));
        let first = b.wire("first", index.q().eq_lit(0));
        let merged = |field: &str, lane_bits: usize| {
            let (part, before) = (rx.field(field), gathered.q().field(field));
            let lane = |lane: usize| {
                let here = index.q().eq_lit(lane as u128);
                let before = before.slice(lane * lane_bits, lane_bits);
                here.mux(part, first.mux(b.zero(lane_bits), before))
            };
            b.cat_le(&(0..lanes).map(lane).collect::<Vec<_>>())
        };
        let beat = b.pack::<W>(&[
            ("data", merged("data", 8 * narrow)),
            ("keep", merged("keep", narrow)),
            ("last", rx.field("last")),
        ]);
        b.when(push, || {
            gathered.set(beat);
            index.set(index.q().inc());
        });
        b.when(complete, || index.set(b.zero(index.q().width())));
        b.when(output_free, || {
            valid.set(full.q() | complete);
            payload.set(full.q().mux(gathered.q(), beat));
            full.set(b.bit(false));
        })
        .or_when(complete, || full.set(b.bit(true)));

        b.drive(&self.rx.ready, !full.q());
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
    }
}
leaf!(impl[N: Synth, W: Synth] WidthUp<N, W> { rx, tx });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf(
            "stream_width_64_to_32",
            WidthDown::<Beat, Beat32>::default(),
        ),
        Design::leaf("stream_width_64_to_8", WidthDown::<Beat, Beat8>::default()),
        Design::leaf("stream_width_32_to_64", WidthUp::<Beat32, Beat>::default()),
        Design::leaf("stream_width_8_to_64", WidthUp::<Beat8, Beat>::default()),
        Design::leaf("stream_width_8_to_16", WidthUp::<Beat8, Beat16>::default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Rng, Suite, beat, beat_parts, packet_beats};
    use rand::Rng as _;

    /// Packets of all lengths around the beat sizes; the first fits one narrow beat, so that the
    /// latency counts from the beat that completes the first wide one.
    fn packets(rng: &mut Rng, count: usize, beat_bytes: usize) -> Vec<Vec<Value>> {
        let mut beats = packet_beats(rng, 1, beat_bytes);
        while beats.len() < count {
            let length = match rng.random_range(0..4) {
                0 => 8 * rng.random_range(1..=17),
                1 => rng.random_range(1..=9),
                2 => 64 * rng.random_range(1..=3) + 1,
                _ => rng.random_range(1..=300),
            };
            beats.extend(packet_beats(rng, length, beat_bytes));
        }
        vec![beats]
    }

    fn cut(beats: &[Value], narrow: usize) -> Vec<Value> {
        let mut parts = Vec::new();
        for wide in beats {
            let (data, valid, last) = beat_parts(wide);
            let count = valid.div_ceil(narrow);
            for (index, part) in data.chunks(narrow).take(count).enumerate() {
                let rest = valid - index * narrow;
                parts.push(beat(part, rest, last && index + 1 == count));
            }
        }
        parts
    }

    fn gather(beats: &[Value], wide: usize) -> Vec<Value> {
        let mut whole = Vec::new();
        let (mut gathered, mut valid) = (Vec::new(), 0);
        for part in beats {
            let (data, part_valid, last) = beat_parts(part);
            gathered.extend(data);
            valid += part_valid;
            if last || gathered.len() == wide {
                gathered.resize(wide, 0);
                whole.push(beat(&gathered, valid, last));
                (gathered, valid) = (Vec::new(), 0);
            }
        }
        whole
    }

    fn run<L: Leaf>(
        name: &str,
        block: fn() -> L,
        from: usize,
        model: &dyn Fn(&[Value]) -> Vec<Value>,
    ) {
        Suite {
            name,
            make: &|| Box::new(Interpreter::new(block().elaborate())),
            inputs: &["rx"],
            outputs: &["tx"],
            items: &|rng, count| packets(rng, count, from),
            model: &|inputs| vec![model(&inputs[0])],
            latency_cycles: 1,
            cycles_per_100_items: 100,
        }
        .run();
    }

    #[test]
    fn cuts_wide_beats() {
        run(
            "width_64_32",
            WidthDown::<Beat, Beat32>::default,
            64,
            &|beats| cut(beats, 32),
        );
        run(
            "width_64_8",
            WidthDown::<Beat, Beat8>::default,
            64,
            &|beats| cut(beats, 8),
        );
        run(
            "width_32_16",
            WidthDown::<Beat32, Beat16>::default,
            32,
            &|beats| cut(beats, 16),
        );
    }

    #[test]
    fn gathers_narrow_beats() {
        run(
            "width_32_64",
            WidthUp::<Beat32, Beat>::default,
            32,
            &|beats| gather(beats, 64),
        );
        run("width_8_64", WidthUp::<Beat8, Beat>::default, 8, &|beats| {
            gather(beats, 64)
        });
        run(
            "width_8_16",
            WidthUp::<Beat8, Beat16>::default,
            8,
            &|beats| gather(beats, 16),
        );
    }

    #[test]
    #[should_panic(expected = "beats of 8 bytes do not consist of 2, 4, 8... beats of 64 bytes")]
    fn refuses_the_wrong_direction() {
        WidthDown::<Beat8, Beat>::default().elaborate();
    }
}
