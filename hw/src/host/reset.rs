//! # Reset of endpoints
//! Takes endpoints from their workers: tells both halves and the preemption line, waits until they have
//! everything back, has the session table searched for calls that the worker still owed, hands these to the TX half, which
//! answers them, and lets the halves go. The halves of several endpoints are reset at the same time,
//! the session table is searched for one after the other.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `start` | in | flow of endpoint masks | these are to be reset; of no effect on those whose reset runs |
//! | `running` | out | 17 bits | resets that have not ended |
//! | `resetting[e]` | out | bit | the halves and the preemption line of endpoint `e` reset, then rest |
//! | `rx_cleared[e]`, `tx_cleared[e]` | in | bit | the half rests |
//! | `preemption_cleared[e]` | in | bit | the preemption line is back |
//! | `sweep` | out | flow of endpoints | search for this endpoint's sessions; not before `swept` of the last |
//! | `orphan` | in | stream of `SessionHandle` | what the search finds |
//! | `swept` | in | bit | pulse: the search has ended, and every handle was taken before |
//! | `give` | out | flow of `Orphan` | to the TX half of that endpoint, which rests |
//!
//! Latency: 2 cycles from the last part at rest to `sweep`, 1 from `orphan` to `give`. Throughput: one orphan for each message of the TX half. Backpressure: on
//! `orphan` until the TX half rests. Ordering: lowest endpoint first. Reset: nothing runs.
//! Within a cycle: `orphan.ready` follows from `tx_cleared`.

use super::shape::{ENDPOINT_BITS, Shape};
use super::types::Orphan;
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, FlowOut, SessionHandle, StreamIn};
use rust_hdl::prelude::*;

/// Endpoints that the register can name.
const MASK_BITS: usize = 17;

/// Choosing an endpoint.
const CHOOSE: u128 = 0;
/// Its sessions are searched for.
const SEARCH: u128 = 1;
/// It is let go; its halves see that two cycles later.
const RELEASE: u128 = 2;
const SETTLE: u128 = 3;

/// The block.
#[derive(LogicBlock, Default)]
pub struct ResetControl {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Endpoints to be reset.
    pub start: FlowIn<Bits<17>>,
    /// Resets that have not ended.
    pub running: Signal<Out, Bits<17>>,
    /// To both halves of each endpoint.
    pub resetting: Vec<Signal<Out, Bit>>,
    /// RX halves that rest.
    pub rx_cleared: Vec<Signal<In, Bit>>,
    /// TX halves that rest.
    pub tx_cleared: Vec<Signal<In, Bit>>,
    /// Preemption lines that are back.
    pub preemption_cleared: Vec<Signal<In, Bit>>,
    /// Endpoint whose sessions are to be found.
    pub sweep: FlowOut<Bits<5>>,
    /// Sessions that were found.
    pub orphan: StreamIn<SessionHandle>,
    /// There are no more.
    pub swept: Signal<In, Bit>,
    /// Sessions to be answered.
    pub give: FlowOut<Orphan>,
    _endpoints: usize,
}

impl ResetControl {
    /// For the endpoints of this shape.
    pub fn new(shape: &Shape) -> Self {
        let endpoints = shape.endpoints();
        Self {
            resetting: vec![Signal::default(); endpoints],
            rx_cleared: vec![Signal::default(); endpoints],
            tx_cleared: vec![Signal::default(); endpoints],
            preemption_cleared: vec![Signal::default(); endpoints],
            _endpoints: endpoints,
            ..Self::default()
        }
    }
}

impl Leaf for ResetControl {
    fn combinational(&self) -> &'static [&'static str] {
        &["orphan$ready <- tx_cleared$*"]
    }

    fn body(&self, b: &Body) {
        let count = self._endpoints;
        let running = b.reg("running_q", count);
        let state = b.reg("state_q", 2);
        let go = |next: u128| state.set(b.lit(2, next));
        let endpoint = b.reg_data("endpoint_q", ENDPOINT_BITS);
        let chosen = b.reg_data("chosen_q", count);
        // Handed over, and the half has not begun with it.
        let given = b.reg("given_q", 1);
        let searched = b.reg("searched_q", 1);

        let start = b.read(&self.start.payload);
        if count < MASK_BITS {
            b.unused(start.slice(count, MASK_BITS - count));
        }
        let (rx, tx): (Vec<_>, Vec<_>) = (0..count)
            .map(|e| (b.read(&self.rx_cleared[e]), b.read(&self.tx_cleared[e])))
            .unzip();
        let cleared = b.reg("cleared_q", count);
        let all: Vec<_> = (0..count)
            .map(|e| rx[e] & tx[e] & b.read(&self.preemption_cleared[e]))
            .collect();
        cleared.set(b.cat_le(&all));
        let due: Vec<_> = (0..count)
            .map(|e| cleared.q().bit(e) & running.q().bit(e))
            .collect();
        let lowest: Vec<_> = (0..count)
            .map(|e| match e {
                0 => due[0],
                _ => due[e] & !b.tree(&due[..e], |x, y| x | y),
            })
            .collect();
        let rests: Vec<_> = (0..count).map(|e| chosen.q().bit(e) & tx[e]).collect();
        let rests = b.wire("rests", b.tree(&rests, |x, y| x | y));
        let numbers: Vec<_> = (0..count)
            .map(|e| (lowest[e], b.lit(ENDPOINT_BITS, e as u128)))
            .collect();

        let sweep = b.reg("sweep_valid_q", 1);
        sweep.set(b.bit(false));
        let give = b.reg("give_valid_q", 1);
        give.set(b.bit(false));
        let handle = b.reg_of::<SessionHandle>("handle_q");
        let ended = b.var(b.bit(false));
        let take = state.q().eq_lit(SEARCH) & rests & !given.q();
        let takes = b.wire("takes", take & b.read(&self.orphan.valid));
        b.when(!rests, || given.set(b.bit(false)));
        b.switch(state.q())
            .case(CHOOSE, || {
                let any = b.tree(&due, |x, y| x | y);
                b.when(any, || {
                    chosen.set(b.cat_le(&lowest));
                    endpoint.set(b.one_hot(&numbers));
                    sweep.set(b.bit(true));
                    go(SEARCH);
                });
            })
            .case(SEARCH, || {
                b.when(takes, || {
                    give.set(b.bit(true));
                    given.set(b.bit(true));
                    handle.set(b.read(&self.orphan.payload));
                });
                b.when(b.read(&self.swept), || searched.set(b.bit(true)));
                // The last answer has left the TX half.
                b.when(searched.q() & rests & !given.q(), || {
                    searched.set(b.bit(false));
                    ended.set(b.bit(true));
                    go(RELEASE);
                });
            })
            .case(RELEASE, || go(SETTLE))
            .default(|| go(CHOOSE));
        b.drive(&self.orphan.ready, take);

        let started = b.read(&self.start.valid).repeat(count) & start.trunc(count);
        let stopped = ended.get().repeat(count) & chosen.q();
        running.set((running.q() & !stopped) | started);
        b.assert(
            "no_search_ends_while_none_runs",
            !b.read(&self.swept) | state.q().eq_lit(SEARCH),
        );

        for (e, port) in self.resetting.iter().enumerate() {
            b.drive(port, running.q().bit(e));
        }
        b.drive(&self.running, running.q().zext(MASK_BITS));
        b.drive(&self.sweep.valid, sweep.q());
        b.drive(&self.sweep.payload, endpoint.q());
        b.drive(&self.give.valid, give.q());
        b.drive(
            &self.give.payload,
            b.pack::<Orphan>(&[
                ("endpoint", endpoint.q()),
                ("session", handle.q().field("index")),
                ("generation", handle.q().field("generation")),
            ]),
        );
    }
}
leaf!(impl[] ResetControl { running, resetting, sweep, orphan, give });
