//! The ECI adapter.

use super::super::eci::*;
use super::super::types::{EciMessage, ReadAnswer};
use super::*;
use crate::host::shape::Shape;
use crate::testing::{Network, Pace, Rng, rng, root_seed};
use crate::types::{LineRecall, LineRecallAck};
use lauberhorn_coherence::Placement;
use lauberhorn_coherence::planner::{Plan, lines_of};
use rand::Rng as _;
use rand::seq::IndexedRandom;
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

mod translate;

/// The cycles that the tables need to be cleared.
pub(super) const TABLE_LINES: u64 = 256;

/// Names of the lines of a card.
struct Names {
    /// By line of the card, the directory's index.
    hashed: BTreeMap<u32, u32>,
    /// The way back.
    card: BTreeMap<u32, u32>,
    /// Indices of the aperture.
    end: u32,
}

impl Names {
    fn new(shape: &Shape) -> Self {
        let plan = Plan::new(shape.layout()).expect("there is a plan");
        let lines = lines_of(shape.layout()).into_iter().map(|line| {
            let hashed = plan.hashed(line.endpoint, line.role);
            (line.line, hashed.expect("it is planned"))
        });
        let hashed: BTreeMap<_, _> = lines.collect();
        Self {
            card: hashed
                .iter()
                .map(|(card, hashed)| (*hashed, *card))
                .collect(),
            hashed,
            end: plan.aperture_lines() as u32,
        }
    }
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&Shape::named("eci")));

/// The lines of the card.
fn all_lines() -> Vec<u32> {
    NAMES.hashed.keys().copied().collect()
}

/// The byte address of a place without line, in this slice.
fn nowhere(rng: &mut Rng, slice: usize) -> u64 {
    loop {
        let hashed = rng.random_range(0..NAMES.end);
        if !NAMES.card.contains_key(&hashed) && usize::from(hashed % 2 == 0) == slice {
            return u64::from(hashed) << 7;
        }
    }
}

fn adapter() -> Network {
    let mut blocks = Vec::new();
    for slice in 0..2 {
        let mut add = |name: &str, dut| blocks.push((format!("{name}_skid${slice}"), dut));
        add("ar", skid::<AxiAddress>());
        add("aw", skid::<AxiAddress>());
        add("w", skid::<AxiWriteData>());
        add("b", skid::<AxiWriteResponse>());
        add("lci", skid::<EciMessage>());
        add("lcia", skid::<EciMessage>());
        add("ul", skid::<EciMessage>());
    }
    let shape = Shape::named("eci");
    for slice in 0..2 {
        let mut add = |name: &str, leaf| blocks.push((format!("{name}${slice}"), leaf));
        let address = || Interpreter::new(EciLocate::<AxiAddress>::new(&shape).elaborate());
        add("ar_locate", address());
        add("aw_locate", address());
        let message = EciLocate::<EciMessage>::new(&shape).elaborate();
        add("lcia_locate", Interpreter::new(message));
        let place = || Interpreter::new(EciPlace::<EciMessage>::new(&shape).elaborate());
        add("lci_place", place());
        add("ul_place", place());
    }
    blocks.push(("answer_skid".into(), skid::<ReadAnswer>()));
    blocks.push(("recall_skid".into(), skid::<LineRecall>()));
    blocks.push(("ack_skid".into(), skid::<LineRecallAck>()));
    network(
        designs(),
        &["read", "write", "recalls", "", "reports"],
        blocks,
    )
}

/// The byte address of a line, as the directory names it, and its slice.
fn place(line: u32) -> (u64, usize) {
    let hashed = NAMES.hashed[&line];
    (u64::from(hashed) << 7, usize::from(hashed % 2 == 0))
}

fn address(line: u32, id: u64) -> [(&'static str, u64); 5] {
    [
        ("address", place(line).0),
        ("id", id),
        ("len", 1),
        ("size", 6),
        ("burst", 1),
    ]
}

/// Breaks an address in one way; the response it must get and its beats.
fn broken(rng: &mut Rng, fields: &mut [(&'static str, u64); 5]) -> (u64, u64) {
    let resp = match rng.random_range(0..6) {
        0 => {
            fields[0].1 |= 1 << rng.random_range(17..40);
            3
        }
        5 => {
            let slice = usize::from(fields[0].1 >> 7 & 1 == 0);
            fields[0].1 = nowhere(rng, slice);
            3
        }
        1 => {
            fields[0].1 |= rng.random_range(1..128);
            2
        }
        2 => {
            fields[2].1 = [0, 2, 3, 7][rng.random_range(0..4)];
            2
        }
        3 => {
            fields[3].1 = rng.random_range(0..6);
            2
        }
        _ => {
            fields[4].1 = [0, 2][rng.random_range(0..2)];
            2
        }
    };
    (resp, fields[2].1 + 1)
}

const PACES: [Pace; 3] = [Pace::Full, Pace::Percent(60), Pace::Bursts];

/// What a read must bring: response, beats, line.
type Due = (u64, u64, u32);

#[test]
fn reads_become_loads_and_answers_keep_their_id_and_order() {
    let root = root_seed();
    for (round, pace) in PACES.into_iter().enumerate() {
        let mut rng = rng(root, &format!("eci reads {round}"));
        let mut dut = adapter();
        let mut bench = Bench::new(&mut dut, rng.random());
        bench.steps(TABLE_LINES + 4);
        let ar = [0, 1].map(|s| bench.source(&format!("ar${s}"), Vec::new(), pace));
        let refused = bench.pulses("events", "bus_refused_requests");
        let r = [0, 1].map(|s| bench.sink(&format!("r${s}"), pace));
        let mut loads = Arrivals::new(bench.sink("load", pace));
        let fill = bench.source("fill", Vec::new(), Pace::Percent(80));
        // Per slice and id.
        let mut expected: BTreeMap<(usize, u64), VecDeque<Due>> = BTreeMap::new();
        let mut beats = [0; 2];
        let (mut good, mut bad) = (0, 0);
        for _ in 0..400 {
            let line = *all_lines().choose(&mut rng).expect("some");
            let slice = place(line).1;
            let id = rng.random_range(0..128);
            let mut fields = address(line, id);
            let mut answer = (0, 2);
            if rng.random_ratio(1, 4) {
                answer = broken(&mut rng, &mut fields);
                bad += 1;
            } else {
                good += 1;
            }
            bench.feed(ar[slice], [pack::<AxiAddress>(&fields)]);
            let queue = expected.entry((slice, id)).or_default();
            queue.push_back((answer.0, answer.1, line));
            beats[slice] += answer.1 as usize;
        }
        let mut open = Vec::new();
        let mut answered = 0;
        for _ in 0..20_000 {
            bench.step();
            open.extend(loads.take(&bench));
            if !open.is_empty() && rng.random_ratio(1, 3) {
                let load = open.swap_remove(rng.random_range(0..open.len()));
                let line = field::<LineLoad>(&load, "address");
                assert_eq!(field::<LineLoad>(&load, "exclusive"), 1);
                let id = field::<LineLoad>(&load, "id");
                for beat in 0..2 {
                    let flags = [("id", id), ("exclusive", 1), ("last", beat)];
                    bench.feed(fill, [pack_data::<LineFill>(&content(line, beat), &flags)]);
                }
                answered += 1;
            }
            let done = |slice: usize| bench.received(r[slice]).len() == beats[slice];
            if answered == good && done(0) && done(1) {
                break;
            }
        }
        for slice in 0..2 {
            let received = bench.received(r[slice]);
            assert_eq!(received.len(), beats[slice], "beats of slice {slice}");
            let mut at = 0;
            while at < received.len() {
                let id = field::<AxiReadData>(&received[at], "id");
                let next = expected.get_mut(&(slice, id)).and_then(VecDeque::pop_front);
                let (resp, count, line) = next.expect("a read with this id");
                for beat in 0..count {
                    let item = &received[at + beat as usize];
                    assert_eq!(field::<AxiReadData>(item, "id"), id);
                    assert_eq!(field::<AxiReadData>(item, "resp"), resp);
                    assert_eq!(field::<AxiReadData>(item, "last") == 1, beat + 1 == count);
                    let whole = match resp {
                        0 => content(line.into(), beat),
                        _ => Value::zero(512),
                    };
                    assert_eq!(data(item), whole);
                }
                at += count as usize;
            }
        }
        bench.steps(4);
        assert_eq!(bench.counted(refused), bad);
    }
}

#[test]
fn writes_of_whole_lines_reach_the_card_before_their_answer() {
    let root = root_seed();
    for (round, pace) in PACES.into_iter().enumerate() {
        let mut rng = rng(root, &format!("eci writes {round}"));
        let mut dut = adapter();
        let mut bench = Bench::new(&mut dut, rng.random());
        let aw = [0, 1].map(|s| bench.source(&format!("aw${s}"), Vec::new(), pace));
        let w = [0, 1].map(|s| bench.source(&format!("w${s}"), Vec::new(), pace));
        let answers = [0, 1].map(|s| bench.sink(&format!("b${s}"), pace));
        let writebacks = bench.sink("writeback", pace);
        let mut expected: [Vec<(u64, u64)>; 2] = Default::default();
        let mut lines: [Vec<u32>; 2] = Default::default();
        let mut reached: [Vec<bool>; 2] = Default::default();
        let counted = bench.pulses("events", "bus_refused_writes");
        let mut refused = 0;
        for _ in 0..300 {
            let line = *all_lines().choose(&mut rng).expect("some");
            let slice = place(line).1;
            let id = rng.random_range(0..128);
            let mut fields = address(line, id);
            let (mut resp, mut beats) = (0, 2);
            let mut strobes = [u64::MAX; 2];
            let mut forwarded = true;
            match rng.random_range(0..8) {
                0 => {
                    (resp, beats) = broken(&mut rng, &mut fields);
                    forwarded = false;
                }
                1 => {
                    strobes[0] = rng.random::<u64>() >> 1;
                    (resp, forwarded) = (2, false);
                }
                2 => {
                    strobes[1] = rng.random::<u64>() >> 1;
                    resp = 2;
                }
                _ => {}
            }
            refused += u64::from(resp > 0);
            bench.feed(aw[slice], [pack::<AxiAddress>(&fields)]);
            for beat in 0..beats {
                let strobe = strobes.get(beat as usize).copied().unwrap_or(u64::MAX);
                let flags = [("strobe", strobe), ("last", u64::from(beat + 1 == beats))];
                let item = pack_data::<AxiWriteData>(&content(line.into(), beat), &flags);
                bench.feed(w[slice], [item]);
            }
            expected[slice].push((id, resp));
            reached[slice].push(forwarded);
            if forwarded {
                lines[slice].push(line);
            }
        }
        for slice in 0..2 {
            bench.run_until(answers[slice], expected[slice].len());
        }
        bench.steps(20);
        for slice in 0..2 {
            let read = |item: &Value| {
                let of = |name| field::<AxiWriteResponse>(item, name);
                (of("id"), of("resp"))
            };
            let got: Vec<_> = bench.received(answers[slice]).iter().map(read).collect();
            assert_eq!(got, expected[slice], "answers of slice {slice}");
        }
        let mut seen: [Vec<u32>; 2] = Default::default();
        let (mut slices, mut last_beats) = (Vec::new(), Vec::new());
        for beats in bench.received(writebacks).chunks(2) {
            let of = |beat: usize, name| field::<LineWriteback>(&beats[beat], name);
            let line = of(0, "address") as u32;
            assert_eq!((of(0, "last"), of(1, "last")), (0, 1));
            assert_eq!((of(0, "dirty"), of(1, "dirty")), (1, 1));
            assert_eq!(of(1, "address") as u32, line);
            for (beat, item) in beats.iter().enumerate() {
                assert_eq!(data(item), content(line.into(), beat as u64));
            }
            seen[place(line).1].push(line);
            slices.push(place(line).1);
            last_beats.push(2 * last_beats.len() + 1);
        }
        assert_eq!(seen, lines);
        assert_eq!(bench.counted(counted), refused);
        // The answer to a line comes after the card took it.
        let taken = bench.receive_cycles(writebacks);
        for slice in 0..2 {
            let mine = slices
                .iter()
                .zip(&last_beats)
                .filter(|(at, _)| **at == slice);
            let ends = mine.map(|(_, beat)| taken[*beat]);
            let answered = bench.receive_cycles(answers[slice]);
            let of_lines = answered
                .iter()
                .zip(&reached[slice])
                .filter(|(_, reached)| **reached);
            assert!(ends.zip(of_lines).all(|(end, (answer, _))| end < *answer));
        }
    }
}

/// What the directory does about one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Idle,
    /// Waits for the card's answer to a load.
    Loading,
    /// Has acknowledged a clean-invalidate and waits for the unlock.
    Locked,
}

/// The directory's answer to a clean-invalidate of the line at this address.
pub(super) fn acknowledgement(address: u64, slice: usize) -> Value {
    let word = address | 1 << 45 | 0xf << 46 | CLEAN_INVALIDATE << 59;
    let channel = RESPONSE_CHANNEL + slice as u64;
    pack::<EciMessage>(&[("word", word), ("size", 1), ("channel", channel)])
}

/// A directory with a unit for each of a few lines, and a card that answers a load only once its recall of
/// the line is acknowledged: what the adapter is there to make possible.
#[test]
fn a_recall_that_meets_a_load_is_acknowledged_clean() {
    let root = root_seed();
    for (round, pace) in PACES.into_iter().enumerate() {
        let mut rng = rng(root, &format!("eci recalls {round}"));
        let mut dut = adapter();
        let mut bench = Bench::new(&mut dut, rng.random());
        let mut add =
            |name: &str, slice: usize| bench.source(&format!("{name}${slice}"), vec![], pace);
        let ar = [add("ar", 0), add("ar", 1)];
        let lcia = [add("lcia", 0), add("lcia", 1)];
        let fill = bench.source("fill", vec![], pace);
        let recall = bench.source("recall", vec![], pace);
        let mut sink = |name: &str| Arrivals::new(bench.sink(name, pace));
        let mut r = [sink("r$0"), sink("r$1")];
        let mut lci = [sink("lci$0"), sink("lci$1")];
        let mut ul = [sink("ul$0"), sink("ul$1")];
        let mut loads = sink("load");
        let mut acks = sink("recall_ack");
        let lines: Vec<u32> = all_lines().into_iter().step_by(23).collect();
        let mut units: BTreeMap<u32, Unit> = lines.iter().map(|line| (*line, Unit::Idle)).collect();
        let mut held: BTreeMap<u32, bool> = lines.iter().map(|line| (*line, false)).collect();
        let mut invalidates: Vec<u32> = Vec::new();
        // The card: loads without answer, recalls without acknowledgement.
        let mut parked: Vec<(u32, u64)> = Vec::new();
        let mut recalled: Vec<u32> = Vec::new();
        let dropped = bench.pulses("events", "bus_dropped_responses");
        let (mut at_once, mut stray, mut filled) = (0, 0, 0);
        let line_of = |address: u64| NAMES.card[&((address >> 7) as u32)];
        let word = |item: &Value| field::<EciMessage>(item, "word");
        for cycle in 0..12_000 {
            bench.step();
            let busy = cycle < 10_000;
            // The directory.
            for slice in 0..2 {
                for item in r[slice].take(&bench) {
                    if field::<AxiReadData>(&item, "last") == 1 {
                        let line = lines[field::<AxiReadData>(&item, "id") as usize];
                        assert_eq!(units.insert(line, Unit::Idle), Some(Unit::Loading));
                        held.insert(line, true);
                    }
                }
                for item in lci[slice].take(&bench) {
                    let line = line_of(word(&item) & ((1 << 40) - 1));
                    // Node 1, not secure, all parts, request id 0, opcode.
                    let flags = 1 << 2 | 1 << 5 | 0xf << 6 | CLEAN_INVALIDATE << 19;
                    assert_eq!(word(&item) >> 40, flags);
                    assert_eq!(field::<EciMessage>(&item, "channel"), 16 + slice as u64);
                    assert_eq!(place(line).1, slice);
                    assert!(!invalidates.contains(&line), "one at a time of a line");
                    invalidates.push(line);
                }
                for item in ul[slice].take(&bench) {
                    assert_eq!(word(&item) >> 59, UNLOCK);
                    assert_eq!(field::<EciMessage>(&item, "channel"), 18 + slice as u64);
                    let line = line_of(word(&item) & ((1 << 40) - 1));
                    assert_eq!(units.insert(line, Unit::Idle), Some(Unit::Locked));
                }
            }
            if let Some(&line) = lines.choose(&mut rng) {
                let (address_, slice) = place(line);
                let invalidate = invalidates.iter().position(|other| *other == line);
                match units[&line] {
                    Unit::Idle if invalidate.is_some() && rng.random() => {
                        invalidates.remove(invalidate.expect("just found"));
                        units.insert(line, Unit::Locked);
                        held.insert(line, false);
                        bench.feed(lcia[slice], [acknowledgement(address_, slice)]);
                    }
                    Unit::Idle if busy && (!held[&line] || rng.random_ratio(1, 8)) => {
                        units.insert(line, Unit::Loading);
                        held.insert(line, false);
                        let id = lines.iter().position(|other| *other == line);
                        let fields = address(line, id.expect("one of them") as u64);
                        bench.feed(ar[slice], [pack::<AxiAddress>(&fields)]);
                    }
                    _ if busy && rng.random_ratio(1, 200) => {
                        stray += 1;
                        let nowhere = nowhere(&mut rng, slice);
                        bench.feed(lcia[slice], [acknowledgement(nowhere, slice)]);
                    }
                    _ => {}
                }
            }
            // The card.
            for item in loads.take(&bench) {
                let of = |name| field::<LineLoad>(&item, name);
                parked.push((of("address") as u32, of("id")));
            }
            for item in acks.take(&bench) {
                assert_eq!(field::<LineRecallAck>(&item, "dirty"), 0);
                assert_eq!(field::<LineRecallAck>(&item, "last"), 1);
                let line = field::<LineRecallAck>(&item, "id") as u32 ^ 0x5000;
                let at = recalled.iter().position(|other| *other == line);
                recalled.remove(at.expect("a recall of that line is out"));
                assert!(!held[&line], "line {line} is still held");
                at_once += u64::from(units[&line] == Unit::Loading);
            }
            if busy && rng.random_ratio(1, 12) {
                let line = *lines.choose(&mut rng).expect("some");
                if !recalled.contains(&line) {
                    recalled.push(line);
                    let fields = [
                        ("address", u64::from(line)),
                        ("id", u64::from(line) ^ 0x5000),
                    ];
                    bench.feed(recall, [pack::<LineRecall>(&fields)]);
                }
            }
            let ready = parked.iter().position(|(line, _)| !recalled.contains(line));
            if let (Some(at), true) = (ready, rng.random_ratio(1, 5) || !busy) {
                let (line, id) = parked.swap_remove(at);
                for beat in 0..2 {
                    let flags = [("id", id), ("exclusive", 1), ("last", beat)];
                    let item = pack_data::<LineFill>(&content(line.into(), beat), &flags);
                    bench.feed(fill, [item]);
                }
                // No recall of the line before its fill has left.
                filled += 2;
                while bench.accept_cycles(fill).len() < filled {
                    bench.step();
                }
            }
        }
        assert!(parked.is_empty() && recalled.is_empty() && invalidates.is_empty());
        assert!(units.values().all(|unit| *unit == Unit::Idle), "{units:?}");
        assert!(at_once > 50, "{at_once} recalls met a load");
        bench.steps(4);
        assert_eq!(bench.counted(dropped), stray);
    }
}

#[test]
fn every_way_takes_two_or_three_cycles_and_a_beat_per_cycle() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(TABLE_LINES + 4);
    let line = 21_u32;
    let (byte, slice) = place(line);
    let mut sources = BTreeMap::new();
    for name in ["ar", "aw", "w", "lcia"] {
        sources.insert(
            name,
            bench.source(&format!("{name}${slice}"), vec![], Pace::Full),
        );
    }
    for name in ["fill", "recall"] {
        sources.insert(name, bench.source(name, vec![], Pace::Full));
    }
    let mut sinks = BTreeMap::new();
    for name in ["r", "lci", "ul", "b"] {
        sinks.insert(name, bench.sink(&format!("{name}${slice}"), Pace::Full));
    }
    for name in ["load", "writeback", "recall_ack"] {
        sinks.insert(name, bench.sink(name, Pace::Full));
    }
    let mut way = |from: &str, to: &str, items: &[Value]| {
        latency(&mut bench, sources[from], sinks[to], items)
    };
    let read = pack::<AxiAddress>(&address(line, 3));
    assert_eq!(way("ar", "load", std::slice::from_ref(&read)), 2);
    let id = (slice as u64) << 7 | 3;
    let beats = [0, 1].map(|last| pack::<LineFill>(&[("id", id), ("last", last)]));
    assert_eq!(way("fill", "r", &beats), 2);
    let recall = pack::<LineRecall>(&[("address", line.into()), ("id", 9)]);
    assert_eq!(way("recall", "lci", &[recall]), 3);
    assert_eq!(
        way("lcia", "recall_ack", &[acknowledgement(byte, slice)]),
        3
    );
    let beats = [0, 1].map(|last| pack::<AxiWriteData>(&[("strobe", u64::MAX), ("last", last)]));
    bench.feed(sources["aw"], [read]);
    bench.steps(4);
    assert_eq!(
        latency(&mut bench, sources["w"], sinks["writeback"], &beats),
        2
    );

    // A read or a beat in every cycle over both slices.
    let lines: Vec<u32> = all_lines()[..40].to_vec();
    let of = |slice: usize| lines.iter().filter(move |line| place(**line).1 == slice);
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 2);
    bench.steps(TABLE_LINES + 4);
    for slice in 0..2 {
        let reads = of(slice).map(|line| pack::<AxiAddress>(&address(*line, (*line).into())));
        let reads: Vec<_> = reads.collect();
        bench.source(&format!("aw${slice}"), reads.clone(), Pace::Full);
        bench.source(&format!("ar${slice}"), reads, Pace::Full);
        let beats = (0..of(slice).count()).flat_map(|_| [0, 1]);
        let full = ("strobe", u64::MAX);
        let beats = beats.map(|last| pack::<AxiWriteData>(&[full, ("last", last)]));
        bench.source(&format!("w${slice}"), beats.collect(), Pace::Full);
        bench.sink(&format!("b${slice}"), Pace::Full);
    }
    let sinks = [("load", 40), ("writeback", 80)]
        .map(|(name, count)| (name, count, bench.sink(name, Pace::Full)));
    for (name, count, sink) in sinks {
        bench.run_until(sink, count);
        let cycles = bench.receive_cycles(sink);
        assert_eq!(cycles[count - 1] - cycles[0], count as u64 - 1, "{name}");
    }
}
