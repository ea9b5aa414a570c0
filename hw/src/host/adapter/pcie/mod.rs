//! # PCIe adapter
//! Between the line port and the AXI4 master of a PCIe bridge whose BAR holds the card's lines. Loads are
//! non-posted reads, which the card may defer, but not beyond the host's completion timeout; stores are
//! write-combined; nothing is held.
//!
//! ```text
//! ar[0] ─▶ skid ─▶ AxiRead ─▶ skid ─▶┌──────────┐─▶ load ──▶ line port
//!  r[0] ◀───────── AxiRead ◀─ skid ◀─│ Deadline │◀─ skid ◀─ fill
//!                                    └──────────┘
//! aw[0], w[0] ──▶┌──────────┐   ┌────────┐─▶ writeback
//!                │ Requests │──▶│ Gather │─▶ recall_ack
//!      recall ──▶└──────────┘   └────────┘─▶ b[0]
//! ```
//!
//! | way | cycles |
//! |---|---|
//! | `ar` to `load`, `fill` to `r`, `w` to `writeback`, `recall` to `recall_ack` | 3 each |
//!
//! Every output follows from registers only. The block time of the card must end well before the
//! deadline of 48 µs: the shortest completion timeout that a root port has by default is 50 µs.

mod deadline;
mod gather;
mod requests;

pub use deadline::Deadline;
pub use gather::Gather;
pub use requests::Requests;

use super::axi_read::{Aperture, AxiRead};
use super::events::Events;
use super::types::{
    AxiAddress, AxiReadData, AxiWriteData, AxiWriteResponse, GatherRequest, ReadAnswer,
};
use crate::design::Design;
use crate::host::shape::Shape;
use crate::stream::skid::Skid;
use crate::types::{
    BusEvents, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, StreamIn, StreamOut,
};
use rust_hdl::prelude::*;

/// AXI ports: one, in a row as the ports of other adapters are.
const PORTS: usize = 1;

/// Cycles after which a read is answered with an error: 48 µs.
pub const DEADLINE_CYCLES: u64 = 12_000;

/// The adapter.
#[derive(LogicBlock)]
pub struct PcieAdapter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Reads.
    pub ar: Vec<StreamIn<AxiAddress>>,
    /// Their data.
    pub r: Vec<StreamOut<AxiReadData>>,
    /// Writes.
    pub aw: Vec<StreamIn<AxiAddress>>,
    /// Their data.
    pub w: Vec<StreamIn<AxiWriteData>>,
    /// Their answers.
    pub b: Vec<StreamOut<AxiWriteResponse>>,
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
    ar_skid: Vec<Skid<AxiAddress>>,
    load_skid: Skid<LineLoad>,
    fill_skid: Skid<LineFill>,
    answer_skid: Skid<ReadAnswer>,
    read: AxiRead,
    deadline: Deadline,
    requests: Requests,
    gather: Gather,
    reports: Events,
}

/// The lines of a card, from the start of its BAR.
fn aperture(shape: &Shape) -> Aperture {
    Aperture {
        index_bits: shape.line_count().next_power_of_two().ilog2() as usize,
        offset_bits: 6,
    }
}

impl PcieAdapter {
    /// An adapter for a card with 64-byte lines.
    ///
    /// # Panics
    /// When its lines have another size.
    pub fn new(shape: &Shape) -> Self {
        let line_bytes = shape.config().line_bytes();
        assert!(
            line_bytes == 64,
            "pcie: lines of {line_bytes} bytes; a processor stores and loads 64 at once"
        );
        let aperture = aperture(shape);
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            ar: vec![StreamIn::default(); PORTS],
            r: vec![StreamOut::default(); PORTS],
            aw: vec![StreamIn::default(); PORTS],
            w: vec![StreamIn::default(); PORTS],
            b: vec![StreamOut::default(); PORTS],
            load: StreamOut::default(),
            fill: StreamIn::default(),
            writeback: StreamOut::default(),
            recall: StreamIn::default(),
            recall_ack: StreamOut::default(),
            events: Signal::default(),
            ar_skid: vec![Skid::default()],
            load_skid: Skid::default(),
            fill_skid: Skid::default(),
            answer_skid: Skid::default(),
            read: AxiRead::new(PORTS, 1, aperture),
            deadline: Deadline::new(DEADLINE_CYCLES),
            requests: Requests::new(aperture),
            gather: Gather::new(shape, aperture.index_bits),
            reports: Events::new(2, true),
        }
    }
}

impl Logic for PcieAdapter {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            load_skid,
            fill_skid,
            answer_skid,
            read,
            deadline,
            requests,
            gather,
            reports
        );
        self.load_skid.reset.next = self.reset.val();
        self.fill_skid.reset.next = self.reset.val();
        self.answer_skid.reset.next = self.reset.val();
        self.read.reset.next = self.reset.val();
        self.deadline.reset.next = self.reset.val();
        self.requests.reset.next = self.reset.val();
        self.gather.reset.next = self.reset.val();
        self.reports.reset.next = self.reset.val();

        for i in 0..1 {
            self.ar_skid[i].clock.next = self.clock.val();
            self.ar_skid[i].reset.next = self.reset.val();
            StreamIn::<AxiAddress>::link(&mut self.ar[i], &mut self.ar_skid[i].rx);
            StreamOut::<AxiAddress>::join(&mut self.ar_skid[i].tx, &mut self.read.ar[i]);
            StreamOut::<AxiReadData>::link(&mut self.r[i], &mut self.read.r[i]);
            StreamIn::<AxiAddress>::link(&mut self.aw[i], &mut self.requests.aw);
            StreamIn::<AxiWriteData>::link(&mut self.w[i], &mut self.requests.w);
            StreamOut::<AxiWriteResponse>::link(&mut self.b[i], &mut self.gather.b);
        }

        StreamOut::<LineLoad>::join(&mut self.read.load, &mut self.load_skid.rx);
        StreamOut::<LineLoad>::join(&mut self.load_skid.tx, &mut self.deadline.load);
        StreamOut::<LineLoad>::link(&mut self.load, &mut self.deadline.load_out);
        StreamIn::<LineFill>::link(&mut self.fill, &mut self.fill_skid.rx);
        StreamOut::<LineFill>::join(&mut self.fill_skid.tx, &mut self.deadline.fill);
        StreamOut::<ReadAnswer>::join(&mut self.deadline.answer, &mut self.answer_skid.rx);
        StreamOut::<ReadAnswer>::join(&mut self.answer_skid.tx, &mut self.read.answer);
        StreamOut::<LineWriteback>::link(&mut self.writeback, &mut self.gather.writeback);
        StreamIn::<LineRecall>::link(&mut self.recall, &mut self.requests.recall);
        StreamOut::<GatherRequest>::join(&mut self.requests.request, &mut self.gather.request);
        StreamOut::<LineRecallAck>::link(&mut self.recall_ack, &mut self.gather.ack);

        self.reports.pulse[0].next = self.read.refused.val();
        self.reports.pulse[1].next = self.gather.refused.val();
        self.reports.amount[0].next = self.gather.incomplete.val();
        self.events.next = self.reports.events.val();
    }
}

/// The adapter and its blocks.
pub fn designs() -> Vec<Design> {
    let shape = Shape::named("cxl");
    let aperture = aperture(&shape);
    vec![
        Design::leaf("adapter_pcie_read", AxiRead::new(PORTS, 1, aperture)),
        Design::leaf("adapter_pcie_deadline", Deadline::new(DEADLINE_CYCLES)),
        Design::leaf("adapter_pcie_requests", Requests::new(aperture)),
        Design::leaf(
            "adapter_pcie_gather",
            Gather::new(&shape, aperture.index_bits),
        ),
        Design::leaf("adapter_pcie_events", Events::new(2, true)),
        Design::composite("adapter_pcie", PcieAdapter::new(&shape)),
    ]
}
