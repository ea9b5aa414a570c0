//! # Conformance: what crossed a line port against what the homes would have done
//! [`Replay`] is shown every message of a line port in the order in which it crossed, and drives
//! [`RxHome`](crate::home::RxHome), [`TxHome`](crate::home::TxHome) and
//! [`PreemptHome`](crate::home::PreemptHome) of each endpoint with them.
//! Every fill and every recall must be one that the home asks for; a [`Divergence`] names the first
//! that is not, with the last messages of its endpoint.
//!
//! What the port does not show (a message is assigned, the block time runs out, the transmit path
//! has read, the preemption line follows what the scheduler wants) is assumed where it explains what the card did. The card is a pipeline: the replay
//! follows every order in which the card may have seen what was sent to it, and no other:
//!
//! - Messages about one line take effect in the order in which they crossed, loads in their order.
//! - Loads may take effect later than other messages that crossed after them; in a reset so may
//!   acknowledgements.
//! - A line that came back by itself may still be recalled, and one that comes back before its
//!   recall need not be.
//! - Fills leave in the order in which the home asks for them, and so do recalls; of one line, both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use thiserror::Error;

use crate::home::{HomeConfig, WaitingLoad};
use crate::layout::{EndpointLayout, LineRole};
use crate::message::{ToCard, ToHost};

mod coverage;
mod half;
mod homes;

pub use coverage::{Coverage, Pair};
pub use homes::Image;

use half::{Half, Unexplained};
use homes::{Preempt, Receive, Send};

/// Messages that a [`Divergence`] shows.
const TRACE_LENGTH: usize = 32;
/// Bits of the sequence number that the card compares.
const SEQUENCE_MASK: u32 = 0xff;

/// A message that crossed the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortMessage {
    /// Host to card.
    ToCard(ToCard<Image>),
    /// Card to host.
    ToHost(ToHost<Image>),
}

/// The card did what the home of the lines would not have done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "endpoint {endpoint}: {message} does not follow from the protocol (it is {states}); before it:{trace}"
)]
pub struct Divergence {
    /// Where.
    pub endpoint: usize,
    /// What.
    pub message: String,
    /// The states in which the half may have been.
    pub states: String,
    /// The last messages of the endpoint, each in a line of its own.
    pub trace: String,
}

/// A message of the trace.
#[derive(Clone)]
struct Entry {
    cycle: u64,
    what: &'static str,
    line: LineRole,
    id: Option<u16>,
    image: Option<Image>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.what, self.line)?;
        if let Some(id) = self.id {
            write!(f, ", id {id}")?;
        }
        if let Some(image) = &self.image {
            write!(f, ",")?;
            for byte in &image[..image.len().min(12)] {
                write!(f, " {byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// One endpoint: its homes and what happened last.
#[derive(Clone)]
struct Endpoint {
    receive: Half<Receive>,
    send: Half<Send>,
    preempt: Half<Preempt>,
    trace: VecDeque<Entry>,
    messages: u64,
}

/// Follows a line port. See the [module](self).
#[derive(Clone)]
pub struct Replay {
    layout: EndpointLayout,
    endpoints: Vec<Endpoint>,
    loads: BTreeMap<u8, (usize, LineRole)>,
    recalls: BTreeMap<u16, (usize, LineRole)>,
    coverage: Coverage,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("loads", &self.loads)
            .field("recalls", &self.recalls)
            .finish_non_exhaustive()
    }
}

impl Replay {
    /// Follows the port of a card that was just reset.
    pub fn new(layout: EndpointLayout) -> Self {
        let config = HomeConfig {
            sequence_mask: SEQUENCE_MASK,
            ..HomeConfig::new(layout.overflow_lines())
        };
        let endpoint = Endpoint {
            receive: Half::new(Receive::new(config)),
            send: Half::new(Send::new(config)),
            preempt: Half::new(Preempt::default()),
            trace: VecDeque::new(),
            messages: 0,
        };
        Self {
            endpoints: vec![endpoint; layout.endpoints()],
            layout,
            loads: BTreeMap::new(),
            recalls: BTreeMap::new(),
            coverage: Coverage::default(),
        }
    }

    /// The card was told how it shall send and what acknowledges its answers.
    pub fn configure(&mut self, eager: bool, consume: bool) {
        let config = HomeConfig {
            overflow_lines: self.layout.overflow_lines(),
            consume,
            eager,
            sequence_mask: SEQUENCE_MASK,
        };
        for endpoint in &mut self.endpoints {
            endpoint.receive.configure(config);
            endpoint.send.configure(config);
        }
    }

    /// The card was told to reset an endpoint.
    pub fn reset(&mut self, endpoint: usize) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receive.reset();
            endpoint.send.reset();
            endpoint.preempt.reset();
        }
    }

    /// The card was told whether the scheduler wants an endpoint's core.
    pub fn ask(&mut self, endpoint: usize, asked: bool) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.preempt.ask(asked);
        }
    }

    /// Whether the endpoint's worker may have yielded its core, once the card has done all that it
    /// was told.
    pub fn may_have_yielded(&self, endpoint: usize) -> bool {
        let endpoint = self.endpoints.get(endpoint);
        endpoint.is_some_and(|endpoint| endpoint.preempt.may_have_yielded())
    }

    /// Messages about the lines of an endpoint.
    pub fn messages(&self, endpoint: usize) -> u64 {
        self.endpoints
            .get(endpoint)
            .map_or(0, |endpoint| endpoint.messages)
    }

    /// What was met so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// A message has crossed.
    pub fn message(&mut self, cycle: u64, message: &PortMessage) -> Result<(), Divergence> {
        use PortMessage::{ToCard as In, ToHost as Out};
        let place = match message {
            In(ToCard::Load(load)) => self.layout.locate(load.address),
            In(ToCard::Writeback(writeback)) => self.layout.locate(writeback.address),
            In(ToCard::RecallAck(ack)) => self.recalls.remove(&ack.id),
            Out(ToHost::Fill(fill)) => self.loads.remove(&fill.id),
            Out(ToHost::Recall(recall)) => self.layout.locate(recall.address),
        };
        // Addresses of no line have no state; what answers nothing is the business of whoever checks
        // the port itself.
        let Some((number, line)) = place else {
            return Ok(());
        };
        let (what, id, image) = match message {
            In(ToCard::Load(load)) => {
                self.loads.insert(load.id, (number, line));
                let what = match load.exclusive {
                    true => "load for writing",
                    false => "load",
                };
                (what, Some(load.id.into()), None)
            }
            In(ToCard::Writeback(writeback)) => ("writeback", None, writeback.data.clone()),
            In(ToCard::RecallAck(ack)) => ("acknowledgement", Some(ack.id), ack.data.clone()),
            Out(ToHost::Fill(fill)) => ("fill", Some(fill.id.into()), Some(fill.data.clone())),
            Out(ToHost::Recall(recall)) => {
                self.recalls.insert(recall.id, (number, line));
                ("recall", Some(recall.id), None)
            }
        };
        let entry = Entry {
            cycle,
            what,
            line,
            id,
            image,
        };
        let endpoint = &mut self.endpoints[number];
        endpoint.messages += 1;
        let coverage = &mut self.coverage;
        let result = match line {
            LineRole::Preemption => drive(&mut endpoint.preempt, line, message, coverage),
            _ if line.is_rx() => drive(&mut endpoint.receive, line, message, coverage),
            _ => drive(&mut endpoint.send, line, message, coverage),
        };
        if let Err(Unexplained) = result {
            let states = match line {
                LineRole::Preemption => endpoint.preempt.states(),
                _ if line.is_rx() => endpoint.receive.states(),
                _ => endpoint.send.states(),
            };
            let lines = endpoint
                .trace
                .iter()
                .map(|entry| format!("\n  cycle {}: {entry}", entry.cycle));
            return Err(Divergence {
                endpoint: number,
                message: entry.to_string(),
                states: states.join(" or "),
                trace: lines.collect(),
            });
        }
        if endpoint.trace.len() == TRACE_LENGTH {
            endpoint.trace.pop_front();
        }
        endpoint.trace.push_back(entry);
        Ok(())
    }
}

fn drive<H: homes::Home>(
    half: &mut Half<H>,
    line: LineRole,
    message: &PortMessage,
    coverage: &mut Coverage,
) -> Result<(), Unexplained> {
    match message {
        PortMessage::ToCard(ToCard::Load(load)) => {
            let id = load.id;
            half.load(WaitingLoad { line, id });
            Ok(())
        }
        PortMessage::ToCard(ToCard::Writeback(writeback)) => {
            half.back(line, writeback.data.clone(), coverage)
        }
        PortMessage::ToCard(ToCard::RecallAck(ack)) => {
            half.acknowledged(line, ack.data.clone(), coverage)
        }
        PortMessage::ToHost(ToHost::Fill(fill)) => half.filled(line, fill, coverage),
        PortMessage::ToHost(ToHost::Recall(_)) => half.recalled(line, coverage),
    }
}

#[cfg(test)]
mod tests;
