//! The small blocks of the host side under random traffic with random stalls, each against what it
//! promises, with its latency and throughput.

use super::small;
use crate::host::buffers::{PacketBuffer, TransmitLines};
use crate::host::fill::FillEngine;
use crate::host::gather::Gather;
use crate::host::intake::Intake;
use crate::host::recall::RecallPort;
use crate::host::router::LineRouter;
use crate::host::shape::Shape;
use crate::host::tally::{SlotReturn, Tally};
use crate::host::types::SendHeader;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::{Rng, Stopwatch, random_value, rng, root_seed};
use lauberhorn_coherence::layout::{EndpointLayout, LineRole, Parity};
use rand::Rng as _;
use rust_hdl::prelude::{Bits, Synth};
use std::collections::VecDeque;

const CYCLES: u64 = 6_000;

fn start<L: Leaf>(block: &L) -> Interpreter {
    let mut dut = Interpreter::new(block.elaborate());
    if dut.ports().iter().any(|port| port.clock) {
        dut.reset();
    }
    dut
}

fn step(dut: &mut Interpreter) {
    dut.step().unwrap_or_else(|failed| panic!("{failed}"));
}

fn valid(dut: &mut Interpreter, bundle: &str) -> bool {
    dut.peek(&format!("{bundle}$valid")) == 1
}

fn moves(dut: &mut Interpreter, bundle: &str) -> bool {
    valid(dut, bundle) && dut.peek(&format!("{bundle}$ready")) == 1
}

fn random_role(rng: &mut Rng, shape: &Shape) -> LineRole {
    let parity = Parity::BOTH[rng.random_range(0..2)];
    let overflow = rng.random_range(0..shape.overflow_lines());
    match rng.random_range(0..4) {
        0 => LineRole::RxControl(parity),
        1 => LineRole::TxControl(parity),
        2 => LineRole::RxOverflow(overflow),
        _ => LineRole::TxOverflow(overflow),
    }
}

/// Half, control and index of a line, as loads and events carry them.
fn half(role: LineRole) -> (bool, u64, u64) {
    let (control, index) = super::rx_half::named(role);
    (role.is_tx(), control, index)
}

#[test]
fn router_sends_each_load_to_one_place_in_order() {
    for line_bytes in [64, 128] {
        let shape = small(line_bytes);
        let layout = EndpointLayout::contiguous(shape.config());
        let mut rng = rng(root_seed(), "router");
        let mut dut = start(&LineRouter::new(&shape));
        let mut offered: Option<(u32, u64)> = None;
        let mut inside: Option<(u32, u64)> = None;
        let (mut stray_pulses, mut queued, mut zeros) = (0, 0, 0);
        for cycle in 0..CYCLES {
            let busy = cycle % 400 < 200;
            if offered.is_none() && cycle + 20 < CYCLES && (busy || rng.random_ratio(1, 3)) {
                let endpoint = rng.random_range(0..3);
                let known = layout.address(endpoint, random_role(&mut rng, &shape));
                let word = layout.address(endpoint, LineRole::Preemption);
                let address = match rng.random_range(0..6) {
                    0 => rng.random_range(0..1 << 24),
                    2 => word.expect("a line").0,
                    1 => rng.random_range(0..3 * layout.stride_lines() as u32),
                    _ => known.expect("a line").0,
                };
                offered = Some((address, rng.random_range(0..256)));
            }
            dut.poke("load$valid", u64::from(offered.is_some()));
            if let Some((address, id)) = offered {
                dut.poke_field("load$payload", "address", u64::from(address));
                dut.poke_field("load$payload", "id", id);
            }
            let draining = cycle + 20 >= CYCLES;
            let halves = ["rx$0", "rx$1", "rx$2", "tx$0", "tx$1", "tx$2"];
            let preemption = ["preemption$0", "preemption$1", "preemption$2"];
            for name in halves.iter().chain(&preemption).chain(&["zeros"]) {
                let ready = draining || rng.random_ratio(3, 4);
                dut.poke(&format!("{name}$ready"), u64::from(ready));
            }
            stray_pulses += dut.peek("stray");
            // Latency: the load that was taken in the last cycle is there now.
            let mut left = Vec::new();
            for name in halves.into_iter().chain(preemption) {
                if moves(&mut dut, name) {
                    let port = format!("{name}$payload");
                    let mut field = |field: &str| dut.peek_field(&port, field);
                    left.push((name, field("control"), field("index"), field("id")));
                }
            }
            let zeroed = moves(&mut dut, "zeros");
            assert!(
                left.len() + usize::from(zeroed) <= 1,
                "one place for a load"
            );
            if let Some((address, id)) = inside {
                let block = address as usize / layout.stride_lines();
                let role = layout.role(address as usize % layout.stride_lines());
                let role = role.filter(|_| block < 3);
                let port = |role: LineRole| match role {
                    LineRole::Preemption => "preemption",
                    role if role.is_tx() => "tx",
                    _ => "rx",
                };
                if let Some((name, control, index, seen_id)) = left.first().copied() {
                    let role = role.expect("only lines with a role are queued");
                    assert_eq!(name, format!("{}${block}", port(role)));
                    if role != LineRole::Preemption {
                        let (_, expected_control, expected_index) = half(role);
                        assert_eq!((control, index), (expected_control, expected_index));
                    }
                    assert_eq!(seen_id, id);
                    (inside, queued) = (None, queued + 1);
                } else if zeroed {
                    assert_eq!(dut.peek_field("zeros$payload", "id"), id);
                    assert_eq!(dut.peek_field("zeros$payload", "requester"), 63);
                    if let Some(role) = role {
                        let port = port(role);
                        assert_eq!(dut.peek(&format!("{port}${block}$ready")), 0, "full only");
                    }
                    (inside, zeros) = (None, zeros + 1);
                } else {
                    assert!(
                        valid(&mut dut, "zeros"),
                        "a load inside is offered somewhere"
                    );
                }
            } else {
                assert!(left.is_empty() && !zeroed, "a load out of nothing");
            }
            // Throughput: the register is free again in the cycle in which its load leaves.
            assert_eq!(
                dut.peek("load$ready"),
                u64::from(inside.is_none()),
                "cycle {cycle}"
            );
            if moves(&mut dut, "load") {
                inside = offered.take();
            }
            step(&mut dut);
        }
        assert!(
            inside.is_none() && queued > 1000 && zeros > 200,
            "{queued}, {zeros}"
        );
        assert_eq!(stray_pulses, zeros);
    }
}

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

/// A line on its way back.
#[derive(Clone, Debug)]
struct Back {
    address: u32,
    dirty: bool,
    beats: Vec<Value>,
}

#[test]
fn intake_stores_transmit_lines_and_tells_of_every_line() {
    for line_bytes in [64, 128] {
        let shape = small(line_bytes);
        let layout = EndpointLayout::contiguous(shape.config());
        let stride = shape.transmit_stride_beats() as u64;
        let mut rng = rng(root_seed(), "intake");
        let mut dut = start(&Intake::new(&shape));
        let mut queue: [Option<(Back, usize)>; 2] = [None, None];
        let mut events: VecDeque<(u64, Vec<u64>, Option<Value>)> = VecDeque::new();
        let mut words: VecDeque<(u64, [u64; 3], Option<u64>)> = VecDeque::new();
        let mut writes: VecDeque<(u64, u64, Value)> = VecDeque::new();
        let mut headers = vec![Value::zero(SendHeader::BITS); 64];
        let (mut told, mut busy_cycles) = (0, 0);
        for cycle in 0..CYCLES {
            let unstalled = cycle < 500;
            let draining = cycle + 20 >= CYCLES;
            for channel in &mut queue {
                if channel.is_none() && !draining && (unstalled || rng.random_ratio(1, 3)) {
                    let role = match rng.random_ratio(1, 5) {
                        true => LineRole::Preemption,
                        false => random_role(&mut rng, &shape),
                    };
                    let known = layout
                        .address(rng.random_range(0..3), role)
                        .expect("a line")
                        .0;
                    let address = match rng.random_range(0..8) {
                        0 => rng.random_range(0..1 << 16),
                        _ => known,
                    };
                    let dirty = rng.random_ratio(2, 3);
                    let count = if dirty { shape.beats_per_line() } else { 1 };
                    let beats = (0..count).map(|_| random_value(&mut rng, 512)).collect();
                    let back = Back {
                        address,
                        dirty,
                        beats,
                    };
                    *channel = Some((back, 0));
                }
            }
            let mut offered = [false; 2];
            for (channel, (port, tag)) in [("writeback", "address"), ("recall_ack", "id")]
                .into_iter()
                .enumerate()
            {
                let item = queue[channel].as_ref();
                // Beats of a message may have gaps.
                let go = item.is_some() && (unstalled || draining || rng.random_ratio(3, 4));
                offered[channel] = go;
                dut.poke(&format!("{port}$valid"), u64::from(go));
                if let Some((back, sent)) = item {
                    let payload = format!("{port}$payload");
                    let last = sent + 1 == back.beats.len();
                    dut.poke_field(&payload, tag, u64::from(back.address));
                    dut.poke_field(&payload, "dirty", u64::from(back.dirty));
                    dut.poke_field(&payload, "last", u64::from(last));
                    dut.set_field(&payload, "data", &back.beats[*sent]);
                }
            }
            if valid(&mut dut, "write") {
                let address = dut.peek_field("write$payload", "address");
                let data = dut.get_field("write$payload", "data");
                assert_eq!(Some((cycle, address, data)), writes.pop_front());
            }
            if valid(&mut dut, "event") {
                let names = [
                    "endpoint",
                    "tx",
                    "control",
                    "index",
                    "acknowledged",
                    "dirty",
                ];
                let seen = names.map(|name| dut.peek_field("event$payload", name));
                let header = dut.get_field("event$payload", "header");
                let (due, expected, kept) = events.pop_front().expect("something came back");
                assert_eq!((cycle, seen.to_vec()), (due, expected));
                if let Some(kept) = kept {
                    assert_eq!(header, kept, "cycle {cycle}");
                }
                told += 1;
            }
            if valid(&mut dut, "preemption") {
                let names = ["endpoint", "acknowledged", "dirty"];
                let seen = names.map(|name| dut.peek_field("preemption$payload", name));
                let (due, expected, busy) = words.pop_front().expect("something came back");
                assert_eq!((cycle, seen), (due, expected));
                if let Some(busy) = busy {
                    assert_eq!(dut.peek_field("preemption$payload", "busy"), busy);
                }
                told += 1;
            }
            let ports = ["writeback", "recall_ack"];
            let taken = ports.map(|port| moves(&mut dut, port));
            assert!(!(taken[0] && taken[1]), "one beat per cycle");
            if offered[0] || offered[1] {
                busy_cycles += u64::from(unstalled);
                assert!(!unstalled || taken[0] || taken[1], "a beat in every cycle");
            }
            for (channel, _) in taken.iter().enumerate().filter(|(_, taken)| **taken) {
                let (back, sent) = queue[channel].as_mut().expect("one is offered");
                let block = u64::from(back.address) / layout.stride_lines() as u64;
                let role = layout.role(back.address as usize % layout.stride_lines());
                let role = role.filter(|_| block < 3);
                if role == Some(LineRole::Preemption) {
                    if *sent + 1 == back.beats.len() {
                        let busy = back.beats[0].bit(2).into();
                        let event = [block, channel as u64, u64::from(back.dirty)];
                        words.push_back((cycle + 2, event, back.dirty.then_some(busy)));
                    }
                } else if let Some(role) = role {
                    let (tx, control, index) = half(role);
                    let place = (block * 2 + (index & 1)) as usize;
                    if tx && back.dirty {
                        let beat = match role {
                            LineRole::TxControl(Parity::One) => shape.message_beats(),
                            LineRole::TxOverflow(n) => (n + 1) * shape.beats_per_line(),
                            _ => 0,
                        };
                        let address = block * stride + beat as u64 + *sent as u64;
                        writes.push_back((cycle + 2, address, back.beats[*sent].clone()));
                        if control == 1 && *sent == 0 {
                            headers[place] = back.beats[0].slice(0, SendHeader::BITS);
                        }
                    }
                    if *sent + 1 == back.beats.len() {
                        let event = vec![
                            block,
                            u64::from(tx),
                            control,
                            index,
                            channel as u64,
                            u64::from(back.dirty),
                        ];
                        let header = (tx && control == 1).then(|| headers[place].clone());
                        events.push_back((cycle + 2, event, header));
                    }
                }
                *sent += 1;
                if *sent == back.beats.len() {
                    queue[channel] = None;
                }
            }
            step(&mut dut);
        }
        assert!(events.is_empty() && writes.is_empty() && words.is_empty());
        assert!(told > 1500 && busy_cycles > 400, "{told}, {busy_cycles}");
    }
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

#[test]
fn buffers_give_the_word_of_an_address_one_cycle_later_and_keep_it() {
    let shape = small(128);
    let mut rng = rng(root_seed(), "buffers");
    let slot_beats = shape.config().slot_beats();
    let words = 12 * slot_beats;
    let call_words = shape.config().call_slots() * slot_beats;
    let mut dut = start(&PacketBuffer::new(&shape));
    let mut beats: Vec<Option<Value>> = vec![None; words];
    let mut headers: Vec<Option<Value>> = vec![None; 12];
    let (mut data, mut header) = (None, None);
    for _ in 0..CYCLES {
        // Words that were never written mean nothing.
        if let Some(data) = &data {
            assert_eq!(dut.get("data"), *data);
        }
        if let Some(header) = &header {
            assert_eq!(dut.get("header"), *header);
        }
        let read = rng.random_ratio(2, 3).then(|| rng.random_range(0..words));
        dut.poke("read$valid", u64::from(read.is_some()));
        if let Some(at) = read {
            dut.poke("read$payload", at as u64);
            data = beats[at].clone();
            header = headers[at / slot_beats].clone();
        }
        let at = rng.random_range(0..call_words);
        let value = random_value(&mut rng, 512);
        dut.poke("write$valid", 1);
        dut.poke_field("write$payload", "address", at as u64);
        dut.set_field("write$payload", "data", &value);
        beats[at] = Some(value);
        // The last beat of a slot has none behind it.
        let at = rng.random_range(call_words..words);
        let spills = rng.random_ratio(1, 2) && (at + 1) % slot_beats != 0;
        let (value, spill) = (random_value(&mut rng, 512), random_value(&mut rng, 272));
        dut.poke("frame_write$valid", 1);
        dut.poke_field("frame_write$payload", "address", at as u64);
        dut.set_field("frame_write$payload", "data", &value);
        dut.poke_field("frame_write$payload", "spills", u64::from(spills));
        dut.set_field("frame_write$payload", "spill", &spill);
        beats[at] = Some(value);
        if spills {
            beats[at + 1] = Some(Value::from_bytes(512, &spill.to_bytes()));
        }
        let slot = rng.random_range(0..12);
        let value = random_value(&mut rng, 256);
        dut.poke("descriptor$valid", 1);
        dut.poke_field("descriptor$payload", "slot", slot as u64);
        dut.set_field("descriptor$payload", "header", &value);
        headers[slot] = Some(value);
        step(&mut dut);
    }
}

#[test]
fn transmit_lines_give_both_readers_a_word_in_every_cycle() {
    let shape = small(128);
    let stride = shape.transmit_stride_beats();
    let slot_beats = shape.config().slot_beats();
    let mut rng = rng(root_seed(), "transmit lines");
    let mut dut = start(&TransmitLines::new(&shape));
    let mut beats: Vec<Option<Value>> = vec![None; 3 * stride];
    let (mut data, mut image) = (None, None);
    for cycle in 0..CYCLES {
        if let Some(data) = &data {
            assert_eq!(dut.get("data"), *data);
        }
        if let Some(image) = &image {
            assert_eq!(dut.get("lines_data"), *image, "cycle {cycle}");
        }
        let parity: [usize; 3] = rng.random::<[bool; 3]>().map(usize::from);
        for (endpoint, parity) in parity.iter().enumerate() {
            dut.poke(&format!("parity${endpoint}"), *parity as u64);
        }
        let at = rng.random_range(0..3 * stride);
        dut.poke("read$valid", 1);
        dut.poke("read$payload", at as u64);
        data = beats[at].clone();
        // The image starts with the control line whose turn it is.
        let endpoint = rng.random_range(0..3);
        let beat = rng.random_range(0..shape.message_beats());
        let control = beat < shape.beats_per_line() && parity[endpoint] == 1;
        let second = if control { shape.message_beats() } else { 0 };
        let place = second + beat;
        dut.poke("lines_read$valid", 1);
        dut.poke("lines_read$payload", (endpoint * slot_beats + beat) as u64);
        image = beats[endpoint * stride + place].clone();
        let at = rng.random_range(0..3 * stride);
        let value = random_value(&mut rng, 512);
        dut.poke("write$valid", 1);
        dut.poke_field("write$payload", "address", at as u64);
        dut.set_field("write$payload", "data", &value);
        beats[at] = Some(value);
        step(&mut dut);
    }
}

#[test]
fn tally_adds_the_pulses_of_every_cycle_one_cycle_later() {
    let shape = small(128);
    let mut rng = rng(root_seed(), "tally");
    let mut dut = start(&Tally::new(&shape));
    let names = ["try_again", "delivered", "early"];
    let mut sums = [0u64; 5];
    for cycle in 0..500 {
        if cycle > 0 {
            let counters = [
                "try_again",
                "delivered",
                "early_loads",
                "stray_loads",
                "incomplete",
            ];
            let seen = counters.map(|name| dut.peek_field("events", &format!("endpoint_{name}")));
            assert_eq!(seen, sums);
        }
        sums = [0; 5];
        for endpoint in 0..3 {
            for (sum, name) in sums.iter_mut().zip(names) {
                let pulse = rng.random_range(0..2);
                dut.poke_field(&format!("rx${endpoint}"), name, pulse);
                *sum += pulse;
            }
            let pulse = rng.random_range(0..2);
            dut.poke(&format!("incomplete${endpoint}"), pulse);
            sums[4] += pulse;
        }
        sums[3] = rng.random_range(0..2);
        dut.poke("stray", sums[3]);
        step(&mut dut);
    }
}

#[test]
fn slots_go_back_to_their_pool_in_the_same_cycle() {
    let shape = small(128);
    let mut dut = start(&SlotReturn::new(&shape));
    for slot in 0..12 {
        for given in [0, 1] {
            dut.poke("rx$valid", given);
            dut.poke("rx$payload", slot);
            let call = slot < shape.config().call_slots() as u64;
            assert_eq!(dut.peek("rx$ready"), 1);
            assert_eq!(dut.peek("call$valid"), given * u64::from(call));
            assert_eq!(dut.peek("bypass$valid"), given * u64::from(!call));
            assert_eq!(
                (dut.peek("call$payload"), dut.peek("bypass$payload")),
                (slot, slot)
            );
        }
    }
}

#[test]
fn gather_passes_its_streams_on_in_the_same_cycle() {
    let mut rng = rng(root_seed(), "gather");
    let mut dut = start(&Gather::<Bits<16>>::new());
    for _ in 0..200 {
        for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let (valid, payload): (bool, u16) = rng.random();
            let ready: bool = rng.random();
            dut.poke(&format!("{name}$valid"), valid.into());
            dut.poke(&format!("{name}$payload"), payload.into());
            dut.poke(&format!("tx${index}$ready"), ready.into());
            assert_eq!(dut.peek(&format!("tx${index}$valid")), u64::from(valid));
            assert_eq!(dut.peek(&format!("tx${index}$payload")), u64::from(payload));
            assert_eq!(dut.peek(&format!("{name}$ready")), u64::from(ready));
        }
    }
}
