//! # Buses
//! What lies between the cores and the card's line port when the card is behind an adapter: a model of the
//! host's end of the bus, and the adapter itself as Verilator runs it. The host's end turns line
//! messages into transactions of the bus, with seeded delays and in any order the bus allows, and
//! checks what the adapter does against the bus's rules.
//!
//! ```text
//! Host ⇄ line messages ⇄ [ bus model ⇄ pins ⇄ adapter (Verilog) ] ⇄ line port ⇄ card
//! ```
//!
//! All outputs of an adapter are registered, so within a cycle the card goes first, then the bus.

mod axi;
mod cxl;
mod eci;
mod pcie;
mod pins;
mod port;

use std::rc::Rc;

use lauberhorn_coherence::planner::PlanError;
use lauberhorn_coherence::{EndpointLayout, Placement};
use lauberhorn_interface::counters::Counter;
use thiserror::Error;

use super::{LinePortIn, LinePortOut};
use crate::model::{Failure, ModelError};
use crate::seed::Seed;

pub use cxl::CxlBus;
pub use eci::EciBus;
pub use pcie::PcieBus;

/// How wild a bus is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusSettings {
    /// A transaction starts up to so many cycles after its message, at random.
    pub delay_cycles: u64,
    /// Chance, in 1/256 per cycle, that a channel stalls.
    pub stall_256: u16,
    /// Chance, in 1/65536 per cycle, of a transaction that the bus forbids.
    pub hostile_65536: u32,
    /// ECI: which lines share a unit of the directory.
    pub units: Units,
}

/// Which lines share a unit of Enzian's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// Those of one colour, as the card is built.
    #[default]
    Planned,
    /// Those that would have one colour if the lines lay one after the other, which is not safe.
    Contiguous,
    /// None: the adapter alone is tried, with a host that loads any line at any time.
    OnePerLine,
}

impl BusSettings {
    /// Delays, stalls and forbidden transactions.
    pub const WILD: BusSettings = BusSettings {
        delay_cycles: 24,
        stall_256: 60,
        hostile_65536: 500,
        units: Units::Planned,
    };
}

/// What is wrong with what an adapter did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum BusRule {
    #[error("{channel}: an offered item changed or went away before it was taken")]
    Unstable { channel: &'static str },
    #[error("{channel}: {item} answers nothing that is outstanding")]
    Stray { channel: &'static str, item: String },
    #[error("{channel}: {item} came where {expected} must come")]
    Wrong {
        channel: &'static str,
        item: String,
        expected: String,
    },
    #[error(
        "directory unit {unit} has been at work for {holder} for {cycles} cycles, and {waiting} \
         waits for it"
    )]
    Stall {
        unit: usize,
        holder: String,
        waiting: String,
        cycles: u64,
    },
    #[error("{kind} counted {counted} times, it happened {happened} times")]
    Count {
        kind: &'static str,
        counted: u64,
        happened: u64,
    },
}

/// A bus or the adapter on it failed.
#[derive(Debug, Error)]
pub enum BusError {
    /// There is no such adapter, or it lacks a port.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An assertion of the adapter failed.
    #[error("the adapter failed")]
    Adapter(#[from] Box<Failure>),
    /// The adapter broke a rule of the bus.
    #[error("cycle {cycle}: {rule}")]
    Broken {
        /// When.
        cycle: u64,
        /// What.
        rule: BusRule,
    },
    /// The bus has no safe place for the card's lines.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No adapter speaks this bus.
    #[error("there is no adapter for {name}: there are {}", BUSES.join(", "))]
    Unknown {
        /// The interconnect asked for.
        name: String,
    },
}

/// What an adapter reports to the card in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusReport {
    /// A request was refused.
    pub refused_request: bool,
    /// A write was refused.
    pub refused_write: bool,
    /// A response was dropped.
    pub dropped_response: bool,
    /// Lines that are not whole.
    pub incomplete: u16,
}

/// The card's counters of what a bus may not do, in the order in which the models count it.
pub(crate) const FORBIDDEN: [Counter; 3] = [
    Counter::BusRefusedRequests,
    Counter::BusRefusedWrites,
    Counter::BusDroppedResponses,
];

/// A bus with the card's adapter to it. Forbidden transactions wait for [`Bus::provoke`].
pub trait Bus {
    /// Where the cores find the card's lines, when that is not where the card has them.
    fn placement(&self) -> Option<Rc<dyn Placement>> {
        None
    }

    /// What the adapter drives at the card's line port in this cycle.
    fn to_card(&self) -> LinePortIn;

    /// What the adapter reports in this cycle.
    fn report(&self) -> BusReport;

    /// Ends the cycle, given what the cores and the card drove in it; what the cores see.
    ///
    /// # Errors
    /// When the adapter breaks a rule of the bus.
    fn cycle(
        &mut self,
        cycle: u64,
        host: &LinePortIn,
        card: &LinePortOut,
    ) -> Result<LinePortOut, BusError>;

    /// Starts forbidden transactions now and then, or no more, so that counts can be compared when all
    /// are answered.
    fn provoke(&mut self, on: bool);

    /// What does not add up at the end of a run, given the card's counters.
    ///
    /// # Errors
    /// The first thing.
    fn finish(&self, read: &dyn Fn(Counter) -> u64) -> Result<(), BusRule>;

    /// What happened on the bus that a test wants to have happened, by name.
    fn events(&self) -> Vec<(&'static str, u64)>;
}

/// The interconnects that there are adapters for.
pub const BUSES: &[&str] = &["eci", "cxl", "pcie"];

/// The bus of an interconnect profile, with its adapter just reset.
///
/// # Errors
/// When there is none.
pub fn open(
    name: &str,
    layout: &EndpointLayout,
    settings: BusSettings,
    seed: Seed,
) -> Result<Box<dyn Bus>, BusError> {
    match name {
        "eci" => Ok(Box::new(EciBus::open(layout, settings, seed)?)),
        "cxl" => Ok(Box::new(CxlBus::open(layout, settings, seed)?)),
        "pcie" => Ok(Box::new(PcieBus::open(layout, settings, seed)?)),
        _ => Err(BusError::Unknown { name: name.into() }),
    }
}

fn stray(cycle: u64, channel: &'static str, item: impl std::fmt::Debug) -> BusError {
    let item = format!("{item:x?}");
    let rule = BusRule::Stray { channel, item };
    BusError::Broken { cycle, rule }
}

fn wrong(
    cycle: u64,
    channel: &'static str,
    item: impl std::fmt::Debug,
    expected: impl std::fmt::Debug,
) -> BusError {
    let (item, expected) = (format!("{item:x?}"), format!("{expected:x?}"));
    let rule = BusRule::Wrong {
        channel,
        item,
        expected,
    };
    BusError::Broken { cycle, rule }
}
