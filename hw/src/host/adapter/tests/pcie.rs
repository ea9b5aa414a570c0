//! The PCIe adapter.

use super::super::pcie::{DEADLINE_CYCLES, designs};
use super::*;
use crate::testing::{Pace, Rng, rng, root_seed};
use crate::types::{LineRecall, LineRecallAck};
use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{TxHeader, TxKind};
use rand::Rng as _;
use std::collections::BTreeMap;
use std::slice;

/// Lines of the aperture, and the cycles that the tables need to be cleared.
const LINES: u64 = 512;

fn adapter() -> Network {
    let blocks = vec![
        ("ar_skid$0".into(), skid::<AxiAddress>()),
        ("aw_skid$0".into(), skid::<AxiAddress>()),
        ("w_skid$0".into(), skid::<AxiWriteData>()),
        ("b_skid$0".into(), skid::<AxiWriteResponse>()),
        ("fill_skid".into(), skid::<LineFill>()),
        ("recall_skid".into(), skid::<LineRecall>()),
    ];
    network(
        designs(),
        &["read", "deadline", "gather", "counters"],
        blocks,
    )
}

fn address(line: u64, id: u64, len: u64) -> Value {
    let fields = [
        ("address", line << 6),
        ("id", id),
        ("len", len),
        ("size", 6),
        ("burst", 1),
    ];
    pack::<AxiAddress>(&fields)
}

/// What the gatherer must do, line by line: the bytes that are here.
#[derive(Default)]
struct Kept(BTreeMap<u64, ([u8; 64], u64)>);

impl Kept {
    /// A write; the line that leaves.
    fn write(
        &mut self,
        role: Option<LineRole>,
        line: u64,
        new: [u8; 64],
        strobe: u64,
    ) -> Option<[u8; 64]> {
        let (bytes, mask) = self.0.entry(line).or_insert(([0; 64], 0));
        for (byte, value) in new.into_iter().enumerate() {
            if strobe >> byte & 1 == 1 {
                bytes[byte] = value;
            }
        }
        *mask |= strobe;
        let transmit = role.is_some_and(LineRole::is_tx);
        let control = matches!(role, Some(LineRole::TxControl(_)));
        let header = bytes.first_chunk().expect("32 bytes");
        let word = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
        let end =
            32 + if word >> 1 & 7 == TxKind::Frame as u32 {
                2
            } else {
                0
            } + (word >> 16) as usize;
        let needed = u64::MAX >> (64 - end.div_ceil(8).clamp(1, 8) * 8);
        let valid = TxHeader::decode(header).is_ok_and(|header| header.kind.is_valid());
        let announced = control && word & 1 == 1 && *mask & needed == needed;
        assert!(!announced || valid || word & 1 == 1);
        let leaves = strobe != 0 && (!transmit || *mask == u64::MAX || announced);
        leaves.then(|| self.0.remove(&line).expect("it is there").0)
    }
}

fn words(rng: &mut Rng) -> Vec<usize> {
    let first = rng.random_range(0..8);
    let last = rng.random_range(first..8);
    match rng.random_range(0..3) {
        0 => (0..8).collect(),
        1 => (first..=last).collect(),
        _ => vec![first],
    }
}

#[test]
fn stores_come_together_and_recalls_bring_what_is_there() {
    let root = root_seed();
    let config = NicConfig::cxl();
    let layout = EndpointLayout::contiguous(&config);
    for (round, pace) in [Pace::Full, Pace::Percent(60), Pace::Bursts]
        .into_iter()
        .enumerate()
    {
        let mut rng = rng(root, &format!("pcie stores {round}"));
        let mut dut = adapter();
        let mut bench = Bench::new(&mut dut, rng.random());
        bench.steps(LINES + 4);
        let aw = bench.source("aw$0", vec![], pace);
        let w = bench.source("w$0", vec![], pace);
        let recall = bench.source("recall", vec![], pace);
        let answers = bench.sink("b$0", pace);
        let writebacks = bench.sink("writeback", pace);
        let acks = bench.sink("recall_ack", pace);
        let mut kept = Kept::default();
        let some_lines: Vec<u64> = (0..10).map(|_| rng.random_range(0..320)).collect();
        let (mut lines, mut given, mut responses) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..400u64 {
            let line = some_lines[rng.random_range(0..some_lines.len())];
            let role = layout
                .locate(LineAddress(line as u32))
                .map(|(_, role)| role);
            if rng.random_ratio(1, 8) {
                // All writes before it are done.
                bench.run_until(answers, responses.len());
                let item = pack::<LineRecall>(&[("address", line), ("id", line + 9)]);
                bench.feed(recall, [item]);
                let (bytes, mask) = kept.0.remove(&line).unwrap_or(([0; 64], 0));
                given.push((line + 9, mask != 0, bytes));
                bench.run_until(acks, given.len());
                continue;
            }
            let id = n % 128;
            let refusal = rng.random_range(0..12);
            if refusal < 2 {
                let outside = refusal == 0;
                let len = if outside {
                    0
                } else {
                    [1, 3, 255][rng.random_range(0..3)]
                };
                let place = if outside {
                    line | LINES << rng.random_range(0..20)
                } else {
                    line
                };
                bench.feed(aw, [address(place, id, len)]);
                let beat = |n| {
                    pack::<AxiWriteData>(&[("strobe", u64::MAX), ("last", u64::from(n == len))])
                };
                bench.feed(w, (0..=len).map(beat));
                responses.push((id, if outside { 3 } else { 2 }));
                continue;
            }
            let mut bytes: [u8; 64] = rng.random();
            // Control words that announce short messages, so that some end within the line.
            bytes[..4].copy_from_slice(
                &(rng.random_range(0..40u32) << 16 | rng.random_range(0..8u32)).to_le_bytes(),
            );
            let strobe = words(&mut rng)
                .iter()
                .fold(0, |mask, word| mask | 0xff << (8 * word));
            let item = pack::<AxiWriteData>(&[("strobe", strobe), ("last", 1)]);
            let mut beat = item;
            beat.set_slice(0, &Value::from_bytes(512, &bytes));
            bench.feed(aw, [address(line, id, 0)]);
            bench.feed(w, [beat]);
            responses.push((id, 0));
            lines.extend(
                kept.write(role, line, bytes, strobe)
                    .map(|bytes| (line, bytes)),
            );
        }
        bench.run_until(answers, responses.len());
        bench.steps(10);
        let read = |item: &Value| {
            let of = |name| field::<AxiWriteResponse>(item, name);
            (of("id"), of("resp"))
        };
        let got: Vec<_> = bench.received(answers).iter().map(read).collect();
        assert_eq!(got, responses);
        let bytes = |item: &Value| -> [u8; 64] { data(item).to_bytes().try_into().expect("64") };
        let got: Vec<_> = bench.received(writebacks);
        let got: Vec<_> = got
            .iter()
            .map(|item| (field::<LineWriteback>(item, "address"), bytes(item)))
            .collect();
        assert_eq!(got, lines);
        let got = bench.received(acks);
        let of = |item: &Value, name| field::<LineRecallAck>(item, name);
        let got: Vec<_> = got
            .iter()
            .map(|item| (of(item, "id"), of(item, "dirty") == 1, bytes(item)))
            .collect();
        assert_eq!(got, given);
        let incomplete = kept.0.values().filter(|(_, mask)| *mask != 0).count();
        assert_eq!(bench.dut.peek("incomplete"), incomplete as u64);
        let refused = responses.iter().filter(|(_, resp)| *resp != 0).count();
        assert_eq!(bench.dut.peek("refused$1"), refused as u64);
    }
}

#[test]
fn a_read_that_the_card_does_not_answer_is_answered() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 3);
    bench.steps(LINES + 4);
    let ar = bench.source("ar$0", vec![address(5, 17, 0)], Pace::Full);
    let load = bench.sink("load", Pace::Full);
    let r = bench.sink("r$0", Pace::Full);
    let fill = bench.source("fill", vec![], Pace::Full);
    bench.run_until(load, 1);
    for _ in 0..DEADLINE_CYCLES + 400 {
        bench.step();
    }
    let taken = bench.receive_cycles(r)[0] - bench.accept_cycles(ar)[0];
    assert!(
        (DEADLINE_CYCLES..DEADLINE_CYCLES + 200).contains(&taken),
        "{taken} cycles"
    );
    // Its id fails at once, others go on.
    bench.feed(ar, [address(6, 17, 0), address(7, 18, 0)]);
    bench.run_until(load, 2);
    bench.run_until(r, 2);
    let item = |line: u64, id: u64| {
        pack_data::<LineFill>(
            &content(line, 0),
            &[("id", id), ("exclusive", 1), ("last", 1)],
        )
    };
    // The card's answer comes late and goes nowhere; then the id is good again.
    bench.feed(fill, [item(7, 18), item(5, 17)]);
    bench.run_until(r, 3);
    bench.steps(20);
    bench.feed(ar, [address(8, 17, 0)]);
    bench.run_until(load, 3);
    bench.feed(fill, [item(8, 17)]);
    bench.run_until(r, 4);
    bench.steps(20);
    let of = |item: &Value, name| field::<AxiReadData>(item, name);
    let got = bench.received(r);
    let got: Vec<_> = got
        .iter()
        .map(|item| (of(item, "id"), of(item, "resp"), data(item)))
        .collect();
    let failed = (17, 2, Value::zero(512));
    let expected = [
        failed.clone(),
        failed,
        (18, 0, content(7, 0)),
        (17, 0, content(8, 0)),
    ];
    assert_eq!(got, expected);
    assert_eq!(bench.dut.peek("refused$0"), 2);
}

#[test]
fn every_way_takes_two_cycles_and_an_item_per_cycle() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(LINES + 4);
    let source =
        ["ar$0", "aw$0", "w$0", "fill", "recall"].map(|n| bench.source(n, vec![], Pace::Full));
    let sink = ["load", "r$0", "writeback", "b$0", "recall_ack"].map(|n| bench.sink(n, Pace::Full));
    let [ar, aw, w, fill, recall] = source;
    let [load, r, writeback, _, ack] = sink;
    let bench = &mut bench;
    assert_eq!(latency(bench, ar, load, &[address(7, 3, 0)]), 2);
    let line = |id| pack::<LineFill>(&[("id", id), ("last", 1)]);
    assert_eq!(latency(bench, fill, r, &[line(3)]), 2);
    let beat = pack::<AxiWriteData>(&[("strobe", u64::MAX), ("last", 1)]);
    bench.feed(aw, [address(7, 4, 0)]);
    bench.steps(4);
    assert_eq!(latency(bench, w, writeback, slice::from_ref(&beat)), 2);
    let wanted = |line| pack::<LineRecall>(&[("address", line), ("id", line)]);
    assert_eq!(latency(bench, recall, ack, &[wanted(7)]), 2);

    bench.feed(aw, (0..40).map(|n| address(n, n, 0)));
    let mut stream = |from: SourceId, to: SinkId, items: Vec<Value>| {
        let (count, before) = (items.len(), bench.received(to).len());
        bench.feed(from, items);
        bench.run_until(to, before + count);
        let cycles = bench.receive_cycles(to).split_off(before);
        assert_eq!(cycles[count - 1] - cycles[0], count as u64 - 1);
    };
    stream(w, writeback, vec![beat; 40]);
    stream(ar, load, (0..40).map(|n| address(n, n, 0)).collect());
    stream(fill, r, (0..40).map(line).collect());
    stream(recall, ack, (0..40).map(wanted).collect());
}
