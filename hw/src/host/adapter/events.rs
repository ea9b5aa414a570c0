//! # Events of an adapter
//! Puts what an adapter has to report into the bundle that the card's register file counts.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `pulse[i]` | in | bit | a request refused, a write refused, a response dropped; an adapter may lack the last |
//! | `amount[0]` | in | 16 bits | lines that are not whole; only an adapter that has such lines has it |
//! | `events` | out | `BusEvents` | the same; what the adapter lacks is zero |
//!
//! Latency: 1 cycle. Throughput: every cycle. Backpressure: none. Ordering: none.
//! Reset: no pulse. Errors: none. Counters: `bus_refused_requests`, `bus_refused_writes`,
//! `bus_dropped_responses`, and the gauge `bus_incomplete`.

use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::BusEvents;
use rust_hdl::prelude::*;

const PULSES: [&str; 3] = [
    "bus_refused_requests",
    "bus_refused_writes",
    "bus_dropped_responses",
];
const AMOUNT: &str = "bus_incomplete";
const AMOUNT_BITS: usize = 16;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Events {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What is counted.
    pub pulse: Vec<Signal<In, Bit>>,
    /// Lines that are not whole.
    pub amount: Vec<Signal<In, Bits<16>>>,
    /// All of it.
    pub events: Signal<Out, BusEvents>,
}

impl Events {
    /// For an adapter with the first so many kinds of pulses, and with or without the amount.
    pub fn new(pulses: usize, has_amount: bool) -> Self {
        Self {
            pulse: vec![Signal::default(); pulses],
            amount: vec![Signal::default(); usize::from(has_amount)],
            ..Self::default()
        }
    }
}

impl Leaf for Events {
    fn body(&self, b: &Body) {
        let mut fields = Vec::new();
        for (index, name) in PULSES.into_iter().enumerate() {
            let value = match self.pulse.get(index) {
                Some(pulse) => {
                    let seen = b.reg(&format!("{name}_q"), 1);
                    seen.set(b.read(pulse));
                    seen.q()
                }
                None => b.bit(false),
            };
            fields.push((name, value));
        }
        let amount = match self.amount.first() {
            Some(amount) => {
                let seen = b.reg(&format!("{AMOUNT}_q"), AMOUNT_BITS);
                seen.set(b.read(amount));
                seen.q()
            }
            None => b.lit(AMOUNT_BITS, 0),
        };
        fields.push((AMOUNT, amount));
        b.drive(&self.events, b.pack::<BusEvents>(&fields));
    }
}
leaf!(impl[] Events { events });
