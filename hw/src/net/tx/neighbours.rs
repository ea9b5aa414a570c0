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

/// Entries of a group: the lowest match is found in each group, then among the groups.
const GROUP: usize = 16;

/// Each flag without those above the lowest.
fn lowest<'b>(b: &'b Body, flags: &[Expr<'b>]) -> Vec<Expr<'b>> {
    let alone = |index: usize| match index {
        0 => flags[0],
        _ => flags[index] & !b.tree(&flags[..index], |x, y| x | y),
    };
    (0..flags.len()).map(alone).collect()
}

/// Number of the only flag that is set; flag 0 shows in no bit.
fn number<'b>(b: &'b Body, flags: &[Expr<'b>]) -> Expr<'b> {
    let bit = |bit: u32| {
        let having: Vec<_> = (0..flags.len())
            .filter(|index| index >> bit & 1 == 1)
            .map(|index| flags[index])
            .collect();
        b.tree(&having, |x, y| x | y)
    };
    let bits: Vec<_> = (0..flags.len().ilog2()).map(bit).collect();
    b.cat_le(&bits)
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

        // Second cycle: whether each group has a match, and the number of its lowest.
        let size = count.min(GROUP);
        let groups = count / size;
        let matched_now = matched.q() & !written;
        let (mut any, mut places) = (Vec::new(), Vec::new());
        for group in 0..groups {
            let flags: Vec<_> = (group * size..(group + 1) * size)
                .map(|index| matched_now.bit(index))
                .collect();
            any.push(b.tree(&flags, |x, y| x | y));
            let alone = lowest(b, &flags);
            places.push(number(b, &alone));
        }
        let found = b.reg_data("found_q", groups);
        let found_valid = b.reg("found_valid_q", 1);
        found.set(b.cat_le(&any));
        found_valid.set(matched_valid.q());

        // Third cycle: the MAC of that entry of each group, and the lowest group among them.
        let found: Vec<_> = (0..groups).map(|group| found.q().bit(group)).collect();
        let macs: Vec<_> = lowest(b, &found)
            .into_iter()
            .zip(places)
            .enumerate()
            .map(|(group, (first, place))| {
                let bits = size.trailing_zeros() as usize;
                let at = b.reg_data(&format!("place_{group}_q"), bits);
                at.set(place);
                let name = format!("macs_{group}");
                let macs = b.memory(&name, size, 48, MemoryStyle::Distributed);
                let here = written.slice(group * size, size).any();
                b.when(here, || {
                    macs.write(write_index.trunc(bits), entry.field("mac"))
                });
                (first, macs.read_now(at.q()))
            })
            .collect();
        let hit = b.reg_data("hit_q", 1);
        let mac = b.reg_data("mac_q", 48);
        b.when(found_valid.q(), || {
            hit.set(b.tree(&found, |x, y| x | y));
            mac.set(b.one_hot(&macs));
        });
        b.drive(
            &self.result,
            b.pack::<NeighbourHit>(&[("hit", hit.q()), ("mac", mac.q())]),
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
