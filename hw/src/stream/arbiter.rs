//! # Arbiter
//! Merges N streams into one. Round robin: whoever was served goes to the end of the line, so a
//! requester waits for at most one item (or packet) of each other. In packet mode the choice stays
//! until an item whose `last` field is set has passed.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx[i]` | in | stream of `T` | the streams; `T` has a field `last` in packet mode |
//! | `tx` | out | stream of `T` | their items |
//! | `from` | out | 8 bits | which input the item on `tx` came from |
//!
//! Latency: 1 cycle.
//! Throughput: 1 item/cycle.
//! Backpressure: lossless; outputs but `rx[i].ready` are registered: ready follows from all `valid`
//! and from `tx.ready` in the same cycle.
//! Ordering: kept within each input; packets are not mixed in packet mode.
//! Reset: drops the item in the output register and forgets an unfinished packet; input 0 is first.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
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

impl<T: Synth> Leaf for Arbiter<T> {
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
        let open = b.wire("open", !valid.q() | b.read(&self.tx.ready));

        let requests: Vec<_> = self.rx.iter().map(|rx| b.read(&rx.valid)).collect();
        let favoured: Vec<_> = (0..ways).map(|i| requests[i] & later.q().bit(i)).collect();
        let any_favoured = b.wire("any_favoured", b.tree(&favoured, |a, c| a | c));
        let (first, second) = (lowest(b, &favoured), lowest(b, &requests));
        let fair: Vec<_> = (0..ways)
            .map(|i| any_favoured.mux(first[i], second[i]))
            .collect();
        let mut grants = b.wire("fair", b.cat_le(&fair));

        let last = match self._packets {
            false => None,
            true => {
                let lasts: Vec<_> = (0..ways)
                    .map(|i| grants.bit(i) & b.read(&self.rx[i].payload).field("last"))
                    .collect();
                // `owner_q` is the input in the middle of a packet, one-hot; zero between packets.
                let owner = b.reg("owner_q", ways);
                let in_packet = b.wire("in_packet", owner.q().any());
                let own: Vec<_> = (0..ways).map(|i| owner.q().bit(i) & requests[i]).collect();
                let own_last: Vec<_> = (0..ways)
                    .map(|i| owner.q().bit(i) & b.read(&self.rx[i].payload).field("last"))
                    .collect();
                grants = in_packet.mux(b.cat_le(&own), grants);
                let last = in_packet.mux(
                    b.tree(&own_last, |a, c| a | c),
                    b.tree(&lasts, |a, c| a | c),
                );
                b.when(open & grants.any(), || {
                    owner.set(last.mux(b.zero(ways), grants));
                });
                Some(last)
            }
        };
        let grants = b.wire("grants", grants);
        let served = b.wire("served", open & grants.any());

        let choices: Vec<_> = (0..ways)
            .map(|i| (grants.bit(i), b.read(&self.rx[i].payload)))
            .collect();
        let numbers: Vec<_> = (0..ways)
            .map(|i| (grants.bit(i), b.lit(FROM_BITS, i as u128)))
            .collect();
        b.when(open, || valid.set(grants.any()));
        b.when(served, || {
            payload.set(b.one_hot(&choices));
            from.set(b.one_hot(&numbers));
        });
        b.when(served & last.unwrap_or(b.bit(true)), || {
            // Strictly above the granted input.
            let above: Vec<_> = (0..ways)
                .map(|i| match i {
                    0 => b.bit(false),
                    _ => grants.trunc(i).any(),
                })
                .collect();
            later.set(b.cat_le(&above));
        });

        for (index, rx) in self.rx.iter().enumerate() {
            b.drive(&rx.ready, open & grants.bit(index));
        }
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
