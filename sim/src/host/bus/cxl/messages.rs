//! # CXL.mem messages
//! What travels on the six channels between the host and the adapter, and the channels as ports of its model.
//! Fields and opcodes are those of [`lauberhorn_hw::host::adapter::cxl::types`].

use lauberhorn_hw::host::adapter::cxl::types::*;

use crate::channel::{Payload, fields};
use crate::host::BeatData;
use crate::host::bus::pins::{Inlet, Outlet};
use crate::model::{Model, ModelError};

/// M2S Req.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) address: u64,
    pub(super) tag: u16,
    pub(super) opcode: u64,
    pub(super) snoop: u64,
    pub(super) meta_field: u64,
    pub(super) meta_value: u64,
}

/// M2S RwD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) data: BeatData,
    pub(super) address: u64,
    pub(super) tag: u16,
    pub(super) opcode: u64,
    pub(super) poison: bool,
}

/// M2S BIRsp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) opcode: u64,
    pub(super) bi_tag: u16,
}

/// S2M NDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) opcode: u64,
    pub(super) tag: u16,
}

/// S2M DRS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) data: BeatData,
    pub(super) opcode: u64,
    pub(super) tag: u16,
    pub(super) poison: bool,
}

impl Data {
    /// What answers a read of a line that there is not.
    pub(super) fn is_nowhere(&self) -> bool {
        self.opcode == MEM_DATA_NXM && self.poison && self.data == [u64::MAX; 8]
    }
}

/// S2M BISnp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snoop {
    pub(super) address: u64,
    pub(super) opcode: u64,
    pub(super) bi_tag: u16,
}

/// The channels, from the host's side.
pub(super) struct Channels {
    pub(super) req: Inlet<Request, 6>,
    pub(super) rwd: Inlet<Write, 6>,
    pub(super) birsp: Inlet<Response, 2>,
    pub(super) ndr: Outlet<Completion, 2>,
    pub(super) drs: Outlet<Data, 3>,
    pub(super) bisnp: Outlet<Snoop, 3>,
}

impl Channels {
    /// The ports of an adapter's model.
    ///
    /// # Errors
    /// When the model has no such port.
    pub(super) fn open(model: &Model) -> Result<Channels, ModelError> {
        let request = [
            "address",
            "tag",
            "opcode",
            "snoop",
            "meta_field",
            "meta_value",
        ];
        let write = [
            "address",
            "tag",
            "opcode",
            "meta_field",
            "meta_value",
            "poison",
        ];
        let req = Inlet::new(
            model,
            "req",
            fields::<CxlRequest, 6>(request),
            |item: &Request| {
                let rest = [item.snoop, item.meta_field, item.meta_value];
                let [snoop, field, value] = rest;
                let tag = item.tag.into();
                let values = [item.address, tag, item.opcode, snoop, field, value];
                (Payload::empty(), values)
            },
        )?;
        let rwd = Inlet::new(
            model,
            "rwd",
            fields::<CxlWrite, 6>(write),
            |item: &Write| {
                let (tag, poison) = (item.tag.into(), item.poison.into());
                let values = [
                    item.address,
                    tag,
                    item.opcode,
                    META0_STATE,
                    META_INVALID,
                    poison,
                ];
                (Payload::with_data(&item.data), values)
            },
        )?;
        let birsp = Inlet::new(
            model,
            "birsp",
            fields::<CxlSnoopResponse, 2>(["opcode", "bi_tag"]),
            |item: &Response| (Payload::empty(), [item.opcode, item.bi_tag.into()]),
        )?;
        let ndr = Outlet::new(
            model,
            "ndr",
            "ndr",
            fields::<CxlCompletion, 2>(["opcode", "tag"]),
            |_, [opcode, tag]| Completion {
                opcode,
                tag: tag as u16,
            },
        )?;
        let drs = Outlet::new(
            model,
            "drs",
            "drs",
            fields::<CxlData, 3>(["opcode", "tag", "poison"]),
            |payload, [opcode, tag, poison]| Data {
                data: payload.data(),
                opcode,
                tag: tag as u16,
                poison: poison != 0,
            },
        )?;
        let bisnp = Outlet::new(
            model,
            "bisnp",
            "bisnp",
            fields::<CxlSnoop, 3>(["address", "opcode", "bi_tag"]),
            |_, [address, opcode, bi_tag]| Snoop {
                address,
                opcode,
                bi_tag: bi_tag as u16,
            },
        )?;
        Ok(Channels {
            req,
            rwd,
            birsp,
            ndr,
            drs,
            bisnp,
        })
    }
}
