//! # CXL adapter
//! Between the line port and the transaction layer of CXL.mem, as a device whose memory is HDM-DB:
//! coherent with back-invalidate snoops. Flits, credits and retries are the link layer's.
//!
//! ```text
//!  req ─▶ skid ─▶┌─────────┐──▶ load ──────▶ line port
//!  rwd ─▶ skid ─▶│ CxlHost │──▶ writeback ─▶
//!                └──┬──────┘
//!                   │ opened, done
//!  ndr ◀─ skid ◀─┌──▼──────┐◀─ skid ◀─ fill
//!  drs ◀─ skid ◀─│ CxlCard │
//! bisnp ◀ skid ◀─│         │◀─ skid ◀─ recall
//! birsp ▶ skid ─▶└─────────┘──▶ skid ─▶ recall_ack
//! ```
//!
//! | way | cycles |
//! |---|---|
//! | `req` to `load`, `fill` to `ndr` and `drs`, `rwd` to `writeback`, `recall` to `bisnp`, `birsp` to `recall_ack` | 2 each |
//!
//! Every output follows from registers only.

mod card;
mod host;
pub mod types;

pub use card::CxlCard;
pub use host::CxlHost;

use super::axi_read::Aperture;
use super::events::Events;
use crate::design::Design;
use crate::host::shape::Shape;
use crate::stream::skid::Skid;
use crate::types::{
    BusEvents, FlowOut, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, StreamIn,
    StreamOut,
};
use rust_hdl::prelude::*;
use types::{
    CxlCompletion, CxlData, CxlDone, CxlOpened, CxlRequest, CxlSnoop, CxlSnoopResponse, CxlWrite,
};

/// The adapter.
#[derive(LogicBlock)]
pub struct CxlAdapter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// M2S Req.
    pub req: StreamIn<CxlRequest>,
    /// M2S RwD.
    pub rwd: StreamIn<CxlWrite>,
    /// M2S BIRsp.
    pub birsp: StreamIn<CxlSnoopResponse>,
    /// S2M NDR.
    pub ndr: StreamOut<CxlCompletion>,
    /// S2M DRS.
    pub drs: StreamOut<CxlData>,
    /// S2M BISnp.
    pub bisnp: StreamOut<CxlSnoop>,
    /// Line port: loads.
    pub load: StreamOut<LineLoad>,
    /// Line port: their answers.
    pub fill: StreamIn<LineFill>,
    /// Line port: lines given back.
    pub writeback: StreamOut<LineWriteback>,
    /// Line port: lines wanted back.
    pub recall: StreamIn<LineRecall>,
    /// Line port: their acknowledgements.
    pub recall_ack: StreamOut<LineRecallAck>,
    /// What was not accepted.
    pub events: Signal<Out, BusEvents>,
    req_skid: Skid<CxlRequest>,
    rwd_skid: Skid<CxlWrite>,
    birsp_skid: Skid<CxlSnoopResponse>,
    ndr_skid: Skid<CxlCompletion>,
    drs_skid: Skid<CxlData>,
    bisnp_skid: Skid<CxlSnoop>,
    fill_skid: Skid<LineFill>,
    recall_skid: Skid<LineRecall>,
    ack_skid: Skid<LineRecallAck>,
    done_skid: Skid<CxlDone>,
    host: CxlHost,
    card: CxlCard,
    reports: Events,
}

/// The lines of a card, as the host names them.
fn aperture(shape: &Shape) -> Aperture {
    let index_bits = shape.line_count().next_power_of_two().ilog2() as usize;
    assert!(
        index_bits <= card::BI_TAG_BITS,
        "cxl: an aperture of {} lines; a snoop's tag names {}",
        shape.line_count(),
        1 << card::BI_TAG_BITS
    );
    Aperture {
        index_bits,
        offset_bits: 6,
    }
}

impl CxlAdapter {
    /// An adapter for a card with 64-byte lines.
    ///
    /// # Panics
    /// When its lines have another size, or there are too many.
    pub fn new(shape: &Shape) -> Self {
        let line_bytes = shape.config().line_bytes();
        assert!(
            line_bytes == 64,
            "cxl: lines of {line_bytes} bytes; the interconnect has 64"
        );
        let aperture = aperture(shape);
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            req: StreamIn::default(),
            rwd: StreamIn::default(),
            birsp: StreamIn::default(),
            ndr: StreamOut::default(),
            drs: StreamOut::default(),
            bisnp: StreamOut::default(),
            load: StreamOut::default(),
            fill: StreamIn::default(),
            writeback: StreamOut::default(),
            recall: StreamIn::default(),
            recall_ack: StreamOut::default(),
            events: Signal::default(),
            req_skid: Skid::default(),
            rwd_skid: Skid::default(),
            birsp_skid: Skid::default(),
            ndr_skid: Skid::default(),
            drs_skid: Skid::default(),
            bisnp_skid: Skid::default(),
            fill_skid: Skid::default(),
            recall_skid: Skid::default(),
            ack_skid: Skid::default(),
            done_skid: Skid::default(),
            host: CxlHost::new(aperture),
            card: CxlCard::new(aperture),
            reports: Events::new(3, false),
        }
    }
}

impl Logic for CxlAdapter {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self, clock, req_skid, rwd_skid, birsp_skid, ndr_skid, drs_skid, bisnp_skid
        );
        clock!(
            self,
            clock,
            fill_skid,
            recall_skid,
            ack_skid,
            done_skid,
            host,
            card,
            reports
        );
        self.req_skid.reset.next = self.reset.val();
        self.rwd_skid.reset.next = self.reset.val();
        self.birsp_skid.reset.next = self.reset.val();
        self.ndr_skid.reset.next = self.reset.val();
        self.drs_skid.reset.next = self.reset.val();
        self.bisnp_skid.reset.next = self.reset.val();
        self.fill_skid.reset.next = self.reset.val();
        self.recall_skid.reset.next = self.reset.val();
        self.ack_skid.reset.next = self.reset.val();
        self.done_skid.reset.next = self.reset.val();
        self.host.reset.next = self.reset.val();
        self.card.reset.next = self.reset.val();
        self.reports.reset.next = self.reset.val();

        StreamIn::<CxlRequest>::link(&mut self.req, &mut self.req_skid.rx);
        StreamOut::<CxlRequest>::join(&mut self.req_skid.tx, &mut self.host.req);
        StreamIn::<CxlWrite>::link(&mut self.rwd, &mut self.rwd_skid.rx);
        StreamOut::<CxlWrite>::join(&mut self.rwd_skid.tx, &mut self.host.rwd);
        StreamOut::<LineLoad>::link(&mut self.load, &mut self.host.load);
        StreamOut::<LineWriteback>::link(&mut self.writeback, &mut self.host.writeback);
        FlowOut::<CxlOpened>::join(&mut self.host.opened, &mut self.card.opened);
        StreamOut::<CxlDone>::join(&mut self.host.done, &mut self.done_skid.rx);
        StreamOut::<CxlDone>::join(&mut self.done_skid.tx, &mut self.card.done);

        StreamIn::<LineFill>::link(&mut self.fill, &mut self.fill_skid.rx);
        StreamOut::<LineFill>::join(&mut self.fill_skid.tx, &mut self.card.fill);
        FlowOut::<Bits<8>>::join(&mut self.card.release, &mut self.host.release);
        StreamOut::<CxlCompletion>::join(&mut self.card.ndr, &mut self.ndr_skid.rx);
        StreamOut::<CxlCompletion>::link(&mut self.ndr, &mut self.ndr_skid.tx);
        StreamOut::<CxlData>::join(&mut self.card.drs, &mut self.drs_skid.rx);
        StreamOut::<CxlData>::link(&mut self.drs, &mut self.drs_skid.tx);
        StreamIn::<LineRecall>::link(&mut self.recall, &mut self.recall_skid.rx);
        StreamOut::<LineRecall>::join(&mut self.recall_skid.tx, &mut self.card.recall);
        StreamOut::<CxlSnoop>::join(&mut self.card.bisnp, &mut self.bisnp_skid.rx);
        StreamOut::<CxlSnoop>::link(&mut self.bisnp, &mut self.bisnp_skid.tx);
        StreamIn::<CxlSnoopResponse>::link(&mut self.birsp, &mut self.birsp_skid.rx);
        StreamOut::<CxlSnoopResponse>::join(&mut self.birsp_skid.tx, &mut self.card.birsp);
        StreamOut::<LineRecallAck>::join(&mut self.card.ack, &mut self.ack_skid.rx);
        StreamOut::<LineRecallAck>::link(&mut self.recall_ack, &mut self.ack_skid.tx);

        self.reports.pulse[0].next = self.host.refused_req.val();
        self.reports.pulse[1].next = self.host.refused_rwd.val();
        self.reports.pulse[2].next = self.card.dropped.val();
        self.events.next = self.reports.events.val();
    }
}

/// The adapter and its blocks.
pub fn designs() -> Vec<Design> {
    let shape = Shape::named("cxl");
    vec![
        Design::leaf("adapter_cxl_host", CxlHost::new(aperture(&shape))),
        Design::leaf("adapter_cxl_card", CxlCard::new(aperture(&shape))),
        Design::leaf("adapter_cxl_events", Events::new(3, false)),
        Design::composite("adapter_cxl", CxlAdapter::new(&shape)),
    ]
}
