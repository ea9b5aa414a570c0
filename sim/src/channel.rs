//! Channels of a Verilated design as plain integers: packs and unpacks payload structs by the field
//! layout of their rust-hdl type.

use lauberhorn_hw::rtl::Layout;
use lauberhorn_hw::rust_hdl::prelude::Synth;
use lauberhorn_hw::types::BusEvents;

use crate::host::BeatData;
use crate::model::{Model, ModelError, Port};
use crate::wire::BEAT_BYTES;

/// Limbs of the widest payload.
const PAYLOAD_LIMBS: usize = 10;

/// Position of a field in a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) low: usize,
    pub(crate) width: usize,
}

/// Fields of a payload type by name, in the order asked for.
pub(crate) fn fields<T: Synth, const N: usize>(names: [&str; N]) -> [Field; N] {
    let layout = Layout::of(&T::descriptor()).expect("a payload is a struct");
    names.map(|name| {
        let (low, width, _) = layout.find(name).expect("the payload has the field");
        Field { low, width }
    })
}

/// Fields of what an adapter reports.
pub(crate) fn event_fields() -> [Field; 4] {
    fields::<BusEvents, 4>([
        "bus_refused_requests",
        "bus_refused_writes",
        "bus_dropped_responses",
        "bus_incomplete",
    ])
}

/// A payload under construction or being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload([u64; PAYLOAD_LIMBS]);

impl Payload {
    /// The 64 data bytes stand at bit 0 of every payload that has them.
    pub(crate) fn with_data(data: &BeatData) -> Self {
        let mut limbs = [0; PAYLOAD_LIMBS];
        limbs[..8].copy_from_slice(data);
        Self(limbs)
    }

    pub(crate) fn with_bytes(bytes: &[u8; BEAT_BYTES]) -> Self {
        let mut data = [0; 8];
        for (limb, bytes) in data.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("chunks of 8"));
        }
        Self::with_data(&data)
    }

    pub(crate) fn empty() -> Self {
        Self([0; PAYLOAD_LIMBS])
    }

    pub(crate) fn data(&self) -> BeatData {
        let mut data = [0; 8];
        data.copy_from_slice(&self.0[..8]);
        data
    }

    pub(crate) fn bytes(&self) -> [u8; BEAT_BYTES] {
        let mut bytes = [0; BEAT_BYTES];
        for (bytes, limb) in bytes.chunks_exact_mut(8).zip(self.data()) {
            bytes.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    fn put(&mut self, field: Field, value: u64) {
        let (limb, shift) = (field.low / 64, field.low % 64);
        self.0[limb] |= value << shift;
        if shift + field.width > 64 {
            self.0[limb + 1] |= value >> (64 - shift);
        }
    }

    fn get(&self, field: Field) -> u64 {
        let (limb, shift) = (field.low / 64, field.low % 64);
        let mut value = self.0[limb] >> shift;
        if shift + field.width > 64 {
            value |= self.0[limb + 1] << (64 - shift);
        }
        match field.width {
            64 => value,
            width => value & ((1 << width) - 1),
        }
    }
}

/// A channel into the card.
#[derive(Debug)]
pub(crate) struct In<const N: usize> {
    valid: Port,
    payload: Port,
    fields: [Field; N],
}

impl<const N: usize> In<N> {
    pub(crate) fn new(model: &Model, name: &str, fields: [Field; N]) -> Result<Self, ModelError> {
        Ok(Self {
            valid: model.port(&format!("{name}$valid"))?,
            payload: model.port(&format!("{name}$payload"))?,
            fields,
        })
    }

    /// Drives the channel; an idle channel keeps its old payload.
    pub(crate) fn drive(&self, model: &mut Model, item: Option<(Payload, [u64; N])>) {
        model.set(self.valid, u64::from(item.is_some()));
        if let Some((mut payload, values)) = item {
            for (field, value) in self.fields.iter().zip(values) {
                payload.put(*field, value);
            }
            let limbs = self.payload.width_bits().div_ceil(64) as usize;
            model.set_limbs(self.payload, &payload.0[..limbs]);
        }
    }
}

/// A channel out of the card.
#[derive(Debug)]
pub(crate) struct Out<const N: usize> {
    valid: Port,
    payload: Port,
    fields: [Field; N],
}

impl<const N: usize> Out<N> {
    pub(crate) fn new(model: &Model, name: &str, fields: [Field; N]) -> Result<Self, ModelError> {
        let In {
            valid,
            payload,
            fields,
        } = In::new(model, name, fields)?;
        Ok(Self {
            valid,
            payload,
            fields,
        })
    }

    pub(crate) fn sample(&self, model: &Model) -> Option<(Payload, [u64; N])> {
        if model.get(self.valid) == 0 {
            return None;
        }
        let mut payload = Payload::empty();
        let limbs = self.payload.width_bits().div_ceil(64) as usize;
        model.get_limbs(self.payload, &mut payload.0[..limbs]);
        Some((payload, self.fields.map(|field| payload.get(field))))
    }
}
