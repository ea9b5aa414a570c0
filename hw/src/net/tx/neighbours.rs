//! # Neighbour table
//!
//! Finds the MAC of an IPv4 address among all entries at once. When several entries hold the same
//! address, the lowest counts. An entry that is rewritten while a lookup that hit it is under way is
//! a miss for that lookup: no lookup ever gives the MAC of another address.
//!
//! | port | contract |
//! |---|---|
//! | `write` | any cycle; entries beyond the table are ignored |
//! | `read`, `entry` | `entry` holds the entry from 2 cycles after `read` to the next; zeros when unused or beyond the table |
//! | `lookup`, `result` | `result` holds the answer from 3 cycles after `lookup` to the next |
//!
//! Latency: 3 cycles.
//! Throughput: 1 lookup, 1 write and 1 read/cycle.
//! Backpressure: none.
//! Reset: every entry is unused.

use super::types::NeighbourHit;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{FlowIn, NeighbourEntry, NeighbourWrite, Peer};
use rust_hdl::prelude::*;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct NeighbourTable {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Writes an entry.
    pub write: FlowIn<NeighbourWrite>,
    /// Reads an entry back.
    pub read: FlowIn<Bits<8>>,
    /// The entry read.
    pub entry: Signal<Out, NeighbourEntry>,
    /// Looks up the address of a peer.
    pub lookup: FlowIn<Peer>,
    /// Answer to `lookup`.
    pub result: Signal<Out, NeighbourHit>,
    _entries: usize,
}

impl NeighbourTable {
    /// A table of `entries` entries: a power of two from 2 to 256.
    pub fn new(entries: usize) -> Self {
        assert!(
            entries.is_power_of_two() && (2..=256).contains(&entries),
            "neighbour table: {entries} entries, allowed is a power of two from 2 to 256"
        );
        Self {
            _entries: entries,
            ..Self::default()
        }
    }
}

/// The lowest set bit alone, in logarithmic depth.
fn lowest<'b>(b: &'b Body, flags: Expr<'b>) -> Expr<'b> {
    let width = flags.width();
    let up = |value: Expr<'b>, by: usize| b.cat(&[value.trunc(width - by), b.zero(by)]);
    let mut at_or_above = flags;
    let mut distance = 1;
    while distance < width {
        at_or_above = at_or_above | up(at_or_above, distance);
        distance *= 2;
    }
    at_or_above & !up(at_or_above, 1)
}

impl Leaf for NeighbourTable {
    fn body(&self, b: &Body) {
        let count = self._entries;
        let bits = count.trailing_zeros() as usize;

        let write = b.read(&self.write.payload);
        let write_valid = b.read(&self.write.valid);
        let write_index = write.field("index");
        let entry = write.field("entry");
        let written: Vec<_> = (0..count)
            .map(|index| write_valid & write_index.eq_lit(index as u128))
            .collect();
        let written = b.wire("written", b.cat_le(&written));
        let in_use = b.reg("in_use_q", count);
        in_use.set((in_use.q() & !written) | (written & entry.field("valid").repeat(count)));
        let words = b.memory("entries", count, 80, MemoryStyle::Distributed);
        b.when(written.any(), || {
            words.write(
                write_index.trunc(bits),
                b.cat(&[entry.field("mac"), entry.field("ipv4")]),
            );
        });

        // Lookup, first cycle: compare with every entry.
        let peer = b.read(&self.lookup.payload);
        for field in ["mac", "port", "local_port", "xid"] {
            b.unused(peer.field(field));
        }
        let matches: Vec<_> = (0..count)
            .map(|index| {
                let address = b.reg_data(&format!("address_{index}_q"), 32);
                b.when(written.bit(index), || address.set(entry.field("ipv4")));
                in_use.q().bit(index) & address.q().eq(peer.field("ipv4"))
            })
            .collect();
        let matched = b.reg_data("matched_q", count);
        let matched_valid = b.reg("matched_valid_q", 1);
        matched.set(b.cat_le(&matches) & !written);
        matched_valid.set(b.read(&self.lookup.valid));

        // Second cycle: the number of the lowest match.
        let matched_now = matched.q() & !written;
        let first = b.wire("first", lowest(b, matched_now));
        // Entry 0 has number 0: it shows in no bit.
        b.unused(first.bit(0));
        let number: Vec<_> = (0..bits)
            .map(|bit| {
                let having: Vec<_> = (0..count)
                    .filter(|index| index >> bit & 1 == 1)
                    .map(|index| first.bit(index))
                    .collect();
                b.cat_le(&having).any()
            })
            .collect();
        let found = b.reg_data("found_q", bits);
        let found_hit = b.reg_data("found_hit_q", 1);
        let found_valid = b.reg("found_valid_q", 1);
        found.set(b.cat_le(&number));
        found_hit.set(matched_now.any());
        found_valid.set(matched_valid.q());

        // Third cycle: its MAC.
        let hit = b.reg_data("hit_q", 1);
        b.when(found_valid.q(), || hit.set(found_hit.q()));
        let word = words.read(found_valid.q(), found.q());
        b.unused(word.trunc(32));
        b.drive(
            &self.result,
            b.pack::<NeighbourHit>(&[("hit", hit.q()), ("mac", word.slice(32, 48))]),
        );

        // Read back.
        let read = b.read(&self.read.payload);
        let read_valid = b.read(&self.read.valid);
        let used: Vec<_> = (0..count).map(|index| in_use.q().bit(index)).collect();
        let used = b.select(&used, read.trunc(bits));
        let in_table = match bits < 8 {
            true => !read.slice(bits, 8 - bits).any(),
            false => b.bit(true),
        };
        let read_used = b.reg("read_used_q", 1);
        b.when(read_valid, || read_used.set(used & in_table));
        let read_word = words.read(read_valid, read.trunc(bits));
        let shown = b.reg("shown_q", 81);
        shown.set(b.cat(&[read_word & read_used.q().repeat(80), read_used.q()]));
        b.drive(&self.entry, shown.q());
    }
}
leaf!(impl[] NeighbourTable { entry, result });
