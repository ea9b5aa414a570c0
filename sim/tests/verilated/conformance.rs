//! Every message of a seeded run follows from the protocol, and enough of them crossed.

use lauberhorn_coherence::conform::{Coverage, Pair};
use lauberhorn_sim::conformance::{run, run_in};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::ways::Way;

use crate::ways::in_every_way;

const CALLS: u32 = 320;
const CALLS_OF_EACH_WAY: u32 = 32;

/// What the driver's software, evictions, timeouts and retirement bring about.
const REACHED: &[Pair] = &[
    ("receive", "quiet", "load R[p]"),
    ("receive", "parked", "assign"),
    ("receive", "parked", "timeout"),
    ("receive", "parked", "retire"),
    ("receive", "answered", "load R[1-p]"),
    ("receive", "answered", "load RO"),
    ("receive", "answered", "clean notice"),
    ("receive", "turning", "acknowledgement"),
    ("receive", "parked", "load R[1-p]"),
    ("receive", "parked", "reset"),
    ("receive", "answered", "load R[p]"),
    ("receive", "answered", "dirty R[p]"),
    ("receive", "reset", "acknowledgement"),
    ("transmit", "idle", "load T[q]"),
    ("transmit", "idle", "load T[1-q]"),
    ("transmit", "idle", "load TO"),
    ("transmit", "idle", "dirty T"),
    ("transmit", "idle", "dirty TO"),
    ("transmit", "idle", "clean notice"),
    ("transmit", "control", "dirty acknowledgement"),
    ("transmit", "control", "clean acknowledgement"),
    ("transmit", "overflow", "dirty acknowledgement"),
    ("transmit", "overflow", "clean acknowledgement"),
    ("transmit", "offered", "taken"),
    ("transmit", "idle", "reset"),
    ("transmit", "reset", "clean acknowledgement"),
    ("preemption", "home", "load"),
    ("preemption", "held", "ask"),
    ("preemption", "held", "allow"),
    ("preemption", "held", "reset"),
    ("preemption", "held", "dirty writeback"),
    ("preemption", "recalled", "clean acknowledgement"),
    ("preemption", "recalled", "dirty acknowledgement"),
    ("preemption", "reset", "dirty acknowledgement"),
];

#[test]
fn the_seeded_run_reaches_what_can_happen() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed} cargo test -p lauberhorn-sim --test verilated conformance");
    let coverage = run(seed, CALLS).unwrap_or_else(|error| panic!("{error}, {seed}"));
    for (pair, count) in coverage.pairs() {
        println!("{pair:?}: {count}");
        assert!(Coverage::possible().contains(&pair), "{pair:?}, {seed}");
    }
    let missing: Vec<_> = REACHED
        .iter()
        .filter(|pair| coverage.met(**pair) == 0)
        .collect();
    assert!(missing.is_empty(), "never met: {missing:?}, {seed}");
}

in_every_way!(every_message_is_possible);

fn every_message_is_possible(mut way: Way, seed: Seed) {
    if way.profile.coherent {
        way.mode = way.mode.preemptible();
    }
    let coverage = run_in(way, seed, CALLS_OF_EACH_WAY).unwrap_or_else(|error| panic!("{error}"));
    for (pair, _) in coverage.pairs() {
        assert!(Coverage::possible().contains(&pair), "{pair:?}");
    }
}
