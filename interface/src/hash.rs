//! The content hash that tells whether two sides were made from the same interface definition.
//!
//! It is the 64-bit FNV-1a hash of [`canonical_text`]: names, addresses, widths and numbers of
//! registers, tables, counters, line layouts and the table hash functions, without documentation
//! texts. The configuration is not part of it; it has registers of its own.

use alloc::string::String;
use core::fmt::Write;

use crate::line::{self, RxKind, TxKind};
use crate::registers::{self, Reset};
use crate::table_hash;

/// FNV-1a, 64 bits.
pub const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The content hash of this interface definition.
pub fn content_hash() -> u64 {
    fnv1a(canonical_text().as_bytes())
}

/// What is hashed: one line for every fact that two sides must agree on.
pub fn canonical_text() -> String {
    let mut out = String::new();
    write_facts(&mut out).expect("a String takes all text");
    out
}

fn write_facts(out: &mut String) -> core::fmt::Result {
    for register in registers::registers() {
        let access = register.access.short();
        write!(
            out,
            "register {} {:04x} {access}",
            register.name, register.address
        )?;
        // The hash registers cannot contain the hash, and the rest depends on the configuration.
        if let Reset::Value(value) = register.reset {
            write!(out, " {value:08x}")?;
        }
        for field in register.fields {
            write!(out, " {}[{};{}]", field.name, field.lsb, field.width_bits)?;
        }
        writeln!(out)?;
    }
    for table in registers::TABLES {
        write!(
            out,
            "table {} {} {}",
            table.name,
            table.banks,
            table.entries.name()
        )?;
        for name in table.registers {
            write!(out, " {name}")?;
        }
        writeln!(out, " {}", table.commit)?;
    }
    let layouts = [
        ("rx", line::rx::FIELDS),
        ("tx", line::tx::FIELDS),
        ("preemption", line::preemption::FIELDS),
    ];
    for (direction, fields) in layouts {
        for field in fields {
            writeln!(
                out,
                "line {direction} {} [{};{}]",
                field.name,
                field.line_lsb(),
                field.width_bits
            )?;
        }
    }
    for kind in RxKind::ALL {
        writeln!(out, "rx kind {kind:?} {} {}", *kind as u8, kind.is_valid())?;
    }
    for kind in TxKind::ALL {
        writeln!(out, "tx kind {kind:?} {} {}", *kind as u8, kind.is_valid())?;
    }
    writeln!(
        out,
        "header {} body {} frame {}",
        line::HEADER_BYTES,
        line::CALL_BODY_OFFSET,
        line::FRAME_BODY_OFFSET
    )?;
    for (name, banks) in [
        ("service", &table_hash::SERVICE_MASKS),
        ("program", &table_hash::PROGRAM_MASKS),
    ] {
        for (bank, masks) in banks.iter().enumerate() {
            for mask in masks {
                writeln!(out, "mask {name} {bank} {mask:028x}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_the_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn canonical_text_holds_facts_and_no_documentation() {
        let text = canonical_text();
        assert!(text.contains(
            "register control 0014 RW 00000000 enable[0;1] promiscuous[1;1] eager_tx[2;1] "
        ));
        assert!(text.contains("register rx_call_dispatched 0400 RO count[0;32]\n"));
        assert!(text.contains("line rx function [64;64]\n"));
        assert!(text.contains("rx kind Call 2 true\n"));
        assert!(text.contains("table program 2 program_entries program_program"));
        assert!(!text.contains("Turns the card on"));
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("mask "))
                .count(),
            40
        );
    }
}
