//! Latency and throughput of every block of the transmit path, measured inside the running path.

use super::path::{FRAME, NO_HANDLE, expect, feed_reply, message};
use super::rig::Rig;
use super::wired::Wired;
use crate::net::tx::sessions::SessionTable;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::Stopwatch;
use lauberhorn_interface::NicConfig;

fn valid(path: &mut Wired, leaf: &str, bundle: &str) -> bool {
    path.leaf(leaf).peek(&format!("{bundle}$valid")) == 1
}

fn moves(path: &mut Wired, leaf: &str, bundle: &str) -> bool {
    valid(path, leaf, bundle) && path.leaf(leaf).peek(&format!("{bundle}$ready")) == 1
}

fn gathered(path: &mut Wired) -> bool {
    let last = path.leaf("gather").peek_field("beat$payload", "last") == 1;
    valid(path, "gather", "beat") && last
}

/// The first beat of a frame on the MAC side; `inside` tells whether a frame is under way.
fn starts(path: &mut Wired, inside: &mut bool) -> bool {
    if !moves(path, "emit", "mac") {
        return false;
    }
    let first = !*inside;
    *inside = path.leaf("emit").peek_field("mac$payload", "last") == 0;
    first
}

#[test]
fn every_block_of_the_path_keeps_its_latency_with_short_replies_back_to_back() {
    let mut rig = Rig::new(&NicConfig::eci(), "promises");
    let expected: Vec<_> = (0..40)
        .map(|turn| {
            let frame = feed_reply(&mut rig, turn, 32);
            rig.hold();
            frame
        })
        .collect();
    rig.unhold();
    let promises = [
        ("admit to the first address", 0),
        ("admit to form", 1),
        ("admit to peer", 2),
        ("sessions", 2),
        ("gather", 4),
        ("emit", 2),
    ];
    let mut watches = promises.map(|(name, cycles)| Stopwatch::new(name, cycles));
    let (mut inside, mut accepted) = (false, Vec::new());
    let mut peers: Vec<(u64, Value)> = Vec::new();
    let mut heads: Vec<(u64, Value)> = Vec::new();
    for _ in 0..300 {
        rig.step_with(|path, cycle| {
            let admitted = moves(path, "admit", "message");
            accepted.extend(admitted.then_some(cycle));
            let right = path.leaf("sessions").peek_field("verdict", "valid") == 1;
            let pairs = [
                (admitted, valid(path, "admit", "lines_read")),
                (admitted, valid(path, "admit", "form")),
                (admitted, valid(path, "admit", "peer")),
                (valid(path, "sessions", "check"), right),
                (gathered(path), valid(path, "gather", "checksum")),
                (valid(path, "emit", "checksum"), starts(path, &mut inside)),
            ];
            for (watch, (start, end)) in watches.iter_mut().zip(pairs) {
                watch.look(cycle, start, end);
            }
            if valid(path, "header", "peer") {
                peers.push((cycle, path.leaf("header").get("peer$payload")));
            }
            heads.push((cycle, path.leaf("header").get_field("head", "peer")));
        });
    }
    expect(&rig, &expected);
    watches.iter().for_each(|watch| watch.check(40));
    let apart = accepted.windows(2).all(|pair| pair[1] - pair[0] == 3);
    assert!(apart, "a job every 3 cycles: {accepted:?}");
    assert_eq!(peers.len(), 40);
    for (cycle, peer) in &peers {
        let since = heads.iter().find(|(at, head)| at > cycle && head == peer);
        assert_eq!(since.map(|(at, _)| at - cycle), Some(3), "header");
    }
}

#[test]
fn a_raw_frame_starts_three_cycles_after_its_checksum_and_goes_out_at_full_rate() {
    let mut rig = Rig::new(&NicConfig::eci(), "raw promises");
    for bytes in [14, 64, 65, 600, 1514] {
        let before = rig.frames.len();
        rig.messages
            .push_back(message(0, FRAME, NO_HANDLE, vec![1; bytes]));
        let mut watch = Stopwatch::new("emit", 3);
        let mut inside = false;
        for _ in 0..120 {
            rig.step_with(|path, cycle| {
                let checksum = valid(path, "emit", "checksum");
                watch.look(cycle, checksum, starts(path, &mut inside));
            });
        }
        watch.check(1);
        let (frame, first, last) = &rig.frames[before];
        let beats = frame.len().div_ceil(64) as u64;
        assert_eq!(last - first + 1, beats, "{bytes} bytes");
    }
}

/// A session table whose sessions are all free.
fn table(sessions: usize) -> Interpreter {
    let mut dut = Interpreter::new(SessionTable::new(sessions).elaborate());
    dut.reset();
    for _ in 0..sessions + 4 {
        dut.step().expect("assertions hold");
    }
    dut
}

#[test]
fn a_session_is_taken_opened_and_bound_in_every_cycle() {
    let mut dut = table(16);
    for cycle in 0..18u64 {
        dut.poke("session$ready", u64::from(cycle < 16));
        assert_eq!(dut.peek("session$valid"), u64::from(cycle < 16));
        if cycle < 16 {
            assert_eq!(dut.peek_field("session$payload", "index"), cycle);
        }
        dut.poke("open$valid", u64::from((1..17).contains(&cycle)));
        dut.poke_field("open$payload", "session", cycle.saturating_sub(1) % 16);
        dut.poke("owner$valid", u64::from((2..18).contains(&cycle)));
        dut.poke_field("owner$payload", "session", cycle.saturating_sub(2) % 16);
        dut.poke_field("owner$payload", "endpoint", 3);
        dut.step().expect("assertions hold");
    }
    assert_eq!(dut.peek("free_sessions"), 0);
}

#[test]
fn a_verdict_takes_two_cycles_and_its_session_is_free_two_cycles_later() {
    let mut dut = table(2);
    let idle = |dut: &mut Interpreter| {
        for port in ["session$ready", "open$valid", "owner$valid", "check$valid"] {
            dut.poke(port, 0);
        }
    };
    // Nobody takes the second session, so that the one freed is the next but one.
    dut.poke("session$ready", 1);
    dut.step().expect("assertions hold");
    dut.step().expect("assertions hold");
    idle(&mut dut);
    for session in 0..2 {
        dut.poke("open$valid", 1);
        dut.poke_field("open$payload", "session", session);
        dut.step().expect("assertions hold");
        idle(&mut dut);
        dut.poke("owner$valid", 1);
        dut.poke_field("owner$payload", "session", session);
        dut.poke_field("owner$payload", "endpoint", 1);
        dut.step().expect("assertions hold");
        idle(&mut dut);
    }
    dut.step().expect("assertions hold");
    // One check in three cycles.
    for round in 0..2u64 {
        assert_eq!(dut.peek("session$valid"), 0, "none is free");
        dut.poke("check$valid", 1);
        dut.poke_field("check$payload", "session", round);
        dut.poke_field("check$payload", "generation", 0);
        dut.poke_field("check$payload", "endpoint", 1);
        let mut seen = Vec::new();
        for cycle in 0..3 {
            if dut.peek_field("verdict", "valid") == 1 {
                seen.push(cycle);
            }
            dut.step().expect("assertions hold");
            idle(&mut dut);
        }
        assert_eq!(seen, [2], "check to verdict");
        assert_eq!(dut.peek("session$valid"), 0, "one cycle after the verdict");
        if round == 1 {
            dut.step().expect("assertions hold");
            assert_eq!(dut.peek("session$valid"), 1, "two cycles after the verdict");
            assert_eq!(dut.peek_field("session$payload", "generation"), 1);
        } else {
            // The second check follows at once; its session is then the second on the list.
            dut.poke("session$ready", 1);
            dut.step().expect("assertions hold");
            assert_eq!(dut.peek("session$valid"), 1, "two cycles after the verdict");
            dut.step().expect("assertions hold");
            idle(&mut dut);
        }
    }
}
