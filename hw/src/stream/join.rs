//! # Join
//! Pairs the items of two streams: the first of `a` with the first of `b`, and so on.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `a` | in | stream of `A` | one half |
//! | `b` | in | stream of `B` | the other half |
//! | `tx` | out | stream of `P` | pairs: `A` in the low bits, `B` above it; `P` is exactly as wide |
//!
//! Latency: 1 cycle.
//! Throughput: 1 pair/cycle.
//! Backpressure: lossless; outputs but `a.ready` and `b.ready` are registered: each follows from the
//! other's `valid` and from `tx.ready` in the same cycle.
//! Ordering: first in, first out.
//! Reset: drops the pair in the output register.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Join<A: Synth, B: Synth, P: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// One half.
    pub a: StreamIn<A>,
    /// The other half.
    pub b: StreamIn<B>,
    /// Pairs.
    pub tx: StreamOut<P>,
}

impl<A: Synth, B: Synth, P: Synth> Leaf for Join<A, B, P> {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "a$ready <- a$valid",
            "a$ready <- b$valid",
            "a$ready <- tx$ready",
            "b$ready <- a$valid",
            "b$ready <- b$valid",
            "b$ready <- tx$ready",
        ]
    }

    fn body(&self, b: &Body) {
        assert!(
            A::BITS + B::BITS == P::BITS,
            "Join: a pair of {} and {} bits does not fit {} bits exactly",
            A::BITS,
            B::BITS,
            P::BITS
        );
        let valid = b.reg("valid_q", 1);
        let payload = b.reg_of::<P>("payload_q");
        let open = b.wire("open", !valid.q() | b.read(&self.tx.ready));
        let both = b.wire("both", b.read(&self.a.valid) & b.read(&self.b.valid));
        b.when(open, || {
            valid.set(both);
            payload.set(b.cat_le(&[b.read(&self.a.payload), b.read(&self.b.payload)]));
        });
        b.drive(&self.a.ready, open & both);
        b.drive(&self.b.ready, open & both);
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
    }
}
leaf!(impl[A: Synth, B: Synth, P: Synth] Join<A, B, P> { a, b, tx });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![Design::leaf(
        "stream_join_7_9",
        Join::<Bits<7>, Bits<9>, Bits<16>>::default(),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Interpreter, Value};
    use crate::testing::{Suite, random_value};

    fn pairs(inputs: &[Vec<Value>]) -> Vec<Vec<Value>> {
        let pair =
            |(a, b): (&Value, &Value)| Value::new(16, u128::from(a.to_u64() | b.to_u64() << 7));
        vec![inputs[0].iter().zip(&inputs[1]).map(pair).collect()]
    }

    #[test]
    fn keeps_its_contract() {
        Suite {
            name: "join",
            make: &|| {
                let join = Join::<Bits<7>, Bits<9>, Bits<16>>::default();
                Box::new(Interpreter::new(join.elaborate()))
            },
            inputs: &["a", "b"],
            outputs: &["tx"],
            items: &|rng, count| {
                let mut items = |width| (0..count).map(|_| random_value(rng, width)).collect();
                vec![items(7), items(9)]
            },
            model: &pairs,
            latency_cycles: 1,
            cycles_per_100_items: 100,
        }
        .run();
    }

    #[test]
    #[should_panic(expected = "Join: a pair of 7 and 9 bits does not fit 17 bits exactly")]
    fn refuses_a_pair_of_another_width() {
        Join::<Bits<7>, Bits<9>, Bits<17>>::default().elaborate();
    }
}
