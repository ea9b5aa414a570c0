//! What the host sends: router and intake.

use super::{CYCLES, half, moves, random_role, start, step, valid};
use crate::host::intake::Intake;
use crate::host::router::LineRouter;
use crate::host::tests::small;
use crate::host::types::SendHeader;
use crate::rtl::{Dut, Value};
use crate::testing::{random_value, rng, root_seed};
use lauberhorn_coherence::layout::{EndpointLayout, LineRole, Parity};
use rand::Rng as _;
use rust_hdl::prelude::Synth;
use std::collections::VecDeque;

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
