//! # Recall port
//! Puts recall requests on the line port. The address follows from the layout; the id is the
//! address, so that the acknowledgement names its line.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx`, `tx` | in | stream of `RecallRequest` | lines wanted back, of all RX and of all TX halves; they take turns |
//! | `preemption` | in | stream of `RecallRequest` | preemption lines wanted back; rare, they go first |
//! | `recall` | out | stream of `LineRecall` | at most one outstanding per line, as its endpoint asks |
//!
//! Latency: 1 cycle. Throughput: 1 recall/cycle. Backpressure: lossless; every `ready` follows
//! `recall.ready`, those of the halves also every `valid`, in the same cycle. Ordering: kept. Reset: drops the recall inside.

use super::shape::Shape;
use super::types::RecallRequest;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{LineRecall, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 16;
const ADDRESS_BITS: usize = 24;

/// The block.
#[derive(LogicBlock, Default)]
pub struct RecallPort {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// RX lines wanted back.
    pub rx: StreamIn<RecallRequest>,
    /// TX lines wanted back.
    pub tx: StreamIn<RecallRequest>,
    /// Preemption lines wanted back.
    pub preemption: StreamIn<RecallRequest>,
    /// Recalls.
    pub recall: StreamOut<LineRecall>,
    _shape: Shape,
}

impl RecallPort {
    /// A recall port for these endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl Leaf for RecallPort {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "preemption$ready <- recall$ready",
            "rx$ready <- preemption$valid",
            "rx$ready <- recall$ready",
            "rx$ready <- rx$valid",
            "rx$ready <- tx$valid",
            "tx$ready <- preemption$valid",
            "tx$ready <- recall$ready",
            "tx$ready <- rx$valid",
            "tx$ready <- tx$valid",
        ]
    }

    fn body(&self, b: &Body) {
        // The halves take turns.
        let turn = b.reg("turn_q", 1);
        let (rx_valid, tx_valid) = (b.read(&self.rx.valid), b.read(&self.tx.valid));
        let choose_tx = b.wire("choose_tx", tx_valid & (turn.q() | !rx_valid));
        let of_halves = choose_tx.mux(b.read(&self.tx.payload), b.read(&self.rx.payload));
        let first = b.read(&self.preemption.valid);
        let request = first.mux(b.read(&self.preemption.payload), of_halves);
        b.unused(request);
        let field = |name: &str| request.field(name);
        let line = self._shape.encode(
            b,
            field("endpoint"),
            field("tx"),
            field("control"),
            field("index"),
        );
        let valid = b.reg("valid_q", 1);
        let address = b.reg_data("address_q", ID_BITS);
        let ready = !valid.q() | b.read(&self.recall.ready);
        b.when(ready, || {
            valid.set(rx_valid | tx_valid | first);
            address.set(line.trunc(ID_BITS));
            turn.set(first.mux(turn.q(), !choose_tx));
        });
        b.drive(&self.preemption.ready, ready);
        b.drive(&self.rx.ready, ready & !choose_tx & !first);
        b.drive(&self.tx.ready, ready & choose_tx & !first);
        b.drive(&self.recall.valid, valid.q());
        b.drive(
            &self.recall.payload,
            b.pack::<LineRecall>(&[
                ("address", address.q().zext(ADDRESS_BITS)),
                ("id", address.q()),
            ]),
        );
    }
}
leaf!(impl[] RecallPort { rx, tx, preemption, recall });
