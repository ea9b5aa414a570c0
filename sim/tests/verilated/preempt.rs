//! Workers asked for their core and given it back at random times under traffic, killed now and then:
//! no call is lost, and who has yielded does nothing.

use std::ops::Range;

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::{Running, Stand};
use lauberhorn_sim::system::Stage;
use lauberhorn_sim::workload::{CallSpec, Route};
use rand::Rng;

const ROUNDS: u32 = 40;
const CALLS: u32 = 6;
/// Reads of the register while a worker yields: far longer than a call takes.
const READS: usize = 10_000;
const LIMIT_CYCLES: u64 = 400_000;

fn echo_of(xid: u32, bytes: u32) -> Vec<u8> {
    let services = examples([192, 0, 2, 1].into()).unwrap();
    let key = services.key(echo::PROGRAM, echo::VERSION, 1);
    let mut arguments = bytes.to_be_bytes().to_vec();
    arguments.resize(4 + bytes.next_multiple_of(4) as usize, xid as u8);
    CallSpec::new(xid, key, arguments).frame(&Route::EXAMPLE)
}

/// Workers without their core, and when they were.
#[derive(Default)]
struct Away {
    now: Vec<(usize, u64)>,
    spans: Vec<(usize, Range<u64>)>,
}

impl Away {
    fn ends(&mut self, running: &mut Running, place: usize) {
        let (endpoint, start) = self.now.swap_remove(place);
        self.spans.push((endpoint, start..running.system.cycle()));
        running.allow_worker(endpoint).unwrap();
    }

    /// No call was worked on by a worker that had yielded.
    fn check(&self, running: &mut Running, root: Seed) {
        let stages = [Stage::LoadComplete, Stage::HandlerStart, Stage::HandlerEnd];
        for times in running.system.timeline_mut().take_finished() {
            for (endpoint, span) in &self.spans {
                let inside = |stage| times.cycle(stage).is_some_and(|at| span.contains(&at));
                let works = times.endpoint == Some(*endpoint) && stages.into_iter().any(inside);
                assert!(!works, "{endpoint} in {span:?}: {times:?}, {root}");
            }
        }
    }
}

fn preempts_at_random(profile: InterconnectProfile, mode: Mode) {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test verilated preempt");
    let mut stand = Stand::new(profile);
    stand.mode = mode.preemptible();
    stand.seed = root.child(&format!("preempt {} {mode:?}", profile.name));
    stand.block_time_cycles = 3000;
    stand.eviction_chance_65536 = 2000;
    stand.stall_chance_256 = 40;
    if mode == Mode::CONSUME {
        stand.prefetch_chance_65536 = 2000;
    }
    let workers = stand.workers;
    let mut rng = stand.seed.stream("preempt");
    let mut running = stand.start().unwrap();
    let mut away = Away::default();
    let (mut asked, mut killed) = (0, 0);
    for round in 0..ROUNDS {
        let at = format!("{} {mode:?}, round {round}, {root}", profile.name);
        for call in 0..CALLS {
            let xid = CALLS * round + call;
            let frame = echo_of(xid, xid * 61 % 700);
            running.system.push_frame(frame, false, 0);
        }
        let cycles = rng.random_range(0..2500);
        for _ in 0..cycles {
            running
                .step()
                .unwrap_or_else(|error| panic!("{error}, {at}"));
        }
        let endpoint = rng.random_range(1..=workers);
        let place = away.now.iter().position(|(worker, _)| *worker == endpoint);
        if rng.random_ratio(1, 6) {
            running
                .kill_worker(endpoint)
                .and_then(|()| running.replace_worker(endpoint))
                .unwrap_or_else(|error| panic!("{error}, {at}"));
            killed += 1;
        } else if let Some(place) = place {
            away.ends(&mut running, place);
        } else if away.now.len() + 1 < workers {
            running
                .preempt_worker(endpoint, READS)
                .unwrap_or_else(|error| panic!("{error}, {at}"));
            away.now.push((endpoint, running.system.cycle()));
            asked += 1;
        }
        running
            .finish_calls(LIMIT_CYCLES)
            .unwrap_or_else(|error| panic!("{error}, {at}"));
    }
    while !away.now.is_empty() {
        away.ends(&mut running, 0);
    }
    running.finish_calls(LIMIT_CYCLES).unwrap();
    away.check(&mut running, root);
    running.settle(8000, LIMIT_CYCLES).unwrap();
    let faults = running.account().unwrap();
    assert!(faults.is_empty(), "{}, {root}: {faults:#?}", profile.name);
    println!("{} {mode:?}: {asked} asked, {killed} killed", profile.name);
    assert!(asked > 5 && killed > 2, "{asked}, {killed}, {root}");
}

#[test]
fn on_eci() {
    preempts_at_random(InterconnectProfile::ECI, Mode::RECALL);
    preempts_at_random(InterconnectProfile::ECI, Mode::EAGER);
    preempts_at_random(InterconnectProfile::ECI, Mode::CONSUME);
}

#[test]
fn on_cxl() {
    preempts_at_random(InterconnectProfile::CXL, Mode::RECALL);
    preempts_at_random(InterconnectProfile::CXL, Mode::EAGER);
    preempts_at_random(InterconnectProfile::CXL, Mode::CONSUME);
}

/// Cycles from wire to wire of a call that a core waits for, and from the first call to the last reply
/// of a burst for one core.
fn costs(profile: InterconnectProfile, mode: Mode) -> (u64, u64) {
    let mut stand = Stand::new(profile);
    stand.mode = mode;
    stand.workers = 1;
    let mut running = stand.start().unwrap();
    running.settle(3000, LIMIT_CYCLES).unwrap();
    running.system.push_frame(echo_of(1, 64), false, 0);
    running.settle(3000, LIMIT_CYCLES).unwrap();
    let alone = running.system.timeline_mut().take_finished();
    let alone = alone[0].between(Stage::WireInLast, Stage::WireOutFirst);
    for xid in 2..22 {
        running.system.push_frame(echo_of(xid, 64), false, 0);
    }
    running.settle(3000, LIMIT_CYCLES).unwrap();
    let burst = running.system.timeline_mut().take_finished();
    let first = burst
        .iter()
        .filter_map(|times| times.cycle(Stage::WireInLast));
    let last = burst
        .iter()
        .filter_map(|times| times.cycle(Stage::WireOutFirst));
    let span = last
        .max()
        .zip(first.min())
        .map(|(last, first)| last - first);
    (alone.expect("a reply"), span.expect("replies"))
}

#[test]
fn a_call_that_a_core_waits_for_pays_nothing_for_the_preemption_line() {
    for profile in [InterconnectProfile::ECI, InterconnectProfile::CXL] {
        for mode in [Mode::RECALL, Mode::EAGER, Mode::CONSUME] {
            let (without, with) = (costs(profile, mode), costs(profile, mode.preemptible()));
            println!("{} {mode:?}: {without:?}, {with:?} with it", profile.name);
            assert_eq!(without.0, with.0, "{}", profile.name);
            // Two hits in the cache for each call.
            assert!(with.1 <= without.1 + 20 * 10, "{without:?}, {with:?}");
        }
    }
}
