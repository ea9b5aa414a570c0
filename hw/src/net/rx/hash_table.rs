//! # Hash table
//! Two banks of block RAM, each with its own hash of the key; a key is looked for at one place in
//! each. Software decides which of the two it goes to, bank 0 wins while a key stands in both. The valid bits
//! are registers, so that a reset empties the table at once.
//!
//! Spec: `lauberhorn_interface::table_hash`.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `key` | in | flow of `K` | what to look for; its fields are fields of the entry too |
//! | `found` | out | flow of `E` | the entry; its `valid` says that there is one |
//! | `write` | in | flow of `W` | `at` and `entry`; seen by keys from the next cycle on |
//! | `read` | in | flow of [`TableIndex`] | entry to show; not in the cycle of a write |
//! | `entry` | out | `E` | the entry, from 2 cycles after `read` until the next `read` |
//!
//! Latency: 2 cycles. Throughput: 1 key/cycle, writes and reads do not disturb it.
//! Backpressure: none, it never stalls. Ordering: kept. Reset: all entries are invalid.
//! Errors and counters: none.

use super::types::{ProgramKeyFields, ServiceKeyFields};
use crate::leaf;
use crate::rtl::{Body, Expr, Layout, Leaf, MemoryStyle};
use crate::types::{
    FlowIn, FlowOut, ProgramEntry, ProgramWrite, ServiceEntry, ServiceWrite, TableIndex,
};
use lauberhorn_interface::table_hash::{BANKS, PROGRAM_MASKS, SERVICE_MASKS};
use rust_hdl::prelude::*;

/// The block: keys `K`, entries `E`, write commands `W`.
#[derive(LogicBlock, Default)]
pub struct HashTable<K: Synth, E: Synth, W: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What to look for.
    pub key: FlowIn<K>,
    /// What was found.
    pub found: FlowOut<E>,
    /// Changes.
    pub write: FlowIn<W>,
    /// Entry to show.
    pub read: FlowIn<TableIndex>,
    /// The entry shown.
    pub entry: Signal<Out, E>,
    _masks: Vec<Vec<u128>>,
}

/// The service table.
pub type ServiceTable = HashTable<ServiceKeyFields, ServiceEntry, ServiceWrite>;
/// The program table.
pub type ProgramTable = HashTable<ProgramKeyFields, ProgramEntry, ProgramWrite>;

impl ServiceTable {
    /// A service table of `entries` entries per bank, a power of two from 2 to 1024.
    pub fn services(entries: usize) -> Self {
        Self::with_masks(&SERVICE_MASKS, entries)
    }
}

impl ProgramTable {
    /// A program table of `entries` entries per bank, a power of two from 2 to 1024.
    pub fn programs(entries: usize) -> Self {
        Self::with_masks(&PROGRAM_MASKS, entries)
    }
}

impl<K: Synth, E: Synth, W: Synth> HashTable<K, E, W> {
    fn with_masks<const N: usize>(masks: &[[u128; N]; BANKS], entries: usize) -> Self {
        assert!(
            entries.is_power_of_two() && (2..=1 << N).contains(&entries),
            "HashTable: {entries} entries per bank, allowed is a power of two from 2 to {}",
            1 << N
        );
        let bits = entries.trailing_zeros() as usize;
        Self {
            _masks: masks.iter().map(|bank| bank[..bits].to_vec()).collect(),
            ..Self::default()
        }
    }
}

/// The bits of `key` under `mask`, reduced to their parity.
fn parity<'b>(b: &'b Body, key: Expr<'b>, mask: u128) -> Expr<'b> {
    let bits: Vec<_> = (0..key.width())
        .filter(|bit| mask >> bit & 1 == 1)
        .map(|bit| key.bit(bit))
        .collect();
    b.cat(&bits).parity()
}

/// The word without its valid bit, which is the first field.
fn stored(entry: Expr<'_>) -> Expr<'_> {
    entry.slice(1, entry.width() - 1)
}

/// One bit of many.
fn bit_at<'b>(bits: Expr<'b>, index: Expr<'b>) -> Expr<'b> {
    bits.shift_right(index).bit(0)
}

impl<K: Synth, E: Synth, W: Synth> Leaf for HashTable<K, E, W> {
    fn body(&self, b: &Body) {
        let index_bits = self._masks[0].len();
        let entries = 1 << index_bits;
        let (key, key_valid) = (b.read(&self.key.payload), b.read(&self.key.valid));
        let (write, writes) = (b.read(&self.write.payload), b.read(&self.write.valid));
        let (read, reads) = (b.read(&self.read.payload), b.read(&self.read.valid));
        b.unused(b.cat(&[write, read]));
        b.assert("a_read_has_the_port_for_itself", !(writes & reads));

        // Software's port of each bank serves either, so that two block RAM ports are enough.
        let at = b.typed::<TableIndex>(writes.mux(write.field("at"), read));
        let place = b.wire("place", at.field("index").trunc(index_bits));
        let names = Layout::of(&K::descriptor()).expect("a key is a struct");
        let key_q = b.reg_of::<K>("key_q");
        key_q.set(key);
        // A RAM word arrives a cycle after its address, so valid bits are read and written a cycle later.
        let place_q = b.reg_data("place_q", index_bits);
        place_q.set(place);
        let bank_q = b.reg_data("bank_q", 1);
        bank_q.set(at.field("bank"));
        let set_q = b.reg_data("set_q", 1);
        set_q.set(write.field("entry").field("valid"));
        let writes_q = b.reg("writes_q", 1);
        writes_q.set(writes);
        let reads_q = b.reg("reads_q", 1);
        reads_q.set(reads);

        let mut banks = Vec::new();
        for (bank, masks) in self._masks.iter().enumerate() {
            let name = |what: &str| format!("bank_{bank}_{what}");
            let words = b.memory(&name("words"), entries, E::BITS - 1, MemoryStyle::Block);
            let own = at.field("bank").eq_lit(bank as u128);
            b.when(writes & own, || {
                words.write(place, stored(write.field("entry")));
            });
            let valid = b.reg(&name("valid_q"), entries);
            let here = b.bit(true).zext(entries).shift_left(place_q.q());
            b.when(writes_q.q() & bank_q.q().eq_lit(bank as u128), || {
                valid.set(set_q.q().mux(valid.q() | here, valid.q() & !here));
            });
            let shown = b.cat(&[words.read(reads, place), bit_at(valid.q(), place_q.q())]);

            let hash: Vec<_> = masks.iter().map(|mask| parity(b, key, *mask)).collect();
            let hash = b.wire(&name("hash"), b.cat_le(&hash));
            let hash_q = b.reg_data(&name("hash_q"), index_bits);
            hash_q.set(hash);
            let word = b.cat(&[words.read(b.bit(true), hash), bit_at(valid.q(), hash_q.q())]);
            let entry = b.typed::<E>(word);
            let equal: Vec<_> = names
                .names()
                .iter()
                .map(|name| entry.field(name).eq(key_q.q().field(name)))
                .collect();
            let hit = entry.field("valid") & b.tree(&equal, |x, y| x & y);
            banks.push((shown, stored(word), b.wire(&name("hit"), hit)));
        }

        let entry = b.reg_of::<E>("entry_q");
        b.when(reads_q.q(), || {
            entry.set(bank_q.q().mux(banks[1].0, banks[0].0));
        });
        b.drive(&self.entry, entry.q());

        let valid_1 = b.reg("key_valid_q", 1);
        valid_1.set(key_valid);
        let valid_2 = b.reg("found_valid_q", 1);
        valid_2.set(valid_1.q());
        let found_q = b.reg_of::<E>("found_q");
        let [(_, word_0, hit_0), (_, word_1, hit_1)] = banks[..] else {
            unreachable!("there are two banks");
        };
        found_q.set(b.cat(&[hit_0.mux(word_0, word_1), hit_0 | hit_1]));
        b.drive(&self.found.valid, valid_2.q());
        b.drive(&self.found.payload, found_q.q());
    }
}
leaf!(impl[K: Synth, E: Synth, W: Synth] HashTable<K, E, W> { found, entry });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Dut, Interpreter};
    use crate::testing::{Rng, rng, root_seed};
    use lauberhorn_interface::table_hash::ProgramKey;
    use rand::Rng as _;
    use std::collections::BTreeMap;

    const ENTRIES: usize = 8;

    fn table() -> Interpreter {
        let mut dut = Interpreter::new(ProgramTable::programs(ENTRIES).elaborate());
        dut.reset();
        dut
    }

    /// Few keys, so that they meet often.
    fn random_key(rng: &mut Rng) -> ProgramKey {
        ProgramKey {
            program: 0xffff_fff0 + rng.random_range(0..12),
            port: rng.random_range(0..2) * 0x8001,
        }
    }

    /// Sets up a write of `key` with `low`, which tells entries apart.
    fn write(dut: &mut Interpreter, place: (usize, usize), key: ProgramKey, low: u64, valid: bool) {
        dut.poke("write$valid", 1);
        for (field, value) in [
            ("at.bank", place.0 as u64),
            ("at.index", place.1 as u64),
            ("entry.valid", valid.into()),
            ("entry.program", key.program.into()),
            ("entry.port", key.port.into()),
            ("entry.low", low),
        ] {
            dut.poke_field("write$payload", field, value);
        }
    }

    #[test]
    fn finds_what_a_map_of_places_finds_two_cycles_later() {
        let mut rng = rng(root_seed(), "hash_table");
        let mut dut = table();
        let mut model: BTreeMap<(usize, usize), (ProgramKey, u64)> = BTreeMap::new();
        let mut expected = [None; 2];
        for cycle in 0..20_000 {
            assert_eq!(dut.peek("found$valid"), u64::from(expected[0].is_some()));
            if let Some(found) = expected[0] {
                let hit = dut.peek_field("found$payload", "valid") == 1;
                let low = dut.peek_field("found$payload", "low");
                assert_eq!(hit.then_some(low), found, "cycle {cycle}");
            }
            let key = random_key(&mut rng);
            let asked = rng.random_bool(0.8);
            dut.poke("key$valid", asked.into());
            dut.poke_field("key$payload", "program", key.program.into());
            dut.poke_field("key$payload", "port", key.port.into());
            let found = [0, 1].into_iter().find_map(|bank| {
                let entry = model.get(&(bank, key.index(bank, ENTRIES)));
                entry.filter(|entry| entry.0 == key).map(|entry| entry.1)
            });
            expected = [expected[1], asked.then_some(found)];

            dut.poke("write$valid", 0);
            if rng.random_bool(0.3) {
                let key = random_key(&mut rng);
                let bank = rng.random_range(0..2);
                let (place, valid) = ((bank, key.index(bank, ENTRIES)), rng.random_bool(0.6));
                write(&mut dut, place, key, cycle, valid);
                model.remove(&place);
                if valid {
                    model.insert(place, (key, cycle));
                }
            }
            dut.step().unwrap();
        }
    }

    #[test]
    fn shows_an_entry_until_the_next_read() {
        let mut dut = table();
        let key = ProgramKey {
            program: 100_003,
            port: 2049,
        };
        for bank in 0..2 {
            write(&mut dut, (bank, 5), key, 40 + bank as u64, true);
            dut.step().unwrap();
        }
        dut.poke("write$valid", 0);
        for (bank, index, valid) in [(1, 5, 1), (0, 5, 1), (1, 4, 0)] {
            dut.poke("read$valid", 1);
            dut.poke_field("read$payload", "bank", bank);
            dut.poke_field("read$payload", "index", index);
            dut.step().unwrap();
            dut.poke("read$valid", 0);
            dut.step().unwrap();
            // Another write does not change what is shown.
            write(&mut dut, (bank as usize, 5), key, 40 + bank, true);
            for _ in 0..5 {
                assert_eq!(dut.peek_field("entry", "valid"), valid);
                if valid == 1 {
                    assert_eq!(dut.peek_field("entry", "low"), 40 + bank);
                }
                dut.step().unwrap();
                dut.poke("write$valid", 0);
            }
        }
    }

    #[test]
    fn a_reset_empties_it() {
        let mut dut = table();
        let key = ProgramKey {
            program: 100_003,
            port: 2049,
        };
        write(&mut dut, (0, key.index(0, ENTRIES)), key, 3, true);
        dut.step().unwrap();
        dut.reset();
        dut.poke("key$valid", 1);
        dut.poke_field("key$payload", "program", key.program.into());
        dut.poke_field("key$payload", "port", key.port.into());
        for _ in 0..4 {
            assert_eq!(dut.peek_field("found$payload", "valid"), 0);
            dut.step().unwrap();
        }
    }
}
