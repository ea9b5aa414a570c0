//! Home side of the TX lines, published mode: the card recalls what the host wrote.

use std::collections::{BTreeMap, VecDeque};

use super::{HomeViolation, WaitingLoad};
use crate::layout::{LineRole, Parity};

/// What the home must read from a TX control line. `Default` is the zero line.
pub trait TxContent: Clone + Default {
    /// The overflow lines the message needs; none when the line is not valid.
    fn overflow_lines(&self) -> Option<usize>;
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
}

/// What the endpoint is busy with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase<D> {
    /// Nothing.
    Idle,
    /// The control line is recalled for the load of the other one.
    Control(WaitingLoad),
    /// The control line is here and needs this many overflow lines, which are recalled.
    Overflow(WaitingLoad, D, usize),
    /// The TX path is being offered the message.
    Offered(WaitingLoad),
}

/// The home side of one endpoint's TX lines.
///
/// - Loads of the current control line T\[q\] and of overflow lines are filled at once, with what
///   was written back, else with zeros.
/// - A load of the other control line asks to send: T\[q\] is recalled, and when it is valid the
///   overflow lines it needs; the message is offered, and once it is taken the other line becomes
///   the current one and is filled with zeros. An invalid control line sends nothing.
/// - Dirty writebacks are kept at any time; a clean acknowledgement means the kept content counts.
/// - While a message is gathered or offered, loads queue in order.
///
/// The host must have finished its stores (a full barrier, as ownership of a line is itself a load)
/// before it loads the other control line: a load of T\[q\] that arrives after that one would be
/// taken for the request to send the next message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxHome<D> {
    overflow_lines: usize,
    current: Parity,
    phase: Phase<D>,
    present: BTreeMap<LineRole, D>,
    recalled: Vec<LineRole>,
    queue: VecDeque<WaitingLoad>,
}

impl<D: TxContent> TxHome<D> {
    /// The state after reset of an endpoint with this many TX overflow lines.
    pub fn new(overflow_lines: usize) -> Self {
        Self {
            overflow_lines,
            current: Parity::Zero,
            phase: Phase::Idle,
            present: BTreeMap::new(),
            recalled: Vec::new(),
            queue: VecDeque::new(),
        }
    }

    /// The control line the host writes next.
    pub fn current(&self) -> Parity {
        self.current
    }

    /// Whether no message is being gathered or offered.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
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
                if let Some(data) = data {
                    next.present.insert(line, data);
                }
            }
            TxEvent::RecallAck(line, data) => {
                let Some(i) = next.recalled.iter().position(|&recalled| recalled == line) else {
                    return Err(HomeViolation::UnexpectedAck { line });
                };
                next.recalled.remove(i);
                if let Some(data) = data {
                    next.present.insert(line, data);
                }
                if next.recalled.is_empty() {
                    next.recalls_done(&mut actions);
                }
            }
            TxEvent::Taken => {
                let Phase::Offered(load) = next.phase else {
                    return Err(HomeViolation::NothingOffered);
                };
                next.turn(load, &mut actions);
            }
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
            LineRole::TxOverflow(n) if n < self.overflow_lines => Ok(()),
            _ => Err(HomeViolation::ForeignLine { line }),
        }
    }

    /// Takes a load while idle.
    fn take(&mut self, load: WaitingLoad, actions: &mut Vec<TxAction<D>>) {
        if load.line == LineRole::TxControl(self.current.other()) {
            self.phase = Phase::Control(load);
            self.recall(LineRole::TxControl(self.current), actions);
        } else {
            let data = self.present.get(&load.line).cloned().unwrap_or_default();
            actions.push(TxAction::Fill { load, data });
        }
    }

    fn recall(&mut self, line: LineRole, actions: &mut Vec<TxAction<D>>) {
        self.recalled.push(line);
        actions.push(TxAction::Recall(line));
    }

    fn recalls_done(&mut self, actions: &mut Vec<TxAction<D>>) {
        match self.phase.clone() {
            Phase::Control(load) => {
                let control = self.present.get(&LineRole::TxControl(self.current));
                let control = control.cloned().unwrap_or_default();
                let Some(needed) = control.overflow_lines() else {
                    return self.turn(load, actions);
                };
                let recalls = needed.min(self.overflow_lines);
                self.phase = Phase::Overflow(load, control, needed);
                for n in 0..recalls {
                    self.recall(LineRole::TxOverflow(n), actions);
                }
                if recalls == 0 {
                    self.recalls_done(actions);
                }
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
            Phase::Idle | Phase::Offered(_) => {}
        }
    }

    /// Makes the other control line the current one and answers its load.
    fn turn(&mut self, load: WaitingLoad, actions: &mut Vec<TxAction<D>>) {
        self.present.clear();
        self.current = self.current.other();
        self.phase = Phase::Idle;
        actions.push(TxAction::Fill {
            load,
            data: D::default(),
        });
    }
}

#[cfg(test)]
#[path = "tx_tests.rs"]
mod tests;
