//! The whole simulation around a functional card: the driver's workers and bypass answer real
//! calls on every interconnect, under stalls, evictions and hostile traffic.

use std::net::Ipv4Addr;

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::bringup::{Settings, allow, preempt};
use lauberhorn_driver::bypass::BYPASS_ENDPOINT;
use lauberhorn_driver::lines::Registers;
use lauberhorn_driver::services::{adder, echo, examples};
use lauberhorn_driver::stack::channel;
use lauberhorn_driver::worker::REPLY_OVERHEAD_BYTES;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_interface::counters::Counter;

use super::mock::MockNic;
use super::*;
use crate::host::PortStalls;
use crate::oracle::Rules;
use crate::scoreboard::handlers_of;
use crate::wire::Pacing;
use crate::workload::{CallSpec, Calls, HostileFrames, Route};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTE: Route = Route::EXAMPLE;

fn services() -> Services {
    examples(ADDRESS).unwrap()
}

fn settings() -> Settings {
    Settings {
        mac: ROUTE.card_mac,
        address: ADDRESS,
        block_time_cycles: 3000,
        promiscuous: false,
        raw_workers: 0,
        mode: Mode::RECALL,
        clear_tables: false,
    }
}

struct Options {
    profile: InterconnectProfile,
    stalls: u16,
    evictions: u32,
    pacing: Pacing,
    mode: Mode,
    seed: Seed,
}

fn system(options: Options) -> (System<MockNic>, channel::ChannelPeer) {
    let config = options.profile.configuration();
    let rules = Rules::new(&settings(), &services(), config.mtu_bytes());
    let line_bytes = config.line_bytes();
    let mut host = HostConfig::from_profile(&options.profile, line_bytes, 1, CORE_CLOCK_HZ);
    host.stalls = PortStalls::uniform(options.stalls);
    host.eviction_chance_65536 = options.evictions;
    host.eviction_notice_256 = 128;
    let limit_bytes = config.mtu_bytes() - REPLY_OVERHEAD_BYTES;
    let sink = match options.stalls {
        0 => TxSink::new(),
        chance => TxSink::with_random_stalls(256 - chance, options.seed.stream("tx stalls")),
    };
    let around = Surroundings {
        layout: EndpointLayout::contiguous(&config),
        host,
        source: RxSource::new(options.pacing),
        sink,
        scoreboard: Scoreboard::new(rules.clone(), handlers_of(services(), limit_bytes)),
        cost: SoftwareCost {
            op_cycles: 1,
            control_cycles: 3,
            overflow_cycles: 7,
            receive_cycles: 5,
            handler_cycles: 10,
            load_bytes: None,
        },
        seed: options.seed,
        config: config.clone(),
    };
    let mut system = System::new(MockNic::new(&config, rules), around);
    let served = Rc::new(RefCell::new(services()));
    system.spawn_workers(&served, options.mode, config.workers());
    let (stack, peer) = channel::pair(64);
    system.spawn_bypass(stack, BYPASS_ENDPOINT, Mode::RECALL);
    (system, peer)
}

fn quiet(profile: InterconnectProfile) -> Options {
    Options {
        profile,
        stalls: 0,
        evictions: 0,
        pacing: Pacing::hundred_gigabit(CORE_CLOCK_HZ),
        mode: Mode::RECALL,
        seed: Seed::DEFAULT,
    }
}

fn finish(system: &mut System<MockNic>) {
    system.run_until_quiet(8000, 50_000_000).unwrap();
    let errors = system
        .scoreboard
        .finish(&system.config, |counter| system.nic.counter(counter));
    assert!(errors.is_empty(), "{errors:#?}");
}

fn echo_call(xid: u32, bytes: usize) -> CallSpec {
    let services = services();
    let key = services.key(echo::PROGRAM, echo::VERSION, 1);
    let mut arguments = (bytes as u32).to_be_bytes().to_vec();
    arguments.extend((0..bytes).map(|byte| byte as u8));
    arguments.resize(arguments.len().next_multiple_of(4), 0);
    CallSpec::new(xid, key, arguments)
}

#[test]
fn answers_calls_of_every_size_on_every_interconnect() {
    for profile in [
        InterconnectProfile::ECI,
        InterconnectProfile::CXL,
        InterconnectProfile::PCIE,
    ] {
        let (mut system, _peer) = system(quiet(profile));
        for (xid, bytes) in (1..).zip([0, 1, 3, 64, 100, 1000, 1400]) {
            system.push_frame(echo_call(xid, bytes).frame(&ROUTE), false, 0);
        }
        finish(&mut system);
        assert_eq!(system.scoreboard().replies(), 7, "{}", profile.name);
        assert_eq!(system.timeline().finished().len(), 7);
    }
}

#[test]
fn stages_follow_each_other_and_carry_the_cost_of_software() {
    let (mut system, _peer) = system(quiet(InterconnectProfile::ECI));
    system.push_frame(echo_call(1, 0).frame(&ROUTE), false, 1000);
    finish(&mut system);
    let times = system.timeline().finished()[0];
    let cycles: Vec<u64> = Stage::ALL
        .iter()
        .map(|&stage| times.cycle(stage).unwrap())
        .collect();
    assert!(cycles.is_sorted(), "{cycles:?}");
    assert_eq!(
        times.between(Stage::HandlerStart, Stage::HandlerEnd),
        Some(10 + 1)
    );
    assert_eq!(
        times.between(Stage::LoadComplete, Stage::HandlerStart),
        Some(5 + 1)
    );
    // 308 ns to the core are 77 cycles, the line's second beat, and the software behind it.
    assert_eq!(
        times.between(Stage::FillFirst, Stage::LoadComplete),
        Some(77 + 1 + 3 + 1)
    );
}

#[test]
fn the_same_seed_gives_the_same_frames_in_the_same_cycles() {
    let run = |seed| {
        let mut options = quiet(InterconnectProfile::CXL);
        options.seed = Seed(seed);
        options.stalls = 60;
        options.evictions = 500;
        let (mut system, _peer) = system(options);
        for xid in 0..20 {
            system.push_frame(echo_call(xid, 40 * xid as usize).frame(&ROUTE), false, 0);
        }
        finish(&mut system);
        system.take_sent()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn bypass_frames_go_to_the_stack_and_back() {
    let (mut system, mut peer) = system(quiet(InterconnectProfile::ECI));
    let mut frame = vec![0xff; 6];
    frame.extend(ROUTE.client_mac);
    frame.extend([0x08, 0x06]);
    frame.resize(60, 0x11);
    system.push_frame(frame.clone(), false, 0);
    system.run_until_quiet(4000, 100_000).unwrap();
    assert_eq!(peer.receive(), Some(frame.clone()));
    peer.send(frame.clone());
    finish(&mut system);
    assert_eq!(system.take_sent()[0].bytes, frame);
}

#[test]
fn registers_are_read_over_the_port() {
    let (mut system, _peer) = system(quiet(InterconnectProfile::CXL));
    system.push_frame(echo_call(1, 8).frame(&ROUTE), false, 0);
    system.run_until_quiet(4000, 100_000).unwrap();
    let read = system.control("a register read", 1000, |core| async move {
        core.read32(Counter::RxFrames.address()).await
    });
    assert_eq!(read.unwrap(), Ok(1));
}

#[test]
fn a_paused_worker_leaves_its_calls_to_the_others() {
    let (mut system, _peer) = system(quiet(InterconnectProfile::CXL));
    for endpoint in 1..4 {
        system.pause(endpoint, 20_000);
    }
    for xid in 0..10 {
        system.push_frame(echo_call(xid, 8).frame(&ROUTE), false, 0);
    }
    system
        .run_until("ten replies", 15_000, |system| {
            system.scoreboard().replies() == 10
        })
        .unwrap();
    assert!(
        system
            .timeline()
            .finished()
            .iter()
            .all(|times| times.endpoint == Some(4))
    );
    finish(&mut system);
}

#[test]
fn a_killed_worker_loses_one_call_and_the_scoreboard_says_so() {
    let (mut system, _peer) = system(quiet(InterconnectProfile::CXL));
    system.push_frame(echo_call(1, 8).frame(&ROUTE), false, 0);
    let delivered = |system: &System<MockNic>| {
        system.nic().counter(Counter::QueuedCalls) == 0
            && system.nic().counter(Counter::RxCallDispatched) == 1
    };
    system.run_until("delivery", 10_000, delivered).unwrap();
    for endpoint in 1..5 {
        system.kill(endpoint);
    }
    system.run_until_quiet(8000, 100_000).unwrap();
    let errors = system
        .scoreboard
        .finish(&system.config, |counter| system.nic.counter(counter));
    let found = errors
        .iter()
        .any(|error| matches!(error, ScoreError::Unanswered { open: 1, .. }));
    assert!(found, "{errors:?}");
}

#[test]
fn a_reply_sent_twice_is_found() {
    let (mut system, _peer) = system(quiet(InterconnectProfile::CXL));
    system.nic_mut().repeat_reply = Some(2);
    for xid in 0..3 {
        system.push_frame(echo_call(xid, 8).frame(&ROUTE), false, 0);
    }
    let error = system.run_until_quiet(8000, 100_000).unwrap_err();
    assert!(
        matches!(error, SystemError::Score(ScoreError::UnknownReply { .. })),
        "{error}"
    );
}

#[test]
fn a_worker_that_has_yielded_serves_nothing_until_it_is_allowed() {
    let root = Seed::from_environment();
    println!("reproduce with {root}");
    for profile in [InterconnectProfile::ECI, InterconnectProfile::CXL] {
        let mut options = quiet(profile);
        options.mode = Mode::RECALL.preemptible();
        options.evictions = 500;
        options.stalls = 40;
        options.seed = root.child(&format!("yield {}", profile.name));
        let (mut system, _peer) = system(options);
        let workers = system.config().workers();
        let mut away = Vec::new();
        for round in 0..12 {
            let endpoint = 1 + round % workers;
            for xid in 0..8 {
                let xid = 100 * round as u32 + xid;
                system.push_frame(echo_call(xid, 8).frame(&ROUTE), false, 0);
            }
            let asked = system.control("a yield", 50_000, move |core| async move {
                preempt(&core, endpoint, 10_000).await
            });
            asked.unwrap().unwrap();
            let from = system.cycle();
            system.run_until_quiet(4000, 200_000).unwrap();
            away.push((endpoint, from..system.cycle()));
            let allowed = system.control("an end", 50_000, move |core| async move {
                allow(&core, endpoint).await
            });
            allowed.unwrap().unwrap();
        }
        finish(&mut system);
        assert_eq!(system.scoreboard().replies(), 96, "{}", profile.name);
        for times in system.timeline().finished() {
            let cycles = [Stage::LoadComplete, Stage::HandlerStart, Stage::HandlerEnd];
            for (endpoint, span) in &away {
                let inside = |stage| times.cycle(stage).is_some_and(|c| span.contains(&c));
                let serves = times.endpoint == Some(*endpoint) && cycles.into_iter().any(inside);
                assert!(
                    !serves,
                    "endpoint {endpoint} in {span:?}: {times:?}, {root}"
                );
            }
        }
    }
}

#[test]
fn preemption_is_refused_where_lines_are_not_cached() {
    let mut options = quiet(InterconnectProfile::PCIE);
    options.mode = Mode::RECALL.preemptible();
    let (mut system, _peer) = system(options);
    let error = system.run_until_quiet(4000, 20_000).unwrap_err();
    assert!(
        error.to_string().contains("run workers without preemption"),
        "{error}"
    );
}

/// Good calls between hostile frames, under stalls and evictions, on every interconnect: every
/// frame accounted for, every accepted call answered, nothing leaked.
#[test]
fn survives_hostile_traffic_with_everything_accounted_for() {
    let root = Seed::from_environment();
    println!("reproduce with {root}");
    for profile in [
        InterconnectProfile::ECI,
        InterconnectProfile::CXL,
        InterconnectProfile::PCIE,
    ] {
        let seed = root.child(profile.name);
        let pacing = Pacing::RandomGaps {
            beat_chance_256: 8,
            rng: Box::new(seed.stream("wire gaps")),
        };
        let (stalls, evictions) = (80, 400);
        let (mut system, _peer) = system(Options {
            profile,
            stalls,
            evictions,
            pacing,
            mode: Mode::RECALL,
            seed,
        });
        let services = services();
        let keys = vec![
            services.key(echo::PROGRAM, echo::VERSION, 0),
            services.key(echo::PROGRAM, echo::VERSION, 1),
            services.key(adder::PROGRAM, adder::VERSION, 1),
        ];
        let calls = Calls::new(ROUTE, keys, 1380);
        let hostile = HostileFrames::new(calls, 1500, seed.stream("hostile"));
        let mut xid = 0x8000_0000;
        for frame in hostile.take(1500) {
            system.push_frame(frame.bytes, frame.mac_error, 0);
            xid += 1;
            let bytes = xid as usize * 7 % 1400;
            system.push_frame(echo_call(xid, bytes).frame(&ROUTE), false, 0);
        }
        finish(&mut system);
        let dispatched = system.nic().counter(Counter::RxCallDispatched);
        assert!(
            dispatched > 500,
            "{}: only {dispatched} calls, {root}",
            profile.name
        );
    }
}
