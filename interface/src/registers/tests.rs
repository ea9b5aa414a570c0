//! The map pinned where it matters, and checked for clashes everywhere.

use super::*;
use crate::config::Allowed;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

#[test]
fn addresses_that_software_starts_from_are_pinned() {
    assert_eq!(address::ID, 0x0000);
    assert_eq!(address::HASH_LO, 0x0008);
    assert_eq!(address::SCRATCH, 0x0010);
    assert_eq!(address::CONTROL, 0x0014);
    assert_eq!(address::CONFIG_LINE_BYTES, 0x0040);
    assert_eq!(address::RPC_PORT_COMMIT, 0x0104);
    assert_eq!(address::SERVICE_COMMIT, 0x0140);
    assert_eq!(address::PROGRAM_COMMIT, 0x0174);
    assert_eq!(address::NEIGHBOUR_COMMIT, 0x018c);
    assert_eq!(
        register("id").unwrap().reset,
        Reset::Value(u32::from_be_bytes(*b"LBHN"))
    );
    let commit = bits::service_commit::BANK.set(bits::service_commit::VALID.mask(), 1);
    assert_eq!(bits::service_commit::INDEX.set(commit, 0x7ff), 0x0001_83ff);
}

#[test]
fn addresses_are_aligned_unique_and_ascending() {
    let all: Vec<_> = registers().collect();
    for pair in all.windows(2) {
        assert!(
            pair[0].address < pair[1].address,
            "{} and {} clash",
            pair[0].name,
            pair[1].name
        );
    }
    for register in &all {
        assert_eq!(register.address % 4, 0, "{}", register.name);
    }
    let names: BTreeSet<_> = all.iter().map(|register| register.name).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn fields_are_ascending_disjoint_and_inside_the_register() {
    for register in registers() {
        let mut end = 0;
        for field in register.fields {
            assert!(
                field.lsb >= end,
                "{}.{} overlaps",
                register.name,
                field.name
            );
            end = field.lsb + field.width_bits;
        }
        assert!(end <= 32, "{}", register.name);
    }
}

#[test]
fn tables_name_existing_registers_and_their_index_fits() {
    for table in TABLES {
        for name in table.registers {
            assert!(register(name).is_some(), "{name}");
        }
        let commit = register(table.commit).unwrap();
        let index = commit
            .fields
            .iter()
            .find(|field| field.name == "index")
            .unwrap();
        let (Allowed::PowerOfTwo(_, max) | Allowed::Range(_, max)) = table.entries.allowed() else {
            panic!("{} has no upper bound", table.name)
        };
        assert!(max <= 1 << index.width_bits, "{}", table.name);
        let banked = commit.fields.iter().any(|field| field.name == "bank");
        assert_eq!(banked, table.banks == 2, "{}", table.name);
    }
}

#[test]
fn every_configuration_field_is_readable() {
    let config = NicConfig::eci_16_jumbo();
    for &field in ConfigField::ALL {
        let name = alloc::format!("config_{}", field.name());
        let register = register(&name).unwrap();
        assert_eq!(register.reset, Reset::Config(field));
        assert_eq!(register.reset.value(&config) as usize, config.get(field));
    }
}

#[test]
fn gauges_start_at_what_is_free() {
    let config = NicConfig::eci();
    let value = |name| register(name).unwrap().reset.value(&config);
    assert_eq!(
        [
            "free_call_slots",
            "free_bypass_slots",
            "free_sessions",
            "queued_calls"
        ]
        .map(value),
        [64, 16, 128, 0]
    );
    let hash = u64::from(value("hash_hi")) << 32 | u64::from(value("hash_lo"));
    assert_eq!(hash, hash::content_hash());
}
