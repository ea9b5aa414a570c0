//! The interface in other languages.
//!
//! All forms carry the same [`constants`]: the C header, the Python module and the Verilog
//! parameters are little more than a spelling of them, so that no number is written twice. The C
//! header adds the line headers as structs, the Markdown and JSON forms describe the whole.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::{BEAT_BYTES, CORE_CLOCK_HZ, ConfigField, LINE_ADDRESS_BITS, NicConfig};
use crate::counters::{COUNTERS_BASE, Counter};
use crate::hash::content_hash;
use crate::line::{self, AcceptStat, Field, RxKind, TxKind};
use crate::registers;
use crate::table_hash::{PROGRAM_KEY_BITS, PROGRAM_MASKS, SERVICE_KEY_BITS, SERVICE_MASKS};

mod c;
mod json;
mod markdown;
mod python;
mod verilog;

pub use c::c;
pub use json::json;
pub use markdown::markdown;
pub use python::python;
pub use verilog::verilog;

/// The command that regenerates the committed register reference.
pub const MARKDOWN_COMMAND: &str = "lauberhorn regs md > docs/src/registers.md";

/// One number of the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Name in capitals, without prefix.
    pub name: String,
    /// The number.
    pub value: u128,
    /// Width of the number: 32, 64 or that of a key.
    pub bits: usize,
    /// What it means; empty when the name says it.
    pub doc: &'static str,
}

/// A group of constants with a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The heading.
    pub title: String,
    /// The numbers.
    pub constants: Vec<Constant>,
}

impl Group {
    fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            constants: Vec::new(),
        }
    }

    fn add(&mut self, name: impl Into<String>, value: u128, bits: usize, doc: &'static str) {
        let name = name.into();
        self.constants.push(Constant {
            name,
            value,
            bits,
            doc,
        });
    }

    fn add_small(&mut self, name: impl Into<String>, value: usize, doc: &'static str) {
        self.add(name, value as u128, 32, doc);
    }
}

/// Every number of the interface, in groups.
pub fn constants() -> Vec<Group> {
    let mut general = Group::new("General");
    general.add(
        "CONTENT_HASH",
        content_hash().into(),
        64,
        "Content hash of this interface definition.",
    );
    general.add_small("BEAT_BYTES", BEAT_BYTES, "Bytes per cycle on every stream.");
    general.add_small(
        "CORE_CLOCK_HZ",
        CORE_CLOCK_HZ as usize,
        "Core clock frequency.",
    );
    general.add_small(
        "LINE_ADDRESS_BITS",
        LINE_ADDRESS_BITS,
        "Width of a line index.",
    );
    general.add_small(
        "COUNTERS_BASE",
        COUNTERS_BASE.into(),
        "Byte address of counter 0.",
    );
    general.add_small("COUNTER_COUNT", Counter::COUNT, "Counters and gauges.");

    let mut groups = Vec::from([general, register_group()]);
    groups.push(header_group("RX header", "RX", line::rx::FIELDS));
    groups.push(header_group("TX header", "TX", line::tx::FIELDS));
    let preemption = line::preemption::FIELDS;
    groups.push(header_group("Preemption line", "PREEMPTION", preemption));
    groups.push(kind_group());
    for name in NicConfig::NAMES {
        groups.push(configuration_group(name));
    }
    let mut masks = Group::new("Table hash functions: index bit i is the parity of key & mask i");
    for (table, banks, bits) in [
        ("SERVICE", &SERVICE_MASKS, SERVICE_KEY_BITS),
        ("PROGRAM", &PROGRAM_MASKS, PROGRAM_KEY_BITS),
    ] {
        for (bank, bank_masks) in banks.iter().enumerate() {
            for (i, &mask) in bank_masks.iter().enumerate() {
                masks.add(format!("{table}_MASK_{bank}_{i}"), mask, bits, "");
            }
        }
    }
    groups.push(masks);
    groups
}

fn register_group() -> Group {
    let mut group = Group::new("Registers: byte address, and mask and lowest bit of each field");
    for register in registers::registers() {
        let name = register.name.to_uppercase();
        group.add_small(format!("REG_{name}"), register.address.into(), register.doc);
        if let registers::Reset::Value(value) = register.reset {
            group.add_small(format!("REG_{name}_RESET"), value as usize, "");
        }
        for field in register.fields {
            let field_name = field.name.to_uppercase();
            let prefix = format!("REG_{name}_{field_name}");
            group.add_small(format!("{prefix}_MASK"), field.mask() as usize, field.doc);
            group.add_small(format!("{prefix}_LSB"), field.lsb, "");
        }
    }
    group
}

fn header_group(title: &str, prefix: &str, fields: &[Field]) -> Group {
    let mut group = Group::new(format!(
        "{title}: byte of the word, lowest bit in the word, width of each field"
    ));
    for field in fields {
        let name = field.name.to_uppercase();
        group.add_small(format!("{prefix}_{name}_BYTE"), field.word_byte, field.doc);
        group.add_small(format!("{prefix}_{name}_LSB"), field.lsb, "");
        group.add_small(format!("{prefix}_{name}_BITS"), field.width_bits, "");
    }
    group
}

fn kind_group() -> Group {
    let mut group = Group::new("Line images");
    group.add_small("HEADER_BYTES", line::HEADER_BYTES, "Bytes of a header.");
    group.add_small(
        "CALL_BODY_OFFSET",
        line::CALL_BODY_OFFSET,
        "Where the body of a call or reply starts.",
    );
    group.add_small(
        "FRAME_BODY_OFFSET",
        line::FRAME_BODY_OFFSET,
        "Where a frame starts.",
    );
    for &kind in RxKind::ALL {
        let name = screaming(&format!("{kind:?}"));
        group.add_small(format!("RX_KIND_{name}"), kind as usize, kind.doc());
    }
    for &kind in TxKind::ALL {
        let name = screaming(&format!("{kind:?}"));
        group.add_small(format!("TX_KIND_{name}"), kind as usize, kind.doc());
    }
    for &stat in AcceptStat::ALL {
        let name = screaming(&format!("{stat:?}"));
        group.add_small(format!("ACCEPT_{name}"), stat as usize, "");
    }
    group
}

fn configuration_group(name: &str) -> Group {
    let config = NicConfig::named(name).expect("the name comes from NicConfig::NAMES");
    let mut group = Group::new(format!("Configuration {name}"));
    let prefix = name.to_uppercase().replace('-', "_");
    for &field in ConfigField::ALL {
        let field_name = field.name().to_uppercase();
        group.add_small(
            format!("{prefix}_{field_name}"),
            config.get(field),
            field.doc(),
        );
    }
    for (derived, value, doc) in derived(&config) {
        group.add_small(format!("{prefix}_{}", derived.to_uppercase()), value, doc);
    }
    group
}

/// The quantities that follow from a configuration: name, value, meaning.
fn derived(config: &NicConfig) -> [(&'static str, usize, &'static str); 5] {
    [
        (
            "endpoints",
            config.endpoints(),
            "The bypass and the workers.",
        ),
        (
            "beats_per_line",
            config.beats_per_line(),
            "Beats of one line.",
        ),
        (
            "capacity_bytes",
            config.capacity_bytes(),
            "Line image of the largest message, in whole lines.",
        ),
        (
            "overflow_lines",
            config.overflow_lines(),
            "Per direction of an endpoint.",
        ),
        ("slot_beats", config.slot_beats(), "Packet buffer slot."),
    ]
}

/// `TryAgain` to `TRY_AGAIN`.
fn screaming(camel: &str) -> String {
    let mut out = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// First line of every generated file.
fn banner() -> String {
    format!(
        "Generated from the interface description, content hash {:016x}. Do not edit.",
        content_hash()
    )
}
