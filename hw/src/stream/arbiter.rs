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
//! Backpressure: lossless. While `tx` stalls or another input is served, one item more is taken of each
//! input (in packet mode: one in all). No output follows from an input in the same cycle.
//! Ordering: kept within each input; packets are not mixed in packet mode.
//! Reset: drops the items in its registers and forgets an unfinished packet; input 0 is first.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Reg, Value};
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

/// A round robin choice.
struct Turn<'b> {
    /// One-hot: who is served.
    grants: Expr<'b>,
    /// Somebody is.
    any: Expr<'b>,
    /// The inputs behind the one served.
    later: Expr<'b>,
}

/// The first of `requests` among the `later` ones, else the first of all. Both cases are worked out side
/// by side, and so is who comes behind: with 17 inputs there is no time for one after the other.
fn fair<'b>(b: &'b Body, requests: &[Expr<'b>], later: Expr<'b>) -> Turn<'b> {
    let ways = requests.len();
    let any = |list: &[Expr<'b>]| match list.is_empty() {
        true => b.bit(false),
        false => b.tree(list, |a, c| a | c),
    };
    let favoured: Vec<_> = (0..ways).map(|i| requests[i] & later.bit(i)).collect();
    let any_favoured = b.wire("any_favoured", any(&favoured));
    let (mut grants, mut behind) = (Vec::new(), Vec::new());
    for i in 0..ways {
        let (one, other) = (any(&favoured[..i]), any(&requests[..i]));
        grants.push(any_favoured.mux(favoured[i] & !one, requests[i] & !other));
        behind.push(any_favoured.mux(one, other));
    }
    Turn {
        grants: b.cat_le(&grants),
        any: any(requests),
        later: b.cat_le(&behind),
    }
}

/// An item and the number of its input, as the output's registers take them.
#[derive(Clone, Copy)]
struct Choice<'b> {
    any: Expr<'b>,
    item: Expr<'b>,
    from: Expr<'b>,
}

/// The one of `items` whose bit in `grants` is set; `any` is.
fn choose<'b>(b: &'b Body, any: Expr<'b>, grants: Expr<'b>, items: &[Expr<'b>]) -> Choice<'b> {
    let (mut choices, mut numbers) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        choices.push((grants.bit(index), *item));
        numbers.push((grants.bit(index), b.lit(FROM_BITS, index as u128)));
    }
    Choice {
        any,
        item: b.one_hot(&choices),
        from: b.one_hot(&numbers),
    }
}

/// Registers of the output.
struct Output<'b> {
    valid: Reg<'b>,
    payload: Reg<'b>,
    from: Reg<'b>,
}

impl Output<'_> {
    fn set(&self, choice: Choice<'_>) {
        self.valid.set(choice.any);
        self.payload.set(choice.item);
        self.from.set(choice.from);
    }
}

impl<T: Synth> Arbiter<T> {
    /// Whatever is offered and not chosen is taken as well and waits in a place of its input's own:
    /// `ready` says whether that is empty and so follows from nothing, and the choice ends there.
    fn choose_items(&self, b: &Body, output: &Output<'_>, room: Expr<'_>) {
        let ways = self.rx.len();
        // Bit i: input i comes after the one served last.
        let later = b.reg("later_q", ways);
        let waiting = b.reg("waiting_q", ways);
        let places: Vec<_> = (0..ways)
            .map(|i| b.reg_of::<T>(&format!("waiting_{i}_q")))
            .collect();
        let offered: Vec<_> = (0..ways)
            .map(|i| waiting.q().bit(i) | b.read(&self.rx[i].valid))
            .collect();
        let turn = fair(b, &offered, later.q());
        let grants = b.wire("grants", turn.grants);
        b.when(room & turn.any, || later.set(turn.later));
        waiting.set(b.cat_le(&offered) & !(grants & room.repeat(ways)));
        let mut items = Vec::new();
        for (index, (rx, place)) in self.rx.iter().zip(&places).enumerate() {
            let (waits, item) = (waiting.q().bit(index), b.read(&rx.payload));
            b.drive(&rx.ready, !waits);
            b.when(!waits, || place.set(item));
            items.push(waits.mux(place.q(), item));
        }
        b.when(room, || output.set(choose(b, turn.any, grants, &items)));
    }

    /// Items are wide and their input is known a cycle ahead: one place behind the choice serves all.
    fn choose_packets(&self, b: &Body, output: &Output<'_>, room: Expr<'_>) {
        let ways = self.rx.len();
        let later = b.reg("later_q", ways);
        let spare_valid = b.reg("spare_valid_q", 1);
        let spare = b.reg_of::<T>("spare_q");
        let spare_from = b.reg_data("spare_from_q", FROM_BITS);
        let open = !spare_valid.q();
        // One-hot: whose turn it is, a packet begun or not.
        let owner = b.reg_init("owner_q", Value::new(ways, 1));
        let in_packet = b.reg("in_packet_q", 1);
        let items: Vec<_> = self.rx.iter().map(|rx| b.read(&rx.payload)).collect();
        let requests: Vec<_> = self.rx.iter().map(|rx| b.read(&rx.valid)).collect();
        let own: Vec<_> = (0..ways).map(|i| owner.q().bit(i) & requests[i]).collect();
        let own_last: Vec<_> = (0..ways)
            .map(|i| owner.q().bit(i) & items[i].field("last"))
            .collect();
        let offered = b.wire("offered", b.tree(&own, |a, c| a | c));
        let last = b.wire("last", b.tree(&own_last, |a, c| a | c));
        b.when(open & offered, || in_packet.set(!last));
        let others: Vec<_> = (0..ways).map(|i| requests[i] & !owner.q().bit(i)).collect();
        let next = fair(b, &others, later.q());
        let ends = offered.mux(open & last, !in_packet.q());
        b.when(ends & next.any, || {
            owner.set(next.grants);
            later.set(next.later);
        });
        for (index, rx) in self.rx.iter().enumerate() {
            b.drive(&rx.ready, open & owner.q().bit(index));
        }
        let choice = choose(b, offered, b.cat_le(&own), &items);
        b.when(room, || {
            output.set(Choice {
                any: spare_valid.q() | choice.any,
                item: spare_valid.q().mux(spare.q(), choice.item),
                from: spare_valid.q().mux(spare_from.q(), choice.from),
            });
            spare_valid.set(b.bit(false));
        })
        .or_when(open, || {
            spare_valid.set(choice.any);
            spare.set(choice.item);
            spare_from.set(choice.from);
        });
    }
}

impl<T: Synth> Leaf for Arbiter<T> {
    fn body(&self, b: &Body) {
        let ways = self.rx.len();
        assert!(
            (1..=1 << FROM_BITS).contains(&ways),
            "Arbiter: {ways} inputs; build it with Arbiter::items(ways) or packets(ways), ways 1..=256"
        );
        let output = Output {
            valid: b.reg("valid_q", 1),
            payload: b.reg_of::<T>("payload_q"),
            from: b.reg_data("from_q", FROM_BITS),
        };
        let room = !output.valid.q() | b.read(&self.tx.ready);
        match self._packets {
            false => self.choose_items(b, &output, room),
            true => self.choose_packets(b, &output, room),
        }
        b.drive(&self.tx.valid, output.valid.q());
        b.drive(&self.tx.payload, output.payload.q());
        b.drive(&self.from, output.from.q());
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
