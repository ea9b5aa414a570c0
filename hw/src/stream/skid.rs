//! # Skid buffer
//! Cuts every combinational path of a stream: two items, both handshakes registered. Non-goal:
//! buffering; use [`Fifo`](super::fifo::Fifo).
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of `T` | items in |
//! | `tx` | out | stream of `T` | the same items in the same order |
//!
//! Latency: 1 cycle.
//! Throughput: 1 item/cycle.
//! Backpressure: lossless; `rx.ready` falls one cycle after `tx` stopped.
//! Ordering: first in, first out.
//! Reset: empties it.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{Beat, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Skid<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Items in.
    pub rx: StreamIn<T>,
    /// Items out.
    pub tx: StreamOut<T>,
}

impl<T: Synth> Leaf for Skid<T> {
    fn body(&self, b: &Body) {
        let (valid, spare_valid) = (b.reg("valid_q", 1), b.reg("spare_valid_q", 1));
        let (payload, spare) = (b.reg_of::<T>("payload_q"), b.reg_of::<T>("spare_q"));
        let item = b.read(&self.rx.payload);
        let push = b.wire("push", b.read(&self.rx.valid) & !spare_valid.q());
        let refill = b.wire("refill", b.read(&self.tx.ready) | !valid.q());
        b.when(refill, || {
            valid.set(spare_valid.q() | push);
            payload.set(spare_valid.q().mux(spare.q(), item));
            spare_valid.set(b.bit(false));
        })
        .or_when(push, || spare_valid.set(b.bit(true)));
        b.when(!spare_valid.q(), || spare.set(item));
        b.drive(&self.rx.ready, !spare_valid.q());
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
    }
}
leaf!(impl[T: Synth] Skid<T> { rx, tx });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_skid_1", Skid::<Bit>::default()),
        Design::leaf("stream_skid_beat", Skid::<Beat>::default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::Interpreter;
    use crate::testing::{Suite, random_value};

    #[test]
    fn keeps_its_contract() {
        Suite {
            name: "skid",
            make: &|| Box::new(Interpreter::new(Skid::<Bits<40>>::default().elaborate())),
            inputs: &["rx"],
            outputs: &["tx"],
            items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 40)).collect()],
            model: &<[_]>::to_vec,
            latency_cycles: 1,
            cycles_per_100_items: 100,
        }
        .run();
    }
}
