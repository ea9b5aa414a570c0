//! The register file: every register as data, and its address as a constant.
//!
//! Registers are 32 bits wide at 16-bit byte addresses that are multiples of four. Reads of
//! addresses without a register return zero and writes to them do nothing.
//!
//! **Tables** ([`TABLES`]) are reached through a window: to write an entry, write the window's
//! field registers, then the commit register with `read` clear, the entry's `index`, `bank` and
//! `valid`. To read an entry, write the commit register with `read` set, then read the field
//! registers; `valid` in the commit register tells whether the entry is in use. Requests are
//! served in order, so no wait is needed in between.

use serde::Serialize;

use crate::config::{ConfigField, NicConfig};
use crate::counters::{Counter, CounterClass};
use crate::hash;

mod map;
pub use map::{DEFINED, TABLES, address, bits};

/// What the host may do with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Writes do nothing.
    ReadOnly,
    /// Reads return the value last written, unless the text says otherwise.
    ReadWrite,
    /// A write acts; reads return zero, unless the text says otherwise.
    Command,
}

impl Access {
    /// The usual short form.
    pub const fn short(self) -> &'static str {
        match self {
            Self::ReadOnly => "RO",
            Self::ReadWrite => "RW",
            Self::Command => "WO",
        }
    }
}

/// Where a register's value after reset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// This value.
    Value(u32),
    /// Bits 31:0 of [`hash::content_hash`].
    ContentHashLow,
    /// Bits 63:32 of [`hash::content_hash`].
    ContentHashHigh,
    /// A field of the card's configuration.
    Config(ConfigField),
    /// A counter or gauge; counters start at zero, gauges at the amount they describe.
    Counter(Counter),
}

impl Reset {
    /// The value after reset of a card with this configuration.
    pub fn value(self, config: &NicConfig) -> u32 {
        match self {
            Self::Value(value) => value,
            Self::ContentHashLow => hash::content_hash() as u32,
            Self::ContentHashHigh => (hash::content_hash() >> 32) as u32,
            Self::Config(field) => config.get(field) as u32,
            Self::Counter(Counter::FreeCallSlots) => config.call_slots() as u32,
            Self::Counter(Counter::FreeBypassSlots) => config.bypass_slots() as u32,
            Self::Counter(Counter::FreeSessions) => config.sessions() as u32,
            Self::Counter(_) => 0,
        }
    }
}

/// Some bits of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BitField {
    /// Name of the field.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: usize,
    /// Width.
    pub width_bits: usize,
    /// What it means.
    pub doc: &'static str,
}

impl BitField {
    /// The mask of the field in the register.
    pub const fn mask(&self) -> u32 {
        (u32::MAX >> (32 - self.width_bits)) << self.lsb
    }

    /// The field's value in the register value `word`.
    pub const fn get(&self, word: u32) -> u32 {
        (word & self.mask()) >> self.lsb
    }

    /// `word` with the field replaced; bits of `value` above the width are dropped.
    pub const fn set(&self, word: u32, value: u32) -> u32 {
        (word & !self.mask()) | ((value << self.lsb) & self.mask())
    }
}

/// One register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name of the register.
    pub name: &'static str,
    /// Byte address.
    pub address: u16,
    /// What the host may do.
    pub access: Access,
    /// Value after reset.
    pub reset: Reset,
    /// Its fields in order of their bits; bits not named here read as zero and ignore writes.
    pub fields: &'static [BitField],
    /// What it is for.
    pub doc: &'static str,
}

/// A table behind a register window. See the [module text](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name of the table.
    pub name: &'static str,
    /// Banks; entries are per bank.
    pub banks: usize,
    /// The configuration field with the number of entries per bank.
    pub entries: ConfigField,
    /// Names of the field registers.
    pub registers: &'static [&'static str],
    /// Name of the commit register.
    pub commit: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

/// Every register in address order: the defined ones, then counters and gauges.
pub fn registers() -> impl Iterator<Item = Register> {
    let counters = Counter::ALL.iter().map(|&counter| Register {
        name: counter.name(),
        address: counter.address(),
        access: Access::ReadOnly,
        reset: Reset::Counter(counter),
        fields: match counter.class() {
            CounterClass::Gauge => bits::GAUGE,
            _ => bits::COUNTER,
        },
        doc: counter.doc(),
    });
    DEFINED.iter().copied().chain(counters)
}

/// The register called `name`.
pub fn register(name: &str) -> Option<Register> {
    registers().find(|register| register.name == name)
}

#[cfg(test)]
mod tests;
