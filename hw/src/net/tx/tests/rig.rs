//! Transmit lines, MAC and receive path around the transmit path.

use super::wired::Wired;
use crate::net::tx::model::Addresses;
use crate::rtl::{Dut, Value};
use crate::testing::{Rng, random_value, rng, root_seed};
use crate::types::{NicReply, Peer, SessionHandle, SessionOpen, SessionOwner, TxMessage};
use lauberhorn_interface::NicConfig;
use rand::Rng as _;
use rust_hdl::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// Cycles without any transfer after which a run is given up.
const IDLE_CYCLES: u64 = 2_000;
pub const LOCAL_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const LOCAL_IPV4: [u8; 4] = [10, 1, 2, 3];
/// This endpoint is raw, and no other.
const RAW_WORKERS: u16 = 1 << (RAW_ENDPOINT - 1);
pub const RAW_ENDPOINT: u8 = 16;

/// A handle as software would hold it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle {
    pub index: u16,
    pub generation: u16,
}

/// A message as an endpoint would offer it.
#[derive(Clone, Debug)]
pub struct Message {
    pub endpoint: u8,
    pub kind: u8,
    pub status: u16,
    pub handle: Handle,
    pub body: Vec<u8>,
    /// Claimed length, where it is not that of `body`.
    pub length: Option<u16>,
}

/// Bits of a struct, first field least significant.
fn pack(fields: &[(usize, u128)]) -> Value {
    let mut value = Value::zero(fields.iter().map(|field| field.0).sum());
    let mut low = 0;
    for (width, field) in fields {
        value.set_slice(low, &Value::new(*width, *field));
        low += width;
    }
    value
}

fn wire_number(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |all, byte| all << 8 | u128::from(*byte))
}

fn peer_fields(to: &Addresses, xid: u32) -> Vec<(usize, u128)> {
    vec![
        (48, wire_number(&to.peer_mac)),
        (32, wire_number(&to.peer_ipv4)),
        (16, u128::from(to.peer_port)),
        (16, u128::from(to.local_port)),
        (32, wire_number(&xid.to_be_bytes())),
    ]
}

/// A NIC reply.
pub fn nic_reply(to: &Addresses, xid: u32, kind: u8, low: u32, high: u32) -> Value {
    let mut fields = peer_fields(to, xid);
    fields.extend([
        (4, u128::from(kind)),
        (32, u128::from(low)),
        (32, u128::from(high)),
    ]);
    let value = pack(&fields);
    assert_eq!(value.width(), NicReply::BITS);
    value
}

/// A peer made of random numbers.
pub fn random_peer(rng: &mut Rng) -> Addresses {
    Addresses {
        peer_mac: rng.random(),
        peer_ipv4: rng.random(),
        peer_port: rng.random(),
        local_mac: LOCAL_MAC,
        local_ipv4: LOCAL_IPV4,
        local_port: rng.random(),
    }
}

/// The path with everything around it.
pub struct Rig {
    pub dut: Wired,
    pub rng: Rng,
    pub cycle: u64,
    /// Messages not yet offered, and NIC replies.
    pub messages: VecDeque<Message>,
    pub replies: VecDeque<Value>,
    /// Share of the cycles in which the MAC takes a beat.
    pub mac_percent: u32,
    /// Share of the cycles in which a waiting message or reply is offered.
    pub offer_percent: u32,
    /// Frames with the cycles of their first and last beat on `mac`.
    pub frames: Vec<(Vec<u8>, u64, u64)>,
    /// Cycles in which a message was first offered, and taken.
    pub offered_at: Vec<u64>,
    pub accepted_at: Vec<u64>,
    pub events: BTreeMap<String, u64>,
    pub taken: Vec<u8>,
    sessions: u64,
    slot_beats: usize,
    lines: Vec<[u8; 64]>,
    busy: [bool; 32],
    read: Option<usize>,
    offer: Option<Message>,
    reply_offered: bool,
    frame: Vec<u8>,
    frame_start: Option<u64>,
    waiting: Option<Value>,
}

impl Rig {
    pub fn new(config: &NicConfig, name: &str) -> Self {
        let mut rig = Self {
            dut: Wired::new(config),
            sessions: config.sessions() as u64,
            rng: rng(root_seed(), name),
            cycle: 0,
            messages: VecDeque::new(),
            replies: VecDeque::new(),
            mac_percent: 100,
            offer_percent: 100,
            frames: Vec::new(),
            offered_at: Vec::new(),
            accepted_at: Vec::new(),
            events: BTreeMap::new(),
            taken: Vec::new(),
            slot_beats: config.slot_beats(),
            lines: vec![[0xee; 64]; 32 * config.slot_beats()],
            busy: [false; 32],
            read: None,
            offer: None,
            reply_offered: false,
            frame: Vec::new(),
            frame_start: None,
            waiting: None,
        };
        rig.start();
        rig
    }

    /// Sets the own addresses and waits for the sessions.
    fn start(&mut self) {
        self.dut.reset();
        let mut settings = LOCAL_MAC.to_vec();
        settings.extend(LOCAL_IPV4);
        settings.extend(RAW_WORKERS.to_le_bytes());
        self.dut.set("settings", &Value::from_bytes(96, &settings));
        self.steps(self.sessions + 4);
    }

    /// Resets the path; whatever was under way or waited is forgotten.
    pub fn reset(&mut self) {
        self.messages.clear();
        self.replies.clear();
        (self.offer, self.reply_offered) = (None, false);
        (self.read, self.busy) = (None, [false; 32]);
        self.frame.clear();
        (self.frame_start, self.waiting) = (None, None);
        self.frames.clear();
        self.taken.clear();
        self.events.clear();
        self.start();
    }

    fn offer_message(&mut self) {
        if self.offer.is_none() {
            let go = self.rng.random_range(0..100) < self.offer_percent;
            let free = |message: &Message| !self.busy[usize::from(message.endpoint)];
            if go && self.messages.front().is_some_and(free) {
                let message = self.messages.pop_front().expect("there is a front");
                self.busy[usize::from(message.endpoint)] = true;
                let at = usize::from(message.endpoint) * self.slot_beats;
                let offset = if message.kind == 3 { 34 } else { 32 };
                for beat in &mut self.lines[at..at + self.slot_beats] {
                    *beat = self.rng.random();
                }
                for (index, byte) in message.body.iter().enumerate() {
                    let index = offset + index;
                    self.lines[at + index / 64][index % 64] = *byte;
                }
                self.offered_at.push(self.cycle);
                self.offer = Some(message);
            }
        }
        let payload = match &self.offer {
            None => random_value(&mut self.rng, TxMessage::BITS),
            Some(message) => pack(&[
                (5, u128::from(message.endpoint)),
                (3, u128::from(message.kind)),
                (12, u128::from(message.status)),
                (10, u128::from(message.handle.index)),
                (16, u128::from(message.handle.generation)),
                (
                    16,
                    u128::from(message.length.unwrap_or(message.body.len() as u16)),
                ),
            ]),
        };
        self.dut.set("message$payload", &payload);
        self.dut
            .poke("message$valid", u64::from(self.offer.is_some()));
    }

    /// One clock cycle; returns whether anything moved.
    pub fn step(&mut self) -> bool {
        self.step_with(|_, _| ())
    }

    /// One clock cycle; `look` sees the path and the cycle before the clock edge.
    pub fn step_with(&mut self, look: impl FnOnce(&mut Wired, u64)) -> bool {
        self.offer_message();
        let go = self.rng.random_range(0..100) < self.offer_percent;
        self.reply_offered = !self.replies.is_empty() && (self.reply_offered || go);
        let payload = match self.reply_offered {
            true => self.replies[0].clone(),
            false => random_value(&mut self.rng, NicReply::BITS),
        };
        self.dut.set("reply$payload", &payload);
        self.dut.poke("reply$valid", u64::from(self.reply_offered));
        let word: [u8; 64] = match self.read.take() {
            Some(address) => self.lines[address],
            None => self.rng.random(),
        };
        self.dut.set("lines_data", &Value::from_bytes(512, &word));
        let ready = self.rng.random_range(0..100) < self.mac_percent;
        self.dut.poke("mac$ready", u64::from(ready));

        let mut moved = false;
        if self.offer.is_some() && self.dut.peek("message$ready") == 1 {
            self.accepted_at.push(self.cycle);
            self.offer = None;
            moved = true;
        }
        if self.reply_offered && self.dut.peek("reply$ready") == 1 {
            self.replies.pop_front();
            self.reply_offered = false;
            moved = true;
        }
        if self.dut.peek("lines_read$valid") == 1 {
            self.read = Some(self.dut.peek("lines_read$payload") as usize);
            moved = true;
        }
        if self.dut.peek("taken$valid") == 1 {
            let endpoint = self.dut.peek("taken$payload") as usize;
            assert!(self.busy[endpoint], "endpoint {endpoint} had no message");
            self.busy[endpoint] = false;
            self.taken.push(endpoint as u8);
            // The lines may be used again from now on.
            let at = endpoint * self.slot_beats;
            self.lines[at..at + self.slot_beats].fill([0xdd; 64]);
            moved = true;
        }
        moved |= self.watch_mac(ready);
        self.count_events();
        look(&mut self.dut, self.cycle);
        if let Err(failed) = self.dut.step() {
            panic!("cycle {}: {failed}", self.cycle);
        }
        self.cycle += 1;
        moved
    }

    fn watch_mac(&mut self, ready: bool) -> bool {
        let item = (self.dut.peek("mac$valid") == 1).then(|| self.dut.get("mac$payload"));
        if let Some(waiting) = self.waiting.take() {
            assert_eq!(item.as_ref(), Some(&waiting), "mac took an offer back");
        }
        let Some(item) = item else { return false };
        self.frame_start.get_or_insert(self.cycle);
        if !ready {
            self.waiting = Some(item);
            return false;
        }
        let (keep, last) = (item.slice(512, 64), item.bit(576));
        let count = (0..64).filter(|byte| keep.bit(*byte)).count();
        assert!(
            (0..count).all(|byte| keep.bit(byte)) && count > 0,
            "keep is contiguous"
        );
        assert!(last || count == 64, "only the last beat is short");
        self.frame.extend(&item.slice(0, 512).to_bytes()[..count]);
        if last {
            let start = self.frame_start.take().expect("set above");
            let frame = std::mem::take(&mut self.frame);
            self.frames.push((frame, start, self.cycle));
        }
        true
    }

    fn count_events(&mut self) {
        let events = self.dut.get("events");
        let layout = self.dut.port("events").layout.clone().expect("a struct");
        for (index, name) in layout.names().into_iter().enumerate() {
            *self.events.entry(name.into()).or_default() += u64::from(events.bit(index));
        }
    }

    pub fn steps(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.step();
        }
    }

    /// Runs until everything fed has been taken and nothing moves any more.
    pub fn run(&mut self) {
        let mut idle = 0;
        while !(self.messages.is_empty() && self.replies.is_empty()) || idle < 40 {
            idle = if self.step() { 0 } else { idle + 1 };
            assert!(
                idle < IDLE_CYCLES,
                "cycle {}: nothing moves, {} messages are left",
                self.cycle,
                self.messages.len()
            );
        }
    }

    /// Takes a free session.
    pub fn take_session(&mut self) -> Handle {
        for _ in 0..IDLE_CYCLES {
            if self.dut.peek("session$valid") == 1 {
                let payload = self.dut.get("session$payload");
                assert_eq!(payload.width(), SessionHandle::BITS);
                self.dut.poke("session$ready", 1);
                self.step();
                self.dut.poke("session$ready", 0);
                return Handle {
                    index: payload.slice(0, 10).to_u64() as u16,
                    generation: payload.slice(10, 16).to_u64() as u16,
                };
            }
            self.step();
        }
        panic!("no free session");
    }

    /// Opens a session for a peer and gives it to an endpoint.
    pub fn open(&mut self, endpoint: u8, to: &Addresses, xid: u32) -> Handle {
        let handle = self.take_session();
        let mut fields = vec![(10, u128::from(handle.index))];
        fields.extend(peer_fields(to, xid));
        let payload = pack(&fields);
        assert_eq!(payload.width(), SessionOpen::BITS);
        assert_eq!(payload.width() - 10, Peer::BITS);
        self.dut.set("session_open$payload", &payload);
        self.dut.poke("session_open$valid", 1);
        self.step();
        self.dut.poke("session_open$valid", 0);
        let payload = pack(&[(10, u128::from(handle.index)), (5, u128::from(endpoint))]);
        assert_eq!(payload.width(), SessionOwner::BITS);
        self.dut.set("session_owner$payload", &payload);
        self.dut.poke("session_owner$valid", 1);
        self.step();
        self.dut.poke("session_owner$valid", 0);
        // The binding counts from two cycles later on.
        self.step();
        handle
    }

    /// Writes an entry of the neighbour table.
    pub fn neighbour(&mut self, index: u8, valid: bool, ipv4: [u8; 4], mac: [u8; 6]) {
        let payload = pack(&[
            (8, u128::from(index)),
            (1, u128::from(valid)),
            (32, wire_number(&ipv4)),
            (48, wire_number(&mac)),
        ]);
        self.dut.set("neighbours$payload", &payload);
        self.dut.poke("neighbours$valid", 1);
        self.step();
        self.dut.poke("neighbours$valid", 0);
    }

    /// Reads an entry of the neighbour table back: valid, then address and MAC.
    pub fn neighbour_entry(&mut self, index: u8) -> (bool, Vec<u8>) {
        self.dut.poke("neighbour_read$payload", u64::from(index));
        self.dut.poke("neighbour_read$valid", 1);
        self.step();
        self.dut.poke("neighbour_read$valid", 0);
        self.steps(2);
        let entry = self.dut.get("neighbour_entry");
        (entry.bit(0), entry.slice(1, 80).to_bytes())
    }

    /// Free sessions the card shows.
    pub fn dut_free_sessions(&mut self) -> u64 {
        self.dut.peek("free_sessions")
    }

    /// Keeps messages and replies back.
    pub fn hold(&mut self) {
        self.offer_percent = 0;
    }

    /// Offers them in every cycle.
    pub fn unhold(&mut self) {
        self.offer_percent = 100;
    }

    /// How often a counter pulsed.
    pub fn count(&self, event: &str) -> u64 {
        self.events[event]
    }
}
