//! # What can go wrong with tables

use std::net::Ipv4Addr;

use lauberhorn_interface::table_hash::{ProgramKey, ServiceKey};
use thiserror::Error;

use super::VERSION_SPAN;
use crate::lines::RegistersError;

/// Why a table was not changed, or not as it should have been.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TablesError {
    /// A register access failed.
    #[error("a register of the tables cannot be reached")]
    Registers(#[from] RegistersError),
    /// The service table has no room for a key.
    #[error(
        "no place in the service table for program {:#x} version {} procedure {} on port {}: \
         {used} of {capacity} entries are used and none of those in its way can move; \
         another port gives other places",
        .key.program, .key.version, .key.procedure, .key.port
    )]
    ServiceTableFull {
        /// The key refused.
        key: ServiceKey,
        /// Entries in use.
        used: usize,
        /// Places of the table.
        capacity: usize,
    },
    /// The program table has no room for a key.
    #[error(
        "no place in the program table for program {:#x} on port {}: {used} of {capacity} entries \
         are used and none of those in its way can move; another port gives other places",
        .key.program, .key.port
    )]
    ProgramTableFull {
        /// The key refused.
        key: ProgramKey,
        /// Entries in use.
        used: usize,
        /// Places of the table.
        capacity: usize,
    },
    /// The versions of one program lie too far apart.
    #[error(
        "program {:#x} on port {} would have versions {low} to {high}, the card tells {VERSION_SPAN} \
         apart: serve some on another port",
        .key.program, .key.port
    )]
    VersionSpan {
        /// The program.
        key: ProgramKey,
        /// Its lowest version.
        low: u32,
        /// Its highest version.
        high: u32,
    },
    /// All RPC ports are in use.
    #[error("no place for RPC port {port}: all {capacity} are used")]
    PortTableFull {
        /// The port refused.
        port: u16,
        /// Places of the table.
        capacity: usize,
    },
    /// All neighbour entries are in use.
    #[error("no place for neighbour {address}: all {capacity} are used; remove one first")]
    NeighbourTableFull {
        /// The address refused.
        address: Ipv4Addr,
        /// Places of the table.
        capacity: usize,
    },
    /// There is no such entry to remove.
    #[error("there is no entry {entry} to remove from the {table} table")]
    Missing {
        /// Name of the table.
        table: &'static str,
        /// What was to be removed.
        entry: String,
    },
    /// The card does not hold what was written.
    #[error(
        "the {table} table differs at bank {bank} index {index}: {field} is {found:#x}, \
         {expected:#x} was written"
    )]
    Readback {
        /// Name of the table.
        table: &'static str,
        /// Bank.
        bank: usize,
        /// Index in the bank.
        index: usize,
        /// Register that differs, or `valid`.
        field: &'static str,
        /// What was written.
        expected: u32,
        /// What is there.
        found: u32,
    },
}
