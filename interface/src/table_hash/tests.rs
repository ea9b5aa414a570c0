//! The hash functions pinned, and shown to spread the keys that really occur.

use super::*;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

#[test]
fn splitmix64_gives_the_published_sequence() {
    let (state, first) = splitmix64(1_234_567);
    let (_, second) = splitmix64(state);
    assert_eq!(
        (first, second),
        (6_457_827_717_110_365_317, 3_203_168_211_198_807_973)
    );
}

#[test]
fn keys_are_pinned() {
    let key = ServiceKey {
        program: 0x1011_1213,
        version: 2,
        procedure: 3,
        port: 0x2021,
    };
    assert_eq!(key.to_bits(), 0x1011_1213_0000_0002_0000_0003_2021);
    let key = ProgramKey {
        program: 0x1011_1213,
        port: 0x2021,
    };
    assert_eq!(key.to_bits(), 0x1011_1213_2021);
    assert_eq!(index(0b1011, &[0b0001, 0b0011, 0b1000], 8), 0b101);
}

#[test]
fn masks_are_about_half_dense_and_independent() {
    for (masks, bits) in [
        (SERVICE_MASKS, SERVICE_KEY_BITS),
        (PROGRAM_MASKS, PROGRAM_KEY_BITS),
    ] {
        let all: Vec<u128> = masks.concat();
        for mask in &all {
            assert_eq!(mask >> bits, 0);
            assert!((bits * 3 / 8..=bits * 5 / 8).contains(&(mask.count_ones() as usize)));
        }
        assert_eq!(rank(&all), 2 * MAX_INDEX_BITS);
    }
}

fn rank(rows: &[u128]) -> usize {
    let mut basis: Vec<u128> = Vec::new();
    for &row in rows {
        let rest = basis.iter().fold(row, |rest, &b| rest.min(rest ^ b));
        if rest != 0 {
            basis.push(rest);
        }
    }
    basis.len()
}

/// The fullest place when `keys` go to `bank` of a table of twice their number.
fn fullest(keys: &[ServiceKey], bank: usize) -> usize {
    let entries = (2 * keys.len()).next_power_of_two();
    let mut load = BTreeMap::new();
    for key in keys {
        *load.entry(key.index(bank, entries)).or_insert(0) += 1;
    }
    load.into_values().max().unwrap()
}

#[test]
fn neighbouring_procedures_and_programs_spread() {
    let by_procedure: Vec<_> = (0..64)
        .map(|procedure| ServiceKey {
            program: 100_000,
            version: 2,
            procedure,
            port: 111,
        })
        .collect();
    let by_program: Vec<_> = (0..64)
        .map(|i| ServiceKey {
            program: 0x2000_0000 + i,
            version: 1,
            procedure: 1,
            port: 4000,
        })
        .collect();
    for keys in [by_procedure, by_program] {
        for bank in 0..BANKS {
            assert!(
                fullest(&keys, bank) <= 4,
                "bank {bank}: {}",
                fullest(&keys, bank)
            );
        }
    }
}
