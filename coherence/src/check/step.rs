//! What can happen in a state, and what follows.

use std::fmt;

use super::config::{Config, Twin};
use super::data::{LINES, Line, ToCard, place};
use super::system::{Endpoint, Life, State, Step};
use crate::cache::Held;
use crate::layout::{LineRole, Parity};

/// Something that happens. Endpoints and lines are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request for a process arrives.
    Arrive(u8, u8),
    /// The dispatcher gives the oldest fitting request to the waiting endpoint.
    Assign(u8),
    /// The block time of the waiting endpoint runs out.
    Timeout(u8),
    /// The scheduler retires the waiting worker.
    Retire(u8),
    /// A message reaches the card.
    ToCard(u8, u8),
    /// A message reaches the host.
    ToHost(u8, u8),
    /// The core does its next step.
    Run(u8),
    /// The transmit path has read the message.
    Take(u8),
    /// The host evicts a line.
    Evict(u8, u8),
    /// The host loads a line by itself.
    Prefetch(u8, u8),
    /// The core dies.
    Kill(u8),
    /// The kernel has a retired worker's endpoint reset, for another one.
    Replace(u8),
    /// The kernel has a dead worker's endpoint reset.
    Reset(u8),
    /// A worker of a process starts.
    Start(u8, u8),
    /// A retired worker goes on.
    Resume(u8),
    /// The scheduler wants the core back.
    Ask(u8),
    /// The kernel takes the core from a worker that yielded.
    Suspend(u8),
    /// It gets the core back.
    Allow(u8),
}

/// How an action counts for what must happen eventually.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fairness {
    /// It happens if it stays possible. The number tells fair actions apart.
    Fair(u8),
    /// It may happen for ever, or never.
    Free,
    /// It happens only finitely often.
    Rare,
}

impl Action {
    /// How it counts.
    pub fn fairness(self) -> Fairness {
        const EACH: u8 = 22;
        let of = |endpoint: u8, kind: u8| Fairness::Fair(endpoint * EACH + kind);
        match self {
            Self::ToCard(e, line) => of(e, line),
            Self::ToHost(e, line) => of(e, 7 + line),
            Self::Run(e) => of(e, 14),
            Self::Take(e) => of(e, 15),
            Self::Assign(e) => of(e, 16),
            Self::Timeout(e) => of(e, 17),
            Self::Reset(e) => of(e, 18),
            Self::Start(e, _) => of(e, 19),
            Self::Resume(e) | Self::Suspend(e) => of(e, 20),
            Self::Allow(e) => of(e, 21),
            Self::Arrive(..) | Self::Evict(..) | Self::Prefetch(..) => Fairness::Free,
            Self::Retire(_) | Self::Kill(_) | Self::Replace(_) | Self::Ask(_) => Fairness::Rare,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |n: u8| LINES[usize::from(n)];
        match *self {
            Self::Arrive(request, process) => {
                write!(f, "request {request} arrives for process {process}")
            }
            Self::Assign(e) => write!(f, "endpoint {e} is given the oldest request"),
            Self::Timeout(e) => write!(f, "endpoint {e}: the block time runs out"),
            Self::Retire(e) => write!(f, "endpoint {e}: the worker is to retire"),
            Self::ToCard(e, n) => write!(f, "endpoint {e}: {} to card", line(n)),
            Self::ToHost(e, n) => write!(f, "endpoint {e}: {} to host", line(n)),
            Self::Run(e) => write!(f, "endpoint {e}: the core goes on"),
            Self::Take(e) => write!(f, "endpoint {e}: the message has been read"),
            Self::Evict(e, n) => write!(f, "endpoint {e}: {} is evicted", line(n)),
            Self::Prefetch(e, n) => write!(f, "endpoint {e}: {} is prefetched", line(n)),
            Self::Kill(e) => write!(f, "endpoint {e}: the core dies"),
            Self::Replace(e) => write!(f, "endpoint {e}: the worker is to be replaced"),
            Self::Reset(e) => write!(f, "endpoint {e} is reset"),
            Self::Start(e, process) => {
                write!(f, "endpoint {e}: a worker of process {process} starts")
            }
            Self::Resume(e) => write!(f, "endpoint {e}: the worker comes back"),
            Self::Ask(e) => write!(f, "endpoint {e}: READY is cleared"),
            Self::Suspend(e) => write!(f, "endpoint {e}: the kernel takes the core"),
            Self::Allow(e) => write!(f, "endpoint {e}: the worker gets the core back"),
        }
    }
}

impl Config {
    /// Everything that can happen in `state`, in a fixed order.
    pub fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        if self.reduce && self.evict == 0 && self.prefetch == 0 {
            // The messages of a reset move what no other action looks at until the reset is done,
            // and nothing but them ends it: one order stands for all.
            for (n, endpoint) in state.endpoints.iter().enumerate() {
                if endpoint.worker.step == Step::Resetting {
                    return actions.extend(endpoint.message(n as u8));
                }
            }
        }
        for (n, request) in state.requests.iter().enumerate() {
            if request.life == Life::Absent && !request.slot {
                let to = 0..self.processes as u8;
                actions.extend(to.map(|process| Action::Arrive(n as u8, process)));
            }
        }
        for (n, endpoint) in state.endpoints.iter().enumerate() {
            self.endpoint_actions(state, n as u8, endpoint, actions);
        }
    }

    fn endpoint_actions(&self, state: &State, e: u8, at: &Endpoint, actions: &mut Vec<Action>) {
        let step = at.worker.step;
        let gone = matches!(step, Step::Dead | Step::Resetting | Step::Off);
        // One endpoint at a time is disturbed; the others show what that does to them.
        let mut others = (0u8..).zip(&state.endpoints).filter(|&(n, _)| n != e);
        let calm = others.all(|(_, other)| !other.is_disturbed());
        if at.rx.is_ahead() && self.twin != Some(Twin::NoTimer) {
            actions.push(Action::Timeout(e));
        }
        if at.rx.is_waiting() {
            let enabled = match step {
                Step::Resetting => false,
                Step::Off => self.twin == Some(Twin::EnableEarly),
                _ => true,
            };
            let request = oldest(state, at.worker.process).filter(|_| enabled);
            let lost = self.twin == Some(Twin::LoseWaiting);
            if request.is_some() && !lost {
                actions.push(Action::Assign(e));
            } else if self.twin != Some(Twin::NoTimer) {
                actions.push(Action::Timeout(e));
            }
            if self.retire && calm && !gone && step != Step::Retired {
                actions.push(Action::Retire(e));
            }
        }
        let wanted = at.worker.wanted().map(|(line, _)| place(line));
        let pending =
            |(n, line): &(usize, &Line)| line.cache.pending.is_some() && wanted != Some(*n);
        let loaded = at.lines.iter().enumerate().filter(pending).count();
        let back = |message: &ToCard| matches!(message, ToCard::Writeback(_));
        let given_back = at.lines.iter().filter(|line| line.to_card.iter().any(back));
        let given_back = given_back.count();
        for (n, line) in at.lines.iter().enumerate() {
            let n = n as u8;
            if !line.to_card.is_empty() {
                actions.push(Action::ToCard(e, n));
            }
            if !line.to_host.is_empty() {
                actions.push(Action::ToHost(e, n));
            }
            let held = line.cache.held != Held::Invalid;
            if held && given_back < self.evict.into() {
                actions.push(Action::Evict(e, n));
            }
            let used = match LINES[usize::from(n)] {
                // T1 is nobody's in eager mode: with several endpoints it is left alone.
                LineRole::TxControl(parity) => {
                    self.eager && (self.endpoints == 1 || parity == Parity::Zero)
                }
                LineRole::RxOverflow(_) | LineRole::TxOverflow(_) => self.overflow,
                LineRole::Preemption => self.preempt,
                LineRole::RxControl(_) => true,
            };
            let wanted = line.cache.pending.is_some() || held;
            if used && !wanted && loaded < self.prefetch.into() {
                actions.push(Action::Prefetch(e, n));
            }
        }
        if let Some((line, _)) = at.worker.wanted() {
            if at.lines[place(line)].cache.pending.is_none() {
                actions.push(Action::Run(e));
            }
        } else if at.worker.flushed().is_some() {
            actions.push(Action::Run(e));
        }
        if at.offered.is_some() && self.twin != Some(Twin::LoseTaken) {
            actions.push(Action::Take(e));
        }
        match step {
            Step::Dead => actions.push(Action::Reset(e)),
            Step::Off if self.rebind => {
                actions.extend((0..self.processes as u8).map(|process| Action::Start(e, process)));
            }
            Step::Off => actions.push(Action::Start(e, at.worker.process)),
            Step::Retired => {
                actions.push(Action::Resume(e));
                if self.rebind && calm {
                    actions.push(Action::Replace(e));
                }
            }
            Step::Suspended => actions.push(Action::Allow(e)),
            _ => {}
        }
        if self.kill && calm && !gone {
            actions.push(Action::Kill(e));
        }
        if self.preempt && !gone && step != Step::Suspended {
            let yielded = match self.twin {
                Some(Twin::IgnoreBusy) => !at.preempt.ready(),
                _ => at.preempt.is_yielded(),
            };
            if at.preempt.ready() && calm {
                actions.push(Action::Ask(e));
            } else if !at.preempt.ready() && yielded {
                actions.push(Action::Suspend(e));
            }
        }
    }
}

impl Endpoint {
    /// Its worker is gone or away, or is asked to be.
    fn is_disturbed(&self) -> bool {
        let away = matches!(
            self.worker.step,
            Step::Dead | Step::Resetting | Step::Off | Step::Retired | Step::Suspended
        );
        away || !self.preempt.ready()
    }

    /// The first message under way, else the message that is being read.
    fn message(&self, e: u8) -> Option<Action> {
        let lines = || (0u8..).zip(&self.lines);
        let to_host = lines().find(|(_, line)| !line.to_host.is_empty());
        let to_card = lines().find(|(_, line)| !line.to_card.is_empty());
        to_host
            .map(|(n, _)| Action::ToHost(e, n))
            .or(to_card.map(|(n, _)| Action::ToCard(e, n)))
            .or(self.offered.map(|_| Action::Take(e)))
    }
}

pub(super) fn oldest(state: &State, process: u8) -> Option<usize> {
    let fits = |&&n: &&u8| state.requests[usize::from(n)].tag.process == process;
    state.queue.iter().find(fits).map(|&n| n.into())
}
