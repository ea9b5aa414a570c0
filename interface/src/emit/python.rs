//! The Python module.

use alloc::format;
use alloc::string::String;

use super::{banner, constants};
use crate::counters::Counter;
use crate::line::{self, Field};
use crate::registers;

/// A Python module: every constant, and the registers, counters and header fields by name.
pub fn python() -> String {
    let mut out = format!("\"\"\"{}\"\"\"\n", banner());
    for group in constants() {
        out += &format!("\n# {}\n", group.title);
        for constant in group.constants {
            let comment = match constant.doc {
                "" => String::new(),
                doc => format!("  # {doc}"),
            };
            out += &format!("{} = {:#x}{comment}\n", constant.name, constant.value);
        }
    }
    out += "\n# Byte address of each register.\nREGISTERS = {\n";
    for register in registers::registers() {
        out += &format!("    \"{}\": {:#06x},\n", register.name, register.address);
    }
    out += "}\n\n# Byte address of each counter and gauge.\nCOUNTERS = {\n";
    for counter in Counter::ALL {
        out += &format!("    \"{}\": {:#06x},\n", counter.name(), counter.address());
    }
    out += "}\n";
    out += &header_fields("RX_FIELDS", line::rx::FIELDS);
    out += &header_fields("TX_FIELDS", line::tx::FIELDS);
    out += &header_fields("PREEMPTION_FIELDS", line::preemption::FIELDS);
    out
}

fn header_fields(name: &str, fields: &[Field]) -> String {
    let mut out = format!("\n# Lowest bit in the line, and width.\n{name} = {{\n");
    for field in fields {
        let (lsb, width) = (field.line_lsb(), field.width_bits);
        out += &format!("    \"{}\": ({lsb}, {width}),\n", field.name);
    }
    out + "}\n"
}
