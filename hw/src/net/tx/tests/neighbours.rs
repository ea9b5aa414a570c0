//! The neighbour table alone.

use crate::net::tx::neighbours::NeighbourTable;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::{rng, root_seed};
use rand::Rng as _;

fn table(entries: usize) -> Interpreter {
    let mut dut = Interpreter::new(NeighbourTable::new(entries).elaborate());
    dut.reset();
    dut
}

/// One cycle with a write (index, valid, address, MAC) and a lookup, if there are any.
fn cycle(dut: &mut Interpreter, write: Option<(u64, bool, u64, u64)>, lookup: Option<u64>) {
    dut.poke("write$valid", u64::from(write.is_some()));
    if let Some((index, valid, ipv4, mac)) = write {
        dut.poke_field("write$payload", "index", index);
        dut.poke_field("write$payload", "entry.valid", u64::from(valid));
        dut.poke_field("write$payload", "entry.ipv4", ipv4);
        dut.poke_field("write$payload", "entry.mac", mac);
    }
    dut.poke("lookup$valid", u64::from(lookup.is_some()));
    dut.poke_field("lookup$payload", "ipv4", lookup.unwrap_or(0));
    dut.step().expect("assertions hold");
}

fn result(dut: &mut Interpreter) -> Option<u64> {
    (dut.peek_field("result", "hit") == 1).then(|| dut.peek_field("result", "mac"))
}

#[test]
fn finds_the_lowest_entry_of_an_address_three_cycles_later() {
    for entries in [2, 32, 256] {
        let mut dut = table(entries);
        let last = entries as u64 - 1;
        cycle(&mut dut, Some((last, true, 7, 70)), None);
        cycle(&mut dut, Some((0, true, 8, 80)), None);
        cycle(&mut dut, None, Some(7));
        cycle(&mut dut, Some((0, true, 7, 71)), Some(8));
        cycle(&mut dut, None, Some(7));
        assert_eq!(result(&mut dut), Some(70));
        cycle(&mut dut, None, Some(9));
        assert_eq!(result(&mut dut), None, "rewritten under the lookup");
        cycle(&mut dut, None, None);
        assert_eq!(result(&mut dut), Some(71), "the lowest");
        cycle(&mut dut, None, None);
        assert_eq!(result(&mut dut), None, "not in the table");
        cycle(&mut dut, None, None);
        assert_eq!(result(&mut dut), None, "stays until the next");
    }
}

#[test]
fn never_gives_the_mac_of_another_address_whatever_is_rewritten() {
    let mut rng = rng(root_seed(), "neighbour rewrites");
    let mut dut = table(4);
    let mut looked_up = Vec::new();
    for step in 0..4000u64 {
        // A MAC that tells its address.
        let write = rng.random_bool(0.5).then(|| {
            let ipv4 = rng.random_range(0..6);
            let index = rng.random_range(0..6);
            (index, rng.random_bool(0.8), ipv4, step << 8 | ipv4)
        });
        let lookup = rng.random_range(0..6);
        cycle(&mut dut, write, Some(lookup));
        looked_up.push(lookup);
        if looked_up.len() >= 3 {
            let asked = looked_up[looked_up.len() - 3];
            if let Some(mac) = result(&mut dut) {
                assert_eq!(mac & 0xff, asked, "step {step}");
            }
        }
    }
}

#[test]
fn reads_back_what_was_written() {
    let mut dut = table(32);
    for index in 0..32 {
        cycle(
            &mut dut,
            Some((index, true, 100 + index, 200 + index)),
            None,
        );
    }
    dut.poke("write$valid", 0);
    for index in 0..32 {
        dut.set("read$payload", &Value::new(8, index));
        dut.poke("read$valid", 1);
        dut.step().expect("assertions hold");
        dut.poke("read$valid", 0);
        dut.poke("read$payload", 0);
        dut.step().expect("assertions hold");
        for _ in 0..3 {
            assert_eq!(dut.peek_field("entry", "valid"), 1);
            assert_eq!(dut.peek_field("entry", "ipv4"), 100 + index as u64);
            assert_eq!(dut.peek_field("entry", "mac"), 200 + index as u64);
            dut.step().expect("assertions hold");
        }
    }
}
