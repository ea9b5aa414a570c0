//! The preemption lines alone, with hosts that load, change, evict and drop them, against
//! `coherence`'s replay of `PreemptHome`; and their latency. Then on the card.

use super::card::{Card, Return};
use super::small;
use crate::host::preempt::PreemptionLines;
use crate::rtl::{Dut, Interpreter, Leaf};
use crate::testing::{Rng, rng, root_seed};
use lauberhorn_coherence::LineAddress;
use lauberhorn_coherence::conform::{Image, PortMessage, Replay};
use lauberhorn_coherence::layout::{EndpointLayout, LineRole};
use lauberhorn_coherence::message::{Fill, Load, Recall, RecallAck, ToCard, ToHost, Writeback};
use lauberhorn_interface::line::PreemptWord;
use rand::Rng as _;
use std::collections::VecDeque;

const ENDPOINTS: usize = 3;
const CYCLES: u64 = 20_000;
/// Every so often all comes to rest.
const ROUND: u64 = 500;
const REST: u64 = 120;
/// From a message about a line that comes back to the block; one cycle less for a load.
const BACK_CYCLES: u64 = 2;
/// From the write of a register to the block.
const WISH_CYCLES: u64 = 2;
const RESET_CYCLES: u64 = 3;

/// A line at the host.
#[derive(Clone, Default)]
struct Copy {
    word: Option<PreemptWord>,
    dirty: bool,
    loading: bool,
    /// Recalls to be acknowledged, and when.
    recall: Option<u64>,
}

/// A line that came back, on its way to the block.
struct Back {
    due: u64,
    endpoint: usize,
    acknowledged: bool,
    word: Option<PreemptWord>,
}

/// The first of a queue, if it is due.
fn next_due<T>(queue: &mut VecDeque<T>, is_due: impl Fn(&T) -> bool) -> Option<T> {
    match queue.front().is_some_and(is_due) {
        true => queue.pop_front(),
        false => None,
    }
}

struct Bench {
    dut: Interpreter,
    layout: EndpointLayout,
    replay: Replay,
    rng: Rng,
    cycle: u64,
    host: Vec<Copy>,
    loads: VecDeque<(u64, usize, u8)>,
    backs: VecDeque<Back>,
    /// The fill that has not left: when it does, and what it is.
    leaving: Option<(u64, usize, PreemptWord)>,
    recalls: VecDeque<(u64, usize)>,
    wishes: VecDeque<(u64, u64)>,
    asked: u64,
    resets: VecDeque<(u64, usize)>,
    resetting: [bool; ENDPOINTS],
    /// BUSY as the card must know it.
    busy: [bool; ENDPOINTS],
    ids: [u8; ENDPOINTS],
    fills: usize,
    recalled: usize,
    yields: usize,
}

impl Bench {
    fn new() -> Self {
        let shape = small(64);
        let layout = EndpointLayout::contiguous(shape.config());
        let mut dut = Interpreter::new(PreemptionLines::new(&shape).elaborate());
        dut.reset();
        Self {
            dut,
            replay: Replay::new(layout.clone()),
            layout,
            rng: rng(root_seed(), "preemption lines"),
            cycle: 0,
            host: vec![Copy::default(); ENDPOINTS],
            loads: VecDeque::new(),
            backs: VecDeque::new(),
            leaving: None,
            recalls: VecDeque::new(),
            wishes: VecDeque::new(),
            asked: 0,
            resets: VecDeque::new(),
            resetting: [false; ENDPOINTS],
            busy: [false; ENDPOINTS],
            ids: [0; ENDPOINTS],
            fills: 0,
            recalled: 0,
            yields: 0,
        }
    }

    fn address(&self, endpoint: usize) -> LineAddress {
        let address = self.layout.address(endpoint, LineRole::Preemption);
        address.expect("a line")
    }

    fn image(word: PreemptWord) -> Image {
        let mut line = vec![0; 64];
        line[..8].copy_from_slice(&u64::from(word).to_le_bytes());
        line.into()
    }

    fn crosses(&mut self, message: PortMessage) {
        let outcome = self.replay.message(self.cycle, &message);
        outcome.unwrap_or_else(|error| panic!("cycle {}: {error}", self.cycle));
    }

    fn back(&mut self, endpoint: usize, acknowledged: bool) {
        let address = self.address(endpoint);
        let copy = &mut self.host[endpoint];
        let word = copy.word.take().filter(|_| copy.dirty);
        copy.dirty = false;
        let data = word.map(Self::image);
        let message = match acknowledged {
            true => ToCard::RecallAck(RecallAck {
                id: address.0 as u16,
                data,
            }),
            false => ToCard::Writeback(Writeback { address, data }),
        };
        if let Some(word) = word {
            self.busy[endpoint] = word.busy;
        }
        self.crosses(PortMessage::ToCard(message));
        self.backs.push_back(Back {
            due: self.cycle + BACK_CYCLES,
            endpoint,
            acknowledged,
            word,
        });
    }

    /// What the hosts do: at most one load and one line back in a cycle.
    fn act(&mut self, traffic: bool) {
        let now = self.cycle;
        let due = (0..ENDPOINTS).find(|e| self.host[*e].recall.is_some_and(|due| due <= now));
        if let Some(endpoint) = due {
            self.host[endpoint].recall = None;
            self.back(endpoint, true);
        } else {
            let endpoint = self.rng.random_range(0..ENDPOINTS);
            let copy = &mut self.host[endpoint];
            let silent = !copy.dirty && self.rng.random_ratio(1, 3);
            let evicts = copy.word.is_some() && (copy.dirty || traffic);
            if evicts && self.rng.random_ratio(1, 8) {
                match silent {
                    true => copy.word = None,
                    false => self.back(endpoint, false),
                }
            }
        }
        if !traffic {
            return;
        }
        let endpoint = self.rng.random_range(0..ENDPOINTS);
        let copy = &mut self.host[endpoint];
        match &mut copy.word {
            Some(word) if self.rng.random_ratio(1, 6) && (word.busy || word.ready) => {
                word.busy = !word.busy;
                copy.dirty = true;
            }
            None if !copy.loading && self.rng.random_ratio(1, 4) => {
                copy.loading = true;
                let id = self.ids[endpoint].wrapping_add(3) & 0x3f | (endpoint as u8) << 6;
                self.ids[endpoint] = id;
                let address = self.address(endpoint);
                self.crosses(PortMessage::ToCard(ToCard::Load(Load {
                    address,
                    id,
                    exclusive: true,
                })));
                let late = self.rng.random_range(0..3);
                let last = self.loads.back().map_or(0, |(due, ..)| *due + 1);
                let due = last.max(now + BACK_CYCLES - 1 + late);
                self.loads.push_back((due, endpoint, id));
            }
            _ => {}
        }
        if self.rng.random_ratio(1, 40) {
            let worker = self.rng.random_range(1..ENDPOINTS);
            self.asked ^= 1 << (worker - 1);
            self.replay.ask(worker, self.asked >> (worker - 1) & 1 == 1);
            self.wishes.push_back((now + WISH_CYCLES, self.asked));
        }
        let endpoint = self.rng.random_range(0..ENDPOINTS);
        let free = !self.resetting[endpoint] && self.resets.iter().all(|(_, e)| *e != endpoint);
        if free && self.rng.random_ratio(1, 150) {
            self.replay.reset(endpoint);
            self.resets.push_back((now + RESET_CYCLES, endpoint));
        }
    }

    fn drive(&mut self) {
        let now = self.cycle;
        if let Some((_, asked)) = next_due(&mut self.wishes, |(due, _)| *due <= now) {
            self.dut.poke_field("settings", "worker_preempt", asked);
        }
        if let Some((_, endpoint)) = next_due(&mut self.resets, |(due, _)| *due <= now) {
            self.resetting[endpoint] = true;
        }
        for endpoint in 0..ENDPOINTS {
            if self.dut.peek(&format!("cleared${endpoint}")) == 1 {
                self.busy[endpoint] &= self.host[endpoint].word.is_some();
                self.resetting[endpoint] &= !self.rng.random_ratio(1, 6);
            }
            let resetting = u64::from(self.resetting[endpoint]);
            self.dut.poke(&format!("resetting${endpoint}"), resetting);
        }
        let back = next_due(&mut self.backs, |back| back.due <= now);
        self.dut.poke("event$valid", u64::from(back.is_some()));
        if let Some(back) = back {
            let busy = back.word.map_or(self.rng.random(), |word| word.busy);
            for (field, value) in [
                ("endpoint", back.endpoint as u64),
                ("acknowledged", back.acknowledged.into()),
                ("dirty", back.word.is_some().into()),
                ("busy", busy.into()),
            ] {
                self.dut.poke_field("event$payload", field, value);
            }
        }
        let load = next_due(&mut self.loads, |(due, ..)| *due <= now);
        for endpoint in 0..ENDPOINTS {
            let id = load.filter(|(_, e, _)| *e == endpoint).map(|(.., id)| id);
            let valid = format!("load${endpoint}$valid");
            self.dut.poke(&valid, u64::from(id.is_some()));
            let payload = format!("load${endpoint}$payload");
            self.dut.poke_field(
                &payload,
                "id",
                id.unwrap_or_else(|| self.rng.random()).into(),
            );
            if id.is_some() {
                let ready = self.dut.peek(&format!("load${endpoint}$ready"));
                assert_eq!(ready, 1, "one load of each line has room");
            }
        }
        for port in ["fill$ready", "recall$ready"] {
            let ready = self.rng.random_ratio(2, 3);
            self.dut.poke(port, u64::from(ready));
        }
        let left = self.leaving.take_if(|(due, ..)| *due <= now);
        self.dut.poke("done$valid", u64::from(left.is_some()));
        self.dut.poke("done$payload", 62);
        if let Some((_, endpoint, word)) = left {
            let copy = &mut self.host[endpoint];
            assert!(std::mem::take(&mut copy.loading), "somebody loads");
            copy.word = Some(word);
            let id = self.ids[endpoint];
            self.crosses(PortMessage::ToHost(ToHost::Fill(Fill {
                id,
                exclusive: true,
                data: Self::image(word),
            })));
        }
        if let Some((_, endpoint)) = next_due(&mut self.recalls, |(due, _)| *due <= now) {
            let address = self.address(endpoint);
            let late = self.rng.random_range(1..30);
            assert_eq!(self.host[endpoint].recall.replace(now + late), None);
            let id = address.0 as u16;
            self.crosses(PortMessage::ToHost(ToHost::Recall(Recall { address, id })));
        }
    }

    fn look(&mut self) {
        let moves = |dut: &mut Interpreter, bundle: &str| {
            dut.peek(&format!("{bundle}$valid")) == 1 && dut.peek(&format!("{bundle}$ready")) == 1
        };
        if moves(&mut self.dut, "fill") {
            let mut field = |name: &str| self.dut.peek_field("fill$payload", name);
            let fixed = ["from_slot", "from_transmit", "exclusive", "requester"];
            assert_eq!(fixed.map(&mut field), [0, 0, 1, 62]);
            let (kind, id) = (field("kind"), field("id"));
            let word = PreemptWord {
                ready: kind & 1 == 1,
                busy: kind >> 1 == 1,
            };
            let endpoint = usize::from(id as u8 >> 6);
            assert_eq!(id as u8, self.ids[endpoint]);
            let due = self.cycle + self.rng.random_range(2..8);
            let other = self.leaving.replace((due, endpoint, word));
            assert_eq!(other, None, "one fill at a time");
            self.fills += 1;
        }
        if moves(&mut self.dut, "recall") {
            let mut field = |name: &str| self.dut.peek_field("recall$payload", name);
            assert_eq!(["tx", "control", "index"].map(&mut field), [0, 1, 2]);
            let endpoint = field("endpoint") as usize;
            self.recalls.push_back((self.cycle + 1, endpoint));
            self.recalled += 1;
        }
    }

    fn step(&mut self, traffic: bool) {
        self.drive();
        self.act(traffic);
        self.look();
        self.dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        self.cycle += 1;
    }

    /// Nothing is under way: the card knows what there is to know.
    fn check_rest(&mut self) {
        assert!(self.host.iter().all(|copy| !copy.loading), "no answer");
        let yielded = self.dut.peek("yielded");
        for worker in 1..ENDPOINTS {
            let bit = worker - 1;
            let expected = self.asked >> bit & 1 == 1 && !self.busy[worker];
            let at = format!("endpoint {worker}, cycle {}", self.cycle);
            assert_eq!(yielded >> bit & 1 == 1, expected, "{at}");
            // The replay does not see when a reset has ended, so it may think of one more way.
            assert!(self.replay.may_have_yielded(worker) || !expected, "{at}");
            self.yields += usize::from(expected);
        }
    }
}

#[test]
fn follows_the_home_whatever_hosts_and_scheduler_do() {
    let mut bench = Bench::new();
    while bench.cycle < CYCLES {
        let at = bench.cycle % ROUND;
        bench.step(at < ROUND - REST);
        if at == ROUND - 1 {
            bench.check_rest();
        }
    }
    let seen = (bench.fills, bench.recalled, bench.yields);
    assert!(seen.0 > 400 && seen.1 > 200 && seen.2 > 10, "{seen:?}");
    let pairs: Vec<_> = bench.replay.coverage().pairs().collect();
    assert!(pairs.len() > 15, "{pairs:?}");
}

/// Steps until a port shows something; the cycles that took.
fn until(dut: &mut Interpreter, port: &str) -> u64 {
    for cycles in 0..100 {
        if dut.peek(port) != 0 {
            return cycles;
        }
        dut.step().unwrap_or_else(|failed| panic!("{failed}"));
    }
    panic!("{port} stays zero");
}

fn steps(dut: &mut Interpreter, count: u64) {
    for _ in 0..count {
        dut.step().unwrap_or_else(|failed| panic!("{failed}"));
    }
}

#[test]
fn every_answer_and_recall_comes_within_a_round_of_turns() {
    let endpoints = ENDPOINTS as u64;
    let (mut fills, mut recalls, mut resets) = (Vec::new(), Vec::new(), Vec::new());
    for phase in 0..endpoints {
        let mut dut = Interpreter::new(PreemptionLines::new(&small(64)).elaborate());
        dut.reset();
        dut.poke("fill$ready", 1);
        dut.poke("recall$ready", 1);
        steps(&mut dut, phase);
        dut.poke("done$payload", 62);
        dut.poke("load$1$valid", 1);
        assert_eq!(dut.peek("load$1$ready"), 1);
        dut.step().unwrap();
        dut.poke("load$1$valid", 0);
        fills.push(1 + until(&mut dut, "fill$valid"));
        // The next has to wait until this one has left.
        dut.poke("load$2$valid", 1);
        dut.step().unwrap();
        dut.poke("load$2$valid", 0);
        for _ in 0..20 {
            assert_eq!(dut.peek("fill$valid"), 0);
            dut.step().unwrap();
        }
        for last in [false, true] {
            dut.poke("done$valid", 1);
            dut.step().unwrap();
            dut.poke("done$valid", 0);
            if !last {
                assert!(until(&mut dut, "fill$valid") <= endpoints + 1);
            }
        }
        steps(&mut dut, phase);
        dut.poke_field("settings", "worker_preempt", 0b11);
        recalls.push(until(&mut dut, "recall$valid"));
        steps(&mut dut, 10);
        for endpoint in [1, 2] {
            for (field, value) in [("endpoint", endpoint), ("acknowledged", 1), ("dirty", 0)] {
                dut.poke_field("event$payload", field, value);
            }
            dut.poke("event$valid", 1);
            dut.step().unwrap();
            dut.poke("event$valid", 0);
            dut.step().unwrap();
            assert_eq!(dut.peek("yielded"), (1 << endpoint) - 1, "2 cycles later");
        }
        steps(&mut dut, phase);
        for endpoint in 0..endpoints {
            dut.poke(&format!("resetting${endpoint}"), 1);
        }
        resets.push(until(&mut dut, "recall$valid"));
        for _ in 1..endpoints {
            dut.step().unwrap();
            assert_eq!(1 + until(&mut dut, "recall$valid"), 2, "every second cycle");
        }
    }
    let range = |list: &[u64]| (list.iter().copied().min(), list.iter().copied().max());
    assert_eq!(range(&fills), (Some(3), Some(endpoints + 2)), "{fills:?}");
    for list in [recalls, resets] {
        assert!(
            list.iter().all(|n| (2..=endpoints + 1).contains(n)),
            "{list:?}"
        );
    }
}

#[test]
fn the_card_recalls_the_line_of_a_worker_and_says_that_it_yielded() {
    for line_bytes in [64, 128] {
        let mut card = Card::new(&small(line_bytes));
        let line = |ready, busy| {
            let mut line = vec![0; line_bytes];
            line[0] = u64::from(PreemptWord { ready, busy }) as u8;
            line
        };
        card.load(1, LineRole::Preemption, 7);
        let fill = card.wait_fill(30);
        assert_eq!(
            (fill.id, fill.exclusive, fill.data),
            (7, true, line(true, false))
        );
        card.dut.poke_field("settings", "worker_preempt", 1);
        let recall = card.wait_recall(30);
        assert_eq!(recall.address, card.address(1, LineRole::Preemption));
        card.acknowledge(recall.id, Some(line(true, true)));
        card.load(1, LineRole::Preemption, 8);
        let fill = card.wait_fill(30);
        assert_eq!((fill.id, fill.data), (8, line(false, true)));
        assert_eq!(card.dut.peek("yielded"), 0, "it is BUSY");
        let tag = card.address(1, LineRole::Preemption);
        let data = Some(line(false, false));
        card.writebacks.push_back(Return { tag, data });
        card.run(10);
        assert_eq!(card.dut.peek("yielded"), 1);
        card.load(1, LineRole::Preemption, 9);
        assert_eq!(card.wait_fill(30).data, line(false, false));
        card.dut.poke_field("settings", "worker_preempt", 0);
        let recall = card.wait_recall(30);
        assert_eq!(card.dut.peek("yielded"), 0);
        card.acknowledge(recall.id, None);
        card.load(1, LineRole::Preemption, 10);
        assert_eq!(card.wait_fill(30).data, line(true, false));
        assert_eq!(card.events[3], 0, "no load was stray");
    }
}

#[test]
fn a_wait_ends_when_its_worker_is_asked_for_the_core() {
    let mut card = Card::new(&small(64));
    card.load(
        1,
        LineRole::RxControl(lauberhorn_coherence::Parity::Zero),
        1,
    );
    card.run(50);
    assert!(card.fills.is_empty());
    card.dut.poke_field("settings", "worker_preempt", 1);
    let fill = card.wait_fill(30);
    assert_eq!((fill.id, fill.data[0]), (1, 2), "TRY_AGAIN");
}
