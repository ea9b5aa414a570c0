//! # Packet FIFO
//! Stores whole frames from a source that cannot wait and forwards only good ones. A frame is kept or
//! dropped at its last beat: dropped when the MAC found it bad or when it did not fit.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`MacBeat`] | frames in, never stalls |
//! | `tx` | out | stream of [`Beat`] | the good frames in the same order |
//! | `stored` | out | 1 bit | pulse: a frame was kept |
//! | `drop_error` | out | 1 bit | pulse: a frame was dropped, its `error` was set |
//! | `drop_overflow` | out | 1 bit | pulse: a good frame was dropped, it did not fit |
//!
//! Latency: 3 cycles from the last beat in to the first beat out when empty.
//! Throughput: 1 beat/cycle in and out.
//! Backpressure: none on `rx`; lossless on `tx`. No combinational path from any input to any output.
//! Ordering: frames and their beats in order; a frame of more than `depth` beats is always dropped.
//! Reset: empties it; a frame cut by the reset is forgotten, the next beat starts a frame.
//! Errors: see drops. Counters: exactly one of the three pulses per frame, 1 cycle after its last beat.

use super::block_fifo::reader;
use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{Beat, FlowIn, MacBeat, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct PacketFifo {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Frames in.
    pub rx: FlowIn<MacBeat>,
    /// Good frames out.
    pub tx: StreamOut<Beat>,
    /// A frame was kept.
    pub stored: Signal<Out, Bit>,
    /// A bad frame was dropped.
    pub drop_error: Signal<Out, Bit>,
    /// A good frame was dropped because it did not fit.
    pub drop_overflow: Signal<Out, Bit>,
    _depth: usize,
}

impl PacketFifo {
    /// Room for `depth` beats, a power of two from 2 on.
    pub fn new(depth: usize) -> Self {
        Self {
            _depth: depth,
            ..Self::default()
        }
    }
}

impl Leaf for PacketFifo {
    fn body(&self, b: &Body) {
        super::check_depth("PacketFifo", self._depth);
        let bits = self._depth.ilog2() as usize;
        let words = b.memory("words", self._depth, Beat::BITS, MemoryStyle::Block);
        let write = b.reg("write_q", bits + 1);
        // Where the last good frame ends: the reader goes no further.
        let commit = b.reg("commit_q", bits + 1);
        let reader = reader(b, words, Beat::BITS, commit.q(), b.read(&self.tx.ready));

        let beat = b.read(&self.rx.payload);
        let valid = b.read(&self.rx.valid);
        let overflowed = b.reg("overflowed_q", 1);
        let used = write.q() - reader.pointer;
        let lost = b.wire("lost", overflowed.q() | used.bit(bits));
        let end = b.wire("end", valid & beat.field("last"));
        let bad = beat.field("error");
        let keep = b.wire("keep", end & !bad & !lost);

        let word = b.pack::<Beat>(&[
            ("data", beat.field("data")),
            ("keep", beat.field("keep")),
            ("last", beat.field("last")),
        ]);
        b.when(valid & !lost, || {
            words.write(write.q().trunc(bits), word);
            write.set(write.q().inc());
        });
        b.when(valid, || overflowed.set(lost));
        b.when(keep, || commit.set(write.q().inc()));
        b.when(end, || overflowed.set(b.bit(false)));
        b.when(end & !keep, || write.set(commit.q()));
        b.assert(
            "never_more_than_depth",
            used.le(b.lit(bits + 1, self._depth as u128)),
        );

        let pulse = |name: &str, condition| {
            let pulse = b.reg(name, 1);
            pulse.set(condition);
            pulse.q()
        };
        b.drive(&self.stored, pulse("stored_q", keep));
        b.drive(&self.drop_error, pulse("drop_error_q", end & bad));
        b.drive(
            &self.drop_overflow,
            pulse("drop_overflow_q", end & !bad & lost),
        );
        b.drive(&self.tx.valid, reader.valid);
        b.drive(&self.tx.payload, reader.word);
    }
}
leaf!(impl[] PacketFifo { tx, stored, drop_error, drop_overflow });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_packet_fifo_4", PacketFifo::new(4)),
        Design::leaf("stream_packet_fifo_256", PacketFifo::new(256)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Bench, Pace, Rng, Suite, random_value, rng, root_seed};
    use rand::Rng as _;

    fn dut(depth: usize) -> Interpreter {
        Interpreter::new(PacketFifo::new(depth).elaborate())
    }

    /// A frame of `beats` beats as the MAC gives it.
    fn frame(rng: &mut Rng, beats: usize, error: bool) -> Vec<Value> {
        let mut frame = Vec::new();
        for index in 0..beats {
            let last = index + 1 == beats;
            let mut beat = random_value(rng, MacBeat::BITS);
            beat.set_slice(
                576,
                &Value::new(2, u128::from(last) | u128::from(last && error) << 1),
            );
            frame.push(beat);
        }
        frame
    }

    fn without_error(beat: &Value) -> Value {
        beat.slice(0, Beat::BITS)
    }

    /// Frames without `error`, when all of them fit.
    fn model(inputs: &[Vec<Value>]) -> Vec<Vec<Value>> {
        let frames = inputs[0].split_inclusive(|beat| beat.bit(576));
        let good = frames.filter(|frame| frame.last().is_some_and(|beat| !beat.bit(577)));
        vec![good.flatten().map(without_error).collect()]
    }

    #[test]
    fn forwards_good_frames_only() {
        let random_frames = |rng: &mut Rng, count: usize| {
            let mut beats = Vec::new();
            while beats.len() < count {
                let (length, error) = (rng.random_range(1..9), rng.random_ratio(1, 3));
                beats.extend(frame(rng, length, error));
            }
            vec![beats]
        };
        let suite = |name: &'static str, items: &dyn Fn(&mut Rng, usize) -> Vec<Vec<Value>>| {
            Suite {
                name,
                make: &|| Box::new(dut(1024)),
                inputs: &["rx"],
                outputs: &["tx"],
                items,
                model: &model,
                latency_cycles: 3,
                cycles_per_100_items: 100,
            }
            .run();
        };
        let single = |rng: &mut Rng, count: usize| {
            vec![(0..count).flat_map(|_| frame(rng, 1, false)).collect()]
        };
        suite("packet_fifo_single", &single);
        // The first frame is one beat long so that the latency counts from its last beat.
        suite("packet_fifo_frames", &|rng, count| {
            let mut beats = frame(rng, 1, false);
            beats.extend(random_frames(rng, count).remove(0));
            vec![beats]
        });
    }

    /// Runs `frames` back to back into a stalled FIFO; returns (stored, errors, overflows).
    fn pulses(bench: &mut Bench<'_>, cycles: usize) -> [u64; 3] {
        let mut counts = [0; 3];
        for _ in 0..cycles {
            bench.step();
            for (count, port) in counts
                .iter_mut()
                .zip(["stored", "drop_error", "drop_overflow"])
            {
                *count += bench.dut.peek(port);
            }
        }
        counts
    }

    #[test]
    fn every_frame_ends_in_exactly_one_pulse() {
        let root = root_seed();
        for (depth, pace) in [(4, 30), (16, 50), (16, 10), (64, 90)] {
            let mut rng = rng(root, &format!("packet_fifo_{depth}_{pace}"));
            let mut dut = dut(depth);
            let mut bench = Bench::new(&mut dut, rng.random());
            let mut expected_errors = 0;
            let mut beats = Vec::new();
            for _ in 0..200 {
                let error = rng.random_ratio(1, 4);
                expected_errors += u64::from(error);
                let length = rng.random_range(1..=depth / 2 + 3);
                beats.extend(frame(&mut rng, length, error));
            }
            let cycles = 3 * beats.len() + 50;
            let good = model(&[beats.clone()]).remove(0);
            bench.source("rx", beats, Pace::Percent(80));
            let sink = bench.sink("tx", Pace::Percent(pace));
            let [stored, errors, overflows] = pulses(&mut bench, cycles);
            bench.set_sink_pace(sink, Pace::Full);
            bench.run_until_quiet(20);
            assert_eq!(errors, expected_errors);
            assert_eq!(stored + errors + overflows, 200);
            assert!(pace == 90 || overflows > 0, "the overflow is exercised");
            // What came through are whole good frames, in order.
            let received = bench.received(sink);
            let frames: Vec<_> = received.split_inclusive(|beat| beat.bit(576)).collect();
            assert_eq!(frames.len() as u64, stored);
            let mut good = good.split_inclusive(|beat| beat.bit(576));
            for frame in frames {
                assert!(good.any(|sent| sent == frame), "a frame that was not sent");
            }
        }
    }

    #[test]
    fn a_frame_that_fills_it_is_kept_and_a_longer_one_is_dropped() {
        let mut rng = rng(root_seed(), "packet_fifo_extremes");
        let mut dut = dut(8);
        let mut bench = Bench::new(&mut dut, 1);
        let beats = frame(&mut rng, 9, false);
        let source = bench.source("rx", beats, Pace::Full);
        let sink = bench.sink("tx", Pace::Full);
        assert_eq!(pulses(&mut bench, 30), [0, 0, 1]);
        bench.feed(source, frame(&mut rng, 8, false));
        assert_eq!(pulses(&mut bench, 30), [1, 0, 0]);
        bench.feed(source, frame(&mut rng, 9, true));
        assert_eq!(pulses(&mut bench, 30), [0, 1, 0]);
        assert_eq!(bench.received(sink).len(), 8);
    }
}
