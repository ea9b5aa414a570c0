//! # Bring-up: from an unknown device to a card that serves
//! [`identify`] reads only, and refuses a device that is no Lauberhorn card or one that was made
//! from another interface. [`bring_up`] then stops the card, gives it its addresses, fills its
//! tables and starts it.

use std::net::Ipv4Addr;

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::{ConfigError, ConfigField};
use lauberhorn_interface::hash::content_hash;
use lauberhorn_interface::registers::{Reset, address, bits, register, registers};
use thiserror::Error;

use crate::endpoint::{Acknowledge, Mode, TxMode};
use crate::lines::{Registers, RegistersError};
use crate::service::Services;
use crate::tables::{Tables, TablesError, mac_words};

/// Reads of the reset register before a reset is given up; it takes a few round trips of the link.
const RESET_POLLS: usize = 100_000;

/// Why a card was not brought up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BringUpError {
    /// A register access failed.
    #[error("a register cannot be reached")]
    Registers(#[from] RegistersError),
    /// The device reads as all ones, as a bus does when nothing answers.
    #[error(
        "the device reads as all ones: it is in reset, powered down or its memory space is off"
    )]
    AllOnes,
    /// The device is something else.
    #[error("the device identifies itself as {found:#010x}, a Lauberhorn card as {expected:#010x}")]
    NotOurs {
        /// What the ID register holds.
        found: u32,
        /// What it should hold.
        expected: u32,
    },
    /// Card and driver were made from different interfaces.
    #[error(
        "the card was made from interface {card:#018x}, this driver from {driver:#018x}: \
         load the bitstream and install the driver of one release"
    )]
    OtherInterface {
        /// Content hash in the card.
        card: u64,
        /// Content hash of this driver.
        driver: u64,
    },
    /// The card has a configuration that this driver's rules forbid.
    #[error("the card reports a configuration that is not legal")]
    Config(#[from] ConfigError),
    /// A register did not hold what was written.
    #[error("register {name} holds {found:#x} after {written:#x} was written")]
    Readback {
        /// Name of the register.
        name: &'static str,
        /// What was written.
        written: u32,
        /// What it holds.
        found: u32,
    },
    /// An endpoint's reset does not end.
    #[error(
        "endpoint {endpoint}: its reset has not ended after {RESET_POLLS} reads: a core does not \
         give a line back, or the transmit path is stopped"
    )]
    Reset {
        /// The endpoint.
        endpoint: usize,
    },
    /// A worker keeps its core.
    #[error(
        "the worker of endpoint {endpoint} has not yielded after {reads} reads: it is still in a \
         handler, or it does not use its preemption line"
    )]
    NotYielded {
        /// The endpoint.
        endpoint: usize,
        /// Reads of the register.
        reads: usize,
    },
    /// Only workers are enabled one by one.
    #[error("endpoint {endpoint} is not a worker's")]
    NotAWorker {
        /// The endpoint.
        endpoint: usize,
    },
    /// A table was refused.
    #[error("the card's tables cannot be filled")]
    Tables(#[from] TablesError),
}

/// What the card is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// Core clock cycles that a load of an RX control line waits at most.
    pub block_time_cycles: u32,
    /// Hand unicast frames for other MAC addresses to the bypass.
    pub promiscuous: bool,
    /// Bit `i`: worker endpoint `i + 1` carries bare frames instead of calls.
    pub raw_workers: u16,
    /// How messages will cross the lines.
    pub mode: Mode,
    /// Empty the tables and reset all endpoints first; not needed right after a reset.
    pub clear_tables: bool,
}

/// A card that serves.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its configuration.
    pub config: NicConfig,
    /// Its tables.
    pub tables: Tables,
}

/// Checks that the device is a card that this driver can drive, and reads its configuration.
pub async fn identify(card: &impl Registers) -> Result<NicConfig, BringUpError> {
    let found = card.read32(address::ID).await?;
    if found == u32::MAX {
        return Err(BringUpError::AllOnes);
    }
    if let Some(Reset::Value(expected)) = register("id").map(|id| id.reset) {
        if found != expected {
            return Err(BringUpError::NotOurs { found, expected });
        }
    }
    let low = card.read32(address::HASH_LO).await?;
    let high = card.read32(address::HASH_HI).await?;
    let (hash, driver) = (u64::from(high) << 32 | u64::from(low), content_hash());
    if hash != driver {
        return Err(BringUpError::OtherInterface { card: hash, driver });
    }
    read_config(card).await
}

async fn read_config(card: &impl Registers) -> Result<NicConfig, BringUpError> {
    let mut builder = NicConfig::builder();
    for register in registers() {
        let Reset::Config(field) = register.reset else {
            continue;
        };
        let value = card.read32(register.address).await? as usize;
        builder = match field {
            ConfigField::LineBytes => builder.line_bytes(value),
            ConfigField::Workers => builder.workers(value),
            ConfigField::MtuBytes => builder.mtu_bytes(value),
            ConfigField::CallSlots => builder.call_slots(value),
            ConfigField::BypassSlots => builder.bypass_slots(value),
            ConfigField::Sessions => builder.sessions(value),
            ConfigField::ServiceEntries => builder.service_entries(value),
            ConfigField::ProgramEntries => builder.program_entries(value),
            ConfigField::NeighbourEntries => builder.neighbour_entries(value),
            ConfigField::RpcPorts => builder.rpc_ports(value),
        };
    }
    Ok(builder.build()?)
}

/// Brings a card up to serve `services` on all of its workers.
pub async fn bring_up(
    card: &impl Registers,
    settings: &Settings,
    services: &Services,
) -> Result<Card, BringUpError> {
    let config = identify(card).await?;
    let mut tables = Tables::new(&config);

    // Nothing comes in while addresses and tables are incomplete.
    stop(card).await?;
    if settings.clear_tables {
        tables.clear(card).await?;
        for endpoint in 0..config.endpoints() {
            reset_endpoint(card, endpoint).await?;
        }
    }
    card.write32(address::COUNTERS_CLEAR, 0).await?;

    let [mac_low, mac_high] = mac_words(settings.mac);
    write_checked(card, "own_mac_lo", mac_low).await?;
    write_checked(card, "own_mac_hi", mac_high).await?;
    write_checked(card, "own_ipv4", settings.address.into()).await?;
    write_checked(card, "block_time_cycles", settings.block_time_cycles).await?;
    tables.install(card, services).await?;

    write_checked(card, "raw_worker", settings.raw_workers.into()).await?;
    write_checked(card, "preempt", 0).await?;
    write_checked(card, "worker_enable", (1 << config.workers()) - 1).await?;
    let control = bits::control::ENABLE.set(0, 1);
    let control = bits::control::PROMISCUOUS.set(control, settings.promiscuous.into());
    let eager = settings.mode.tx == TxMode::Eager;
    let control = bits::control::EAGER_TX.set(control, eager.into());
    let by_store = settings.mode.acknowledge == Acknowledge::Store;
    let control = bits::control::STORE_ACKNOWLEDGE.set(control, by_store.into());
    write_checked(card, "control", control).await?;
    Ok(Card { config, tables })
}

/// Stops the card: it receives nothing more and its workers get no calls.
pub async fn stop(card: &impl Registers) -> Result<(), BringUpError> {
    write_checked(card, "control", 0).await?;
    write_checked(card, "worker_enable", 0).await
}

/// Takes an endpoint from its worker: what the worker's core holds is recalled, and calls that it
/// owed are answered. The worker is given nothing more until [`enable_worker`].
///
/// The core must run nothing of the worker any more, and its stores must be done.
pub async fn reset_endpoint(card: &impl Registers, endpoint: usize) -> Result<(), BringUpError> {
    if let Ok(mask) = worker_mask(endpoint) {
        let enabled = card.read32(address::WORKER_ENABLE).await?;
        write_checked(card, "worker_enable", enabled & !mask).await?;
    }
    let mask = 1 << endpoint;
    card.write32(address::ENDPOINT_RESET, mask).await?;
    for _ in 0..RESET_POLLS {
        if card.read32(address::ENDPOINT_RESET).await? & mask == 0 {
            return Ok(());
        }
    }
    Err(BringUpError::Reset { endpoint })
}

/// Asks the worker of an endpoint for its core and waits until it has yielded, for as many `reads` of
/// the register as its handlers may take. Then it begins nothing until [`allow`]. A worker that has
/// not yielded stays asked: wait once more, allow it to go on, or kill it and reset its endpoint.
///
/// Only a worker whose [`Mode`] has preemption on says when it is BUSY; any other seems to yield at once.
pub async fn preempt(
    card: &impl Registers,
    endpoint: usize,
    reads: usize,
) -> Result<(), BringUpError> {
    let mask = worker_mask(endpoint)?;
    let asked = card.read32(address::PREEMPT).await?;
    write_checked(card, "preempt", asked | mask).await?;
    for _ in 0..reads {
        if card.read32(address::YIELDED).await? & mask != 0 {
            return Ok(());
        }
    }
    Err(BringUpError::NotYielded { endpoint, reads })
}

/// Gives the worker of an endpoint its core back.
pub async fn allow(card: &impl Registers, endpoint: usize) -> Result<(), BringUpError> {
    let mask = worker_mask(endpoint)?;
    let asked = card.read32(address::PREEMPT).await?;
    write_checked(card, "preempt", asked & !mask).await
}

/// The bit of a worker endpoint in the registers that have one for each worker.
fn worker_mask(endpoint: usize) -> Result<u32, BringUpError> {
    let worker = endpoint.checked_sub(1);
    Ok(1 << worker.ok_or(BringUpError::NotAWorker { endpoint })?)
}

/// Lets a worker endpoint be given calls, after its reset.
pub async fn enable_worker(card: &impl Registers, endpoint: usize) -> Result<(), BringUpError> {
    let mask = worker_mask(endpoint)?;
    let enabled = card.read32(address::WORKER_ENABLE).await?;
    write_checked(card, "worker_enable", enabled | mask).await
}

async fn write_checked(
    card: &impl Registers,
    name: &'static str,
    written: u32,
) -> Result<(), BringUpError> {
    let register = register(name).expect("the interface describes every register used here");
    card.write32(register.address, written).await?;
    match card.read32(register.address).await? {
        found if found == written => Ok(()),
        found => Err(BringUpError::Readback {
            name,
            written,
            found,
        }),
    }
}

#[cfg(test)]
mod tests;
