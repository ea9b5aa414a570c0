//! A running card's host side with queues on its ports.

use crate::host::{Host, Shape};
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::Network;
use lauberhorn_coherence::layout::{EndpointLayout, LineRole};
use lauberhorn_interface::line::RxHeader;
use rust_hdl::prelude::*;
use std::collections::VecDeque;

/// Endpoints of the cards under test.
pub const ENDPOINTS: usize = 3;

/// A load on its way.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub address: u32,
    pub id: u8,
    pub exclusive: bool,
}

/// A line on its way back.
#[derive(Clone, Debug)]
pub struct Return {
    /// Address of a writeback, id of an acknowledgement.
    pub tag: u32,
    pub data: Option<Vec<u8>>,
}

/// An answered load.
#[derive(Clone, Debug)]
pub struct Fill {
    pub id: u8,
    pub exclusive: bool,
    pub data: Vec<u8>,
    pub first_cycle: u64,
}

/// A recall.
#[derive(Clone, Copy, Debug)]
pub struct Recall {
    pub address: u32,
    pub id: u16,
}

/// An offered message.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub endpoint: u64,
    pub kind: u64,
    pub status: u64,
    pub session: u64,
    pub generation: u64,
    pub length_bytes: usize,
    pub cycle: u64,
}

/// The design and its surroundings.
pub struct Card {
    pub dut: Network,
    pub shape: Shape,
    pub layout: EndpointLayout,
    pub cycle: u64,
    pub loads: VecDeque<Load>,
    pub writebacks: VecDeque<Return>,
    pub acknowledgements: VecDeque<Return>,
    beats_sent: [usize; 2],
    pub fills: VecDeque<Fill>,
    open_fill: Option<Fill>,
    pub recalls: VecDeque<Recall>,
    pub messages: VecDeque<Message>,
    pub owners: Vec<(u64, u64)>,
    pub freed: Vec<u64>,
    /// Sums of the event pulses: try again, delivered, early, stray, incomplete.
    pub events: [u64; 5],
    /// The ports that wait for the host take nothing in this cycle.
    pub hold: bool,
}

/// All sub-blocks by instance name.
fn blocks(host: &Host<ENDPOINTS>) -> Vec<(String, Interpreter)> {
    let mut all: Vec<(String, Interpreter)> = Vec::new();
    macro_rules! one {
        ($($name:ident),*) => {
            $(all.push((stringify!($name).into(), Interpreter::new(host.$name.elaborate())));)*
        };
    }
    macro_rules! each {
        ($($name:ident),*) => {
            $(for (i, block) in host.$name.iter().enumerate() {
                let name = format!("{}${i}", stringify!($name));
                all.push((name, Interpreter::new(block.elaborate())));
            })*
        };
    }
    one!(
        calls,
        frames,
        router,
        zeros,
        rx_fills,
        tx_fills,
        fills,
        fill_sources
    );
    one!(rx_recalls, tx_recalls, messages, slots, slot_return, intake);
    one!(packets, transmit, fill_engine, recall_port, tally, resets);
    one!(preemption);
    each!(rx_loads, tx_loads, rx, tx);
    all
}

impl Card {
    pub fn new(shape: &Shape) -> Self {
        let mut host = Host::<ENDPOINTS>::new(shape);
        host.connect_all();
        let verilog = generate_verilog(&host);
        let blocks = blocks(&host);
        let named = blocks.into_iter().collect::<Vec<_>>();
        let (names, blocks): (Vec<String>, Vec<Interpreter>) = named.into_iter().unzip();
        let named = names.iter().map(String::as_str).zip(blocks).collect();
        let mut dut = Network::new(&verilog, named);
        dut.reset();
        let mut card = Self {
            dut,
            layout: EndpointLayout::contiguous(shape.config()),
            shape: shape.clone(),
            cycle: 0,
            loads: VecDeque::new(),
            writebacks: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            beats_sent: [0; 2],
            fills: VecDeque::new(),
            open_fill: None,
            recalls: VecDeque::new(),
            messages: VecDeque::new(),
            owners: Vec::new(),
            freed: Vec::new(),
            events: [0; 5],
            hold: false,
        };
        card.settings(0xffff, 0, 1_000_000);
        card
    }

    pub fn settings(&mut self, enable: u64, retire: u64, block_time_cycles: u64) {
        let port = "settings";
        self.dut.poke_field(port, "worker_enable", enable);
        self.dut.poke_field(port, "worker_retire", retire);
        self.dut
            .poke_field(port, "block_time_cycles", block_time_cycles);
    }

    pub fn address(&self, endpoint: usize, role: LineRole) -> u32 {
        self.layout.address(endpoint, role).expect("a line").0
    }

    pub fn load(&mut self, endpoint: usize, role: LineRole, id: u8) {
        let (address, exclusive) = (self.address(endpoint, role), role.is_tx());
        self.loads.push_back(Load {
            address,
            id,
            exclusive,
        });
    }

    fn drive_return(&mut self, channel: usize) -> bool {
        let (port, tag, queue) = match channel {
            0 => ("writeback", "address", &self.writebacks),
            _ => ("recall_ack", "id", &self.acknowledgements),
        };
        let beats = self.shape.beats_per_line();
        let payload = format!("{port}$payload");
        let valid = format!("{port}$valid");
        let Some(item) = queue.front().cloned() else {
            self.dut.poke(&valid, 0);
            return false;
        };
        let sent = self.beats_sent[channel];
        let last = item.data.is_none() || sent + 1 == beats;
        self.dut.poke(&valid, 1);
        self.dut.poke_field(&payload, tag, u64::from(item.tag));
        self.dut
            .poke_field(&payload, "dirty", u64::from(item.data.is_some()));
        self.dut.poke_field(&payload, "last", u64::from(last));
        let beat = match &item.data {
            Some(data) => Value::from_bytes(512, &data[64 * sent..64 * (sent + 1)]),
            None => Value::ones(512),
        };
        self.dut.set_field(&payload, "data", &beat);
        let taken = self.dut.peek(&format!("{port}$ready")) == 1;
        if taken && !last {
            self.beats_sent[channel] += 1;
        } else if taken {
            self.beats_sent[channel] = 0;
        }
        taken && last
    }

    /// One cycle.
    pub fn step(&mut self) {
        match self.loads.front().copied() {
            None => self.dut.poke("load$valid", 0),
            Some(load) => {
                self.dut.poke("load$valid", 1);
                self.dut
                    .poke_field("load$payload", "address", u64::from(load.address));
                self.dut
                    .poke_field("load$payload", "id", u64::from(load.id));
                self.dut
                    .poke_field("load$payload", "exclusive", u64::from(load.exclusive));
                if self.dut.peek("load$ready") == 1 {
                    self.loads.pop_front();
                }
            }
        }
        // Both channels are driven before either `ready` is looked at.
        for port in [
            ("writeback$valid", self.writebacks.is_empty()),
            ("recall_ack$valid", self.acknowledgements.is_empty()),
        ] {
            self.dut.poke(port.0, u64::from(!port.1));
        }
        let gone = [self.drive_return(0), self.drive_return(1)];
        if gone[0] {
            self.writebacks.pop_front();
        }
        if gone[1] {
            self.acknowledgements.pop_front();
        }
        for port in ["fill$ready", "recall$ready"] {
            self.dut.poke(port, u64::from(!self.hold));
        }
        self.dut.poke("message$ready", u64::from(!self.hold));
        self.sample();
        self.dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        self.cycle += 1;
        for port in [
            "call$valid",
            "frame$valid",
            "buffer$valid",
            "frame_buffer$valid",
            "descriptor$valid",
            "taken$valid",
        ] {
            self.dut.poke(port, 0);
        }
    }

    fn sample(&mut self) {
        if !self.hold && self.dut.peek("fill$valid") == 1 {
            let field = |dut: &mut Network, name: &str| dut.peek_field("fill$payload", name);
            let (id, last) = (
                field(&mut self.dut, "id") as u8,
                field(&mut self.dut, "last"),
            );
            let exclusive = field(&mut self.dut, "exclusive") == 1;
            let data = self.dut.get_field("fill$payload", "data").to_bytes();
            let cycle = self.cycle;
            let open = self.open_fill.get_or_insert_with(|| Fill {
                id,
                exclusive,
                data: Vec::new(),
                first_cycle: cycle,
            });
            assert_eq!(open.id, id, "beats of two lines are mixed");
            open.data.extend(data);
            if last == 1 {
                let fill = self.open_fill.take().expect("just there");
                assert_eq!(fill.data.len(), self.layout.line_bytes());
                self.fills.push_back(fill);
            }
        }
        if !self.hold && self.dut.peek("recall$valid") == 1 {
            self.recalls.push_back(Recall {
                address: self.dut.peek_field("recall$payload", "address") as u32,
                id: self.dut.peek_field("recall$payload", "id") as u16,
            });
        }
        if !self.hold && self.dut.peek("message$valid") == 1 {
            let mut field = |name: &str| self.dut.peek_field("message$payload", name);
            let message = Message {
                endpoint: field("endpoint"),
                kind: field("kind"),
                status: field("status"),
                session: field("session"),
                generation: field("generation"),
                length_bytes: field("length_bytes") as usize,
                cycle: self.cycle,
            };
            self.messages.push_back(message);
        }
        if self.dut.peek("session_owner$valid") == 1 {
            let mut field = |name: &str| self.dut.peek_field("session_owner$payload", name);
            let owner = (field("session"), field("endpoint"));
            self.owners.push(owner);
        }
        for port in ["call_slot_free", "bypass_slot_free"] {
            if self.dut.peek(&format!("{port}$valid")) == 1 {
                let slot = self.dut.peek(&format!("{port}$payload"));
                self.freed.push(slot);
            }
        }
        let names = [
            "try_again",
            "delivered",
            "early_loads",
            "stray_loads",
            "incomplete",
        ];
        for (sum, name) in self.events.iter_mut().zip(names) {
            *sum += self.dut.peek_field("events", &format!("endpoint_{name}"));
        }
    }

    pub fn run(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.step();
        }
    }

    /// Writes a message into a slot, as the receive path does: whole beats, padded with zeros.
    pub fn write_message(&mut self, slot: usize, header: &RxHeader, body: &[u8]) {
        let start = header.kind.body_offset();
        let mut image = vec![0xee; start];
        image.extend(body);
        image.resize(image.len().next_multiple_of(64), 0);
        for (beat, data) in image.chunks(64).enumerate() {
            let config = self.shape.config();
            let address = slot * config.slot_beats() + beat;
            let port = match slot < config.call_slots() {
                true => "buffer",
                false => "frame_buffer",
            };
            let payload = format!("{port}$payload");
            self.dut.poke(&format!("{port}$valid"), 1);
            self.dut.poke_field(&payload, "address", address as u64);
            self.dut
                .set_field(&payload, "data", &Value::from_bytes(512, data));
            self.step();
        }
        self.dut.poke("descriptor$valid", 1);
        self.dut
            .poke_field("descriptor$payload", "slot", slot as u64);
        self.dut.set_field(
            "descriptor$payload",
            "header",
            &Value::from_bytes(256, &header.encode()),
        );
        self.step();
    }

    /// Gives a message to the dispatcher; returns the cycle.
    pub fn give(&mut self, pool: usize, slot: usize, session: u64, length: usize) -> u64 {
        let port = ["frame", "call"][pool];
        let payload = format!("{port}$payload");
        self.dut.poke(&format!("{port}$valid"), 1);
        self.dut.poke_field(&payload, "slot", slot as u64);
        self.dut.poke_field(&payload, "session", session);
        self.dut.poke_field(&payload, "length_bytes", length as u64);
        self.step();
        self.cycle - 1
    }

    fn wait<T>(
        &mut self,
        cycles: u64,
        what: &str,
        mut take: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        for _ in 0..cycles {
            self.step();
            if let Some(item) = take(self) {
                return item;
            }
        }
        panic!("no {what} within {cycles} cycles");
    }

    pub fn wait_fill(&mut self, cycles: u64) -> Fill {
        self.wait(cycles, "fill", |card| card.fills.pop_front())
    }

    pub fn wait_recall(&mut self, cycles: u64) -> Recall {
        self.wait(cycles, "recall", |card| card.recalls.pop_front())
    }

    pub fn wait_message(&mut self, cycles: u64) -> Message {
        self.wait(cycles, "message", |card| card.messages.pop_front())
    }

    /// Sends an acknowledgement; returns the cycle of its last beat.
    pub fn acknowledge(&mut self, id: u16, data: Option<Vec<u8>>) -> u64 {
        self.acknowledgements.push_back(Return {
            tag: u32::from(id),
            data,
        });
        self.wait(20, "room", |card| {
            card.acknowledgements.is_empty().then_some(())
        });
        self.cycle - 1
    }

    pub fn taken(&mut self, endpoint: u64) {
        self.dut.poke("taken$valid", 1);
        self.dut.poke("taken$payload", endpoint);
        self.step();
    }

    /// Reads a message image as the transmit path does.
    pub fn read_image(&mut self, endpoint: u64, length: usize) -> Vec<u8> {
        let base = endpoint * self.shape.config().slot_beats() as u64;
        let mut image = Vec::new();
        for beat in 0..length.div_ceil(64) as u64 {
            self.dut.poke("lines_read$valid", 1);
            self.dut.poke("lines_read$payload", base + beat);
            self.step();
            image.extend(self.dut.get("lines_data").to_bytes());
        }
        self.dut.poke("lines_read$valid", 0);
        image.truncate(length);
        image
    }
}
