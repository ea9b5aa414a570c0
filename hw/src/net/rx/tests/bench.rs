//! The receive path with everything around it: MAC, free slots and sessions, packet buffer.

use super::frames;
use crate::net::rx::model::{Caller, Message, Outcome, Settings};
use crate::net::rx::*;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::Network;
use crate::testing::Rng;
use crate::types::{ProgramEntry, ServiceEntry};
use lauberhorn_interface::counters::{Counter, CounterClass};
use lauberhorn_interface::line::{HEADER_BYTES, RxHeader};
use lauberhorn_interface::table_hash::{ProgramKey, ServiceKey};
use rand::{Rng as _, SeedableRng};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// The path of a card, in the interpreter.
pub fn path(config: &NicConfig) -> Network {
    fn run<L: Leaf>(leaf: L) -> Interpreter {
        Interpreter::new(leaf.elaborate())
    }
    let (beats, slots) = (config.slot_beats(), config.bypass_slots());
    let design = Design::composite("rx_path", RxPath::new(config));
    let blocks = vec![
        (
            "ethernet",
            run(EthernetDecoder::new(config.max_frame_bytes())),
        ),
        ("ipv4", run(Ipv4Decoder::default())),
        ("udp", run(UdpDecoder::default())),
        ("oncrpc", run(OncRpcDecoder::default())),
        ("checksum", run(ChecksumVerifier::default())),
        (
            "service_table",
            run(ServiceTable::services(config.service_entries())),
        ),
        (
            "program_table",
            run(ProgramTable::programs(config.program_entries())),
        ),
        ("slot_writer", run(SlotWriter::new(beats))),
        ("bypass_queue", run(BypassQueue::new(beats, slots))),
        ("verdict", run(Verdict::default())),
        ("commit", run(Commit::default())),
        ("replies", run(Fifo::<NicReply>::new(REPLIES))),
    ];
    Network::new(&design.verilog, blocks)
}

/// How generous the surroundings are.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Share of cycles in which the MAC has a beat.
    pub mac_percent: u32,
    /// Share of cycles in which a waiting answer is taken.
    pub reply_percent: u32,
    /// Free sessions at the start.
    pub sessions: usize,
    /// Longest time that a delivered message keeps slot and session, in cycles.
    pub hold_cycles: u64,
}

impl World {
    /// Nothing ever lacks.
    pub const GENEROUS: World = World {
        mac_percent: 100,
        reply_percent: 100,
        sessions: 1024,
        hold_cycles: 1,
    };
}

/// An answer as it leaves: to whom, kind, low, high.
pub type Answer = (Caller, (u8, u32, u32));

pub struct Bench {
    pub dut: Network,
    config: NicConfig,
    world: World,
    rng: Rng,
    pub cycle: u64,
    pub settings: Settings,
    beats: VecDeque<(Value, bool)>,
    call_slots: VecDeque<u64>,
    bypass_slots: VecDeque<u64>,
    sessions: VecDeque<u64>,
    held: HashSet<u64>,
    /// Slot or (with the flag) session that comes free at a cycle.
    returns: Vec<(u64, bool, u64)>,
    buffer: Vec<[u8; 64]>,
    pub calls: Vec<(u64, Caller, Message)>,
    pub frames: Vec<(u64, Message)>,
    pub answers: Vec<Answer>,
    pub counts: BTreeMap<Counter, u64>,
    /// Cycles in which last beats were on `mac`.
    pub ends: Vec<u64>,
}

impl Bench {
    pub fn new(config: &NicConfig, settings: Settings, world: World, seed: u64) -> Self {
        let mut bench = Self {
            dut: path(config),
            config: config.clone(),
            world,
            rng: Rng::seed_from_u64(seed),
            cycle: 0,
            settings,
            beats: VecDeque::new(),
            call_slots: VecDeque::new(),
            bypass_slots: VecDeque::new(),
            sessions: VecDeque::new(),
            held: HashSet::new(),
            returns: vec![],
            buffer: vec![[0; 64]; 1 << 16],
            calls: vec![],
            frames: vec![],
            answers: vec![],
            counts: BTreeMap::new(),
            ends: vec![],
        };
        bench.reset();
        bench
    }

    /// Resets the card and its surroundings, then sets the card up again.
    pub fn reset(&mut self) {
        let calls = self.config.call_slots() as u64;
        let slots = calls + self.config.bypass_slots() as u64;
        self.call_slots = (0..calls).collect();
        self.bypass_slots = (calls..slots).collect();
        self.sessions = (0..self.world.sessions as u64).collect();
        self.held.clear();
        self.beats.clear();
        self.returns.clear();
        self.calls.clear();
        self.frames.clear();
        self.answers.clear();
        self.counts.clear();
        self.ends.clear();
        self.dut.reset();
        self.apply_settings();
    }

    /// Writes settings and tables to the card.
    pub fn apply_settings(&mut self) {
        let settings = self.settings.clone();
        let dut = &mut self.dut;
        dut.poke_field("settings", "enable", settings.enable.into());
        dut.poke_field("settings", "promiscuous", settings.promiscuous.into());
        dut.set_field("settings", "mac", &Value::from_bytes(48, &settings.mac));
        dut.set_field("settings", "ipv4", &Value::from_bytes(32, &settings.ipv4));
        let mut ports = Value::zero(256);
        let mut valid = 0;
        // Other entries hold ports that must not count.
        for entry in 0..16 {
            let port = settings.rpc_ports.get(entry).copied();
            valid |= u64::from(port.is_some()) << entry;
            ports.set_slice(16 * entry, &Value::new(16, port.unwrap_or(2049).into()));
        }
        dut.set_field("settings", "rpc_ports", &ports);
        dut.poke_field("settings", "rpc_port_valid", valid);
        let mut used = HashSet::new();
        for entry in &settings.services {
            let key = ServiceKey {
                program: u64::from(entry.program) as u32,
                version: u64::from(entry.version) as u32,
                procedure: u64::from(entry.procedure) as u32,
                port: u64::from(entry.port) as u16,
            };
            let entries = self.config.service_entries();
            let places = [0, 1].map(|bank| (bank, key.index(bank, entries)));
            let (bank, index) = self.place(&mut used, places);
            self.write("services", bank, index, &service_fields(entry));
        }
        used.clear();
        for entry in &settings.programs {
            let key = ProgramKey {
                program: u64::from(entry.program) as u32,
                port: u64::from(entry.port) as u16,
            };
            let entries = self.config.program_entries();
            let places = [0, 1].map(|bank| (bank, key.index(bank, entries)));
            let (bank, index) = self.place(&mut used, places);
            self.write("programs", bank, index, &program_fields(entry));
        }
    }

    /// One of the two places of a key, at random if both are free.
    fn place(
        &mut self,
        used: &mut HashSet<(usize, usize)>,
        mut places: [(usize, usize); 2],
    ) -> (usize, usize) {
        if self.rng.random() {
            places.reverse();
        }
        let free = places.into_iter().find(|place| used.insert(*place));
        free.expect("few entries always have a place")
    }

    fn write(&mut self, bundle: &str, bank: usize, index: usize, fields: &[(&str, u64)]) {
        let (payload, valid) = (format!("{bundle}$payload"), format!("{bundle}$valid"));
        self.dut.poke_field(&payload, "at.bank", bank as u64);
        self.dut.poke_field(&payload, "at.index", index as u64);
        for (name, value) in fields {
            self.dut
                .poke_field(&payload, &format!("entry.{name}"), *value);
        }
        self.dut.poke(&valid, 1);
        self.dut.step().unwrap();
        self.dut.poke(&valid, 0);
    }

    /// Queues a frame at the MAC.
    pub fn send(&mut self, frame: &[u8], mac_error: bool) {
        let chunks: Vec<_> = frame.chunks(64).collect();
        for (at, chunk) in chunks.iter().enumerate() {
            let last = at + 1 == chunks.len();
            // What the MAC leaves in bytes that do not count is arbitrary.
            let mut bytes = [0xee; 64];
            bytes[..chunk.len()].copy_from_slice(chunk);
            let mut beat = Value::zero(578);
            beat.set_slice(0, &Value::from_bytes(512, &bytes));
            beat.set_slice(512, &Value::new(64, (1u128 << chunk.len()) - 1));
            beat.set_slice(576, &Value::new(1, last.into()));
            beat.set_slice(577, &Value::new(1, (last && mac_error).into()));
            self.beats.push_back((beat, last));
        }
    }

    fn drive(&mut self) {
        let go = self.rng.random_range(0..100) < self.world.mac_percent;
        let beat = go.then(|| self.beats.pop_front()).flatten();
        self.dut.poke("mac$valid", beat.is_some().into());
        if let Some((beat, last)) = beat {
            self.dut.set("mac$payload", &beat);
            if last {
                self.ends.push(self.cycle);
            }
        }
        for (port, pool) in [
            ("call_slot", &self.call_slots),
            ("bypass_slot", &self.bypass_slots),
            ("session", &self.sessions),
        ] {
            let front = pool.front();
            self.dut
                .poke(&format!("{port}$valid"), front.is_some().into());
            let offered = front.copied().unwrap_or(0);
            let payload = match port {
                "session" => offered | (offered ^ 0x155) << 10,
                _ => offered,
            };
            self.dut.poke(&format!("{port}$payload"), payload);
        }
        let takes = self.rng.random_range(0..100) < self.world.reply_percent;
        self.dut.poke("reply$ready", takes.into());
    }

    fn fires(&mut self, bundle: &str) -> bool {
        self.dut.peek(&format!("{bundle}$valid")) == 1
    }

    fn taken(&mut self, bundle: &str) -> bool {
        self.fires(bundle) && self.dut.peek(&format!("{bundle}$ready")) == 1
    }

    /// One cycle.
    #[track_caller]
    pub fn step(&mut self) {
        self.step_with(|_| ());
    }

    /// A beat arrives at the packet buffer.
    #[track_caller]
    fn store(&mut self, address: u64, data: &[u8]) {
        let slot = address / self.config.slot_beats() as u64;
        assert!(
            self.held.contains(&slot),
            "write to slot {slot}, which is free"
        );
        self.buffer[address as usize].copy_from_slice(data);
    }

    /// One cycle; `look` sees the path before the clock edge.
    #[track_caller]
    pub fn step_with(&mut self, look: impl FnOnce(&mut Self)) {
        self.drive();
        look(self);
        if self.fires("buffer") {
            let address = self.dut.peek_field("buffer$payload", "address");
            let data = self.dut.get_field("buffer$payload", "data").to_bytes();
            self.store(address, &data);
        }
        if self.fires("frame_buffer") {
            let port = "frame_buffer$payload";
            let address = self.dut.peek_field(port, "address");
            let data = self.dut.get_field(port, "data").to_bytes();
            self.store(address, &data);
            if self.dut.peek_field(port, "spills") == 1 {
                let mut spill = self.dut.get_field(port, "spill").to_bytes();
                spill.resize(64, 0);
                self.store(address + 1, &spill);
            }
        }
        self.deliver();
        for bundle in ["call_slot_free", "bypass_slot_free"] {
            if self.fires(bundle) {
                let slot = self.dut.peek(&format!("{bundle}$payload"));
                self.release(slot);
            }
        }
        if self.taken("call_slot") {
            let slot = self.call_slots.pop_front().unwrap();
            assert!(self.held.insert(slot));
        }
        if self.taken("bypass_slot") {
            let slot = self.bypass_slots.pop_front().unwrap();
            assert!(self.held.insert(slot));
        }
        if self.taken("session") {
            self.sessions.pop_front();
        }
        if self.taken("reply") {
            let field = |path: &str, dut: &mut Network| dut.peek_field("reply$payload", path);
            let kind = field("kind", &mut self.dut) as u8;
            let low = field("low", &mut self.dut) as u32;
            let high = field("high", &mut self.dut) as u32;
            let caller = self.caller("reply$payload");
            self.answers.push((caller, (kind, low, high)));
        }
        for counter in Counter::ALL {
            let counted = counter.class() == CounterClass::Disposition;
            if counted || *counter == Counter::RxFrames {
                let pulses = self.dut.peek_field("events", counter.name());
                *self.counts.entry(*counter).or_default() += pulses;
            }
        }
        if let Err(failed) = self.dut.step() {
            panic!("{failed}");
        }
        self.cycle += 1;
        let now = self.cycle;
        let (due, later) = self.returns.iter().partition(|back| back.0 <= now);
        self.returns = later;
        let due: Vec<(u64, bool, u64)> = due;
        for (_, is_session, id) in due {
            match is_session {
                true => self.sessions.push_back(id),
                false => self.release(id),
            }
        }
    }

    #[track_caller]
    fn release(&mut self, slot: u64) {
        assert!(self.held.remove(&slot), "slot {slot} is freed and was free");
        match slot < self.config.call_slots() as u64 {
            true => self.call_slots.push_back(slot),
            false => self.bypass_slots.push_back(slot),
        }
    }

    fn caller(&mut self, port: &str) -> Caller {
        let bytes = |name: &str, dut: &mut Network| {
            let value = dut.get_field(port, &format!("peer.{name}"));
            value.to_bytes()
        };
        let dut = &mut self.dut;
        Caller {
            mac: bytes("mac", dut).try_into().unwrap(),
            ipv4: bytes("ipv4", dut).try_into().unwrap(),
            port: dut.peek_field(port, "peer.port") as u16,
            local_port: dut.peek_field(port, "peer.local_port") as u16,
            xid: u32::from_be_bytes(bytes("xid", dut).try_into().unwrap()),
        }
    }

    /// Takes a delivered message, reads its image as the host would.
    fn deliver(&mut self) {
        let (call, frame) = (self.fires("call"), self.fires("frame"));
        assert_eq!(call || frame, self.fires("descriptor"), "one header each");
        assert_eq!(call, self.fires("session_open"), "a session for every call");
        assert!(!(call && frame), "one header port serves both");
        if !(call || frame) {
            return;
        }
        let port = if call {
            "call$payload"
        } else {
            "frame$payload"
        };
        let slot = self.dut.peek_field(port, "slot");
        assert!(
            self.held.contains(&slot),
            "slot {slot} is delivered and free"
        );
        assert_eq!(self.dut.peek_field("descriptor$payload", "slot"), slot);
        let header = self
            .dut
            .get_field("descriptor$payload", "header")
            .to_bytes();
        let header: [u8; HEADER_BYTES] = header.try_into().unwrap();
        let mut header = RxHeader::decode(&header).expect("a legal header");
        let length = self.dut.peek_field(port, "length_bytes") as usize;
        assert_eq!(length, usize::from(header.length_bytes));
        let first = slot as usize * self.config.slot_beats();
        let image = self.buffer[first..first + self.config.slot_beats()].concat();
        let offset = header.kind.body_offset();
        let body = image[offset..offset + length].to_vec();
        if frame {
            assert_eq!(
                image[HEADER_BYTES..offset],
                [0; 2],
                "padding before a frame"
            );
        }
        let held_until = self.cycle + self.rng.random_range(0..=self.world.hold_cycles);
        self.returns.push((held_until, false, slot));
        if call {
            let session = self.dut.peek_field(port, "session");
            assert_eq!(u64::from(header.session.index), session);
            assert_eq!(u64::from(header.session.generation), session ^ 0x155);
            let opened = self.dut.peek_field("session_open$payload", "session");
            assert_eq!(opened, session);
            self.returns.push((held_until, true, session));
            header.session = Default::default();
            let caller = self.caller("session_open$payload");
            self.calls
                .push((self.cycle, caller, Message { header, body }));
        } else {
            self.frames.push((self.cycle, Message { header, body }));
        }
    }

    /// Runs until all frames are through and everything is back.
    #[track_caller]
    pub fn drain(&mut self) {
        while !self.beats.is_empty() {
            self.step();
        }
        // Bypass frames wait for slots, at worst one after the other.
        let waits = 1 + self.count(Counter::RxBypass);
        for _ in 0..2000 + waits * self.world.hold_cycles {
            if self.is_quiet() {
                break;
            }
            self.step();
        }
        for _ in 0..20 {
            self.step();
        }
        let slots = self.config.call_slots() + self.config.bypass_slots();
        let free = self.call_slots.len() + self.bypass_slots.len();
        assert_eq!(free, slots, "slots that are free in the end");
        assert_eq!(self.sessions.len(), self.world.sessions, "sessions");
        let frames = self.ends.len() as u64;
        assert_eq!(self.count(Counter::RxFrames), frames);
        assert_eq!(self.dispositions(), frames, "{:?}", self.counts);
    }

    fn is_quiet(&self) -> bool {
        let frames = self.ends.len() as u64;
        let counted = self.count(Counter::RxFrames) == frames && self.dispositions() == frames;
        let answered = self.answers.len() as u64 == self.answered();
        let delivered = self.frames.len() as u64 == self.count(Counter::RxBypass);
        counted && answered && delivered && self.held.is_empty()
    }

    fn answered(&self) -> u64 {
        use Counter::*;
        [
            RxNullAnswered,
            RxProgUnavail,
            RxProgMismatch,
            RxProcUnavail,
            RxRpcMismatch,
            RxAuthError,
        ]
        .map(|counter| self.count(counter))
        .iter()
        .sum()
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.counts.get(&counter).copied().unwrap_or(0)
    }

    fn dispositions(&self) -> u64 {
        let sum = |sum, (_, count): (&Counter, &u64)| sum + count;
        let all = self.counts.iter();
        all.filter(|(counter, _)| counter.class() == CounterClass::Disposition)
            .fold(0, sum)
    }

    /// Sends `frames` and compares everything with the model, in a card that lacks nothing.
    #[track_caller]
    pub fn compare(&mut self, frames: &[(Vec<u8>, bool)]) {
        let (mut calls, mut bypassed, mut answers) = (vec![], vec![], vec![]);
        let mut counts = BTreeMap::new();
        for (frame, mac_error) in frames {
            let counter = match self.settings.receive(frame, *mac_error) {
                Outcome::Drop(counter) => counter,
                Outcome::Bypass(message) => {
                    bypassed.push(message);
                    Counter::RxBypass
                }
                Outcome::Answer {
                    counter,
                    caller,
                    reply,
                } => {
                    answers.push((caller, reply));
                    counter
                }
                Outcome::Dispatch(caller, message) => {
                    calls.push((caller, message));
                    Counter::RxCallDispatched
                }
            };
            *counts.entry(counter).or_insert(0) += 1;
            self.send(frame, *mac_error);
            while self.beats.len() > 64 {
                self.step();
            }
        }
        self.drain();
        counts.insert(Counter::RxFrames, frames.len() as u64);
        self.counts.retain(|_, count| *count > 0);
        assert_eq!(self.counts, counts);
        let got: Vec<_> = self
            .calls
            .iter()
            .map(|call| (call.1, call.2.clone()))
            .collect();
        same("call", &got, &calls);
        let got: Vec<_> = self.frames.iter().map(|frame| frame.1.clone()).collect();
        same("bypass frame", &got, &bypassed);
        same("answer", &self.answers, &answers);
    }
}

#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &[T], expected: &[T]) {
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got, expected, "{what} {index}");
    }
    assert_eq!(got.len(), expected.len(), "number of {what}s");
}

fn service_fields(entry: &ServiceEntry) -> Vec<(&'static str, u64)> {
    vec![
        ("valid", entry.valid.into()),
        ("program", entry.program.into()),
        ("version", entry.version.into()),
        ("procedure", entry.procedure.into()),
        ("port", entry.port.into()),
        ("function", entry.function.into()),
        ("service", entry.service.into()),
        ("process", entry.process.into()),
        ("flags", entry.flags.into()),
    ]
}

fn program_fields(entry: &ProgramEntry) -> Vec<(&'static str, u64)> {
    vec![
        ("valid", entry.valid.into()),
        ("program", entry.program.into()),
        ("port", entry.port.into()),
        ("low", entry.low.into()),
        ("high", entry.high.into()),
        ("versions", entry.versions.into()),
    ]
}

/// `count` hostile frames.
pub fn hostile_frames(rng: &mut Rng, config: &NicConfig, count: usize) -> Vec<(Vec<u8>, bool)> {
    let max = config.max_frame_bytes();
    (0..count).map(|_| frames::hostile(rng, max)).collect()
}
