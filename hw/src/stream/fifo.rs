//! # FIFO
//! Buffers up to `depth` items of any type in LUT RAM behind an output register; the first word falls
//! through. For deep or wide buffers use [`BlockFifo`](super::block_fifo::BlockFifo).
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of `T` | items in |
//! | `tx` | out | stream of `T` | the same items in the same order |
//! | `level` | out | 16 bits | items inside, the one offered on `tx` included |
//!
//! Latency: 1 cycle when empty.
//! Throughput: 1 item/cycle, also when full or empty.
//! Backpressure: lossless; `rx.ready` falls when `depth` items are inside. No combinational path from
//! any input to any output.
//! Ordering: first in, first out.
//! Reset: empties it.
//! Errors: none. Counters: none; `level` is the gauge.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{Beat, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// Width of every level output.
pub(super) const LEVEL_BITS: usize = 16;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Fifo<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Items in.
    pub rx: StreamIn<T>,
    /// Items out.
    pub tx: StreamOut<T>,
    /// Items inside.
    pub level: Signal<Out, Bits<16>>,
    _depth: usize,
}

impl<T: Synth> Fifo<T> {
    /// A FIFO for `depth` items, a power of two from 2 to 32768.
    pub fn new(depth: usize) -> Self {
        Self {
            _depth: depth,
            ..Self::default()
        }
    }
}

impl<T: Synth> Leaf for Fifo<T> {
    fn body(&self, b: &Body) {
        super::check_depth("Fifo", self._depth);
        let address_bits = self._depth.ilog2() as usize;
        let item = b.read(&self.rx.payload);
        let words = b.memory("words", self._depth, T::BITS, MemoryStyle::Distributed);
        let (write, read) = (
            b.reg("write_q", address_bits),
            b.reg("read_q", address_bits),
        );
        let level = b.reg("level_q", address_bits + 1);
        let valid = b.reg("valid_q", 1);
        let payload = b.reg_of::<T>("payload_q");

        // The output register counts: the RAM holds `depth - 1` items at most, so equal pointers
        // always mean that it is empty.
        let ready = !level.q().bit(address_bits);
        let push = b.wire("push", b.read(&self.rx.valid) & ready);
        let pop = b.wire("pop", valid.q() & b.read(&self.tx.ready));
        let refill = b.wire("refill", pop | !valid.q());
        let stored = b.wire("stored", write.q().ne(read.q()));

        b.when(push & !(refill & !stored), || {
            words.write(write.q(), item);
            write.set(write.q().inc());
        });
        b.when(refill, || {
            payload.set(stored.mux(words.read_now(read.q()), item));
            valid.set(stored | push);
        });
        b.when(refill & stored, || read.set(read.q().inc()));
        b.when(push & !pop, || level.set(level.q().inc()));
        b.when(pop & !push, || level.set(level.q().dec()));
        b.assert("an_idle_output_means_empty", valid.q() | !stored);

        b.drive(&self.rx.ready, ready);
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
        b.drive(&self.level, level.q().zext(LEVEL_BITS));
    }
}
leaf!(impl[T: Synth] Fifo<T> { rx, tx, level });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_fifo_2x1", Fifo::<Bit>::new(2)),
        Design::leaf("stream_fifo_16x24", Fifo::<Bits<24>>::new(16)),
        Design::leaf("stream_fifo_32_beats", Fifo::<Beat>::new(32)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Bench, Pace, Suite, random_value};

    fn dut(depth: usize) -> Interpreter {
        Interpreter::new(Fifo::<Bits<24>>::new(depth).elaborate())
    }

    #[test]
    fn keeps_its_contract_at_every_depth() {
        for depth in [2, 4, 64] {
            Suite {
                name: "fifo",
                make: &|| Box::new(dut(depth)),
                inputs: &["rx"],
                outputs: &["tx"],
                items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 24)).collect()],
                model: &<[_]>::to_vec,
                latency_cycles: 1,
                cycles_per_100_items: 100,
            }
            .run();
        }
    }

    #[test]
    fn takes_exactly_depth_items_and_shows_the_level() {
        let mut dut = dut(8);
        let mut bench = Bench::new(&mut dut, 1);
        let items = (0..20).map(|item| Value::new(24, item)).collect();
        let source = bench.source("rx", items, Pace::Full);
        let sink = bench.sink("tx", Pace::Stopped);
        for cycle in 0..12 {
            assert_eq!(bench.dut.peek("level"), cycle.min(8));
            bench.step();
        }
        assert_eq!(bench.accept_cycles(source).len(), 8);
        bench.set_sink_pace(sink, Pace::Full);
        bench.run_until(sink, 20);
        assert_eq!(bench.dut.peek("level"), 0);
        let cycles = bench.receive_cycles(sink);
        assert_eq!(cycles[19] - cycles[0], 19, "one item in each cycle");
    }

    #[test]
    #[should_panic(expected = "Fifo: depth 12 is not a power of two above 1")]
    fn refuses_other_depths() {
        dut(12);
    }
}
