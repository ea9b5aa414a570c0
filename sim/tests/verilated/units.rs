//! Enzian's directory has 64 units, and lines of one unit can wait for each other. Where they lie one after
//! the other they do; where the plan puts them they do not.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::host::bus::{BusSettings, Units};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::{Running, Stand, StandError};
use lauberhorn_sim::wire::Pacing;
use lauberhorn_sim::workload::{CallSpec, Calls, HostileFrames, Route};
use rand::Rng;

const ROUTE: Route = Route::EXAMPLE;
/// Under way at the same time.
const OPEN_CALLS: u64 = 8;
const HOSTILE_PER_CALL: usize = 3;
const MOST_BYTES: usize = 1400;
const CALL_LIMIT_CYCLES: u64 = 300_000;
/// Longer than the longest wait of a worker.
const QUIET_CYCLES: u64 = 12_000;

/// Random calls of any size among hostile frames, with evictions and stalls everywhere.
fn serve(mode: Mode, units: Units, calls: u32) -> Result<Running, StandError> {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test verilated units");
    let seed = root.child(&format!("{units:?} {mode:?}"));
    let mut stand = Stand::new(InterconnectProfile::ECI);
    stand.mode = mode;
    stand.stall_chance_256 = 40;
    stand.eviction_chance_65536 = 1500;
    stand.block_time_cycles = 3000;
    stand.seed = seed;
    stand.pacing = Pacing::RandomGaps {
        beat_chance_256: 200,
        rng: Box::new(seed.stream("wire gaps")),
    };
    stand.bus = Some(BusSettings {
        units,
        ..BusSettings::WILD
    });
    let services = examples(stand.address)?;
    let key = services.key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start()?;
    let mut rng = seed.stream("calls");
    let hostile = Calls::new(ROUTE, vec![key], 400);
    let mut hostile = HostileFrames::new(hostile, 1500, seed.stream("hostile"));
    for xid in 0..calls {
        for frame in hostile.by_ref().take(HOSTILE_PER_CALL) {
            running.system.push_frame(frame.bytes, frame.mac_error, 0);
        }
        let bytes = rng.random_range(0..=MOST_BYTES);
        let mut arguments = (bytes as u32).to_be_bytes().to_vec();
        arguments.resize(4 + bytes.next_multiple_of(4), 0x5a);
        let call = CallSpec::new(0x8000_0000 + xid, key, arguments).frame(&ROUTE);
        running.system.push_frame(call, false, 0);
        running
            .system
            .run_until("the call", CALL_LIMIT_CYCLES, |system| {
                system.pending_frames() == 0 && system.scoreboard().open_calls() <= OPEN_CALLS
            })?;
        running.system.take_sent();
        running.system.timeline_mut().take_finished();
    }
    running.settle(QUIET_CYCLES, CALL_LIMIT_CYCLES)?;
    Ok(running)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| format!("{error}; ")).collect()
}

#[test]
fn contiguous_lines_stall_and_the_report_names_two_of_them() {
    let stall = serve(Mode::RECALL, Units::Contiguous, 4000).err();
    let stall = with_causes(&stall.expect("two lines of one unit wait for each other"));
    println!("{stall}");
    for part in ["directory unit", "has been at work for", "waits for it"] {
        assert!(stall.contains(part), "{stall}");
    }
}

fn planned_lines_are_safe(mode: Mode) {
    let mut running =
        serve(mode, Units::Planned, 1000).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    let faults = running.account().expect("the counters can be read");
    assert!(faults.is_empty(), "{faults:#?}");
    let bus = running.system.bus().expect("it is attached");
    let (_, waits) = *bus.events().last().expect("there are some");
    println!("{waits} waits for another line of the unit");
    assert!(waits > 0);
}

#[test]
fn planned_lines_never_stall_in_recall_mode() {
    planned_lines_are_safe(Mode::RECALL);
}

#[test]
fn planned_lines_never_stall_in_eager_mode() {
    planned_lines_are_safe(Mode::EAGER);
}

#[test]
fn planned_lines_never_stall_when_stores_acknowledge() {
    planned_lines_are_safe(Mode::CONSUME);
}
