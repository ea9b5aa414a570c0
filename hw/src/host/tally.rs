//! # Tally and slot return
//! [`Tally`] adds up the pulses of all endpoints, cycle by cycle. [`SlotReturn`] sorts the slots that
//! endpoints give back by their pool.
//!
//! | block | port | dir | type | contract |
//! |---|---|---|---|---|
//! | `Tally` | `rx[e]` | in | `RxHalfEvents` | pulses of the RX halves |
//! | | `incomplete[e]` | in | bit | pulses of the TX halves |
//! | | `stray` | in | bit | pulse of the router |
//! | | `events` | out | `HostEvents` | how many of each there were |
//! | `SlotReturn` | `rx` | in | stream of slots | always taken |
//! | | `call`, `bypass` | out | flow of slots | the same, to their pool |
//!
//! Latency: `Tally` 1 cycle, `SlotReturn` 0. Throughput: every cycle. Backpressure: none. Reset: no
//! event is counted.

use super::shape::{SLOT_BITS, Shape};
use super::types::RxHalfEvents;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowOut, HostEvents, StreamIn};
use rust_hdl::prelude::*;

const COUNT_BITS: usize = 5;

/// Adds up pulses.
#[derive(LogicBlock, Default)]
pub struct Tally {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Pulses of the RX halves.
    pub rx: Vec<Signal<In, RxHalfEvents>>,
    /// Pulses of the TX halves.
    pub incomplete: Vec<Signal<In, Bit>>,
    /// Pulse of the router.
    pub stray: Signal<In, Bit>,
    /// Sums of one cycle.
    pub events: Signal<Out, HostEvents>,
}

impl Tally {
    /// A tally of all endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            rx: vec![Signal::default(); shape.endpoints()],
            incomplete: vec![Signal::default(); shape.endpoints()],
            ..Self::default()
        }
    }
}

impl Leaf for Tally {
    fn body(&self, b: &Body) {
        let rx: Vec<_> = self.rx.iter().map(|port| b.read(port)).collect();
        let of = |name: &str| rx.iter().map(|events| events.field(name)).collect();
        let incomplete = self.incomplete.iter().map(|port| b.read(port)).collect();
        let pulses: [(&str, Vec<Expr<'_>>); 5] = [
            ("endpoint_try_again", of("try_again")),
            ("endpoint_delivered", of("delivered")),
            ("endpoint_early_loads", of("early")),
            ("endpoint_stray_loads", vec![b.read(&self.stray)]),
            ("endpoint_incomplete", incomplete),
        ];
        let sums = pulses.map(|(name, pulses)| {
            let sum = b.reg(&format!("{name}_q"), COUNT_BITS);
            sum.set(b.cat_le(&pulses).count_ones(COUNT_BITS));
            (name, sum.q())
        });
        b.drive(&self.events, b.pack::<HostEvents>(&sums));
    }
}
leaf!(impl[] Tally { events });

/// Sorts returned slots by pool.
#[derive(LogicBlock, Default)]
pub struct SlotReturn {
    /// Slots.
    pub rx: StreamIn<Bits<10>>,
    /// Those of the call pool.
    pub call: FlowOut<Bits<10>>,
    /// Those of the bypass pool.
    pub bypass: FlowOut<Bits<10>>,
    _call_slots: usize,
}

impl SlotReturn {
    /// Sorts the slots of this configuration.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _call_slots: shape.config().call_slots(),
            ..Self::default()
        }
    }
}

impl Leaf for SlotReturn {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "bypass$payload <- rx$payload",
            "bypass$valid <- rx$payload",
            "bypass$valid <- rx$valid",
            "call$payload <- rx$payload",
            "call$valid <- rx$payload",
            "call$valid <- rx$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let (valid, slot) = (b.read(&self.rx.valid), b.read(&self.rx.payload));
        let is_call = slot.lt(b.lit(SLOT_BITS, self._call_slots as u128));
        b.drive(&self.rx.ready, b.bit(true));
        b.drive(&self.call.valid, valid & is_call);
        b.drive(&self.call.payload, slot);
        b.drive(&self.bypass.valid, valid & !is_call);
        b.drive(&self.bypass.payload, slot);
    }
}
leaf!(impl[] SlotReturn { rx, call, bypass });
