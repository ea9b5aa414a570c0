//! The JSON description.

use alloc::string::String;

use serde_json::{Map, Value, json};

use super::derived;
use crate::config::{ConfigField, NicConfig};
use crate::counters::Counter;
use crate::hash::content_hash;
use crate::line::{self, AcceptStat, RxKind, TxKind};
use crate::registers::{self, Register, Reset};
use crate::table_hash::{PROGRAM_MASKS, SERVICE_MASKS};

/// One JSON document with everything. 64-bit and wider numbers are hexadecimal strings, as not
/// every JSON reader keeps them exact.
pub fn json() -> String {
    let configurations: Map<String, Value> = NicConfig::NAMES
        .iter()
        .map(|&name| (name.into(), configuration(name)))
        .collect();
    let kinds = |all: &[(String, u8, bool, &str)]| -> Value {
        all.iter()
            .map(|(name, value, valid, doc)| {
                json!({"name": name, "value": value, "valid": valid, "doc": doc})
            })
            .collect()
    };
    let rx_kinds: alloc::vec::Vec<_> = RxKind::ALL
        .iter()
        .map(|&kind| (name_of(&kind), kind as u8, kind.is_valid(), kind.doc()))
        .collect();
    let tx_kinds: alloc::vec::Vec<_> = TxKind::ALL
        .iter()
        .map(|&kind| (name_of(&kind), kind as u8, kind.is_valid(), kind.doc()))
        .collect();
    let accept: Map<String, Value> = AcceptStat::ALL
        .iter()
        .map(|&stat| (name_of(&stat), json!(stat as u16)))
        .collect();
    let document = json!({
        "content_hash": alloc::format!("{:016x}", content_hash()),
        "registers": registers::registers().map(register).collect::<Value>(),
        "tables": registers::TABLES.iter().map(table).collect::<Value>(),
        "counters": Counter::ALL.iter().map(|counter| json!({
            "name": counter.name(),
            "class": counter.class(),
            "address": counter.address(),
            "doc": counter.doc(),
        })).collect::<Value>(),
        "line": {
            "header_bytes": line::HEADER_BYTES,
            "call_body_offset": line::CALL_BODY_OFFSET,
            "frame_body_offset": line::FRAME_BODY_OFFSET,
            "rx": { "fields": line::rx::FIELDS, "kinds": kinds(&rx_kinds) },
            "tx": { "fields": line::tx::FIELDS, "kinds": kinds(&tx_kinds) },
            "preemption": { "fields": line::preemption::FIELDS },
            "accept_stat": accept,
        },
        "table_hash": {
            "service": masks(&SERVICE_MASKS),
            "program": masks(&PROGRAM_MASKS),
        },
        "configurations": configurations,
    });
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value is printable");
    text.push('\n');
    text
}

/// The name under which serde writes a unit variant.
fn name_of(variant: &impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(name)) => name,
        other => unreachable!("kinds are unit variants, got {other:?}"),
    }
}

fn register(register: Register) -> Value {
    let reset = match register.reset {
        Reset::Value(value) => json!(value),
        Reset::ContentHashLow => json!(content_hash() as u32),
        Reset::ContentHashHigh => json!((content_hash() >> 32) as u32),
        Reset::Config(field) => json!({ "config": field.name() }),
        Reset::Counter(_) => json!({ "live": true }),
    };
    json!({
        "name": register.name,
        "address": register.address,
        "access": register.access.short(),
        "reset": reset,
        "fields": register.fields,
        "doc": register.doc,
    })
}

fn table(table: &registers::Table) -> Value {
    json!({
        "name": table.name,
        "banks": table.banks,
        "entries": table.entries.name(),
        "registers": table.registers,
        "commit": table.commit,
        "doc": table.doc,
    })
}

fn masks(banks: &[[u128; 10]; 2]) -> Value {
    let hex = |mask: &u128| alloc::format!("{mask:x}");
    banks
        .iter()
        .map(|bank| bank.iter().map(hex).collect::<Value>())
        .collect()
}

fn configuration(name: &str) -> Value {
    let config = NicConfig::named(name).expect("the name comes from NicConfig::NAMES");
    let fields = ConfigField::ALL.iter().map(|&f| (f.name(), config.get(f)));
    let derived = derived(&config).map(|(name, value, _)| (name, value));
    fields
        .chain(derived)
        .map(|(name, value)| (String::from(name), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}
