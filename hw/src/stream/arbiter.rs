//! # Arbiter
//! Merges N streams into one. Round robin: whoever was served goes to the end of the line, so a
//! requester waits for at most one item (or packet) of each other. In packet mode the choice stays
//! until an item whose `last` field is set has passed, and is made a cycle ahead: packets are wide,
//! and their items are chosen by a register. With nothing to send, the choice stays with whoever
//! was served last.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx[i]` | in | stream of `T` | the streams; `T` has a field `last` in packet mode |
//! | `tx` | out | stream of `T` | their items |
//! | `from` | out | 8 bits | which input the item on `tx` came from |
//!
//! Latency: 1 cycle; in packet mode 2 for the first item of an input that was not served last, when
//! nothing else was there to send.
//! Throughput: 1 item/cycle.
//! Backpressure: lossless; one item more is taken while `tx` stalls, so that nothing follows from
//! `tx.ready` in the same cycle. Outputs but `rx[i].ready` are registered; that follows from all
//! `valid` in the same cycle, but not in packet mode.
//! Ordering: kept within each input; packets are not mixed in packet mode.
//! Reset: drops the items in its registers and forgets an unfinished packet; input 0 is first.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Value};
use crate::types::{Beat, StreamIn, StreamOut};
use rust_hdl::prelude::*;

const FROM_BITS: usize = 8;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Arbiter<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Streams in.
    pub rx: Vec<StreamIn<T>>,
    /// Merged stream.
    pub tx: StreamOut<T>,
    /// Input that the item on `tx` came from.
    pub from: Signal<Out, Bits<8>>,
    _packets: bool,
}

impl<T: Synth> Arbiter<T> {
    /// Chooses anew for every item.
    pub fn items(ways: usize) -> Self {
        Self {
            rx: vec![StreamIn::default(); ways],
            ..Self::default()
        }
    }

    /// Chooses anew after every item whose field `last` is set.
    pub fn packets(ways: usize) -> Self {
        Self {
            _packets: true,
            ..Self::items(ways)
        }
    }
}

/// Keeps the lowest set bit only; works on a list of single bits.
fn lowest<'b>(b: &'b Body, requests: &[Expr<'b>]) -> Vec<Expr<'b>> {
    let only = |index: usize| match index {
        0 => requests[0],
        _ => requests[index] & !b.tree(&requests[..index], |a, c| a | c),
    };
    (0..requests.len()).map(only).collect()
}

/// One-hot: the first of `requests` among the `later` ones, else the first of all.
fn fair<'b>(b: &'b Body, requests: &[Expr<'b>], later: Expr<'b>) -> Expr<'b> {
    let favoured: Vec<_> = (0..requests.len())
        .map(|i| requests[i] & later.bit(i))
        .collect();
    let any_favoured = b.wire("any_favoured", b.tree(&favoured, |a, c| a | c));
    let (first, second) = (lowest(b, &favoured), lowest(b, requests));
    let fair: Vec<_> = (0..requests.len())
        .map(|i| any_favoured.mux(first[i], second[i]))
        .collect();
    b.cat_le(&fair)
}

/// The inputs above the chosen one.
fn above<'b>(b: &'b Body, chosen: Expr<'b>) -> Expr<'b> {
    let bits: Vec<_> = (0..chosen.width())
        .map(|i| match i {
            0 => b.bit(false),
            _ => chosen.trunc(i).any(),
        })
        .collect();
    b.cat_le(&bits)
}

impl<T: Synth> Leaf for Arbiter<T> {
    fn combinational(&self) -> &'static [&'static str] {
        match self._packets {
            false => &["rx$*$ready <- rx$*$valid"],
            true => &[],
        }
    }

    fn body(&self, b: &Body) {
        let ways = self.rx.len();
        assert!(
            (1..=1 << FROM_BITS).contains(&ways),
            "Arbiter: {ways} inputs; build it with Arbiter::items(ways) or packets(ways), ways 1..=256"
        );
        let valid = b.reg("valid_q", 1);
        let payload = b.reg_of::<T>("payload_q");
        let from = b.reg_data("from_q", FROM_BITS);
        // Bit i: input i comes after the one served last.
        let later = b.reg("later_q", ways);
        // What was taken while the output stalled; `ready` looks at nothing else of the output, so that
        // arbiters behind arbiters add up no path.
        let spare_valid = b.reg("spare_valid_q", 1);
        let spare = b.reg_of::<T>("spare_q");
        let spare_from = b.reg_data("spare_from_q", FROM_BITS);
        let open = !spare_valid.q();
        let requests: Vec<_> = self.rx.iter().map(|rx| b.read(&rx.valid)).collect();
        let grants = match self._packets {
            false => {
                let grants = b.wire("grants", fair(b, &requests, later.q()));
                b.when(open & grants.any(), || later.set(above(b, grants)));
                for (index, rx) in self.rx.iter().enumerate() {
                    b.drive(&rx.ready, open & grants.bit(index));
                }
                grants
            }
            true => {
                // One-hot: whose turn it is, a packet begun or not.
                let owner = b.reg_init("owner_q", Value::new(ways, 1));
                let in_packet = b.reg("in_packet_q", 1);
                let own: Vec<_> = (0..ways).map(|i| owner.q().bit(i) & requests[i]).collect();
                let own_last: Vec<_> = (0..ways)
                    .map(|i| owner.q().bit(i) & b.read(&self.rx[i].payload).field("last"))
                    .collect();
                let offered = b.wire("offered", b.tree(&own, |a, c| a | c));
                let last = b.wire("last", b.tree(&own_last, |a, c| a | c));
                b.when(open & offered, || in_packet.set(!last));
                let others: Vec<_> = (0..ways).map(|i| requests[i] & !owner.q().bit(i)).collect();
                let next = b.wire("next", fair(b, &others, later.q()));
                let ends = offered.mux(open & last, !in_packet.q());
                b.when(ends & next.any(), || {
                    owner.set(next);
                    later.set(above(b, next));
                });
                for (index, rx) in self.rx.iter().enumerate() {
                    b.drive(&rx.ready, open & owner.q().bit(index));
                }
                b.cat_le(&own)
            }
        };

        // The register keeps the choice also while nothing is offered: it costs nothing.
        let choices: Vec<_> = (0..ways)
            .map(|i| (grants.bit(i), b.read(&self.rx[i].payload)))
            .collect();
        let numbers: Vec<_> = (0..ways)
            .map(|i| (grants.bit(i), b.lit(FROM_BITS, i as u128)))
            .collect();
        let (item, number) = (b.one_hot(&choices), b.one_hot(&numbers));
        b.when(!valid.q() | b.read(&self.tx.ready), || {
            valid.set(spare_valid.q() | grants.any());
            payload.set(spare_valid.q().mux(spare.q(), item));
            from.set(spare_valid.q().mux(spare_from.q(), number));
            spare_valid.set(b.bit(false));
        })
        .or_when(open, || {
            spare_valid.set(grants.any());
            spare.set(item);
            spare_from.set(number);
        });
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, payload.q());
        b.drive(&self.from, from.q());
    }
}
leaf!(impl[T: Synth] Arbiter<T> { rx, tx, from });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_arbiter_1", Arbiter::<Bits<24>>::items(1)),
        Design::leaf("stream_arbiter_5", Arbiter::<Bits<24>>::items(5)),
        Design::leaf("stream_arbiter_3_packets", Arbiter::<Beat>::packets(3)),
        Design::leaf("stream_arbiter_17_packets", Arbiter::<Beat>::packets(17)),
    ]
}

#[cfg(test)]
mod tests;
