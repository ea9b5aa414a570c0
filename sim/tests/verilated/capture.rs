//! The captured session of real clients, played through the card as `lauberhorn demo` does.

use std::path::Path;

use lauberhorn_interface::counters::Counter;
use lauberhorn_sim::oracle::Decision;
use lauberhorn_sim::pcap::read_capture;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::ways::Way;

use crate::ways::in_every_way;

const SESSION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testbench/fixtures/rpc_session.pcap"
);
/// Calls of the session, see `testbench/fixtures/README.md`.
const CALLS: u64 = 19;
/// An ARP request and three pings.
const BYPASS_FRAMES: u64 = 4;
const QUIET_CYCLES: u64 = 600;
const LIMIT_CYCLES: u64 = 200_000;

in_every_way!(every_frame_of_the_session_is_answered);

fn every_frame_of_the_session_is_answered(way: Way, seed: Seed) {
    let mut running = way.stand(seed).start().unwrap();
    let mut calls = 0;
    for frame in read_capture(Path::new(SESSION)).unwrap() {
        let decision = running.system.push_frame(frame.bytes, false, 0);
        calls += u64::from(matches!(
            decision,
            Decision::Dispatch(_) | Decision::Answer(..)
        ));
        running.settle(QUIET_CYCLES, LIMIT_CYCLES).unwrap();
    }
    running.finish_calls(LIMIT_CYCLES).unwrap();
    running.settle(4 * QUIET_CYCLES, LIMIT_CYCLES).unwrap();
    assert_eq!(running.account().unwrap(), Vec::<String>::new());
    let scoreboard = running.system.scoreboard();
    assert_eq!((calls, scoreboard.replies()), (CALLS, CALLS));
    assert_eq!(scoreboard.other_frames_out(), BYPASS_FRAMES);
    let counters = running.counters().unwrap();
    assert_eq!(counters[Counter::RxBypass.index()].1, BYPASS_FRAMES);
}
