//! The Verilated card under hostile traffic: a hundred thousand frames that are broken in every way we
//! know, with good calls in between, while host, MAC and caches stall and evict at random.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{adder, echo, examples};
use lauberhorn_interface::counters::Counter;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::ways::Way;
use lauberhorn_sim::wire::Pacing;
use lauberhorn_sim::workload::{CallSpec, Calls, HostileFrames, Route};

const ROUTE: Route = Route::EXAMPLE;

/// Hostile frames before each good call.
const HOSTILE_PER_CALL: usize = 8;
/// More calls than this under way would make the card refuse good ones for want of slots.
const OPEN_CALLS: u64 = 8;
const GROUP_LIMIT_CYCLES: u64 = 500_000;
/// Longer than the longest wait of a worker, so that every endpoint has come back to idle.
const QUIET_CYCLES: u64 = 12_000;

fn withstands(way: Way, frames: usize) {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test hostile");
    println!("{way}");
    let mut stand = way.stand(root.child("hostile"));
    if !way.adapter {
        stand.eviction_chance_65536 = 400;
        stand.prefetch_chance_65536 = 400;
    }
    let seed = stand.seed;
    stand.pacing = Pacing::RandomGaps {
        beat_chance_256: 200,
        rng: Box::new(seed.stream("wire gaps")),
    };
    let services = examples(stand.address).unwrap();
    let keys = vec![
        services.key(echo::PROGRAM, echo::VERSION, 0),
        services.key(echo::PROGRAM, echo::VERSION, 1),
        services.key(adder::PROGRAM, adder::VERSION, 1),
    ];
    let echo_key = keys[1];
    let mut running = stand.start().unwrap();
    let mut hostile =
        HostileFrames::new(Calls::new(ROUTE, keys, 400), 1500, seed.stream("hostile"));
    let good_calls = frames / HOSTILE_PER_CALL;
    for call in 0..good_calls {
        for frame in hostile.by_ref().take(HOSTILE_PER_CALL) {
            running.system.push_frame(frame.bytes, frame.mac_error, 0);
        }
        let bytes = call * 7 % 300;
        let mut arguments = (bytes as u32).to_be_bytes().to_vec();
        arguments.resize(4 + bytes.next_multiple_of(4), 0x5a);
        let good = CallSpec::new(0x8000_0000 + call as u32, echo_key, arguments).frame(&ROUTE);
        running.system.push_frame(good, false, 0);
        running
            .system
            .run_until("the group is served", GROUP_LIMIT_CYCLES, |system| {
                system.pending_frames() == 0 && system.scoreboard().open_calls() <= OPEN_CALLS
            })
            .unwrap_or_else(|error| panic!("{way}: {error}, {root}"));
        running.system.take_sent();
        running.system.timeline_mut().take_finished();
    }
    running
        .settle(QUIET_CYCLES, GROUP_LIMIT_CYCLES)
        .unwrap_or_else(|error| panic!("{way}: {error}, {root}"));
    let faults = running.account().unwrap();
    assert!(faults.is_empty(), "{way}, {root}: {faults:#?}");
    let counters = running.counters().unwrap();
    let read = |counter: Counter| counters[counter.index()].1;
    for refused in [Counter::RxDropNoSlot, Counter::RxDropNoSession] {
        assert_eq!(read(refused), 0, "{way}, {root}: {refused:?}");
    }
    if let Some(bus) = running.system.bus() {
        for (event, times) in bus.events() {
            println!("{way}: {times} {event}");
            assert!(times > 0, "{way}, {root}: no {event}");
        }
    }
    assert!(read(Counter::RxCallDispatched) >= good_calls as u64);
    assert_eq!(
        read(Counter::RxFrames) as usize,
        good_calls * (HOSTILE_PER_CALL + 1)
    );
}

fn directly(profile: InterconnectProfile, mode: Mode, frames: usize) {
    let adapter = false;
    let way = Way {
        profile,
        mode,
        adapter,
    };
    withstands(way, frames);
}

#[test]
fn eci_withstands_hostile_traffic() {
    directly(InterconnectProfile::ECI, Mode::RECALL, 40_000);
}

#[test]
fn eager_eci_withstands_hostile_traffic() {
    directly(InterconnectProfile::ECI, Mode::EAGER, 20_000);
}

/// Any core loads any receive or overflow line at any time.
#[test]
fn eci_acknowledged_by_store_withstands_hostile_traffic_and_prefetches() {
    directly(InterconnectProfile::ECI, Mode::CONSUME, 20_000);
}

#[test]
fn cxl_acknowledged_by_store_withstands_hostile_traffic_and_prefetches() {
    directly(InterconnectProfile::CXL, Mode::CONSUME, 10_000);
}

#[test]
fn pcie_acknowledged_by_store_withstands_hostile_traffic() {
    directly(InterconnectProfile::PCIE, Mode::CONSUME, 10_000);
}

#[test]
fn cxl_withstands_hostile_traffic() {
    directly(InterconnectProfile::CXL, Mode::RECALL, 10_000);
}

#[test]
fn eager_cxl_withstands_hostile_traffic() {
    directly(InterconnectProfile::CXL, Mode::EAGER, 10_000);
}

#[test]
fn pcie_withstands_hostile_traffic() {
    directly(InterconnectProfile::PCIE, Mode::RECALL, 10_000);
}

#[test]
fn eager_pcie_withstands_hostile_traffic() {
    directly(InterconnectProfile::PCIE, Mode::EAGER, 10_000);
}

#[test]
fn eci_withstands_hostile_traffic_through_its_adapter() {
    for way in Way::of(InterconnectProfile::ECI, true) {
        withstands(way, 8_000);
    }
}

#[test]
fn cxl_withstands_hostile_traffic_through_its_adapter() {
    for way in Way::of(InterconnectProfile::CXL, true) {
        withstands(way, 8_000);
    }
}

#[test]
fn pcie_withstands_hostile_traffic_through_its_adapter() {
    for way in Way::of(InterconnectProfile::PCIE, true) {
        withstands(way, 8_000);
    }
}
