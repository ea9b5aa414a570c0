//! # The receive path alone
//! The Verilated receive path with an ideal consumer behind it: slots and sessions come back at once.
//! Shows what the decoder itself can take from the wire.

use std::collections::VecDeque;

use lauberhorn_hw::rtl::{Layout, Value};
use lauberhorn_hw::rust_hdl::prelude::Synth;
use lauberhorn_hw::types::{
    DispatchRequest, MacBeat, ProgramWrite, RxConfig, RxEvents, ServiceWrite, SessionHandle,
};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::table_hash::{ProgramKey, ServiceKey};

use crate::channel::{In, Out, Payload, fields};
use crate::model::{Model, Port};
use crate::nic_model::NicModelError;
use crate::wire::WireBeat;

/// Bits of a slot id.
const SLOT_BITS: usize = 10;

/// A source of free ids with ready.
struct IdSource {
    valid: Port,
    ready: Port,
    payload: Port,
    free: VecDeque<u64>,
}

impl IdSource {
    fn new(
        model: &Model,
        name: &str,
        ids: impl Iterator<Item = usize>,
    ) -> Result<Self, NicModelError> {
        Ok(Self {
            valid: model.port(&format!("{name}$valid"))?,
            ready: model.port(&format!("{name}$ready"))?,
            payload: model.port(&format!("{name}$payload"))?,
            free: ids.map(|id| id as u64).collect(),
        })
    }

    fn drive(&self, model: &mut Model) {
        model.set(self.valid, u64::from(!self.free.is_empty()));
        if let Some(id) = self.free.front() {
            model.set(self.payload, *id);
        }
    }

    fn sample(&mut self, model: &Model) {
        if model.get(self.ready) == 1 {
            self.free.pop_front();
        }
    }
}

/// What became of the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Calls handed to dispatch.
    pub calls: u64,
    /// Frames handed to the bypass.
    pub bypass: u64,
    /// Frames that ended in any way.
    pub ended: u64,
}

/// The receive path and its ideal consumer.
pub struct RxPathModel {
    model: Model,
    mac: In<3>,
    call: Out<3>,
    frame: Out<3>,
    call_slots: IdSource,
    bypass_slots: IdSource,
    sessions: IdSource,
    call_slot_free: (Port, Port),
    bypass_slot_free: (Port, Port),
    events: Port,
    received: Received,
}

/// Packs a struct from named fields; the others are zero.
fn pack<T: Synth>(values: &[(&str, Value)]) -> Value {
    let layout = Layout::of(&T::descriptor()).expect("a payload is a struct");
    let mut packed = Value::zero(T::BITS);
    for (path, value) in values {
        let (low, width, _) = layout.find(path).expect("the payload has the field");
        assert_eq!(width, value.width(), "{path}");
        packed.set_slice(low, value);
    }
    packed
}

fn number(width: usize, value: u64) -> Value {
    Value::new(width, u128::from(value))
}

impl RxPathModel {
    /// Opens the receive path of a configuration, for calls to one service at one address.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn open(
        design: &str,
        config: &NicConfig,
        mac: [u8; 6],
        ipv4: [u8; 4],
        service: ServiceKey,
    ) -> Result<Self, NicModelError> {
        let model = Model::open(design)?;
        let calls = config.call_slots();
        let slots = calls..calls + config.bypass_slots();
        let release = |name: &str| -> Result<(Port, Port), NicModelError> {
            let valid = model.port(&format!("{name}$valid"))?;
            Ok((valid, model.port(&format!("{name}$payload"))?))
        };
        let request = fields::<DispatchRequest, 3>(["slot", "session", "length_bytes"]);
        let mut path = Self {
            mac: In::new(
                &model,
                "mac",
                fields::<MacBeat, 3>(["keep", "last", "error"]),
            )?,
            call: Out::new(&model, "call", request)?,
            frame: Out::new(&model, "frame", request)?,
            call_slots: IdSource::new(&model, "call_slot", 0..calls)?,
            bypass_slots: IdSource::new(&model, "bypass_slot", slots)?,
            sessions: IdSource::new(&model, "session", 0..config.sessions())?,
            call_slot_free: release("call_slot_free")?,
            bypass_slot_free: release("bypass_slot_free")?,
            events: model.port("events")?,
            received: Received::default(),
            model,
        };
        path.configure(mac, ipv4, config, service)?;
        Ok(path)
    }

    fn configure(
        &mut self,
        mac: [u8; 6],
        ipv4: [u8; 4],
        config: &NicConfig,
        service: ServiceKey,
    ) -> Result<(), NicModelError> {
        let mut ports = Value::zero(256);
        ports.set_slice(0, &number(16, service.port.into()));
        let settings = pack::<RxConfig>(&[
            ("enable", number(1, 1)),
            ("mac", Value::from_bytes(48, &mac)),
            ("ipv4", Value::from_bytes(32, &ipv4)),
            ("rpc_ports", ports),
            ("rpc_port_valid", number(16, 1)),
        ]);
        let port = self.model.port("settings")?;
        self.model.set_limbs(port, settings.limbs());
        for name in ["service_read$valid", "program_read$valid", "mac$valid"] {
            let port = self.model.port(name)?;
            self.model.set(port, 0);
        }
        let ready = self.model.port("reply$ready")?;
        self.model.set(ready, 1);
        let entry = pack::<ServiceWrite>(&[
            (
                "at.index",
                number(10, service.index(0, config.service_entries()) as u64),
            ),
            ("entry.valid", number(1, 1)),
            ("entry.program", number(32, service.program.into())),
            ("entry.version", number(32, service.version.into())),
            ("entry.procedure", number(32, service.procedure.into())),
            ("entry.port", number(16, service.port.into())),
        ]);
        let key = ProgramKey {
            program: service.program,
            port: service.port,
        };
        let program = pack::<ProgramWrite>(&[
            (
                "at.index",
                number(10, key.index(0, config.program_entries()) as u64),
            ),
            ("entry.valid", number(1, 1)),
            ("entry.program", number(32, service.program.into())),
            ("entry.port", number(16, service.port.into())),
            ("entry.low", number(32, service.version.into())),
            ("entry.high", number(32, service.version.into())),
            ("entry.versions", number(32, 1)),
        ]);
        let reset = self.model.port("reset")?;
        let writes = [("services", entry), ("programs", program)];
        for (name, _) in &writes {
            let valid = self.model.port(&format!("{name}$valid"))?;
            self.model.set(valid, 0);
        }
        self.model.set(reset, 1);
        for _ in 0..4 {
            self.model.step()?;
        }
        self.model.set(reset, 0);
        for (name, value) in writes {
            let valid = self.model.port(&format!("{name}$valid"))?;
            let payload = self.model.port(&format!("{name}$payload"))?;
            self.model.set_limbs(payload, value.limbs());
            self.model.set(valid, 1);
            self.model.step()?;
            self.model.set(valid, 0);
            self.model.step()?;
        }
        Ok(())
    }

    /// One cycle with this beat from the MAC.
    ///
    /// # Errors
    /// When an assertion of the design fails.
    pub fn cycle(&mut self, beat: Option<&WireBeat>) -> Result<(), NicModelError> {
        let model = &mut self.model;
        let item = beat.map(|beat| {
            let flags = [beat.keep, u64::from(beat.last), u64::from(beat.error)];
            (Payload::with_bytes(&beat.data), flags)
        });
        self.mac.drive(model, item);
        for source in [&self.call_slots, &self.bypass_slots, &self.sessions] {
            source.drive(model);
        }
        model.settle()?;
        for source in [
            &mut self.call_slots,
            &mut self.bypass_slots,
            &mut self.sessions,
        ] {
            source.sample(model);
        }
        if let Some((_, [slot, session, _])) = self.call.sample(model) {
            self.received.calls += 1;
            self.call_slots.free.push_back(slot);
            self.sessions.free.push_back(session);
        }
        if let Some((_, [slot, ..])) = self.frame.sample(model) {
            self.received.bypass += 1;
            self.bypass_slots.free.push_back(slot);
        }
        for ((valid, payload), source) in [
            (self.call_slot_free, &mut self.call_slots),
            (self.bypass_slot_free, &mut self.bypass_slots),
        ] {
            if model.get(valid) == 1 {
                source
                    .free
                    .push_back(model.get(payload) & ((1 << SLOT_BITS) - 1));
            }
        }
        // Every event but the first stands for one way in which a frame can end.
        self.received.ended += u64::from((model.get(self.events) >> 1).count_ones());
        model.step()?;
        Ok(())
    }

    /// What became of the frames so far.
    pub fn received(&self) -> Received {
        self.received
    }
}

const _: () = {
    assert!(RxEvents::BITS <= 64 && SessionHandle::BITS <= 64);
};
