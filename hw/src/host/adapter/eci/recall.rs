//! # ECI recalls
//! Turns recalls into clean-invalidates (LCI) of Enzian's directory, its acknowledgements (LCIA) into
//! those of the line port, and unlocks (UL) the line at once. Loads and fills pass through here, as a
//! recall that meets a load of its line is special:
//!
//! A directory unit does one thing at a time. While it waits for the card to answer a load, an LCI
//! of that line waits behind it, and the card may be waiting for the LCI before it answers. But the
//! load says that the host does not hold the line, so the recall is acknowledged clean here:
//!
//! | the line has | a recall of it | a load of it | an LCIA of it |
//! |---|---|---|---|
//! | nothing | sends an LCI | passes | is dropped |
//! | a load without fill | is acknowledged clean | (the directory never does that) | is dropped |
//! | an LCI out, its recall waits | (the card never does that) | passes, acknowledges the recall clean | acknowledges it, UL |
//! | an LCI out, its recall was acknowledged | waits for that LCI | passes | UL |
//!
//! An LCI whose recall was acknowledged takes the line away again after the fill: to the card that is
//! an eviction.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `load`, `load_out` | both | streams of `LineLoad` | address hashed in, plain out |
//! | `fill`, `answer` | both | streams of `LineFill`, `ReadAnswer` | the same beats |
//! | `recall` | in | stream of `LineRecall` | at most one at a time of a line |
//! | `ack` | out | stream of `LineRecallAck` | clean: dirty data comes as a write before the LCIA; its `ready` does not fall while nothing is given |
//! | `lci[s]`, `ul[s]` | out | streams of `EciMessage` | to slice 0 (even channels, odd hashed lines), 1 |
//! | `lcia[s]` | in | stream of `EciMessage` | from them |
//! | `dropped` | out | bit | pulse: an acknowledgement of nothing, or not well formed |
//!
//! Latency: 1 cycle from `load` to `load_out`; 0 from `fill` to `answer`, `recall` to `lci`, `lcia` to `ack`.
//! Throughput: 1 of each per cycle, in all but cycles in which two are about one line.
//! Backpressure: lossless. Everything but `load_out` follows within the cycle from the inputs: `load.ready`
//! from `load_out.ready` and `ack.ready`, `recall` and `lcia` from each other, `load` and `fill`.
//! Ordering: as they come; in one cycle loads go first, then acknowledgements, then recalls.
//! Reset: forgets everything, and is ready when it has cleared its tables, a cycle for each line.
//! Errors: acknowledgements of nothing are dropped: this channel has no error answer.

use super::address::alias;
use super::write::SLICES;
use crate::host::adapter::axi_read::Aperture;
use crate::host::adapter::flags::{Flags, Sweep};
use crate::host::adapter::types::{EciMessage, ReadAnswer};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{LineFill, LineLoad, LineRecall, LineRecallAck, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// Opcode of LCI and LCIA.
pub const CLEAN_INVALIDATE: u64 = 0b00001;
/// Opcode of UL.
pub const UNLOCK: u64 = 0b00010;
/// Channel of LCI to the slice of even channel numbers.
pub const REQUEST_CHANNEL: u64 = 16;
/// Channel of LCIA and UL of that slice.
pub const RESPONSE_CHANNEL: u64 = 18;
/// Node number of the card.
pub const CARD_NODE: u64 = 1;

/// Places of the fields of a word.
pub(super) const ADDRESS_BITS: usize = 40;
const LINE_OFFSET_BITS: usize = 7;
const ID_BITS: usize = 8;
const RECALL_ID_BITS: usize = 16;

/// The block.
#[derive(LogicBlock, Default)]
pub struct EciRecall {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Loads of the host.
    pub load: StreamIn<LineLoad>,
    /// The same, to the card.
    pub load_out: StreamOut<LineLoad>,
    /// The card's answers.
    pub fill: StreamIn<LineFill>,
    /// The same, to the host.
    pub answer: StreamOut<ReadAnswer>,
    /// Lines wanted back.
    pub recall: StreamIn<LineRecall>,
    /// Their acknowledgements.
    pub ack: StreamOut<LineRecallAck>,
    /// Clean-invalidates.
    pub lci: Vec<StreamOut<EciMessage>>,
    /// Their acknowledgements.
    pub lcia: Vec<StreamIn<EciMessage>>,
    /// Unlocks.
    pub ul: Vec<StreamOut<EciMessage>>,
    /// Pulse: an acknowledgement was dropped.
    pub dropped: Signal<Out, Bit>,
    _aperture: Aperture,
}

impl EciRecall {
    /// Recalls of the lines of this aperture.
    pub fn new(aperture: Aperture) -> Self {
        Self {
            lci: vec![StreamOut::default(); SLICES],
            lcia: vec![StreamIn::default(); SLICES],
            ul: vec![StreamOut::default(); SLICES],
            _aperture: aperture,
            ..Self::default()
        }
    }
}

impl Leaf for EciRecall {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "load$ready <- ack$ready",
            "load$ready <- load_out$ready",
            "fill$ready <- answer$ready",
            "answer$payload <- fill$payload",
            "answer$valid <- fill$valid",
            "recall$ready <- ack$ready",
            "recall$ready <- answer$ready",
            "recall$ready <- fill$payload",
            "recall$ready <- fill$valid",
            "recall$ready <- lci$*$ready",
            "recall$ready <- lcia$*$payload",
            "recall$ready <- lcia$*$valid",
            "recall$ready <- load$payload",
            "recall$ready <- load$valid",
            "recall$ready <- recall$payload",
            "recall$ready <- recall$valid",
            "recall$ready <- ul$*$ready",
            "recall$ready <- load_out$ready",
            "lci$*$payload <- recall$payload",
            "lci$*$valid <- answer$ready",
            "lci$*$valid <- fill$payload",
            "lci$*$valid <- fill$valid",
            "lci$*$valid <- lcia$*$payload",
            "lci$*$valid <- lcia$*$valid",
            "lci$*$valid <- load$payload",
            "lci$*$valid <- load$valid",
            "lci$*$valid <- recall$payload",
            "lci$*$valid <- recall$valid",
            "lcia$*$ready <- ack$ready",
            "lcia$*$ready <- lcia$*$payload",
            "lcia$*$ready <- lcia$*$valid",
            "lcia$*$ready <- load$payload",
            "lcia$*$ready <- load$valid",
            "lcia$*$ready <- load_out$ready",
            "lcia$*$ready <- ul$*$ready",
            "ul$*$payload <- lcia$*$payload",
            "ul$*$payload <- lcia$*$valid",
            "ul$*$valid <- ack$ready",
            "ul$*$valid <- lcia$*$payload",
            "ul$*$valid <- lcia$*$valid",
            "ul$*$valid <- load$payload",
            "ul$*$valid <- load$valid",
            "ul$*$valid <- load_out$ready",
            "ul$*$valid <- ul$*$ready",
            "ack$payload <- ack$ready",
            "ack$payload <- lcia$*$payload",
            "ack$payload <- lcia$*$valid",
            "ack$payload <- load$payload",
            "ack$payload <- load$valid",
            "ack$payload <- load_out$ready",
            "ack$payload <- recall$payload",
            "ack$payload <- ul$*$ready",
            "ack$valid <- ack$ready",
            "ack$valid <- answer$ready",
            "ack$valid <- fill$payload",
            "ack$valid <- fill$valid",
            "ack$valid <- lcia$*$payload",
            "ack$valid <- lcia$*$valid",
            "ack$valid <- load$payload",
            "ack$valid <- load$valid",
            "ack$valid <- load_out$ready",
            "ack$valid <- recall$payload",
            "ack$valid <- recall$valid",
            "ack$valid <- ul$*$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let bits = self._aperture.index_bits;
        let room = b.read(&self.ack.ready);

        let sweep = Sweep::new(b, bits);
        let ready = !sweep.on;
        let pending = Flags::new(b, "pending", 2, bits);
        let out = Flags::new(b, "lci_out", 2, bits);
        let waiting = Flags::new(b, "recall_waits", 3, bits);
        let ids = b.memory(
            "recall_ids",
            1 << bits,
            RECALL_ID_BITS,
            MemoryStyle::Distributed,
        );
        let loaded = b.memory("loaded_lines", 1 << ID_BITS, bits, MemoryStyle::Distributed);

        // Loads.
        let load = b.read(&self.load.payload);
        let load_line = b.wire("load_line", alias(b, load.field("address").trunc(bits)));
        let load_valid = b.read(&self.load.valid);
        let load_q = b.reg_of::<LineLoad>("load_q");
        let load_valid_q = b.reg("load_valid_q", 1);
        let pass = b.wire("pass", !load_valid_q.q() | b.read(&self.load_out.ready));
        let load_ready = b.wire("load_ready", pass & room & ready);
        let loads = b.wire("loads", load_valid & load_ready);
        b.unused(load);
        b.drive(&self.load.ready, load_ready);
        b.when(pass, || {
            load_valid_q.set(loads);
            load_q.set(b.pack::<LineLoad>(&[
                ("address", load_line.zext(24)),
                ("id", load.field("id")),
                ("exclusive", load.field("exclusive")),
            ]));
        });
        b.drive(&self.load_out.valid, load_valid_q.q());
        b.drive(&self.load_out.payload, load_q.q());
        b.when(loads, || loaded.write(load.field("id"), load_line));
        let crossed = b.wire(
            "crossed",
            loads & out.get(load_line) & waiting.get(load_line),
        );
        pending.turn(0, loads & !pending.get(load_line), load_line, &sweep);
        waiting.turn(1, crossed, load_line, &sweep);

        // Fills: a line that has been given out is no longer only asked for.
        let fill = b.read(&self.fill.payload);
        let answer_ready = b.read(&self.answer.ready);
        b.drive(&self.fill.ready, answer_ready);
        b.drive(&self.answer.valid, b.read(&self.fill.valid));
        b.drive(
            &self.answer.payload,
            b.pack::<ReadAnswer>(&[
                ("data", fill.field("data")),
                ("id", fill.field("id")),
                ("failed", b.bit(false)),
                ("last", fill.field("last")),
            ]),
        );
        b.unused(fill);
        let fill_line = b.wire("fill_line", loaded.read_now(fill.field("id")));
        let given = b.read(&self.fill.valid) & answer_ready & fill.field("last");
        let given = b.wire("given", given);
        pending.turn(1, given & pending.get(fill_line), fill_line, &sweep);

        // Acknowledgements of the directory; the slices take turns.
        let turn = b.reg("turn_q", 1);
        let arrived: Vec<_> = self.lcia.iter().map(|port| b.read(&port.valid)).collect();
        let slice = b.wire("slice", arrived[1] & (turn.q() | !arrived[0]));
        let messages: Vec<_> = self.lcia.iter().map(|port| b.read(&port.payload)).collect();
        let message = b.typed::<EciMessage>(slice.mux(messages[1], messages[0]));
        let word = message.field("word");
        let address = word.trunc(ADDRESS_BITS);
        let (index, found) = self._aperture.find(address);
        let lcia_line = b.wire("lcia_line", alias(b, index));
        let shape = word.slice(59, 5).eq_lit(u128::from(CLEAN_INVALIDATE))
            & message.field("size").eq_lit(1)
            & message
                .field("channel")
                .slice(1, 4)
                .eq_lit(u128::from(RESPONSE_CHANNEL >> 1))
            & !(message.field("channel").bit(0) ^ slice)
            & !(slice_of(index) ^ slice)
            & !address.trunc(LINE_OFFSET_BITS).any();
        let legal = b.wire("legal", found & shape & out.get(lcia_line));
        b.unused(message);
        let arrives = arrived[0] | arrived[1];
        let answers = b.wire("answers", waiting.get(lcia_line));
        let ul_ready: Vec<_> = self.ul.iter().map(|port| b.read(&port.ready)).collect();
        let unlocked = slice.mux(ul_ready[1], ul_ready[0]);
        let alone = !same(load_valid, load_line, lcia_line);
        let may = unlocked & alone & (!answers | (room & !crossed));
        let takes = b.wire("takes", arrives & ready & (!legal | may));
        let done = b.wire("done", takes & legal);
        for (port, lcia) in self.lcia.iter().enumerate() {
            b.drive(&lcia.ready, takes & is(port, slice));
        }
        b.when(takes, || turn.set(!slice));
        out.turn(1, done, lcia_line, &sweep);
        waiting.turn(2, done & answers, lcia_line, &sweep);

        // Recalls.
        let recall = b.read(&self.recall.payload);
        let line = b.wire("recall_line", recall.field("address").trunc(bits));
        b.unused(recall);
        let apart = !same(load_valid, load_line, line)
            & !same(arrives, lcia_line, line)
            & !same(given, fill_line, line);
        let starts = b.wire("starts", b.read(&self.recall.valid) & ready & apart);
        let (asked, sent) = (pending.get(line), out.get(line));
        let hashed = b.wire("hashed", alias(b, line));
        let to = slice_of(hashed);
        let lci_ready: Vec<_> = self.lci.iter().map(|port| b.read(&port.ready)).collect();
        let acks = b.wire("acks", crossed | (done & answers));
        let at_once = b.wire("at_once", starts & asked & room & !acks);
        let joins = b.wire("joins", starts & !asked & sent);
        let sends = b.wire("sends", starts & !asked & !sent);
        let sent_now = b.wire("sent_now", sends & to.mux(lci_ready[1], lci_ready[0]));
        b.drive(&self.recall.ready, at_once | joins | sent_now);
        out.turn(0, sent_now, line, &sweep);
        waiting.turn(0, sent_now | joins, line, &sweep);
        b.when(sent_now | joins, || ids.write(line, recall.field("id")));
        b.assert("one_recall_of_a_line", !(joins & waiting.get(line)));

        let byte_address = b
            .cat(&[hashed, b.zero(LINE_OFFSET_BITS)])
            .zext(ADDRESS_BITS);
        let opcode = |value: u64| b.lit(5, u128::from(value));
        for slice in 0..SLICES {
            let channel = |base: u64| b.lit(5, u128::from(base) + slice as u128);
            // Address, node of the card, not secure, all four parts of the line, id of the request.
            let request = b.cat_le(&[
                byte_address,
                b.zero(2),
                b.lit(2, u128::from(CARD_NODE)),
                b.zero(1),
                b.bit(true),
                b.lit(4, 0xf),
                b.zero(6 + 3),
                opcode(CLEAN_INVALIDATE),
            ]);
            b.drive(&self.lci[slice].valid, sends & is(slice, to));
            b.drive(
                &self.lci[slice].payload,
                b.pack::<EciMessage>(&[
                    ("word", request),
                    ("size", b.lit(5, 1)),
                    ("channel", channel(REQUEST_CHANNEL)),
                ]),
            );
            let response = b.cat_le(&[address, b.zero(19), opcode(UNLOCK)]);
            b.drive(&self.ul[slice].valid, done & is(slice, slice_of(index)));
            b.drive(
                &self.ul[slice].payload,
                b.pack::<EciMessage>(&[
                    ("word", response),
                    ("size", b.lit(5, 1)),
                    ("channel", channel(RESPONSE_CHANNEL)),
                ]),
            );
        }

        let id = crossed.mux(
            ids.read_now(load_line),
            (done & answers).mux(ids.read_now(lcia_line), recall.field("id")),
        );
        b.drive(&self.ack.valid, acks | at_once);
        b.drive(
            &self.ack.payload,
            b.pack::<LineRecallAck>(&[
                ("data", b.zero(512)),
                ("id", id),
                ("dirty", b.bit(false)),
                ("last", b.bit(true)),
            ]),
        );
        let dropped = b.reg("dropped_q", 1);
        dropped.set(takes & !legal);
        b.drive(&self.dropped, dropped.q());
    }
}
leaf!(impl[] EciRecall { load, load_out, fill, answer, recall, ack, lci, lcia, ul, dropped });

fn same<'b>(valid: Expr<'b>, line: Expr<'b>, other: Expr<'b>) -> Expr<'b> {
    valid & line.eq(other)
}

/// The slice chosen is this one.
fn is(slice: usize, chosen: Expr<'_>) -> Expr<'_> {
    match slice {
        0 => !chosen,
        _ => chosen,
    }
}

/// The slice of a hashed line: 1, of odd channels, for even lines.
fn slice_of(hashed: Expr<'_>) -> Expr<'_> {
    !hashed.bit(0)
}
