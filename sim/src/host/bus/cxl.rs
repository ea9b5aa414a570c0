//! # CXL host
//! The host's end of the CXL.mem adapter: a home agent that keeps order per line and snoops the cores for
//! the device.
//!
//! | line message | transaction |
//! |---|---|
//! | load | MemRd for ownership or MemRdData or MemRd to share; fill when data and completion are there |
//! | line given back modified | MemWr; the line goes on when it is completed |
//! | notice of a clean eviction | MemClnEvct |
//! | BISnpInv of the device, a request of the line outstanding | BIConflict; after BIConflictAck either the request was answered (then as below) or BIRspI |
//! | BISnpInv of the device, else | recall; the modified line as MemWr; when it is completed, BIRspI |
//!
//! Loads that follow the cores' answer to a recall may overtake BIRspI, as the channels are independent.
//! Forbidden transactions: requests of no line and of other kinds, partial and poisoned writes, responses
//! of no snoop. MemSpecRd is sent now and then; it has no answer.

mod messages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lauberhorn_coherence::EndpointLayout;
use lauberhorn_hw::host::adapter::cxl::types::*;
use lauberhorn_interface::counters::Counter;
use rand::Rng;

use messages::{Channels, Completion, Request, Response, Snoop, Write};

use super::pins::Adapter;
use super::port::{FromHost, HostPort};
use super::{Bus, BusError, BusReport, BusRule, BusSettings, stray, wrong};
use crate::host::{
    BeatData, LineBytes, LinePortIn, LinePortOut, MAX_LINE_BYTES, line_beat, set_line_beat,
};
use crate::seed::Seed;

const LINE_BYTES: usize = 64;

/// What a tag stands for.
#[derive(Clone, Debug)]
enum Open {
    /// A read of a line for the cores' load: completion and data as they come.
    Load {
        line: u32,
        id: u8,
        owned: bool,
        completion: Option<u64>,
        data: Option<BeatData>,
    },
    /// MemWr or MemClnEvct of a line.
    Release { line: u32, request: bool },
    /// A forbidden transaction: completions and data still to come.
    Forbidden { completions: u8, data: u8 },
}

#[derive(Debug)]
enum Work {
    Load { id: u8, exclusive: bool },
    Write(Box<LineBytes>),
    Notice,
}

/// A snoop of the device, step by step.
#[derive(Debug)]
enum Snooped {
    Arrived(u64),
    /// BIConflict is sent for the request with this tag.
    Conflict(u16),
    /// The request was answered first: once the line is there, the cores are asked.
    Late,
    Asked,
    Answered(Option<Box<LineBytes>>),
}

#[derive(Debug, Default)]
struct Unit {
    work: VecDeque<(u64, Work)>,
    /// Tag of the outstanding transaction of this line.
    busy: Option<u16>,
    snoop: Option<(Snooped, u16)>,
}

/// A CXL host and the adapter to it.
pub struct CxlBus {
    adapter: Adapter,
    channels: Channels,
    host: HostPort,
    units: BTreeMap<u32, Unit>,
    active: BTreeSet<u32>,
    open: BTreeMap<u16, Open>,
    lines: u64,
    forbidden: [u64; 3],
    snoops: u64,
    early: u64,
    late: u64,
}

impl CxlBus {
    /// A host with nothing to do before an adapter that was just reset.
    ///
    /// # Errors
    /// When the adapter was not built.
    pub fn open(
        layout: &EndpointLayout,
        settings: BusSettings,
        seed: Seed,
    ) -> Result<CxlBus, BusError> {
        let mut adapter = Adapter::open("adapter_cxl", settings, seed)?;
        let channels = Channels::open(&adapter.model)?;
        adapter.reset()?;
        let lines = (layout.endpoints() * layout.stride_lines()).next_power_of_two();
        Ok(CxlBus {
            adapter,
            channels,
            host: HostPort::new(LINE_BYTES),
            units: BTreeMap::new(),
            active: BTreeSet::new(),
            open: BTreeMap::new(),
            lines: lines as u64,
            forbidden: [0; 3],
            snoops: 0,
            early: 0,
            late: 0,
        })
    }

    fn unit(&mut self, line: u32) -> &mut Unit {
        self.active.insert(line);
        self.units.entry(line).or_default()
    }

    fn receive(&mut self, cycle: u64, message: FromHost) -> Result<(), BusError> {
        let start = self.adapter.later(cycle);
        let (line, work) = match message {
            FromHost::Load(load) => {
                let (id, exclusive) = (load.id, load.exclusive);
                (load.address, Work::Load { id, exclusive })
            }
            FromHost::Writeback(line, Some(data)) => (line, Work::Write(data)),
            FromHost::Writeback(line, None) => (line, Work::Notice),
            FromHost::Acknowledge(line, data) => {
                let unit = self.unit(line);
                match &mut unit.snoop {
                    Some((step @ Snooped::Asked, _)) => *step = Snooped::Answered(data),
                    _ => return Err(stray(cycle, "recall acknowledgement", line)),
                }
                return Ok(());
            }
        };
        self.unit(line).work.push_back((start, work));
        Ok(())
    }

    fn sample(&mut self, cycle: u64) -> Result<(), BusError> {
        if let Some(item) = self.channels.ndr.take(&mut self.adapter, cycle)? {
            self.completion(cycle, item)?;
        }
        if let Some(item) = self.channels.drs.take(&mut self.adapter, cycle)? {
            match self.open.get_mut(&item.tag) {
                Some(Open::Load { data, .. })
                    if data.is_none() && item.opcode == MEM_DATA && !item.poison =>
                {
                    *data = Some(item.data);
                }
                Some(Open::Forbidden { data, .. }) if *data > 0 && item.is_nowhere() => {
                    *data -= 1;
                }
                _ => return Err(stray(cycle, "drs", item)),
            }
            self.settle(cycle, item.tag)?;
        }
        if let Some(item) = self.channels.bisnp.take(&mut self.adapter, cycle)? {
            let line = item.address as u32;
            let expected = Snoop {
                address: item.address,
                opcode: BI_SNP_INV,
                bi_tag: item.bi_tag,
            };
            if item != expected || item.address >= self.lines {
                return Err(wrong(cycle, "bisnp", item, expected));
            }
            let twice = |unit: &Unit| unit.snoop.as_ref().is_some_and(|(_, t)| *t == item.bi_tag);
            if self.units.values().any(twice) || self.unit(line).snoop.is_some() {
                return Err(stray(cycle, "bisnp", item));
            }
            self.snoops += 1;
            let start = self.adapter.later(cycle);
            self.unit(line).snoop = Some((Snooped::Arrived(start), item.bi_tag));
        }
        Ok(())
    }

    fn completion(&mut self, cycle: u64, item: Completion) -> Result<(), BusError> {
        if item.opcode == BI_CONFLICT_ACK {
            let conflict = self.units.iter_mut().find(|(_, unit)| {
                matches!(unit.snoop, Some((Snooped::Conflict(tag), _)) if tag == item.tag)
            });
            let Some((&line, unit)) = conflict else {
                return Err(stray(cycle, "ndr", item));
            };
            let (_, bi_tag) = unit.snoop.take().expect("just found");
            // The request is still open and not completed: the device has not answered it.
            let unanswered = unit.busy == Some(item.tag)
                && match self.open.get(&item.tag) {
                    Some(Open::Load { completion, .. }) => completion.is_none(),
                    other => other.is_some(),
                };
            if unanswered {
                self.early += 1;
                self.respond(cycle, bi_tag);
            } else {
                self.late += 1;
                self.unit(line).snoop = Some((Snooped::Late, bi_tag));
            }
            return Ok(());
        }
        match self.open.get_mut(&item.tag) {
            Some(Open::Load {
                completion, owned, ..
            }) if completion.is_none()
                && (item.opcode == CMP_E || (item.opcode == CMP_S && !*owned)) =>
            {
                *completion = Some(item.opcode);
            }
            Some(Open::Release { line, .. }) if item.opcode == CMP => {
                let line = *line;
                self.open.remove(&item.tag);
                self.unit(line).busy = None;
                return Ok(());
            }
            Some(Open::Forbidden { completions, .. }) if *completions > 0 && item.opcode == CMP => {
                *completions -= 1;
            }
            other => {
                let expected = format!("{other:?}");
                return Err(wrong(cycle, "ndr", item, expected));
            }
        }
        self.settle(cycle, item.tag)
    }

    /// Closes a tag once all that it waits for is there.
    fn settle(&mut self, cycle: u64, tag: u16) -> Result<(), BusError> {
        let (line, id, owned, beat) = match self.open.get(&tag) {
            Some(Open::Load {
                line,
                id,
                completion: Some(completion),
                data: Some(data),
                ..
            }) => (*line, *id, *completion == CMP_E, *data),
            Some(Open::Forbidden {
                completions: 0,
                data: 0,
            }) => {
                self.open.remove(&tag);
                return Ok(());
            }
            Some(_) => return Ok(()),
            None => return Err(stray(cycle, "response", tag)),
        };
        let mut data = Box::new([0; MAX_LINE_BYTES]);
        set_line_beat(&mut data, 0, &beat);
        self.open.remove(&tag);
        self.unit(line).busy = None;
        self.host.fill(id, owned, data);
        Ok(())
    }

    fn respond(&mut self, cycle: u64, bi_tag: u16) {
        let start = self.adapter.later(cycle);
        let opcode = BI_RSP_I;
        self.channels.birsp.push(start, Response { opcode, bi_tag });
    }

    fn work(&mut self, cycle: u64) {
        for line in self.active.clone() {
            let unit = self.units.get_mut(&line).expect("an active unit exists");
            if unit.work.is_empty() && unit.busy.is_none() && unit.snoop.is_none() {
                self.active.remove(&line);
                continue;
            }
            let next = unit
                .work
                .front()
                .map(|(start, work)| (*start <= cycle, work));
            let due = matches!(next, Some((true, _))) && unit.busy.is_none();
            let gives = matches!(next, Some((_, Work::Write(_))));
            let notices = matches!(next, Some((_, Work::Notice)));
            match &mut unit.snoop {
                None if due => self.start_next(cycle, line),
                Some((Snooped::Arrived(start), _)) if *start <= cycle => match unit.busy {
                    // A write is waited for; a request is asked about.
                    Some(tag) => {
                        let request = match self.open.get(&tag) {
                            Some(Open::Release { request, .. }) => *request,
                            open => open.is_some(),
                        };
                        if request {
                            let bi_tag = unit.snoop.as_ref().expect("a snoop").1;
                            unit.snoop = Some((Snooped::Conflict(tag), bi_tag));
                            let conflict = Write {
                                data: [0; 8],
                                address: line.into(),
                                tag,
                                opcode: BI_CONFLICT,
                                poison: false,
                            };
                            let start = self.adapter.later(cycle);
                            self.channels.rwd.push(start, conflict);
                        }
                    }
                    None if due && self.adapter.rng.random() => self.start_next(cycle, line),
                    None => self.ask(line),
                },
                Some((Snooped::Arrived(_), _)) if due => self.start_next(cycle, line),
                Some((Snooped::Late, _)) if unit.busy.is_none() => self.ask(line),
                Some((Snooped::Asked, _)) if due && gives => self.start_next(cycle, line),
                Some((Snooped::Answered(data), bi_tag)) if unit.busy.is_none() => {
                    if notices {
                        // The answer to the snoop says it too.
                        unit.work.pop_front();
                    } else if gives {
                        if due {
                            self.start_next(cycle, line);
                        }
                    } else if let Some(data) = data.take() {
                        self.write(cycle, line, &data);
                    } else {
                        let bi_tag = *bi_tag;
                        unit.snoop = None;
                        self.respond(cycle, bi_tag);
                    }
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, line: u32) {
        let unit = self.units.get_mut(&line).expect("it has a snoop");
        if let Some((step, _)) = &mut unit.snoop {
            *step = Snooped::Asked;
        }
        self.host.recall(line);
    }

    fn start_next(&mut self, cycle: u64, line: u32) {
        let unit = self.units.get_mut(&line).expect("it has work");
        let Some((_, work)) = unit.work.pop_front() else {
            return;
        };
        let address = u64::from(line);
        match work {
            Work::Load { id, exclusive } => {
                let load = Open::Load {
                    line,
                    id,
                    owned: exclusive,
                    completion: None,
                    data: None,
                };
                let tag = self.begin(line, load);
                let (opcode, snoop, meta_field, meta_value) =
                    match (exclusive, self.adapter.rng.random()) {
                        (true, _) => (MEM_RD, SNP_INV, META0_STATE, META_ANY),
                        (false, true) => (MEM_RD, SNP_DATA, META0_STATE, META_SHARED),
                        (false, false) => (MEM_RD_DATA, SNP_DATA, META_NO_OP, META_INVALID),
                    };
                let request = Request {
                    address,
                    tag,
                    opcode,
                    snoop,
                    meta_field,
                    meta_value,
                };
                self.channels.req.push(cycle, request);
            }
            Work::Notice => {
                let tag = self.begin(
                    line,
                    Open::Release {
                        line,
                        request: true,
                    },
                );
                let request = Request {
                    address,
                    tag,
                    opcode: MEM_CLN_EVCT,
                    snoop: SNP_NO_OP,
                    meta_field: META0_STATE,
                    meta_value: META_INVALID,
                };
                self.channels.req.push(cycle, request);
            }
            Work::Write(data) => self.write(cycle, line, &data),
        }
    }

    fn write(&mut self, cycle: u64, line: u32, data: &LineBytes) {
        let request = false;
        let tag = self.begin(line, Open::Release { line, request });
        let write = Write {
            data: line_beat(data, 0),
            address: line.into(),
            tag,
            opcode: MEM_WR,
            poison: false,
        };
        self.channels.rwd.push(cycle, write);
    }

    fn begin(&mut self, line: u32, open: Open) -> u16 {
        let tag = self.free_tag();
        self.open.insert(tag, open);
        self.unit(line).busy = Some(tag);
        tag
    }

    fn free_tag(&mut self) -> u16 {
        loop {
            let tag = self.adapter.rng.random();
            // A conflict may be about a request that was completed since.
            let asked =
                |unit: &Unit| matches!(unit.snoop, Some((Snooped::Conflict(t), _)) if t == tag);
            if !self.open.contains_key(&tag) && !self.units.values().any(asked) {
                return tag;
            }
        }
    }

    /// Starts a transaction that is forbidden, or one that has no answer.
    fn trespass(&mut self, cycle: u64) {
        let kind = self.adapter.rng.random_range(0..4);
        let tag = self.free_tag();
        let rng = &mut self.adapter.rng;
        let inside = rng.random_range(0..self.lines);
        let outside = inside | self.lines << rng.random_range(0..30);
        match kind {
            0 => {
                let read = rng.random();
                let (address, opcode, snoop) = match (read, rng.random()) {
                    (true, true) => (outside, MEM_RD, SNP_INV),
                    (true, false) => (outside, MEM_RD, SNP_NO_OP),
                    (false, true) => (outside, MEM_INV, SNP_INV),
                    (false, false) => (inside, [3, 4, 5, 7, 15][rng.random_range(0..5)], SNP_INV),
                };
                let open = Open::Forbidden {
                    completions: u8::from(!read),
                    data: u8::from(read),
                };
                self.open.insert(tag, open);
                let request = Request {
                    address,
                    tag,
                    opcode,
                    snoop,
                    meta_field: META0_STATE,
                    meta_value: META_ANY,
                };
                self.channels.req.push(cycle, request);
            }
            1 => {
                let (address, opcode, poison) = match rng.random_range(0..4) {
                    0 => (outside, MEM_WR, false),
                    1 => (inside, MEM_WR, true),
                    2 => (inside, MEM_WR_PTL, false),
                    _ => (inside, 9, false),
                };
                let open = Open::Forbidden {
                    completions: 1,
                    data: 0,
                };
                self.open.insert(tag, open);
                let write = Write {
                    data: [tag.into(); 8],
                    address,
                    tag,
                    opcode,
                    poison,
                };
                self.channels.rwd.push(cycle, write);
            }
            2 => {
                // The last lines of the aperture belong to no endpoint.
                let bi_tag = match rng.random() {
                    true => self.lines as u16 - 1,
                    false => self.lines as u16,
                };
                let opcode = BI_RSP_I;
                self.channels.birsp.push(cycle, Response { opcode, bi_tag });
            }
            _ => {
                let request = Request {
                    address: inside,
                    tag,
                    opcode: MEM_SPEC_RD,
                    snoop: SNP_NO_OP,
                    meta_field: META_NO_OP,
                    meta_value: META_INVALID,
                };
                self.channels.req.push(cycle, request);
                return;
            }
        }
        self.forbidden[kind] += 1;
    }
}

impl Bus for CxlBus {
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
        self.channels.req.drive(&mut self.adapter, cycle);
        self.channels.rwd.drive(&mut self.adapter, cycle);
        self.channels.birsp.drive(&mut self.adapter, cycle);
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
        vec![
            ("snoops", self.snoops),
            ("snoops that met a request without answer", self.early),
            ("snoops that met an answered request", self.late),
            ("forbidden transactions", self.forbidden.iter().sum()),
        ]
    }
}
