//! # PCIe bridge
//! The host's end of the PCIe adapter: a bridge whose AXI4 master turns the memory requests of the cores into
//! reads and writes of the BAR.
//!
//! | line message | transaction |
//! |---|---|
//! | load | AXI read of a line, once every write before it is answered: a read never passes posted writes |
//! | store of a line | the write-combining buffer leaves whole, or in pieces of eight bytes in any order |
//! | recall of the card | none: nothing is held |
//!
//! Answers to reads overtake each other, as completions of different requests may. A read that waits
//! longer than the completion timeout is a failure. Forbidden transactions: reads and writes beyond the
//! aperture or of several beats.

use std::collections::{BTreeMap, VecDeque};

use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole};
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::line::TxHeader;
use rand::Rng;
use rand::seq::SliceRandom;

use super::axi::{Address, AxiPort, OKAY, WriteBeat};
use super::pins::Adapter;
use super::port::{FromHost, HostPort};
use super::{Bus, BusError, BusReport, BusRule, BusSettings, stray, wrong};
use crate::host::{LineBytes, LinePortIn, LinePortOut, MAX_LINE_BYTES, line_beat, set_line_beat};
use crate::seed::Seed;

const LINE_BYTES: usize = 64;
const IDS: u8 = 128;
/// The shortest completion timeout of a root port that keeps its default: 50 µs.
const TIMEOUT_CYCLES: u64 = 12_500;
/// Of the stored lines, how many in 256 leave in pieces.
const PIECES_256: u16 = 100;

#[derive(Debug)]
enum Read {
    /// For the cores' load with this id, started in this cycle.
    Load(u8, u64),
    Forbidden(usize),
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Store,
    Forbidden,
}

#[derive(Debug)]
enum Request {
    Load { line: u32, id: u8 },
    Store { line: u32, data: Box<LineBytes> },
}

/// A PCIe bridge and the adapter to it.
pub struct PcieBus {
    adapter: Adapter,
    layout: EndpointLayout,
    axi: AxiPort,
    host: HostPort,
    /// In the order of the link.
    requests: VecDeque<(u64, Request)>,
    reads: BTreeMap<u8, Read>,
    writes: BTreeMap<u8, Write>,
    /// Stores without an answer.
    posted: usize,
    aperture_bytes: u64,
    forbidden: [u64; 2],
    whole: u64,
    pieces: u64,
}

impl PcieBus {
    /// A bridge with nothing to do before an adapter that was just reset.
    ///
    /// # Errors
    /// When the adapter was not built.
    pub fn open(
        layout: &EndpointLayout,
        settings: BusSettings,
        seed: Seed,
    ) -> Result<PcieBus, BusError> {
        let mut adapter = Adapter::open("adapter_pcie", settings, seed)?;
        let axi = AxiPort::new(&adapter.model, 0)?;
        adapter.reset()?;
        let lines = (layout.endpoints() * layout.stride_lines()).next_power_of_two();
        Ok(PcieBus {
            adapter,
            layout: layout.clone(),
            axi,
            host: HostPort::new(LINE_BYTES),
            requests: VecDeque::new(),
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            posted: 0,
            aperture_bytes: (lines * LINE_BYTES) as u64,
            forbidden: [0; 2],
            whole: 0,
            pieces: 0,
        })
    }

    fn receive(&mut self, cycle: u64, message: FromHost) -> Result<(), BusError> {
        let start = self.adapter.later(cycle);
        let request = match message {
            FromHost::Load(load) => Request::Load {
                line: load.address,
                id: load.id,
            },
            FromHost::Writeback(line, Some(data)) => Request::Store { line, data },
            FromHost::Writeback(line, None) | FromHost::Acknowledge(line, _) => {
                return Err(stray(cycle, "line of a host that holds none", line));
            }
        };
        self.requests.push_back((start, request));
        Ok(())
    }

    fn sample(&mut self, cycle: u64) -> Result<(), BusError> {
        if let Some(beat) = self.axi.r.take(&mut self.adapter, cycle)? {
            match self.reads.get_mut(&beat.id) {
                Some(Read::Load(id, start)) if beat.resp == OKAY && beat.last => {
                    if cycle - *start > TIMEOUT_CYCLES {
                        let late = format!("an answer after {} cycles", cycle - *start);
                        return Err(wrong(cycle, "r", late, TIMEOUT_CYCLES));
                    }
                    let mut data = Box::new([0; MAX_LINE_BYTES]);
                    set_line_beat(&mut data, 0, &beat.data);
                    let id = *id;
                    self.reads.remove(&beat.id);
                    self.host.fill(id, true, data);
                }
                Some(Read::Forbidden(left)) if beat.resp != OKAY && (*left == 1) == beat.last => {
                    *left -= 1;
                    if beat.last {
                        self.reads.remove(&beat.id);
                    }
                }
                Some(other) => {
                    let expected = format!("{other:?}");
                    return Err(wrong(cycle, "r", beat, expected));
                }
                None => return Err(stray(cycle, "r", beat)),
            }
        }
        if let Some(answer) = self.axi.b.take(&mut self.adapter, cycle)? {
            match self.writes.remove(&answer.id) {
                Some(Write::Store) if answer.resp == OKAY => self.posted -= 1,
                Some(Write::Forbidden) if answer.resp != OKAY => {}
                other => return Err(wrong(cycle, "b", answer, other)),
            }
        }
        Ok(())
    }

    /// Starts the requests at the head of the link.
    fn work(&mut self, cycle: u64) {
        while let Some((start, request)) = self.requests.front() {
            let is_load = matches!(request, Request::Load { .. });
            let ids = if is_load {
                self.reads.len()
            } else {
                self.writes.len() + 7
            };
            if *start > cycle || is_load && self.posted > 0 || ids >= usize::from(IDS) {
                return;
            }
            match self.requests.pop_front() {
                Some((_, Request::Load { line, id })) => {
                    let axi_id = self.free_id(true);
                    self.reads.insert(axi_id, Read::Load(id, cycle));
                    self.axi.ar.push(cycle, one_beat(line, axi_id));
                }
                Some((_, Request::Store { line, data })) => self.store(cycle, line, &data),
                None => {}
            }
        }
    }

    fn store(&mut self, cycle: u64, line: u32, data: &LineBytes) {
        let wild = self.adapter.settings.stall_256 > 0;
        let words = self.stored_words(line, data);
        let mut strobes = vec![u64::MAX >> (64 - 8 * words)];
        if wild && self.adapter.rng.random_range(0..256) < PIECES_256 {
            strobes = (0..words).map(|word| 0xff << (8 * word)).collect();
            strobes.shuffle(&mut self.adapter.rng);
            self.pieces += 1;
        } else {
            self.whole += 1;
        }
        for strobe in strobes {
            let id = self.free_id(false);
            self.writes.insert(id, Write::Store);
            self.posted += 1;
            self.axi.aw.push(cycle, one_beat(line, id));
            let mut data = line_beat(data, 0);
            for (word, limb) in data.iter_mut().enumerate() {
                // What is not written is not there.
                if strobe >> (8 * word) & 1 == 0 {
                    *limb = !*limb;
                }
            }
            let last = true;
            self.axi.w.push(cycle, WriteBeat { data, strobe, last });
        }
    }

    /// Words that the driver has stored: in a transmit control line as many as its message has.
    fn stored_words(&self, line: u32, data: &LineBytes) -> usize {
        let role = self.layout.locate(LineAddress(line)).map(|(_, role)| role);
        let Some(LineRole::TxControl(_)) = role else {
            return LINE_BYTES / 8;
        };
        let header = data
            .first_chunk()
            .and_then(|header| TxHeader::decode(header).ok());
        let header = header.filter(|header| header.kind.is_valid());
        let end = header.map_or(LINE_BYTES, |header| header.end_bytes().min(LINE_BYTES));
        end.div_ceil(8)
    }

    fn free_id(&mut self, read: bool) -> u8 {
        loop {
            let id = self.adapter.rng.random_range(0..IDS);
            let taken = match read {
                true => self.reads.contains_key(&id),
                false => self.writes.contains_key(&id),
            };
            if !taken {
                return id;
            }
        }
    }

    /// Starts a transaction that the bus forbids.
    fn trespass(&mut self, cycle: u64) {
        if self.reads.len().max(self.writes.len()) >= usize::from(IDS) - 8 {
            return;
        }
        let kind = self.adapter.rng.random_range(0..2);
        let id = self.free_id(kind == 0);
        let rng = &mut self.adapter.rng;
        let line = rng.random_range(0..self.aperture_bytes / LINE_BYTES as u64);
        let mut address = one_beat(line as u32, id);
        match rng.random() {
            true => address.address |= self.aperture_bytes << rng.random_range(0..10),
            false => address.len = [1, 3, 255][rng.random_range(0..3)],
        }
        let beats = usize::from(address.len) + 1;
        if kind == 0 {
            self.reads.insert(id, Read::Forbidden(beats));
            self.axi.ar.push(cycle, address);
        } else {
            self.writes.insert(id, Write::Forbidden);
            self.axi.aw.push(cycle, address);
            for beat in 1..=beats {
                let (data, strobe, last) = ([beat as u64; 8], u64::MAX, beat == beats);
                self.axi.w.push(cycle, WriteBeat { data, strobe, last });
            }
        }
        self.forbidden[kind] += 1;
    }
}

fn one_beat(line: u32, id: u8) -> Address {
    Address {
        address: u64::from(line) * LINE_BYTES as u64,
        id,
        len: 0,
        size: 6,
        burst: 1,
    }
}

impl Bus for PcieBus {
    fn to_card(&self) -> LinePortIn {
        self.adapter.to_card()
    }

    fn report(&self) -> BusReport {
        self.adapter.report()
    }

    fn cycle(
        &mut self,
        cycle: u64,
        host: &LinePortIn,
        card: &LinePortOut,
    ) -> Result<LinePortOut, BusError> {
        for message in self.host.receive(host) {
            self.receive(cycle, message)?;
        }
        self.sample(cycle)?;
        self.work(cycle);
        if self.adapter.is_hostile() {
            self.trespass(cycle);
        }
        self.axi.ar.drive(&mut self.adapter, cycle);
        self.axi.aw.drive(&mut self.adapter, cycle);
        self.axi.w.drive(&mut self.adapter, cycle);
        self.adapter.drive_card(card);
        let seen = self.host.exchange(host);
        self.adapter.step()?;
        Ok(seen)
    }

    fn provoke(&mut self, on: bool) {
        self.adapter.provoked = on;
    }

    fn finish(&self, read: &dyn Fn(Counter) -> u64) -> Result<(), BusRule> {
        Adapter::check_counts(read, &self.forbidden)?;
        match read(Counter::BusIncomplete) {
            0 => Ok(()),
            counted => Err(BusRule::Count {
                kind: Counter::BusIncomplete.name(),
                counted,
                happened: 0,
            }),
        }
    }

    fn events(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("lines stored at once", self.whole),
            ("lines stored in pieces", self.pieces),
            ("forbidden transactions", self.forbidden.iter().sum()),
        ]
    }
}
