//! A worker killed at every step of the protocol: the others go on, what it owed is answered, and what
//! it held comes back.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::workload::{CallSpec, Route};

const ROUTE: Route = Route {
    client_mac: [2, 0, 0, 0, 0, 9],
    client_ipv4: [192, 0, 2, 9],
    client_port: 700,
    card_mac: [2, 0, 0, 0, 0, 1],
    card_ipv4: [192, 0, 2, 1],
};

const VICTIM: usize = 2;
/// Two for each worker: while one is served, the next is there.
const CALLS: u32 = 8;
const ARGUMENT_BYTES: usize = 300;
const LIMIT_CYCLES: u64 = 400_000;
/// Fewer messages than this, and the rounds did not get through a call.
const STEPS: u64 = 20;

fn kill_at_every_step(profile: InterconnectProfile, mode: Mode, evict: bool) {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test verilated kill");
    let mut stand = Stand::new(profile);
    stand.mode = mode;
    stand.seed = root.child(&format!("kill {} {mode:?} {evict}", profile.name));
    stand.block_time_cycles = 2000;
    if evict {
        stand.eviction_chance_65536 = 3000;
        stand.stall_chance_256 = 40;
    }
    let key = examples(stand.address)
        .unwrap()
        .key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start().unwrap();
    let mut xid = 0;
    let mut step = 0;
    loop {
        let at = format!("{} {mode:?}, step {step}, {root}", profile.name);
        let mut calls = |count: u32| {
            let mut frames = Vec::new();
            for _ in 0..count {
                let mut arguments = (ARGUMENT_BYTES as u32).to_be_bytes().to_vec();
                arguments.resize(4 + ARGUMENT_BYTES, xid as u8);
                frames.push(CallSpec::new(xid, key, arguments).frame(&ROUTE));
                xid += 1;
            }
            frames
        };
        for frame in calls(CALLS) {
            running.system.push_frame(frame, false, 0);
        }
        let start = running.system.monitor().messages(VICTIM);
        let mut reached = false;
        running
            .system
            .run_until("the step", LIMIT_CYCLES, |system| {
                reached = system.monitor().messages(VICTIM) - start >= step;
                reached || (system.pending_frames() == 0 && system.scoreboard().open_calls() == 0)
            })
            .unwrap_or_else(|error| panic!("{error}, {at}"));
        running
            .kill_worker(VICTIM)
            .unwrap_or_else(|error| panic!("{error}, {at}"));
        // The others serve everything.
        for frame in calls(3) {
            running.system.push_frame(frame, false, 0);
        }
        running
            .finish_calls(LIMIT_CYCLES)
            .unwrap_or_else(|error| panic!("{error}, {at}"));
        running
            .replace_worker(VICTIM)
            .unwrap_or_else(|error| panic!("{error}, {at}"));
        if !reached {
            break;
        }
        step += 1;
    }
    println!("{} {mode:?}: killed at {step} steps", profile.name);
    assert!(step > STEPS, "only {step} steps, {root}");
    running.settle(6000, LIMIT_CYCLES).unwrap();
    let faults = running.account().unwrap();
    assert!(faults.is_empty(), "{}, {root}: {faults:#?}", profile.name);
}

#[test]
fn recall_mode_on_eci() {
    kill_at_every_step(InterconnectProfile::ECI, Mode::RECALL, true);
}

#[test]
fn eager_mode_on_eci() {
    kill_at_every_step(InterconnectProfile::ECI, Mode::EAGER, false);
}

#[test]
fn recall_mode_with_lines_of_64_bytes() {
    kill_at_every_step(InterconnectProfile::CXL, Mode::RECALL, false);
}

#[test]
fn eager_mode_with_lines_of_64_bytes() {
    kill_at_every_step(InterconnectProfile::CXL, Mode::EAGER, true);
}

#[test]
fn acknowledged_by_store() {
    kill_at_every_step(InterconnectProfile::ECI, Mode::CONSUME, false);
    kill_at_every_step(InterconnectProfile::CXL, Mode::CONSUME, true);
}
