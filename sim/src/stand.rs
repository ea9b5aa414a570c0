//! # Stand
//! A card that is up and serving: the Verilated model in its surroundings, brought up by the driver,
//! with workers and a bypass stack running. What the demo, the benchmarks and the tests start from.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use lauberhorn_coherence::{EndpointLayout, InterconnectProfile};
use lauberhorn_driver::bringup::{
    BringUpError, Settings, allow, bring_up, enable_worker, preempt, reset_endpoint,
};
use lauberhorn_driver::bypass::BYPASS_ENDPOINT;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::lines::{Registers, RegistersError};
use lauberhorn_driver::service::{ServiceError, Services};
use lauberhorn_driver::services::examples;
use lauberhorn_driver::stack::HostStack;
use lauberhorn_driver::stack::smoltcp::SmoltcpStack;
use lauberhorn_driver::worker::REPLY_OVERHEAD_BYTES;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_interface::counters::Counter;
use thiserror::Error;

use crate::host::bus::{self, BusError, BusSettings};
use crate::host::{HostConfig, PortStalls};
use crate::nic_model::{NicModel, NicModelError};
use crate::oracle::Rules;
use crate::scoreboard::{Scoreboard, handlers_of};
use crate::seed::Seed;
use crate::system::{SoftwareCost, Surroundings, System, SystemError};
use crate::wire::{Pacing, RxSource, TxSink};

/// Cycles that bring-up may take.
const BRING_UP_LIMIT_CYCLES: u64 = 200_000;
/// So long after the last forbidden transaction started, the bus has its answer.
const BUS_CALM_CYCLES: u64 = 6_000;
/// Cycles that a worker may take to yield.
const PREEMPT_LIMIT_CYCLES: u64 = 200_000;
/// So long after a core has stopped, what it stored has passed link and adapter.
const POSTED_CYCLES: u64 = 2_000;
/// Network prefix of the in-process stack.
const PREFIX_BITS: u8 = 24;

/// A card could not be put to work.
#[derive(Debug, Error)]
pub enum StandError {
    /// There is no model of that configuration.
    #[error(transparent)]
    Model(#[from] NicModelError),
    /// There is no such bus.
    #[error("the bus cannot be opened")]
    Bus(#[from] Box<BusError>),
    /// The services clash.
    #[error(transparent)]
    Services(#[from] ServiceError),
    /// The driver refused the card.
    #[error("the card cannot be brought up")]
    BringUp(#[from] BringUpError),
    /// A register could not be read.
    #[error("a register cannot be read")]
    Registers(#[from] RegistersError),
    /// The simulation ended before its goal.
    #[error(transparent)]
    System(#[from] SystemError),
    /// Something was lost or left over.
    #[error("the run does not add up: {}", .0.join("; "))]
    Faults(Vec<String>),
    /// Simulation has an adapter for one card of each interconnect.
    #[error("there is no adapter between {interconnect} and the card {card}: leave the bus out")]
    NoAdapter {
        /// The interconnect.
        interconnect: &'static str,
        /// The card.
        card: String,
    },
    /// More workers were asked for than the card has.
    #[error("{asked} workers asked for, the card has {available}")]
    Workers {
        /// Asked for.
        asked: usize,
        /// There are.
        available: usize,
    },
}

/// What a stand is made of; start from [`Stand::new`] and change what matters.
#[derive(Clone, Debug)]
pub struct Stand {
    /// Name of the card's configuration, see [`NicConfig::NAMES`].
    pub card: String,
    /// The interconnect.
    pub profile: InterconnectProfile,
    /// Workers that run; the others of the card stay idle.
    pub workers: usize,
    /// Bit `i`: worker endpoint `i + 1` carries bare frames; the caller runs something on it.
    pub raw_workers: u16,
    /// How messages cross the lines.
    pub mode: Mode,
    /// The card's MAC address.
    pub mac: [u8; 6],
    /// The card's IPv4 address.
    pub address: Ipv4Addr,
    /// Pacing of the wire.
    pub pacing: Pacing,
    /// Chance that a channel of the host or the MAC stalls in a cycle, in 1/256.
    pub stall_chance_256: u16,
    /// Chance of a spontaneous eviction in a cycle, in 1/65536.
    pub eviction_chance_65536: u32,
    /// Chance of a fetch that no one asked for in a cycle, in 1/65536; see
    /// [`System::prefetch_at_random`].
    pub prefetch_chance_65536: u32,
    /// Cost of software.
    pub cost: SoftwareCost,
    /// Put the adapter to the profile's bus between cores and card.
    pub bus: Option<BusSettings>,
    /// How long a wait lasts before it ends in TRY_AGAIN.
    pub block_time_cycles: u32,
    /// Record the card's inputs from its reset on.
    pub record: bool,
    /// Root of all random choices.
    pub seed: Seed,
}

impl Stand {
    /// A quiet stand for this interconnect.
    pub fn new(profile: InterconnectProfile) -> Self {
        let card = if profile.configuration().line_bytes() == 128 {
            "eci"
        } else {
            "cxl"
        };
        Self {
            card: card.to_string(),
            workers: profile.configuration().workers(),
            raw_workers: 0,
            cost: SoftwareCost::from_profile(&profile, CORE_CLOCK_HZ),
            profile,
            mode: Mode::RECALL,
            mac: [2, 0, 0, 0, 0, 1],
            address: Ipv4Addr::new(192, 0, 2, 1),
            pacing: Pacing::hundred_gigabit(CORE_CLOCK_HZ),
            stall_chance_256: 0,
            eviction_chance_65536: 0,
            prefetch_chance_65536: 0,
            bus: None,
            block_time_cycles: 10_000,
            record: false,
            seed: Seed::DEFAULT,
        }
    }

    /// Brings the card up with the example services and the in-process stack.
    ///
    /// # Errors
    /// When there is no such card, or it cannot be brought up.
    pub fn start(self) -> Result<Running, StandError> {
        let config = NicConfig::named(&self.card).map_err(BringUpError::from)?;
        let now = Rc::new(Cell::new(0u64));
        let clock = now.clone();
        let stack = SmoltcpStack::new(
            self.mac,
            self.address,
            PREFIX_BITS,
            config.mtu_bytes(),
            Box::new(move || Duration::from_nanos(clock.get() * 1_000_000_000 / CORE_CLOCK_HZ)),
        );
        self.start_with(stack, now)
    }

    /// Brings the card up with the example services and the given stack. [`Running::step`] keeps
    /// `now` at the present cycle.
    ///
    /// # Errors
    /// When there is no such card, or it cannot be brought up.
    pub fn start_with<S: HostStack + 'static>(
        self,
        stack: S,
        now: Rc<Cell<u64>>,
    ) -> Result<Running, StandError> {
        let config = NicConfig::named(&self.card).map_err(BringUpError::from)?;
        if self.workers > config.workers() {
            return Err(StandError::Workers {
                asked: self.workers,
                available: config.workers(),
            });
        }
        if self.bus.is_some() && config != self.profile.configuration() {
            return Err(StandError::NoAdapter {
                interconnect: self.profile.name,
                card: self.card,
            });
        }
        let services = examples(self.address)?;
        let settings = Settings {
            mac: self.mac,
            address: self.address,
            block_time_cycles: self.block_time_cycles,
            promiscuous: false,
            raw_workers: self.raw_workers,
            mode: self.mode,
            clear_tables: false,
        };
        let rules = Rules::new(&settings, &services, config.mtu_bytes());
        let mut host =
            HostConfig::from_profile(&self.profile, config.line_bytes(), 1, CORE_CLOCK_HZ);
        host.stalls = PortStalls::uniform(self.stall_chance_256);
        host.eviction_chance_65536 = self.eviction_chance_65536;
        host.eviction_notice_256 = 128;
        let sink = match self.stall_chance_256 {
            0 => TxSink::new(),
            chance => TxSink::with_random_stalls(256 - chance, self.seed.stream("tx stalls")),
        };
        let limit_bytes = config.mtu_bytes() - REPLY_OVERHEAD_BYTES;
        let around = Surroundings {
            layout: EndpointLayout::contiguous(&config),
            host,
            source: RxSource::new(self.pacing),
            sink,
            scoreboard: Scoreboard::new(rules, handlers_of(examples(self.address)?, limit_bytes)),
            cost: self.cost,
            seed: self.seed,
            config,
        };
        let mut nic = NicModel::open(&self.card)?;
        if self.record {
            nic.start_recording();
        }
        let bus = match self.bus {
            Some(settings) => {
                let seed = self.seed.child("bus");
                let open = bus::open(self.profile.name, &around.layout, settings, seed);
                Some(open.map_err(Box::new)?)
            }
            None => None,
        };
        let mut system = System::new(nic, around);
        if let Some(bus) = bus {
            system.attach_bus(bus);
        }
        // The same services again: the registry lends itself to the workers only.
        let installed = examples(self.address)?;
        let shared = Rc::new(RefCell::new(services));
        system.control("bring-up", BRING_UP_LIMIT_CYCLES, move |core| async move {
            bring_up(&core, &settings, &installed).await
        })??;
        // Bring-up clears the counters.
        system.provoke_bus(true);
        system.spawn_workers(&shared, self.mode, self.workers);
        system.spawn_bypass(stack, BYPASS_ENDPOINT, self.mode);
        if self.prefetch_chance_65536 > 0 {
            let seed = self.seed.child("host");
            system.prefetch_at_random(self.prefetch_chance_65536, self.mode, seed);
        }
        Ok(Running {
            system,
            now,
            services: shared,
            mode: self.mode,
        })
    }
}

/// A card at work.
pub struct Running {
    /// Card and surroundings.
    pub system: System<NicModel>,
    now: Rc<Cell<u64>>,
    services: Rc<RefCell<Services>>,
    mode: Mode,
}

impl Running {
    /// Kills a worker wherever it is, as the kernel does: its core stops, its stores are done, its
    /// endpoint is reset. Calls are served by the other workers.
    ///
    /// # Errors
    /// When the run fails, the stores do not end or the reset does not.
    pub fn kill_worker(&mut self, endpoint: usize) -> Result<(), StandError> {
        self.system.kill(endpoint);
        self.system.scoreboard_mut().worker_killed();
        let stopped = |system: &System<NicModel>| system.core(endpoint).stores_are_done();
        self.system
            .run_until("the stores of the dead", BRING_UP_LIMIT_CYCLES, stopped)?;
        if self.system.bus().is_some() {
            // On a link no register write overtakes stores; here it takes a way of its own.
            self.run_for(POSTED_CYCLES)?;
        }
        self.system
            .control("a reset", BRING_UP_LIMIT_CYCLES, move |core| async move {
                reset_endpoint(&core, endpoint).await
            })??;
        Ok(())
    }

    /// Starts a worker on an endpoint that was reset.
    ///
    /// # Errors
    /// When the run fails.
    pub fn replace_worker(&mut self, endpoint: usize) -> Result<(), StandError> {
        self.system
            .spawn_worker(&self.services, self.mode, endpoint);
        self.system
            .control("a start", BRING_UP_LIMIT_CYCLES, move |core| async move {
                enable_worker(&core, endpoint).await
            })??;
        Ok(())
    }

    /// Asks a worker for its core and waits until it has yielded, at most for `reads` of the register.
    ///
    /// # Errors
    /// When the run fails or the worker keeps the core.
    pub fn preempt_worker(&mut self, endpoint: usize, reads: usize) -> Result<(), StandError> {
        let what = "a worker that yields";
        let asked = self
            .system
            .control(what, PREEMPT_LIMIT_CYCLES, move |core| async move {
                preempt(&core, endpoint, reads).await
            })?;
        Ok(asked?)
    }

    /// Gives a worker its core back.
    ///
    /// # Errors
    /// When the run fails.
    pub fn allow_worker(&mut self, endpoint: usize) -> Result<(), StandError> {
        let what = "a worker that goes on";
        let allowed = self
            .system
            .control(what, PREEMPT_LIMIT_CYCLES, move |core| async move {
                allow(&core, endpoint).await
            })?;
        Ok(allowed?)
    }

    /// One cycle.
    ///
    /// # Errors
    /// When the card, the host or the driver fails.
    pub fn step(&mut self) -> Result<(), StandError> {
        self.now.set(self.system.cycle());
        Ok(self.system.step()?)
    }

    /// Runs for so many cycles.
    ///
    /// # Errors
    /// When the run fails.
    pub fn run_for(&mut self, cycles: u64) -> Result<(), StandError> {
        for _ in 0..cycles {
            self.step()?;
        }
        Ok(())
    }

    /// Runs until all frames are played and nothing but waiting has happened for `quiet_cycles`.
    ///
    /// # Errors
    /// When the run fails or does not become quiet in `limit_cycles`.
    pub fn settle(&mut self, quiet_cycles: u64, limit_cycles: u64) -> Result<u64, StandError> {
        let now = self.now.clone();
        Ok(self.system.run_until("quiet", limit_cycles, |system| {
            now.set(system.cycle());
            system.is_quiet_for(quiet_cycles)
        })?)
    }

    /// Runs until all frames are played and every call has its answer.
    ///
    /// # Errors
    /// When the run fails or that takes more than `limit_cycles`.
    pub fn finish_calls(&mut self, limit_cycles: u64) -> Result<u64, StandError> {
        let now = self.now.clone();
        Ok(self
            .system
            .run_until("an answer to every call", limit_cycles, |system| {
                now.set(system.cycle());
                system.pending_frames() == 0 && system.scoreboard().open_calls() == 0
            })?)
    }

    /// Reads every counter and gauge through the register port.
    ///
    /// # Errors
    /// When the run fails.
    pub fn counters(&mut self) -> Result<Vec<(Counter, u64)>, StandError> {
        let values =
            self.system
                .control("counters", BRING_UP_LIMIT_CYCLES, |core| async move {
                    let mut values = Vec::new();
                    for counter in Counter::ALL {
                        let value = core.read32(counter.address()).await?;
                        values.push((*counter, u64::from(value)));
                    }
                    Ok::<_, RegistersError>(values)
                })??;
        Ok(values)
    }

    /// Everything that does not add up at the end of a run, in words; empty when all does. Forbidden
    /// transactions on the bus end with it.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn account(&mut self) -> Result<Vec<String>, StandError> {
        if self.system.bus().is_some() {
            self.system.provoke_bus(false);
            self.run_for(BUS_CALM_CYCLES)?;
        }
        let values = self.counters()?;
        let read = |counter: Counter| values[counter.index()].1;
        let errors = self.system.scoreboard().finish(self.system.config(), read);
        let mut faults: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let rule = self.system.bus().and_then(|bus| bus.finish(&read).err());
        faults.extend(rule.map(|rule| rule.to_string()));
        Ok(faults)
    }
}
