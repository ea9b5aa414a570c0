//! # ECI adapter
//! Between the line port and the two slices of Enzian's directory controller: AXI4 reads and writes of
//! 128-byte lines for loads and lines written back, local messages (LCI, LCIA, UL) for recalls. The
//! directory decides who holds a line and how; the card grants every load the right to write, and
//! learns nothing of clean evictions.
//!
//! ```text
//!  ar[s] ─▶ L ─▶ skid ─▶┌─────────┐ load ▶┌───────────┐─▶ load ────────▶ line port
//!   r[s] ◀──────────────│ AxiRead │◀─ skid ◀─ answer ─│           │◀─ fill
//! aw[s] ─▶ L ─▶ skid ─▶┌──────────┐            │           │
//!  w[s] ──────▶ skid ─▶│ EciWrite │────────────│ EciRecall │──▶ writeback
//!   b[s] ◀───── skid ◀─└──────────┘            │           │◀─ skid ◀─ recall
//! lci[s], ul[s] ◀─ skid ◀─ P ◀─────────────────│           │─▶ skid ─▶ recall_ack
//! lcia[s] ─▶ L ─▶ skid ───────────────────────▶└───────────┘
//! ```
//!
//! | way | cycles |
//! |---|---|
//! | `ar` to `load`, `fill` to `r`, `w` to `writeback` | 2 each |
//! | `recall` to `lci`, or to the `recall_ack` of a line that is asked for; `lcia` to `recall_ack` and `ul` | 3 each |
//!
//! L ([`EciLocate`]) and P ([`EciPlace`]) translate between the directory's names of lines and those of
//! the card: on the bus the lines lie so that none waits for another in one of the directory's units.
//!
//! Every output follows from registers only, so that the adapter cuts all paths between the card and
//! the directory. Slice 0 has the even channels and the odd lines, as
//! the directory names them.

mod address;
mod recall;
mod table;
mod translate;
mod write;

pub use recall::{
    CARD_NODE, CLEAN_INVALIDATE, EciRecall, REQUEST_CHANNEL, RESPONSE_CHANNEL, UNLOCK,
};
pub use translate::{EciLocate, EciPlace};
pub use write::EciWrite;

use super::axi_read::{Aperture, AxiRead};
use super::events::Events;
use super::types::{
    AxiAddress, AxiReadData, AxiWriteData, AxiWriteResponse, EciMessage, ReadAnswer,
};
use crate::design::Design;
use crate::host::shape::Shape;
use crate::stream::skid::Skid;
use crate::types::{
    BusEvents, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, StreamIn, StreamOut,
};
use rust_hdl::prelude::*;
use write::SLICES;

/// The adapter.
#[derive(LogicBlock)]
pub struct EciAdapter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Reads of each slice.
    pub ar: Vec<StreamIn<AxiAddress>>,
    /// Their data.
    pub r: Vec<StreamOut<AxiReadData>>,
    /// Writes of each slice.
    pub aw: Vec<StreamIn<AxiAddress>>,
    /// Their data.
    pub w: Vec<StreamIn<AxiWriteData>>,
    /// Their answers.
    pub b: Vec<StreamOut<AxiWriteResponse>>,
    /// Clean-invalidates to each slice.
    pub lci: Vec<StreamOut<EciMessage>>,
    /// Their acknowledgements.
    pub lcia: Vec<StreamIn<EciMessage>>,
    /// Unlocks.
    pub ul: Vec<StreamOut<EciMessage>>,
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
    ar_locate: Vec<EciLocate<AxiAddress>>,
    aw_locate: Vec<EciLocate<AxiAddress>>,
    lcia_locate: Vec<EciLocate<EciMessage>>,
    lci_place: Vec<EciPlace<EciMessage>>,
    ul_place: Vec<EciPlace<EciMessage>>,
    ar_skid: Vec<Skid<AxiAddress>>,
    aw_skid: Vec<Skid<AxiAddress>>,
    w_skid: Vec<Skid<AxiWriteData>>,
    b_skid: Vec<Skid<AxiWriteResponse>>,
    lci_skid: Vec<Skid<EciMessage>>,
    lcia_skid: Vec<Skid<EciMessage>>,
    ul_skid: Vec<Skid<EciMessage>>,
    answer_skid: Skid<ReadAnswer>,
    recall_skid: Skid<LineRecall>,
    ack_skid: Skid<LineRecallAck>,
    read: AxiRead,
    write: EciWrite,
    recalls: EciRecall,
    reports: Events,
}

/// The lines of a card, as the directory names them.
fn aperture(shape: &Shape) -> Aperture {
    Aperture {
        index_bits: address::index_bits(shape),
        offset_bits: 7,
    }
}

fn skids<T: Synth>() -> Vec<Skid<T>> {
    (0..SLICES).map(|_| Skid::default()).collect()
}

fn locates<T: Synth>(shape: &Shape) -> Vec<EciLocate<T>> {
    (0..SLICES).map(|_| EciLocate::new(shape)).collect()
}

fn places<T: Synth>(shape: &Shape) -> Vec<EciPlace<T>> {
    (0..SLICES).map(|_| EciPlace::new(shape)).collect()
}

impl EciAdapter {
    /// An adapter for a card with 128-byte lines.
    ///
    /// # Panics
    /// When its lines have another size, or no safe plan.
    pub fn new(shape: &Shape) -> Self {
        let line_bytes = shape.config().line_bytes();
        assert!(
            line_bytes == 128,
            "eci: lines of {line_bytes} bytes; the interconnect has 128"
        );
        let aperture = aperture(shape);
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            ar: vec![StreamIn::default(); SLICES],
            r: vec![StreamOut::default(); SLICES],
            aw: vec![StreamIn::default(); SLICES],
            w: vec![StreamIn::default(); SLICES],
            b: vec![StreamOut::default(); SLICES],
            lci: vec![StreamOut::default(); SLICES],
            lcia: vec![StreamIn::default(); SLICES],
            ul: vec![StreamOut::default(); SLICES],
            load: StreamOut::default(),
            fill: StreamIn::default(),
            writeback: StreamOut::default(),
            recall: StreamIn::default(),
            recall_ack: StreamOut::default(),
            events: Signal::default(),
            ar_locate: locates(shape),
            aw_locate: locates(shape),
            lcia_locate: locates(shape),
            lci_place: places(shape),
            ul_place: places(shape),
            ar_skid: skids(),
            aw_skid: skids(),
            w_skid: skids(),
            b_skid: skids(),
            lci_skid: skids(),
            lcia_skid: skids(),
            ul_skid: skids(),
            answer_skid: Skid::default(),
            recall_skid: Skid::default(),
            ack_skid: Skid::default(),
            read: AxiRead::new(SLICES, 2, aperture),
            write: EciWrite::new(aperture),
            recalls: EciRecall::new(aperture),
            reports: Events::new(3, false),
        }
    }
}

impl Logic for EciAdapter {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            answer_skid,
            recall_skid,
            ack_skid,
            read,
            write,
            recalls,
            reports
        );
        self.answer_skid.reset.next = self.reset.val();
        self.recall_skid.reset.next = self.reset.val();
        self.ack_skid.reset.next = self.reset.val();
        self.read.reset.next = self.reset.val();
        self.write.reset.next = self.reset.val();
        self.recalls.reset.next = self.reset.val();
        self.reports.reset.next = self.reset.val();

        for i in 0..2 {
            self.ar_skid[i].clock.next = self.clock.val();
            self.ar_skid[i].reset.next = self.reset.val();
            self.aw_skid[i].clock.next = self.clock.val();
            self.aw_skid[i].reset.next = self.reset.val();
            self.w_skid[i].clock.next = self.clock.val();
            self.w_skid[i].reset.next = self.reset.val();
            self.b_skid[i].clock.next = self.clock.val();
            self.b_skid[i].reset.next = self.reset.val();
            self.lci_skid[i].clock.next = self.clock.val();
            self.lci_skid[i].reset.next = self.reset.val();
            self.lcia_skid[i].clock.next = self.clock.val();
            self.lcia_skid[i].reset.next = self.reset.val();
            self.ul_skid[i].clock.next = self.clock.val();
            self.ul_skid[i].reset.next = self.reset.val();
            StreamIn::<AxiAddress>::link(&mut self.ar[i], &mut self.ar_locate[i].rx);
            StreamOut::<AxiAddress>::join(&mut self.ar_locate[i].tx, &mut self.ar_skid[i].rx);
            StreamOut::<AxiAddress>::join(&mut self.ar_skid[i].tx, &mut self.read.ar[i]);
            StreamOut::<AxiReadData>::link(&mut self.r[i], &mut self.read.r[i]);
            StreamIn::<AxiAddress>::link(&mut self.aw[i], &mut self.aw_locate[i].rx);
            StreamOut::<AxiAddress>::join(&mut self.aw_locate[i].tx, &mut self.aw_skid[i].rx);
            StreamOut::<AxiAddress>::join(&mut self.aw_skid[i].tx, &mut self.write.aw[i]);
            StreamIn::<AxiWriteData>::link(&mut self.w[i], &mut self.w_skid[i].rx);
            StreamOut::<AxiWriteData>::join(&mut self.w_skid[i].tx, &mut self.write.w[i]);
            StreamOut::<AxiWriteResponse>::join(&mut self.write.b[i], &mut self.b_skid[i].rx);
            StreamOut::<AxiWriteResponse>::link(&mut self.b[i], &mut self.b_skid[i].tx);
            StreamOut::<EciMessage>::join(&mut self.recalls.lci[i], &mut self.lci_place[i].rx);
            StreamOut::<EciMessage>::join(&mut self.lci_place[i].tx, &mut self.lci_skid[i].rx);
            StreamOut::<EciMessage>::link(&mut self.lci[i], &mut self.lci_skid[i].tx);
            StreamIn::<EciMessage>::link(&mut self.lcia[i], &mut self.lcia_locate[i].rx);
            StreamOut::<EciMessage>::join(&mut self.lcia_locate[i].tx, &mut self.lcia_skid[i].rx);
            StreamOut::<EciMessage>::join(&mut self.lcia_skid[i].tx, &mut self.recalls.lcia[i]);
            StreamOut::<EciMessage>::join(&mut self.recalls.ul[i], &mut self.ul_place[i].rx);
            StreamOut::<EciMessage>::join(&mut self.ul_place[i].tx, &mut self.ul_skid[i].rx);
            StreamOut::<EciMessage>::link(&mut self.ul[i], &mut self.ul_skid[i].tx);
        }

        StreamOut::<LineLoad>::join(&mut self.read.load, &mut self.recalls.load);
        StreamOut::<LineLoad>::link(&mut self.load, &mut self.recalls.load_out);
        StreamIn::<LineFill>::link(&mut self.fill, &mut self.recalls.fill);
        StreamOut::<ReadAnswer>::join(&mut self.recalls.answer, &mut self.answer_skid.rx);
        StreamOut::<ReadAnswer>::join(&mut self.answer_skid.tx, &mut self.read.answer);
        StreamOut::<LineWriteback>::link(&mut self.writeback, &mut self.write.writeback);
        StreamIn::<LineRecall>::link(&mut self.recall, &mut self.recall_skid.rx);
        StreamOut::<LineRecall>::join(&mut self.recall_skid.tx, &mut self.recalls.recall);
        StreamOut::<LineRecallAck>::join(&mut self.recalls.ack, &mut self.ack_skid.rx);
        StreamOut::<LineRecallAck>::link(&mut self.recall_ack, &mut self.ack_skid.tx);

        self.reports.pulse[0].next = self.read.refused.val();
        self.reports.pulse[1].next = self.write.refused.val();
        self.reports.pulse[2].next = self.recalls.dropped.val();
        self.events.next = self.reports.events.val();
    }
}

/// The adapter and its blocks.
pub fn designs() -> Vec<Design> {
    let eci = Shape::named("eci");
    let jumbo = Shape::named("eci-16-jumbo");
    vec![
        Design::leaf("adapter_eci_read", AxiRead::new(SLICES, 2, aperture(&eci))),
        Design::leaf("adapter_eci_write", EciWrite::new(aperture(&eci))),
        Design::leaf("adapter_eci_recall", EciRecall::new(aperture(&eci))),
        Design::leaf(
            "adapter_eci_recall_16_jumbo",
            EciRecall::new(aperture(&jumbo)),
        ),
        Design::leaf("adapter_eci_events", Events::new(3, false)),
        Design::leaf(
            "adapter_eci_locate_address",
            EciLocate::<AxiAddress>::new(&eci),
        ),
        Design::leaf(
            "adapter_eci_locate_message",
            EciLocate::<EciMessage>::new(&eci),
        ),
        Design::leaf("adapter_eci_place", EciPlace::<EciMessage>::new(&eci)),
        Design::leaf(
            "adapter_eci_locate_16_jumbo",
            EciLocate::<AxiAddress>::new(&jumbo),
        ),
        Design::leaf(
            "adapter_eci_place_16_jumbo",
            EciPlace::<EciMessage>::new(&jumbo),
        ),
        Design::composite("adapter_eci", EciAdapter::new(&eci)),
    ]
}
