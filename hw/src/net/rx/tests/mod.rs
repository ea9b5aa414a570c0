//! The whole receive path against its model, and its promises about time.

mod bench;
mod frames;
mod leaves;
mod promises;

use super::model::{Outcome, Settings};
use crate::testing::{rng, root_seed};
use crate::types::{ProgramEntry, ServiceEntry};
use bench::{Bench, World, hostile_frames};
use frames::Call;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::counters::Counter;
use rand::Rng as _;

const MAC: [u8; 6] = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];
const IPV4: [u8; 4] = [192, 0, 2, 1];
/// Program, version, procedure and port of the services; the first is answered by the card.
const KNOWN: [(u32, u32, u32, u16); 5] = [
    (100_003, 3, 0, 2049),
    (100_003, 3, 1, 2049),
    (100_003, 34, 7, 2049),
    (0x2000_0001, 1, 0x8000_0001, 111),
    (u32::MAX, u32::MAX, u32::MAX, 65_535),
];

fn settings(config: &NicConfig) -> Settings {
    let service = |(index, known): (usize, (u32, u32, u32, u16))| ServiceEntry {
        valid: true,
        program: u64::from(known.0).into(),
        version: u64::from(known.1).into(),
        procedure: u64::from(known.2).into(),
        port: u64::from(known.3).into(),
        function: (0xfedc_ba98_0000_0000 + index as u64).into(),
        service: (0x8001 + index as u64).into(),
        process: 9u64.into(),
        flags: u64::from(index == 0).into(),
    };
    let program = |(program, port, low, high, versions): (u32, u16, u32, u32, u32)| ProgramEntry {
        valid: true,
        program: u64::from(program).into(),
        port: u64::from(port).into(),
        low: u64::from(low).into(),
        high: u64::from(high).into(),
        versions: u64::from(versions).into(),
    };
    Settings {
        enable: true,
        promiscuous: false,
        mac: MAC,
        ipv4: IPV4,
        rpc_ports: vec![2049, 111, 65_535, 7],
        mtu_bytes: config.mtu_bytes(),
        services: KNOWN.into_iter().enumerate().map(service).collect(),
        programs: [
            (100_003, 2049, 3, 34, 0x8000_0001),
            (0x2000_0001, 111, 1, 1, 1),
            (u32::MAX, 65_535, u32::MAX - 1, u32::MAX, 0b11),
        ]
        .map(program)
        .into(),
    }
}

fn bench(config: &NicConfig, world: World) -> Bench {
    Bench::new(config, settings(config), world, 1)
}

/// Enough slots that full-speed traffic never lacks any.
fn roomy() -> NicConfig {
    let config = NicConfig::eci().to_builder().bypass_slots(64);
    config.build().unwrap()
}

#[test]
fn a_minimal_call_is_delivered_eight_cycles_after_its_last_beat() {
    let mut bench = bench(&NicConfig::eci(), World::GENEROUS);
    bench.compare(&[(Call::new(KNOWN[1]).frame(), false)]);
    assert_eq!(bench.calls[0].0 - bench.ends[0], 8);
}

#[test]
fn every_call_is_delivered_eight_cycles_after_its_last_beat_at_line_rate() {
    let mut bench = bench(&roomy(), World::GENEROUS);
    let frames: Vec<_> = (0..300)
        .map(|n| {
            (
                Call::new(KNOWN[1]).with_arguments(4 * (n % 40)).frame(),
                false,
            )
        })
        .collect();
    bench.compare(&frames);
    for (call, end) in bench.calls.iter().zip(&bench.ends) {
        assert_eq!(call.0 - end, 8);
    }
    let beats: usize = frames.iter().map(|frame| frame.0.len().div_ceil(64)).sum();
    assert_eq!(bench.ends[299] + 1, beats as u64, "no gap on the MAC side");
}

#[test]
fn every_credential_length_and_cut_is_as_the_model_says() {
    let mut frames = Vec::new();
    for bytes in 0..=404 {
        let call = Call::new(KNOWN[1])
            .with_credential(bytes)
            .with_arguments(bytes % 37);
        frames.push((call.frame(), false));
        let mut bad = call.clone();
        bad.verifier = (0, 1 << (bytes % 32));
        frames.push((bad.frame(), false));
        bad.verifier = (1 << (bytes % 32), 0);
        frames.push((bad.frame(), false));
    }
    bench(&roomy(), World::GENEROUS).compare(&frames);
}

#[test]
fn every_truncation_is_as_the_model_says() {
    let mut frames = Vec::new();
    for credential in [0, 12, 17] {
        let mut call = Call::new(KNOWN[2])
            .with_credential(credential)
            .with_arguments(75);
        let whole = call.frame();
        for end in 1..=whole.len() {
            frames.push((whole[..end].to_vec(), false));
            call.message_bytes = end;
            frames.push((call.frame(), false));
            let mut padded = call.frame();
            padded.resize(padded.len().max(60), 0);
            frames.push((padded, false));
        }
    }
    bench(&roomy(), World::GENEROUS).compare(&frames);
}

/// Runs hostile frames slowly enough that nothing ever lacks.
fn hostile(config: &NicConfig, name: &str, count: usize, change: impl Fn(&mut Settings)) {
    let mut rng = rng(root_seed(), name);
    let mut settings = settings(config);
    change(&mut settings);
    let world = World {
        mac_percent: rng.random_range(60..100),
        ..World::GENEROUS
    };
    let frames = hostile_frames(&mut rng, config, count);
    Bench::new(config, settings, world, rng.random()).compare(&frames);
}

#[test]
fn hostile_frames_are_as_the_model_says() {
    hostile(&roomy(), "hostile", 6000, |_| {});
}

#[test]
fn hostile_frames_are_as_the_model_says_when_promiscuous() {
    hostile(&roomy(), "promiscuous", 1500, |s| s.promiscuous = true);
}

#[test]
fn everything_is_dropped_while_disabled() {
    hostile(&roomy(), "disabled", 500, |s| s.enable = false);
}

#[test]
fn hostile_jumbo_frames_are_as_the_model_says() {
    let config = NicConfig::eci_16_jumbo().to_builder().bypass_slots(32);
    hostile(&config.build().unwrap(), "jumbo", 300, |_| {});
}

/// With little of everything: each disposition is the model's or the lack of something, what is
/// delivered is right and in order, and nothing leaks.
#[test]
fn scarcity_drops_and_counts_but_never_leaks_or_mixes() {
    let mut rng = rng(root_seed(), "scarcity");
    let mut lacks = [
        (Counter::RxDropNoSlot, 0),
        (Counter::RxDropNoSession, 0),
        (Counter::RxDropBypassFull, 0),
        (Counter::RxDropReplyQueueFull, 0),
    ];
    for round in 0..6 {
        let config = NicConfig::eci().to_builder().call_slots(8).bypass_slots(4);
        let config = config.build().unwrap();
        let world = World {
            mac_percent: 100,
            reply_percent: [2, 30, 100][round % 3],
            sessions: [3, 20][round % 2],
            hold_cycles: 1000,
        };
        let mut bench = Bench::new(&config, settings(&config), world, rng.random());
        let frames = hostile_frames(&mut rng, &config, 700);
        let (mut calls, mut bypassed, mut answers) = (vec![], vec![], vec![]);
        let mut dropped = std::collections::BTreeMap::new();
        for (frame, mac_error) in &frames {
            match bench.settings.receive(frame, *mac_error) {
                Outcome::Drop(counter) => *dropped.entry(counter).or_insert(0) += 1,
                Outcome::Bypass(message) => bypassed.push(message),
                Outcome::Answer { caller, reply, .. } => answers.push((caller, reply)),
                Outcome::Dispatch(caller, message) => calls.push((caller, message)),
            }
            bench.send(frame, *mac_error);
        }
        bench.drain();
        for (counter, count) in dropped {
            assert_eq!(bench.count(counter), count, "{counter:?}");
        }
        let lost = |counters: &[Counter]| -> u64 {
            counters.iter().map(|counter| bench.count(*counter)).sum()
        };
        let got: Vec<_> = bench
            .calls
            .iter()
            .map(|call| (call.1, call.2.clone()))
            .collect();
        let without = lost(&[Counter::RxDropNoSlot, Counter::RxDropNoSession]);
        is_part(&got, &calls, without);
        let got: Vec<_> = bench.frames.iter().map(|frame| frame.1.clone()).collect();
        is_part(&got, &bypassed, lost(&[Counter::RxDropBypassFull]));
        is_part(
            &bench.answers,
            &answers,
            lost(&[Counter::RxDropReplyQueueFull]),
        );
        lacks = lacks.map(|(counter, count)| (counter, count + bench.count(counter)));
    }
    for (counter, count) in lacks {
        assert!(count > 0, "{} was never tried", counter.name());
    }
}

/// `got` is `all` without `missing` of its items.
#[track_caller]
fn is_part<T: PartialEq + std::fmt::Debug>(got: &[T], all: &[T], missing: u64) {
    assert_eq!(got.len() + missing as usize, all.len());
    let mut rest = all.iter();
    for item in got {
        assert!(rest.any(|other| other == item), "not in order: {item:?}");
    }
}

#[test]
fn a_reset_in_mid_frame_leaves_nothing_behind() {
    let mut rng = rng(root_seed(), "reset");
    let config = roomy();
    let frames = hostile_frames(&mut rng, &config, 40);
    for _ in 0..30 {
        let mut bench = bench(&config, World::GENEROUS);
        for (frame, mac_error) in &frames {
            bench.send(frame, *mac_error);
        }
        for _ in 0..rng.random_range(1..300) {
            bench.step();
        }
        bench.reset();
        bench.compare(&frames);
    }
}

#[test]
fn back_to_back_one_beat_frames_pass_at_line_rate() {
    // Short answers-to-be, strangers and bypass frames, in every cycle.
    let mut mismatch = Call::new(KNOWN[1]);
    mismatch.rpc_version = 3;
    mismatch.message_bytes = 12;
    let mut stranger = Call::new(KNOWN[1]);
    stranger.to_mac[5] ^= 1;
    let mut group = Call::new(KNOWN[1]);
    group.to_mac = [0xff; 6];
    let one_beat = |call: &Call| {
        let mut frame = call.frame();
        frame.resize(60, 0);
        (frame, false)
    };
    let mut frames = Vec::new();
    for n in 0..400 {
        let pick = [&mismatch, &stranger, &mismatch, &mismatch];
        frames.push(one_beat(pick[n % 4]));
        if n % 8 == 0 {
            frames.push(one_beat(&group));
        }
    }
    let mut bench = bench(&roomy(), World::GENEROUS);
    bench.compare(&frames);
    assert_eq!(bench.ends[frames.len() - 1] + 1, frames.len() as u64);
}

#[test]
fn an_endless_frame_is_one_oversize_frame() {
    let mut frames = vec![(Call::new(KNOWN[1]).frame(), false)];
    frames.push((Call::new(KNOWN[1]).with_arguments(40_000).frame(), false));
    let mut group = Call::new(KNOWN[1]).with_arguments(40_000);
    group.to_mac = [0xff; 6];
    frames.push((group.frame(), false));
    frames.push((Call::new(KNOWN[1]).frame(), false));
    bench(&NicConfig::eci(), World::GENEROUS).compare(&frames);
}
