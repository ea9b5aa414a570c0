//! AXI4 channels of an adapter.

use lauberhorn_hw::host::adapter::types::{
    AxiAddress, AxiReadData, AxiWriteData, AxiWriteResponse,
};

use super::pins::{Inlet, Outlet};
use crate::channel::{Payload, fields};
use crate::host::BeatData;
use crate::model::{Model, ModelError};

/// Response of an access that was done.
pub(super) const OKAY: u8 = 0;

/// Address of a read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) address: u64,
    pub(super) id: u8,
    pub(super) len: u8,
    pub(super) size: u8,
    pub(super) burst: u8,
}

/// Beat of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadBeat {
    pub(super) data: BeatData,
    pub(super) id: u8,
    pub(super) resp: u8,
    pub(super) last: bool,
}

/// Beat of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WriteBeat {
    pub(super) data: BeatData,
    pub(super) strobe: u64,
    pub(super) last: bool,
}

/// Answer to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u8,
    pub(super) resp: u8,
}

/// The channels of one AXI port.
#[derive(Debug)]
pub(super) struct AxiPort {
    pub(super) ar: Inlet<Address, 5>,
    pub(super) r: Outlet<ReadBeat, 3>,
    pub(super) aw: Inlet<Address, 5>,
    pub(super) w: Inlet<WriteBeat, 2>,
    pub(super) b: Outlet<Answer, 2>,
}

fn encode_address(item: &Address) -> (Payload, [u64; 5]) {
    let rest = [item.id, item.len, item.size, item.burst].map(u64::from);
    let [id, len, size, burst] = rest;
    (Payload::empty(), [item.address, id, len, size, burst])
}

impl AxiPort {
    /// The port of this number.
    pub(super) fn new(model: &Model, port: usize) -> Result<AxiPort, ModelError> {
        let name = |channel: &str| format!("{channel}${port}");
        let address = fields::<AxiAddress, 5>(["address", "id", "len", "size", "burst"]);
        Ok(AxiPort {
            ar: Inlet::new(model, &name("ar"), address, encode_address)?,
            aw: Inlet::new(model, &name("aw"), address, encode_address)?,
            w: Inlet::new(
                model,
                &name("w"),
                fields::<AxiWriteData, 2>(["strobe", "last"]),
                |beat: &WriteBeat| {
                    let flags = [beat.strobe, u64::from(beat.last)];
                    (Payload::with_data(&beat.data), flags)
                },
            )?,
            r: Outlet::new(
                model,
                &name("r"),
                "r",
                fields::<AxiReadData, 3>(["id", "resp", "last"]),
                |payload, [id, resp, last]| ReadBeat {
                    data: payload.data(),
                    id: id as u8,
                    resp: resp as u8,
                    last: last == 1,
                },
            )?,
            b: Outlet::new(
                model,
                &name("b"),
                "b",
                fields::<AxiWriteResponse, 2>(["id", "resp"]),
                |_, [id, resp]| Answer {
                    id: id as u8,
                    resp: resp as u8,
                },
            )?,
        })
    }
}
