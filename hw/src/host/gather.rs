//! # Gather
//! Gives four named streams numbers, so that an arbiter can take them: wiring of composites is
//! by name or by loop, not by number.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `a`, `b`, `c`, `d` | in | stream of `T` | named |
//! | `tx[i]` | out | stream of `T` | the same, in that order |
//!
//! Latency: 0. Throughput: every cycle. Backpressure: passed on in the same cycle. Reset: holds nothing.

use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Gather<T: Synth> {
    /// Becomes `tx[0]`.
    pub a: StreamIn<T>,
    /// Becomes `tx[1]`.
    pub b: StreamIn<T>,
    /// Becomes `tx[2]`.
    pub c: StreamIn<T>,
    /// Becomes `tx[3]`.
    pub d: StreamIn<T>,
    /// All of them.
    pub tx: Vec<StreamOut<T>>,
}

impl<T: Synth> Gather<T> {
    /// Number of streams.
    pub const WAYS: usize = 4;

    /// A gather block.
    pub fn new() -> Self {
        Self {
            tx: vec![StreamOut::default(); Self::WAYS],
            ..Self::default()
        }
    }
}

impl<T: Synth> Leaf for Gather<T> {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "a$ready <- tx$*$ready",
            "b$ready <- tx$*$ready",
            "c$ready <- tx$*$ready",
            "d$ready <- tx$*$ready",
            "tx$*$payload <- a$payload",
            "tx$*$payload <- b$payload",
            "tx$*$payload <- c$payload",
            "tx$*$payload <- d$payload",
            "tx$*$valid <- a$valid",
            "tx$*$valid <- b$valid",
            "tx$*$valid <- c$valid",
            "tx$*$valid <- d$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let named = [&self.a, &self.b, &self.c, &self.d];
        for (from, to) in named.into_iter().zip(&self.tx) {
            b.drive(&to.valid, b.read(&from.valid));
            b.drive(&to.payload, b.read(&from.payload));
            b.drive(&from.ready, b.read(&to.ready));
        }
    }
}
leaf!(impl[T: Synth] Gather<T> { a, b, c, d, tx });
