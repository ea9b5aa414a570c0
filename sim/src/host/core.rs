//! # One core
//! Program order of one instruction stream over the card's lines: a store buffer that later
//! loads of other lines may pass, a limited number of outstanding loads, and either a coherent
//! cache or, on PCIe, none: then every load is a message and stores are write-combined.

use std::collections::{BTreeMap, VecDeque};

use super::interconnect::{Interconnect, ToCard};
use super::port::{LineBytes, Load, MAX_LINE_BYTES};

/// Timing and sizes of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreTiming {
    /// From a load that misses to its request leaving.
    pub miss_cycles: u64,
    /// Between two load requests of one core.
    pub load_issue_cycles: u64,
    /// From a line's arrival to its data being usable.
    pub fill_to_use_cycles: u64,
    /// Load of a line that is held.
    pub hit_cycles: u64,
    /// Each store of up to eight words that leaves the store buffer.
    pub store_cycles: u64,
    /// From a write-back instruction, or the flush of a combined line, to its message leaving.
    pub flush_cycles: u64,
    /// From a recall's arrival to its acknowledgement leaving.
    pub snoop_cycles: u64,
    /// Loads that may be outstanding.
    pub max_outstanding_loads: usize,
    /// Stores that may wait; on PCIe, lines being write-combined.
    pub store_buffer_entries: usize,
    /// The core caches the card's lines.
    pub coherent: bool,
}

/// How a core holds a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// May be read.
    Shared,
    /// May be read and written.
    Exclusive,
    /// Was written and not given back.
    Modified,
}

/// One operation of the instruction stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreOp {
    /// Load lines; all requests leave before the first answer is awaited.
    Load(Vec<u32>),
    /// Load a line for writing; the data is not returned.
    LoadExclusive(u32),
    /// Store bytes into a line.
    Store {
        /// Line index.
        line: u32,
        /// First byte in the line.
        offset: usize,
        /// What to store.
        data: Vec<u8>,
    },
    /// In one atomic operation, after all earlier stores: the first word of a line becomes `new` if it
    /// is `expected`. Returns the line as it was. Of coherent cores only.
    CompareExchange {
        /// Line index.
        line: u32,
        /// What the word must be.
        expected: u64,
        /// What it becomes.
        new: u64,
    },
    /// Clean and invalidate a line.
    WriteBack(u32),
    /// Wait until earlier stores are performed.
    Fence,
    /// Pass time.
    Delay(u64),
}

/// What became of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreReply {
    /// The loaded lines, in the order asked for.
    pub lines: Vec<LineBytes>,
    /// Cycle in which the operation completed.
    pub cycle: u64,
}

#[derive(Debug)]
struct CachedLine {
    held: Held,
    data: Box<LineBytes>,
}

#[derive(Debug)]
struct Running {
    op: CoreOp,
    start_cycle: u64,
    /// Loads: what has arrived, and for each line whether its request left (PCIe, atomic operations).
    captured: Vec<Option<LineBytes>>,
    requested: Vec<bool>,
    complete_cycle: u64,
}

#[derive(Debug)]
struct PendingStore {
    line: u32,
    offset: usize,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    id: u8,
    line: u32,
    exclusive: bool,
}

/// Gives out load ids.
pub(super) trait LoadIds {
    /// An id that no outstanding load has, bound to the line and core.
    fn allocate(&mut self, core_idx: usize, line: u32) -> Option<u8>;
}

/// One simulated core.
#[derive(Debug)]
pub struct Core {
    core_idx: usize,
    timing: CoreTiming,
    /// Lines held; on PCIe the write-combining image of each line ever stored to.
    lines: BTreeMap<u32, CachedLine>,
    running: Option<Running>,
    stores: VecDeque<PendingStore>,
    store_free_cycle: u64,
    load_free_cycle: u64,
    outstanding: Vec<Outstanding>,
    prefetches: VecDeque<(u32, bool)>,
    /// PCIe: lines being write-combined, oldest first.
    combining: VecDeque<u32>,
}

impl Core {
    /// An idle core that holds nothing.
    pub fn new(core_idx: usize, timing: CoreTiming) -> Core {
        Core {
            core_idx,
            timing,
            lines: BTreeMap::new(),
            running: None,
            stores: VecDeque::new(),
            store_free_cycle: 0,
            load_free_cycle: 0,
            outstanding: Vec::new(),
            prefetches: VecDeque::new(),
            combining: VecDeque::new(),
        }
    }

    /// Position among the host's cores.
    pub fn core_idx(&self) -> usize {
        self.core_idx
    }

    /// Starts an operation at `start_cycle`.
    ///
    /// # Panics
    /// When one is running: an instruction stream has one at a time.
    pub fn submit(&mut self, op: CoreOp, start_cycle: u64) {
        assert!(
            self.running.is_none(),
            "core {} got a second operation",
            self.core_idx
        );
        let line_count = match &op {
            CoreOp::Load(lines) => lines.len(),
            CoreOp::LoadExclusive(_) | CoreOp::CompareExchange { .. } => 1,
            _ => 0,
        };
        self.running = Some(Running {
            op,
            start_cycle,
            captured: vec![None; line_count],
            requested: vec![false; line_count],
            complete_cycle: 0,
        });
    }

    /// Forgets the running operation and prefetches not yet sent; loads on their way still complete
    /// into the cache, and stores are performed.
    pub fn abandon(&mut self) {
        self.running = None;
        self.prefetches.clear();
    }

    /// No store waits to be performed, or in a write-combining buffer.
    pub fn stores_are_done(&self) -> bool {
        self.stores.is_empty() && self.combining.is_empty()
    }

    /// An operation is running.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// No operation, store, load or prefetch is under way.
    pub fn is_idle(&self) -> bool {
        self.running.is_none()
            && self.stores.is_empty()
            && self.outstanding.is_empty()
            && self.prefetches.is_empty()
    }

    /// Asks for a line without waiting. A hint: on PCIe it does nothing.
    pub fn prefetch(&mut self, line: u32, exclusive: bool) {
        if self.timing.coherent {
            self.prefetches.push_back((line, exclusive));
        }
    }

    /// How the core's cache holds a line.
    pub fn held(&self, line: u32) -> Option<Held> {
        if !self.timing.coherent {
            return None;
        }
        self.lines.get(&line).map(|cached| cached.held)
    }

    /// Lines the core's cache holds, lowest first.
    pub fn held_lines(&self) -> impl Iterator<Item = u32> + '_ {
        let coherent = self.timing.coherent;
        self.lines.keys().copied().filter(move |_| coherent)
    }

    /// Gives a line back: dirty with its data, clean as a notice if `notify`.
    pub(super) fn evict(
        &mut self,
        cycle: u64,
        extra_cycles: u64,
        line: u32,
        notify: bool,
        link: &mut Interconnect,
    ) {
        let Some(cached) = self.lines.remove(&line) else {
            return;
        };
        let data = (cached.held == Held::Modified).then_some(cached.data);
        if data.is_some() || notify {
            let message = ToCard::Writeback {
                address: line,
                data,
            };
            link.send(cycle, extra_cycles, message);
        }
    }

    /// Answers a recall of a line.
    pub(super) fn recall(&mut self, line: u32) -> Option<Box<LineBytes>> {
        if !self.timing.coherent {
            return None;
        }
        let cached = self.lines.remove(&line)?;
        (cached.held == Held::Modified).then_some(cached.data)
    }

    /// Takes a line that has arrived.
    pub(super) fn fill(&mut self, cycle: u64, id: u8, exclusive: bool, data: Box<LineBytes>) {
        let Some(position) = self.outstanding.iter().position(|load| load.id == id) else {
            return;
        };
        let load = self.outstanding.remove(position);
        let line = load.line;
        // On PCIe only a line that will be written has an image to keep.
        if self.timing.coherent || load.exclusive {
            let held = if exclusive {
                Held::Exclusive
            } else {
                Held::Shared
            };
            let data = data.clone();
            self.lines.insert(line, CachedLine { held, data });
        }
        // A store that waited for this line is performed before the line can be recalled again,
        // so that every fill makes progress.
        if self.stores.front().is_some_and(|store| store.line == line) {
            self.perform_store(cycle);
        }
        // So is an atomic operation.
        if let Some(mut running) = self.running.take() {
            if running.requested.first() == Some(&true) {
                self.exchange(&mut running, cycle + self.timing.fill_to_use_cycles);
            }
            self.running = Some(running);
        }
        // A later load of the line sees the stores before it, or waits for them.
        if self.stores.iter().any(|store| store.line == line) {
            return;
        }
        if let Some(running) = &mut self.running {
            // Without a cache a load sees what arrived: stores before it left before it.
            let cached = self.lines.get(&line).filter(|_| self.timing.coherent);
            let data = cached.map_or(&data, |cached| &cached.data);
            let may_write = exclusive || load.exclusive;
            running.capture(
                line,
                may_write,
                data,
                cycle + self.timing.fill_to_use_cycles,
            );
        }
    }

    /// One cycle. Returns the operation that completed.
    pub(super) fn tick(
        &mut self,
        cycle: u64,
        link: &mut Interconnect,
        ids: &mut impl LoadIds,
    ) -> Option<CoreReply> {
        if !self.stores.is_empty() && cycle >= self.store_free_cycle {
            self.drain_store(cycle, link, ids);
        }
        if let Some(&(line, exclusive)) = self.prefetches.front() {
            let useless = self
                .held(line)
                .is_some_and(|held| !exclusive || held != Held::Shared)
                || self.outstanding.iter().any(|load| load.line == line);
            if useless || self.request(cycle, line, exclusive, link, ids) {
                self.prefetches.pop_front();
            }
        }
        let Some(mut running) = self.running.take() else {
            // Write-combining buffers do not keep what nothing is added to.
            if self.stores.is_empty() {
                self.flush_combining(cycle, link);
            }
            return None;
        };
        if cycle >= running.start_cycle && self.advance(&mut running, cycle, link, ids) {
            return Some(CoreReply {
                lines: running.captured.into_iter().flatten().collect(),
                cycle,
            });
        }
        self.running = Some(running);
        None
    }

    /// Works on the running operation; true when it is complete.
    fn advance(
        &mut self,
        running: &mut Running,
        cycle: u64,
        link: &mut Interconnect,
        ids: &mut impl LoadIds,
    ) -> bool {
        match &running.op {
            CoreOp::Load(_) => self.advance_loads(running, cycle, false, link, ids),
            CoreOp::LoadExclusive(_) => self.advance_loads(running, cycle, true, link, ids),
            CoreOp::Store { line, offset, data } => {
                if self.stores.len() >= self.timing.store_buffer_entries {
                    return false;
                }
                let (line, offset) = (*line, *offset);
                self.stores.push_back(PendingStore {
                    line,
                    offset,
                    data: data.clone(),
                });
                true
            }
            CoreOp::CompareExchange { line, .. } => {
                let line = *line;
                if !self.stores.is_empty() {
                    return false;
                }
                if running.captured[0].is_none() {
                    self.exchange(running, cycle + self.timing.hit_cycles);
                }
                if running.captured[0].is_none() {
                    let waiting = self.outstanding.iter().any(|load| load.line == line);
                    running.requested[0] = waiting || self.request(cycle, line, true, link, ids);
                }
                running.captured[0].is_some() && cycle >= running.complete_cycle
            }
            CoreOp::WriteBack(line) => {
                let line = *line;
                if self.stores.iter().any(|store| store.line == line) {
                    return false;
                }
                if self.timing.coherent {
                    self.evict(cycle, self.timing.flush_cycles, line, true, link);
                } else {
                    self.flush_combining(cycle, link);
                }
                true
            }
            CoreOp::Fence => {
                if !self.stores.is_empty() {
                    return false;
                }
                self.flush_combining(cycle, link);
                true
            }
            CoreOp::Delay(cycles) => cycle >= running.start_cycle + cycles,
        }
    }

    /// Performs a running atomic operation if its line may be written.
    fn exchange(&mut self, running: &mut Running, usable_cycle: u64) {
        let CoreOp::CompareExchange {
            line,
            expected,
            new,
        } = running.op
        else {
            return;
        };
        let cached = self.lines.get_mut(&line);
        let Some(cached) = cached.filter(|cached| cached.held != Held::Shared) else {
            return;
        };
        if running.captured[0].is_some() {
            return;
        }
        running.captured[0] = Some(*cached.data);
        running.complete_cycle = usable_cycle;
        let word = &mut cached.data[..8];
        if *word == expected.to_le_bytes() {
            word.copy_from_slice(&new.to_le_bytes());
            cached.held = Held::Modified;
        }
    }

    fn advance_loads(
        &mut self,
        running: &mut Running,
        cycle: u64,
        exclusive: bool,
        link: &mut Interconnect,
        ids: &mut impl LoadIds,
    ) -> bool {
        if !self.timing.coherent {
            // An uncached read drains the store buffer and the write-combining buffers first.
            if !self.stores.is_empty() {
                return false;
            }
            self.flush_combining(cycle, link);
        }
        for position in 0..running.captured.len() {
            if running.captured[position].is_some() {
                continue;
            }
            let line = running.line(position);
            if self.stores.iter().any(|store| store.line == line) {
                return false;
            }
            let cached = self.lines.get(&line);
            let hit = cached.filter(|cached| {
                self.timing.coherent && (!exclusive || cached.held != Held::Shared)
            });
            if let Some(cached) = hit {
                running.captured[position] = Some(*cached.data);
                let usable_cycle = cycle + self.timing.hit_cycles;
                running.complete_cycle = running.complete_cycle.max(usable_cycle);
                continue;
            }
            if running.requested[position] && !self.timing.coherent {
                continue;
            }
            let waiting = self.outstanding.iter().any(|load| load.line == line);
            if !waiting {
                running.requested[position] = self.request(cycle, line, exclusive, link, ids);
            }
        }
        running.captured.iter().all(Option::is_some) && cycle >= running.complete_cycle
    }

    /// Sends a load if the core may; a line held without the right to write is given back first.
    fn request(
        &mut self,
        cycle: u64,
        line: u32,
        exclusive: bool,
        link: &mut Interconnect,
        ids: &mut impl LoadIds,
    ) -> bool {
        if self.outstanding.len() >= self.timing.max_outstanding_loads
            || cycle < self.load_free_cycle
        {
            return false;
        }
        let Some(id) = ids.allocate(self.core_idx, line) else {
            return false;
        };
        if self.timing.coherent {
            // The line port has no upgrade: the copy is given back first.
            self.evict(cycle, 0, line, true, link);
        }
        self.load_free_cycle = cycle + self.timing.load_issue_cycles;
        self.outstanding.push(Outstanding {
            id,
            line,
            exclusive,
        });
        link.send(
            cycle,
            self.timing.miss_cycles,
            ToCard::Load(Load {
                address: line,
                id,
                exclusive,
            }),
        );
        true
    }

    fn drain_store(&mut self, cycle: u64, link: &mut Interconnect, ids: &mut impl LoadIds) {
        let line = self.stores[0].line;
        if !self.timing.coherent {
            self.combine_store(cycle, link);
            return;
        }
        match self.lines.get(&line).map(|cached| cached.held) {
            Some(Held::Exclusive | Held::Modified) => self.perform_store(cycle),
            _ if self.outstanding.iter().any(|load| load.line == line) => {}
            _ => {
                self.request(cycle, line, true, link, ids);
            }
        }
    }

    /// Performs the oldest store if its line may be written.
    fn perform_store(&mut self, cycle: u64) {
        let Some(store) = self.stores.front() else {
            return;
        };
        let Some(cached) = self.lines.get_mut(&store.line) else {
            return;
        };
        if cached.held == Held::Shared {
            return;
        }
        cached.data[store.offset..store.offset + store.data.len()].copy_from_slice(&store.data);
        cached.held = Held::Modified;
        self.stores.pop_front();
        self.store_free_cycle = cycle + self.timing.store_cycles;
    }

    fn combine_store(&mut self, cycle: u64, link: &mut Interconnect) {
        let line = self.stores[0].line;
        if !self.combining.contains(&line) {
            if self.combining.len() >= self.timing.store_buffer_entries {
                self.flush_oldest_combining(cycle, link);
            }
            self.combining.push_back(line);
        }
        self.lines.entry(line).or_insert_with(|| CachedLine {
            held: Held::Exclusive,
            data: Box::new([0; MAX_LINE_BYTES]),
        });
        // The image may be marked shared by an earlier read for writing; there is no cache here
        // whose permission it could be.
        if let Some(cached) = self.lines.get_mut(&line) {
            cached.held = Held::Exclusive;
        }
        self.perform_store(cycle);
    }

    fn flush_oldest_combining(&mut self, cycle: u64, link: &mut Interconnect) {
        let Some(line) = self.combining.pop_front() else {
            return;
        };
        if let Some(cached) = self.lines.get(&line) {
            let data = Some(cached.data.clone());
            let message = ToCard::Writeback {
                address: line,
                data,
            };
            link.send(cycle, self.timing.flush_cycles, message);
        }
    }

    fn flush_combining(&mut self, cycle: u64, link: &mut Interconnect) {
        while !self.combining.is_empty() {
            self.flush_oldest_combining(cycle, link);
        }
    }
}

impl Running {
    fn line(&self, position: usize) -> u32 {
        match &self.op {
            CoreOp::Load(lines) => lines[position],
            CoreOp::LoadExclusive(line) => *line,
            _ => unreachable!("only loads have lines to wait for"),
        }
    }

    /// Hands an arrived line to the load that waits for it; a load for writing is not served by
    /// an earlier prefetch for reading, and an atomic operation takes its line by itself.
    fn capture(&mut self, line: u32, may_write: bool, data: &LineBytes, usable_cycle: u64) {
        if matches!(self.op, CoreOp::CompareExchange { .. })
            || (matches!(self.op, CoreOp::LoadExclusive(_)) && !may_write)
        {
            return;
        }
        for position in 0..self.captured.len() {
            if self.line(position) == line && self.captured[position].is_none() {
                self.captured[position] = Some(*data);
                self.complete_cycle = self.complete_cycle.max(usable_cycle);
            }
        }
    }
}
