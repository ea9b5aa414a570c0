//! The PCIe adapter.

use super::super::pcie::{DEADLINE_CYCLES, designs};
use super::*;
use crate::host::adapter::types::{GatherRequest, ReadAnswer};
use crate::testing::{Pace, Rng, rng, root_seed};
use crate::types::{LineRecall, LineRecallAck};
use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole, Parity};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::TxKind;
use rand::Rng as _;
use std::collections::BTreeMap;
use std::slice;

/// Lines of the aperture, and the cycles that the tables need to be cleared.
const LINES: u64 = 512;

fn adapter() -> Network {
    let blocks = vec![
        ("ar_skid$0".into(), skid::<AxiAddress>()),
        ("load_skid".into(), skid::<LineLoad>()),
        ("fill_skid".into(), skid::<LineFill>()),
        ("answer_skid".into(), skid::<ReadAnswer>()),
    ];
    network(
        designs(),
        &["read", "deadline", "requests", "gather", "reports"],
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
        let word = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
        let end =
            32 + if word >> 1 & 7 == TxKind::Frame as u32 {
                2
            } else {
                0
            } + (word >> 16) as usize;
        let needed = u64::MAX >> (64 - end.div_ceil(8).clamp(1, 8) * 8);
        let announced = control && word & 1 == 1 && *mask & needed == needed;
        let leaves = strobe != 0 && (!transmit || *mask == u64::MAX || announced);
        leaves.then(|| self.0.remove(&line).expect("it is there").0)
    }

    /// A recall; whether something was here, and what.
    fn recall(&mut self, line: u64) -> (bool, [u8; 64]) {
        let (bytes, mask) = self.0.remove(&line).unwrap_or(([0; 64], 0));
        (mask != 0, bytes)
    }

    fn incomplete(&self) -> usize {
        self.0.values().filter(|(_, mask)| *mask != 0).count()
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
        let counted = bench.pulses("events", "bus_refused_writes");
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
                let (dirty, bytes) = kept.recall(line);
                given.push((line + 9, dirty, bytes));
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
        let amount = bench.dut.peek_field("events", "bus_incomplete");
        assert_eq!(amount, kept.incomplete() as u64);
        let refused = responses.iter().filter(|(_, resp)| *resp != 0).count();
        assert_eq!(bench.counted(counted), refused as u64);
    }
}

fn gather() -> Interpreter {
    let mut designs = designs().into_iter();
    let gather = designs.find(|design| design.name == "adapter_pcie_gather");
    Interpreter::new(gather.and_then(|gather| gather.leaf).expect("a leaf"))
}

/// Bytes to write and which of them: words, single bytes, all or none.
fn pieces(rng: &mut Rng) -> ([u8; 64], u64) {
    let mut bytes: [u8; 64] = rng.random();
    // Control words that announce short messages, so that some end within the line.
    let word = rng.random_range(0..40u32) << 16 | rng.random_range(0..8u32);
    bytes[..4].copy_from_slice(&word.to_le_bytes());
    let strobe = match rng.random_range(0..8) {
        0 => 0,
        1 => rng.random(),
        2 => 1 << rng.random_range(0..64),
        _ => words(rng)
            .iter()
            .fold(0, |mask, word| mask | 0xff << (8 * word)),
    };
    (bytes, strobe)
}

/// Whatever is under way, what is about one line follows without a gap, and sees what was before it.
#[test]
fn requests_about_one_line_come_back_to_back() {
    let root = root_seed();
    let layout = EndpointLayout::contiguous(&NicConfig::cxl());
    let roles = [
        LineRole::TxControl(Parity::Zero),
        LineRole::TxOverflow(0),
        LineRole::TxOverflow(1),
        LineRole::RxControl(Parity::One),
    ];
    for (round, pace) in [Pace::Full, Pace::Percent(60), Pace::Bursts]
        .into_iter()
        .enumerate()
    {
        let mut rng = rng(root, &format!("pcie one line {round}"));
        let mut dut = gather();
        let mut bench = Bench::new(&mut dut, rng.random());
        bench.steps(LINES + 4);
        let mut kept = Kept::default();
        let (mut requests, mut lines, mut given, mut answers) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut role = roles[0];
        for n in 0..3000u64 {
            if rng.random_ratio(1, 3) {
                role = roles[rng.random_range(0..roles.len())];
            }
            let line = layout.address(1, role).expect("it is there").0.into();
            let (mut bytes, mut strobe) = pieces(&mut rng);
            let (mut id, mut resp, mut recall) = (n % 128, 0, 0);
            match rng.random_range(0..10) {
                0 => (resp, strobe) = (rng.random_range(2..4), 0),
                1 => (id, recall, strobe) = (n, 1, 0),
                _ => {}
            }
            let fields = [
                ("strobe", strobe),
                ("line", line),
                ("id", id),
                ("resp", resp),
                ("recall", recall),
            ];
            requests.push(pack_data::<GatherRequest>(
                &Value::from_bytes(512, &bytes),
                &fields,
            ));
            if recall == 1 {
                let dirty;
                (dirty, bytes) = kept.recall(line);
                given.push((id, dirty, bytes));
                continue;
            }
            answers.push((id, resp));
            let whole = kept.write(Some(role), line, bytes, strobe);
            lines.extend(whole.map(|bytes| (line, bytes)));
        }
        let count = requests.len();
        let source = bench.source("request", requests, pace);
        let sinks = ["writeback", "ack", "b"].map(|name| bench.sink(name, pace));
        bench.run_until(sinks[2], answers.len());
        bench.steps(40);
        let [writebacks, acks, responses] = sinks.map(|sink| bench.received(sink));
        let bytes = |item: &Value| -> [u8; 64] { data(item).to_bytes().try_into().expect("64") };
        let line = |item| (field::<LineWriteback>(item, "address"), bytes(item));
        assert_eq!(writebacks.iter().map(line).collect::<Vec<_>>(), lines);
        let of = |item: &Value, name| field::<LineRecallAck>(item, name);
        let ack = |item| (of(item, "id"), of(item, "dirty") == 1, bytes(item));
        assert_eq!(acks.iter().map(ack).collect::<Vec<_>>(), given);
        let of = |item: &Value, name| field::<AxiWriteResponse>(item, name);
        let response = |item| (of(item, "id"), of(item, "resp"));
        assert_eq!(responses.iter().map(response).collect::<Vec<_>>(), answers);
        assert_eq!(bench.dut.peek("incomplete"), kept.incomplete() as u64);
        let cycles = bench.accept_cycles(source);
        if round == 0 {
            assert_eq!(cycles[count - 1] - cycles[0], count as u64 - 1);
        }
    }
}

#[test]
fn gathering_takes_two_cycles_and_its_answer_a_third() {
    let mut dut = gather();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(LINES + 4);
    let request = bench.source("request", vec![], Pace::Full);
    let [writeback, ack, b] = ["writeback", "ack", "b"].map(|name| bench.sink(name, Pace::Full));
    let write = pack::<GatherRequest>(&[("strobe", u64::MAX), ("line", 7)]);
    let recall = pack::<GatherRequest>(&[("recall", 1), ("line", 7)]);
    let bench = &mut bench;
    assert_eq!(
        latency(bench, request, writeback, slice::from_ref(&write)),
        2
    );
    bench.run_until(b, 1);
    assert_eq!(latency(bench, request, b, &[write]), 3);
    assert_eq!(latency(bench, request, ack, &[recall]), 2);
}

#[test]
fn a_read_that_the_card_does_not_answer_is_answered() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 3);
    bench.steps(LINES + 4);
    let refused = bench.pulses("events", "bus_refused_requests");
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
    assert_eq!(bench.counted(refused), 2);
}

#[test]
fn every_way_takes_three_cycles_and_an_item_per_cycle() {
    let mut dut = adapter();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(LINES + 4);
    let source =
        ["ar$0", "aw$0", "w$0", "fill", "recall"].map(|n| bench.source(n, vec![], Pace::Full));
    let sink = ["load", "r$0", "writeback", "b$0", "recall_ack"].map(|n| bench.sink(n, Pace::Full));
    let [ar, aw, w, fill, recall] = source;
    let [load, r, writeback, _, ack] = sink;
    let bench = &mut bench;
    assert_eq!(latency(bench, ar, load, &[address(7, 3, 0)]), 3);
    let line = |id| pack::<LineFill>(&[("id", id), ("last", 1)]);
    assert_eq!(latency(bench, fill, r, &[line(3)]), 3);
    let beat = pack::<AxiWriteData>(&[("strobe", u64::MAX), ("last", 1)]);
    bench.feed(aw, [address(7, 4, 0)]);
    bench.steps(4);
    assert_eq!(latency(bench, w, writeback, slice::from_ref(&beat)), 3);
    let wanted = |line| pack::<LineRecall>(&[("address", line), ("id", line)]);
    assert_eq!(latency(bench, recall, ack, &[wanted(7)]), 3);

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
