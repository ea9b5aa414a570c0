//! # AXI4 read port
//! Turns reads of lines into loads, in whatever order the answers come, and answers into read data.
//! Reads of anything but a line are answered here with an error. Several AXI ports share one card:
//! the load's id is the port and the transaction id.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `ar[p]` | in | stream of `AxiAddress` | reads; lines are named by the bus's address of them |
//! | `load` | out | stream of `LineLoad` | loads for writing, of lines in the aperture; `address` as the bus names it |
//! | `answer` | in | stream of `ReadAnswer` | one line for each load, in any order |
//! | `r[p]` | out | stream of `AxiReadData` | bursts are not mixed |
//! | `refused` | out | bit | pulse: a read was answered with an error, or its answer has failed |
//!
//! Spec: AMBA AXI4 (IHI 0022), A3 and A5.
//! Latency: 0 cycles from `ar` to `load`, 1 from `answer` to `r`.
//! Throughput: 1 load/cycle, 1 beat/cycle.
//! Backpressure: lossless. Within a cycle `load` and `ar[p].ready` follow from `ar` and `load.ready`,
//! `answer.ready` from `answer` and `r[p].ready`.
//! Ordering: a read waits while another of the same port and id is unanswered, as AXI4 wants answers of
//! one id in order; ids overtake each other freely. To find that a read waits costs the other port a cycle.
//! Reset: forgets all reads.
//! Errors: outside of the aperture DECERR, other than one whole line SLVERR, with as many beats as were
//! asked for; one at a time. Ports of one-beat lines take any narrower read, as all lanes carry the line.

use super::types::{AxiAddress, AxiReadData, ReadAnswer};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{LineLoad, StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// AXI response: done.
pub(super) const OKAY: u128 = 0;
/// AXI response: the port cannot do that.
pub(super) const SLVERR: u128 = 2;
/// AXI response: there is nothing at that address.
pub(super) const DECERR: u128 = 3;

const ID_BITS: usize = 7;
const LEN_BITS: usize = 8;

/// The block.
#[derive(LogicBlock, Default)]
pub struct AxiRead {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Reads.
    pub ar: Vec<StreamIn<AxiAddress>>,
    /// Loads.
    pub load: StreamOut<LineLoad>,
    /// Their answers.
    pub answer: StreamIn<ReadAnswer>,
    /// Answers to reads.
    pub r: Vec<StreamOut<AxiReadData>>,
    /// Pulse: an error was answered.
    pub refused: Signal<Out, Bit>,
    _beats_per_line: usize,
    _aperture: Aperture,
}

/// The lines that the bus may name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aperture {
    /// Bits of a line index; there are two to the power of it.
    pub index_bits: usize,
    /// Bits of a byte's place in a line.
    pub offset_bits: usize,
}

impl Aperture {
    /// The index of the line at a byte address, and whether there is such a line.
    pub(super) fn find<'b>(&self, address: Expr<'b>) -> (Expr<'b>, Expr<'b>) {
        let end = self.offset_bits + self.index_bits;
        let index = address.slice(self.offset_bits, self.index_bits);
        (index, !address.slice(end, address.width() - end).any())
    }
}

impl AxiRead {
    /// A read port of `ports` AXI ports, for lines of one or two beats.
    pub fn new(ports: usize, beats_per_line: usize, aperture: Aperture) -> Self {
        assert!(
            matches!(ports, 1 | 2) && matches!(beats_per_line, 1 | 2),
            "AxiRead: {ports} ports and {beats_per_line} beats per line; there are 1 or 2"
        );
        Self {
            ar: vec![StreamIn::default(); ports],
            r: vec![StreamOut::default(); ports],
            _beats_per_line: beats_per_line,
            _aperture: aperture,
            ..Self::default()
        }
    }
}

impl Leaf for AxiRead {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "ar$*$ready <- ar$*$payload",
            "ar$*$ready <- ar$*$valid",
            "ar$*$ready <- load$ready",
            "load$payload <- ar$*$payload",
            "load$payload <- ar$*$valid",
            "load$valid <- ar$*$payload",
            "load$valid <- ar$*$valid",
            "answer$ready <- answer$payload",
            "answer$ready <- r$*$ready",
        ]
    }

    fn body(&self, b: &Body) {
        let ports = self.ar.len();
        let ids = ports << ID_BITS;
        let busy = b.reg("busy_ids_q", ids);
        let error_valid = b.reg("error_valid_q", 1);

        // The ports take turns; a read that was found to wait for its id lets the other port go first.
        let turn = b.reg("turn_q", 1);
        let (mut may, mut waits, mut good, mut inside) = (vec![], vec![], vec![], vec![]);
        let mut blocked = Vec::new();
        for (port, ar) in self.ar.iter().enumerate() {
            let fields = b.read(&ar.payload);
            let mine = busy.q().slice(port << ID_BITS, 1 << ID_BITS);
            let id_is_busy = mine.shift_right(fields.field("id")).bit(0);
            waits.push(b.wire(&format!("waits_{port}"), id_is_busy));
            blocked.push(b.reg(&format!("blocked_{port}_q"), 1));
            let tries = b.read(&ar.valid) & !blocked[port].q();
            may.push(b.wire(&format!("may_{port}"), tries));
            let (address, len) = (fields.field("address"), fields.field("len"));
            let (_, found) = self._aperture.find(address);
            let whole = match self._beats_per_line {
                1 => len.eq_lit(0) & !fields.field("size").eq_lit(7),
                beats => {
                    let aligned = !address.trunc(self._aperture.offset_bits).any();
                    let shape = len.eq_lit(beats as u128 - 1) & fields.field("size").eq_lit(6);
                    shape & fields.field("burst").eq_lit(1) & aligned
                }
            };
            b.unused(fields);
            inside.push(found);
            good.push(b.wire(&format!("good_{port}"), found & whole));
        }
        let choose = match ports {
            1 => b.bit(false),
            _ => b.wire("choose", may[1] & (turn.q() | !may[0])),
        };
        let here = |port: usize| match port {
            0 => !choose,
            _ => choose,
        };
        let offers: Vec<_> = (0..ports)
            .map(|port| {
                b.wire(
                    &format!("offers_{port}"),
                    may[port] & here(port) & !waits[port],
                )
            })
            .collect();
        let valid = b.tree(&offers, |a, c| a | c);
        let payloads: Vec<_> = self.ar.iter().map(|ar| b.read(&ar.payload)).collect();
        let ar = b.wire("chosen", b.select(&payloads, choose));
        let ar = b.typed::<AxiAddress>(ar);
        let (id, len) = (ar.field("id"), ar.field("len"));
        let (line, _) = self._aperture.find(ar.field("address"));
        b.unused(ar);
        let good = b.wire("good", b.select(&good, choose));
        let inside = b.select(&inside, choose);
        let load_id = b.cat(&[choose, id]);
        b.drive(&self.load.valid, valid & good & !error_valid.q());
        b.drive(
            &self.load.payload,
            b.pack::<LineLoad>(&[
                ("address", line.zext(24)),
                ("id", load_id),
                ("exclusive", b.bit(true)),
            ]),
        );
        let free = b.wire(
            "free",
            !error_valid.q() & (!good | b.read(&self.load.ready)),
        );
        let goes = b.wire("goes", valid & free);
        let mut starts = Vec::new();
        for (port, ar) in self.ar.iter().enumerate() {
            b.drive(&ar.ready, offers[port] & free);
            blocked[port].set(b.read(&ar.valid) & waits[port]);
            starts.push(offers[port] & free & good);
        }
        // What is offered stays offered.
        b.when(goes, || turn.set(!choose))
            .or_when(valid, || turn.set(choose));
        b.unused(turn.q());

        // A bad read is answered before the next is looked at.
        let error_port = b.reg_data("error_port_q", 1);
        let error_id = b.reg_data("error_id_q", ID_BITS);
        let error_left = b.reg_data("error_left_q", LEN_BITS);
        let error_resp = b.reg_data("error_resp_q", 2);
        b.when(goes & !good, || {
            error_valid.set(b.bit(true));
            error_port.set(choose);
            error_id.set(id);
            error_left.set(len);
            error_resp.set(inside.mux(b.lit(2, SLVERR), b.lit(2, DECERR)));
        });

        // Answers; an error goes out between two lines.
        let answer = b.read(&self.answer.payload);
        let field = |name: &str| answer.field(name);
        let inside_line = b.reg("inside_line_q", 1);
        let answer_port = match ports {
            1 => b.bit(false),
            _ => field("id").bit(ID_BITS),
        };
        b.unused(answer);
        let error_turn = b.wire("error_turn", error_valid.q() & !inside_line.q());
        let out_port = error_turn.mux(error_port.q(), answer_port);
        let mut rooms = Vec::new();
        let give = b.wire("give", error_turn | b.read(&self.answer.valid));
        let resp = field("failed").mux(b.lit(2, SLVERR), b.lit(2, OKAY));
        let item = b.pack::<AxiReadData>(&[
            (
                "data",
                field("data") & (!error_turn & !field("failed")).repeat(512),
            ),
            (
                "id",
                error_turn.mux(error_id.q(), field("id").trunc(ID_BITS)),
            ),
            ("resp", error_turn.mux(error_resp.q(), resp)),
            ("last", error_turn.mux(!error_left.q().any(), field("last"))),
        ]);
        for (port, r) in self.r.iter().enumerate() {
            let out_valid = b.reg(&format!("r_valid_{port}_q"), 1);
            let out = b.reg_of::<AxiReadData>(&format!("r_{port}_q"));
            let here = match port {
                0 => !out_port,
                _ => out_port,
            };
            let room = !out_valid.q() | b.read(&r.ready);
            b.when(room, || {
                out_valid.set(give & here);
                out.set(item);
            });
            rooms.push(here & room);
            b.drive(&r.valid, out_valid.q());
            b.drive(&r.payload, out.q());
        }
        let room = b.wire("room", b.tree(&rooms, |a, c| a | c));
        b.drive(&self.answer.ready, room & !error_turn);
        let answered = b.wire("answered", room & !error_turn & b.read(&self.answer.valid));
        b.when(answered, || inside_line.set(!field("last")));
        b.when(room & error_turn, || {
            error_left.set(error_left.q().dec());
            b.when(!error_left.q().any(), || error_valid.set(b.bit(false)));
        });

        // Which ids have a read without an answer.
        let one = b.lit(1, 1).zext(ids);
        let id_bits = ID_BITS + ports - 1;
        let starts = self.ar.iter().zip(starts).map(|(ar, starts)| {
            let one = one.trunc(1 << ID_BITS);
            one.shift_left(b.read(&ar.payload).field("id")) & starts.repeat(1 << ID_BITS)
        });
        let set = b.cat_le(&starts.collect::<Vec<_>>());
        let done = answered & field("last");
        let clear = one.shift_left(field("id").trunc(id_bits)) & done.repeat(ids);
        busy.set((busy.q() | set) & !clear);

        let refused = b.reg("refused_q", 1);
        refused.set((goes & !good) | (done & field("failed")));
        b.drive(&self.refused, refused.q());
    }
}
leaf!(impl[] AxiRead { ar, load, answer, r, refused });
