//! # ECI write port
//! Takes the lines that Enzian's directory writes back, over the AXI4 write channels of both its
//! slices, to the line port. Writes of anything but a whole line are refused.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `aw[s]`, `w[s]` | in | streams of `AxiAddress`, `AxiWriteData` | writes; a slice's data in the order of its addresses |
//! | `writeback` | out | stream of `LineWriteback` | dirty lines, their beats one after the other |
//! | `b[s]` | out | stream of `AxiWriteResponse` | once the card has the line, so that whatever follows it stays behind; its `ready` does not fall while nothing is given |
//! | `refused` | out | bit | pulse: answered with an error |
//!
//! Spec: AMBA AXI4 (IHI 0022), A3 and A5.
//! Latency: 1 cycle from `w` to `writeback`.
//! Throughput: 1 beat/cycle over both slices.
//! Backpressure: lossless. Within a cycle `aw[s].ready` and `w[s].ready` follow from all `aw` and `w`,
//! `writeback.ready` and `b[s].ready`; `b[s]` from `writeback.ready` and, for a refused write, from `w[s]`
//! and `b[s].ready`.
//! Ordering: bursts of a slice in order, slices take turns burst by burst.
//! Reset: forgets a burst half taken.
//! Errors: outside of the aperture DECERR, other than two whole beats SLVERR; such bursts are taken and
//! dropped. A line whose second beat is not whole, or whose `last` is in the wrong place, reaches the
//! card all the same and is answered SLVERR: it belongs to nobody else.

use super::address::alias;
use crate::host::adapter::axi_read::{Aperture, DECERR, OKAY, SLVERR};
use crate::host::adapter::types::{AxiAddress, AxiWriteData, AxiWriteResponse};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{LineWriteback, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 7;
const LEN_BITS: usize = 8;
/// Slices of the directory.
pub(super) const SLICES: usize = 2;

/// The block.
#[derive(LogicBlock, Default)]
pub struct EciWrite {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Write addresses of each slice.
    pub aw: Vec<StreamIn<AxiAddress>>,
    /// Their data.
    pub w: Vec<StreamIn<AxiWriteData>>,
    /// Lines.
    pub writeback: StreamOut<LineWriteback>,
    /// Answers.
    pub b: Vec<StreamOut<AxiWriteResponse>>,
    /// Pulse: an error was answered.
    pub refused: Signal<Out, Bit>,
    _aperture: Aperture,
}

impl EciWrite {
    /// A write port for the lines of this aperture.
    pub fn new(aperture: Aperture) -> Self {
        Self {
            aw: vec![StreamIn::default(); SLICES],
            w: vec![StreamIn::default(); SLICES],
            b: vec![StreamOut::default(); SLICES],
            _aperture: aperture,
            ..Self::default()
        }
    }
}

impl Leaf for EciWrite {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "aw$*$ready <- aw$*$payload",
            "aw$*$ready <- aw$*$valid",
            "aw$*$ready <- b$*$ready",
            "aw$*$ready <- w$*$payload",
            "aw$*$ready <- w$*$valid",
            "aw$*$ready <- writeback$ready",
            "w$*$ready <- aw$*$payload",
            "w$*$ready <- aw$*$valid",
            "w$*$ready <- b$*$ready",
            "w$*$ready <- w$*$payload",
            "w$*$ready <- w$*$valid",
            "w$*$ready <- writeback$ready",
            "b$*$payload <- aw$*$payload",
            "b$*$payload <- aw$*$valid",
            "b$*$payload <- w$*$valid",
            "b$*$valid <- aw$*$payload",
            "b$*$valid <- aw$*$valid",
            "b$*$valid <- b$*$ready",
            "b$*$valid <- w$*$payload",
            "b$*$valid <- w$*$valid",
            "b$*$valid <- writeback$ready",
        ]
    }

    fn body(&self, b: &Body) {
        // The burst: its first beat comes with the address, the others find it in registers.
        let inside = b.reg("inside_q", 1);
        let turn = b.reg("turn_q", 1);
        let held_slice = b.reg_data("slice_q", 1);
        let held_bad = b.reg_data("bad_q", 1);
        let held_outside = b.reg_data("outside_q", 1);
        let held_line = b.reg_data("line_q", 24);
        let held_id = b.reg_data("id_q", ID_BITS);
        let left = b.reg_data("left_q", LEN_BITS);

        let starts: Vec<_> = (0..SLICES)
            .map(|slice| b.read(&self.aw[slice].valid) & b.read(&self.w[slice].valid))
            .collect();
        let next = b.wire("next_slice", starts[1] & (turn.q() | !starts[0]));
        let slice = b.wire("slice", inside.q().mux(held_slice.q(), next));
        let aw: Vec<_> = self.aw.iter().map(|aw| b.read(&aw.payload)).collect();
        let w: Vec<_> = self.w.iter().map(|w| b.read(&w.payload)).collect();
        let w_valid: Vec<_> = self.w.iter().map(|w| b.read(&w.valid)).collect();
        let aw = b.typed::<AxiAddress>(slice.mux(aw[1], aw[0]));
        let w = b.typed::<AxiWriteData>(slice.mux(w[1], w[0]));
        let valid = b.wire(
            "valid",
            inside
                .q()
                .mux(slice.mux(w_valid[1], w_valid[0]), starts[0] | starts[1]),
        );
        let full = b.wire("full", w.field("strobe").all());
        let (index, found) = self._aperture.find(aw.field("address"));
        let aligned = !aw.field("address").trunc(self._aperture.offset_bits).any();
        let shape = aw.field("len").eq_lit(1) & aw.field("size").eq_lit(6);
        let whole = shape & aw.field("burst").eq_lit(1) & aligned & full;
        b.unused(aw);
        let first = !inside.q();
        let outside = first.mux(!found, held_outside.q());
        let bad = b.wire("bad", first.mux(!found | !whole, held_bad.q()));
        let line = first.mux(alias(b, index).zext(24), held_line.q());
        let id = first.mux(aw.field("id"), held_id.q());
        let last = b.wire(
            "last",
            first.mux(!aw.field("len").any(), left.q().eq_lit(1)),
        );
        let wrong = b.wire("wrong", !full | (w.field("last") ^ last));

        // Output register; the answer leaves with the line's last beat.
        let out_valid = b.reg("out_valid_q", 1);
        let out = b.reg_of::<LineWriteback>("out_q");
        let out_slice = b.reg_data("out_slice_q", 1);
        let out_id = b.reg_data("out_id_q", ID_BITS);
        let out_wrong = b.reg_data("out_wrong_q", 1);
        let b_ready: Vec<_> = self.b.iter().map(|port| b.read(&port.ready)).collect();
        let out_last = out.q().field("last");
        // Known the cycle before: `ready` stays until something is given.
        let can_answer: Vec<_> = (0..SLICES)
            .map(|slice| b.reg(&format!("can_answer_{slice}_q"), 1))
            .collect();
        let may_answer = out_slice.q().mux(can_answer[1].q(), can_answer[0].q());
        let offered = b.wire("offered", out_valid.q() & (!out_last | may_answer));
        let taken = b.wire("taken", offered & b.read(&self.writeback.ready));
        b.drive(&self.writeback.valid, offered);
        b.drive(&self.writeback.payload, out.q());

        // A refused burst ends when nothing is before it, so that answers stay in order.
        let may_end = !out_valid.q() & slice.mux(b_ready[1], b_ready[0]);
        let room = bad.mux(!last | may_end, !out_valid.q() | taken);
        let goes = b.wire("goes", valid & room);
        for port in 0..SLICES {
            let here = match port {
                0 => !slice,
                _ => slice,
            };
            b.drive(&self.w[port].ready, goes & here);
            b.drive(&self.aw[port].ready, goes & here & first);
        }
        let earlier_wrong = b.reg_data("earlier_wrong_q", 1);
        b.when(goes, || {
            inside.set(!last);
            turn.set(!slice);
            held_slice.set(slice);
            held_bad.set(bad);
            held_outside.set(outside);
            held_line.set(line);
            held_id.set(id);
            left.set(first.mux(aw.field("len"), left.q().dec()));
            earlier_wrong.set(wrong);
        });
        // What the register holds without `out_valid` means nothing, so nothing wide waits for the checks.
        b.when(taken | !out_valid.q(), || {
            out_valid.set(goes & !bad);
            out.set(b.pack::<LineWriteback>(&[
                ("data", w.field("data")),
                ("address", line),
                ("dirty", b.bit(true)),
                ("last", last),
            ]));
            out_slice.set(slice);
            out_id.set(id);
            out_wrong.set(wrong | (!first & earlier_wrong.q()));
        });

        let ends_bad = b.wire("ends_bad", goes & bad & last);
        let ends_good = b.wire("ends_good", taken & out_last);
        let refusal = outside.mux(b.lit(2, DECERR), b.lit(2, SLVERR));
        let verdict = out_wrong.q().mux(b.lit(2, SLVERR), b.lit(2, OKAY));
        let ends_slice = out_valid.q().mux(out_slice.q(), slice);
        for (port, answer) in self.b.iter().enumerate() {
            let here = match port {
                0 => !ends_slice,
                _ => ends_slice,
            };
            let given = b.wire(&format!("given_{port}"), (ends_bad | ends_good) & here);
            can_answer[port].set(b_ready[port] & !given);
            b.assert(
                &format!("room_for_answer_{port}_stays"),
                !can_answer[port].q() | b_ready[port],
            );
            b.drive(&answer.valid, given);
            b.drive(
                &answer.payload,
                b.pack::<AxiWriteResponse>(&[
                    ("id", out_valid.q().mux(out_id.q(), id)),
                    ("resp", out_valid.q().mux(verdict, refusal)),
                ]),
            );
        }
        let refused = b.reg("refused_q", 1);
        refused.set(ends_bad | (ends_good & out_wrong.q()));
        b.drive(&self.refused, refused.q());
    }
}
leaf!(impl[] EciWrite { aw, w, writeback, b, refused });
