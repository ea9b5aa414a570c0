//! # Interconnect
//! Carries line messages between the cores and the card's line port with a latency and an
//! occupancy per direction. Nothing overtakes what the host sent earlier about the same line, as a
//! directory keeps it; all else overtakes freely.
//! A strictly ordered interconnect (PCIe) also keeps loads behind all earlier writes.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::port::{
    BEAT_BYTES, LineBytes, LinePortIn, LinePortOut, Load, MAX_LINE_BYTES, RecallAckBeat,
    WritebackBeat, line_beat, set_line_beat,
};

/// Timing of one direction, in core cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTiming {
    /// From a message entering to it leaving at the other end.
    pub latency_cycles: u64,
    /// Time a message without data keeps the direction busy.
    pub message_occupancy_cycles: u64,
    /// Time a message with a line keeps the direction busy.
    pub line_occupancy_cycles: u64,
}

/// Chances, in 1/256 per cycle, that a channel of the port holds back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStalls {
    /// A load that could be offered is not.
    pub load: u16,
    /// Fill beats are not taken.
    pub fill: u16,
    /// A writeback beat that could be offered is not.
    pub writeback: u16,
    /// Recalls are not taken.
    pub recall: u16,
    /// An acknowledgement beat that could be offered is not.
    pub recall_ack: u16,
}

impl PortStalls {
    /// The same chance on every channel.
    pub fn uniform(chance_256: u16) -> PortStalls {
        PortStalls {
            load: chance_256,
            fill: chance_256,
            writeback: chance_256,
            recall: chance_256,
            recall_ack: chance_256,
        }
    }
}

/// Message towards the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToCard {
    /// Load a line.
    Load(Load),
    /// Line given back: its content if modified, else a notice.
    Writeback {
        /// Line index.
        address: u32,
        /// Content of a modified line.
        data: Option<Box<LineBytes>>,
    },
    /// Answer to a recall.
    RecallAck {
        /// Line index.
        address: u32,
        /// Of the recall.
        id: u16,
        /// Content of a modified line.
        data: Option<Box<LineBytes>>,
    },
}

impl ToCard {
    fn address(&self) -> u32 {
        match self {
            ToCard::Load(load) => load.address,
            ToCard::Writeback { address, .. } | ToCard::RecallAck { address, .. } => *address,
        }
    }

    fn data(&self) -> Option<&LineBytes> {
        match self {
            ToCard::Load(_) => None,
            ToCard::Writeback { data, .. } | ToCard::RecallAck { data, .. } => data.as_deref(),
        }
    }
}

/// Message towards the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHost {
    /// A load is answered.
    Fill {
        /// Of the load.
        id: u8,
        /// The host may write the line.
        exclusive: bool,
        /// The line.
        data: Box<LineBytes>,
    },
    /// The card wants a line back.
    Recall {
        /// Line index.
        address: u32,
        /// Echoed by the acknowledgement.
        id: u16,
    },
}

/// The card broke the framing of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InterconnectError {
    /// A fill's `last` came in the wrong beat.
    #[error("cycle {cycle}: fill {id} has last={last} in beat {beat_idx} of {beat_count}")]
    FillLength {
        /// When.
        cycle: u64,
        /// Of the load.
        id: u8,
        /// The flag.
        last: bool,
        /// Position of the beat.
        beat_idx: usize,
        /// Beats in a line.
        beat_count: usize,
    },
    /// Beats of two fills are mixed.
    #[error("cycle {cycle}: a beat of fill {id} inside fill {open_id}")]
    FillMixed {
        /// When.
        cycle: u64,
        /// Of the beat.
        id: u8,
        /// Of the fill that is not complete.
        open_id: u8,
    },
}

#[derive(Debug)]
struct Queued {
    sequence: u64,
    arrival_cycle: u64,
    message: ToCard,
}

#[derive(Debug, Default)]
struct Channel {
    queue: VecDeque<Queued>,
    /// The head's present beat is offered and must stay until taken.
    offered: bool,
    beat_idx: usize,
    last_arrival_cycle: u64,
}

const LOAD: usize = 0;
const WRITEBACK: usize = 1;
const RECALL_ACK: usize = 2;

/// Both directions between cores and line port.
#[derive(Debug)]
pub struct Interconnect {
    to_card: LinkTiming,
    to_host: LinkTiming,
    strict_order: bool,
    beat_count: usize,
    stalls: PortStalls,
    rng: ChaCha8Rng,
    channels: [Channel; 3],
    next_sequence: u64,
    to_card_free_cycle: u64,
    to_host_free_cycle: u64,
    partial_fill: Option<(u8, usize, Box<LineBytes>)>,
    inbox: VecDeque<(u64, ToHost)>,
}

impl Interconnect {
    /// An idle interconnect for lines of `line_bytes`.
    pub fn new(
        to_card: LinkTiming,
        to_host: LinkTiming,
        strict_order: bool,
        line_bytes: usize,
        stalls: PortStalls,
        rng: ChaCha8Rng,
    ) -> Interconnect {
        Interconnect {
            to_card,
            to_host,
            strict_order,
            beat_count: line_bytes / BEAT_BYTES,
            stalls,
            rng,
            channels: Default::default(),
            next_sequence: 0,
            to_card_free_cycle: 0,
            to_host_free_cycle: 0,
            partial_fill: None,
            inbox: VecDeque::new(),
        }
    }

    /// Sends a message; `extra_cycles` is what the sender needed beyond the link's latency.
    pub fn send(&mut self, cycle: u64, extra_cycles: u64, message: ToCard) {
        let occupancy = match message.data() {
            Some(_) => self.to_card.line_occupancy_cycles,
            None => self.to_card.message_occupancy_cycles,
        };
        let depart = cycle.max(self.to_card_free_cycle);
        self.to_card_free_cycle = depart + occupancy;
        let channel = &mut self.channels[match message {
            ToCard::Load(_) => LOAD,
            ToCard::Writeback { .. } => WRITEBACK,
            ToCard::RecallAck { .. } => RECALL_ACK,
        }];
        let arrival_cycle = depart + self.to_card.latency_cycles + extra_cycles;
        channel.last_arrival_cycle = channel.last_arrival_cycle.max(arrival_cycle);
        channel.queue.push_back(Queued {
            sequence: self.next_sequence,
            arrival_cycle: channel.last_arrival_cycle,
            message,
        });
        self.next_sequence += 1;
    }

    /// An earlier message that must reach the card first is still under way: one about the same
    /// line. A writeback has none: the line was filled before. The card takes loads whatever else it
    /// waits for, so that waiting for one comes to an end.
    fn is_blocked(&self, channel_idx: usize) -> bool {
        let head = &self.channels[channel_idx].queue[0];
        let address = head.message.address();
        let ahead: &[usize] = match channel_idx {
            LOAD => &[WRITEBACK, RECALL_ACK],
            RECALL_ACK => &[LOAD, WRITEBACK],
            _ => &[],
        };
        ahead.iter().any(|&idx| {
            let strict = self.strict_order && channel_idx == LOAD && idx == WRITEBACK;
            self.channels[idx].queue.iter().any(|queued| {
                queued.sequence < head.sequence && (strict || queued.message.address() == address)
            })
        })
    }

    fn stalled(&mut self, chance_256: u16) -> bool {
        chance_256 > 0 && self.rng.random_range(0..256) < chance_256
    }

    fn offer(&mut self, cycle: u64, channel_idx: usize, chance_256: u16) -> bool {
        let channel = &self.channels[channel_idx];
        let Some(head) = channel.queue.front() else {
            return false;
        };
        if channel.offered {
            return true;
        }
        let ready = head.arrival_cycle <= cycle
            && (channel.beat_idx > 0 || !self.is_blocked(channel_idx))
            && !self.stalled(chance_256);
        self.channels[channel_idx].offered = ready;
        ready
    }

    /// What the host drives in this cycle. Called once per cycle, before [`Self::sample`].
    pub fn drive(&mut self, cycle: u64) -> LinePortIn {
        let stalls = self.stalls;
        let mut port = LinePortIn {
            fill_ready: !self.stalled(stalls.fill),
            recall_ready: !self.stalled(stalls.recall),
            ..LinePortIn::default()
        };
        if self.offer(cycle, LOAD, stalls.load) {
            if let ToCard::Load(load) = &self.channels[LOAD].queue[0].message {
                port.load = Some(*load);
            }
        }
        if self.offer(cycle, WRITEBACK, stalls.writeback) {
            let (address, dirty, data, last) = self.present_beat(WRITEBACK);
            port.writeback = Some(WritebackBeat {
                address,
                dirty,
                data,
                last,
            });
        }
        if self.offer(cycle, RECALL_ACK, stalls.recall_ack) {
            if let ToCard::RecallAck { id, .. } = self.channels[RECALL_ACK].queue[0].message {
                let (_, dirty, data, last) = self.present_beat(RECALL_ACK);
                port.recall_ack = Some(RecallAckBeat {
                    id,
                    dirty,
                    data,
                    last,
                });
            }
        }
        port
    }

    fn present_beat(&self, channel_idx: usize) -> (u32, bool, [u64; 8], bool) {
        let channel = &self.channels[channel_idx];
        let message = &channel.queue[0].message;
        match message.data() {
            Some(line) => (
                message.address(),
                true,
                line_beat(line, channel.beat_idx),
                channel.beat_idx + 1 == self.beat_count,
            ),
            None => (message.address(), false, [0; 8], true),
        }
    }

    fn taken(&mut self, channel_idx: usize, last: bool) {
        let channel = &mut self.channels[channel_idx];
        channel.offered = false;
        if last {
            channel.beat_idx = 0;
            channel.queue.pop_front();
        } else {
            channel.beat_idx += 1;
        }
    }

    /// Applies the transfers of this cycle. `inputs` is what [`Self::drive`] returned.
    ///
    /// # Errors
    /// When the card's fill beats do not form lines.
    pub fn sample(
        &mut self,
        cycle: u64,
        inputs: &LinePortIn,
        outputs: &LinePortOut,
    ) -> Result<(), InterconnectError> {
        if inputs.load.is_some() && outputs.load_ready {
            self.taken(LOAD, true);
        }
        if let (Some(beat), true) = (&inputs.writeback, outputs.writeback_ready) {
            self.taken(WRITEBACK, beat.last);
        }
        if let (Some(beat), true) = (&inputs.recall_ack, outputs.recall_ack_ready) {
            self.taken(RECALL_ACK, beat.last);
        }
        if let (Some(beat), true) = (&outputs.fill, inputs.fill_ready) {
            let beat_count = self.beat_count;
            let (id, beat_idx, mut line) = self
                .partial_fill
                .take()
                .unwrap_or_else(|| (beat.id, 0, Box::new([0; MAX_LINE_BYTES])));
            if id != beat.id {
                return Err(InterconnectError::FillMixed {
                    cycle,
                    id: beat.id,
                    open_id: id,
                });
            }
            if beat.last != (beat_idx + 1 == beat_count) {
                let last = beat.last;
                return Err(InterconnectError::FillLength {
                    cycle,
                    id,
                    last,
                    beat_idx,
                    beat_count,
                });
            }
            set_line_beat(&mut line, beat_idx, &beat.data);
            if beat.last {
                let exclusive = beat.exclusive;
                let fill = ToHost::Fill {
                    id,
                    exclusive,
                    data: line,
                };
                self.deliver(cycle, self.to_host.line_occupancy_cycles, fill);
            } else {
                self.partial_fill = Some((id, beat_idx + 1, line));
            }
        }
        if let (Some(recall), true) = (&outputs.recall, inputs.recall_ready) {
            let message = ToHost::Recall {
                address: recall.address,
                id: recall.id,
            };
            self.deliver(cycle, self.to_host.message_occupancy_cycles, message);
        }
        Ok(())
    }

    fn deliver(&mut self, cycle: u64, occupancy_cycles: u64, message: ToHost) {
        let depart = cycle.max(self.to_host_free_cycle);
        self.to_host_free_cycle = depart + occupancy_cycles;
        self.inbox
            .push_back((depart + self.to_host.latency_cycles, message));
    }

    /// The next message that has arrived at the cores.
    pub fn receive(&mut self, cycle: u64) -> Option<ToHost> {
        let (arrival_cycle, _) = self.inbox.front()?;
        if *arrival_cycle > cycle {
            return None;
        }
        self.inbox.pop_front().map(|(_, message)| message)
    }

    /// Nothing is under way in either direction.
    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty()
            && self.partial_fill.is_none()
            && self.channels.iter().all(|channel| channel.queue.is_empty())
    }
}
