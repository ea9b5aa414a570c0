//! The CXL adapter.

use super::super::cxl::designs;
use super::super::cxl::types::*;
use super::*;
use crate::testing::{Pace, rng, root_seed};
use crate::types::{LineRecall, LineRecallAck};
use rand::Rng as _;
use std::collections::BTreeMap;
use std::slice;

/// Lines of the aperture, and the cycles that the tables need to be cleared.
const LINES: u64 = 512;

fn adapter() -> Network {
    let blocks = vec![
        ("req_skid".into(), skid::<CxlRequest>()),
        ("rwd_skid".into(), skid::<CxlWrite>()),
        ("birsp_skid".into(), skid::<CxlSnoopResponse>()),
        ("ndr_skid".into(), skid::<CxlCompletion>()),
        ("drs_skid".into(), skid::<CxlData>()),
        ("bisnp_skid".into(), skid::<CxlSnoop>()),
        ("fill_skid".into(), skid::<LineFill>()),
        ("recall_skid".into(), skid::<LineRecall>()),
        ("ack_skid".into(), skid::<LineRecallAck>()),
        ("done_skid".into(), skid::<CxlDone>()),
    ];
    network(designs(), &["host", "card", "reports"], blocks)
}

fn request(opcode: u64, line: u64, tag: u64, how: [u64; 3]) -> Value {
    let [snoop, meta_field, meta_value] = how;
    pack::<CxlRequest>(&[
        ("address", line),
        ("tag", tag),
        ("opcode", opcode),
        ("snoop", snoop),
        ("meta_field", meta_field),
        ("meta_value", meta_value),
    ])
}

const OWN: [u64; 3] = [SNP_INV, META0_STATE, META_ANY];
const SHARE: [u64; 3] = [SNP_DATA, META0_STATE, META_SHARED];
const LOOK: [u64; 3] = [SNP_NO_OP, META_NO_OP, 0];
const COPY: [u64; 3] = [SNP_CUR, META_NO_OP, 0];
const FLUSH: [u64; 3] = [SNP_INV, META0_STATE, META_INVALID];

/// What a request must bring: whether the card is asked, the completion, the response with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    load: bool,
    notice: bool,
    completion: Option<u64>,
    data: Option<u64>,
    refused: bool,
}

/// From tables C-3 and 3-55 of the specification, for a card that grants ownership when it is asked
/// for, and sometimes when it is not.
fn due(opcode: u64, how: [u64; 3], exists: bool, generous: bool) -> Due {
    let [_, field, value] = how;
    let holds = |state| field == META0_STATE && value == state;
    let any = holds(META_ANY);
    let shared = holds(META_SHARED) || opcode == MEM_RD_DATA;
    let granted = |owned| if owned { CMP_E } else { CMP_S };
    let none = Due {
        load: false,
        notice: false,
        completion: None,
        data: None,
        refused: false,
    };
    match opcode {
        MEM_SPEC_RD => none,
        MEM_RD | MEM_RD_DATA if exists => Due {
            load: true,
            completion: Some(if any || shared {
                granted(any || generous)
            } else {
                CMP
            }),
            data: Some(MEM_DATA),
            ..none
        },
        MEM_RD | MEM_RD_DATA => Due {
            data: Some(MEM_DATA_NXM),
            refused: true,
            ..none
        },
        MEM_INV | MEM_INV_NT if exists => Due {
            load: any || shared,
            completion: Some(if any || shared { granted(any) } else { CMP }),
            ..none
        },
        MEM_CLN_EVCT if exists => Due {
            notice: true,
            completion: Some(CMP),
            ..none
        },
        _ => Due {
            completion: Some(CMP),
            refused: true,
            ..none
        },
    }
}

/// Whether the card of the tests grants ownership of `line` unasked.
fn is_generous(line: u64) -> bool {
    line % 2 == 1
}

#[test]
fn every_request_gets_what_the_tables_say() {
    let root = root_seed();
    for (round, pace) in [Pace::Full, Pace::Percent(60), Pace::Bursts]
        .into_iter()
        .enumerate()
    {
        let mut rng = rng(root, &format!("cxl requests {round}"));
        let mut dut = adapter();
        let mut bench = Bench::new(&mut dut, rng.random());
        bench.steps(LINES + 4);
        let req = bench.source("req", vec![], pace);
        let rwd = bench.source("rwd", vec![], pace);
        let fill = bench.source("fill", vec![], pace);
        let mut sink = |name: &str| Arrivals::new(bench.sink(name, pace));
        let (mut ndr, mut drs) = (sink("ndr"), sink("drs"));
        let (mut loads, mut writebacks) = (sink("load"), sink("writeback"));
        let mut open: BTreeMap<u64, (Due, u64)> = BTreeMap::new();
        let (mut asked, mut noticed, mut written) = (0, 0, 0);
        let counted = ["bus_refused_requests", "bus_refused_writes"];
        let counted = counted.map(|field| bench.pulses("events", field));
        let mut refused = [0; 2];
        for n in 0..500u64 {
            let line = rng.random_range(0..LINES);
            let exists = rng.random_ratio(4, 5);
            let address = if exists {
                line
            } else {
                line | LINES << rng.random_range(0..30)
            };
            let tag = n * 91 % 65536;
            if rng.random_ratio(1, 3) {
                let opcode = [MEM_WR, MEM_WR, MEM_WR_PTL, BI_CONFLICT, 9][rng.random_range(0..5)];
                let poison = rng.random_ratio(1, 8);
                let good = opcode == MEM_WR && exists && !poison;
                let conflict = opcode == BI_CONFLICT;
                refused[1] += u64::from(!good && !conflict);
                written += usize::from(good);
                let completion = Some(if conflict { BI_CONFLICT_ACK } else { CMP });
                let expected = Due {
                    completion,
                    ..due(MEM_SPEC_RD, LOOK, true, false)
                };
                open.insert(tag, (expected, line));
                let flags = [
                    ("address", address),
                    ("tag", tag),
                    ("opcode", opcode),
                    ("poison", poison.into()),
                ];
                bench.feed(rwd, [pack_data::<CxlWrite>(&content(line, 0), &flags)]);
            } else {
                let opcode = rng.random_range(0..16);
                let how = [OWN, SHARE, LOOK, COPY, FLUSH][rng.random_range(0..5)];
                let expected = due(opcode, how, exists, is_generous(line));
                refused[0] += u64::from(expected.refused);
                asked += usize::from(expected.load);
                noticed += usize::from(expected.notice);
                open.insert(tag, (expected, line));
                bench.feed(req, [request(opcode, address, tag, how)]);
            }
        }
        let (mut loaded, mut gave) = (Vec::new(), [0; 2]);
        for _ in 0..6_000 {
            bench.step();
            loaded.extend(loads.take(&bench));
            if !loaded.is_empty() && rng.random_ratio(1, 2) {
                let load = loaded.swap_remove(rng.random_range(0..loaded.len()));
                asked -= 1;
                let of = |name| field::<LineLoad>(&load, name);
                let exclusive = of("exclusive") | u64::from(is_generous(of("address")));
                let flags = [("id", of("id")), ("exclusive", exclusive), ("last", 1)];
                let item = pack_data::<LineFill>(&content(of("address"), 1), &flags);
                bench.feed(fill, [item]);
            }
            for item in writebacks.take(&bench) {
                let dirty = field::<LineWriteback>(&item, "dirty");
                let line = field::<LineWriteback>(&item, "address");
                gave[dirty as usize] += 1;
                assert!(dirty == 0 || data(&item) == content(line, 0));
            }
            for item in ndr.take(&bench) {
                let tag = field::<CxlCompletion>(&item, "tag");
                let expected = open
                    .get_mut(&tag)
                    .and_then(|(due, _)| due.completion.take());
                assert_eq!(
                    expected,
                    Some(field::<CxlCompletion>(&item, "opcode")),
                    "tag {tag}"
                );
            }
            for item in drs.take(&bench) {
                let tag = field::<CxlData>(&item, "tag");
                let (due, line) = open.get_mut(&tag).expect("a request with this tag");
                assert_eq!(due.data.take(), Some(field::<CxlData>(&item, "opcode")));
                let whole = if due.load {
                    content(*line, 1)
                } else {
                    Value::ones(512)
                };
                assert_eq!(data(&item), whole);
                assert_eq!(field::<CxlData>(&item, "poison") == 0, due.load);
            }
        }
        assert_eq!((asked, gave), (0, [noticed, written]));
        let rest = open
            .values()
            .filter(|(due, _)| due.completion.is_some() || due.data.is_some());
        assert_eq!(rest.count(), 0);
        bench.steps(4);
        assert_eq!(counted.map(|pulse| bench.counted(pulse)), refused);
    }
}

#[test]
fn a_conflict_is_answered_behind_completions_and_a_snoop_leaves_behind_fills() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 5);
    bench.steps(LINES + 4);
    let reads = (0..6).map(|n| request(MEM_RD, n, 100 + n, OWN));
    let req = bench.source("req", reads.collect(), Pace::Full);
    let loads = bench.sink("load", Pace::Full);
    bench.run_until(loads, 6);
    let _ = req;
    let ids: Vec<u64> = bench
        .received(loads)
        .iter()
        .map(|l| field::<LineLoad>(l, "id"))
        .collect();
    // The host takes no completion: fills stay, and so does the recall behind them.
    let ndr = bench.sink("ndr", Pace::Stopped);
    bench.sink("drs", Pace::Full);
    let snoops = bench.sink("bisnp", Pace::Full);
    let fills = ids
        .iter()
        .map(|id| pack::<LineFill>(&[("id", *id), ("exclusive", 1), ("last", 1)]));
    let fill = bench.source("fill", fills.collect(), Pace::Full);
    bench.steps(20);
    let inside = bench.accept_cycles(fill).len();
    let last = inside as u64 - 1;
    let recall = pack::<LineRecall>(&[("address", last), ("id", last)]);
    bench.source("recall", vec![recall], Pace::Full);
    bench.steps(20);
    assert!(bench.received(snoops).is_empty(), "the fill has not left");
    bench.set_sink_pace(ndr, Pace::Full);
    bench.run_until(snoops, 1);
    let answered = bench.received(ndr).len();
    assert!(
        answered as u64 >= last,
        "{answered} of {inside} completions"
    );
    bench.set_sink_pace(ndr, Pace::Stopped);
    let conflict = pack::<CxlWrite>(&[("tag", 100 + last), ("opcode", BI_CONFLICT)]);
    bench.source("rwd", vec![conflict], Pace::Full);
    bench.steps(20);
    bench.set_sink_pace(ndr, Pace::Full);
    bench.run_until(ndr, 7);
    let tags: Vec<_> = bench
        .received(ndr)
        .iter()
        .map(|item| {
            (
                field::<CxlCompletion>(item, "opcode"),
                field::<CxlCompletion>(item, "tag"),
            )
        })
        .collect();
    let of = |opcode| tags.iter().position(|item| *item == (opcode, 100 + last));
    assert!(of(CMP_E) < of(BI_CONFLICT_ACK), "{tags:?}");
}

/// Device in-out ordering, table 3-59: snoop responses wait for nothing that the device sends, requests
/// with data for no snoop and no request.
#[test]
fn channels_that_must_not_wait_for_others_do_not() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 7);
    bench.steps(LINES + 4);
    let recall = |line| pack::<LineRecall>(&[("address", line), ("id", line)]);
    let recalls = bench.source("recall", vec![recall(1)], Pace::Full);
    let bisnp = bench.sink("bisnp", Pace::Full);
    bench.run_until(bisnp, 1);
    // Snoops, loads and responses with data stand, and all that leads to them is full.
    bench.set_sink_pace(bisnp, Pace::Stopped);
    bench.feed(recalls, (2..10).map(recall));
    let drs = bench.sink("drs", Pace::Stopped);
    let load = bench.sink("load", Pace::Stopped);
    let reads = (0..10).map(|n| request(MEM_RD, n, n, OWN));
    bench.source("req", reads.collect(), Pace::Full);
    let writebacks = bench.sink("writeback", Pace::Full);
    let ndr = bench.sink("ndr", Pace::Full);
    bench.steps(20);
    let write = |n| pack::<CxlWrite>(&[("address", n), ("tag", 100 + n), ("opcode", MEM_WR)]);
    let rwd = bench.source("rwd", (0..8).map(write).collect(), Pace::Full);
    bench.run_until(writebacks, 8);
    bench.run_until(ndr, 8);
    // Now completions stand too, and writes behind them.
    bench.set_sink_pace(ndr, Pace::Stopped);
    bench.feed(rwd, (8..20).map(write));
    bench.steps(20);
    let given = pack::<CxlSnoopResponse>(&[("opcode", BI_RSP_I), ("bi_tag", 1)]);
    bench.source("birsp", vec![given], Pace::Full);
    let acks = bench.sink("recall_ack", Pace::Full);
    bench.run_until(acks, 1);
    assert!(bench.received(load).is_empty() && bench.received(drs).is_empty());
    assert_eq!(bench.received(bisnp).len(), 1);
}

#[test]
fn every_way_takes_two_cycles_and_an_item_per_cycle() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(LINES + 4);
    let source =
        ["req", "rwd", "birsp", "fill", "recall"].map(|n| bench.source(n, vec![], Pace::Full));
    let sinks = ["load", "writeback", "recall_ack", "ndr", "drs", "bisnp"];
    let sink = sinks.map(|name| bench.sink(name, Pace::Full));
    let [req, rwd, birsp, fill, recall] = source;
    let [load, writeback, ack, ndr, drs, bisnp] = sink;
    let bench = &mut bench;
    assert_eq!(latency(bench, req, load, &[request(MEM_RD, 7, 1, OWN)]), 2);
    let id = field::<LineLoad>(&bench.received(load)[0], "id");
    let line = pack::<LineFill>(&[("id", id), ("exclusive", 1), ("last", 1)]);
    assert_eq!(latency(bench, fill, drs, &[line]), 2);
    assert_eq!(bench.receive_cycles(ndr), bench.receive_cycles(drs));
    let write = pack::<CxlWrite>(&[("address", 7), ("opcode", MEM_WR)]);
    assert_eq!(latency(bench, rwd, writeback, slice::from_ref(&write)), 2);
    let wanted = |line| pack::<LineRecall>(&[("address", line), ("id", line + 1000)]);
    assert_eq!(latency(bench, recall, bisnp, &[wanted(7)]), 2);
    let given = |line| pack::<CxlSnoopResponse>(&[("opcode", BI_RSP_I), ("bi_tag", line)]);
    assert_eq!(latency(bench, birsp, ack, &[given(7)]), 2);
    let id = field::<LineRecallAck>(&bench.received(ack)[0], "id");
    assert_eq!(id, 1007);

    let mut stream = |from: SourceId, to: SinkId, items: Vec<Value>| {
        let (count, before) = (items.len(), bench.received(to).len());
        bench.feed(from, items);
        bench.run_until(to, before + count);
        let cycles = bench.receive_cycles(to).split_off(before);
        assert_eq!(cycles[count - 1] - cycles[0], count as u64 - 1);
    };
    stream(
        req,
        load,
        (0..40).map(|n| request(MEM_RD, n, n, OWN)).collect(),
    );
    stream(rwd, writeback, vec![write; 40]);
    stream(recall, bisnp, (0..40).map(wanted).collect());
    stream(birsp, ack, (0..40).map(given).collect());
    let ids: Vec<_> = bench.received(load)[1..]
        .iter()
        .map(|l| field::<LineLoad>(l, "id"))
        .collect();
    let lines = ids
        .iter()
        .map(|id| pack::<LineFill>(&[("id", *id), ("last", 1)]));
    let before = bench.received(drs).len();
    bench.feed(fill, lines);
    bench.run_until(drs, before + 40);
    let cycles = bench.receive_cycles(drs).split_off(before);
    assert_eq!(cycles[39] - cycles[0], 39);
}

#[test]
fn responses_of_no_snoop_are_dropped_and_counted() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(LINES + 4);
    let given = |line| pack::<CxlSnoopResponse>(&[("opcode", BI_RSP_I), ("bi_tag", line)]);
    bench.source(
        "birsp",
        vec![given(3), given(LINES), given(4095)],
        Pace::Full,
    );
    let ack = bench.sink("recall_ack", Pace::Full);
    let dropped = bench.pulses("events", "bus_dropped_responses");
    bench.steps(20);
    assert!(bench.received(ack).is_empty());
    assert_eq!(bench.counted(dropped), 3);
}
