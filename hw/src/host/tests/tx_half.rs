//! The TX half of an endpoint under random traffic against the home's state machine: what it answers,
//! recalls and offers, and in which order.

use super::rx_half::named;
use super::small;
use crate::host::shape::Shape;
use crate::host::tx::{self, TxHalf};
use crate::rtl::{Dut, Interpreter, Leaf};
use crate::testing::{Rng, rng, root_seed};
use lauberhorn_coherence::home::{
    HomeConfig, TxAction, TxContent, TxEvent, TxHome, TxMessage, WaitingLoad,
};
use lauberhorn_coherence::layout::LineRole;
use lauberhorn_coherence::layout::Parity::{One, Zero};
use lauberhorn_interface::line::{AcceptStat, TxKind};
use rand::Rng as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const DRAIN_CYCLES: u64 = 3_000;
const ENDPOINT: usize = 1;
const REPLY: u64 = TxKind::Reply as u64;
const FRAME: u64 = TxKind::Frame as u64;
const ERROR_REPLY: u64 = TxKind::ErrorReply as u64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Header {
    valid: u64,
    kind: u64,
    status: u64,
    length_bytes: u64,
    session: u64,
    generation: u64,
    sequence: u64,
}

/// What the host wrote to a line; the default is a line of zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Written {
    written: bool,
    header: Header,
    overflow_lines: Option<usize>,
}

impl TxContent for Written {
    fn overflow_lines(&self) -> Option<usize> {
        self.overflow_lines
    }

    fn sequence(&self) -> u32 {
        self.header.sequence as u32
    }
}

/// Kind, status, session, generation, length of an offered message.
type Offer = (u64, u64, u64, u64, u64);

struct Rig {
    eager: bool,
    dut: Interpreter,
    shape: Shape,
    home: TxHome<Written>,
    rng: Rng,
    cycle: u64,
    loads: VecDeque<WaitingLoad>,
    offered: bool,
    next_id: u8,
    lines: BTreeMap<u8, LineRole>,
    /// Fills: id, and the beat in the transmit lines when there is content.
    fills: VecDeque<(u8, Option<u64>)>,
    recalls: VecDeque<LineRole>,
    offers: VecDeque<Offer>,
    leaving: VecDeque<(u64, u8)>,
    host: BTreeSet<LineRole>,
    recalled: Vec<LineRole>,
    /// The headers last written to the control lines.
    headers: [Header; 2],
    /// When the transmit path has read the message.
    reads: Option<u64>,
    incomplete: u64,
    resetting: bool,
    /// An orphan may still be given in this reset.
    orphans: u32,
    /// Loads that the home knows of before the half has taken them.
    told: usize,
    seen: BTreeMap<&'static str, u64>,
}

impl Rig {
    fn new(line_bytes: usize, eager: bool, name: &str) -> Self {
        let shape = small(line_bytes);
        let mut dut = Interpreter::new(TxHalf::new(&shape, ENDPOINT).elaborate());
        dut.reset();
        dut.poke_field("settings", "eager_tx", u64::from(eager));
        Self {
            eager,
            home: TxHome::with(HomeConfig {
                eager,
                sequence_mask: 0xff,
                ..HomeConfig::new(shape.overflow_lines())
            }),
            dut,
            shape,
            rng: rng(root_seed(), name),
            cycle: 0,
            loads: VecDeque::new(),
            offered: false,
            next_id: 0,
            lines: BTreeMap::new(),
            fills: VecDeque::new(),
            recalls: VecDeque::new(),
            offers: VecDeque::new(),
            leaving: VecDeque::new(),
            host: BTreeSet::new(),
            recalled: Vec::new(),
            headers: [Header::default(); 2],
            reads: None,
            incomplete: 0,
            resetting: false,
            orphans: 0,
            told: 0,
            seen: BTreeMap::new(),
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

    fn beat(&self, line: LineRole) -> u64 {
        let line_beats = self.shape.beats_per_line();
        let beat = match line {
            LineRole::TxControl(One) => self.shape.message_beats(),
            LineRole::TxOverflow(n) => (n + 1) * line_beats,
            _ => 0,
        };
        beat as u64
    }

    fn tell(&mut self, event: TxEvent<Written>) {
        let (home, actions) = self.home.step(event.clone()).unwrap_or_else(|violation| {
            panic!("cycle {}: {event:?}: {violation}", self.cycle);
        });
        self.home = home;
        for action in actions {
            match action {
                TxAction::Recall(line) => {
                    self.recalls.push_back(line);
                    self.note("recall");
                }
                TxAction::Fill { load, data } => {
                    let beat = data.written.then(|| self.beat(load.line));
                    self.fills.push_back((load.id, beat));
                    self.note(if data.written { "kept" } else { "zeros" });
                }
                TxAction::Offer(message) => self.expect(&message),
                TxAction::ResetDone => self.note("reset"),
            }
        }
    }

    /// What the half has to offer for a gathered message.
    fn expect(&mut self, message: &TxMessage<Written>) {
        let (header, missing) = match message {
            TxMessage::Complete { control, .. } => (control.header, false),
            TxMessage::Incomplete { control, .. } => (control.header, true),
        };
        let impossible = header.session >= 1 << 10 && header.kind != FRAME;
        let kind = if impossible { 7 } else { header.kind };
        let handle = (header.session & 0x3ff, header.generation);
        self.incomplete += u64::from(missing);
        if missing && kind == FRAME {
            return self.note("dropped frame");
        }
        let (kind, status, length) = match missing {
            false => (kind, header.status, header.length_bytes),
            true if kind == REPLY => (ERROR_REPLY, AcceptStat::SystemErr as u64, 0),
            true => (kind, AcceptStat::SystemErr as u64, 0),
        };
        self.note(if missing { "incomplete" } else { "complete" });
        self.offers
            .push_back((kind, status, handle.0, handle.1, length));
    }

    fn new_load(&mut self) {
        let overflow = self.shape.overflow_lines();
        let line = match self.rng.random_range(0..8) {
            0..2 => LineRole::TxControl(Zero),
            2..4 => LineRole::TxControl(One),
            _ => LineRole::TxOverflow(self.rng.random_range(0..overflow)),
        };
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.lines.insert(id, line);
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
            self.dut.poke_field("load$payload", "control", control);
            self.dut.poke_field("load$payload", "index", index);
            self.dut
                .poke_field("load$payload", "id", u64::from(load.id));
        }
    }

    fn new_header(&mut self) -> Header {
        let capacity = self.shape.config().capacity_bytes() as u64;
        let length_bytes = match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..100),
            1 | 2 => self.rng.random_range(0..capacity),
            _ => self.rng.random_range(capacity - 70..capacity + 70),
        };
        Header {
            valid: u64::from(self.rng.random_ratio(6, 7)),
            kind: match self.rng.random_range(0..8) {
                0..3 => REPLY,
                3 | 4 => FRAME,
                other => other,
            },
            status: self.rng.random_range(0..0x1000),
            length_bytes,
            session: match self.rng.random_ratio(1, 8) {
                true => self.rng.random_range(0..0x1_0000),
                false => self.rng.random_range(0..0x400),
            },
            generation: self.rng.random_range(0..0x1_0000),
            sequence: match self.rng.random_ratio(1, 8) {
                true => self.rng.random_range(0..0x100),
                false => u64::from(self.home.sequence()) & 0xff,
            },
        }
    }

    fn written(&mut self, line: LineRole) -> Written {
        let LineRole::TxControl(parity) = line else {
            return Written {
                written: true,
                ..Written::default()
            };
        };
        let header = self.new_header();
        self.headers[parity.index()] = header;
        let needs = |offset: usize| {
            let end = offset + header.length_bytes as usize;
            end.div_ceil(self.shape.config().line_bytes()) - 1
        };
        let overflow_lines = match header.kind {
            REPLY => needs(TxKind::Reply.body_offset()),
            FRAME => needs(TxKind::Frame.body_offset()),
            _ => 0,
        };
        Written {
            written: true,
            header,
            overflow_lines: (header.valid == 1).then_some(overflow_lines),
        }
    }

    /// Chooses what comes back in this cycle.
    fn drive_event(&mut self, evictions: bool) -> Option<TxEvent<Written>> {
        // What comes while the half forgets is nobody's: a host that waits for its turn to be
        // confirmed has written nothing new yet.
        // Which lines are there is settled in one step in the home, one by one in the half.
        let state = u128::from(self.register("state_q"));
        let gathering = (tx::SIZE..=tx::OVERFLOW).contains(&state);
        let last = state == tx::FLUSH && self.register("every_line_q") == 0;
        let refilled = state == tx::ANSWER || last;
        let quiet = state == tx::TURN || (self.eager && gathering) || refilled;
        let acknowledge = !self.recalled.is_empty() && self.rng.random_ratio(1, 4);
        // A cache does not evict what it waits for.
        let waited = |line: &&LineRole| self.loads.iter().any(|load| load.line == **line);
        let evictable: Vec<_> = self
            .host
            .iter()
            .filter(|line| !waited(line))
            .copied()
            .collect();
        let evict = evictions && !evictable.is_empty() && self.rng.random_ratio(1, 10);
        let line = match (acknowledge, evict) {
            (true, _) => {
                let at = self.rng.random_range(0..self.recalled.len());
                Some(self.recalled.swap_remove(at))
            }
            (false, true) if !quiet => {
                let at = self.rng.random_range(0..evictable.len());
                Some(evictable[at])
            }
            _ => None,
        };
        self.dut.poke("event$valid", u64::from(line.is_some()));
        let line = line?;
        let dirty = self.host.remove(&line) && self.rng.random_ratio(4, 5);
        let content = dirty.then(|| self.written(line));
        let (control, index) = named(line);
        let header = self.headers[index as usize & 1];
        for (field, value) in [
            ("endpoint", ENDPOINT as u64),
            ("tx", 1),
            ("control", control),
            ("index", index),
            ("acknowledged", u64::from(acknowledge)),
            ("dirty", u64::from(dirty)),
            ("header.valid", header.valid),
            ("header.kind", header.kind),
            ("header.status", header.status),
            ("header.length_bytes", header.length_bytes),
            ("header.session", header.session),
            ("header.generation", header.generation),
            ("header.sequence", header.sequence),
        ] {
            self.dut.poke_field("event$payload", field, value);
        }
        Some(match acknowledge {
            true => TxEvent::RecallAck(line, content),
            false => TxEvent::Writeback(line, content),
        })
    }

    /// Whether the half forgets what it kept at the end of this cycle.
    fn turns(&mut self) -> bool {
        let free = self.register("fill_valid_q") == 0 || self.dut.peek("fill$ready") == 1;
        let fills = free && self.register("fills_q") < 32;
        u128::from(self.register("state_q")) == tx::TURN && (self.eager || fills)
    }

    /// Starts a reset now and then; when the half rests, gives it orphans, then lets it go.
    fn drive_reset(&mut self, traffic: bool) {
        self.dut.poke("orphan$valid", 0);
        if !self.resetting && traffic && self.rng.random_ratio(1, 600) {
            self.resetting = self.dut.peek("cleared") == 0;
            self.orphans = self.rng.random_range(0..3);
        } else if self.resetting && self.dut.peek("cleared") == 1 && self.rng.random_ratio(1, 4) {
            self.resetting = self.orphans > 0;
            if self.resetting {
                self.orphans -= 1;
                let session = self.rng.random_range(0..0x400);
                let generation = self.rng.random_range(0..0x1_0000);
                self.dut.poke("orphan$valid", 1);
                for (field, value) in [
                    ("endpoint", ENDPOINT as u64),
                    ("session", session),
                    ("generation", generation),
                ] {
                    self.dut.poke_field("orphan$payload", field, value);
                }
                let status = AcceptStat::SystemErr as u64;
                self.offers
                    .push_back((ERROR_REPLY, status, session, generation, 0));
                self.note("orphan");
            }
        }
        self.dut.poke("resetting", u64::from(self.resetting));
        if self.resetting && self.register("state_q") == 0 {
            self.tell(TxEvent::Reset);
        }
    }

    /// The last line of a reset comes back: what has been loaded until then counts.
    fn tell_loads(&mut self, event: Option<&TxEvent<Written>>) {
        let last = self.home.recalled().tx_lines().count() == 1;
        let ack = matches!(event, Some(TxEvent::RecallAck(..)));
        if ack && last && self.home.recalls_every_line() {
            for load in self.loads.iter().copied().collect::<Vec<_>>() {
                self.tell(TxEvent::Load(load));
            }
            self.told = self.loads.len();
        }
    }

    fn step(&mut self, traffic: bool) {
        self.drive_reset(traffic);
        let state = u128::from(self.register("state_q"));
        let flushing = (tx::FLUSH..=tx::ANSWER).contains(&state);
        let all_back = flushing && !self.home.recalls_every_line();
        if traffic && !all_back && self.loads.len() < 3 && self.rng.random_ratio(1, 5) {
            self.new_load();
        }
        self.drive_load();
        for port in ["fill$ready", "recall$ready", "message$ready"] {
            let ready = self.rng.random_ratio(2, 3);
            self.dut.poke(port, u64::from(ready));
        }
        let done = self.leaving.front().filter(|(due, _)| *due <= self.cycle);
        let done = done.map(|(_, id)| *id);
        self.dut.poke("done$valid", u64::from(done.is_some()));
        self.dut.poke("done$payload", 32 + ENDPOINT as u64);
        let read = self.reads.take_if(|due| *due <= self.cycle).is_some();
        self.dut.poke("taken$valid", u64::from(read));
        self.dut.poke("taken$payload", ENDPOINT as u64);
        let event = self.drive_event(traffic);

        if self.turns() && !self.home.is_idle() {
            self.tell(TxEvent::Taken);
        }
        if self.offered && self.dut.peek("load$ready") == 1 {
            let load = self.loads.pop_front().expect("one is offered");
            self.offered = false;
            match self.told {
                0 => self.tell(TxEvent::Load(load)),
                _ => self.told -= 1,
            }
        }
        self.tell_loads(event.as_ref());
        if let Some(event) = event {
            self.tell(event);
        }
        if done.is_some() {
            let (_, id) = self.leaving.pop_front().expect("one is due");
            self.host.insert(self.lines[&id]);
        }
        self.look();
        self.dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        self.cycle += 1;
    }

    fn leaves(&mut self, bundle: &str) -> bool {
        self.dut.peek(&format!("{bundle}$valid")) == 1
            && self.dut.peek(&format!("{bundle}$ready")) == 1
    }

    fn look(&mut self) {
        let cycle = self.cycle;
        if self.leaves("fill") {
            let mut field = |name: &str| self.dut.peek_field("fill$payload", name);
            assert_eq!((field("from_slot"), field("exclusive")), (0, 1));
            assert_eq!(field("requester"), 32 + ENDPOINT as u64);
            assert_eq!(field("slot"), ENDPOINT as u64);
            let kept = (field("from_transmit") == 1).then(|| field("beat"));
            let id = field("id") as u8;
            assert_eq!(Some((id, kept)), self.fills.pop_front(), "cycle {cycle}");
            let after = self.leaving.back().map_or(cycle, |(due, _)| *due);
            let due = after.max(cycle) + self.rng.random_range(1..12);
            self.leaving.push_back((due, id));
        }
        if self.leaves("recall") {
            let line = self.recalls.pop_front();
            let line = line.unwrap_or_else(|| panic!("cycle {cycle}: a recall too many"));
            let mut field = |name: &str| self.dut.peek_field("recall$payload", name);
            let sent = (field("tx"), field("control"), field("index"));
            let (control, index) = named(line);
            assert_eq!(sent, (1, control, index), "cycle {cycle}: {line}");
            self.recalled.push(line);
        }
        if self.leaves("message") {
            let parity = self.home.current().index() as u64;
            assert_eq!(self.dut.peek("parity"), parity, "cycle {cycle}");
            let mut field = |name: &str| self.dut.peek_field("message$payload", name);
            assert_eq!(field("endpoint"), ENDPOINT as u64);
            let handle = (field("session"), field("generation"));
            let (kind, status) = (field("kind"), field("status"));
            let offer = (kind, status, handle.0, handle.1, field("length_bytes"));
            assert_eq!(Some(offer), self.offers.pop_front(), "cycle {cycle}");
            self.reads = Some(cycle + self.rng.random_range(1..30));
        }
        *self.seen.entry("pulse").or_default() += self.dut.peek("incomplete");
    }

    fn at_rest(&self) -> bool {
        let queues = !self.resetting
            && self.loads.is_empty()
            && self.leaving.is_empty()
            && self.recalled.is_empty();
        let done = self.fills.is_empty() && self.recalls.is_empty() && self.offers.is_empty();
        queues && done && self.home.is_idle() && self.reads.is_none()
    }
}

fn agrees(line_bytes: usize, eager: bool) {
    let name = format!("tx half {line_bytes} {eager}");
    let mut rig = Rig::new(line_bytes, eager, &name);
    for _ in 0..25_000 {
        rig.step(true);
    }
    let limit = rig.cycle + DRAIN_CYCLES;
    while !rig.at_rest() {
        rig.step(false);
        assert!(
            rig.cycle < limit,
            "does not come to rest: fills {:?}, recalls {:?}, offers {:?}, loads {:?}",
            rig.fills,
            rig.recalls,
            rig.offers,
            rig.loads
        );
    }
    rig.step(false);
    for what in [
        "recall",
        "kept",
        "zeros",
        "complete",
        "incomplete",
        "dropped frame",
        "reset",
        "orphan",
    ] {
        assert!(
            rig.seen.contains_key(what),
            "{name}: no {what} in {:?}",
            rig.seen
        );
    }
    assert_eq!(rig.seen["pulse"], rig.incomplete, "pulses of `incomplete`");
}

#[test]
fn a_half_with_two_beat_lines_does_what_the_home_does() {
    agrees(128, false);
}

#[test]
fn a_half_with_one_beat_lines_does_what_the_home_does() {
    agrees(64, false);
}

#[test]
fn an_eager_half_does_what_the_eager_home_does() {
    agrees(128, true);
    agrees(64, true);
}

#[test]
fn a_control_line_is_offered_in_one_cycle_and_loads_follow_in_every_cycle() {
    let mut rig = Rig::new(128, false, "tx half promises");
    let dut = &mut rig.dut;
    for port in ["fill$ready", "recall$ready", "message$ready", "load$valid"] {
        dut.poke(port, 1);
    }
    // As many loads as may be under way at once, one per cycle.
    for index in 0..20u64 {
        dut.poke_field("load$payload", "id", index);
        assert_eq!(dut.peek("load$ready"), 1, "load {index}");
        dut.poke("done$valid", u64::from(index > 0));
        dut.poke("done$payload", 32 + ENDPOINT as u64);
        dut.step().expect("assertions hold");
        assert_eq!(dut.peek("fill$valid"), 1);
        assert_eq!(dut.peek_field("fill$payload", "id"), index);
    }
    // The other control line asks to send.
    dut.poke_field("load$payload", "control", 1);
    dut.poke_field("load$payload", "index", 1);
    dut.step().expect("assertions hold");
    dut.poke("load$valid", 0);
    dut.poke("done$valid", 0);
    for _ in 0..10 {
        dut.step().expect("assertions hold");
    }
    dut.poke("event$valid", 1);
    for (field, value) in [
        ("endpoint", ENDPOINT as u64),
        ("tx", 1),
        ("control", 1),
        ("acknowledged", 1),
        ("dirty", 1),
        ("header.valid", 1),
        ("header.kind", REPLY),
        ("header.length_bytes", 8),
    ] {
        dut.poke_field("event$payload", field, value);
    }
    assert_eq!(dut.peek("message$valid"), 0);
    dut.step().expect("assertions hold");
    assert_eq!(dut.peek("message$valid"), 1, "1 cycle after the event");
}
