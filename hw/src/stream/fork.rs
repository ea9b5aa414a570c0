//! # Fork
//! Copies every item to N outputs; each takes its copy when it is ready, the next item waits for the
//! slowest.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of `T` | items in |
//! | `tx[i]` | out | stream of `T` | the same items in the same order |
//!
//! Latency: 1 cycle.
//! Throughput: 1 item/cycle.
//! Backpressure: lossless; outputs but `rx.ready` are registered: it follows from all `tx[i].ready`
//! in the same cycle.
//! Ordering: first in, first out on every output.
//! Reset: empties it.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Fork<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Items in.
    pub rx: StreamIn<T>,
    /// Copies out.
    pub tx: Vec<StreamOut<T>>,
}

impl<T: Synth> Fork<T> {
    /// A fork with `ways` outputs.
    pub fn new(ways: usize) -> Self {
        Self {
            tx: vec![StreamOut::default(); ways],
            ..Self::default()
        }
    }
}

impl<T: Synth> Leaf for Fork<T> {
    fn combinational(&self) -> &'static [&'static str] {
        &["rx$ready <- tx$*$ready"]
    }

    fn body(&self, b: &Body) {
        let ways = self.tx.len();
        assert!(ways > 0, "Fork: no outputs; build it with Fork::new(ways)");
        let payload = b.reg_of::<T>("payload_q");
        // Bit i: output i has not taken the item yet.
        let owed = b.reg("owed_q", ways);
        let readies: Vec<_> = self.tx.iter().map(|tx| b.read(&tx.ready)).collect();
        let left = b.wire("left", owed.q() & !b.cat_le(&readies));
        let ready = b.wire("accept", !left.any());
        b.when(ready, || {
            owed.set(b.read(&self.rx.valid).repeat(ways));
            payload.set(b.read(&self.rx.payload));
        })
        .otherwise(|| owed.set(left));
        b.drive(&self.rx.ready, ready);
        for (index, tx) in self.tx.iter().enumerate() {
            b.drive(&tx.valid, owed.q().bit(index));
            b.drive(&tx.payload, payload.q());
        }
    }
}
leaf!(impl[T: Synth] Fork<T> { rx, tx });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_fork_1", Fork::<Bits<24>>::new(1)),
        Design::leaf("stream_fork_3", Fork::<Bits<24>>::new(3)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::Interpreter;
    use crate::testing::{Suite, random_value};

    #[test]
    fn keeps_its_contract_with_one_and_three_outputs() {
        let outputs = ["tx$0", "tx$1", "tx$2"];
        for ways in [1, 3] {
            Suite {
                name: "fork",
                make: &|| Box::new(Interpreter::new(Fork::<Bits<24>>::new(ways).elaborate())),
                inputs: &["rx"],
                outputs: &outputs[..ways],
                items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 24)).collect()],
                model: &|inputs| vec![inputs[0].clone(); ways],
                latency_cycles: 1,
                cycles_per_100_items: 100,
            }
            .run();
        }
    }
}
