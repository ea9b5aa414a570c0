//! # CXL responses and snoops
//! Sends what the host is owed on the NDR and DRS channels, and asks for lines with back-invalidate
//! snoops.
//!
//! **Conflicts.** A snoop may meet a request of its line at the host. The host then asks with BIConflict
//! whether the device has answered that request: if so, its completion arrives before
//! BIConflictAck, and the host gives back the line it was just given; if not, it does not hold the line.
//! All the device must do for it is to keep the order: completions enter NDR when their fill is taken
//! here, BIConflictAck when it arrives, and a snoop never leaves before a fill that the card sent
//! before the recall.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `opened` | in | flow of `CxlOpened` | one for each load |
//! | `fill` | in | stream of `LineFill` | answers to loads, one beat each |
//! | `done` | in | stream of `CxlDone` | answers without a line; takes turns with `fill` |
//! | `release` | out | flow of ids | ids of answered loads |
//! | `ndr`, `drs` | out | streams of `CxlCompletion`, `CxlData` | responses; `ready` does not fall while nothing is given |
//! | `recall` | in | stream of `LineRecall` | at most one at a time of a line |
//! | `bisnp` | out | stream of `CxlSnoop` | its tag is the line |
//! | `birsp` | in | stream of `CxlSnoopResponse` | answers to snoops |
//! | `ack` | out | stream of `LineRecallAck` | clean: dirty data comes as a write before the response |
//! | `dropped` | out | bit | pulse: a response of nothing, or other than BIRspI |
//!
//! Latency: 0 cycles. Throughput: 1 response of each kind, 1 snoop and 1 acknowledgement/cycle.
//! Backpressure: lossless; outputs follow from inputs in the cycle.
//! Ordering: each stream in order.
//! Reset: forgets everything, and is ready when it has cleared its table, a cycle for each line.
//! Errors: a response of nothing is dropped; any response of a snoop says that the line is back.

use super::types::*;
use crate::host::adapter::axi_read::Aperture;
use crate::host::adapter::flags::{Flags, Sweep};
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{FlowIn, FlowOut, LineFill, LineRecall, LineRecallAck, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 8;
const RECALL_ID_BITS: usize = 16;
/// Bits of the tag of a snoop.
pub(super) const BI_TAG_BITS: usize = 12;
/// Fills that may be inside when a recall arrives behind them.
const FILLS_AHEAD: u128 = 2;

/// The block.
#[derive(LogicBlock, Default)]
pub struct CxlCard {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Loads that the card has.
    pub opened: FlowIn<CxlOpened>,
    /// Their answers.
    pub fill: StreamIn<LineFill>,
    /// Answers without a line.
    pub done: StreamIn<CxlDone>,
    /// Ids that are free again.
    pub release: FlowOut<Bits<8>>,
    /// Responses without data.
    pub ndr: StreamOut<CxlCompletion>,
    /// Responses with data.
    pub drs: StreamOut<CxlData>,
    /// Lines wanted back.
    pub recall: StreamIn<LineRecall>,
    /// Snoops.
    pub bisnp: StreamOut<CxlSnoop>,
    /// Their answers.
    pub birsp: StreamIn<CxlSnoopResponse>,
    /// Acknowledgements of recalls.
    pub ack: StreamOut<LineRecallAck>,
    /// Pulse: a response was not what must come.
    pub dropped: Signal<Out, Bit>,
    _aperture: Aperture,
}

impl CxlCard {
    /// Responses and snoops for the lines of this aperture.
    pub fn new(aperture: Aperture) -> Self {
        Self {
            _aperture: aperture,
            ..Self::default()
        }
    }
}

impl Leaf for CxlCard {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "fill$ready <- done$payload",
            "fill$ready <- done$valid",
            "fill$ready <- drs$ready",
            "fill$ready <- fill$payload",
            "fill$ready <- fill$valid",
            "fill$ready <- ndr$ready",
            "done$ready <- done$payload",
            "done$ready <- done$valid",
            "done$ready <- drs$ready",
            "done$ready <- fill$payload",
            "done$ready <- fill$valid",
            "done$ready <- ndr$ready",
            "release$payload <- fill$payload",
            "release$valid <- done$payload",
            "release$valid <- done$valid",
            "release$valid <- drs$ready",
            "release$valid <- fill$payload",
            "release$valid <- fill$valid",
            "release$valid <- ndr$ready",
            "ndr$payload <- done$payload",
            "ndr$payload <- done$valid",
            "ndr$payload <- fill$payload",
            "ndr$payload <- fill$valid",
            "ndr$payload <- drs$ready",
            "ndr$payload <- ndr$ready",
            "ndr$valid <- done$payload",
            "ndr$valid <- done$valid",
            "ndr$valid <- drs$ready",
            "ndr$valid <- fill$payload",
            "ndr$valid <- fill$valid",
            "ndr$valid <- ndr$ready",
            "drs$payload <- done$payload",
            "drs$payload <- done$valid",
            "drs$payload <- fill$payload",
            "drs$payload <- fill$valid",
            "drs$payload <- drs$ready",
            "drs$payload <- ndr$ready",
            "drs$valid <- done$payload",
            "drs$valid <- done$valid",
            "drs$valid <- drs$ready",
            "drs$valid <- fill$payload",
            "drs$valid <- fill$valid",
            "drs$valid <- ndr$ready",
            "recall$ready <- bisnp$ready",
            "recall$ready <- birsp$payload",
            "recall$ready <- birsp$valid",
            "recall$ready <- fill$valid",
            "recall$ready <- recall$payload",
            "recall$ready <- recall$valid",
            "bisnp$payload <- recall$payload",
            "bisnp$valid <- birsp$payload",
            "bisnp$valid <- birsp$valid",
            "bisnp$valid <- fill$valid",
            "bisnp$valid <- recall$payload",
            "bisnp$valid <- recall$valid",
            "birsp$ready <- ack$ready",
            "birsp$ready <- birsp$payload",
            "birsp$ready <- birsp$valid",
            "ack$payload <- birsp$payload",
            "ack$valid <- birsp$payload",
            "ack$valid <- birsp$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let bits = self._aperture.index_bits;
        let sweep = Sweep::new(b, bits);
        let (ndr_ready, drs_ready) = (b.read(&self.ndr.ready), b.read(&self.drs.ready));

        // What the answer to a load needs, by its id.
        let opened = b.read(&self.opened.payload);
        let tail_bits = 16 + 3;
        let table = b.memory("opened", 1 << ID_BITS, tail_bits, MemoryStyle::Distributed);
        b.when(b.read(&self.opened.valid), || {
            let entry = ["tag", "data", "cached", "may_own"].map(|name| opened.field(name));
            table.write(opened.field("id"), b.cat_le(&entry));
        });
        let fill = b.read(&self.fill.payload);
        let entry = b.wire("entry", table.read_now(fill.field("id")));
        let (data, cached, may_own) = (entry.bit(16), entry.bit(17), entry.bit(18));

        // Fills and other answers take turns.
        let done = b.read(&self.done.payload);
        let turn = b.reg("turn_q", 1);
        let fill_may = b.read(&self.fill.valid) & ndr_ready & (!data | drs_ready);
        let nowhere = done.field("nowhere");
        let done_may = b.read(&self.done.valid) & nowhere.mux(drs_ready, ndr_ready);
        let done_may = b.wire("done_may", done_may);
        let fills = b.wire("fills", fill_may & !(done_may & turn.q()));
        let others = b.wire("others", done_may & !fills);
        b.when(fills | others, || turn.set(fills));
        b.drive(&self.fill.ready, fills);
        b.drive(&self.done.ready, others);
        b.drive(&self.release.valid, fills);
        b.drive(&self.release.payload, fill.field("id"));

        let code = |width: usize, value: u64| b.lit(width, u128::from(value));
        let owns = (fill.field("exclusive") & may_own).mux(code(3, CMP_E), code(3, CMP_S));
        let granted = cached.mux(owns, code(3, CMP));
        let tag = fills.mux(entry.trunc(16), done.field("tag"));
        b.drive(&self.ndr.valid, fills | (others & !nowhere));
        b.drive(
            &self.ndr.payload,
            b.pack::<CxlCompletion>(&[
                ("opcode", fills.mux(granted, done.field("opcode"))),
                ("tag", tag),
            ]),
        );
        b.drive(&self.drs.valid, (fills & data) | (others & nowhere));
        b.drive(
            &self.drs.payload,
            b.pack::<CxlData>(&[
                ("data", fill.field("data") | (!fills).repeat(512)),
                (
                    "opcode",
                    fills.mux(code(3, MEM_DATA), code(3, MEM_DATA_NXM)),
                ),
                ("tag", tag),
                ("poison", !fills),
            ]),
        );

        // Recalls, behind the fills that came before them.
        let recall = b.read(&self.recall.payload);
        let line = b.wire("recall_line", recall.field("address").trunc(bits));
        let waits = b.read(&self.recall.valid);
        let passed = b.reg("fills_passed_q", 2);
        let behind = !b.read(&self.fill.valid) | passed.q().eq_lit(FILLS_AHEAD);
        let out = Flags::new(b, "snooped", 2, bits);
        let ids = b.memory(
            "recall_ids",
            1 << bits,
            RECALL_ID_BITS,
            MemoryStyle::Distributed,
        );

        let birsp = b.read(&self.birsp.payload);
        let bi_tag = birsp.field("bi_tag");
        let answered = b.wire("answered_line", bi_tag.trunc(bits));
        let known = match BI_TAG_BITS - bits {
            0 => b.bit(true),
            beyond => !bi_tag.slice(bits, beyond).any(),
        };
        let legal = b.wire("legal", known & out.get(answered));
        let arrives = b.read(&self.birsp.valid);
        let same = arrives & answered.eq(line);
        let may = b.wire("may_snoop", waits & behind & !sweep.on & !same);
        let snoops = b.wire("snoops", may & b.read(&self.bisnp.ready));
        b.drive(&self.bisnp.valid, may);
        b.drive(
            &self.bisnp.payload,
            b.pack::<CxlSnoop>(&[
                ("address", line.zext(46)),
                ("opcode", code(4, BI_SNP_INV)),
                ("bi_tag", line.zext(BI_TAG_BITS)),
            ]),
        );
        b.drive(&self.recall.ready, snoops);
        b.when(snoops, || {
            passed.set(b.zero(2));
            ids.write(line, recall.field("id"));
        })
        .or_when(waits & fills & !passed.q().eq_lit(FILLS_AHEAD), || {
            passed.set(passed.q().inc());
        });
        out.turn(0, snoops, line, &sweep);
        b.assert("one_recall_of_a_line", !(snoops & out.get(line)));

        // Their answers.
        let ack_ready = b.read(&self.ack.ready);
        let acks = b.wire("acks", arrives & legal & !sweep.on);
        let takes = b.wire("takes", arrives & !sweep.on & (ack_ready | !legal));
        b.drive(&self.birsp.ready, takes);
        out.turn(1, acks & ack_ready, answered, &sweep);
        b.drive(&self.ack.valid, acks);
        b.drive(
            &self.ack.payload,
            b.pack::<LineRecallAck>(&[
                ("data", b.zero(512)),
                ("id", ids.read_now(answered)),
                ("dirty", b.bit(false)),
                ("last", b.bit(true)),
            ]),
        );
        let dropped = b.reg("dropped_q", 1);
        let other = !birsp.field("opcode").eq_lit(u128::from(BI_RSP_I));
        dropped.set(takes & (!legal | other));
        b.drive(&self.dropped, dropped.q());
        b.unused(fill);
        b.unused(recall);
    }
}
leaf!(impl[] CxlCard { fill, done, release, ndr, drs, recall, bisnp, birsp, ack, dropped });
