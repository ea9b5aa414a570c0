//! The channels of an adapter, as queues: items in with delays and stalls, items out with the check that
//! an offered item stays.

use std::collections::VecDeque;

use lauberhorn_hw::types::{LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback};
use lauberhorn_interface::counters::Counter;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{BusError, BusReport, BusRule, BusSettings, FORBIDDEN};
use crate::channel::{Field, In, Out, Payload, event_fields, fields};
use crate::host::{LinePortIn, LinePortOut, Load, RecallAckBeat, WritebackBeat};
use crate::model::{Failure, Model, ModelError, Port};
use crate::seed::Seed;

/// Cycles that reset is held.
const RESET_CYCLES: usize = 4;

/// The adapter, its line port, and the bus's moods.
pub(super) struct Adapter {
    pub(super) model: Model,
    pub(super) settings: BusSettings,
    pub(super) rng: ChaCha8Rng,
    pub(super) provoked: bool,
    load: Out<3>,
    fill: In<3>,
    writeback: Out<3>,
    recall: In<2>,
    recall_ack: Out<3>,
    load_ready: Port,
    fill_ready: Port,
    writeback_ready: Port,
    recall_ready: Port,
    recall_ack_ready: Port,
    events: Port,
    event_fields: [Field; 4],
}

impl Adapter {
    pub(super) fn open(
        name: &str,
        settings: BusSettings,
        seed: Seed,
    ) -> Result<Adapter, ModelError> {
        let model = Model::open(name)?;
        let port = |name: &str| model.port(name);
        Ok(Adapter {
            load: Out::new(
                &model,
                "load",
                fields::<LineLoad, 3>(["address", "id", "exclusive"]),
            )?,
            fill: In::new(
                &model,
                "fill",
                fields::<LineFill, 3>(["id", "exclusive", "last"]),
            )?,
            writeback: Out::new(
                &model,
                "writeback",
                fields::<LineWriteback, 3>(["address", "dirty", "last"]),
            )?,
            recall: In::new(&model, "recall", fields::<LineRecall, 2>(["address", "id"]))?,
            recall_ack: Out::new(
                &model,
                "recall_ack",
                fields::<LineRecallAck, 3>(["id", "dirty", "last"]),
            )?,
            load_ready: port("load$ready")?,
            fill_ready: port("fill$ready")?,
            writeback_ready: port("writeback$ready")?,
            recall_ready: port("recall$ready")?,
            recall_ack_ready: port("recall_ack$ready")?,
            events: port("events")?,
            event_fields: event_fields(),
            provoked: false,
            settings,
            rng: seed.stream("bus"),
            model,
        })
    }

    /// Resets the adapter; its bus inputs are idle.
    pub(super) fn reset(&mut self) -> Result<(), BusError> {
        let reset = self.model.port("reset")?;
        self.drive_card(&LinePortOut::default());
        self.model.set(reset, 1);
        for _ in 0..RESET_CYCLES {
            self.model.step()?;
        }
        self.model.set(reset, 0);
        Ok(())
    }

    /// A stall in this cycle.
    pub(super) fn stalled(&mut self) -> bool {
        let chance = self.settings.stall_256;
        chance > 0 && self.rng.random_range(0..256) < chance
    }

    /// A forbidden transaction starts in this cycle.
    pub(super) fn is_hostile(&mut self) -> bool {
        let chance = self.settings.hostile_65536;
        self.provoked && chance > 0 && self.rng.random_range(0..65536) < chance
    }

    /// When something that is wanted now starts.
    pub(super) fn later(&mut self, cycle: u64) -> u64 {
        match self.settings.delay_cycles {
            0 => cycle,
            most => cycle + self.rng.random_range(0..=most),
        }
    }

    /// What the adapter drives at the line port.
    pub(super) fn to_card(&self) -> LinePortIn {
        let model = &self.model;
        let ready = |port| model.get(port) == 1;
        LinePortIn {
            load: self
                .load
                .sample(model)
                .map(|(_, [address, id, exclusive])| Load {
                    address: address as u32,
                    id: id as u8,
                    exclusive: exclusive == 1,
                }),
            fill_ready: ready(self.fill_ready),
            writeback: self
                .writeback
                .sample(model)
                .map(|(payload, [address, dirty, last])| WritebackBeat {
                    address: address as u32,
                    dirty: dirty == 1,
                    data: payload.data(),
                    last: last == 1,
                }),
            recall_ready: ready(self.recall_ready),
            recall_ack: self
                .recall_ack
                .sample(model)
                .map(|(payload, [id, dirty, last])| RecallAckBeat {
                    id: id as u16,
                    dirty: dirty == 1,
                    data: payload.data(),
                    last: last == 1,
                }),
        }
    }

    /// Sets what the card drives at the line port.
    pub(super) fn drive_card(&mut self, card: &LinePortOut) {
        let model = &mut self.model;
        model.set(self.load_ready, u64::from(card.load_ready));
        model.set(self.writeback_ready, u64::from(card.writeback_ready));
        model.set(self.recall_ack_ready, u64::from(card.recall_ack_ready));
        let fill = card.fill.as_ref().map(|beat| {
            let values = [beat.id.into(), beat.exclusive.into(), beat.last.into()];
            (Payload::with_data(&beat.data), values)
        });
        self.fill.drive(model, fill);
        let recall = card.recall.map(|recall| {
            let values = [recall.address.into(), recall.id.into()];
            (Payload::empty(), values)
        });
        self.recall.drive(model, recall);
    }

    /// What the adapter reports to the card.
    pub(super) fn report(&self) -> BusReport {
        let word = self.model.get(self.events);
        let [requests, writes, responses, incomplete] = self.event_fields;
        let of = |field: Field| word >> field.low & ((1 << field.width) - 1);
        BusReport {
            refused_request: of(requests) == 1,
            refused_write: of(writes) == 1,
            dropped_response: of(responses) == 1,
            incomplete: of(incomplete) as u16,
        }
    }

    /// Holds the card's counters against what has happened.
    pub(super) fn check_counts(
        read: &dyn Fn(Counter) -> u64,
        forbidden: &[u64],
    ) -> Result<(), BusRule> {
        for (counter, &happened) in FORBIDDEN.into_iter().zip(forbidden) {
            let counted = read(counter);
            if counted != happened {
                return Err(BusRule::Count {
                    kind: counter.name(),
                    counted,
                    happened,
                });
            }
        }
        Ok(())
    }

    pub(super) fn step(&mut self) -> Result<(), Box<Failure>> {
        self.model.step()
    }
}

/// A channel into the adapter with the items that wait for it.
#[derive(Debug)]
pub(super) struct Inlet<T, const N: usize> {
    pins: In<N>,
    ready: Port,
    queue: VecDeque<(u64, T)>,
    offered: bool,
    encode: fn(&T) -> (Payload, [u64; N]),
}

impl<T, const N: usize> Inlet<T, N> {
    pub(super) fn new(
        model: &Model,
        name: &str,
        fields: [Field; N],
        encode: fn(&T) -> (Payload, [u64; N]),
    ) -> Result<Self, ModelError> {
        Ok(Self {
            pins: In::new(model, name, fields)?,
            ready: model.port(&format!("{name}$ready"))?,
            queue: VecDeque::new(),
            offered: false,
            encode,
        })
    }

    /// Queues an item that is not offered before `cycle`.
    pub(super) fn push(&mut self, cycle: u64, item: T) {
        self.queue.push_back((cycle, item));
    }

    /// Drives the channel in this cycle; the item that the adapter takes in it.
    pub(super) fn drive(&mut self, adapter: &mut Adapter, cycle: u64) -> Option<T> {
        let due = self.queue.front().is_some_and(|(start, _)| *start <= cycle);
        self.offered |= due && !adapter.stalled();
        let item = self.queue.front().filter(|_| self.offered);
        let taken = self.offered && adapter.model.get(self.ready) == 1;
        let payload = item.map(|(_, item)| (self.encode)(item));
        self.pins.drive(&mut adapter.model, payload);
        if !taken {
            return None;
        }
        self.offered = false;
        self.queue.pop_front().map(|(_, item)| item)
    }
}

/// A channel out of the adapter.
#[derive(Debug)]
pub(super) struct Outlet<T, const N: usize> {
    name: &'static str,
    pins: Out<N>,
    ready: Port,
    waiting: Option<T>,
    decode: fn(Payload, [u64; N]) -> T,
}

impl<T: Clone + PartialEq, const N: usize> Outlet<T, N> {
    pub(super) fn new(
        model: &Model,
        name: &str,
        label: &'static str,
        fields: [Field; N],
        decode: fn(Payload, [u64; N]) -> T,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            name: label,
            pins: Out::new(model, name, fields)?,
            ready: model.port(&format!("{name}$ready"))?,
            waiting: None,
            decode,
        })
    }

    /// Takes the item offered in this cycle, unless the bus stalls.
    pub(super) fn take(
        &mut self,
        adapter: &mut Adapter,
        cycle: u64,
    ) -> Result<Option<T>, BusError> {
        let decode = self.decode;
        let sample = self.pins.sample(&adapter.model);
        let item = sample.map(|(payload, values)| decode(payload, values));
        if self.waiting.is_some() && self.waiting != item {
            let rule = BusRule::Unstable { channel: self.name };
            return Err(BusError::Broken { cycle, rule });
        }
        let accept = !adapter.stalled();
        adapter.model.set(self.ready, u64::from(accept));
        self.waiting = item.clone().filter(|_| !accept);
        Ok(item.filter(|_| accept))
    }
}
