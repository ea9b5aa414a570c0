//! # ECI addresses
//! [`EciLocate`] puts the adapter's name of a line in place of the directory's, [`EciPlace`] the other
//! way round. The directory's names follow a plan that keeps lines apart which could wait for each
//! other in one of its units, see [`lauberhorn_coherence::planner::Plan`]; the card has its lines one
//! after the other.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | stream of `T` | items with a byte address in their low 40 bits |
//! | `tx` | out | stream of `T` | the same items with another address; bytes within the line stay |
//!
//! Latency: 0 cycles. Throughput: every cycle. Backpressure: passed on.
//! Ordering: first in, first out. Reset: holds nothing.
//! Errors: where the plan has no line, [`EciLocate`] makes it an address beyond all lines. Counters: none.
//! Within a cycle: `tx` follows from `rx`, `rx.ready` from `tx.ready`.

use super::address::SLICE_BITS_START;
use super::recall::ADDRESS_BITS;
use crate::host::shape::Shape;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, Value};
use crate::types::{StreamIn, StreamOut};
use lauberhorn_coherence::LineRole;
use lauberhorn_coherence::Parity::{One, Zero};
use lauberhorn_coherence::planner::{COLOURS, Plan, slice_name};
use rust_hdl::prelude::*;

const OFFSET_BITS: usize = 7;
const COLOUR_BITS: usize = COLOURS.ilog2() as usize;
/// R0, R1, T0 and T1 are the first lines of a block.
const CONTROL_BITS: usize = 2;

/// Names of lines that come from the directory.
#[derive(LogicBlock, Default)]
pub struct EciLocate<T: Synth> {
    /// Items of the directory.
    pub rx: StreamIn<T>,
    /// Items for the adapter.
    pub tx: StreamOut<T>,
    _shape: Shape,
}

/// Names of lines that go to the directory.
#[derive(LogicBlock, Default)]
pub struct EciPlace<T: Synth> {
    /// Items of the adapter.
    pub rx: StreamIn<T>,
    /// Items for the directory.
    pub tx: StreamOut<T>,
    _shape: Shape,
}

impl<T: Synth> EciLocate<T> {
    /// For the lines of this card.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

impl<T: Synth> EciPlace<T> {
    /// For the lines of this card.
    pub fn new(shape: &Shape) -> Self {
        Self {
            _shape: shape.clone(),
            ..Self::default()
        }
    }
}

/// Parts of both names of a line.
struct Names {
    plan: Plan,
    endpoint_bits: usize,
    /// Of an offset within an endpoint's block.
    offset_bits: usize,
    row_bits: usize,
}

impl Names {
    /// # Panics
    /// When the card's lines have no safe plan.
    fn new(shape: &Shape) -> Self {
        let plan = Plan::new(shape.layout()).unwrap_or_else(|error| panic!("eci: {error}"));
        Self {
            endpoint_bits: plan.endpoint_bits(),
            offset_bits: plan.row_bits() + plan.pool_bits(),
            row_bits: plan.row_bits(),
            plan,
        }
    }

    /// The offsets of an endpoint's block that have a line with the colour of many.
    fn is_shared(&self, offset: usize) -> bool {
        let role = self.plan.card().role(offset);
        role.is_some_and(|role| !role.is_control())
    }

    /// Low bits of the offset, and those of a shared colour: the one from the other.
    fn mix<'b>(&self, b: &'b Body, low: Expr<'b>, endpoint: Expr<'b>) -> Expr<'b> {
        let bits = self.plan.pool_bits();
        low ^ b
            .cat(&[endpoint, b.bit(false)])
            .zext(bits.max(self.endpoint_bits + 1))
            .trunc(bits)
    }
}

/// An item with another line in its address.
fn with_line<'b>(b: &'b Body, item: Expr<'b>, line: Expr<'b>, beyond: Expr<'b>) -> Expr<'b> {
    let address = b
        .cat(&[line, item.trunc(OFFSET_BITS)])
        .zext(ADDRESS_BITS - 1);
    let rest = item.slice(ADDRESS_BITS, item.width() - ADDRESS_BITS);
    b.cat(&[rest, beyond, address])
}

/// The parts that there are, high ones first.
fn join<'b>(b: &'b Body, parts: &[Option<Expr<'b>>]) -> Expr<'b> {
    let parts: Vec<_> = parts.iter().flatten().copied().collect();
    b.cat(&parts)
}

impl<T: Synth> Leaf for EciLocate<T> {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "rx$ready <- tx$ready",
            "tx$payload <- rx$payload",
            "tx$valid <- rx$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let names = Names::new(&self._shape);
        let (plan, pool_bits, row_bits) = (&names.plan, names.plan.pool_bits(), names.row_bits);
        let item = b.read(&self.rx.payload);
        let colour = b.wire("colour", item.slice(OFFSET_BITS, COLOUR_BITS));
        let row_start = OFFSET_BITS + COLOUR_BITS;
        let row = (row_bits > 0).then(|| item.slice(row_start, row_bits));
        let second = item.bit(row_start + row_bits);
        let endpoint_start = row_start + row_bits + 1;
        let endpoint = b.wire("endpoint", item.slice(endpoint_start, names.endpoint_bits));
        let end = endpoint_start + names.endpoint_bits;
        let outside = item.slice(end, ADDRESS_BITS - end).any();

        // A line with a colour of its own: which, says the colour.
        let mut words = vec![Value::zero(names.endpoint_bits + 3); COLOURS];
        for number in 0..plan.card().endpoints() {
            let roles = [
                LineRole::RxControl(Zero),
                LineRole::RxControl(One),
                LineRole::TxControl(Zero),
            ];
            for (which, role) in roles.into_iter().enumerate() {
                let colour = plan.control_colour(number, role).expect("it is planned");
                let word = 1 | (which as u128) << 1 | (number as u128) << 3;
                words[colour as usize] = Value::new(names.endpoint_bits + 3, word);
            }
        }
        let own = b.wire("own", b.rom("own_colours", &words, colour));
        let (is_r1, is_t0) = (own.bit(1), own.bit(2));
        let in_first_row = row.map_or(b.bit(true), |row| !row.any());
        let mine = own.slice(3, names.endpoint_bits).eq(endpoint);
        let is_own = own.bit(0) & mine & in_first_row & (is_r1 | !second);
        // Of an offset from 0 to 3 the high bit; the low one of any name is that of the colour.
        let own_high = is_t0 | (is_r1 & second);
        let slice = colour.bit(0);
        let padding = names.offset_bits - CONTROL_BITS;
        let own_name = b.cat(&[b.zero(padding), own_high, slice]);

        // One of those that share.
        let shared = colour.slice(pool_bits, COLOUR_BITS - pool_bits).all();
        let mixed = names.mix(b, colour.trunc(pool_bits), endpoint);
        let shared_name = b.wire("shared_name", join(b, &[row, Some(mixed)]));
        let words: Vec<_> = (0..1 << (names.offset_bits - 1))
            .map(|pair: usize| {
                let [even, odd] = [0, 1].map(|low| names.is_shared(pair << 1 | low));
                Value::new(2, u128::from(even) | u128::from(odd) << 1)
            })
            .collect();
        let pair = shared_name.slice(1, names.offset_bits - 1);
        let used = b.rom("shared_offsets", &words, pair);
        let line = b.cat(&[endpoint, shared_name]);
        let flip = match line.width() > SLICE_BITS_START {
            true => line
                .slice(SLICE_BITS_START, line.width() - SLICE_BITS_START)
                .parity(),
            false => b.bit(false),
        };
        let used = (slice ^ flip).mux(used.bit(1), used.bit(0));
        let endpoints = plan.card().endpoints();
        let known = match endpoints.is_power_of_two() {
            true => b.bit(true),
            false => endpoint.lt(b.lit(names.endpoint_bits, endpoints as u128)),
        };
        let is_shared = used & known & !second;

        let name = shared.mux(shared_name, own_name);
        let found = b.wire("found", !outside & shared.mux(is_shared, is_own));
        let line = b.cat(&[endpoint, name]);
        b.drive(&self.tx.payload, with_line(b, item, line, !found));
        b.drive(&self.tx.valid, b.read(&self.rx.valid));
        b.drive(&self.rx.ready, b.read(&self.tx.ready));
    }
}
leaf!(impl[T: Synth] EciLocate<T> { rx, tx });

impl<T: Synth> Leaf for EciPlace<T> {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "rx$ready <- tx$ready",
            "tx$payload <- rx$payload",
            "tx$valid <- rx$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let names = Names::new(&self._shape);
        let (pool_bits, row_bits) = (names.plan.pool_bits(), names.row_bits);
        let item = b.read(&self.rx.payload);
        let name = b.wire("name", item.slice(OFFSET_BITS, names.offset_bits));
        let endpoint_start = OFFSET_BITS + names.offset_bits;
        let endpoint = b.wire("endpoint", item.slice(endpoint_start, names.endpoint_bits));
        b.unused(item);

        let is_own = !name
            .slice(CONTROL_BITS, names.offset_bits - CONTROL_BITS)
            .any();
        let words: Vec<_> = (0..1 << (names.endpoint_bits + CONTROL_BITS))
            .map(|key: usize| {
                let (number, low) = (key >> CONTROL_BITS, key % (1 << CONTROL_BITS));
                let line = slice_name((number << names.offset_bits | low) as u32);
                let offset = line as usize % (1 << names.offset_bits);
                let role = names.plan.card().role(offset);
                let colour = role.and_then(|role| names.plan.control_colour(number, role));
                let second = role == Some(LineRole::TxControl(One));
                let word =
                    u128::from(colour.unwrap_or_default()) | u128::from(second) << COLOUR_BITS;
                Value::new(COLOUR_BITS + 1, word)
            })
            .collect();
        let key = b.cat(&[endpoint, name.trunc(CONTROL_BITS)]);
        let own = b.wire("own", b.rom("own_colours", &words, key));

        let mixed = names.mix(b, name.trunc(pool_bits), endpoint);
        let ones = b.bit(true).repeat(COLOUR_BITS - pool_bits);
        let shared = b.cat(&[ones, mixed]);
        let colour = is_own.mux(own.trunc(COLOUR_BITS), shared);
        let second = is_own & own.bit(COLOUR_BITS);
        // All of a line with a colour of its own is in the first row, as its offset is small.
        let row = (row_bits > 0).then(|| name.slice(pool_bits, row_bits));
        let line = join(b, &[Some(endpoint), Some(second), row, Some(colour)]);
        b.drive(&self.tx.payload, with_line(b, item, line, b.bit(false)));
        b.drive(&self.tx.valid, b.read(&self.rx.valid));
        b.drive(&self.rx.ready, b.read(&self.tx.ready));
    }
}
leaf!(impl[T: Synth] EciPlace<T> { rx, tx });
