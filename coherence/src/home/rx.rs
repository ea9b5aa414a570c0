//! Home side of the RX lines.

use std::collections::VecDeque;

use super::{HomeConfig, HomeViolation, ResetStage, WaitingLoad};
use crate::layout::{LineRole, Parity};
use crate::lines::LineSet;

/// What a fill carries. `R` identifies a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RxContent<R> {
    /// Control line: it is not this line's turn.
    Empty,
    /// Control line: the block time ran out.
    TryAgain,
    /// Control line: the core is to retire.
    Retire,
    /// Control line of a request.
    Request(R),
    /// Overflow line of a request.
    Overflow(R, usize),
    /// Overflow line that belongs to no request.
    Zeros,
}

/// What happens to the RX side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RxEvent<R> {
    /// The host loads a line.
    Load(WaitingLoad),
    /// The host gave a line back unasked. RX lines are the card's: content is ignored, but that the
    /// current control line was stored to says that its message is consumed.
    Writeback {
        /// The line.
        line: LineRole,
        /// The host had stored to it.
        dirty: bool,
    },
    /// The host acknowledged a recall; content is ignored.
    RecallAck(LineRole),
    /// Dispatch gives a request that spans `overflow_lines` further lines.
    Assign {
        /// The request.
        request: R,
        /// Its overflow lines.
        overflow_lines: usize,
    },
    /// The block time of the waiting load ran out, or of one that waits for the acknowledgement.
    Timeout,
    /// The scheduler wants the core back.
    Retire,
    /// The endpoint is taken from its worker: everything as after reset, once all lines are back.
    Reset,
}

/// What the RX side does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RxAction<R> {
    /// Answer a load.
    Fill {
        /// The load.
        load: WaitingLoad,
        /// The content.
        content: RxContent<R>,
    },
    /// Ask for a line back.
    Recall(LineRole),
    /// The request is done with, acknowledged or given up: its buffer is free.
    Free(R),
    /// The reset is complete.
    ResetDone,
}

/// How the current control line was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer<R> {
    TryAgain,
    Retire,
    Request { request: R, overflow_lines: usize },
}

impl<R> Answer<R> {
    fn request(self) -> Option<R> {
        match self {
            Self::Request { request, .. } => Some(request),
            _ => None,
        }
    }
}

/// Where the current control line stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase<R> {
    /// Not loaded yet.
    Quiet,
    /// Loaded; the load waits for an answer.
    Parked(WaitingLoad),
    /// The answer is known; other lines must come back before it is filled.
    Clearing(WaitingLoad, Answer<R>),
    /// Filled.
    Answered(Answer<R>),
    /// Acknowledged; all lines must come back before the other line becomes the current one.
    Turning(Answer<R>),
    /// Taken from its worker: loads without an answer, the request to give up, how far it is.
    Reset(Vec<WaitingLoad>, Option<R>, ResetStage),
}

/// The home side of one endpoint's RX lines.
///
/// - The first load of the current line R\[cur\] is parked until [`RxEvent::Assign`],
///   [`RxEvent::Timeout`] or [`RxEvent::Retire`] answers it. Before the fill every line the host
///   holds is recalled, so that it cannot meet stale content later.
/// - After the answer, loads of R\[cur\] repeat it.
/// - An answer is acknowledged by a dirty writeback of R\[cur\] where [`HomeConfig::consume`] is set,
///   else by a load of the other line. Then all held lines are recalled, the request is freed, and
///   the other line is the current one.
/// - With `consume`, a load of the other line that comes between answer and acknowledgement waits,
///   and becomes the parked one; [`RxEvent::Timeout`] answers it EMPTY.
/// - Before the answer, a load of the other line, or a second one of R\[cur\], is answered EMPTY.
/// - Overflow lines are answered at once.
/// - While recalls are outstanding, loads queue in order.
/// - A reset recalls every line, held or not: the acknowledgement comes behind any load of the line
///   that was under way. Those loads are answered EMPTY and recalled, then all is as in the
///   beginning.
///
/// Without `consume`, a load of the other line acknowledges whenever it *arrives* after the answer:
/// a host that loads it while its load of R\[cur\] is under way may so give up overflow lines it has
/// not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RxHome<R> {
    config: HomeConfig,
    current: Parity,
    phase: Phase<R>,
    /// A load of the other line that came before the current one was acknowledged.
    ahead: Option<WaitingLoad>,
    held: LineSet,
    recalled: LineSet,
    queue: VecDeque<WaitingLoad>,
}

impl<R: Clone> RxHome<R> {
    /// The state after reset of an endpoint with this many RX overflow lines, acknowledged by load.
    pub fn new(overflow_lines: usize) -> Self {
        Self::with(HomeConfig::new(overflow_lines))
    }

    /// The state after reset.
    pub fn with(config: HomeConfig) -> Self {
        Self {
            config,
            current: Parity::Zero,
            phase: Phase::Quiet,
            ahead: None,
            held: LineSet::default(),
            recalled: LineSet::default(),
            queue: VecDeque::new(),
        }
    }

    /// The control line whose turn it is.
    pub fn current(&self) -> Parity {
        self.current
    }

    /// Whether a load waits for an answer, so that a request may be assigned.
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Parked(_))
    }

    /// Whether a load waits for the acknowledgement, so that [`RxEvent::Timeout`] answers it.
    pub fn is_ahead(&self) -> bool {
        matches!(self.phase, Phase::Answered(_)) && self.ahead.is_some()
    }

    /// Whether nothing is under way: no request, no recall, no load but the one that waits.
    pub fn is_idle(&self) -> bool {
        let at_rest = matches!(self.phase, Phase::Quiet | Phase::Parked(_));
        at_rest && self.recalled.is_empty() && self.queue.is_empty()
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
            Phase::Quiet => "quiet",
            Phase::Parked(_) => "parked",
            Phase::Clearing(..) => "clearing",
            Phase::Answered(_) => "answered",
            Phase::Turning(_) => "turning",
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
    pub fn step(&self, event: RxEvent<R>) -> Result<(Self, Vec<RxAction<R>>), HomeViolation> {
        let mut next = self.clone();
        let mut actions = Vec::new();
        match event {
            RxEvent::Load(load) => {
                next.check(load.line)?;
                next.queue.push_back(load);
            }
            RxEvent::Writeback { line, dirty } => {
                next.check(line)?;
                next.held.remove(line);
                if dirty && line == LineRole::RxControl(next.current) {
                    next.consumed(&mut actions);
                }
            }
            RxEvent::RecallAck(line) => {
                next.check(line)?;
                if !next.recalled.remove(line) {
                    return Err(HomeViolation::UnexpectedAck { line });
                }
                next.held.remove(line);
                if next.recalled.is_empty() {
                    next.recalls_done(&mut actions);
                }
            }
            RxEvent::Assign {
                request,
                overflow_lines,
            } => {
                if overflow_lines > self.config.overflow_lines {
                    return Err(HomeViolation::TooLong {
                        needed: overflow_lines,
                        available: self.config.overflow_lines,
                    });
                }
                next.answer(
                    Answer::Request {
                        request,
                        overflow_lines,
                    },
                    &mut actions,
                )?;
            }
            RxEvent::Timeout if next.is_ahead() => {
                if let Some(load) = next.ahead.take() {
                    next.fill(load, RxContent::Empty, &mut actions);
                }
            }
            RxEvent::Timeout => next.answer(Answer::TryAgain, &mut actions)?,
            RxEvent::Retire => next.answer(Answer::Retire, &mut actions)?,
            RxEvent::Reset => next.reset(&mut actions)?,
        }
        while next.recalled.is_empty() {
            let Some(load) = next.queue.pop_front() else {
                break;
            };
            next.take(load, &mut actions);
        }
        Ok((next, actions))
    }

    fn check(&self, line: LineRole) -> Result<(), HomeViolation> {
        match line {
            LineRole::RxControl(_) => Ok(()),
            LineRole::RxOverflow(n) if n < self.config.overflow_lines => Ok(()),
            _ => Err(HomeViolation::ForeignLine { line }),
        }
    }

    fn fill(&mut self, load: WaitingLoad, content: RxContent<R>, actions: &mut Vec<RxAction<R>>) {
        self.held.insert(load.line);
        actions.push(RxAction::Fill { load, content });
    }

    /// Recalls `lines`; the phase says what follows when all are back.
    fn recall(&mut self, lines: LineSet, actions: &mut Vec<RxAction<R>>) {
        self.recalled = lines;
        actions.extend(lines.rx_lines().map(RxAction::Recall));
        if lines.is_empty() {
            self.recalls_done(actions);
        }
    }

    /// The worker stored to the current control line and gave it back.
    fn consumed(&mut self, actions: &mut Vec<RxAction<R>>) {
        match &self.phase {
            Phase::Answered(answer) if self.config.consume => {
                self.phase = Phase::Turning(answer.clone());
                self.recall(self.held, actions);
            }
            _ => {}
        }
    }

    fn reset(&mut self, actions: &mut Vec<RxAction<R>>) -> Result<(), HomeViolation> {
        let (mut loads, request) = match self.phase.clone() {
            Phase::Quiet => (vec![], None),
            Phase::Parked(load) => (vec![load], None),
            Phase::Clearing(load, answer) => (vec![load], answer.request()),
            Phase::Answered(answer) | Phase::Turning(answer) => (vec![], answer.request()),
            Phase::Reset(..) => return Err(HomeViolation::InReset),
        };
        loads.extend(self.ahead.take());
        self.phase = Phase::Reset(loads, request, ResetStage::Before);
        if self.recalled.is_empty() {
            self.recalls_done(actions);
        }
        Ok(())
    }

    fn answer(
        &mut self,
        answer: Answer<R>,
        actions: &mut Vec<RxAction<R>>,
    ) -> Result<(), HomeViolation> {
        let Phase::Parked(load) = self.phase else {
            return Err(HomeViolation::NotWaiting);
        };
        self.phase = Phase::Clearing(load, answer);
        self.recall(self.held, actions);
        Ok(())
    }

    fn recalls_done(&mut self, actions: &mut Vec<RxAction<R>>) {
        match self.phase.clone() {
            Phase::Clearing(load, answer) => {
                self.fill(load, control_content(&answer), actions);
                self.phase = Phase::Answered(answer);
            }
            Phase::Turning(answer) => {
                actions.extend(answer.request().map(RxAction::Free));
                self.current = self.current.other();
                self.phase = self.ahead.take().map_or(Phase::Quiet, Phase::Parked);
            }
            Phase::Reset(loads, request, ResetStage::Before) => {
                self.phase = Phase::Reset(loads, request, ResetStage::All);
                self.recall(LineSet::all(self.config.overflow_lines), actions);
            }
            Phase::Reset(mut loads, request, ResetStage::All) => {
                loads.extend(self.queue.drain(..));
                for load in loads {
                    self.fill(load, RxContent::Empty, actions);
                }
                self.phase = Phase::Reset(vec![], request, ResetStage::Last);
                self.recall(self.held, actions);
            }
            Phase::Reset(_, request, ResetStage::Last) => {
                actions.extend(request.map(RxAction::Free));
                actions.push(RxAction::ResetDone);
                let queue = std::mem::take(&mut self.queue);
                *self = Self::with(self.config);
                self.queue = queue;
            }
            Phase::Quiet | Phase::Parked(_) | Phase::Answered(_) => {}
        }
    }

    /// Takes a load while no recall is outstanding.
    fn take(&mut self, load: WaitingLoad, actions: &mut Vec<RxAction<R>>) {
        match load.line {
            LineRole::RxControl(parity) if parity == self.current => match &self.phase {
                Phase::Quiet => self.phase = Phase::Parked(load),
                Phase::Answered(answer) => {
                    let content = control_content(answer);
                    self.fill(load, content, actions);
                }
                _ => self.fill(load, RxContent::Empty, actions),
            },
            LineRole::RxControl(_) => match &self.phase {
                Phase::Answered(_) if self.config.consume && self.ahead.is_none() => {
                    self.ahead = Some(load);
                }
                Phase::Answered(answer) if !self.config.consume => {
                    self.phase = Phase::Turning(answer.clone());
                    self.ahead = Some(load);
                    self.recall(self.held, actions);
                }
                _ => self.fill(load, RxContent::Empty, actions),
            },
            LineRole::RxOverflow(n) => {
                let content = match &self.phase {
                    Phase::Answered(Answer::Request {
                        request,
                        overflow_lines,
                    }) if n < *overflow_lines => RxContent::Overflow(request.clone(), n),
                    _ => RxContent::Zeros,
                };
                self.fill(load, content, actions);
            }
            other => unreachable!("{other} was refused on arrival"),
        }
    }
}

fn control_content<R: Clone>(answer: &Answer<R>) -> RxContent<R> {
    match answer {
        Answer::TryAgain => RxContent::TryAgain,
        Answer::Retire => RxContent::Retire,
        Answer::Request { request, .. } => RxContent::Request(request.clone()),
    }
}

#[cfg(test)]
#[path = "rx_tests.rs"]
mod tests;
