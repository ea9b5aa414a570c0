//! # Session table
//!
//! Holds what the reply to each accepted call needs, from the call's acceptance to its reply. Free
//! sessions are offered as handles of index and generation. A check compares handle and endpoint
//! with what is recorded and, when they agree, frees the session in the same step: no handle passes
//! twice, and no second table has to agree with this one.
//!
//! | port | contract |
//! |---|---|
//! | `session` | free sessions, first in first out; none for the first `sessions` cycles after reset |
//! | `open` | records the peer of a session taken from `session` |
//! | `owner` | binds an open session to an endpoint; the session's current generation is recorded with it; counts for a `check` 2 cycles later |
//! | `check` | at most one in three cycles; refused unless index, generation and endpoint agree |
//! | `verdict` | two cycles after `check`, for one cycle |
//! | `probe`, `probed` | whose session this is; 2 cycles after `probe` |
//! | `free_sessions` | how many `session` still has |
//!
//! Each index has one generation memory, written only by the free (and the sweep after reset), and
//! one binding memory {endpoint, generation}, written only by `owner`. A freed session's generation
//! moves on, so the old handle fails against the first memory and the new one against the second
//! until it is bound.
//!
//! Latency: 2 cycles; a freed session can be taken 2 cycles after its verdict.
//! Throughput: 1 session taken, opened and bound/cycle; 1 check in 3 cycles.
//! Backpressure: on `session` only.
//! Reset: every session is free.

use super::types::{Ownership, SessionCheck, SessionVerdict};
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle, Value};
use crate::types::{FlowIn, Peer, SessionHandle, SessionOpen, SessionOwner, StreamOut};
use rust_hdl::prelude::*;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct SessionTable {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Opens a session.
    pub open: FlowIn<SessionOpen>,
    /// Binds a session to an endpoint.
    pub owner: FlowIn<SessionOwner>,
    /// Checks a handle and frees its session.
    pub check: FlowIn<SessionCheck>,
    /// Answer to `check`.
    pub verdict: Signal<Out, SessionVerdict>,
    /// Session to be looked up.
    pub probe: Signal<In, Bits<10>>,
    /// Whose it is.
    pub probed: Signal<Out, Ownership>,
    /// Free sessions.
    pub session: StreamOut<SessionHandle>,
    /// Free sessions left.
    pub free_sessions: Signal<Out, Bits<16>>,
    _sessions: usize,
}

impl SessionTable {
    /// A table of `sessions` sessions: a power of two from 2 to 1024.
    pub fn new(sessions: usize) -> Self {
        assert!(
            sessions.is_power_of_two() && (2..=1024).contains(&sessions),
            "session table: {sessions} sessions, allowed is a power of two from 2 to 1024"
        );
        Self {
            _sessions: sessions,
            ..Self::default()
        }
    }
}

impl Leaf for SessionTable {
    fn body(&self, b: &Body) {
        let count = self._sessions;
        let bits = count.trailing_zeros() as usize;

        // After reset every index is given generation 0, bound to nothing, and put on the free list.
        let sweep = b.reg("sweep_q", bits + 1);
        let sweeping = b.wire("sweeping", !sweep.q().bit(bits));
        let sweep_index = sweep.q().trunc(bits);
        b.when(sweeping, || sweep.set(sweep.q().inc()));

        let open = b.read(&self.open.payload);
        let open_valid = b.read(&self.open.valid);
        let open_index = open.field("session").trunc(bits);
        let owner = b.read(&self.owner.payload);
        let owner_index = owner.field("session").trunc(bits);
        let check = b.read(&self.check.payload);
        let check_valid = b.read(&self.check.valid);
        let check_index = check.field("session").trunc(bits);
        let mut in_range = b.bit(true);
        if bits < 10 {
            b.unused(open.field("session").slice(bits, 10 - bits));
            b.unused(owner.field("session").slice(bits, 10 - bits));
            in_range = !check.field("session").slice(bits, 10 - bits).any();
        }

        let peers = b.memory("peers", count, Peer::BITS, MemoryStyle::Block);
        let generations = b.memory("generations", count, 16, MemoryStyle::Distributed);
        let bindings = b.memory("bindings", count, 21, MemoryStyle::Distributed);

        b.when(open_valid, || peers.write(open_index, open.field("peer")));

        // Bind: the generation of the session is looked up first.
        let bind_valid = b.reg("bind_valid_q", 1);
        let bind_index = b.reg_data("bind_index_q", bits);
        let bind_endpoint = b.reg_data("bind_endpoint_q", 5);
        bind_valid.set(b.read(&self.owner.valid));
        bind_index.set(owner_index);
        bind_endpoint.set(owner.field("endpoint"));
        let bind_generation = generations.read(b.read(&self.owner.valid), owner_index);
        let unbound = b.value(Value::ones(21));
        b.when(sweeping | bind_valid.q(), || {
            bindings.write(
                sweeping.mux(sweep_index, bind_index.q()),
                sweeping.mux(unbound, b.cat(&[bind_endpoint.q(), bind_generation])),
            );
        });

        // Look up: read, then compare.
        let probe = b.read(&self.probe);
        if bits < 10 {
            b.unused(probe.slice(bits, 10 - bits));
        }
        let probe_binding = bindings.read(b.bit(true), probe.trunc(bits));
        let probe_generation = generations.read(b.bit(true), probe.trunc(bits));
        let probed = b.reg_of::<Ownership>("probed_q");
        probed.set(b.pack::<Ownership>(&[
            ("bound", probe_binding.trunc(16).eq(probe_generation)),
            ("endpoint", probe_binding.slice(16, 5)),
            ("generation", probe_generation),
        ]));
        b.drive(&self.probed, probed.q());

        // Check, first cycle: read.
        let read_valid = b.reg("read_valid_q", 1);
        let read_index = b.reg_data("read_index_q", bits);
        let read_claim = b.reg_data("read_claim_q", 21);
        read_valid.set(check_valid & in_range & !sweeping);
        read_index.set(check_index);
        read_claim.set(b.cat(&[check.field("endpoint"), check.field("generation")]));
        let generation = generations.read(check_valid, check_index);
        let binding = bindings.read(check_valid, check_index);
        let peer = peers.read(check_valid, check_index);

        // Second cycle: compare.
        let pass = b.wire(
            "pass",
            read_valid.q() & generation.eq(read_claim.q().trunc(16)) & binding.eq(read_claim.q()),
        );
        let verdict_valid = b.reg("verdict_valid_q", 1);
        let verdict_peer = b.reg_of::<Peer>("verdict_peer_q");
        let freed_index = b.reg_data("freed_index_q", bits);
        let freed_generation = b.reg_data("freed_generation_q", 16);
        verdict_valid.set(pass);
        verdict_peer.set(peer);
        freed_index.set(read_index.q());
        freed_generation.set(generation.inc());
        b.drive(
            &self.verdict,
            b.pack::<SessionVerdict>(&[("valid", verdict_valid.q()), ("peer", verdict_peer.q())]),
        );

        // Third cycle: free.
        let free = verdict_valid.q();
        let push = b.wire("push", sweeping | free);
        let push_index = sweeping.mux(sweep_index, freed_index.q());
        let push_generation = sweeping.mux(b.zero(16), freed_generation.q());
        b.when(push, || generations.write(push_index, push_generation));

        let list = b.memory("free_list", count, bits + 16, MemoryStyle::Distributed);
        let write_index = b.reg("write_index_q", bits);
        let read_list = b.reg("read_list_q", bits);
        let listed = b.reg("listed_q", bits + 1);
        let head_valid = b.reg("head_valid_q", 1);
        let head = b.reg_data("head_q", bits + 16);
        let ready = b.read(&self.session.ready);
        let refill = (!head_valid.q() | ready) & listed.q().any() & !sweeping;
        b.when(push, || {
            list.write(write_index.q(), b.cat(&[push_generation, push_index]));
            write_index.set(write_index.q().inc());
        });
        b.when(refill, || {
            head.set(list.read_now(read_list.q()));
            read_list.set(read_list.q().inc());
        });
        head_valid.set(refill | (head_valid.q() & !ready));
        b.when(push.ne(refill), || {
            listed.set(push.mux(listed.q().inc(), listed.q().dec()));
        });
        let take = head_valid.q() & ready;
        let free_count = b.reg("free_count_q", bits + 1);
        b.when(push.ne(take), || {
            free_count.set(push.mux(free_count.q().inc(), free_count.q().dec()));
        });
        b.drive(&self.free_sessions, free_count.q().zext(16));
        b.drive(&self.session.valid, head_valid.q());
        b.drive(
            &self.session.payload,
            b.pack::<SessionHandle>(&[
                ("index", head.q().trunc(bits).zext(10)),
                ("generation", head.q().slice(bits, 16)),
            ]),
        );

        // Assertions only: a session is open while it was opened once more than it was freed.
        let opens = b.memory("opens", count, 1, MemoryStyle::Distributed);
        let frees = b.memory("frees", count, 1, MemoryStyle::Distributed);
        let is_open = |index| opens.read_now(index).ne(frees.read_now(index));
        b.when(open_valid, || {
            b.assert("opened_session_was_free", !is_open(open_index));
        });
        b.when(b.read(&self.owner.valid), || {
            b.assert("bound_session_is_open", is_open(owner_index));
        });
        b.when(free, || {
            b.assert("freed_session_was_open", is_open(freed_index.q()));
        });
        b.when(sweeping | open_valid, || {
            opens.write(
                sweeping.mux(sweep_index, open_index),
                !sweeping & !opens.read_now(open_index),
            );
        });
        b.when(push, || {
            frees.write(push_index, !sweeping & !frees.read_now(freed_index.q()));
        });
        b.assert(
            "checks_keep_their_distance",
            !(check_valid & (read_valid.q() | verdict_valid.q())),
        );
        b.assert(
            "no_more_free_than_there_are",
            free_count.q().le(b.lit(bits + 1, count as u128)),
        );
    }
}
leaf!(impl[] SessionTable { verdict, probed, session, free_sessions });
