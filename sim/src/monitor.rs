//! # Monitor
//! Checks the line port and the transmit stream in every cycle of every run, against the contract
//! and not against a model: a failure names the cycle and the rule. What it learns on the way
//! (which request was filled where, which message was taken) is reported as [`LineEvent`]s.
//!
//! | rule | checked |
//! |---|---|
//! | stability | an offered item stays, unchanged, until it is taken; all six streams |
//! | framing | beats of a line follow each other; `last` where the line ends |
//! | matching | a fill answers one outstanding load, an acknowledgement one outstanding recall |
//! | rights | a load for writing is granted; dirty data comes only from lines that were |
//! | pairing | R0 and R1 are never both held with a message in one of them, unless the other is EMPTY and answers are acknowledged by store |
//! | turns | a new answer meets no RX line still held |
//! | conformance | every fill and recall follows from the homes of the lines, see [`coherence::conform`] |
//!
//! [`coherence::conform`]: lauberhorn_coherence::conform

use std::collections::BTreeMap;

use lauberhorn_coherence::conform::{Coverage, Divergence, Image, PortMessage, Replay};
use lauberhorn_coherence::message;
use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole, Parity};
use lauberhorn_interface::line::{HEADER_BYTES, RxHeader, RxKind, TxHeader};
use lauberhorn_interface::registers::{address, bits};
use thiserror::Error;

use crate::host::{BeatData, LinePortIn, LinePortOut};
use crate::wire::WireBeat;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cycle {cycle}: {rule}")]
pub struct Violation {
    /// When.
    pub cycle: u64,
    /// What.
    pub rule: Rule,
}

/// The rules, with what broke them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum Rule {
    #[error("{channel}: an offered item changed or went away before it was taken")]
    Unstable { channel: &'static str },
    #[error("{channel}: beats of two messages are mixed (id or address {found}, open {open})")]
    Mixed {
        channel: &'static str,
        found: u32,
        open: u32,
    },
    #[error("{channel}: last={last} in beat {beat_idx} of {beat_count}")]
    Length {
        channel: &'static str,
        last: bool,
        beat_idx: usize,
        beat_count: usize,
    },
    #[error("fill {id} answers no outstanding load")]
    StrayFill { id: u8 },
    #[error("load id {id} is used while it is outstanding")]
    LoadIdReused { id: u8 },
    #[error("fill {id} of {line} does not grant the right to write that was asked for")]
    WeakFill { id: u8, line: LineAddress },
    #[error("recall id {id} is used while it is outstanding")]
    RecallIdReused { id: u16 },
    #[error("recall of {line} between the beats of its fill")]
    RecallInsideFill { line: LineAddress },
    #[error("acknowledgement {id} answers no outstanding recall")]
    StrayAck { id: u16 },
    #[error("dirty data of {line}, which was not granted for writing")]
    DirtyWithoutRight { line: LineAddress },
    #[error("endpoint {endpoint}: R0 and R1 are both held and one carries a message")]
    BothHeld { endpoint: usize },
    #[error("endpoint {endpoint}: {role} was answered anew while {held} was still held")]
    NotCleared {
        endpoint: usize,
        role: LineRole,
        held: LineRole,
    },
    #[error("endpoint {endpoint}: the header of {role} is bad: {reason}")]
    BadHeader {
        endpoint: usize,
        role: LineRole,
        reason: String,
    },
    #[error(transparent)]
    Divergence(Box<Divergence>),
}

/// Something that happened at the line port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A control line was answered for the first time.
    Answered {
        /// Where.
        endpoint: usize,
        /// With what.
        header: RxHeader,
        /// First cycle in which the first beat was offered.
        first_beat_cycle: u64,
        /// Cycle in which the last beat was taken.
        last_beat_cycle: u64,
    },
    /// A valid TX control line came to the card.
    Control {
        /// Where.
        endpoint: usize,
        /// With what.
        header: TxHeader,
        /// Cycle in which the first beat was taken.
        first_beat_cycle: u64,
        /// Cycle in which the last beat was taken.
        last_beat_cycle: u64,
    },
}

#[derive(Debug)]
struct OpenLine {
    key: u32,
    beat_idx: usize,
    first_cycle: u64,
    /// The beats taken so far.
    bytes: Vec<u8>,
}

impl OpenLine {
    fn header(&self) -> [u8; HEADER_BYTES] {
        self.bytes[..HEADER_BYTES]
            .try_into()
            .expect("a beat holds a header")
    }

    /// The line, if the message carried one.
    fn image(&self, dirty: bool) -> Option<Image> {
        dirty.then(|| self.bytes.as_slice().into())
    }
}

#[derive(Clone, Debug, Default)]
struct RxState {
    /// The last answer: which line, which header.
    answer: Option<(Parity, RxHeader)>,
    /// Headers of the control lines that are held.
    control: [Option<RxHeader>; 2],
}

/// Watches the line port and the transmit stream.
#[derive(Debug)]
pub struct Monitor {
    layout: EndpointLayout,
    beat_count: usize,
    coherent: bool,
    previous: Option<(LinePortIn, LinePortOut)>,
    previous_tx: Option<WireBeat>,
    loads: Vec<Option<(LineAddress, bool)>>,
    recalls: BTreeMap<u16, LineAddress>,
    /// Lines that the host may hold, and whether for writing.
    held: BTreeMap<LineAddress, bool>,
    fill_offer_cycle: Option<u64>,
    fill: Option<OpenLine>,
    writeback: Option<OpenLine>,
    ack: Option<OpenLine>,
    endpoints: Vec<RxState>,
    replay: Replay,
    /// Answers are acknowledged by store.
    by_store: bool,
    messages: Option<Vec<(u64, PortMessage)>>,
}

fn is_unstable<T: PartialEq>(before: &Option<T>, taken: bool, now: &Option<T>) -> bool {
    !taken && before.is_some() && before != now
}

impl Monitor {
    /// A monitor for lines placed by `layout`; `coherent` is false on PCIe.
    pub fn new(layout: EndpointLayout, coherent: bool) -> Monitor {
        Monitor {
            beat_count: layout.line_bytes() / 64,
            endpoints: vec![RxState::default(); layout.endpoints()],
            replay: Replay::new(layout.clone()),
            by_store: false,
            layout,
            coherent,
            previous: None,
            previous_tx: None,
            loads: vec![None; 256],
            recalls: BTreeMap::new(),
            held: BTreeMap::new(),
            fill_offer_cycle: None,
            fill: None,
            writeback: None,
            ack: None,
            messages: None,
        }
    }

    /// Keeps every message from now on.
    pub fn record_messages(&mut self) {
        self.messages = Some(Vec::new());
    }

    /// The messages kept so far, with the cycle in which the last beat of each crossed; ends keeping.
    pub fn take_messages(&mut self) -> Vec<(u64, PortMessage)> {
        self.messages.take().unwrap_or_default()
    }

    /// No load, recall or partial line is outstanding, apart from loads that the card may defer.
    pub fn outstanding_recalls(&self) -> usize {
        self.recalls.len()
    }

    /// How often each message met each state of the lines' homes.
    pub fn coverage(&self) -> &Coverage {
        self.replay.coverage()
    }

    /// Messages that have crossed about the lines of an endpoint.
    pub fn messages(&self, endpoint: usize) -> u64 {
        self.replay.messages(endpoint)
    }

    /// A register was written: some say how the lines are to be used.
    pub fn register_written(&mut self, register: u16, value: u32) {
        if register == address::CONTROL {
            let eager = bits::control::EAGER_TX.get(value) == 1;
            let consume = bits::control::STORE_ACKNOWLEDGE.get(value) == 1;
            self.replay.configure(eager, consume);
            self.by_store = consume;
        } else if register == address::ENDPOINT_RESET {
            for endpoint in 0..self.layout.endpoints() {
                if value >> endpoint & 1 == 1 {
                    self.replay.reset(endpoint);
                }
            }
        } else if register == address::PREEMPT {
            for worker in 1..self.layout.endpoints() {
                self.replay.ask(worker, value >> (worker - 1) & 1 == 1);
            }
        }
    }

    fn conforms(&mut self, cycle: u64, message: PortMessage) -> Result<(), Rule> {
        let outcome = self.replay.message(cycle, &message);
        if let Some(messages) = &mut self.messages {
            messages.push((cycle, message));
        }
        outcome.map_err(|divergence| Rule::Divergence(Box::new(divergence)))
    }

    /// Checks the transmit stream of a cycle.
    ///
    /// # Errors
    /// When the offered beat did not stay until taken.
    pub fn check_tx(
        &mut self,
        cycle: u64,
        beat: &Option<WireBeat>,
        ready: bool,
    ) -> Result<(), Violation> {
        if self.previous_tx.is_some() && self.previous_tx != *beat {
            let rule = Rule::Unstable { channel: "mac_tx" };
            return Err(Violation { cycle, rule });
        }
        self.previous_tx = if ready { None } else { *beat };
        Ok(())
    }

    /// Checks the line port of a cycle; what happened is appended to `events`.
    ///
    /// # Errors
    /// When a rule is broken.
    pub fn check_lines(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
        events: &mut Vec<LineEvent>,
    ) -> Result<(), Violation> {
        let at = |rule| Violation { cycle, rule };
        self.check_stability(inputs, outputs).map_err(at)?;
        if let Some(load) = inputs.load.filter(|_| outputs.load_ready) {
            let entry = &mut self.loads[usize::from(load.id)];
            if entry.is_some() {
                return Err(at(Rule::LoadIdReused { id: load.id }));
            }
            *entry = Some((LineAddress(load.address), load.exclusive));
            let message = message::ToCard::Load(message::Load {
                address: LineAddress(load.address),
                id: load.id,
                exclusive: load.exclusive,
            });
            self.conforms(cycle, PortMessage::ToCard(message))
                .map_err(at)?;
        }
        self.check_fill(cycle, inputs, outputs, events)
            .map_err(at)?;
        if let Some(recall) = outputs.recall.filter(|_| inputs.recall_ready) {
            let line = LineAddress(recall.address);
            let filling = self
                .fill
                .as_ref()
                .and_then(|open| self.loads[open.key as usize]);
            if filling.is_some_and(|(address, _)| address == line) {
                return Err(at(Rule::RecallInsideFill { line }));
            }
            if self.recalls.insert(recall.id, line).is_some() {
                return Err(at(Rule::RecallIdReused { id: recall.id }));
            }
            let (address, id) = (line, recall.id);
            let message = message::ToHost::Recall(message::Recall { address, id });
            self.conforms(cycle, PortMessage::ToHost(message))
                .map_err(at)?;
        }
        self.check_writeback(cycle, inputs, outputs, events)
            .map_err(at)?;
        self.check_ack(cycle, inputs, outputs, events).map_err(at)
    }

    fn check_stability(&mut self, inputs: &LinePortIn, outputs: &LinePortOut) -> Result<(), Rule> {
        if let Some((before, after)) = &self.previous {
            let channels = [
                (
                    "load",
                    is_unstable(&before.load, after.load_ready, &inputs.load),
                ),
                (
                    "fill",
                    is_unstable(&after.fill, before.fill_ready, &outputs.fill),
                ),
                (
                    "writeback",
                    is_unstable(&before.writeback, after.writeback_ready, &inputs.writeback),
                ),
                (
                    "recall",
                    is_unstable(&after.recall, before.recall_ready, &outputs.recall),
                ),
                (
                    "recall_ack",
                    is_unstable(
                        &before.recall_ack,
                        after.recall_ack_ready,
                        &inputs.recall_ack,
                    ),
                ),
            ];
            if let Some((channel, _)) = channels.into_iter().find(|(_, unstable)| *unstable) {
                return Err(Rule::Unstable { channel });
            }
        }
        let busy = inputs.load.is_some()
            || outputs.fill.is_some()
            || inputs.writeback.is_some()
            || outputs.recall.is_some()
            || inputs.recall_ack.is_some();
        self.previous = busy.then_some((*inputs, *outputs));
        Ok(())
    }

    /// Adds a taken beat to the open message of a channel; the message when it is complete.
    fn gather(
        open: &mut Option<OpenLine>,
        channel: &'static str,
        key: u32,
        beat: (u64, &BeatData, bool),
        beat_count: usize,
    ) -> Result<Option<OpenLine>, Rule> {
        let (cycle, data, last) = beat;
        let mut line = open.take().unwrap_or_else(|| OpenLine {
            key,
            beat_idx: 0,
            first_cycle: cycle,
            bytes: Vec::with_capacity(64 * beat_count),
        });
        if line.key != key {
            return Err(Rule::Mixed {
                channel,
                found: key,
                open: line.key,
            });
        }
        for word in data {
            line.bytes.extend(word.to_le_bytes());
        }
        let beat_idx = line.beat_idx;
        if last != (beat_idx + 1 == beat_count) {
            return Err(Rule::Length {
                channel,
                last,
                beat_idx,
                beat_count,
            });
        }
        if last {
            return Ok(Some(line));
        }
        line.beat_idx += 1;
        *open = Some(line);
        Ok(None)
    }

    fn check_fill(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
        events: &mut Vec<LineEvent>,
    ) -> Result<(), Rule> {
        let Some(beat) = &outputs.fill else {
            return Ok(());
        };
        let offer_cycle = *self.fill_offer_cycle.get_or_insert(cycle);
        if !inputs.fill_ready {
            return Ok(());
        }
        let id = beat.id;
        let Some((line, exclusive)) = self.loads[usize::from(id)] else {
            return Err(Rule::StrayFill { id });
        };
        if exclusive && !beat.exclusive {
            return Err(Rule::WeakFill { id, line });
        }
        let taken = (offer_cycle, &beat.data, beat.last);
        let done = Self::gather(&mut self.fill, "fill", id.into(), taken, self.beat_count)?;
        let Some(open) = done else { return Ok(()) };
        self.fill_offer_cycle = None;
        self.loads[usize::from(id)] = None;
        self.held.insert(line, beat.exclusive);
        if let Some((endpoint, LineRole::RxControl(parity))) = self.layout.locate(line) {
            let event = self.check_answer(endpoint, parity, &open, cycle)?;
            events.extend(event);
        }
        let message = message::ToHost::Fill(message::Fill {
            id,
            exclusive: beat.exclusive,
            data: open.bytes.into(),
        });
        self.conforms(cycle, PortMessage::ToHost(message))
    }

    /// A control line was filled: pairing and turns.
    fn check_answer(
        &mut self,
        endpoint: usize,
        parity: Parity,
        open: &OpenLine,
        cycle: u64,
    ) -> Result<Option<LineEvent>, Rule> {
        let role = LineRole::RxControl(parity);
        let header = RxHeader::decode(&open.header()).map_err(|error| {
            let reason = error.to_string();
            Rule::BadHeader {
                endpoint,
                role,
                reason,
            }
        })?;
        let state = &mut self.endpoints[endpoint];
        state.control[parity.index()] = Some(header);
        if !self.coherent {
            // Nothing is held: only what is answered can be checked.
        } else if let [Some(zero), Some(one)] = &state.control {
            // Acknowledged by store, a line that was loaded early may be EMPTY beside a message.
            let early = [zero, one].iter().any(|line| line.kind == RxKind::Empty);
            let message = zero.kind.is_valid() || one.kind.is_valid();
            if message && !(early && self.by_store) {
                return Err(Rule::BothHeld { endpoint });
            }
        }
        if header.kind == RxKind::Empty {
            return Ok(None);
        }
        if let Some((answered, before)) = &state.answer {
            if *answered == parity {
                // Another answer of the same line follows a reset, or does not conform.
                if *before == header {
                    return Ok(None);
                }
            }
        }
        state.answer = Some((parity, header));
        if self.coherent {
            for (other, _) in self.layout.placement().filter(|(other, _)| other.is_rx()) {
                let address = self.layout.address(endpoint, other);
                let is_held = address.is_some_and(|address| self.held.contains_key(&address));
                if other != role && is_held {
                    return Err(Rule::NotCleared {
                        endpoint,
                        role,
                        held: other,
                    });
                }
            }
        }
        Ok(Some(LineEvent::Answered {
            endpoint,
            header,
            first_beat_cycle: open.first_cycle,
            last_beat_cycle: cycle,
        }))
    }

    /// The host no longer holds a line.
    fn released(&mut self, line: LineAddress, dirty: bool) -> Result<(), Rule> {
        let right = self.held.remove(&line);
        if dirty && self.coherent && right != Some(true) {
            return Err(Rule::DirtyWithoutRight { line });
        }
        if let Some((endpoint, LineRole::RxControl(parity))) = self.layout.locate(line) {
            self.endpoints[endpoint].control[parity.index()] = None;
        }
        Ok(())
    }

    /// A TX control line with data came to the card.
    fn control_event(&self, line: LineAddress, open: &OpenLine, cycle: u64) -> Option<LineEvent> {
        let (endpoint, LineRole::TxControl(_)) = self.layout.locate(line)? else {
            return None;
        };
        // A hostile or half-written line is the card's to refuse, not the monitor's.
        let header = TxHeader::decode(&open.header()).ok()?;
        header.kind.is_valid().then_some(LineEvent::Control {
            endpoint,
            header,
            first_beat_cycle: open.first_cycle,
            last_beat_cycle: cycle,
        })
    }

    fn check_writeback(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
        events: &mut Vec<LineEvent>,
    ) -> Result<(), Rule> {
        let Some(beat) = inputs.writeback.filter(|_| outputs.writeback_ready) else {
            return Ok(());
        };
        let beat_count = if beat.dirty { self.beat_count } else { 1 };
        let taken = (cycle, &beat.data, beat.last);
        let key = beat.address;
        let done = Self::gather(&mut self.writeback, "writeback", key, taken, beat_count)?;
        let Some(open) = done else { return Ok(()) };
        let line = LineAddress(beat.address);
        self.released(line, beat.dirty)?;
        if beat.dirty {
            events.extend(self.control_event(line, &open, cycle));
        }
        let message = message::ToCard::Writeback(message::Writeback {
            address: line,
            data: open.image(beat.dirty),
        });
        self.conforms(cycle, PortMessage::ToCard(message))
    }

    fn check_ack(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
        events: &mut Vec<LineEvent>,
    ) -> Result<(), Rule> {
        let Some(beat) = inputs.recall_ack.filter(|_| outputs.recall_ack_ready) else {
            return Ok(());
        };
        let Some(&line) = self.recalls.get(&beat.id) else {
            return Err(Rule::StrayAck { id: beat.id });
        };
        let beat_count = if beat.dirty { self.beat_count } else { 1 };
        let taken = (cycle, &beat.data, beat.last);
        let key = beat.id.into();
        let done = Self::gather(&mut self.ack, "recall_ack", key, taken, beat_count)?;
        let Some(open) = done else { return Ok(()) };
        self.recalls.remove(&beat.id);
        self.released(line, beat.dirty)?;
        if beat.dirty {
            events.extend(self.control_event(line, &open, cycle));
        }
        let message = message::ToCard::RecallAck(message::RecallAck {
            id: beat.id,
            data: open.image(beat.dirty),
        });
        self.conforms(cycle, PortMessage::ToCard(message))
    }
}

#[cfg(test)]
mod tests;
