//! # Block RAM FIFO
//! Buffers up to `depth` items in block RAM behind two output stages; for what is too deep or too
//! wide for [`Fifo`](super::fifo::Fifo).
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of `T` | items in |
//! | `tx` | out | stream of `T` | the same items in the same order |
//! | `level` | out | 16 bits | items inside, the output stages included |
//!
//! Latency: 3 cycles when empty (write, read, output register).
//! Throughput: 1 item/cycle.
//! Backpressure: lossless; `rx.ready` falls when `depth` items are inside. No combinational path from
//! any input to any output.
//! Ordering: first in, first out.
//! Reset: empties it.
//! Errors: none. Counters: none; `level` is the gauge.

use super::fifo::LEVEL_BITS;
use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Memory, MemoryStyle};
use crate::types::{Beat, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct BlockFifo<T: Synth> {
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

impl<T: Synth> BlockFifo<T> {
    /// A FIFO for `depth` items, a power of two from 2 to 32768.
    pub fn new(depth: usize) -> Self {
        Self {
            _depth: depth,
            ..Self::default()
        }
    }
}

/// The reading side of a circular block RAM buffer.
pub(super) struct Reader<'b> {
    /// Next word to read, one bit more than an address.
    pub pointer: Expr<'b>,
    /// The output register holds a word.
    pub valid: Expr<'b>,
    /// The output register.
    pub word: Expr<'b>,
}

/// Reads `words` from address 0 on, up to but without `end`, through two stages that close up when
/// the consumer stalls: the RAM's own read register and an output register.
pub(super) fn reader<'b>(
    b: &'b Body,
    words: Memory<'b>,
    width: usize,
    end: Expr<'b>,
    ready: Expr<'b>,
) -> Reader<'b> {
    let pointer = b.reg("read_q", end.width());
    let (fetched, valid) = (b.reg("fetched_q", 1), b.reg("valid_q", 1));
    let word = b.reg_data("word_q", width);
    let output_free = b.wire("output_free", ready | !valid.q());
    let fetch_free = output_free | !fetched.q();
    let fetch = b.wire("fetch", fetch_free & pointer.q().ne(end));
    let data = words.read(fetch, pointer.q().trunc(end.width() - 1));
    b.when(fetch, || pointer.set(pointer.q().inc()));
    b.when(fetch_free, || fetched.set(fetch));
    b.when(output_free, || {
        valid.set(fetched.q());
        word.set(data);
    });
    Reader {
        pointer: pointer.q(),
        valid: valid.q(),
        word: word.q(),
    }
}

impl<T: Synth> Leaf for BlockFifo<T> {
    fn body(&self, b: &Body) {
        super::check_depth("BlockFifo", self._depth);
        let bits = self._depth.ilog2() as usize;
        let words = b.memory("words", self._depth, T::BITS, MemoryStyle::Block);
        // One pointer bit more than the address tells full from empty.
        let write = b.reg("write_q", bits + 1);
        let level = b.reg("level_q", bits + 1);
        let ready = !level.q().bit(bits);
        let push = b.wire("push", b.read(&self.rx.valid) & ready);
        b.when(push, || {
            words.write(write.q().trunc(bits), b.read(&self.rx.payload));
            write.set(write.q().inc());
        });
        let tx_ready = b.read(&self.tx.ready);
        let reader = reader(b, words, T::BITS, write.q(), tx_ready);
        let pop = b.wire("pop", reader.valid & tx_ready);
        b.when(push & !pop, || level.set(level.q().inc()));
        b.when(pop & !push, || level.set(level.q().dec()));
        let stored = write.q() - reader.pointer;
        b.assert("the_level_counts_the_stored_items", stored.le(level.q()));

        b.drive(&self.rx.ready, ready);
        b.drive(&self.tx.valid, reader.valid);
        b.drive(&self.tx.payload, reader.word);
        b.drive(&self.level, level.q().zext(LEVEL_BITS));
    }
}
leaf!(impl[T: Synth] BlockFifo<T> { rx, tx, level });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_block_fifo_4x24", BlockFifo::<Bits<24>>::new(4)),
        Design::leaf("stream_block_fifo_512_beats", BlockFifo::<Beat>::new(512)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Bench, Pace, Suite, random_value};

    fn dut(depth: usize) -> Interpreter {
        Interpreter::new(BlockFifo::<Bits<24>>::new(depth).elaborate())
    }

    #[test]
    fn keeps_its_contract_at_every_depth() {
        for depth in [4, 8, 256] {
            Suite {
                name: "block_fifo",
                make: &|| Box::new(dut(depth)),
                inputs: &["rx"],
                outputs: &["tx"],
                items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 24)).collect()],
                model: &<[_]>::to_vec,
                latency_cycles: 3,
                cycles_per_100_items: 100,
            }
            .run();
        }
    }

    #[test]
    fn takes_exactly_depth_items_and_shows_the_level() {
        for depth in [2, 16] {
            let mut dut = dut(depth);
            let mut bench = Bench::new(&mut dut, 1);
            let items = (0..40).map(|item| Value::new(24, item)).collect();
            let source = bench.source("rx", items, Pace::Full);
            let sink = bench.sink("tx", Pace::Stopped);
            for cycle in 0..30 {
                assert_eq!(bench.dut.peek("level"), cycle.min(depth as u64));
                bench.step();
            }
            assert_eq!(bench.accept_cycles(source).len(), depth);
            bench.set_sink_pace(sink, Pace::Full);
            bench.run_until(sink, 40);
            assert_eq!(bench.dut.peek("level"), 0);
        }
    }

    #[test]
    #[should_panic(expected = "BlockFifo: depth 0 is not a power of two above 1")]
    fn refuses_other_depths() {
        dut(0);
    }
}
