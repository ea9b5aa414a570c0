//! Home side of the RX lines.

use std::collections::{BTreeSet, VecDeque};

use super::{HomeViolation, WaitingLoad};
use crate::layout::{LineRole, Parity};

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
    /// The host gave a line back unasked. RX lines are the card's: content is ignored.
    Writeback(LineRole),
    /// The host acknowledged a recall; content is ignored.
    RecallAck(LineRole),
    /// Dispatch gives a request that spans `overflow_lines` further lines.
    Assign {
        /// The request.
        request: R,
        /// Its overflow lines.
        overflow_lines: usize,
    },
    /// The block time of the waiting load ran out.
    Timeout,
    /// The scheduler wants the core back.
    Retire,
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
    /// The host acknowledged the request: its buffer is free.
    Free(R),
}

/// How the current control line was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer<R> {
    TryAgain,
    Retire,
    Request { request: R, overflow_lines: usize },
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
    /// The other line was loaded; all lines must come back before it becomes the current one.
    Turning(WaitingLoad, Answer<R>),
}

/// The home side of one endpoint's RX lines.
///
/// - The first load of the current line R\[cur\] is parked until [`RxEvent::Assign`],
///   [`RxEvent::Timeout`] or [`RxEvent::Retire`] answers it. Before the fill every line the host
///   holds is recalled, so that it cannot meet stale content later.
/// - After the answer, loads of R\[cur\] repeat it, and a load of the other line acknowledges it:
///   all held lines are recalled, the request is freed, and that load is the new parked one.
/// - Before the answer, a load of the other line, or a second one of R\[cur\], is answered EMPTY.
/// - Overflow lines are answered at once.
/// - While recalls are outstanding, loads queue in order.
///
/// A load of the other line acknowledges whenever it *arrives* after the answer. A host that loads
/// it while its load of R\[cur\] is under way may so give up overflow lines it has not read; the
/// control line itself is never lost, as its fill is on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RxHome<R> {
    overflow_lines: usize,
    current: Parity,
    phase: Phase<R>,
    held: BTreeSet<LineRole>,
    recalled: BTreeSet<LineRole>,
    queue: VecDeque<WaitingLoad>,
}

impl<R: Clone> RxHome<R> {
    /// The state after reset of an endpoint with this many RX overflow lines.
    pub fn new(overflow_lines: usize) -> Self {
        Self {
            overflow_lines,
            current: Parity::Zero,
            phase: Phase::Quiet,
            held: BTreeSet::new(),
            recalled: BTreeSet::new(),
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

    /// The lines the home believes the host holds.
    pub fn held(&self) -> &BTreeSet<LineRole> {
        &self.held
    }

    /// The lines whose recall is not acknowledged yet.
    pub fn recalled(&self) -> &BTreeSet<LineRole> {
        &self.recalled
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
            RxEvent::Writeback(line) => {
                next.check(line)?;
                next.held.remove(&line);
            }
            RxEvent::RecallAck(line) => {
                if !next.recalled.remove(&line) {
                    return Err(HomeViolation::UnexpectedAck { line });
                }
                next.held.remove(&line);
                if next.recalled.is_empty() {
                    next.recalls_done(&mut actions);
                }
            }
            RxEvent::Assign {
                request,
                overflow_lines,
            } => {
                if overflow_lines > self.overflow_lines {
                    return Err(HomeViolation::TooLong {
                        needed: overflow_lines,
                        available: self.overflow_lines,
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
            RxEvent::Timeout => next.answer(Answer::TryAgain, &mut actions)?,
            RxEvent::Retire => next.answer(Answer::Retire, &mut actions)?,
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
            LineRole::RxOverflow(n) if n < self.overflow_lines => Ok(()),
            _ => Err(HomeViolation::ForeignLine { line }),
        }
    }

    fn fill(&mut self, load: WaitingLoad, content: RxContent<R>, actions: &mut Vec<RxAction<R>>) {
        self.held.insert(load.line);
        actions.push(RxAction::Fill { load, content });
    }

    /// Recalls every held line; the phase says what follows when all are back.
    fn recall_all(&mut self, actions: &mut Vec<RxAction<R>>) {
        self.recalled = self.held.clone();
        actions.extend(self.recalled.iter().copied().map(RxAction::Recall));
        if self.recalled.is_empty() {
            self.recalls_done(actions);
        }
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
        self.recall_all(actions);
        Ok(())
    }

    fn recalls_done(&mut self, actions: &mut Vec<RxAction<R>>) {
        match self.phase.clone() {
            Phase::Clearing(load, answer) => {
                self.fill(load, control_content(&answer), actions);
                self.phase = Phase::Answered(answer);
            }
            Phase::Turning(load, answer) => {
                if let Answer::Request { request, .. } = answer {
                    actions.push(RxAction::Free(request));
                }
                self.current = self.current.other();
                self.phase = Phase::Parked(load);
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
                Phase::Answered(answer) => {
                    self.phase = Phase::Turning(load, answer.clone());
                    self.recall_all(actions);
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
