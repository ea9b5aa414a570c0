//! What the host is sent: fill engine and recall port.

use super::{CYCLES, half, moves, random_role, start, step, valid};
use crate::host::fill::FillEngine;
use crate::host::recall::RecallPort;
use crate::host::tests::small;
use crate::rtl::{Dut, Value};
use crate::testing::{Stopwatch, random_value, rng, root_seed};
use lauberhorn_coherence::layout::{EndpointLayout, LineRole};
use rand::Rng as _;
use std::collections::VecDeque;

/// The line that a fill request asks for.
struct Wanted {
    id: u64,
    exclusive: u64,
    requester: u64,
    beats: Vec<Vec<u8>>,
}

#[test]
fn fill_engine_sends_what_the_buffers_hold_masked_and_in_order() {
    for line_bytes in [64, 128] {
        let shape = small(line_bytes);
        let line_beats = shape.beats_per_line() as u64;
        let (slot_beats, stride) = (
            shape.config().slot_beats() as u64,
            shape.transmit_stride_beats() as u64,
        );
        let mut rng = rng(root_seed(), "fill engine");
        let mut dut = start(&FillEngine::new(&shape));
        let mut beats = |count: u64, width: usize| -> Vec<Value> {
            (0..count).map(|_| random_value(&mut rng, width)).collect()
        };
        let packets = beats(12 * slot_beats, 512);
        let headers = beats(12, 256);
        let transmit = beats(3 * stride, 512);
        let mut wanted: VecDeque<Wanted> = VecDeque::new();
        let mut done: VecDeque<u64> = VecDeque::new();
        let mut offered = false;
        let (mut sent, mut lines) = (0, 0);
        let mut watch = Stopwatch::new("fill engine", 2);
        let mut second = false;
        let mut expected: Option<Wanted> = None;
        for cycle in 0..CYCLES {
            let unstalled = cycle < 300;
            let draining = cycle + 100 >= CYCLES;
            if !offered && !draining && (unstalled || rng.random_ratio(3, 4)) {
                offered = true;
                let from_slot = rng.random_bool(0.6);
                let from_transmit = !from_slot && rng.random_bool(0.7);
                let slot = match from_slot {
                    true => rng.random_range(0..12),
                    false => rng.random_range(0..3u64),
                };
                let line = rng.random_range(0..shape.overflow_lines() as u64 + 1);
                let beat = line * line_beats;
                let end = rng.random_range(0..=shape.message_beats() as u64);
                let kind = rng.random_range(0..5);
                let requester = rng.random_range(0..64);
                let (id, exclusive) = (rng.random_range(0..256), rng.random_range(0..2));
                for (field, value) in [
                    ("from_slot", u64::from(from_slot)),
                    ("from_transmit", u64::from(from_transmit)),
                    ("kind", kind),
                    ("slot", slot),
                    ("beat", beat),
                    ("beats", end),
                    ("id", id),
                    ("exclusive", exclusive),
                    ("requester", requester),
                ] {
                    dut.poke_field("request$payload", field, value);
                }
                let image = |at: u64| -> Vec<u8> {
                    let mut bytes = vec![0; 64];
                    if from_transmit {
                        bytes = transmit[(slot * stride + at) as usize].to_bytes();
                    } else if from_slot {
                        if at < end {
                            bytes = packets[(slot * slot_beats + at) as usize].to_bytes();
                        }
                        if at == 0 {
                            bytes[..32].copy_from_slice(&headers[slot as usize].to_bytes());
                            // A frame's body starts two bytes later.
                            if requester == 0 {
                                bytes[32..34].fill(0);
                            }
                        }
                    }
                    if !from_slot && at == beat {
                        bytes[0] |= (kind << 1) as u8;
                    }
                    bytes
                };
                expected = Some(Wanted {
                    id,
                    exclusive,
                    requester,
                    beats: (beat..beat + line_beats).map(image).collect(),
                });
            }
            dut.poke("request$valid", u64::from(offered));
            let ready = unstalled || draining || rng.random_ratio(2, 3);
            dut.poke("fill$ready", u64::from(ready));

            // Words are there a cycle after they were asked for and stay.
            let mut words = Vec::new();
            if valid(&mut dut, "packet_read") {
                let address = dut.peek("packet_read$payload");
                words.push(("packet_data", packets[address as usize].clone()));
                words.push((
                    "packet_header",
                    headers[(address / slot_beats) as usize].clone(),
                ));
            }
            if valid(&mut dut, "transmit_read") {
                let address = dut.peek("transmit_read$payload");
                words.push(("transmit_data", transmit[address as usize].clone()));
            }
            if unstalled {
                watch.look(
                    cycle,
                    offered && !second,
                    moves(&mut dut, "fill") && sent == 0,
                );
                assert!(
                    !offered || dut.peek("request$ready") == u64::from(second || line_beats == 1)
                );
                second = offered && !second && line_beats == 2;
            }
            if valid(&mut dut, "done") {
                assert_eq!(Some(dut.peek("done$payload")), done.pop_front());
            }
            if moves(&mut dut, "fill") {
                let line = wanted
                    .front()
                    .or(expected.as_ref())
                    .expect("a line was asked for");
                let mut field = |name: &str| dut.peek_field("fill$payload", name);
                let tail = (field("id"), field("exclusive"), field("last"));
                let last = sent + 1 == line.beats.len();
                assert_eq!(
                    tail,
                    (line.id, line.exclusive, u64::from(last)),
                    "cycle {cycle}"
                );
                let data = dut.get_field("fill$payload", "data").to_bytes();
                assert_eq!(data, line.beats[sent], "cycle {cycle}");
                sent += 1;
                if last {
                    done.push_back(line.requester);
                    wanted.pop_front();
                    (sent, lines) = (0, lines + 1);
                }
            }
            if moves(&mut dut, "request") {
                offered = false;
                wanted.push_back(expected.take().expect("made with the offer"));
            }
            step(&mut dut);
            for (port, word) in words {
                dut.set(port, &word);
            }
        }
        assert!(
            wanted.is_empty() && done.is_empty() && lines > 1500,
            "{lines} lines"
        );
        // A line every `line_beats` cycles, the first beat of each 2 cycles after its request.
        let in_flight = 300 / line_beats as usize;
        watch_prefix(&watch, in_flight - 3);
    }
}

/// Checks a watch that was taken away while items were under way.
fn watch_prefix(watch: &Stopwatch, least: usize) {
    let mut whole = watch.clone();
    whole.cut();
    whole.check(least);
}

#[test]
fn recall_port_names_lines_by_address_and_halves_take_turns() {
    for line_bytes in [64, 128] {
        let shape = small(line_bytes);
        let layout = EndpointLayout::contiguous(shape.config());
        let mut rng = rng(root_seed(), "recall port");
        let mut dut = start(&RecallPort::new(&shape));
        let mut offered: [Option<u32>; 3] = [None; 3];
        let mut inside: VecDeque<(u64, u32)> = VecDeque::new();
        let mut turns = Vec::new();
        for cycle in 0..CYCLES {
            let unstalled = cycle < 300;
            let draining = cycle + 20 >= CYCLES;
            for (tx, port) in ["rx", "tx"].into_iter().enumerate() {
                if offered[tx].is_none() && !draining && (unstalled || rng.random_ratio(1, 2)) {
                    let role = loop {
                        let role = random_role(&mut rng, &shape);
                        if role.is_tx() == (tx == 1) {
                            break role;
                        }
                    };
                    let endpoint = rng.random_range(0..3);
                    let (_, control, index) = half(role);
                    let payload = format!("{port}$payload");
                    dut.poke_field(&payload, "endpoint", endpoint as u64);
                    dut.poke_field(&payload, "tx", tx as u64);
                    dut.poke_field(&payload, "control", control);
                    dut.poke_field(&payload, "index", index);
                    offered[tx] = Some(layout.address(endpoint, role).expect("a line").0);
                }
                dut.poke(&format!("{port}$valid"), u64::from(offered[tx].is_some()));
            }
            // Preemption lines are wanted back now and then.
            if offered[2].is_none() && !draining && !unstalled && rng.random_ratio(1, 8) {
                let endpoint = rng.random_range(0..3);
                for (field, value) in [
                    ("endpoint", endpoint as u64),
                    ("tx", 0),
                    ("control", 1),
                    ("index", 2),
                ] {
                    dut.poke_field("preemption$payload", field, value);
                }
                let line = layout.address(endpoint, LineRole::Preemption);
                offered[2] = Some(line.expect("a line").0);
            }
            dut.poke("preemption$valid", u64::from(offered[2].is_some()));
            let ready = unstalled || draining || rng.random_ratio(2, 3);
            dut.poke("recall$ready", u64::from(ready));
            let first = inside.front().copied();
            assert_eq!(valid(&mut dut, "recall"), first.is_some(), "1 cycle");
            if let Some((_, address)) = first {
                let mut field = |name: &str| dut.peek_field("recall$payload", name);
                let seen = (field("address"), field("id"));
                assert_eq!(seen, (u64::from(address), u64::from(address)));
                if ready {
                    inside.pop_front();
                }
            }
            let taken = ["rx", "tx", "preemption"].map(|port| moves(&mut dut, port));
            assert!(taken.iter().filter(|taken| **taken).count() <= 1);
            assert!(
                offered[2].is_none() || !(taken[0] || taken[1]),
                "it goes first"
            );
            assert!(
                !unstalled || taken[0] || taken[1],
                "a recall in every cycle"
            );
            for tx in (0..3).filter(|tx| taken[*tx]) {
                inside.push_back((cycle, offered[tx].take().expect("one is offered")));
                if unstalled {
                    turns.push(tx);
                }
            }
            step(&mut dut);
        }
        assert!(inside.is_empty());
        assert!(
            turns.windows(2).all(|pair| pair[0] != pair[1]),
            "not in turn: {turns:?}"
        );
    }
}
