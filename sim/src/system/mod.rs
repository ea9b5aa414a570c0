//! # System
//! A card between its wire and its host: the card (anything with [`NicPins`]), MAC models, cores
//! that run the driver in lockstep, a register bus, and monitor and scoreboard, which are always
//! on. Core `i` serves endpoint `i`; one more core is for control work such as bring-up.

mod pins;
mod software;
mod timeline;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use lauberhorn_coherence::{EndpointLayout, LineRole, Parity, Placement};
use lauberhorn_driver::bypass::Bypass;
use lauberhorn_driver::endpoint::{Acknowledge, EndpointError, Mode, TxMode};
use lauberhorn_driver::service::Services;
use lauberhorn_driver::stack::HostStack;
use lauberhorn_driver::worker::Worker;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::RxKind;
use thiserror::Error;

pub use pins::{CardFailure, NicInputs, NicOutputs, NicPins};
pub use software::SoftwareCost;
pub use timeline::{RpcTimes, Stage, Timeline};

use crate::csr::{CsrMaster, StrayResponse};
use crate::host::bus::{Bus, BusError, BusReport};
use crate::host::{Core, CoreEvent, Host, HostConfig, HostError};
use crate::lockstep::{Lockstep, SimCore};
use crate::monitor::{LineEvent, Monitor, Violation};
use crate::oracle::{CallId, Decision};
use crate::scoreboard::{ScoreError, Scoreboard};
use crate::seed::Seed;
use crate::wire::{FrameDone, FrameIn, RxSource, SentFrame, TxSink, TxSinkError};
use software::{StageLog, WorkerObserver};

/// Why a run ended before its goal.
#[derive(Debug, Error)]
pub enum SystemError {
    /// The card's model failed.
    #[error(transparent)]
    Card(#[from] CardFailure),
    /// The card broke the contract of its line port or transmit stream.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The host cannot go on from what the card did.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The bus between them, or the adapter to it, failed.
    #[error("the bus failed")]
    Bus(#[from] BusError),
    /// The card sent a beat that no MAC can send.
    #[error("the transmit stream cannot be sent")]
    Sink(#[from] TxSinkError),
    /// The card sent a wrong frame.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The register port answered nothing.
    #[error(transparent)]
    Register(#[from] StrayResponse),
    /// The driver's code gave up.
    #[error("cycle {cycle}: the driver on core {core_idx} gave up: {reason}")]
    Driver {
        /// When.
        cycle: u64,
        /// Where.
        core_idx: usize,
        /// Why, with all causes.
        reason: String,
    },
    /// The goal was not reached in time.
    #[error(
        "{what} not reached in {limit_cycles} cycles, by cycle {cycle}: {pending_frames} frames \
         not played, {open_calls} calls open"
    )]
    Timeout {
        /// The goal.
        what: String,
        /// When the run ended.
        cycle: u64,
        /// Cycles given.
        limit_cycles: u64,
        /// Frames still to be played.
        pending_frames: usize,
        /// Calls without an answer.
        open_calls: u64,
    },
}

/// Everything around a card.
pub struct Surroundings {
    /// The card's configuration.
    pub config: NicConfig,
    /// The placement of its lines at the line port.
    pub layout: EndpointLayout,
    /// The host; its core count is set to what the endpoints need.
    pub host: HostConfig,
    /// MAC, receive side.
    pub source: RxSource,
    /// MAC, transmit side.
    pub sink: TxSink,
    /// What goes in against what comes out.
    pub scoreboard: Scoreboard,
    /// Cost of software.
    pub cost: SoftwareCost,
    /// Root of all random choices.
    pub seed: Seed,
}

type Failures = Rc<RefCell<Vec<(usize, String)>>>;

/// A frame that is being played.
#[derive(Clone, Copy, Debug)]
struct Playing {
    tag: u64,
    /// The call in it, if it will be dispatched or answered.
    call: Option<CallId>,
}

/// A card in its surroundings.
pub struct System<N> {
    nic: N,
    config: NicConfig,
    /// Where the cores find the card's lines.
    placement: Rc<dyn Placement>,
    host: Host,
    bus: Option<Box<dyn Bus>>,
    lockstep: Lockstep,
    csr: CsrMaster,
    source: RxSource,
    sink: TxSink,
    monitor: Monitor,
    scoreboard: Scoreboard,
    timeline: Timeline,
    cost: SoftwareCost,
    stage_log: StageLog,
    failures: Failures,
    playing: std::collections::VecDeque<Playing>,
    next_tag: u64,
    last_played: Option<FrameDone>,
    sent: Vec<SentFrame>,
    cycle: u64,
    last_activity_cycle: u64,
    line_events: Vec<LineEvent>,
    core_events: Vec<CoreEvent>,
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl<N: NicPins> System<N> {
    /// Puts a card that was just reset into its surroundings.
    pub fn new(nic: N, around: Surroundings) -> System<N> {
        let core_count = around.layout.endpoints() + 1;
        let host = HostConfig {
            core_count,
            ..around.host
        };
        System {
            nic,
            host: Host::new(host, around.seed.child("host")),
            bus: None,
            lockstep: Lockstep::new(core_count, &around.layout, host.core.coherent, around.cost),
            csr: CsrMaster::new(),
            source: around.source,
            sink: around.sink,
            monitor: Monitor::new(around.layout.clone(), host.core.coherent),
            scoreboard: around.scoreboard,
            timeline: Timeline::default(),
            cost: around.cost,
            stage_log: Rc::default(),
            failures: Rc::default(),
            playing: std::collections::VecDeque::new(),
            next_tag: 0,
            last_played: None,
            sent: Vec::new(),
            cycle: 0,
            last_activity_cycle: 0,
            line_events: Vec::new(),
            core_events: Vec::new(),
            config: around.config,
            placement: Rc::new(around.layout),
        }
    }

    /// Puts a bus between cores and card, instead of the line port itself; before anything is spawned.
    pub fn attach_bus(&mut self, bus: Box<dyn Bus>) {
        if let Some(placement) = bus.placement() {
            let core_count = placement.endpoints() + 1;
            let coherent = self.lockstep.is_coherent();
            self.lockstep = Lockstep::new(core_count, &*placement, coherent, self.cost);
            self.placement = placement;
        }
        self.bus = Some(bus);
    }

    /// Lets the cores that run something fetch lines without being told to, with this chance in 1/65536
    /// per cycle: all lines but those whose load means something to the card in this mode.
    pub fn prefetch_at_random(&mut self, chance_65536: u32, mode: Mode, seed: Seed) {
        let harmless = |role: LineRole| match role {
            LineRole::RxOverflow(_) | LineRole::TxOverflow(_) => true,
            LineRole::TxControl(parity) => mode.tx == TxMode::Eager && parity == Parity::Zero,
            LineRole::RxControl(_) => mode.acknowledge == Acknowledge::Store,
            LineRole::Preemption => mode.preemption,
        };
        let placement = &self.placement;
        let lines = (0..placement.endpoints()).flat_map(|endpoint| {
            LineRole::all(placement.overflow_lines())
                .filter(|role| harmless(*role))
                .filter_map(move |role| {
                    let line = placement.address(endpoint, role)?;
                    Some((endpoint, line.0, role.is_tx()))
                })
        });
        let lines = lines.collect();
        self.host.prefetch_at_random(chance_65536, lines, seed);
    }

    /// Lets forbidden transactions start on the bus, or ends them.
    pub fn provoke_bus(&mut self, on: bool) {
        if let Some(bus) = &mut self.bus {
            bus.provoke(on);
        }
    }

    /// The bus between cores and card.
    pub fn bus(&self) -> Option<&dyn Bus> {
        self.bus.as_deref()
    }

    /// Starts workers on the first `count` worker endpoints.
    pub fn spawn_workers(&mut self, services: &Rc<RefCell<Services>>, mode: Mode, count: usize) {
        for endpoint in 1..=count {
            self.spawn_worker(services, mode, endpoint);
        }
    }

    /// Starts a worker on an endpoint whose core runs none.
    pub fn spawn_worker(&mut self, services: &Rc<RefCell<Services>>, mode: Mode, endpoint: usize) {
        let (services, placement) = (services.clone(), self.placement.clone());
        let (cost, log) = (self.cost, self.stage_log.clone());
        let mtu_bytes = self.config.mtu_bytes();
        self.spawn(endpoint, move |core| async move {
            let observer = WorkerObserver {
                core: core.clone(),
                endpoint,
                cost,
                log,
            };
            let mut worker = Worker::new(core, observer, &*placement, endpoint, mtu_bytes, mode)?;
            worker.run(&*services, |_| true).await
        });
    }

    /// Starts the bypass with the given stack behind it, on the bypass endpoint or a raw worker.
    pub fn spawn_bypass<S: HostStack + 'static>(&mut self, stack: S, endpoint: usize, mode: Mode) {
        let placement = self.placement.clone();
        let max_frame_bytes = self.config.max_frame_bytes();
        self.spawn(endpoint, move |core| async move {
            let mut bypass =
                Bypass::new(core, stack, &*placement, endpoint, max_frame_bytes, mode)?;
            bypass.run(|_| true).await
        });
    }

    /// Starts driver code on a core; an error it ends with ends the run.
    ///
    /// # Panics
    /// When the core has a task.
    pub fn spawn<F>(&mut self, core_idx: usize, task: impl FnOnce(SimCore) -> F + 'static)
    where
        F: Future<Output = Result<(), EndpointError>> + 'static,
    {
        let failures = self.failures.clone();
        self.lockstep.spawn(core_idx, move |core| async move {
            if let Err(error) = task(core).await {
                failures.borrow_mut().push((core_idx, with_causes(&error)));
            }
        });
    }

    /// Runs control code, such as bring-up, on the control core until it ends.
    ///
    /// # Errors
    /// When the run fails or the code needs more than `limit_cycles`.
    pub fn control<T: 'static, F>(
        &mut self,
        what: &str,
        limit_cycles: u64,
        task: impl FnOnce(SimCore) -> F + 'static,
    ) -> Result<T, SystemError>
    where
        F: Future<Output = T> + 'static,
    {
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        let control_core = self.placement.endpoints();
        self.lockstep.spawn(control_core, move |core| async move {
            *slot.borrow_mut() = Some(task(core).await);
        });
        self.run_until(what, limit_cycles, |system| {
            system.lockstep.is_finished(control_core)
        })?;
        Ok(result.take().expect("a finished task has left its result"))
    }

    /// Queues a frame for the wire; what must become of it.
    pub fn push_frame(&mut self, bytes: Vec<u8>, mac_error: bool, not_before: u64) -> Decision {
        let decision = self.scoreboard.frame_in(&bytes, mac_error);
        let call = match &decision {
            Decision::Dispatch(call) => Some(call.id),
            Decision::Answer(_, reply) => Some(reply.id),
            Decision::Drop(_) | Decision::Bypass => None,
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        self.playing.push_back(Playing { tag, call });
        self.source.push(FrameIn {
            bytes,
            error: mac_error,
            tag,
            not_before,
        });
        decision
    }

    /// One core clock cycle.
    ///
    /// # Errors
    /// When the card breaks a contract, sends a wrong frame, or the driver gives up.
    pub fn step(&mut self) -> Result<(), SystemError> {
        let cycle = self.cycle;
        let driven = self.source.drive(cycle);
        let host_line = self.host.drive(cycle);
        let inputs = NicInputs {
            mac_rx: driven.as_ref().map(|(beat, _)| *beat),
            mac_tx_ready: self.sink.ready(cycle),
            line: match &self.bus {
                Some(bus) => bus.to_card(),
                None => host_line,
            },
            bus: self
                .bus
                .as_ref()
                .map_or_else(BusReport::default, |bus| bus.report()),
            register: self.csr.drive(),
        };
        let outputs = self.nic.cycle(&inputs)?;

        if let Some((_, Some(done))) = driven {
            let playing = self
                .playing
                .pop_front()
                .filter(|playing| playing.tag == done.tag);
            if let Some(id) = playing.and_then(|playing| playing.call) {
                self.timeline
                    .call_in(id, done.first_beat_cycle, done.last_beat_cycle);
            }
            self.last_played = Some(done);
            self.last_activity_cycle = cycle;
        }
        let written = inputs.register.filter(|_| outputs.csr.request_ready);
        if let Some((access, value)) = written.and_then(|access| Some((access, access.write?))) {
            self.monitor.register_written(access.address, value);
        }
        self.watch_lines(&inputs, &outputs)?;
        self.take_tx(&inputs, &outputs)?;
        if let Some((ticket, value)) = self.csr.sample(cycle, &outputs.csr)? {
            self.lockstep.register_done(cycle, ticket, value);
        }
        // A core without software has nothing to fetch.
        self.host
            .fetch_at_random(|core| !self.lockstep.is_finished(core));
        let seen = match &mut self.bus {
            Some(bus) => bus.cycle(cycle, &host_line, &outputs.line)?,
            None => outputs.line,
        };
        self.host
            .sample(cycle, &host_line, &seen, &mut self.core_events)?;
        self.lockstep
            .run(cycle, &mut self.core_events, &mut self.host, &mut self.csr);
        for (endpoint, stage, cycle) in self.stage_log.borrow_mut().drain(..) {
            self.timeline.at(endpoint, stage, cycle);
        }
        self.cycle += 1;
        match self.failures.borrow_mut().pop() {
            Some((core_idx, reason)) => Err(SystemError::Driver {
                cycle,
                core_idx,
                reason,
            }),
            None => Ok(()),
        }
    }

    fn watch_lines(&mut self, inputs: &NicInputs, outputs: &NicOutputs) -> Result<(), SystemError> {
        let cycle = self.cycle;
        self.monitor
            .check_lines(cycle, &inputs.line, &outputs.line, &mut self.line_events)?;
        for event in self.line_events.drain(..) {
            self.timeline.line_event(&event);
            let idle = matches!(
                event,
                LineEvent::Answered { header, .. }
                    if !matches!(header.kind, RxKind::Call | RxKind::Frame)
            );
            if !idle {
                self.last_activity_cycle = cycle;
            }
        }
        Ok(())
    }

    fn take_tx(&mut self, inputs: &NicInputs, outputs: &NicOutputs) -> Result<(), SystemError> {
        let cycle = self.cycle;
        self.monitor
            .check_tx(cycle, &outputs.mac_tx, inputs.mac_tx_ready)?;
        let Some(beat) = outputs.mac_tx.filter(|_| inputs.mac_tx_ready) else {
            return Ok(());
        };
        self.last_activity_cycle = cycle;
        let Some(frame) = self.sink.take(cycle, &beat)? else {
            return Ok(());
        };
        if let Some(id) = self.scoreboard.frame_out(cycle, &frame.bytes)? {
            let (first, last) = (frame.first_beat_cycle, frame.last_beat_cycle);
            self.timeline.reply_out(id, first, last);
        }
        self.sent.push(frame);
        Ok(())
    }

    /// Runs until `goal` holds; the cycle in which it did.
    ///
    /// # Errors
    /// When the run fails or the goal is not reached in `limit_cycles`.
    pub fn run_until(
        &mut self,
        what: &str,
        limit_cycles: u64,
        mut goal: impl FnMut(&System<N>) -> bool,
    ) -> Result<u64, SystemError> {
        let end = self.cycle + limit_cycles;
        while !goal(self) {
            if self.cycle >= end {
                return Err(SystemError::Timeout {
                    what: what.to_string(),
                    cycle: self.cycle,
                    limit_cycles,
                    pending_frames: self.source.pending_count(),
                    open_calls: self.scoreboard.open_calls(),
                });
            }
            self.step()?;
        }
        Ok(self.cycle)
    }

    /// Runs until all frames are played and nothing but waiting has happened for `quiet_cycles`.
    ///
    /// # Errors
    /// When the run fails or does not become quiet in `limit_cycles`.
    pub fn run_until_quiet(
        &mut self,
        quiet_cycles: u64,
        limit_cycles: u64,
    ) -> Result<u64, SystemError> {
        self.run_until("quiet", limit_cycles, |system| {
            system.is_quiet_for(quiet_cycles)
        })
    }

    /// All frames are played and nothing but waiting has happened for `quiet_cycles`.
    pub fn is_quiet_for(&self, quiet_cycles: u64) -> bool {
        self.source.pending_count() == 0 && self.cycle >= self.last_activity_cycle + quiet_cycles
    }

    /// The present cycle.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The card.
    pub fn nic(&self) -> &N {
        &self.nic
    }

    /// The card, for instance to start a waveform.
    pub fn nic_mut(&mut self) -> &mut N {
        &mut self.nic
    }

    /// Configuration of the card.
    pub fn config(&self) -> &NicConfig {
        &self.config
    }

    /// Frames not completely played.
    pub fn pending_frames(&self) -> usize {
        self.source.pending_count()
    }

    /// The frame that was played to its end last.
    pub fn last_played(&self) -> Option<FrameDone> {
        self.last_played
    }

    /// Frames sent since the last call, in order.
    pub fn take_sent(&mut self) -> Vec<SentFrame> {
        std::mem::take(&mut self.sent)
    }

    /// What went in against what came out.
    pub fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    /// What watches the card's ports.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The same, to be told what to keep.
    pub fn monitor_mut(&mut self) -> &mut Monitor {
        &mut self.monitor
    }

    /// When each RPC passed each stage.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// As [`Self::timeline`], to take finished RPCs out.
    pub fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// The MAC's transmit side, to hold it.
    pub fn sink_mut(&mut self) -> &mut TxSink {
        &mut self.sink
    }

    /// A core.
    pub fn core(&self, core_idx: usize) -> &Core {
        self.host.core(core_idx)
    }

    /// What went in against what came out, to tell it what else may happen.
    pub fn scoreboard_mut(&mut self) -> &mut Scoreboard {
        &mut self.scoreboard
    }

    /// Ends a core's task wherever it is.
    pub fn kill(&mut self, core_idx: usize) {
        self.lockstep.kill(core_idx, &mut self.host);
    }

    /// The core's task has ended, or there is none.
    pub fn is_finished(&self, core_idx: usize) -> bool {
        self.lockstep.is_finished(core_idx)
    }

    /// Keeps a core's task from running for `cycles`.
    pub fn pause(&mut self, core_idx: usize, cycles: u64) {
        self.lockstep.pause(core_idx, self.cycle + cycles);
    }
}

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
