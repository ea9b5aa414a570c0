//! The block for recalls alone, with everything about a few lines in neighbouring cycles.

use super::super::eci::*;
use super::eci::{TABLE_LINES, acknowledgement};
use super::*;
use crate::rtl::Dut;
use crate::testing::{Pace, Rng, rng, root_seed};
use crate::types::LineRecall;
use lauberhorn_coherence::planner::slice_name;
use rand::Rng as _;
use rand::seq::IndexedRandom;
use std::collections::{BTreeSet, VecDeque};

/// The byte address of a line, as the adapter's blocks name it, and its slice.
fn place(line: u32) -> (u64, usize) {
    let name = slice_name(line);
    (u64::from(name) << 7, usize::from(name % 2 == 0))
}

fn block() -> Interpreter {
    let mut designs = designs().into_iter();
    let design = designs.find(|design| design.name == "adapter_eci_recall");
    Interpreter::new(design.and_then(|design| design.leaf).expect("a leaf"))
}

/// What happens about a line, as the ports show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Load,
    Fill,
    Recall,
    Lci,
    Unlock,
    Dropped,
    Ack,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Recall {
    #[default]
    None,
    Arrived,
    Waits,
    /// Its acknowledgement has not left yet.
    Acknowledged,
}

/// The table in the block's header: one line, one event after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    loading: bool,
    out: bool,
    recall: Recall,
}

impl Line {
    /// What may happen without a sign: a recall is acknowledged clean, or joins an LCI that is out.
    fn silent(self) -> Option<Line> {
        let recall = match self.recall {
            Recall::Arrived if self.loading => Recall::Acknowledged,
            Recall::Arrived if self.out => Recall::Waits,
            _ => return None,
        };
        Some(Line { recall, ..self })
    }

    fn after(self, event: Event) -> Option<Line> {
        let answered = match self.recall {
            Recall::Waits => Recall::Acknowledged,
            other => other,
        };
        let mut next = self;
        match event {
            Event::Load if !self.loading => (next.loading, next.recall) = (true, answered),
            Event::Fill if self.loading => next.loading = false,
            Event::Recall if self.recall == Recall::None => next.recall = Recall::Arrived,
            Event::Lci if self.recall == Recall::Arrived && !self.loading && !self.out => {
                (next.out, next.recall) = (true, Recall::Waits);
            }
            Event::Unlock if self.out => (next.out, next.recall) = (false, answered),
            Event::Dropped if !self.out => {}
            Event::Ack if self.recall == Recall::Acknowledged => next.recall = Recall::None,
            _ => return None,
        }
        Some(next)
    }
}

/// All that a line may be, after what was seen of it.
#[derive(Clone, Debug)]
struct Possible(BTreeSet<Line>);

impl Possible {
    fn see(&mut self, event: Event) -> bool {
        let silent: Vec<_> = self.0.iter().filter_map(|line| line.silent()).collect();
        self.0.extend(silent);
        self.0 = self.0.iter().filter_map(|line| line.after(event)).collect();
        !self.0.is_empty()
    }
}

/// Offers and takes what it likes, as long as the card keeps to the line port's rules.
struct Around<'d> {
    dut: &'d mut Interpreter,
    rng: Rng,
    pace: Pace,
    active: [bool; 12],
    lines: Vec<u32>,
    possible: Vec<Possible>,
    load: Option<(usize, u64)>,
    recall: Option<usize>,
    lcia: [Option<Option<usize>>; 2],
    fill: Option<(usize, u64, bool)>,
    /// Of each line: the id of a load that was not answered, and whether the card has it.
    loads: Vec<Option<(u64, bool)>>,
    /// Of each line: a recall that was not acknowledged.
    recalls: Vec<bool>,
    /// Lines of the acknowledgements that were taken, none when not well formed.
    judged: VecDeque<Option<usize>>,
    seen: Vec<(usize, Event)>,
    counts: [usize; 7],
    crossed: usize,
}

impl Around<'_> {
    fn new(dut: &mut Interpreter, rng: Rng, pace: Pace) -> Around<'_> {
        // Of both slices.
        let lines = vec![0, 1, 38, 255];
        let none = vec![None; lines.len()];
        Around {
            dut,
            rng,
            pace,
            active: [true; 12],
            possible: vec![Possible([Line::default()].into()); lines.len()],
            load: None,
            recall: None,
            lcia: [None; 2],
            fill: None,
            loads: none,
            recalls: vec![false; lines.len()],
            judged: VecDeque::new(),
            seen: Vec::new(),
            counts: [0; 7],
            crossed: 0,
            lines,
        }
    }

    fn decide(&mut self, channel: usize) -> bool {
        self.pace.decide(&mut self.rng, &mut self.active[channel])
    }

    fn any(&mut self, may: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let lines: Vec<_> = (0..self.lines.len()).filter(|n| may(self, *n)).collect();
        lines.choose(&mut self.rng).copied()
    }

    fn note(&mut self, line: usize, event: Event) {
        self.seen.push((line, event));
    }

    /// A cycle; `busy` is over at the end, when only what was begun is brought to its end.
    fn cycle(&mut self, busy: bool) {
        let answer_ready = self.decide(0);
        self.dut.poke("answer$ready", answer_ready.into());
        let mut take = |port: &str, channel: usize| {
            let ready = self.decide(channel);
            self.dut.poke(&format!("{port}$ready"), ready.into());
            ready
        };
        let load_ready = take("load_out", 1);
        let ack_ready = take("ack", 2);
        let lci_ready = [take("lci$0", 3), take("lci$1", 4)];
        let ul_ready = [take("ul$0", 5), take("ul$1", 6)];

        if self.fill.is_none() && self.decide(7) {
            let line = self.any(|s, n| matches!(s.loads[n], Some((_, true))) && !s.recalls[n]);
            let id = |line: usize| self.loads[line].map_or(0, |(id, _)| id);
            self.fill = line.map(|line| (line, id(line), false));
        }
        let ends = |(line, _, last): (usize, u64, bool)| (last && answer_ready).then_some(line);
        let ends = self.fill.and_then(ends);
        if busy && self.load.is_none() && self.decide(8) {
            let id = self.rng.random_range(0..8);
            let taken = self.loads.iter().flatten().any(|(other, _)| *other == id);
            let line = self.any(|s, n| s.loads[n].is_none() && !taken);
            self.load = line.map(|line| (line, id));
            line.inspect(|line| self.loads[*line] = Some((id, false)));
        }
        if busy && self.recall.is_none() && self.decide(9) {
            let fill = self
                .fill
                .map(|(line, _, _)| line)
                .filter(|_| ends.is_none());
            let line = self.any(|s, n| !s.recalls[n] && fill != Some(n));
            self.recall = line;
            line.inspect(|line| self.recalls[*line] = true);
        }
        for slice in 0..2 {
            if self.lcia[slice].is_none() && self.decide(10 + slice) {
                let here = |s: &Self, n: usize| place(s.lines[n]).1 == slice;
                let out = |s: &Self, n: usize| s.possible[n].0.iter().any(|line| line.out);
                let line = self.any(|s, n| here(s, n) && (busy || out(s, n)));
                let wrong = busy && self.rng.random_ratio(1, 8);
                self.lcia[slice] = line.map(|line| (!wrong).then_some(line));
            }
        }
        self.offer();

        // What passes in this cycle, in the order in which the block may do it.
        if let Some((line, id, last)) = self.fill {
            assert_eq!(self.dut.peek("answer$valid"), 1);
            if answer_ready {
                self.fill = (!last).then_some((line, id, true));
            }
            if let Some(line) = ends {
                self.loads[line] = None;
                self.note(line, Event::Fill);
            }
        }
        let load_out = self.dut.peek("load_out$valid") == 1;
        if load_out && load_ready {
            let address = self.dut.peek_field("load_out$payload", "address");
            let line = self.line(address as u32);
            let id = self.dut.peek_field("load_out$payload", "id");
            assert_eq!(self.loads[line], Some((id, false)));
            self.loads[line] = Some((id, true));
            self.note(line, Event::Load);
        }
        for slice in 0..2 {
            let messages = [
                ("lci", Event::Lci, lci_ready),
                ("ul", Event::Unlock, ul_ready),
            ];
            for (port, event, ready) in messages {
                if self.dut.peek(&format!("{port}${slice}$valid")) == 1 && ready[slice] {
                    let payload = format!("{port}${slice}$payload");
                    let word = self.dut.peek_field(&payload, "word") & ((1 << 40) - 1);
                    let line = slice_name((word >> 7) as u32);
                    assert_eq!(place(line).1, slice);
                    let line = self.line(line);
                    if event == Event::Unlock {
                        assert_eq!(self.judged.pop_front(), Some(Some(line)));
                    }
                    self.note(line, event);
                }
            }
        }
        if self.dut.peek("ack$valid") == 1 && ack_ready {
            let line = self.dut.peek_field("ack$payload", "id") as usize ^ 0x5000;
            self.recalls[line] = false;
            self.note(line, Event::Ack);
        }
        self.accept();
    }

    fn line(&self, line: u32) -> usize {
        let found = self.lines.iter().position(|other| *other == line);
        found.unwrap_or_else(|| panic!("line {line} is not in use"))
    }

    /// Drives the inputs.
    fn offer(&mut self) {
        let (load, recall) = (self.load, self.recall);
        self.dut.poke("load$valid", load.is_some().into());
        if let Some((line, id)) = load {
            let hashed = place(self.lines[line]).0 >> 7;
            let item = pack::<LineLoad>(&[("address", hashed), ("id", id)]);
            self.dut.set("load$payload", &item);
        }
        self.dut.poke("recall$valid", recall.is_some().into());
        if let Some(line) = recall {
            let fields = [
                ("address", self.lines[line].into()),
                ("id", line as u64 ^ 0x5000),
            ];
            self.dut.set("recall$payload", &pack::<LineRecall>(&fields));
        }
        self.dut.poke("fill$valid", self.fill.is_some().into());
        if let Some((_, id, last)) = self.fill {
            let item = pack::<LineFill>(&[("id", id), ("last", last.into())]);
            self.dut.set("fill$payload", &item);
        }
        for slice in 0..2 {
            let lcia = self.lcia[slice];
            self.dut
                .poke(&format!("lcia${slice}$valid"), lcia.is_some().into());
            let Some(line) = lcia else { continue };
            let mut item = acknowledgement(line.map_or(0, |n| place(self.lines[n]).0), slice);
            if line.is_none() {
                let bit = self.dut.field("lcia$0$payload", "size").0;
                item.set_slice(bit, &Value::new(1, 0));
            }
            self.dut.set(&format!("lcia${slice}$payload"), &item);
        }
    }

    /// Looks at what was taken, and ends the cycle.
    fn accept(&mut self) {
        if self.dut.peek("load$ready") == 1 {
            self.load = None;
        }
        let recall = match self.dut.peek("recall$ready") {
            1 => self.recall.take(),
            _ => None,
        };
        if let Some(line) = recall {
            self.note(line, Event::Recall);
        }
        let mut judged = None;
        for slice in 0..2 {
            if self.dut.peek(&format!("lcia${slice}$ready")) == 1 {
                judged = judged.or(self.lcia[slice].take());
            }
        }
        self.dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        if self.dut.peek("dropped") == 1 {
            let line = self.judged.pop_front().expect("one was taken");
            line.inspect(|line| self.seen.insert(0, (*line, Event::Dropped)));
        }
        self.judged.extend(judged);
        for (line, event) in std::mem::take(&mut self.seen) {
            self.counts[event as usize] += 1;
            let waits = |line: &Line| line.recall == Recall::Waits;
            let before = self.possible[line].clone();
            self.crossed += usize::from(event == Event::Load && before.0.iter().all(waits));
            assert!(
                self.possible[line].see(event),
                "line {line}: {event:?} does not follow from {before:?}"
            );
        }
    }

    fn is_done(&self) -> bool {
        let idle = BTreeSet::from([Line::default()]);
        self.judged.is_empty() && self.possible.iter().all(|line| line.0 == idle)
    }
}

#[test]
fn what_meets_in_neighbouring_cycles_is_as_one_after_the_other() {
    let root = root_seed();
    for (round, pace) in [
        Pace::Full,
        Pace::Percent(70),
        Pace::Percent(30),
        Pace::Bursts,
    ]
    .into_iter()
    .enumerate()
    {
        let mut dut = block();
        dut.reset();
        let rng = rng(root, &format!("eci recall block {round}"));
        let mut around = Around::new(&mut dut, rng, pace);
        for _ in 0..TABLE_LINES + 12_000 {
            around.cycle(true);
        }
        for _ in 0..1_000 {
            around.cycle(false);
        }
        assert!(around.is_done(), "{:?}", around.possible);
        println!(
            "{pace:?}: {:?}, {} met a load",
            around.counts, around.crossed
        );
        assert!(around.counts.iter().all(|count| *count > 50));
        assert!(around.crossed > 30);
    }
}

fn load(line: u32, id: u32) -> Value {
    pack::<LineLoad>(&[("address", place(line).0 >> 7), ("id", id.into())])
}

fn recall(line: u32) -> Value {
    pack::<LineRecall>(&[("address", line.into()), ("id", line.into())])
}

fn lcia(line: u32) -> Value {
    let (address, slice) = place(line);
    acknowledgement(address, slice)
}

fn fill(id: u32) -> [Value; 2] {
    [0, 1].map(|last| pack::<LineFill>(&[("id", id.into()), ("last", last)]))
}

#[test]
fn every_way_keeps_its_latency_with_one_of_each_per_cycle() {
    let mut dut = block();
    let mut bench = Bench::new(&mut dut, 1);
    bench.steps(TABLE_LINES + 4);
    let mut source = |name: &str| bench.source(name, vec![], Pace::Full);
    let [loads, fills, recalls] = ["load", "fill", "recall"].map(&mut source);
    let lcias = ["lcia$0", "lcia$1"].map(&mut source);
    let mut sink = |name: &str| bench.sink(name, Pace::Full);
    let [load_out, answer, ack] = ["load_out", "answer", "ack"].map(&mut sink);
    let lcis = ["lci$0", "lci$1"].map(&mut sink);
    let uls = ["ul$0", "ul$1"].map(&mut sink);

    let slice = place(200).1;
    let mut way = |from, to, items: &[Value]| latency(&mut bench, from, to, items);
    assert_eq!(way(recalls, lcis[slice], &[recall(200)]), 1);
    assert_eq!(way(lcias[slice], ack, &[lcia(200)]), 1);
    assert_eq!(way(recalls, lcis[slice], &[recall(200)]), 1);
    assert_eq!(way(lcias[slice], uls[slice], &[lcia(200)]), 1);
    assert_eq!(way(loads, load_out, &[load(200, 255)]), 1);
    assert_eq!(way(recalls, ack, &[recall(200)]), 1);
    assert_eq!(way(fills, answer, &fill(255)), 0);
    assert_eq!(way(recalls, lcis[place(201).1], &[recall(201)]), 1);
    assert_eq!(way(loads, ack, &[load(201, 254)]), 2);

    // Some lines are recalled, others loaded; then everything goes on at once.
    bench.feed(recalls, (0..64).map(recall));
    bench.feed(loads, (64..128).map(|line| load(line, line - 64)));
    bench.steps(70);
    let starts = [loads, fills, recalls].map(|source| bench.accept_cycles(source).len());
    bench.feed(loads, (128..192).map(|line| load(line, line)));
    bench.feed(fills, (0..32).flat_map(fill));
    // Half of them are of lines with a load.
    bench.feed(
        recalls,
        (0..32).flat_map(|n| [recall(192 + n), recall(96 + n)]),
    );
    bench.steps(70);
    for (source, start) in [loads, fills, recalls].into_iter().zip(starts) {
        let cycles = &bench.accept_cycles(source)[start..];
        assert_eq!(cycles.len(), 64);
        assert_eq!(cycles[63] - cycles[0], 63);
    }
    let starts = lcias.map(|source| bench.accept_cycles(source).len());
    let start = bench.accept_cycles(recalls).len();
    for line in 0..64 {
        bench.feed(lcias[place(line).1], [lcia(line)]);
    }
    bench.feed(recalls, (224..256).map(recall));
    bench.steps(70);
    let cycles = |slice: usize| bench.accept_cycles(lcias[slice])[starts[slice]..].iter();
    let cycles: BTreeSet<_> = cycles(0).chain(cycles(1)).collect();
    assert_eq!(cycles.len(), 64);
    let ends = [cycles.first(), cycles.last()].map(|cycle| **cycle.expect("there are some"));
    assert_eq!(ends[1] - ends[0], 63);
    let cycles = &bench.accept_cycles(recalls)[start..];
    assert_eq!((cycles.len(), cycles[31] - cycles[0]), (32, 31));
}
