//! The Verilated card under hostile traffic: a hundred thousand frames that are broken in every way we
//! know, with good calls in between, while host, MAC and caches stall and evict at random.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{adder, echo, examples};
use lauberhorn_interface::counters::Counter;
use lauberhorn_sim::host::bus::BusSettings;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
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

fn withstands(profile: InterconnectProfile, mode: Mode, bus: Option<BusSettings>, frames: usize) {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test hostile");
    let seed = root.child(&format!("{} {mode:?}", profile.name));
    let mut stand = Stand::new(profile);
    stand.mode = mode;
    stand.stall_chance_256 = 60;
    stand.eviction_chance_65536 = 400;
    stand.prefetch_chance_65536 = 400;
    if bus.is_some() {
        // What meets what on the bus is rare.
        stand.eviction_chance_65536 = 3000;
        stand.prefetch_chance_65536 = 6000;
    }
    stand.bus = bus;
    stand.block_time_cycles = 3000;
    stand.seed = seed;
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
            .unwrap_or_else(|error| panic!("{}: {error}, {root}", profile.name));
        running.system.take_sent();
        running.system.timeline_mut().take_finished();
    }
    running.system.calm_bus();
    running
        .settle(QUIET_CYCLES, GROUP_LIMIT_CYCLES)
        .unwrap_or_else(|error| panic!("{}: {error}, {root}", profile.name));
    let faults = running.account().unwrap();
    assert!(faults.is_empty(), "{}, {root}: {faults:#?}", profile.name);
    let counters = running.counters().unwrap();
    let read = |counter: Counter| counters[counter.index()].1;
    for refused in [Counter::RxDropNoSlot, Counter::RxDropNoSession] {
        assert_eq!(read(refused), 0, "{}, {root}: {refused:?}", profile.name);
    }
    if let Some(bus) = running.system.bus() {
        bus.finish()
            .unwrap_or_else(|rule| panic!("{}, {root}: {rule}", profile.name));
        for (event, times) in bus.events() {
            println!("{} {mode:?}: {times} {event}", profile.name);
            assert!(times > 0, "{}, {root}: no {event}", profile.name);
        }
    }
    assert!(read(Counter::RxCallDispatched) >= good_calls as u64);
    assert_eq!(
        read(Counter::RxFrames) as usize,
        good_calls * (HOSTILE_PER_CALL + 1)
    );
}

#[test]
fn eci_withstands_hostile_traffic() {
    withstands(InterconnectProfile::ECI, Mode::RECALL, None, 40_000);
}

#[test]
fn eager_eci_withstands_hostile_traffic() {
    withstands(InterconnectProfile::ECI, Mode::EAGER, None, 20_000);
}

/// Any core loads any receive or overflow line at any time.
#[test]
fn eci_acknowledged_by_store_withstands_hostile_traffic_and_prefetches() {
    withstands(InterconnectProfile::ECI, Mode::CONSUME, None, 20_000);
}

#[test]
fn cxl_acknowledged_by_store_withstands_hostile_traffic_and_prefetches() {
    withstands(InterconnectProfile::CXL, Mode::CONSUME, None, 10_000);
}

#[test]
fn pcie_acknowledged_by_store_withstands_hostile_traffic() {
    withstands(InterconnectProfile::PCIE, Mode::CONSUME, None, 10_000);
}

#[test]
fn cxl_withstands_hostile_traffic() {
    withstands(InterconnectProfile::CXL, Mode::RECALL, None, 10_000);
}

#[test]
fn eager_cxl_withstands_hostile_traffic() {
    withstands(InterconnectProfile::CXL, Mode::EAGER, None, 10_000);
}

#[test]
fn pcie_withstands_hostile_traffic() {
    withstands(InterconnectProfile::PCIE, Mode::RECALL, None, 10_000);
}

#[test]
fn eager_pcie_withstands_hostile_traffic() {
    withstands(InterconnectProfile::PCIE, Mode::EAGER, None, 10_000);
}

#[test]
fn eci_withstands_hostile_traffic_through_its_adapter() {
    let wild = Some(BusSettings::WILD);
    withstands(InterconnectProfile::ECI, Mode::RECALL, wild, 8_000);
    withstands(InterconnectProfile::ECI, Mode::EAGER, wild, 8_000);
}

#[test]
fn cxl_withstands_hostile_traffic_through_its_adapter() {
    let wild = Some(BusSettings::WILD);
    withstands(InterconnectProfile::CXL, Mode::RECALL, wild, 8_000);
    withstands(InterconnectProfile::CXL, Mode::EAGER, wild, 8_000);
}

#[test]
fn pcie_withstands_hostile_traffic_through_its_adapter() {
    let wild = Some(BusSettings::WILD);
    withstands(InterconnectProfile::PCIE, Mode::RECALL, wild, 8_000);
    withstands(InterconnectProfile::PCIE, Mode::EAGER, wild, 8_000);
}
