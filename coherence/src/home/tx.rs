//! Home side of the TX lines.
//!
//! Recall mode, as published: the card recalls what the host wrote when the host loads the other
//! control line. Eager mode: the host gives the lines back itself, and the control line sends.

use std::collections::{BTreeMap, VecDeque};

use super::{HomeConfig, HomeViolation, ResetStage, WaitingLoad};
use crate::layout::{LineRole, Parity};
use crate::lines::LineSet;

/// What the home must read from a TX control line. `Default` is the zero line.
pub trait TxContent: Clone + Default {
    /// The overflow lines the message needs; none when the line is not valid.
    fn overflow_lines(&self) -> Option<usize>;

    /// The sequence number in the header; only eager mode looks at it.
    fn sequence(&self) -> u32 {
        0
    }
}

/// What happens to the TX side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TxEvent<D> {
    /// The host loads a line, to write it.
    Load(WaitingLoad),
    /// The host gave a line back unasked: new content, or none when it was clean.
    Writeback(LineRole, Option<D>),
    /// The host acknowledged a recall, with new content when the line was modified.
    RecallAck(LineRole, Option<D>),
    /// The TX path has the offered message.
    Taken,
    /// The endpoint is taken from its worker: everything as after reset, once all lines are back.
    Reset,
}

/// A message as it was gathered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TxMessage<D> {
    /// All lines are there.
    Complete {
        /// The control line.
        control: D,
        /// The overflow lines it needs.
        overflow: Vec<D>,
    },
    /// An overflow line was never written, or the endpoint has no such line: malformed.
    Incomplete {
        /// The control line.
        control: D,
        /// The first line that is missing.
        missing: usize,
    },
}

/// What the TX side does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TxAction<D> {
    /// Answer a load; the host may write the line.
    Fill {
        /// The load.
        load: WaitingLoad,
        /// The content.
        data: D,
    },
    /// Ask for a line back.
    Recall(LineRole),
    /// Hand a message to the TX path, which answers [`TxEvent::Taken`].
    Offer(TxMessage<D>),
    /// The reset is complete.
    ResetDone,
}

/// What the endpoint is busy with. A load is there when one asked to send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase<D> {
    /// Nothing.
    Idle,
    /// The control line is recalled for the load of the other one.
    Control(WaitingLoad),
    /// The control line is here and needs this many overflow lines, which come back.
    Overflow(Option<WaitingLoad>, D, usize),
    /// The TX path is being offered the message.
    Offered(Option<WaitingLoad>),
    /// Taken from its worker.
    Reset(Option<WaitingLoad>, ResetStage),
}

/// The home side of one endpoint's TX lines.
///
/// In both modes:
/// - Loads of the current control line T\[q\] and of overflow lines are filled at once, with what
///   was written back, else with zeros.
/// - Dirty writebacks are kept at any time; a clean acknowledgement means the kept content counts.
/// - While a message is gathered or offered, loads queue in order.
/// - A reset lets the message under way finish, then recalls every line, held or not: the
///   acknowledgement comes behind any load or writeback of the line that was under way. Those loads
///   are answered with zeros and recalled, then all is as in the beginning.
///
/// Recall mode: a load of the other control line asks to send. T\[q\] is recalled, and when it is
/// valid the overflow lines it needs; the message is offered, and once it is taken the other line
/// becomes the current one and is filled with zeros. An invalid control line sends nothing.
/// The host must have finished its stores (a full barrier, as ownership of a line is itself a load)
/// before it loads the other control line: a load of T\[q\] that arrives after that one would be
/// taken for the request to send the next message.
///
/// Eager mode: only T0 is used, and the host gives lines back itself. When T0 comes back valid with
/// the expected sequence number, overflow lines that the message needs and that the host may still hold, or that
/// never came, are recalled (their writeback is under way, or an eviction took the control line
/// first); then the message is offered. Once it is taken the next sequence number is expected. A load of T0 that was sent after
/// its writeback is behind it, so its fill says that the message was taken and that all lines may be
/// written again: that is the whole flow control.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxHome<D> {
    config: HomeConfig,
    current: Parity,
    sequence: u32,
    phase: Phase<D>,
    present: BTreeMap<LineRole, D>,
    held: LineSet,
    recalled: LineSet,
    queue: VecDeque<WaitingLoad>,
}

impl<D: TxContent> TxHome<D> {
    /// The state after reset of an endpoint with this many TX overflow lines, in recall mode.
    pub fn new(overflow_lines: usize) -> Self {
        Self::with(HomeConfig::new(overflow_lines))
    }

    /// The state after reset.
    pub fn with(config: HomeConfig) -> Self {
        Self {
            config,
            current: Parity::Zero,
            sequence: 0,
            phase: Phase::Idle,
            present: BTreeMap::new(),
            held: LineSet::default(),
            recalled: LineSet::default(),
            queue: VecDeque::new(),
        }
    }

    /// The control line the host writes next.
    pub fn current(&self) -> Parity {
        self.current
    }

    /// The sequence number the next eager message must have.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Whether no message is being gathered or offered.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether it is being taken from its worker.
    pub fn is_resetting(&self) -> bool {
        matches!(self.phase, Phase::Reset(..))
    }

    /// Whether lines are recalled held or not.
    pub fn recalls_every_line(&self) -> bool {
        matches!(self.phase, Phase::Reset(.., ResetStage::All))
    }

    /// The name of the state, as the protocol's text has it.
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Idle => "idle",
            Phase::Control(_) => "control",
            Phase::Overflow(..) => "overflow",
            Phase::Offered(_) => "offered",
            Phase::Reset(..) => "reset",
        }
    }

    /// The same state under another configuration, as when a register is written.
    pub fn configured(mut self, config: HomeConfig) -> Self {
        self.config = config;
        self
    }

    /// The lines the home believes the host holds.
    pub fn held(&self) -> LineSet {
        self.held
    }

    /// The lines whose recall is not acknowledged yet.
    pub fn recalled(&self) -> LineSet {
        self.recalled
    }

    /// The next state and the actions, in order.
    pub fn step(&self, event: TxEvent<D>) -> Result<(Self, Vec<TxAction<D>>), HomeViolation> {
        let mut next = self.clone();
        let mut actions = Vec::new();
        match event {
            TxEvent::Load(load) => {
                next.check(load.line)?;
                next.queue.push_back(load);
            }
            TxEvent::Writeback(line, data) => {
                next.check(line)?;
                next.came_back(line, data);
                next.send_eagerly(line, &mut actions);
            }
            TxEvent::RecallAck(line, data) => {
                next.check(line)?;
                if !next.recalled.remove(line) {
                    return Err(HomeViolation::UnexpectedAck { line });
                }
                next.came_back(line, data);
                if next.recalled.is_empty() {
                    next.recalls_done(&mut actions);
                }
            }
            TxEvent::Taken => match next.phase {
                Phase::Offered(load) => next.turn(load, &mut actions),
                Phase::Reset(load, ResetStage::Before) => next.flush(load, &mut actions),
                _ => return Err(HomeViolation::NothingOffered),
            },
            TxEvent::Reset => next.reset(&mut actions)?,
        }
        while next.is_idle() {
            let Some(load) = next.queue.pop_front() else {
                break;
            };
            next.take(load, &mut actions);
        }
        Ok((next, actions))
    }

    fn check(&self, line: LineRole) -> Result<(), HomeViolation> {
        match line {
            LineRole::TxControl(_) => Ok(()),
            LineRole::TxOverflow(n) if n < self.config.overflow_lines => Ok(()),
            _ => Err(HomeViolation::ForeignLine { line }),
        }
    }

    fn came_back(&mut self, line: LineRole, data: Option<D>) {
        self.held.remove(line);
        if let Some(data) = data {
            self.present.insert(line, data);
        }
    }

    fn fill(&mut self, load: WaitingLoad, data: D, actions: &mut Vec<TxAction<D>>) {
        self.held.insert(load.line);
        actions.push(TxAction::Fill { load, data });
    }

    /// Takes a load while idle.
    fn take(&mut self, load: WaitingLoad, actions: &mut Vec<TxAction<D>>) {
        let other = LineRole::TxControl(self.current.other());
        if load.line == other && !self.config.eager {
            self.phase = Phase::Control(load);
            let mut control = LineSet::default();
            control.insert(LineRole::TxControl(self.current));
            self.recall(control, actions);
        } else {
            let data = self.present.get(&load.line).cloned().unwrap_or_default();
            self.fill(load, data, actions);
        }
    }

    /// Recalls `lines`; the phase says what follows when all are back.
    fn recall(&mut self, lines: LineSet, actions: &mut Vec<TxAction<D>>) {
        self.recalled = lines;
        actions.extend(lines.tx_lines().map(TxAction::Recall));
        if lines.is_empty() {
            self.recalls_done(actions);
        }
    }

    /// A line came back by itself: if it is the control line of the next message, that is sent.
    fn send_eagerly(&mut self, line: LineRole, actions: &mut Vec<TxAction<D>>) {
        let is_control = line == LineRole::TxControl(self.current);
        if !(self.config.eager && is_control && self.is_idle()) {
            return;
        }
        let Some(control) = self.present.get(&line).cloned() else {
            return;
        };
        let expected = (control.sequence() ^ self.sequence) & self.config.sequence_mask == 0;
        if let Some(needed) = control.overflow_lines().filter(|_| expected) {
            self.phase = Phase::Overflow(None, control, needed);
            let mut lines = LineSet::default();
            let here = (0..needed.min(self.config.overflow_lines)).map(LineRole::TxOverflow);
            for line in
                here.filter(|&line| self.held.contains(line) || !self.present.contains_key(&line))
            {
                lines.insert(line);
            }
            self.recall(lines, actions);
        }
    }

    fn recalls_done(&mut self, actions: &mut Vec<TxAction<D>>) {
        match self.phase.clone() {
            Phase::Control(load) => {
                let control = self.present.get(&LineRole::TxControl(self.current));
                let control = control.cloned().unwrap_or_default();
                let Some(needed) = control.overflow_lines() else {
                    return self.turn(Some(load), actions);
                };
                self.phase = Phase::Overflow(Some(load), control, needed);
                let mut lines = LineSet::default();
                for n in 0..needed.min(self.config.overflow_lines) {
                    lines.insert(LineRole::TxOverflow(n));
                }
                self.recall(lines, actions);
            }
            Phase::Overflow(load, control, needed) => {
                let line = |n| self.present.get(&LineRole::TxOverflow(n)).cloned();
                let overflow: Vec<D> = (0..needed).map_while(line).collect();
                let message = if overflow.len() == needed {
                    TxMessage::Complete { control, overflow }
                } else {
                    TxMessage::Incomplete {
                        control,
                        missing: overflow.len(),
                    }
                };
                actions.push(TxAction::Offer(message));
                self.phase = Phase::Offered(load);
            }
            Phase::Reset(load, ResetStage::Before) => self.flush(load, actions),
            Phase::Reset(load, ResetStage::All) => {
                self.present.clear();
                let loads: Vec<_> = load.into_iter().chain(self.queue.drain(..)).collect();
                for load in loads {
                    self.fill(load, D::default(), actions);
                }
                self.phase = Phase::Reset(None, ResetStage::Last);
                self.recall(self.held, actions);
            }
            Phase::Reset(_, ResetStage::Last) => {
                actions.push(TxAction::ResetDone);
                let queue = std::mem::take(&mut self.queue);
                *self = Self::with(self.config);
                self.queue = queue;
            }
            Phase::Idle | Phase::Offered(_) => {}
        }
    }

    fn reset(&mut self, actions: &mut Vec<TxAction<D>>) -> Result<(), HomeViolation> {
        match self.phase.clone() {
            Phase::Idle => self.flush(None, actions),
            Phase::Control(load) => self.phase = Phase::Reset(Some(load), ResetStage::Before),
            Phase::Overflow(load, ..) | Phase::Offered(load) => {
                self.phase = Phase::Reset(load, ResetStage::Before);
            }
            Phase::Reset(..) => return Err(HomeViolation::InReset),
        }
        Ok(())
    }

    /// Recalls every line of a reset.
    fn flush(&mut self, load: Option<WaitingLoad>, actions: &mut Vec<TxAction<D>>) {
        self.phase = Phase::Reset(load, ResetStage::All);
        self.recall(LineSet::all(self.config.overflow_lines), actions);
    }

    /// Forgets the message and is ready for the next; answers the load that asked to send.
    fn turn(&mut self, load: Option<WaitingLoad>, actions: &mut Vec<TxAction<D>>) {
        self.present.clear();
        self.phase = Phase::Idle;
        if self.config.eager {
            self.sequence = self.sequence.wrapping_add(1) & self.config.sequence_mask;
        } else {
            self.current = self.current.other();
        }
        if let Some(load) = load {
            self.fill(load, D::default(), actions);
        }
    }
}

#[cfg(test)]
#[path = "tx_tests.rs"]
mod tests;
