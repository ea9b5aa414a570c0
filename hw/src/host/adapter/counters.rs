//! # Counters of an adapter
//! Counts pulses.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `pulse[i]` | in | bit | counted in every cycle in which it is set |
//! | `count[i]` | out | 32 bits | how often; wraps |
//!
//! Latency: 1 cycle. Throughput: every cycle. Backpressure: none. Ordering: none.
//! Reset: all zero. Errors: none.

use crate::leaf;
use crate::rtl::{Body, Leaf};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Counters {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What is counted.
    pub pulse: Vec<Signal<In, Bit>>,
    /// How often.
    pub count: Vec<Signal<Out, Bits<32>>>,
}

impl Counters {
    /// Counters for this many kinds of pulses.
    pub fn new(kinds: usize) -> Self {
        Self {
            pulse: vec![Signal::default(); kinds],
            count: vec![Signal::default(); kinds],
            ..Self::default()
        }
    }
}

impl Leaf for Counters {
    fn body(&self, b: &Body) {
        for (index, (pulse, count)) in self.pulse.iter().zip(&self.count).enumerate() {
            let value = b.reg(&format!("count_{index}_q"), 32);
            b.when(b.read(pulse), || value.set(value.q().inc()));
            b.drive(count, value.q());
        }
    }
}
leaf!(impl[] Counters { count });
