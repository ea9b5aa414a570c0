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
//! | `request` | in | stream of `GatherRequest` | writes and recalls |
//! | `writeback` | out | stream of `LineWriteback` | lines |
//! | `b` | out | stream of `AxiWriteResponse` | once the card has the line, or its bytes are kept |
//! | `ack` | out | stream of `LineRecallAck` | recalled lines |
//! | `incomplete` | out | 16 bits | lines of which some bytes are here |
//! | `refused` | out | bit | pulse: answered with an error |
//!
//! Latency: 2 cycles to `writeback` and `ack`, 3 to `b`.
//! Throughput: 1 request/cycle, also of one line: what the second stage keeps is handed to the first.
//! Backpressure: lossless. Within a cycle `request.ready` follows from all other `ready`.
//! Ordering: as they come; a recall sees the writes before it.
//! Reset: nothing is kept; ready when the table is cleared, a cycle for each line.
//! Errors: a write with an error is answered with it and does nothing.

use crate::host::adapter::flags::Sweep;
use crate::host::adapter::types::{AxiWriteResponse, GatherRequest};
use crate::host::shape::Shape;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{LineRecallAck, LineWriteback, StreamIn, StreamOut};
use lauberhorn_interface::line::{CALL_BODY_OFFSET, FRAME_BODY_OFFSET, TxKind};
use rust_hdl::prelude::*;

const AXI_ID_BITS: usize = 7;
const ID_BITS: usize = 16;
const LINE_BYTES: usize = 64;
const WORD_BYTES: usize = 8;
/// What is kept of a control word: validity and kind, then the length.
const HEAD_BITS: usize = 4 + LENGTH_BITS;
const LENGTH_BITS: usize = 16;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Gather {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Writes and recalls.
    pub request: StreamIn<GatherRequest>,
    /// Answers to writes.
    pub b: StreamOut<AxiWriteResponse>,
    /// Lines.
    pub writeback: StreamOut<LineWriteback>,
    /// Recalled lines.
    pub ack: StreamOut<LineRecallAck>,
    /// Lines that are not whole.
    pub incomplete: Signal<Out, Bits<16>>,
    /// Pulse: an error was answered.
    pub refused: Signal<Out, Bit>,
    _shape: Shape,
    _index_bits: usize,
}

impl Gather {
    /// A gatherer for the lines of this card, whose aperture has `1 << index_bits`.
    pub fn new(shape: &Shape, index_bits: usize) -> Self {
        Self {
            _shape: shape.clone(),
            _index_bits: index_bits,
            ..Self::default()
        }
    }
}

/// How far the message reaches into its control line: whether it needs `word`.
fn needs<'b>(b: &'b Body, head: Expr<'b>, word: usize) -> Expr<'b> {
    let length = head.slice(4, LENGTH_BITS);
    // A line is short, so that most of a length only says that it is longer.
    let (low, high) = (length.trunc(5), length.slice(5, LENGTH_BITS - 5));
    let reaches = |start: usize| match (word * WORD_BYTES).checked_sub(start) {
        None => b.bit(true),
        Some(bytes) => high.any() | low.gt(b.lit(5, bytes as u128)),
    };
    let frame = head.slice(1, 3).eq_lit(TxKind::Frame as u128);
    frame.mux(reaches(FRAME_BODY_OFFSET), reaches(CALL_BODY_OFFSET))
}

impl Leaf for Gather {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "request$ready <- ack$ready",
            "request$ready <- b$ready",
            "request$ready <- writeback$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let bits = self._index_bits;
        let sweep = Sweep::new(b, bits);
        let masks = b.memory("masks", 1 << bits, LINE_BYTES, MemoryStyle::Distributed);
        let heads = b.memory("heads", 1 << bits, HEAD_BITS, MemoryStyle::Distributed);
        let bytes = b.memory("bytes", 1 << bits, 8 * LINE_BYTES, MemoryStyle::Block);

        // What leaves makes room for all before it. A line that is taken while its answer must wait owes
        // nothing but that.
        let gives_line = b.reg("gives_line_q", 1);
        let gives_ack = b.reg("gives_ack_q", 1);
        let owes = b.reg("owes_q", 1);
        let answer_valid = b.reg("answer_valid_q", 1);
        let answer_room = b.wire("answer_room", !answer_valid.q() | b.read(&self.b.ready));
        let line_taken = b.wire("line_taken", gives_line.q() & b.read(&self.writeback.ready));
        let answers = owes.q() | line_taken;
        let acked = gives_ack.q() & b.read(&self.ack.ready);
        let nothing = !(gives_line.q() | gives_ack.q() | owes.q());
        let go = b.wire("go", nothing | (answers & answer_room) | acked);

        // Second stage: is the line whole?
        let judges = b.reg("judges_q", 1);
        let line = b.reg_data("line_q", bits);
        let id = b.reg_data("id_q", ID_BITS);
        let resp = b.reg_data("resp_q", 2);
        let recall = b.reg_data("recall_q", 1);
        let transmit = b.reg_data("transmit_q", 1);
        let control = b.reg_data("control_q", 1);
        let some = b.reg_data("some_q", 1);
        let old = b.reg_data("old_mask_q", LINE_BYTES);
        let strobe = b.reg_data("strobe_q", LINE_BYTES);
        let head = b.reg_data("head_q", HEAD_BITS);
        let data = b.reg_data("data_q", 8 * LINE_BYTES);
        let mask = old.q() | strobe.q();
        let announces = b.wire("announces", control.q() & head.q().bit(0));
        let words: Vec<_> = (0..LINE_BYTES / WORD_BYTES)
            .map(|word| {
                let full = mask.bytes(word, 1).all();
                full | (announces & !needs(b, head.q(), word))
            })
            .collect();
        let whole = b.wire("whole", b.tree(&words, |a, c| a & c));
        let keeps = b.wire("keeps", transmit.q() & !whole & !recall.q());
        let kept = b.wire("kept_mask", mask & keeps.repeat(LINE_BYTES));
        // While this stage waits it writes the same again.
        b.when(judges.q() | sweep.on, || {
            masks.write(
                sweep.line_or(line.q()),
                kept & (!sweep.on).repeat(LINE_BYTES),
            );
        });
        b.when(judges.q(), || {
            heads.write(line.q(), head.q());
            bytes.write_masked(line.q(), data.q(), strobe.q());
        });
        let stored = bytes.read(go, line.q());

        // First stage: what is known of the line.
        let request = b.read(&self.request.payload);
        b.drive(&self.request.ready, go & !sweep.on);
        let wanted = request.field("line").trunc(bits);
        let role = self._shape.decode(b, wanted.zext(24));
        b.unused(role.preemption);
        b.unused(role.index);
        b.unused(role.beat);
        b.unused(role.endpoint);
        let same = b.wire("same", judges.q() & wanted.eq(line.q()));
        let known_head = same.mux(head.q(), heads.read_now(wanted));
        let new = request.field("strobe");
        let words = request.field("data");
        // Bytes 0, 2 and 3 of the control word, each as it comes.
        let parts = [(0, 0, 4), (2, 4, 8), (3, 12, 8)].map(|(byte, low, width)| {
            let fresh = words.slice(8 * byte, width);
            new.bit(byte).mux(fresh, known_head.slice(low, width))
        });
        b.when(go, || {
            judges.set(b.read(&self.request.valid) & !sweep.on);
            line.set(wanted);
            id.set(request.field("id"));
            resp.set(request.field("resp"));
            recall.set(request.field("recall"));
            transmit.set(role.half & role.tx);
            control.set(role.control);
            some.set(new.any());
            old.set(same.mux(kept, masks.read_now(wanted)));
            strobe.set(new);
            head.set(b.cat_le(&parts));
            data.set(words);
        });
        b.unused(request);

        let had = b.wire("had", old.q().any());
        let moves = go & judges.q();
        let more = b.reg("more_q", 1);
        more.set(moves & keeps & some.q() & !had);
        let fewer = b.reg("fewer_q", 1);
        fewer.set(moves & !keeps & had);
        let count = b.reg("incomplete_q", 16);
        b.when(more.q(), || count.set(count.q().inc()))
            .or_when(fewer.q(), || count.set(count.q().dec()));
        b.drive(&self.incomplete, count.q());

        // Third stage: the bytes of before are there.
        let line_out = b.reg_data("line_out_q", bits);
        let id_out = b.reg_data("id_out_q", ID_BITS);
        let resp_out = b.reg_data("resp_out_q", 2);
        let had_out = b.reg_data("had_out_q", 1);
        let old_out = b.reg_data("old_mask_out_q", LINE_BYTES);
        let strobe_out = b.reg_data("strobe_out_q", LINE_BYTES);
        let data_out = b.reg_data("data_out_q", 8 * LINE_BYTES);
        b.when(go, || {
            let gives = some.q() & (!transmit.q() | whole);
            let write = judges.q() & !recall.q();
            gives_line.set(write & gives);
            owes.set(write & !gives);
            gives_ack.set(judges.q() & recall.q());
            line_out.set(line.q());
            id_out.set(id.q());
            resp_out.set(resp.q());
            had_out.set(had);
            old_out.set(old.q());
            strobe_out.set(strobe.q());
            data_out.set(data.q());
        })
        .or_when(line_taken, || {
            gives_line.set(b.bit(false));
            owes.set(b.bit(true));
        });
        let merged: Vec<_> = (0..LINE_BYTES)
            .map(|byte| {
                let kept = stored.bytes(byte, 1) & old_out.q().bit(byte).repeat(8);
                let fresh = data_out.q().bytes(byte, 1);
                strobe_out.q().bit(byte).mux(fresh, kept)
            })
            .collect();
        let merged = b.wire("merged", b.cat_le(&merged));
        b.drive(&self.writeback.valid, gives_line.q());
        b.drive(
            &self.writeback.payload,
            b.pack::<LineWriteback>(&[
                ("data", merged),
                ("address", line_out.q().zext(24)),
                ("dirty", b.bit(true)),
                ("last", b.bit(true)),
            ]),
        );
        b.drive(&self.ack.valid, gives_ack.q());
        b.drive(
            &self.ack.payload,
            b.pack::<LineRecallAck>(&[
                ("data", merged),
                ("id", id_out.q()),
                ("dirty", had_out.q()),
                ("last", b.bit(true)),
            ]),
        );

        let answer = b.reg_of::<AxiWriteResponse>("answer_q");
        b.when(answer_room, || {
            answer_valid.set(answers);
            answer.set(b.pack::<AxiWriteResponse>(&[
                ("id", id_out.q().trunc(AXI_ID_BITS)),
                ("resp", resp_out.q()),
            ]));
        });
        b.drive(&self.b.valid, answer_valid.q());
        b.drive(&self.b.payload, answer.q());
        let refused = b.reg("refused_q", 1);
        refused.set(answers & answer_room & resp_out.q().any());
        b.drive(&self.refused, refused.q());
    }
}
leaf!(impl[] Gather { request, b, writeback, ack, incomplete, refused });
