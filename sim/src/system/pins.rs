//! The card's pins as plain Rust values.

use thiserror::Error;

use crate::csr::{CsrPortOut, RegisterAccess};
use crate::host::bus::BusReport;
use crate::host::{LinePortIn, LinePortOut};
use crate::wire::WireBeat;

/// What surrounds the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicInputs {
    /// Beat from the MAC; the card takes it.
    pub mac_rx: Option<WireBeat>,
    /// The MAC takes a beat.
    pub mac_tx_ready: bool,
    /// Host side of the line port.
    pub line: LinePortIn,
    /// What the adapter reports, if there is one.
    pub bus: BusReport,
    /// Register request offered.
    pub register: Option<RegisterAccess>,
}

/// What the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicOutputs {
    /// Beat to the MAC.
    pub mac_tx: Option<WireBeat>,
    /// Card side of the line port.
    pub line: LinePortOut,
    /// Register port.
    pub csr: CsrPortOut,
}

/// The card's model cannot go on: an assertion in it failed, for instance.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the card failed: {message}")]
pub struct CardFailure {
    /// What the model said.
    pub message: String,
}

/// A card, however it is simulated.
pub trait NicPins {
    /// One core clock cycle: applies the inputs, returns what the card drives in the same cycle
    /// with them applied, then clocks.
    ///
    /// # Errors
    /// When the model reports a failure of its own.
    fn cycle(&mut self, inputs: &NicInputs) -> Result<NicOutputs, CardFailure>;
}
