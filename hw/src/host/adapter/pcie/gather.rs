//! # PCIe stores
//! Gathers write-combined stores into lines. A processor's write-combining buffer leaves whole, or in
//! pieces of any size in any order; the line port knows whole lines only. Every transmit line
//! has a place here where its bytes come together.
//!
//! | a write to | becomes |
//! |---|---|
//! | a transmit line, which is then whole | the line |
//! | a transmit control line, whose header is then there with all the bytes that it announces | the line |
//! | a transmit line, else | kept |
//! | any other line | a line at once: what counts is that it was written |
//!
//! Nothing is held on PCIe, so a recall is acknowledged at once: with what was gathered of the line, else
//! clean. Bytes that were not written are zero.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `aw`, `w` | in | streams of `AxiAddress`, `AxiWriteData` | writes of one beat, any strobes |
//! | `writeback` | out | stream of `LineWriteback` | lines |
//! | `b` | out | stream of `AxiWriteResponse` | once the card has the line, or its bytes are kept; its `ready` does not fall while nothing is given |
//! | `recall`, `ack` | both | streams of `LineRecall`, `LineRecallAck` | taken in turn with writes |
//! | `incomplete` | out | 16 bits | lines of which some bytes are here |
//! | `refused` | out | bit | pulse: answered with an error |
//!
//! Latency: 1 cycle. Throughput: 1 write or recall/cycle.
//! Backpressure: lossless. Within a cycle `aw`, `w` and `recall` follow from each other and from all
//! `ready`; `writeback.valid` from `b.ready`, `b` from `writeback.ready`.
//! Ordering: as they come; a recall sees the writes before it.
//! Reset: nothing is kept; ready when the tables are cleared, a cycle for each line.
//! Errors: outside of the aperture DECERR, more than one beat SLVERR; taken and dropped.

use crate::host::adapter::axi_read::{Aperture, DECERR, OKAY, SLVERR};
use crate::host::adapter::flags::Sweep;
use crate::host::adapter::types::{AxiAddress, AxiWriteData, AxiWriteResponse};
use crate::host::shape::Shape;
use crate::leaf;
use crate::rtl::{Body, Leaf, MemoryStyle};
use crate::types::{LineRecall, LineRecallAck, LineWriteback, StreamIn, StreamOut};
use lauberhorn_interface::line::{CALL_BODY_OFFSET, FRAME_BODY_OFFSET, TxKind};
use rust_hdl::prelude::*;

const ID_BITS: usize = 7;
const RECALL_ID_BITS: usize = 16;
const LEN_BITS: usize = 8;
const LINE_BYTES: usize = 64;
/// Bytes of the control word.
const HEAD_BYTES: usize = 4;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Gather {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Write addresses.
    pub aw: StreamIn<AxiAddress>,
    /// Their data.
    pub w: StreamIn<AxiWriteData>,
    /// Answers.
    pub b: StreamOut<AxiWriteResponse>,
    /// Lines.
    pub writeback: StreamOut<LineWriteback>,
    /// Lines wanted back.
    pub recall: StreamIn<LineRecall>,
    /// Their acknowledgements.
    pub ack: StreamOut<LineRecallAck>,
    /// Lines that are not whole.
    pub incomplete: Signal<Out, Bits<16>>,
    /// Pulse: an error was answered.
    pub refused: Signal<Out, Bit>,
    _shape: Shape,
    _aperture: Aperture,
}

impl Gather {
    /// A gatherer for the lines of this card.
    pub fn new(shape: &Shape, aperture: Aperture) -> Self {
        Self {
            _shape: shape.clone(),
            _aperture: aperture,
            ..Self::default()
        }
    }
}

impl Leaf for Gather {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "aw$ready <- ack$ready",
            "aw$ready <- aw$payload",
            "aw$ready <- aw$valid",
            "aw$ready <- b$ready",
            "aw$ready <- recall$valid",
            "aw$ready <- w$valid",
            "aw$ready <- writeback$ready",
            "w$ready <- ack$ready",
            "w$ready <- aw$valid",
            "w$ready <- b$ready",
            "w$ready <- recall$valid",
            "w$ready <- w$valid",
            "w$ready <- writeback$ready",
            "recall$ready <- ack$ready",
            "recall$ready <- aw$valid",
            "recall$ready <- b$ready",
            "recall$ready <- recall$valid",
            "recall$ready <- w$valid",
            "recall$ready <- writeback$ready",
            "writeback$valid <- b$ready",
            "b$valid <- b$ready",
            "b$valid <- writeback$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let bits = self._aperture.index_bits;
        let sweep = Sweep::new(b, bits);
        let masks = b.memory("masks", 1 << bits, LINE_BYTES, MemoryStyle::Distributed);
        let heads = b.memory("heads", 1 << bits, 8 * HEAD_BYTES, MemoryStyle::Distributed);
        let bytes = b.memory("bytes", 1 << bits, 8 * LINE_BYTES, MemoryStyle::Block);

        // The second stage, which makes room for the first.
        let valid_q = b.reg("valid_q", 1);
        let is_line = b.reg_data("is_line_q", 1);
        let is_ack = b.reg_data("is_ack_q", 1);
        let b_ready = b.read(&self.b.ready);
        let line_leaves = is_line.q() & b_ready & b.read(&self.writeback.ready);
        let ack_leaves = is_ack.q() & b.read(&self.ack.ready);
        let other_leaves = !is_line.q() & !is_ack.q() & b_ready;
        let leaves = b.wire(
            "leaves",
            valid_q.q() & (line_leaves | ack_leaves | other_leaves),
        );
        let room = b.wire("room", (!valid_q.q() | leaves) & !sweep.on);

        // First stage: a write or a recall, in turns. A longer burst is taken beat by beat.
        let turn = b.reg("turn_q", 1);
        let inside = b.reg("inside_q", 1);
        let left = b.reg_data("left_q", LEN_BITS);
        let aw = b.read(&self.aw.payload);
        let w = b.read(&self.w.payload);
        let recall = b.read(&self.recall.payload);
        let writes = b.read(&self.aw.valid) & b.read(&self.w.valid);
        let wants_recall = b.read(&self.recall.valid);
        let takes_recall = b.wire("takes_recall", wants_recall & (turn.q() | !writes) & room);
        let takes_write = b.wire("takes_write", writes & !(wants_recall & turn.q()) & room);
        b.when(takes_recall | takes_write, || turn.set(takes_write));
        let single = !aw.field("len").any();
        let last = b.wire("last", inside.q().mux(!left.q().any(), single));
        b.drive(&self.recall.ready, takes_recall);
        b.drive(&self.w.ready, takes_write);
        b.drive(&self.aw.ready, takes_write & last);
        b.when(takes_write, || {
            inside.set(!last);
            left.set(inside.q().mux(left.q(), aw.field("len")).dec());
        });

        let (index, found) = self._aperture.find(aw.field("address"));
        let legal = b.wire("legal", found & single & !aw.field("size").eq_lit(7));
        let line = takes_recall.mux(recall.field("address").trunc(bits), index);
        let line = b.wire("line", line);
        let role = self._shape.decode(b, line.zext(24));
        b.unused(role.preemption);
        b.unused(role.index);
        b.unused(role.beat);
        b.unused(role.endpoint);
        let transmit = b.wire("transmit", role.half & role.tx);
        let old = b.wire("old_mask", masks.read_now(line));
        let strobe = w.field("strobe");
        let mask = b.wire("mask", old | strobe);
        let fresh = strobe.trunc(HEAD_BYTES).all();
        let head = fresh.mux(w.field("data").trunc(8 * HEAD_BYTES), heads.read_now(line));
        let head = b.wire("head", head);

        // How far the message reaches into its control line, in words of eight bytes.
        let frame = head.slice(1, 3).eq_lit(TxKind::Frame as u128);
        let offset = |bytes: usize| b.lit(17, bytes as u128);
        let start = frame.mux(offset(FRAME_BODY_OFFSET), offset(CALL_BODY_OFFSET));
        let end = b.wire("end", head.slice(16, 16).zext(17) + start);
        let words: Vec<_> = (0..LINE_BYTES / 8)
            .map(|word| mask.slice(8 * word, 8).all() | !end.gt(offset(8 * word)))
            .collect();
        let announced = head.bit(0) & mask.trunc(HEAD_BYTES).all() & b.tree(&words, |a, c| a & c);
        b.unused(head);
        let whole = mask.all() | (role.control & announced);
        let some = strobe.any();
        let line_now = b.wire("line_now", legal & some & (!transmit | whole));
        let keeps = b.wire("keeps", takes_write & legal & transmit & !whole);
        let clears = b.wire("clears", takes_recall | (takes_write & line_now));
        b.when(keeps | clears | sweep.on, || {
            let next = mask & keeps.repeat(LINE_BYTES);
            masks.write(sweep.line_or(line), next & (!sweep.on).repeat(LINE_BYTES));
        });
        // Swept like the masks: with one address for both, synthesis takes it for a single-port memory of
        // a depth that it has no cells for.
        b.when(keeps | sweep.on, || heads.write(sweep.line_or(line), head));
        b.when(takes_write & legal, || {
            bytes.write_masked(line, w.field("data"), strobe);
        });
        let stored = bytes.read(room, line);

        let had = old.any();
        let count = b.reg("incomplete_q", 16);
        b.when(keeps & some & !had, || count.set(count.q().inc()));
        b.when(clears & had, || count.set(count.q().dec()));
        b.drive(&self.incomplete, count.q());

        // Second stage: the bytes of before are there.
        let line_q = b.reg_data("line_q", bits);
        let recall_id = b.reg_data("recall_id_q", RECALL_ID_BITS);
        let id = b.reg_data("id_q", ID_BITS);
        let resp = b.reg_data("resp_q", 2);
        let old_q = b.reg_data("old_mask_q", LINE_BYTES);
        let new_q = b.reg_data("new_mask_q", LINE_BYTES);
        let data_q = b.reg_data("data_q", 8 * LINE_BYTES);
        let ends = b.wire("ends", takes_recall | (takes_write & last));
        b.when(room, || {
            valid_q.set(ends);
            is_line.set(!takes_recall & line_now);
            is_ack.set(takes_recall);
            line_q.set(line);
            recall_id.set(recall.field("id"));
            id.set(aw.field("id"));
            let error = found.mux(b.lit(2, SLVERR), b.lit(2, DECERR));
            resp.set(legal.mux(b.lit(2, OKAY), error));
            old_q.set(old);
            new_q.set(strobe & (!takes_recall).repeat(LINE_BYTES));
            data_q.set(w.field("data"));
        })
        .or_when(leaves, || valid_q.set(b.bit(false)));
        b.unused(aw);
        b.unused(w);
        b.unused(recall);

        let merged: Vec<_> = (0..LINE_BYTES)
            .map(|byte| {
                let kept = stored.bytes(byte, 1) & old_q.q().bit(byte).repeat(8);
                new_q.q().bit(byte).mux(data_q.q().bytes(byte, 1), kept)
            })
            .collect();
        let merged = b.wire("merged", b.cat_le(&merged));
        b.drive(&self.writeback.valid, valid_q.q() & is_line.q() & b_ready);
        b.drive(
            &self.writeback.payload,
            b.pack::<LineWriteback>(&[
                ("data", merged),
                ("address", line_q.q().zext(24)),
                ("dirty", b.bit(true)),
                ("last", b.bit(true)),
            ]),
        );
        b.drive(&self.ack.valid, valid_q.q() & is_ack.q());
        b.drive(
            &self.ack.payload,
            b.pack::<LineRecallAck>(&[
                ("data", merged),
                ("id", recall_id.q()),
                ("dirty", old_q.q().any()),
                ("last", b.bit(true)),
            ]),
        );
        let answers = b.wire("answers", valid_q.q() & (line_leaves | other_leaves));
        b.drive(&self.b.valid, answers);
        b.drive(
            &self.b.payload,
            b.pack::<AxiWriteResponse>(&[("id", id.q()), ("resp", resp.q())]),
        );
        let refused = b.reg("refused_q", 1);
        refused.set(answers & resp.q().any());
        b.drive(&self.refused, refused.q());
    }
}
leaf!(impl[] Gather { aw, w, b, writeback, recall, ack, incomplete, refused });
