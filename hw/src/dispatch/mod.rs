//! # Dispatch
//! Gives each accepted message to an endpoint whose core waits for one. First-come: messages leave
//! in the order in which they came; the waiting endpoints take turns.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `settings` | in | `HostConfig` | only an enabled worker that is not to retire is given anything; a raw worker frames, the others calls |
//! | `request` | in | flow of `DispatchRequest` | at most as many as there are slots without an owner |
//! | `waiting[e]` | in | bit | endpoint `e` waits and will take an assignment of this or the next cycle |
//! | `assign` | out | flow of `Assignment` | the message belongs to that endpoint now |
//! | `owner` | out | flow of `SessionOwner` | the same decision, for the session table |
//! | `queued` | out | 16 bits | messages that no endpoint has yet |
//!
//! Latency: 1 cycle to a waiting endpoint. Throughput: 1 decision/cycle while there are two or more
//! eligible endpoints that wait. Backpressure: none, the queue has a place for every slot. Ordering:
//! messages in order of arrival; endpoints round robin. Reset: the queue is empty.
//! Errors: an overflow of the queue is a fault of the slot's owner, found by `queue_has_room`.
//! Counters: none; `queued` is the gauge.

#[cfg(test)]
mod tests;

use crate::design::Design;
use crate::host::Shape;
use crate::host::types::Assignment;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{DispatchRequest, FlowIn, FlowOut, HostConfig, SessionOwner};
use rust_hdl::prelude::*;

const ENDPOINT_BITS: usize = 5;

/// Which endpoints a dispatcher serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pool {
    /// Calls, to the workers (endpoints from 1 on).
    #[default]
    Calls,
    /// Bypass frames, to endpoint 0 or to the raw workers.
    Bypass,
}

/// The block.
#[derive(LogicBlock, Default)]
pub struct Dispatcher {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Which workers may be given calls.
    pub settings: Signal<In, HostConfig>,
    /// Messages.
    pub request: FlowIn<DispatchRequest>,
    /// Endpoints that wait.
    pub waiting: Vec<Signal<In, Bit>>,
    /// Decisions.
    pub assign: FlowOut<Assignment>,
    /// Decisions, for the session table.
    pub owner: FlowOut<SessionOwner>,
    /// Messages that wait for an endpoint.
    pub queued: Signal<Out, Bits<16>>,
    _pool: Pool,
    _depth: usize,
}

impl Dispatcher {
    /// Gives calls to the workers.
    pub fn calls(shape: &Shape) -> Self {
        Self::new(shape, Pool::Calls, shape.config().call_slots())
    }

    /// Gives bypass frames to endpoint 0, or to the raw workers if there are any.
    pub fn bypass(shape: &Shape) -> Self {
        Self::new(shape, Pool::Bypass, shape.config().bypass_slots())
    }

    fn new(shape: &Shape, pool: Pool, depth: usize) -> Self {
        Self {
            waiting: vec![Signal::default(); shape.endpoints()],
            _pool: pool,
            _depth: depth,
            ..Self::default()
        }
    }

    /// Bit per endpoint: waits and may be given a message.
    fn eligible<'b>(&self, b: &'b Body, waiting: &[Expr<'b>]) -> Vec<Expr<'b>> {
        let config = b.read(&self.settings);
        let (enable, retire) = (config.field("worker_enable"), config.field("worker_retire"));
        b.unused(config);
        let raw = config.field("raw_worker");
        let one = |endpoint: usize| match (self._pool, endpoint) {
            (Pool::Calls, 0) => b.bit(false),
            (Pool::Bypass, 0) => waiting[0] & !raw.any(),
            (pool, _) => {
                let worker = endpoint - 1;
                let takes_frames = raw.bit(worker);
                let serves = match pool {
                    Pool::Calls => !takes_frames,
                    Pool::Bypass => takes_frames,
                };
                waiting[endpoint] & enable.bit(worker) & !retire.bit(worker) & serves
            }
        };
        (0..waiting.len()).map(one).collect()
    }
}

/// The lowest set bit of `items`, one-hot.
fn lowest<'b>(b: &'b Body, items: &[Expr<'b>]) -> Vec<Expr<'b>> {
    (0..items.len())
        .map(|index| match index {
            0 => items[0],
            _ => items[index] & !b.tree(&items[..index], |a, c| a | c),
        })
        .collect()
}

impl Leaf for Dispatcher {
    fn body(&self, b: &Body) {
        let endpoints = self.waiting.len();
        assert!(
            (2..=17).contains(&endpoints) && self._depth.is_power_of_two() && self._depth > 1,
            "Dispatcher: {endpoints} endpoints, queue of {}; build it with calls(shape) or bypass(shape)",
            self._depth
        );
        let waiting: Vec<_> = self.waiting.iter().map(|port| b.read(port)).collect();
        let arrived = b.read(&self.request.valid);
        let item = b.read(&self.request.payload);

        // Queue: LUT RAM behind a head register; a message that meets an empty queue goes past it.
        let address_bits = self._depth.ilog2() as usize;
        let words = b.memory(
            "queue",
            self._depth,
            DispatchRequest::BITS,
            MemoryStyle::Distributed,
        );
        let (write, read) = (
            b.reg("write_q", address_bits),
            b.reg("read_q", address_bits),
        );
        let head_valid = b.reg("head_valid_q", 1);
        let head = b.reg_of::<DispatchRequest>("head_q");
        let queued = b.reg("queued_q", address_bits + 1);

        // The endpoint to serve next is chosen a cycle ahead, so that a decision is one gate deep.
        let candidate = b.reg("candidate_q", endpoints);
        let assigned = b.reg("assigned_q", endpoints);
        let later = b.reg("later_q", endpoints);
        let usable: Vec<_> = (0..endpoints)
            .map(|e| candidate.q().bit(e) & waiting[e] & !assigned.q().bit(e))
            .collect();
        let usable = b.wire("usable", b.tree(&usable, |a, c| a | c));
        let chosen = head_valid.q().mux(head.q(), item);
        let go = b.wire("go", usable & (head_valid.q() | arrived));
        let pop = b.wire("pop", go & head_valid.q());
        let push = b.wire("push", arrived & !(go & !head_valid.q()));

        let stored = b.wire("stored", write.q().ne(read.q()));
        let refill = b.wire("refill", pop | !head_valid.q());
        b.when(push & !(refill & !stored), || {
            words.write(write.q(), item);
            write.set(write.q().inc());
        });
        b.when(refill, || {
            head.set(stored.mux(words.read_now(read.q()), item));
            head_valid.set(stored | push);
        });
        b.when(refill & stored, || read.set(read.q().inc()));
        b.when(push & !pop, || queued.set(queued.q().inc()));
        b.when(pop & !push, || queued.set(queued.q().dec()));
        b.assert(
            "queue_has_room",
            !(push & !pop & queued.q().bit(address_bits)),
        );

        // Round robin among those that wait and were not given anything a moment ago: their
        // `waiting` falls two cycles after the decision.
        let free: Vec<_> = self
            .eligible(b, &waiting)
            .iter()
            .enumerate()
            .map(|(e, eligible)| *eligible & !assigned.q().bit(e) & !(go & candidate.q().bit(e)))
            .collect();
        // Endpoints that this pool does not serve never come up.
        b.unused(later.q());
        let favoured: Vec<_> = (0..endpoints).map(|e| free[e] & later.q().bit(e)).collect();
        let any_favoured = b.wire("any_favoured", b.tree(&favoured, |a, c| a | c));
        let (first, second) = (lowest(b, &favoured), lowest(b, &free));
        let picked: Vec<_> = (0..endpoints)
            .map(|e| any_favoured.mux(first[e], second[e]))
            .collect();
        candidate.set(b.cat_le(&picked));
        assigned.set(go.repeat(endpoints) & candidate.q());
        b.when(go, || {
            let above: Vec<_> = (0..endpoints)
                .map(|e| match e {
                    0 => b.bit(false),
                    _ => candidate.q().trunc(e).any(),
                })
                .collect();
            later.set(b.cat_le(&above));
        });

        let valid = b.reg("assign_valid_q", 1);
        let decision = b.reg_of::<DispatchRequest>("assign_request_q");
        let number = b.reg_data("assign_endpoint_q", ENDPOINT_BITS);
        let numbers: Vec<_> = (0..endpoints)
            .map(|e| (candidate.q().bit(e), b.lit(ENDPOINT_BITS, e as u128)))
            .collect();
        valid.set(go);
        decision.set(chosen);
        number.set(b.one_hot(&numbers));

        let field = |name: &str| decision.q().field(name);
        b.drive(&self.assign.valid, valid.q());
        b.drive(
            &self.assign.payload,
            b.pack::<Assignment>(&[
                ("endpoint", number.q()),
                ("slot", field("slot")),
                ("length_bytes", field("length_bytes")),
            ]),
        );
        b.drive(&self.owner.valid, valid.q());
        b.drive(
            &self.owner.payload,
            b.pack::<SessionOwner>(&[("session", field("session")), ("endpoint", number.q())]),
        );
        b.drive(&self.queued, queued.q().zext(16));
    }
}
leaf!(impl[] Dispatcher { assign, owner, queued });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    let shape = |name: &str| Shape::named(name);
    vec![
        Design::leaf("dispatch_calls_eci", Dispatcher::calls(&shape("eci"))),
        Design::leaf(
            "dispatch_calls_16",
            Dispatcher::calls(&shape("eci-16-jumbo")),
        ),
        Design::leaf("dispatch_bypass", Dispatcher::bypass(&shape("eci"))),
    ]
}
