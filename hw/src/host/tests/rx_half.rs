//! The RX half of an endpoint under random traffic against the home's state machine: what it answers,
//! recalls and frees, and in which order.

use super::small;
use crate::host::rx::{self, RxHalf};
use crate::host::shape::Shape;
use crate::rtl::{Dut, Interpreter, Leaf};
use crate::testing::{Rng, rng, root_seed};
use lauberhorn_coherence::home::{HomeConfig, RxAction, RxContent, RxEvent, RxHome, WaitingLoad};
use lauberhorn_coherence::layout::LineRole;
use lauberhorn_coherence::layout::Parity::{One, Zero};
use lauberhorn_interface::line::RxKind;
use rand::Rng as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Cycles that a drained half may take to come to rest.
const DRAIN_CYCLES: u64 = 3_000;

/// What a fill brings, as far as the RX half decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A beat of the message in a slot.
    Message { slot: u64, beat: u64 },
    /// A control line without message; kind 0 is a line of zeros.
    Kind(u64),
}

/// A request: its slot and the length of its body.
type Request = (u64, u64);

/// Line as the hardware names it.
pub fn named(line: LineRole) -> (u64, u64) {
    match line {
        LineRole::RxControl(parity) | LineRole::TxControl(parity) => (1, parity.index() as u64),
        LineRole::RxOverflow(n) | LineRole::TxOverflow(n) => (0, n as u64),
        LineRole::Preemption => unreachable!("not a line of a half"),
    }
}

struct Rig {
    dut: Interpreter,
    shape: Shape,
    endpoint: usize,
    home: RxHome<Request>,
    rng: Rng,
    cycle: u64,
    /// Loads not yet taken, the first perhaps offered.
    loads: VecDeque<WaitingLoad>,
    offered: bool,
    next_id: u8,
    fills: VecDeque<(u8, Content)>,
    recalls: VecDeque<LineRole>,
    frees: VecDeque<u64>,
    /// Fills on the line port, with the cycle in which they are done.
    leaving: VecDeque<(u64, u8)>,
    lines: BTreeMap<u8, LineRole>,
    /// Loads without their fill.
    missing: Vec<LineRole>,
    /// Lines the host holds, recalls it has not answered.
    host: BTreeSet<LineRole>,
    recalled: Vec<LineRole>,
    /// A line whose next piece comes back in the next cycle.
    in_pieces: Option<LineRole>,
    waited: bool,
    next_slot: u64,
    ended: bool,
    consume: bool,
    resetting: bool,
    /// Loads that the home knows of before the half has taken them.
    told: usize,
    /// A message assigned when the reset had begun.
    late: Option<u64>,
    /// Freed by a turn that ended in a reset; the home frees at its end.
    freed_early: Option<u64>,
    seen: BTreeMap<&'static str, u64>,
    counted: [u64; 3],
    /// The last events and what the home did, for messages.
    history: VecDeque<String>,
}

impl Rig {
    fn new(line_bytes: usize, endpoint: usize, consume: bool, name: &str) -> Self {
        let shape = small(line_bytes);
        let mut dut = Interpreter::new(RxHalf::new(&shape, endpoint).elaborate());
        dut.reset();
        dut.poke_field("settings", "store_acknowledge", u64::from(consume));
        Self {
            home: RxHome::with(HomeConfig {
                consume,
                ..HomeConfig::new(shape.overflow_lines())
            }),
            dut,
            shape,
            endpoint,
            rng: rng(root_seed(), name),
            cycle: 0,
            loads: VecDeque::new(),
            offered: false,
            next_id: 0,
            fills: VecDeque::new(),
            recalls: VecDeque::new(),
            frees: VecDeque::new(),
            leaving: VecDeque::new(),
            lines: BTreeMap::new(),
            missing: Vec::new(),
            host: BTreeSet::new(),
            recalled: Vec::new(),
            in_pieces: None,
            waited: false,
            next_slot: 0,
            ended: false,
            consume,
            resetting: false,
            told: 0,
            late: None,
            freed_early: None,
            seen: BTreeMap::new(),
            counted: [0; 3],
            history: VecDeque::new(),
        }
    }

    fn register(&self, name: &str) -> u64 {
        let mut registers = self.dut.registers();
        let found = registers.find(|(known, _)| *known == name);
        found
            .unwrap_or_else(|| panic!("no register {name}"))
            .1
            .to_u64()
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Tells the home, and expects of the hardware what the home does.
    fn tell(&mut self, event: RxEvent<Request>) {
        let plain = !matches!(event, RxEvent::Timeout) && !self.home.is_resetting();
        let (home, actions) = self.home.step(event.clone()).unwrap_or_else(|violation| {
            panic!("cycle {}: {event:?}: {violation}", self.cycle);
        });
        self.home = home;
        self.history.truncate(11);
        let entry = format!("cycle {}: {event:?} -> {actions:?}", self.cycle);
        self.history.push_front(entry);
        let line_beats = self.shape.beats_per_line() as u64;
        for action in actions {
            match action {
                RxAction::Recall(line) => {
                    self.recalls.push_back(line);
                    self.note("recall");
                }
                RxAction::ResetDone => {
                    self.frees.extend(self.late.take());
                    self.note("reset");
                }
                RxAction::Free((slot, _)) => {
                    match self.freed_early.take() {
                        Some(freed) => assert_eq!(freed, slot),
                        None => self.frees.push_back(slot),
                    }
                    self.note("free");
                }
                RxAction::Fill { load, content } => {
                    let (name, content) = match content {
                        RxContent::Empty if !plain => ("given up", Content::Kind(0)),
                        RxContent::Empty => ("empty", Content::Kind(0)),
                        RxContent::Zeros => ("zeros", Content::Kind(0)),
                        RxContent::TryAgain => ("try again", Content::Kind(1)),
                        RxContent::Retire => ("retire", Content::Kind(4)),
                        RxContent::Request((slot, _)) => {
                            ("request", Content::Message { slot, beat: 0 })
                        }
                        RxContent::Overflow((slot, _), n) => {
                            let beat = (n as u64 + 1) * line_beats;
                            ("overflow", Content::Message { slot, beat })
                        }
                    };
                    self.fills.push_back((load.id, content));
                    self.note(name);
                }
            }
        }
    }

    fn new_load(&mut self) {
        let overflow = self.shape.overflow_lines();
        let line = match self.rng.random_range(0..8) {
            0..3 => LineRole::RxControl(Zero),
            3..6 => LineRole::RxControl(One),
            _ => LineRole::RxOverflow(self.rng.random_range(0..overflow)),
        };
        // A core rarely loads what its cache holds; the answer must be right all the same.
        if self.host.contains(&line) && self.rng.random_ratio(4, 5) {
            return;
        }
        // A load does not overtake what was stored.
        if self.in_pieces == Some(line) {
            return;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.lines.insert(id, line);
        self.missing.push(line);
        self.loads.push_back(WaitingLoad { line, id });
    }

    fn drive_load(&mut self) {
        // The queue before the half shows what it holds; which loads a reset answers depends on it.
        if self.resetting {
            self.offered = !self.loads.is_empty();
        } else if !self.offered {
            self.offered = !self.loads.is_empty() && self.rng.random_ratio(2, 3);
        }
        self.dut.poke("load$valid", u64::from(self.offered));
        if let Some(load) = self.loads.front().filter(|_| self.offered) {
            let (control, index) = named(load.line);
            let port = "load$payload";
            self.dut.poke_field(port, "control", control);
            self.dut.poke_field(port, "index", index);
            self.dut.poke_field(port, "id", u64::from(load.id));
            self.dut.poke_field(port, "exclusive", 0);
        }
    }

    /// Chooses what comes back in this cycle: an acknowledgement or a line the host evicts.
    fn drive_event(&mut self, evictions: bool) -> Option<RxEvent<Request>> {
        let piece = self.in_pieces.take();
        let acknowledge =
            piece.is_none() && !self.recalled.is_empty() && self.rng.random_ratio(1, 4);
        // A cache does not evict what it waits for.
        let here = |line: &&LineRole| !self.missing.contains(line);
        let evictable: Vec<_> = self.host.iter().filter(here).copied().collect();
        // What is evicted just before a reset decides what to recall at last, it need not recall.
        let quiet = u128::from(self.register("stage_q")) == rx::ANSWER;
        let evict = evictions && !quiet && !evictable.is_empty() && self.rng.random_ratio(1, 12);
        let line = match (acknowledge, evict) {
            _ if piece.is_some() => piece,
            (true, _) => {
                let at = self.rng.random_range(0..self.recalled.len());
                Some(self.recalled.swap_remove(at))
            }
            (false, true) => {
                let at = self.rng.random_range(0..evictable.len());
                Some(evictable[at])
            }
            _ => None,
        };
        self.dut.poke("event$valid", u64::from(line.is_some()));
        let line = line?;
        if !acknowledge && self.recalled.contains(&line) {
            self.note("eviction crosses recall");
        }
        self.host.remove(&line);
        let (control, index) = named(line);
        let dirty = piece.is_some() || self.rng.random();
        if self.consume && !acknowledge && dirty && control == 1 && self.rng.random() {
            self.in_pieces = Some(line);
            self.note("stored in pieces");
        }
        for (field, value) in [
            ("endpoint", self.endpoint as u64),
            ("tx", 0),
            ("control", control),
            ("index", index),
            ("acknowledged", u64::from(acknowledge)),
            ("dirty", u64::from(dirty)),
        ] {
            self.dut.poke_field("event$payload", field, value);
        }
        Some(match acknowledge {
            true => RxEvent::RecallAck(line),
            false => RxEvent::Writeback { line, dirty },
        })
    }

    /// An assignment, if the half waits or did so in the last cycle.
    fn drive_assignment(&mut self, assign: bool) -> Option<RxEvent<Request>> {
        let waits = self.dut.peek("waiting") == 1;
        let may = waits || self.waited;
        self.waited = waits;
        let (port, kind) = match self.rng.random() {
            true => ("frame", RxKind::Frame),
            false => ("call", RxKind::Call),
        };
        let go = assign && may && self.rng.random_ratio(1, 25);
        for name in ["frame", "call"] {
            let valid = u64::from(go && name == port);
            self.dut.poke(&format!("{name}$valid"), valid);
        }
        if !go {
            return None;
        }
        self.waited = false;
        let capacity = self.shape.config().capacity_bytes();
        let offset = kind.body_offset();
        let length = match self.rng.random_range(0..3) {
            0 => 0,
            1 => self.rng.random_range(1..=64),
            _ => self.rng.random_range(1..=capacity - offset),
        };
        let slot = self.next_slot;
        self.next_slot = (slot + 1) % 12;
        let payload = format!("{port}$payload");
        let me = self.endpoint as u64;
        self.dut.poke_field(&payload, "endpoint", me);
        self.dut.poke_field(&payload, "slot", slot);
        self.dut.poke_field(&payload, "length_bytes", length as u64);
        if self.resetting {
            self.late = Some(slot);
            return None;
        }
        let lines = (offset + length).div_ceil(self.shape.config().line_bytes());
        Some(RxEvent::Assign {
            request: (slot, length as u64),
            overflow_lines: lines - 1,
        })
    }

    /// The end of a wait without message, in the cycle in which the half decides it.
    fn ending(&mut self, assigned: bool) -> Option<RxEvent<Request>> {
        let can_fill = self.register("fill_valid_q") == 0 || self.dut.peek("fill$ready") == 1;
        let ahead = self.register("ahead_q") == 1 && self.register("answered_q") == 1;
        let busy = self.register("recalling_q") + self.register("consumed_q");
        let room = can_fill && self.register("fills_q") < 32;
        if ahead && self.register("expired_q") == 1 && busy == 0 && room && !self.resetting {
            return Some(RxEvent::Timeout);
        }
        let decided = !self.resetting
            && self.register("parked_q") == 1
            && self.register("closing_q") == 3
            && self.register("recalling_q") == 0
            && self.register("has_message_q") == 0
            && !assigned;
        let first = decided && !self.ended;
        self.ended = decided || (self.ended && self.register("parked_q") == 1);
        first.then(|| match self.register("kind_q") {
            1 => RxEvent::Timeout,
            _ => RxEvent::Retire,
        })
    }

    /// Starts a reset now and then, where the half has not just decided something that the home was
    /// told; ends it when the half rests.
    fn drive_reset(&mut self, traffic: bool) {
        if self.resetting && self.dut.peek("cleared") == 1 && self.rng.random_ratio(1, 8) {
            self.resetting = false;
        } else if traffic && !self.resetting && self.rng.random_ratio(1, 600) {
            let answered = self.register("has_message_q") == 1 || self.register("closing_q") == 3;
            let pending = self.register("parked_q") == 1 && answered;
            let recalling = self.register("recalling_q") == 1;
            let back = recalling && self.home.recalled().is_empty();
            let busy = (pending && !recalling) || back || self.register("consumed_q") == 1;
            if !busy && self.dut.peek("cleared") == 0 {
                self.resetting = true;
                self.tell(RxEvent::Reset);
            }
        }
        self.dut.poke("resetting", u64::from(self.resetting));
    }

    /// The last line of a reset comes back: what has been loaded until then counts.
    fn tell_loads(&mut self, event: Option<&RxEvent<Request>>) {
        let last = self.home.recalled().rx_lines().count() == 1;
        let ack = matches!(event, Some(RxEvent::RecallAck(_)));
        if ack && last && self.home.recalls_every_line() {
            for load in self.loads.iter().copied().collect::<Vec<_>>() {
                self.tell(RxEvent::Load(load));
            }
            self.told = self.loads.len();
        }
    }

    fn step(&mut self, traffic: bool) {
        self.drive_reset(traffic);
        let stage = u128::from(self.register("stage_q"));
        let all_back = (rx::ALL..=rx::ANSWER).contains(&stage) && !self.home.recalls_every_line();
        if traffic && !all_back && self.loads.len() < 3 && self.rng.random_ratio(1, 6) {
            self.new_load();
        }
        if self.cycle % 200 == 0 {
            let block = self.rng.random_range(5..150);
            let retire = if self.rng.random_ratio(1, 5) { 3 } else { 0 };
            self.dut.poke_field("settings", "block_time_cycles", block);
            self.dut.poke_field("settings", "worker_retire", retire);
            let preempt = if self.rng.random_ratio(1, 8) { 3 } else { 0 };
            self.dut.poke_field("settings", "worker_preempt", preempt);
        }
        self.drive_load();
        let assignment = self.drive_assignment(traffic);
        for port in ["fill$ready", "recall$ready", "free$ready"] {
            let ready = self.rng.random_ratio(2, 3);
            self.dut.poke(port, u64::from(ready));
        }
        let done = self.leaving.front().filter(|(due, _)| *due <= self.cycle);
        let done = done.map(|(_, id)| *id);
        self.dut.poke("done$valid", u64::from(done.is_some()));
        self.dut.poke("done$payload", self.endpoint as u64);
        let event = self.drive_event(traffic);

        let ending = self.ending(assignment.is_some());
        let taken = self.offered && self.dut.peek("load$ready") == 1;
        let load = taken.then(|| self.loads.pop_front().expect("one is offered"));
        self.offered &= !taken;
        let load = load.filter(|_| self.told == 0);
        self.told -= usize::from(taken && self.told > 0);
        self.tell_loads(event.as_ref());
        let events = [ending, assignment, load.map(RxEvent::Load), event];
        events
            .into_iter()
            .flatten()
            .for_each(|event| self.tell(event));

        if done.is_some() {
            let (_, id) = self.leaving.pop_front().expect("one is due");
            let line = self.lines[&id];
            let at = self.missing.iter().position(|missing| *missing == line);
            self.missing.swap_remove(at.expect("it was loaded"));
            self.host.insert(line);
        }
        self.look();
        self.dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        self.cycle += 1;
    }

    fn leaves(&mut self, bundle: &str) -> bool {
        self.dut.peek(&format!("{bundle}$valid")) == 1
            && self.dut.peek(&format!("{bundle}$ready")) == 1
    }

    /// Compares what the half does with what the home did.
    fn look(&mut self) {
        let cycle = self.cycle;
        if self.leaves("fill") {
            let mut field = |name: &str| self.dut.peek_field("fill$payload", name);
            assert_eq!(field("requester"), self.endpoint as u64);
            assert_eq!(field("from_transmit"), 0);
            assert_eq!(field("exclusive"), u64::from(self.consume));
            let (slot, beat) = (field("slot"), field("beat"));
            let inside = beat == 0 || beat < field("beats");
            let content = match (field("from_slot") == 1, inside) {
                (true, true) => Content::Message { slot, beat },
                (true, false) => Content::Kind(0),
                (false, _) => Content::Kind(field("kind")),
            };
            let id = field("id") as u8;
            let expected = self.fills.pop_front();
            let history = &self.history;
            assert_eq!(Some((id, content)), expected, "cycle {cycle}: {history:#?}");
            let after = self.leaving.back().map_or(cycle, |(due, _)| *due);
            let due = after.max(cycle) + self.rng.random_range(1..12);
            self.leaving.push_back((due, id));
        }
        if self.leaves("recall") {
            let line = self.recalls.pop_front();
            let line = line.unwrap_or_else(|| panic!("cycle {cycle}: a recall too many"));
            let mut field = |name: &str| self.dut.peek_field("recall$payload", name);
            let sent = (field("tx"), field("control"), field("index"));
            assert_eq!(field("endpoint"), self.endpoint as u64);
            let (control, index) = named(line);
            let history = &self.history;
            assert_eq!(
                sent,
                (0, control, index),
                "cycle {cycle}: {line}, {history:#?}"
            );
            self.recalled.push(line);
        }
        if self.leaves("free") {
            let slot = self.dut.peek("free$payload");
            match self.frees.pop_front() {
                None if self.home.is_resetting() => {
                    assert_eq!(self.freed_early.replace(slot), None, "cycle {cycle}");
                }
                expected => assert_eq!(Some(slot), expected, "cycle {cycle}"),
            }
        }
        for (count, name) in self
            .counted
            .iter_mut()
            .zip(["try_again", "delivered", "early"])
        {
            *count += self.dut.peek_field("events", name);
        }
    }

    fn at_rest(&self) -> bool {
        let queues = !self.resetting
            && self.loads.is_empty()
            && self.leaving.is_empty()
            && self.recalled.is_empty();
        queues && self.fills.is_empty() && self.recalls.is_empty() && self.frees.is_empty()
    }
}

fn agrees(line_bytes: usize, endpoint: usize, consume: bool) {
    let name = format!("rx half {line_bytes} {endpoint} {consume}");
    let mut rig = Rig::new(line_bytes, endpoint, consume, &name);
    for _ in 0..25_000 {
        rig.step(true);
    }
    let limit = rig.cycle + DRAIN_CYCLES;
    while !rig.at_rest() || rig.home.is_waiting() {
        rig.step(false);
        assert!(
            rig.cycle < limit,
            "does not come to rest: fills {:?}, recalls {:?}, frees {:?}, loads {:?}",
            rig.fills,
            rig.recalls,
            rig.frees,
            rig.loads
        );
    }
    rig.step(false);
    let mut met = vec![
        "empty",
        "zeros",
        "try again",
        "request",
        "overflow",
        "recall",
        "free",
    ];
    met.push("eviction crosses recall");
    met.extend(["reset", "given up"]);
    if endpoint > 0 {
        met.push("retire");
    }
    if consume {
        met.push("stored in pieces");
    }
    for what in met {
        assert!(
            rig.seen.contains_key(what),
            "{name}: no {what} in {:?}",
            rig.seen
        );
    }
    assert_eq!(rig.counted[2], rig.seen["empty"], "early loads");
    assert!(
        rig.counted[0] > 0 && rig.counted[1] > 0,
        "{:?}",
        rig.counted
    );
    assert!(
        rig.counted[1] <= rig.seen["request"],
        "each request is delivered once"
    );
}

#[test]
fn a_worker_with_two_beat_lines_does_what_the_home_does() {
    agrees(128, 1, false);
    agrees(128, 1, true);
}

#[test]
fn a_worker_with_one_beat_lines_does_what_the_home_does() {
    agrees(64, 2, false);
    agrees(64, 2, true);
}

#[test]
fn the_bypass_endpoint_does_what_the_home_does() {
    agrees(128, 0, false);
}

#[test]
fn a_message_is_answered_in_one_cycle_and_loads_follow_in_every_cycle() {
    let mut rig = Rig::new(128, 1, false, "rx half promises");
    let dut = &mut rig.dut;
    dut.poke_field("settings", "block_time_cycles", 1_000);
    for port in ["fill$ready", "recall$ready", "free$ready", "load$valid"] {
        dut.poke(port, 1);
    }
    dut.poke_field("load$payload", "control", 1);
    dut.step().expect("assertions hold");
    dut.poke("load$valid", 0);
    dut.step().expect("assertions hold");
    dut.poke("call$valid", 1);
    dut.poke_field("call$payload", "endpoint", 1);
    dut.poke_field("call$payload", "length_bytes", 500);
    assert_eq!(dut.peek("fill$valid"), 0);
    dut.step().expect("assertions hold");
    dut.poke("call$valid", 0);
    assert_eq!(dut.peek("fill$valid"), 1, "1 cycle after the call");
    // As many loads as may be under way at once, one per cycle.
    dut.poke("load$valid", 1);
    dut.poke_field("load$payload", "control", 0);
    for index in 0..20u64 {
        dut.poke_field("load$payload", "id", index);
        assert_eq!(dut.peek("load$ready"), 1, "load {index}");
        dut.step().expect("assertions hold");
        assert_eq!(dut.peek_field("fill$payload", "id"), index);
        assert_eq!(dut.peek("fill$valid"), 1);
    }
}
