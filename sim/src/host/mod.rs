//! # Host
//! Cores, the interconnect between them and the card, and the line port's five channels.
//! One [`Host::drive`] and one [`Host::sample`] make a cycle; the card sits between the two.
//!
//! | model | covers | does not cover |
//! |---|---|---|
//! | core | program order, store buffer, outstanding loads, hits, prefetch, write-back | instructions, other memory |
//! | cache | shared, exclusive, modified; recalls; seeded evictions at any time | capacity, sets |
//! | interconnect | latency and occupancy per direction, order per line, random stalls | retries, credits |

pub mod bus;
mod core;
mod interconnect;
mod port;
mod profile;

use rand::Rng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

pub use self::core::{Core, CoreOp, CoreReply, CoreTiming, Held};
pub use interconnect::{Interconnect, InterconnectError, LinkTiming, PortStalls, ToCard, ToHost};
pub use port::{
    BEAT_BYTES, BeatData, FillBeat, LineBytes, LinePort, LinePortIn, LinePortOut, Load,
    MAX_LINE_BYTES, Recall, RecallAckBeat, WritebackBeat, line_beat, set_line_beat,
};
pub use profile::ns_to_cycles;

use crate::seed::Seed;

/// Everything that shapes a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Number of cores.
    pub core_count: usize,
    /// Bytes of a line.
    pub line_bytes: usize,
    /// Of every core.
    pub core: CoreTiming,
    /// Cores to card.
    pub to_card: LinkTiming,
    /// Card to cores.
    pub to_host: LinkTiming,
    /// Loads stay behind all earlier writes (PCIe).
    pub strict_order: bool,
    /// Stalls of the line port's channels.
    pub stalls: PortStalls,
    /// Chance, in 1/65536 per cycle, that some core evicts some line.
    pub eviction_chance_65536: u32,
    /// Of the evictions of clean lines, the share announced to the card, in 1/256.
    pub eviction_notice_256: u16,
}

/// The card broke the line port's contract in a way the host cannot go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// Fill beats do not form lines.
    #[error(transparent)]
    Interconnect(#[from] InterconnectError),
    /// A fill answers no load.
    #[error("cycle {cycle}: fill {id} answers no outstanding load")]
    StrayFill {
        /// When.
        cycle: u64,
        /// Of the fill.
        id: u8,
    },
}

/// Ids of outstanding loads and who waits for them.
#[derive(Debug)]
struct IdTable {
    owners: Vec<Option<(usize, u32)>>,
    next: u8,
}

impl core::LoadIds for IdTable {
    fn allocate(&mut self, core_idx: usize, line: u32) -> Option<u8> {
        // Round robin, so that an id rests before it is used again.
        for _ in 0..self.owners.len() {
            let id = self.next;
            self.next = self.next.wrapping_add(1);
            let owner = &mut self.owners[usize::from(id)];
            if owner.is_none() {
                *owner = Some((core_idx, line));
                return Some(id);
            }
        }
        None
    }
}

/// What happened at the cores in a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreEvent {
    /// Where.
    pub core_idx: usize,
    /// The operation that completed.
    pub reply: CoreReply,
}

/// Cores and interconnect.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    cores: Vec<Core>,
    link: Interconnect,
    ids: IdTable,
    eviction_rng: ChaCha8Rng,
    prefetches: Option<Prefetches>,
}

/// Lines that cores load without being told to.
#[derive(Debug)]
struct Prefetches {
    chance_65536: u32,
    /// Core, line, for writing.
    lines: Vec<(usize, u32, bool)>,
    rng: ChaCha8Rng,
}

impl Host {
    /// An idle host.
    ///
    /// # Panics
    /// When `line_bytes` is not 64 or 128.
    pub fn new(config: HostConfig, seed: Seed) -> Host {
        assert!(
            matches!(config.line_bytes, 64 | 128),
            "line_bytes is {}; a line has 64 or 128 bytes",
            config.line_bytes
        );
        let link = Interconnect::new(
            config.to_card,
            config.to_host,
            config.strict_order,
            config.line_bytes,
            config.stalls,
            seed.stream("line port stalls"),
        );
        Host {
            config,
            cores: (0..config.core_count)
                .map(|core_idx| Core::new(core_idx, config.core))
                .collect(),
            link,
            ids: IdTable {
                owners: vec![None; 256],
                next: 0,
            },
            eviction_rng: seed.stream("evictions"),
            prefetches: None,
        }
    }

    /// From now on some core fetches one of these lines (core, line, for writing) with this chance,
    /// in 1/65536 per cycle, without being told to.
    pub fn prefetch_at_random(
        &mut self,
        chance_65536: u32,
        lines: Vec<(usize, u32, bool)>,
        seed: Seed,
    ) {
        self.prefetches = Some(Prefetches {
            chance_65536,
            lines,
            rng: seed.stream("prefetches"),
        });
    }

    /// What the host is made of.
    pub fn config(&self) -> &HostConfig {
        &self.config
    }

    /// A core.
    pub fn core(&self, core_idx: usize) -> &Core {
        &self.cores[core_idx]
    }

    /// A core, to give it work.
    pub fn core_mut(&mut self, core_idx: usize) -> &mut Core {
        &mut self.cores[core_idx]
    }

    /// What the host drives in this cycle.
    pub fn drive(&mut self, cycle: u64) -> LinePortIn {
        self.link.drive(cycle)
    }

    /// Ends the cycle: applies the transfers, then lets arrived messages and cores proceed.
    /// Completed operations are appended to `events`.
    ///
    /// # Errors
    /// When the card broke the contract of the line port.
    pub fn sample(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
        events: &mut Vec<CoreEvent>,
    ) -> Result<(), HostError> {
        self.link.sample(cycle, inputs, outputs)?;
        while let Some(message) = self.link.receive(cycle) {
            match message {
                ToHost::Fill {
                    id,
                    exclusive,
                    data,
                } => {
                    let (core_idx, _) = self.ids.owners[usize::from(id)]
                        .take()
                        .ok_or(HostError::StrayFill { cycle, id })?;
                    self.cores[core_idx].fill(cycle, id, exclusive, data);
                }
                ToHost::Recall { address, id } => self.answer_recall(cycle, address, id),
            }
        }
        self.evict_at_random(cycle);
        for core in &mut self.cores {
            let core_idx = core.core_idx();
            if let Some(reply) = core.tick(cycle, &mut self.link, &mut self.ids) {
                events.push(CoreEvent { core_idx, reply });
            }
        }
        Ok(())
    }

    fn answer_recall(&mut self, cycle: u64, address: u32, id: u16) {
        let mut data = None;
        for core in &mut self.cores {
            data = core.recall(address).or(data);
        }
        let ack = ToCard::RecallAck { address, id, data };
        self.link.send(cycle, self.config.core.snoop_cycles, ack);
    }

    /// Perhaps one of the fetches that [`Host::prefetch_at_random`] allows; only cores that are `running`
    /// something fetch.
    pub fn fetch_at_random(&mut self, running: impl Fn(usize) -> bool) {
        let Some(prefetches) = &mut self.prefetches else {
            return;
        };
        if prefetches.rng.random_range(0..65536) >= prefetches.chance_65536 {
            return;
        }
        let chosen = prefetches.lines.iter().choose(&mut prefetches.rng);
        if let Some(&(core_idx, line, exclusive)) = chosen.filter(|choice| running(choice.0)) {
            self.cores[core_idx].prefetch(line, exclusive);
        }
    }

    fn evict_at_random(&mut self, cycle: u64) {
        let chance = self.config.eviction_chance_65536;
        if chance == 0 || self.eviction_rng.random_range(0..65536) >= chance {
            return;
        }
        let rng = &mut self.eviction_rng;
        let core_idx = rng.random_range(0..self.cores.len());
        let core = &mut self.cores[core_idx];
        if let Some(line) = core.held_lines().choose(rng) {
            let notify = rng.random_range(0..256) < self.config.eviction_notice_256;
            core.evict(cycle, 0, line, notify, &mut self.link);
        }
    }

    /// No message is under way and no core has work.
    pub fn is_idle(&self) -> bool {
        self.link.is_idle() && self.cores.iter().all(Core::is_idle)
    }
}

#[cfg(test)]
mod tests;
