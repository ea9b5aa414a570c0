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
//! Loads, fills, acknowledgements and recalls are judged side by side, each in one cycle. What is known of
//! the lines is looked up in the cycle before, so nothing else may happen to the line in these two:
//!
//! | in the same cycle, or in the one before | is |
//! |---|---|
//! | a load | never held up: it takes the last recall, acknowledgement or load of its line into account |
//! | an acknowledgement | held up by what happens to its line, but not by a recall that has to wait |
//! | a recall | held up by whatever happens to its line |
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `load`, `load_out` | both | streams of `LineLoad` | address hashed in, plain out |
//! | `fill`, `answer` | both | streams of `LineFill`, `ReadAnswer` | the same beats; none of a line whose recall is out |
//! | `recall` | in | stream of `LineRecall` | at most one at a time of a line |
//! | `ack` | out | stream of `LineRecallAck` | clean: dirty data comes as a write before the LCIA |
//! | `lci[s]`, `ul[s]` | out | streams of `EciMessage` | to slice 0 (even channels, odd hashed lines), 1; a load of the line takes an LCI back that is offered and not taken |
//! | `lcia[s]` | in | stream of `EciMessage` | from them |
//! | `dropped` | out | bit | pulse: an acknowledgement of nothing, or not well formed |
//!
//! Latency: 1 cycle from `load` to `load_out`, `recall` to `lci` or `ack`, `lcia` to `ack` and `ul`; 2 from a
//! `load` that meets its recall to `ack`; 0 from `fill` to `answer`.
//! Throughput: 1 of each per cycle; what meets something else of its line takes two cycles more, and an
//! empty cycle follows a load that meets its recall and a recall that goes while `lci` or `ack` stops.
//! Backpressure: lossless; `load.ready` falls one cycle after `load_out` stopped. Within a cycle `fill` and
//! `answer` follow from each other, `recall.ready` from `lci.ready` and `ack.ready`, `lcia.ready` from all `lcia.valid`,
//! `ul.ready` and `ack.ready`, `ul` and `ack` from `ul.ready` and `ack.ready`.
//! Ordering: as they come; in one cycle loads go first, then acknowledgements, then recalls. A load leaves
//! before the acknowledgement of the recall that it meets.
//! Reset: forgets everything, and is ready when it has cleared its tables, a cycle for each line.
//! Errors: acknowledgements of nothing are dropped: this channel has no error answer.

use super::address::alias;
use super::table::{Held, Recent, Table};
use super::write::SLICES;
use crate::host::adapter::axi_read::Aperture;
use crate::host::adapter::flags::Sweep;
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
            "fill$ready <- answer$ready",
            "answer$payload <- fill$payload",
            "answer$valid <- fill$valid",
            "recall$ready <- ack$ready",
            "recall$ready <- lci$*$ready",
            "lcia$*$ready <- ack$ready",
            "lcia$*$ready <- lcia$*$valid",
            "lcia$*$ready <- ul$*$ready",
            "ul$*$valid <- ack$ready",
            "ul$*$valid <- ul$*$ready",
            "ack$payload <- ack$ready",
            "ack$payload <- ul$*$ready",
            "ack$valid <- ack$ready",
            "ack$valid <- ul$*$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let bits = self._aperture.index_bits;
        let sweep = Sweep::new(b, bits);
        let cleared = !sweep.on;
        // Whatever writes has tables of its own; a flag is the parity over all that have it.
        let table = |name: &str, width| Table::new(b, name, (bits, width), &sweep);
        let (loads, fills) = (table("loads", 1), table("fills", 1));
        // An LCI is out; its recall waits.
        let (recalls, returns) = (table("recalled", 2), table("returns", 2));
        let crossings = table("crossings", 1);
        let ids = table("recall_ids", RECALL_ID_BITS);
        let loaded = b.memory("loaded", 1 << ID_BITS, 1 + bits, MemoryStyle::Distributed);
        let recent = |name: &str| Recent::new(b, name, bits);
        let (left, given) = (recent("left"), recent("given"));
        let (returned, asked) = (recent("returned"), recent("asked"));
        let asked_id = b.reg_data("asked_id_q", RECALL_ID_BITS);
        let load_ack = Held::new(b, "load_ack", RECALL_ID_BITS);
        let recall_ack = Held::new(b, "recall_ack", RECALL_ID_BITS);
        let room = b.read(&self.ack.ready);
        let free = b.wire("free", room & !load_ack.valid.q() & !recall_ack.valid.q());

        // What has arrived and is being judged: a load, an acknowledgement of the directory, a recall.
        let load_valid = b.reg("load_valid_q", 1);
        let load_q = b.reg_of::<LineLoad>("load_q");
        let load_line = load_q.q().field("address").trunc(bits);
        let lcia_valid = b.reg("lcia_valid_q", 1);
        let lcia_slice = b.reg_data("lcia_slice_q", 1);
        let lcia_shape = b.reg_data("lcia_shape_q", 1);
        let lcia_line = b.reg_data("lcia_line_q", bits);
        let recall_valid = b.reg("recall_valid_q", 1);
        let recall_line = b.reg_data("recall_line_q", bits);
        let recall_id = b.reg_data("recall_id_q", RECALL_ID_BITS);
        let (lcia_at, recall_at) = (lcia_line.q(), recall_line.q());
        let load_is_at = |line| load_valid.q() & load_line.eq(line);

        // Loads go on at once, unless the last one's acknowledgement waits: this one may need its place. One
        // more has room, so that `ready` need not wait for the card's.
        let (spare_valid, spare) = (b.reg("spare_valid_q", 1), b.reg_of::<LineLoad>("spare_q"));
        let comes = b.wire("comes", b.read(&self.load.valid) & cleared);
        let load = spare_valid.q().mux(spare.q(), b.read(&self.load.payload));
        let load = b.typed::<LineLoad>(load);
        let offers = b.wire("offers", load_valid.q() & !load_ack.valid.q());
        let leaves = b.wire("leaves", offers & b.read(&self.load_out.ready));
        let load_next = b.wire("load_next", !load_valid.q() | leaves);
        let arriving = b.wire("load_arriving", alias(b, load.field("address").trunc(bits)));
        b.unused(load);
        b.drive(&self.load.ready, !spare_valid.q() & cleared);
        b.when(load_next, || {
            load_valid.set(spare_valid.q() | comes);
            load_q.set(b.pack::<LineLoad>(&[
                ("address", arriving.zext(24)),
                ("id", load.field("id")),
                ("exclusive", load.field("exclusive")),
            ]));
            spare_valid.set(b.bit(false));
        })
        .or_when(comes, || spare_valid.set(b.bit(true)));
        b.when(!spare_valid.q(), || spare.set(b.read(&self.load.payload)));
        b.drive(&self.load_out.valid, offers);
        b.drive(&self.load_out.payload, load_q.q());
        let look = b.wire("load_look", load_next.mux(arriving, load_line));
        let (mark, crossing) = (!fills.look(look), crossings.look(look));
        let state = recalls.look(look) ^ returns.look(look);
        b.unused(state);
        let waits = state.bit(1) ^ crossing;
        let settled = returned.is(load_line) | left.is(load_line);
        let asked_now = b.wire("asked_now", asked.is(load_line));
        let crosses = b.wire("crosses", leaves & (asked_now | (waits & !settled)));
        loads.write(leaves, load_line, mark);
        crossings.write(crosses, load_line, !crossing);
        left.note(leaves, load_line);
        let word = b.cat(&[mark, load_line]);
        b.when(leaves, || loaded.write(load_q.q().field("id"), word));
        let id = asked_now.mux(asked_id.q(), ids.look(look));
        load_ack.turn(crosses, id, room & !recall_ack.valid.q());

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
        let gives = b.read(&self.fill.valid) & answer_ready & fill.field("last");
        let word = loaded.read_now(fill.field("id"));
        let fill_line = b.wire("fill_line", word.trunc(bits));
        fills.write(gives, fill_line, word.bit(bits));
        given.note(gives, fill_line);

        // Acknowledgements of the directory; the slices take turns.
        let turn = b.reg("turn_q", 1);
        let arrived: Vec<_> = self.lcia.iter().map(|port| b.read(&port.valid)).collect();
        let slice = b.wire("slice", arrived[1] & (turn.q() | !arrived[0]));
        let messages: Vec<_> = self.lcia.iter().map(|port| b.read(&port.payload)).collect();
        let message = b.typed::<EciMessage>(slice.mux(messages[1], messages[0]));
        let word = message.field("word");
        let address = word.trunc(ADDRESS_BITS);
        let (index, found) = self._aperture.find(address);
        let shape = word.slice(59, 5).eq_lit(u128::from(CLEAN_INVALIDATE))
            & message.field("size").eq_lit(1)
            & message
                .field("channel")
                .slice(1, 4)
                .eq_lit(u128::from(RESPONSE_CHANNEL >> 1))
            & !(message.field("channel").bit(0) ^ slice)
            & !(slice_of(index) ^ slice)
            & !address.trunc(LINE_OFFSET_BITS).any();
        b.unused(message);
        let alone =
            !load_is_at(lcia_at) & !left.is(lcia_at) & !returned.is(lcia_at) & !asked.is(lcia_at);
        let ul_ready: Vec<_> = self.ul.iter().map(|port| b.read(&port.ready)).collect();
        let unlocked = lcia_slice.q().mux(ul_ready[1], ul_ready[0]);
        let takes = b.wire("takes", lcia_valid.q() & alone & unlocked & free);
        let lcia_next = b.wire("lcia_next", !lcia_valid.q() | takes);
        for (port, lcia) in self.lcia.iter().enumerate() {
            b.drive(&lcia.ready, lcia_next & cleared & is(port, slice));
        }
        let arriving = b.wire("lcia_arriving", alias(b, index));
        b.when(lcia_next, || {
            lcia_valid.set((arrived[0] | arrived[1]) & cleared);
            lcia_slice.set(slice);
            lcia_shape.set(found & shape);
            lcia_line.set(arriving);
            turn.set(!slice);
        });
        let look = b.wire("lcia_look", lcia_next.mux(arriving, lcia_at));
        let own = returns.look(look);
        let state = recalls.look(look) ^ own;
        let (out, waits) = (state.bit(0), state.bit(1) ^ crossings.look(look));
        let returns_now = b.wire("returns_now", takes & lcia_shape.q() & out);
        let answers = b.wire("answers", returns_now & waits);
        returns.write(returns_now, lcia_at, own ^ b.cat(&[answers, b.bit(true)]));
        returned.note(returns_now, lcia_at);
        let dropped = b.reg("dropped_q", 1);
        dropped.set(takes & !returns_now);
        b.drive(&self.dropped, dropped.q());
        let lcia_id = ids.look(look);

        // Recalls. The next is looked up when this one is sure to go.
        let recall = b.read(&self.recall.payload);
        let arriving = b.wire("recall_arriving", recall.field("address").trunc(bits));
        b.unused(recall);
        let apart = !load_is_at(recall_at)
            & !(lcia_valid.q() & lcia_at.eq(recall_at))
            & !left.is(recall_at)
            & !returned.is(recall_at)
            & !given.is(recall_at);
        let starts = b.wire("starts", recall_valid.q() & apart);
        let hashed = b.wire("hashed", alias(b, recall_at));
        let to = slice_of(hashed);
        let lci_ready: Vec<_> = self.lci.iter().map(|port| b.read(&port.ready)).collect();
        let goes = to.mux(lci_ready[1], lci_ready[0]);
        let recall_next = b.wire("recall_next", !recall_valid.q() | (starts & free & goes));
        b.drive(&self.recall.ready, recall_next & cleared);
        let look = b.wire("recall_look", recall_next.mux(arriving, recall_at));
        let own = recalls.look(look);
        let state = own ^ returns.look(look);
        let loading = loads.look(look) ^ fills.look(look);
        let out = state.bit(0);
        let at_once = b.wire("at_once", starts & loading & free);
        let joins = b.wire("joins", starts & !loading & out);
        let sends = b.wire("sends", starts & !loading & !out);
        let sent = sends & goes;
        let asks = b.wire("asks", joins | sent);
        b.when(at_once | asks, || recall_valid.set(b.bit(false)));
        b.when(recall_next, || {
            recall_valid.set(b.read(&self.recall.valid) & cleared);
            recall_line.set(arriving);
            recall_id.set(recall.field("id"));
        });
        recalls.write(asks, recall_at, own ^ b.cat(&[b.bit(true), sent]));
        ids.write(asks, recall_at, recall_id.q());
        asked.note(asks, recall_at);
        asked_id.set(recall_id.q());
        let waits = state.bit(1) ^ crossings.look(look);
        b.assert("one_recall_of_a_line", !(joins & waits));
        b.assert(
            "no_fill_during_a_recall",
            !(recall_valid.q() & gives & fill_line.eq(recall_at)),
        );
        recall_ack.turn(at_once & answers, recall_id.q(), room);

        // The node is the card, the line is not secure, all its four parts are meant, the request's id is 0.
        let byte_address = |hashed| {
            let bytes = b.cat(&[hashed, b.zero(LINE_OFFSET_BITS)]);
            bytes.zext(ADDRESS_BITS)
        };
        let opcode = |value: u64| b.lit(5, u128::from(value));
        let request = b.cat_le(&[
            byte_address(hashed),
            b.zero(2),
            b.lit(2, u128::from(CARD_NODE)),
            b.zero(1),
            b.bit(true),
            b.lit(4, 0xf),
            b.zero(6 + 3),
            opcode(CLEAN_INVALIDATE),
        ]);
        let unlock = b.cat_le(&[byte_address(alias(b, lcia_at)), b.zero(19), opcode(UNLOCK)]);
        for slice in 0..SLICES {
            let message = |word, channel: u64| {
                b.pack::<EciMessage>(&[
                    ("word", word),
                    ("size", b.lit(5, 1)),
                    ("channel", b.lit(5, u128::from(channel) + slice as u128)),
                ])
            };
            b.drive(&self.lci[slice].valid, sends & is(slice, to));
            b.drive(&self.lci[slice].payload, message(request, REQUEST_CHANNEL));
            b.drive(
                &self.ul[slice].valid,
                returns_now & is(slice, lcia_slice.q()),
            );
            b.drive(&self.ul[slice].payload, message(unlock, RESPONSE_CHANNEL));
        }

        // What waits goes first, so that what is offered stays.
        let (first, second) = (recall_ack.valid.q(), load_ack.valid.q());
        b.drive(&self.ack.valid, first | second | answers | at_once);
        let now = answers.mux(lcia_id, recall_id.q());
        let id = first.mux(recall_ack.id.q(), second.mux(load_ack.id.q(), now));
        b.drive(
            &self.ack.payload,
            b.pack::<LineRecallAck>(&[
                ("data", b.zero(512)),
                ("id", id),
                ("dirty", b.bit(false)),
                ("last", b.bit(true)),
            ]),
        );
    }
}
leaf!(impl[] EciRecall { load, load_out, fill, answer, recall, ack, lci, lcia, ul, dropped });

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
