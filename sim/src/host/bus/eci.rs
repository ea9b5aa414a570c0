//! # Enzian's directory
//! The host's end of the ECI adapter: two slices with an AXI4 port and three local channels each, and
//! behind them 64 directory units, each of which has the lines of one colour. A unit does one thing at a
//! time: a load, a write, or a clean-invalidate with all that belongs to it, which ends with the card's
//! unlock. So two lines of a unit can wait for each other: a wait that does not end is a fault.
//!
//! | line message | transaction |
//! |---|---|
//! | load | AXI read of the line, fill with the right to write |
//! | line given back modified | AXI write; the unit goes on when it is answered |
//! | notice of a clean eviction | none: the directory keeps it to itself |
//! | clean-invalidate of the card | waits for the unit, then recall; the modified line as AXI write, then LCIA |
//!
//! A load of a line whose unit is locked waits for the unlock. Forbidden transactions: reads and writes
//! where there is no line or of other sizes, acknowledgements of nothing.
//!
//! The cores find the lines where the plan of the card has them; a run with the units of contiguous lines
//! shows what the plan is good for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use lauberhorn_coherence::planner::{Plan, PlannedLine, colour, hash, lines_of};
use lauberhorn_coherence::{EndpointLayout, Placement};
use lauberhorn_hw::host::adapter::eci::{
    CARD_NODE, CLEAN_INVALIDATE, REQUEST_CHANNEL, RESPONSE_CHANNEL, UNLOCK,
};
use lauberhorn_hw::host::adapter::types::EciMessage;
use lauberhorn_interface::counters::Counter;
use rand::Rng;
use rand::seq::SliceRandom;

use super::axi::{Address, AxiPort, OKAY, ReadBeat, WriteBeat};
use super::pins::{Adapter, Inlet, Outlet};
use super::port::{FromHost, HostPort};
use super::{Bus, BusError, BusReport, BusRule, BusSettings, Units, stray, wrong};
use crate::channel::{Payload, fields};
use crate::host::{LineBytes, LinePortIn, LinePortOut, MAX_LINE_BYTES, line_beat, set_line_beat};
use crate::model::{Model, ModelError};
use crate::seed::Seed;

const SLICES: usize = 2;
const IDS: u8 = 128;
const LINE_BYTES: usize = 128;
const ADDRESS_MASK: u64 = (1 << 40) - 1;
/// A unit that does one thing for longer, while another waits for it, will never be done: no block
/// time is as long.
const STALL_CYCLES: u64 = 100_000;

/// A message on a local channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    word: u64,
    size: u8,
    channel: u8,
}

fn encode_message(message: &Message) -> (Payload, [u64; 3]) {
    let values = [message.word, message.size.into(), message.channel.into()];
    (Payload::empty(), values)
}

fn decode_message(_: Payload, [word, size, channel]: [u64; 3]) -> Message {
    Message {
        word,
        size: size as u8,
        channel: channel as u8,
    }
}

/// The channels of a slice.
#[derive(Debug)]
struct Slice {
    axi: AxiPort,
    lci: Outlet<Message, 3>,
    lcia: Inlet<Message, 3>,
    ul: Outlet<Message, 3>,
    /// Reads without their last beat, by id: the line, or the beats and the error that must come.
    reads: BTreeMap<u8, Read>,
    writes: BTreeMap<u8, Write>,
    /// The burst whose beats are coming.
    burst: Option<u8>,
}

#[derive(Debug)]
enum Read {
    Line(u32, Vec<[u64; 8]>),
    Forbidden(usize),
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Line(u32),
    Forbidden,
}

#[derive(Debug)]
enum Work {
    Load(u8),
    Write(Box<LineBytes>),
}

/// A clean-invalidate, step by step.
#[derive(Debug)]
enum Invalidate {
    /// Arrived; not looked at before this cycle.
    Arrived(u64),
    /// The cores were asked.
    Asked,
    /// They have answered.
    Answered(Option<Box<LineBytes>>),
    /// LCIA is sent, the card has not unlocked the line.
    Locked,
}

/// What the directory has to do about a line.
#[derive(Debug, Default)]
struct Line {
    work: VecDeque<(u64, Work)>,
    /// A read or write of the line is with the card; of a read the host's id.
    busy: Option<Option<u8>>,
    invalidate: Option<Invalidate>,
}

impl Line {
    fn is_idle(&self) -> bool {
        self.work.is_empty() && self.busy.is_none() && self.invalidate.is_none()
    }

    /// The unit is at work for it.
    fn has_begun(&self) -> bool {
        let arrived = matches!(self.invalidate, None | Some(Invalidate::Arrived(_)));
        self.busy.is_some() || !arrived
    }
}

/// Enzian's directory and the adapter to it.
pub struct EciBus {
    adapter: Adapter,
    slices: Vec<Slice>,
    host: HostPort,
    plan: Rc<Plan>,
    /// What the lines of the plan are, and their units.
    names: BTreeMap<u32, (PlannedLine, usize)>,
    lines: BTreeMap<u32, Line>,
    active: BTreeSet<u32>,
    /// The line that each unit is at work for, and since when.
    units: BTreeMap<usize, (u32, u64)>,
    aperture_bytes: u64,
    forbidden: [u64; 3],
    waited: u64,
    queued: u64,
    invalidates: u64,
}

/// Byte address of a line as the directory names it, and its slice.
fn place(line: u32) -> (u64, usize) {
    let hashed = hash(line);
    (u64::from(hashed) << 7, usize::from(hashed % 2 == 0))
}

fn line_at(address: u64) -> u32 {
    hash((address >> 7) as u32)
}

impl Slice {
    fn new(model: &Model, index: usize) -> Result<Slice, ModelError> {
        let message = fields::<EciMessage, 3>(["word", "size", "channel"]);
        let name = |channel: &str| format!("{channel}${index}");
        Ok(Slice {
            axi: AxiPort::new(model, index)?,
            lci: Outlet::new(model, &name("lci"), "lci", message, decode_message)?,
            lcia: Inlet::new(model, &name("lcia"), message, encode_message)?,
            ul: Outlet::new(model, &name("ul"), "ul", message, decode_message)?,
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            burst: None,
        })
    }
}

impl EciBus {
    /// A directory with nothing to do before an adapter that was just reset.
    ///
    /// # Errors
    /// When the adapter was not built, or the card's lines have no plan.
    pub fn open(
        layout: &EndpointLayout,
        settings: BusSettings,
        seed: Seed,
    ) -> Result<EciBus, BusError> {
        let mut adapter = Adapter::open("adapter_eci", settings, seed)?;
        let slices: Result<_, _> = (0..SLICES)
            .map(|index| Slice::new(&adapter.model, index))
            .collect();
        let plan = Plan::new(layout)?;
        let of_card = lines_of(layout).into_iter();
        let names = lines_of(&plan).into_iter().zip(of_card);
        let names = names.map(|(planned, card)| {
            let unit = match settings.units {
                Units::Planned => colour(planned.line),
                Units::Contiguous => colour(card.line),
                Units::OnePerLine => planned.line as usize,
            };
            (planned.line, (planned, unit))
        });
        adapter.reset()?;
        Ok(EciBus {
            adapter,
            slices: slices?,
            host: HostPort::new(LINE_BYTES),
            names: names.collect(),
            lines: BTreeMap::new(),
            active: BTreeSet::new(),
            units: BTreeMap::new(),
            aperture_bytes: plan.aperture_bytes() as u64,
            plan: Rc::new(plan),
            forbidden: [0; 3],
            waited: 0,
            queued: 0,
            invalidates: 0,
        })
    }

    fn line(&mut self, line: u32) -> &mut Line {
        self.active.insert(line);
        self.lines.entry(line).or_default()
    }

    fn receive(&mut self, cycle: u64, message: FromHost) -> Result<(), BusError> {
        let start = self.adapter.later(cycle);
        match message {
            FromHost::Load(load) => {
                let work = Work::Load(load.id);
                self.line(load.address).work.push_back((start, work));
            }
            FromHost::Writeback(line, Some(data)) => {
                let work = Work::Write(data);
                self.line(line).work.push_back((start, work));
            }
            FromHost::Writeback(_, None) => {}
            FromHost::Acknowledge(line, data) => {
                let unit = self.line(line);
                if !matches!(unit.invalidate, Some(Invalidate::Asked)) {
                    return Err(stray(cycle, "recall acknowledgement", line));
                }
                unit.invalidate = Some(Invalidate::Answered(data));
            }
        }
        Ok(())
    }

    /// Looks at what the adapter sends.
    fn sample(&mut self, cycle: u64) -> Result<(), BusError> {
        for index in 0..SLICES {
            let slice = &mut self.slices[index];
            if let Some(beat) = slice.axi.r.take(&mut self.adapter, cycle)? {
                self.read_beat(cycle, index, beat)?;
            }
            let slice = &mut self.slices[index];
            if let Some(answer) = slice.axi.b.take(&mut self.adapter, cycle)? {
                let write = slice.writes.remove(&answer.id);
                match write.ok_or_else(|| stray(cycle, "b", answer))? {
                    Write::Line(line) if answer.resp == OKAY => self.line(line).busy = None,
                    Write::Forbidden if answer.resp != OKAY => {}
                    other => return Err(wrong(cycle, "b", answer, other)),
                }
            }
            let slice = &mut self.slices[index];
            if let Some(message) = slice.lci.take(&mut self.adapter, cycle)? {
                let address = message.word & ADDRESS_MASK;
                let line = line_at(address);
                // Node, not secure, all parts, request id 0.
                let flags = CARD_NODE << 42 | 1 << 45 | 0xf << 46;
                let expected = Message {
                    word: place(line).0 | flags | CLEAN_INVALIDATE << 59,
                    size: 1,
                    channel: (REQUEST_CHANNEL as usize + index) as u8,
                };
                if message != expected || place(line).1 != index {
                    return Err(wrong(cycle, "lci", message, expected));
                }
                let start = self.adapter.later(cycle);
                self.invalidates += 1;
                let unit = self.line(line);
                if unit.invalidate.is_some() {
                    return Err(stray(cycle, "lci", line));
                }
                unit.invalidate = Some(Invalidate::Arrived(start));
                let waits = unit.busy.is_some();
                self.waited += u64::from(waits);
            }
            let slice = &mut self.slices[index];
            if let Some(message) = slice.ul.take(&mut self.adapter, cycle)? {
                let line = line_at(message.word & ADDRESS_MASK);
                let expected = Message {
                    word: place(line).0 | UNLOCK << 59,
                    size: 1,
                    channel: (RESPONSE_CHANNEL as usize + index) as u8,
                };
                if message != expected || place(line).1 != index {
                    return Err(wrong(cycle, "ul", message, expected));
                }
                let unit = self.line(line);
                if !matches!(unit.invalidate, Some(Invalidate::Locked)) {
                    return Err(stray(cycle, "ul", line));
                }
                unit.invalidate = None;
            }
        }
        Ok(())
    }

    fn read_beat(&mut self, cycle: u64, index: usize, beat: ReadBeat) -> Result<(), BusError> {
        let slice = &mut self.slices[index];
        if let Some(open) = slice.burst.filter(|open| *open != beat.id) {
            return Err(wrong(cycle, "r", beat, open));
        }
        slice.burst = Some(beat.id).filter(|_| !beat.last);
        let Some(read) = slice.reads.get_mut(&beat.id) else {
            return Err(stray(cycle, "r", beat));
        };
        let last = match read {
            Read::Line(_, beats) => {
                beats.push(beat.data);
                beat.resp == OKAY && (beats.len() * 64 == LINE_BYTES) == beat.last
            }
            Read::Forbidden(left) => {
                *left -= 1;
                beat.resp != OKAY && (*left == 0) == beat.last
            }
        };
        if !last {
            return Err(wrong(cycle, "r", beat, read));
        }
        if !beat.last {
            return Ok(());
        }
        if let Some(Read::Line(line, beats)) = slice.reads.remove(&beat.id) {
            let mut data = Box::new([0; MAX_LINE_BYTES]);
            for (index, beat) in beats.iter().enumerate() {
                set_line_beat(&mut data, index, beat);
            }
            let id = self.line(line).busy.take().flatten();
            let id = id.ok_or_else(|| stray(cycle, "r", line))?;
            self.host.fill(id, true, data);
        }
        Ok(())
    }

    /// Starts what the units may start.
    fn work(&mut self, cycle: u64) -> Result<(), BusError> {
        let mut active: Vec<_> = self.active.iter().copied().collect();
        active.shuffle(&mut self.adapter.rng);
        for line in active {
            self.release(line);
            let state = self.lines.get_mut(&line).expect("an active line exists");
            if state.is_idle() {
                self.active.remove(&line);
                continue;
            }
            if state.busy.is_some() {
                continue;
            }
            let unit = self.unit(line);
            match self.units.get(&unit) {
                Some(&(holder, since)) if holder != line => {
                    self.queued += 1;
                    if cycle > since + STALL_CYCLES {
                        return Err(self.stall(cycle, holder, line));
                    }
                    continue;
                }
                _ => {}
            }
            self.begin(cycle, line);
            if self.lines[&line].has_begun() {
                self.units.entry(unit).or_insert((line, cycle));
            }
        }
        Ok(())
    }

    /// The unit of a line.
    fn unit(&self, line: u32) -> usize {
        self.names
            .get(&line)
            .map_or(colour(line), |(_, unit)| *unit)
    }

    /// The unit of a line may go on when it has done its work for the line.
    fn release(&mut self, line: u32) {
        let unit = self.unit(line);
        let holds = self
            .units
            .get(&unit)
            .is_some_and(|(holder, _)| *holder == line);
        if holds && !self.lines[&line].has_begun() {
            self.units.remove(&unit);
        }
    }

    fn stall(&self, cycle: u64, holder: u32, waiting: u32) -> BusError {
        let name = |line| match self.names.get(&line) {
            Some((line, _)) => line.to_string(),
            None => format!("line {line:#x}"),
        };
        let rule = BusRule::Stall {
            unit: self.unit(holder),
            holder: name(holder),
            waiting: name(waiting),
            cycles: STALL_CYCLES,
        };
        BusError::Broken { cycle, rule }
    }

    /// Starts what the unit may do next about a line.
    fn begin(&mut self, cycle: u64, line: u32) {
        let unit = self.lines.get_mut(&line).expect("an active line exists");
        let next = unit
            .work
            .front()
            .map(|(start, work)| (*start <= cycle, work));
        let due = matches!(next, Some((true, _)));
        let write = matches!(next, Some((_, Work::Write(_))));
        match &mut unit.invalidate {
            Some(Invalidate::Arrived(start))
                if *start <= cycle && (!due || self.adapter.rng.random()) =>
            {
                unit.invalidate = Some(Invalidate::Asked);
                self.host.recall(line);
            }
            // What the cores gave back before they saw the recall comes first.
            Some(Invalidate::Answered(data)) if !write => match data.take() {
                Some(data) => self.write(cycle, line, &data),
                None => {
                    unit.invalidate = Some(Invalidate::Locked);
                    let start = self.adapter.later(cycle);
                    let (address, slice) = place(line);
                    let message = acknowledgement(address, slice);
                    self.slices[slice].lcia.push(start, message);
                }
            },
            None | Some(Invalidate::Arrived(_)) if due => self.start_next(cycle, line),
            Some(Invalidate::Asked | Invalidate::Answered(_)) if due && write => {
                self.start_next(cycle, line);
            }
            _ => {}
        }
    }

    fn start_next(&mut self, cycle: u64, line: u32) {
        let unit = self.lines.get_mut(&line).expect("it has work");
        match unit.work.pop_front() {
            Some((_, Work::Load(host_id))) => {
                let (address, slice) = place(line);
                let Some(id) = self.free_id(slice, true) else {
                    let unit = self.lines.get_mut(&line).expect("it has work");
                    unit.work.push_front((cycle, Work::Load(host_id)));
                    return;
                };
                self.lines.get_mut(&line).expect("it has work").busy = Some(Some(host_id));
                let slice = &mut self.slices[slice];
                slice.reads.insert(id, Read::Line(line, Vec::new()));
                slice.axi.ar.push(cycle, whole_line(address, id));
            }
            Some((_, Work::Write(data))) => self.write(cycle, line, &data),
            None => {}
        }
    }

    fn write(&mut self, cycle: u64, line: u32, data: &LineBytes) {
        let (address, slice) = place(line);
        let id = self.free_id(slice, false).expect("a write is short");
        self.lines.get_mut(&line).expect("it has work").busy = Some(None);
        let delay = self.adapter.later(cycle);
        let slice = &mut self.slices[slice];
        slice.writes.insert(id, Write::Line(line));
        slice.axi.aw.push(delay, whole_line(address, id));
        for beat in 0..LINE_BYTES / 64 {
            let last = (beat + 1) * 64 == LINE_BYTES;
            let data = line_beat(data, beat);
            let strobe = u64::MAX;
            let beat = WriteBeat { data, strobe, last };
            slice.axi.w.push(cycle, beat);
        }
    }

    fn free_id(&mut self, slice: usize, read: bool) -> Option<u8> {
        let slice = &self.slices[slice];
        let first = self.adapter.rng.random_range(0..IDS);
        (0..IDS).map(|n| (first + n) % IDS).find(|id| match read {
            true => !slice.reads.contains_key(id),
            false => !slice.writes.contains_key(id),
        })
    }

    /// The address of a place without line, in this slice.
    fn nowhere(&mut self, slice: usize) -> u64 {
        loop {
            let line = self
                .adapter
                .rng
                .random_range(0..self.plan.aperture_lines() as u32);
            if !self.names.contains_key(&line) && place(line).1 == slice {
                return place(line).0;
            }
        }
    }

    /// Starts a transaction that the bus forbids.
    fn trespass(&mut self, cycle: u64) {
        let rng = &mut self.adapter.rng;
        let (kind, slice) = (rng.random_range(0..3), rng.random_range(0..SLICES));
        let mut fields = whole_line(rng.random_range(0..self.aperture_bytes) & !127, 0);
        match rng.random_range(0..6) {
            5 => fields.address = self.nowhere(slice),
            0 => fields.address |= self.aperture_bytes << rng.random_range(0..10),
            1 => fields.address |= rng.random_range(1..128),
            2 => fields.len = [0, 2, 6, 255][rng.random_range(0..4)],
            3 => fields.size = rng.random_range(0..6),
            _ => fields.burst = [0, 2][rng.random_range(0..2)],
        }
        match kind {
            0 => {
                let Some(id) = self.free_id(slice, true) else {
                    return;
                };
                let slice = &mut self.slices[slice];
                let beats = usize::from(fields.len) + 1;
                slice.reads.insert(id, Read::Forbidden(beats));
                slice.axi.ar.push(cycle, Address { id, ..fields });
            }
            1 => {
                let Some(id) = self.free_id(slice, false) else {
                    return;
                };
                let slice = &mut self.slices[slice];
                slice.writes.insert(id, Write::Forbidden);
                slice.axi.aw.push(cycle, Address { id, ..fields });
                for beat in 0..=fields.len {
                    let (data, strobe, last) = ([beat.into(); 8], u64::MAX, beat == fields.len);
                    slice.axi.w.push(cycle, WriteBeat { data, strobe, last });
                }
            }
            _ => {
                let mut message = acknowledgement(self.nowhere(slice), slice);
                match self.adapter.rng.random_range(0..3) {
                    0 => message.word ^= 1 << 60,
                    1 => message.size = 2,
                    _ => {}
                }
                self.slices[slice].lcia.push(cycle, message);
            }
        }
        self.forbidden[kind] += 1;
    }
}

fn whole_line(address: u64, id: u8) -> Address {
    Address {
        address,
        id,
        len: 1,
        size: 6,
        burst: 1,
    }
}

fn acknowledgement(address: u64, slice: usize) -> Message {
    Message {
        word: address | 1 << 45 | 0xf << 46 | CLEAN_INVALIDATE << 59,
        size: 1,
        channel: (RESPONSE_CHANNEL as usize + slice) as u8,
    }
}

impl Bus for EciBus {
    fn placement(&self) -> Option<Rc<dyn Placement>> {
        Some(self.plan.clone())
    }

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
        self.work(cycle)?;
        if self.adapter.is_hostile() {
            self.trespass(cycle);
        }
        for slice in &mut self.slices {
            slice.axi.ar.drive(&mut self.adapter, cycle);
            slice.axi.aw.drive(&mut self.adapter, cycle);
            slice.axi.w.drive(&mut self.adapter, cycle);
            slice.lcia.drive(&mut self.adapter, cycle);
        }
        self.adapter.drive_card(card);
        let seen = self.host.exchange(host);
        self.adapter.step()?;
        Ok(seen)
    }

    fn provoke(&mut self, on: bool) {
        self.adapter.provoked = on;
    }

    fn finish(&self, read: &dyn Fn(Counter) -> u64) -> Result<(), BusRule> {
        Adapter::check_counts(read, &self.forbidden)
    }

    fn events(&self) -> Vec<(&'static str, u64)> {
        let mut events = vec![
            ("clean-invalidates", self.invalidates),
            ("clean-invalidates that met a load", self.waited),
            ("forbidden transactions", self.forbidden.iter().sum()),
        ];
        if self.adapter.settings.units != Units::OnePerLine {
            events.push(("cycles of waiting for a unit", self.queued));
        }
        events
    }
}
