//! A worker killed at every step of the protocol: the others go on, what it owed is answered, and what
//! it held comes back.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::ways::Way;
use lauberhorn_sim::workload::{CallSpec, Route};

use crate::ways::in_every_way;

const VICTIM: usize = 2;
/// Two for each worker: while one is served, the next is there.
const CALLS: u32 = 8;
const ARGUMENT_BYTES: usize = 300;
const LIMIT_CYCLES: u64 = 400_000;
/// Fewer messages than this, and the rounds did not get through a call.
const STEPS: u64 = 20;

in_every_way!(a_worker_dies_at_every_step);

fn a_worker_dies_at_every_step(way: Way, seed: Seed) {
    let mut stand = way.stand(seed);
    // Each line that comes and goes is a step more.
    stand.eviction_chance_65536 = 1000;
    stand.prefetch_chance_65536 = 500;
    kill_at_every_step(stand);
}

fn kill_at_every_step(mut stand: Stand) {
    stand.block_time_cycles = 2000;
    let key = examples(stand.address)
        .unwrap()
        .key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start().unwrap();
    let mut xid = 0;
    let mut step = 0;
    loop {
        let at = format!("step {step}");
        let mut calls = |count: u32| {
            let mut frames = Vec::new();
            for _ in 0..count {
                let mut arguments = (ARGUMENT_BYTES as u32).to_be_bytes().to_vec();
                arguments.resize(4 + ARGUMENT_BYTES, xid as u8);
                frames.push(CallSpec::new(xid, key, arguments).frame(&Route::EXAMPLE));
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
    println!("killed at {step} steps");
    assert!(step > STEPS, "only {step} steps");
    running.settle(6000, LIMIT_CYCLES).unwrap();
    assert_eq!(running.account().unwrap(), Vec::<String>::new());
}

/// Where nothing else moves, other things meet.
#[test]
fn a_worker_dies_on_a_quiet_host() {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test verilated kill");
    for (profile, mode) in [
        (InterconnectProfile::ECI, Mode::EAGER),
        (InterconnectProfile::CXL, Mode::RECALL),
        (InterconnectProfile::ECI, Mode::CONSUME),
    ] {
        let mut stand = Stand::new(profile);
        stand.mode = mode;
        stand.seed = root.child(&format!("kill {} {mode:?}", profile.name));
        kill_at_every_step(stand);
    }
}
