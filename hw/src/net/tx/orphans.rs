//! # Orphans
//! Finds the sessions that an endpoint still owns, one after the other, when its worker is gone.
//!
//! | port | contract |
//! |---|---|
//! | `sweep` | search for the sessions of this endpoint; not before `swept` of the last search |
//! | `probe`, `probed` | looks a session up in the session table; the answer is there 2 cycles later |
//! | `orphan` | a session of that endpoint; the next comes when this one is no longer its |
//! | `swept` | pulse: all sessions were looked at, none of them is the endpoint's |
//!
//! Latency: 3 cycles for each session of the table that is not the endpoint's.
//! Throughput: one search at a time. Backpressure: on `orphan`.
//! Ordering: lowest session first. Reset: no search.

use super::types::{Ownership, SESSION_BITS};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, SessionHandle, StreamOut};
use rust_hdl::prelude::*;

const IDLE: u128 = 0;
/// The table is asked.
const LOOK: u128 = 1;
/// A session was found.
const GIVE: u128 = 2;
/// Cycles from a new `probe` to its answer.
const LOOK_CYCLES: u128 = 2;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Orphans {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Endpoint to search for.
    pub sweep: FlowIn<Bits<5>>,
    /// Session to be looked up.
    pub probe: Signal<Out, Bits<10>>,
    /// Whose it is.
    pub probed: Signal<In, Ownership>,
    /// A session that was found.
    pub orphan: StreamOut<SessionHandle>,
    /// The search has ended.
    pub swept: Signal<Out, Bit>,
    _sessions: usize,
}

impl Orphans {
    /// For a table of `sessions` sessions.
    pub fn new(sessions: usize) -> Self {
        Self {
            _sessions: sessions,
            ..Self::default()
        }
    }
}

impl Leaf for Orphans {
    fn body(&self, b: &Body) {
        let state = b.reg("state_q", 2);
        let go = |next: u128| state.set(b.lit(2, next));
        let endpoint = b.reg_data("endpoint_q", 5);
        let index = b.reg("index_q", SESSION_BITS);
        let generation = b.reg_data("generation_q", 16);
        let wait = b.reg("wait_q", 2);
        // This session was given out: it will be freed.
        let given = b.reg("given_q", 1);
        let swept = b.reg("swept_q", 1);
        swept.set(b.bit(false));

        let probed = b.read(&self.probed);
        let look = |next_wait: u128| {
            wait.set(b.lit(2, next_wait));
            go(LOOK);
        };
        let owned = probed.field("bound") & probed.field("endpoint").eq(endpoint.q());
        let last = index.q().eq_lit(self._sessions as u128 - 1);
        b.switch(state.q())
            .case(IDLE, || {
                b.when(b.read(&self.sweep.valid), || {
                    endpoint.set(b.read(&self.sweep.payload));
                    index.set(b.zero(SESSION_BITS));
                    given.set(b.bit(false));
                    look(LOOK_CYCLES);
                });
            })
            .case(LOOK, || {
                b.when(wait.q().any(), || wait.set(wait.q().dec()))
                    .or_when(owned & !given.q(), || {
                        generation.set(probed.field("generation"));
                        go(GIVE);
                    })
                    .or_when(!owned & last, || {
                        swept.set(b.bit(true));
                        go(IDLE);
                    })
                    .or_when(!owned, || {
                        index.set(index.q().inc());
                        given.set(b.bit(false));
                        look(LOOK_CYCLES);
                    });
            })
            .case(GIVE, || {
                b.when(b.read(&self.orphan.ready), || {
                    given.set(b.bit(true));
                    look(LOOK_CYCLES);
                });
            });

        b.drive(&self.probe, index.q());
        b.drive(&self.orphan.valid, state.q().eq_lit(GIVE));
        b.drive(
            &self.orphan.payload,
            b.pack::<SessionHandle>(&[("index", index.q()), ("generation", generation.q())]),
        );
        b.drive(&self.swept, swept.q());
    }
}
leaf!(impl[] Orphans { probe, orphan, swept });
