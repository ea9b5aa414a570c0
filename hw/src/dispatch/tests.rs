//! The dispatcher under random traffic: first come, first served, each waiting endpoint once.

use super::Dispatcher;
use crate::host::Shape;
use crate::rtl::{Dut, Interpreter, Leaf};
use crate::testing::{rng, root_seed};
use rand::Rng as _;
use std::collections::VecDeque;

/// Slot, session and length of a message.
type Request = (u64, u64, u64);

fn start(block: &Dispatcher) -> (Interpreter, usize) {
    let mut dut = Interpreter::new(block.elaborate());
    dut.reset();
    (dut, block.waiting.len())
}

fn request(dut: &mut Interpreter, item: Option<Request>) {
    dut.poke("request$valid", u64::from(item.is_some()));
    if let Some((slot, session, length)) = item {
        dut.poke_field("request$payload", "slot", slot);
        dut.poke_field("request$payload", "session", session);
        dut.poke_field("request$payload", "length_bytes", length);
    }
}

/// Endpoint and message of this cycle's decision.
fn decision(dut: &mut Interpreter) -> Option<(usize, Request)> {
    if dut.peek("assign$valid") == 0 {
        assert_eq!(dut.peek("owner$valid"), 0);
        return None;
    }
    assert_eq!(dut.peek("owner$valid"), 1);
    let mut field = |name: &str| dut.peek_field("assign$payload", name);
    let (endpoint, slot, length) = (field("endpoint"), field("slot"), field("length_bytes"));
    let session = dut.peek_field("owner$payload", "session");
    assert_eq!(dut.peek_field("owner$payload", "endpoint"), endpoint);
    Some((endpoint as usize, (slot, session, length)))
}

fn step(dut: &mut Interpreter) {
    dut.step().unwrap_or_else(|failed| panic!("{failed}"));
}

/// How an endpoint stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Endpoint {
    /// Waits for a message.
    Waits,
    /// Was given one that it does not know of yet.
    Given,
    /// Busy until a cycle.
    Busy(u64),
}

fn serves_in_order(block: &Dispatcher, calls: bool, depth: usize) {
    let mut rng = rng(root_seed(), &format!("dispatcher {calls} {depth}"));
    let (mut dut, endpoints) = start(block);
    let mut state = vec![Endpoint::Busy(0); endpoints];
    let mut queue: VecDeque<Request> = VecDeque::new();
    let mut served = vec![0u64; endpoints];
    let (mut enable, mut retire) = (u64::MAX, 0);
    // Who could be chosen two cycles ago, and in the last cycle.
    let mut eligible = [vec![false; endpoints], vec![false; endpoints]];
    let (mut next_slot, mut served_messages) = (0u64, 0);
    const CYCLES: u64 = 20_000;
    const DRAIN: u64 = 2_000;
    for cycle in 0..CYCLES {
        let draining = cycle + DRAIN >= CYCLES;
        if draining {
            (enable, retire) = (u64::MAX, 0);
        } else if cycle % 500 == 0 {
            // One worker at least is served.
            let one = 1 << rng.random_range(0..endpoints - 1);
            enable = rng.random::<u64>() | one;
            retire = rng.random::<u64>() & rng.random::<u64>() & !one;
        }
        dut.poke_field("settings", "worker_enable", enable & 0xffff);
        dut.poke_field("settings", "worker_retire", retire & 0xffff);
        let given = decision(&mut dut);
        if let Some((endpoint, message)) = given {
            assert_eq!(Some(message), queue.pop_front(), "cycle {cycle}: order");
            assert_eq!(
                state[endpoint],
                Endpoint::Waits,
                "cycle {cycle}: endpoint {endpoint}"
            );
            assert!(
                eligible[0][endpoint],
                "cycle {cycle}: endpoint {endpoint} is not served"
            );
            state[endpoint] = Endpoint::Given;
            served[endpoint] += 1;
            served_messages += 1;
        }
        let waiting = |state: &Endpoint| matches!(state, Endpoint::Waits | Endpoint::Given);
        for (endpoint, state) in state.iter().enumerate() {
            dut.poke(&format!("waiting${endpoint}"), u64::from(waiting(state)));
        }
        let may = |endpoint: usize| match (calls, endpoint) {
            (false, 0) => true,
            (true, 1..) => {
                let bit = endpoint - 1;
                enable >> bit & 1 == 1 && retire >> bit & 1 == 0
            }
            _ => false,
        };
        let now = (0..endpoints)
            .map(|e| waiting(&state[e]) && may(e))
            .collect();
        eligible = [
            std::mem::replace(&mut eligible[1], now),
            eligible[1].clone(),
        ];
        let room = queue.len() < depth;
        let burst = cycle / 300 % 3;
        let odds = [1, 8, 4][burst as usize];
        let arrives = room && !draining && rng.random_ratio(odds, 8);
        let item = arrives.then(|| (next_slot % 1024, rng.random_range(0..1024), cycle % 9000));
        request(&mut dut, item);
        if let Some(item) = item {
            next_slot += 1;
            queue.push_back(item);
        }
        for state in &mut state {
            *state = match *state {
                Endpoint::Given => Endpoint::Busy(cycle + rng.random_range(1..60)),
                Endpoint::Busy(until) if until <= cycle => Endpoint::Waits,
                other => other,
            };
        }
        step(&mut dut);
    }
    assert!(queue.is_empty(), "{} messages wait in vain", queue.len());
    assert_eq!(dut.peek("queued"), 0);
    assert!(served_messages > 400, "{served_messages} messages");
    for (endpoint, served) in served.iter().enumerate() {
        assert_eq!(
            *served > 0,
            (endpoint > 0) == calls,
            "endpoint {endpoint}: {served}"
        );
    }
}

#[test]
fn calls_go_to_waiting_workers_in_order() {
    let shape = Shape::named("eci");
    serves_in_order(&Dispatcher::calls(&shape), true, 64);
    let shape = Shape::named("eci-16-jumbo");
    serves_in_order(
        &Dispatcher::calls(&shape),
        true,
        shape.config().call_slots(),
    );
}

#[test]
fn frames_go_to_the_bypass_endpoint_in_order() {
    let shape = Shape::named("eci");
    let depth = shape.config().bypass_slots();
    serves_in_order(&Dispatcher::bypass(&shape), false, depth);
}

/// A dispatcher of calls whose workers all wait.
fn all_wait() -> Interpreter {
    let (mut dut, endpoints) = start(&Dispatcher::calls(&Shape::named("eci")));
    dut.poke_field("settings", "worker_enable", 0xffff);
    for endpoint in 0..endpoints {
        dut.poke(&format!("waiting${endpoint}"), 1);
    }
    for _ in 0..4 {
        step(&mut dut);
    }
    dut
}

#[test]
fn a_message_reaches_a_waiting_endpoint_in_one_cycle() {
    let mut dut = all_wait();
    for _ in 0..10 {
        request(&mut dut, Some((3, 4, 5)));
        assert_eq!(decision(&mut dut), None);
        step(&mut dut);
        request(&mut dut, None);
        let (_, message) = decision(&mut dut).expect("1 cycle later");
        assert_eq!(message, (3, 4, 5));
        for _ in 0..4 {
            step(&mut dut);
        }
    }
}

#[test]
fn waiting_endpoints_take_turns_one_decision_per_cycle() {
    let mut dut = all_wait();
    let mut given = Vec::new();
    for slot in 0..40 {
        request(&mut dut, Some((slot, slot, 0)));
        if slot > 0 {
            let (endpoint, message) = decision(&mut dut).expect("one in every cycle");
            assert_eq!(message.0, slot - 1);
            given.push(endpoint);
        }
        step(&mut dut);
    }
    for turn in given.windows(4) {
        let mut turn = turn.to_vec();
        turn.sort_unstable();
        assert_eq!(turn, [1, 2, 3, 4], "{given:?}");
    }
}
