//! # Line router
//! Sends each load to the queue of the endpoint half it belongs to, or to its endpoint's place for a
//! load of the preemption line. Nothing waits for a busy
//! endpoint: a load that meets a full queue (there are more loads than lines, so the host repeats
//! itself) is answered with zeros like a load of no line at all.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `load` | in | stream of `LineLoad` | loads of any address |
//! | `rx[e]`, `tx[e]` | out | stream of `EndpointLoad` | loads of endpoint `e`'s half; never waited for |
//! | `preemption[e]` | out | stream of `EndpointLoad` | loads of endpoint `e`'s `P`; never waited for |
//! | `zeros` | out | stream of `FillRequest` | loads answered with zeros: no line, full queue |
//! | `stray` | out | bit | pulse: no line or full queue |
//!
//! Latency: 1 cycle. Throughput: 1 load/cycle. Backpressure: from `zeros` only. Outputs other than
//! `load.ready` follow from registers; `load.ready` and `zeros.valid` also from the ready of the chosen
//! queue, `load.ready` from `zeros.ready`, in the same cycle. Ordering: kept for each
//! line. Reset: drops the load inside. Counters: `endpoint_stray_loads`.

use super::shape::{BEAT_BITS, SLOT_BITS, Shape};
use super::types::{EndpointLoad, FillRequest};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{LineLoad, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// Requester number of fills that nobody waits for.
const NOBODY: u128 = 63;

/// The block.
#[derive(LogicBlock, Default)]
pub struct LineRouter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Loads.
    pub load: StreamIn<LineLoad>,
    /// Loads of RX lines, per endpoint.
    pub rx: Vec<StreamOut<EndpointLoad>>,
    /// Loads of TX lines, per endpoint.
    pub tx: Vec<StreamOut<EndpointLoad>>,
    /// Loads of preemption lines, per endpoint.
    pub preemption: Vec<StreamOut<EndpointLoad>>,
    /// Loads answered with zeros.
    pub zeros: StreamOut<FillRequest>,
    /// Pulse: a load of no line, or one too many.
    pub stray: Signal<Out, Bit>,
    _shape: Shape,
}

impl LineRouter {
    /// A router for these endpoints.
    pub fn new(shape: &Shape) -> Self {
        Self {
            rx: vec![StreamOut::default(); shape.endpoints()],
            tx: vec![StreamOut::default(); shape.endpoints()],
            preemption: vec![StreamOut::default(); shape.endpoints()],
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl Leaf for LineRouter {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "load$ready <- preemption$*$ready",
            "load$ready <- rx$*$ready",
            "load$ready <- tx$*$ready",
            "load$ready <- zeros$ready",
            "zeros$valid <- preemption$*$ready",
            "zeros$valid <- rx$*$ready",
            "zeros$valid <- tx$*$ready",
        ]
    }

    fn body(&self, b: &Body) {
        // The address is decoded on its way into the register, where nothing else is done.
        let load = b.read(&self.load.payload);
        let line = self._shape.decode(b, load.field("address"));
        b.unused(line.beat);
        let item = b.reg_of::<EndpointLoad>("item_q");
        let valid = b.reg("valid_q", 1);

        let mut room = Vec::new();
        let mut places = Vec::new();
        let place = b.reg("place_q", 3 * self._shape.endpoints());
        for (part, ports) in [
            (line.half & !line.tx, &self.rx),
            (line.half & line.tx, &self.tx),
            (line.preemption, &self.preemption),
        ] {
            for (endpoint, port) in ports.iter().enumerate() {
                let here = place.q().bit(places.len());
                places.push(part & line.endpoint.eq_lit(endpoint as u128));
                b.drive(&port.valid, here);
                b.drive(&port.payload, item.q());
                room.push(here & b.read(&port.ready));
            }
        }
        let arrives = b.read(&self.load.valid);
        let queued = b.wire("queued", b.tree(&room, |a, c| a | c));
        let zeros = b.wire("answer_zeros", valid.q() & !queued);
        let go = b.wire("go", queued | b.read(&self.zeros.ready));
        let ready = b.wire("ready", !valid.q() | go);
        b.when(ready, || {
            valid.set(arrives);
            place.set(b.cat_le(&places) & arrives.repeat(places.len()));
            item.set(b.pack::<EndpointLoad>(&[
                ("control", line.control),
                ("index", line.index),
                ("id", load.field("id")),
                ("exclusive", load.field("exclusive")),
            ]));
        });
        b.drive(&self.load.ready, ready);
        b.drive(&self.zeros.valid, zeros);
        b.drive(
            &self.zeros.payload,
            b.pack::<FillRequest>(&[
                ("from_slot", b.bit(false)),
                ("from_transmit", b.bit(false)),
                ("kind", b.zero(3)),
                ("slot", b.zero(SLOT_BITS)),
                ("beat", b.zero(BEAT_BITS)),
                ("beats", b.zero(BEAT_BITS)),
                ("id", item.q().field("id")),
                ("exclusive", item.q().field("exclusive")),
                ("requester", b.lit(6, NOBODY)),
            ]),
        );
        let stray = b.reg("stray_q", 1);
        stray.set(zeros & b.read(&self.zeros.ready));
        b.drive(&self.stray, stray.q());
    }
}
leaf!(impl[] LineRouter { load, rx, tx, preemption, zeros, stray });
