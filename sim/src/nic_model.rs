//! # The Verilated card
//! Gives the model of the card the plain Rust pins that [`System`](crate::system::System) drives.

use std::path::Path;

use lauberhorn_hw::types::{
    Beat, CsrRequest, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, MacBeat,
};
use thiserror::Error;

use crate::channel::{Field, In, Out, Payload, event_fields, fields};
use crate::csr::CsrPortOut;
use crate::host::{FillBeat, LinePortOut, Recall};
use crate::model::{Failure, Model, ModelError, Port};
use crate::system::{CardFailure, NicInputs, NicOutputs, NicPins};
use crate::wire::WireBeat;

/// Cycles that reset is held.
const RESET_CYCLES: usize = 4;

/// The card could not be opened.
#[derive(Debug, Error)]
pub enum NicModelError {
    /// There is no such model, or it lacks a port.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An assertion failed in reset.
    #[error("the card fails in reset")]
    Reset(#[from] Box<Failure>),
}

/// The card as Verilator runs it.
pub struct NicModel {
    model: Model,
    mac_rx: In<3>,
    mac_tx: Out<2>,
    load: In<3>,
    fill: Out<3>,
    writeback: In<3>,
    recall: Out<2>,
    recall_ack: In<3>,
    csr_request: In<3>,
    csr_response: Out<1>,
    mac_tx_ready: Port,
    load_ready: Port,
    fill_ready: Port,
    writeback_ready: Port,
    recall_ready: Port,
    recall_ack_ready: Port,
    csr_ready: Port,
    bus_events: Port,
    event_fields: [Field; 4],
    recording: Option<Recording>,
}

/// Inputs of every cycle since it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// As [`Model::replay`] takes them.
    pub inputs: Vec<u8>,
    /// How many cycles.
    pub cycles: u64,
}

impl NicModel {
    /// Opens the model of a card's configuration and resets it.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn open(config: &str) -> Result<Self, NicModelError> {
        let model = Model::open(&format!("nic_{}", config.replace('-', "_")))?;
        let whole = Field { low: 0, width: 32 };
        let port = |name: &str| model.port(name);
        let mut nic = Self {
            mac_rx: In::new(
                &model,
                "mac_rx",
                fields::<MacBeat, 3>(["keep", "last", "error"]),
            )?,
            mac_tx: Out::new(&model, "mac_tx", fields::<Beat, 2>(["keep", "last"]))?,
            load: In::new(
                &model,
                "load",
                fields::<LineLoad, 3>(["address", "id", "exclusive"]),
            )?,
            fill: Out::new(
                &model,
                "fill",
                fields::<LineFill, 3>(["id", "exclusive", "last"]),
            )?,
            writeback: In::new(
                &model,
                "writeback",
                fields::<LineWriteback, 3>(["address", "dirty", "last"]),
            )?,
            recall: Out::new(&model, "recall", fields::<LineRecall, 2>(["address", "id"]))?,
            recall_ack: In::new(
                &model,
                "recall_ack",
                fields::<LineRecallAck, 3>(["id", "dirty", "last"]),
            )?,
            csr_request: In::new(
                &model,
                "csr_request",
                fields::<CsrRequest, 3>(["address", "write", "write_data"]),
            )?,
            csr_response: Out::new(&model, "csr_response", [whole])?,
            mac_tx_ready: port("mac_tx$ready")?,
            load_ready: port("load$ready")?,
            fill_ready: port("fill$ready")?,
            writeback_ready: port("writeback$ready")?,
            recall_ready: port("recall$ready")?,
            recall_ack_ready: port("recall_ack$ready")?,
            csr_ready: port("csr_request$ready")?,
            bus_events: port("bus_events")?,
            event_fields: event_fields(),
            recording: None,
            model,
        };
        nic.reset()?;
        Ok(nic)
    }

    fn reset(&mut self) -> Result<(), NicModelError> {
        let reset = self.model.port("reset")?;
        self.drive(&NicInputs::default());
        self.model.set(reset, 1);
        for _ in 0..RESET_CYCLES {
            self.model.step()?;
        }
        self.model.set(reset, 0);
        Ok(())
    }

    /// Dumps waveforms from now on; the file name's ending chooses the format.
    ///
    /// # Errors
    /// When the file cannot be written or the model has no waveforms.
    pub fn start_wave(&mut self, path: &Path) -> Result<(), ModelError> {
        self.model.waves_to(path)
    }

    /// Starts to record the inputs of every cycle.
    pub fn start_recording(&mut self) {
        self.recording = Some(Recording::default());
    }

    /// Ends the recording and gives it out.
    pub fn take_recording(&mut self) -> Option<Recording> {
        self.recording.take()
    }

    /// The model itself, for instance to replay a recording.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    fn drive(&mut self, inputs: &NicInputs) {
        let model = &mut self.model;
        let wire = inputs.mac_rx.map(|beat| {
            let flags = [beat.keep, u64::from(beat.last), u64::from(beat.error)];
            (Payload::with_bytes(&beat.data), flags)
        });
        self.mac_rx.drive(model, wire);
        model.set(self.mac_tx_ready, u64::from(inputs.mac_tx_ready));
        let line = &inputs.line;
        let load = line.load.map(|load| {
            let values = [load.address.into(), load.id.into(), load.exclusive.into()];
            (Payload::empty(), values)
        });
        self.load.drive(model, load);
        model.set(self.fill_ready, u64::from(line.fill_ready));
        let writeback = line.writeback.as_ref().map(|beat| {
            let values = [beat.address.into(), beat.dirty.into(), beat.last.into()];
            (Payload::with_data(&beat.data), values)
        });
        self.writeback.drive(model, writeback);
        model.set(self.recall_ready, u64::from(line.recall_ready));
        let ack = line.recall_ack.as_ref().map(|beat| {
            let values = [beat.id.into(), beat.dirty.into(), beat.last.into()];
            (Payload::with_data(&beat.data), values)
        });
        self.recall_ack.drive(model, ack);
        let request = inputs.register.map(|access| {
            let data = access.write.unwrap_or(0);
            let write = u64::from(access.write.is_some());
            (
                Payload::empty(),
                [access.address.into(), write, data.into()],
            )
        });
        self.csr_request.drive(model, request);
        let report = &inputs.bus;
        let values = [
            report.refused_request.into(),
            report.refused_write.into(),
            report.dropped_response.into(),
            u64::from(report.incomplete),
        ];
        let placed = self.event_fields.iter().zip(values);
        let word = placed.fold(0, |word, (field, value)| word | value << field.low);
        model.set(self.bus_events, word);
    }

    fn sample(&self) -> NicOutputs {
        let model = &self.model;
        let ready = |port| model.get(port) == 1;
        let mac_tx = self
            .mac_tx
            .sample(model)
            .map(|(payload, [keep, last])| WireBeat {
                data: payload.bytes(),
                keep,
                last: last == 1,
                error: false,
            });
        let fill = self.fill.sample(model);
        let recall = self.recall.sample(model);
        NicOutputs {
            mac_tx,
            line: LinePortOut {
                load_ready: ready(self.load_ready),
                fill: fill.map(|(payload, [id, exclusive, last])| FillBeat {
                    id: id as u8,
                    exclusive: exclusive == 1,
                    data: payload.data(),
                    last: last == 1,
                }),
                writeback_ready: ready(self.writeback_ready),
                recall: recall.map(|(_, [address, id])| Recall {
                    address: address as u32,
                    id: id as u16,
                }),
                recall_ack_ready: ready(self.recall_ack_ready),
            },
            csr: CsrPortOut {
                request_ready: ready(self.csr_ready),
                response: self
                    .csr_response
                    .sample(model)
                    .map(|(_, [value])| value as u32),
            },
        }
    }
}

impl NicPins for NicModel {
    fn cycle(&mut self, inputs: &NicInputs) -> Result<NicOutputs, CardFailure> {
        self.drive(inputs);
        if let Some(recording) = &mut self.recording {
            self.model.record(&mut recording.inputs);
            recording.cycles += 1;
        }
        let failed = |failure: Box<Failure>| CardFailure {
            message: failure.to_string(),
        };
        self.model.settle().map_err(failed)?;
        let outputs = self.sample();
        self.model.step().map_err(failed)?;
        Ok(outputs)
    }
}
