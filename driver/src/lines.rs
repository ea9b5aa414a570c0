//! # Lines and registers: what a back end offers
//! The endpoint code is written once against [`Lines`]. On hardware an operation is done when it
//! returns, so every future is ready at its first poll and [`block_on_ready`] runs the code; in
//! simulation a load pends until the card fills the line, and many cores share one thread.
//!
//! A line is named by its [`LineAddress`] in the card's aperture. An implementation stands for one core:
//! it keeps that core's program order, and holds lines as that core's cache would.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lauberhorn_coherence::LineAddress;
use thiserror::Error;

/// Stores, and the buffers they come from, are multiples of this, at multiples of this.
pub const STORE_BYTES: usize = 8;

/// Why an operation on a line failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinesError {
    /// The line lies outside what the back end maps.
    #[error("{line} lies outside the mapped {lines:#x} lines: check the card's line layout")]
    OutOfRange {
        /// The line asked for.
        line: LineAddress,
        /// Lines that are mapped.
        lines: usize,
    },
    /// A buffer does not fit the line.
    #[error("{len} bytes at byte {offset} do not fit a line of {line_bytes} bytes in whole words")]
    Shape {
        /// First byte in the line.
        offset: usize,
        /// Bytes asked for.
        len: usize,
        /// Bytes of a line.
        line_bytes: usize,
    },
    /// An atomic operation where no cache holds lines.
    #[error(
        "{line} cannot be changed in one atomic operation: this interconnect does not cache the \
         card's lines; run workers without preemption"
    )]
    NotCached {
        /// The line.
        line: LineAddress,
    },
    /// The card, or the simulation of it, is gone.
    #[error("the card is gone: {reason}")]
    Gone {
        /// How that showed.
        reason: String,
    },
}

/// One core's access to the lines of which the card is home.
pub trait Lines {
    /// Bytes of a line.
    fn line_bytes(&self) -> usize;

    /// Whether the core's cache holds lines. Else stores are combined, every load goes to the card, and
    /// none overtakes a store.
    fn are_cached(&self) -> bool;

    /// Loads `line`; `data` is one line long. The card decides when the load completes.
    fn load(
        &self,
        line: LineAddress,
        data: &mut [u8],
    ) -> impl Future<Output = Result<(), LinesError>>;

    /// Loads all `lines` into `data`, one after the other. Every load is issued before the first
    /// is awaited.
    fn load_many(
        &self,
        lines: &[LineAddress],
        data: &mut [u8],
    ) -> impl Future<Output = Result<(), LinesError>>;

    /// Loads `line` for writing and drops what it holds. Complete when the card has answered.
    fn load_exclusive(&self, line: LineAddress) -> impl Future<Output = Result<(), LinesError>>;

    /// Stores `data` into `line` from byte `offset` on, fetching the line for writing where it is
    /// not held so. Both are multiples of [`STORE_BYTES`].
    fn store(
        &self,
        line: LineAddress,
        offset: usize,
        data: &[u8],
    ) -> impl Future<Output = Result<(), LinesError>>;

    /// In one atomic operation, after all earlier stores and before every later operation: the first
    /// [`STORE_BYTES`] of `line`, as a little-endian number, become `new` if they are `expected`. Returns
    /// what they were. Fetches the line for writing where it is not held so.
    fn compare_exchange(
        &self,
        line: LineAddress,
        expected: u64,
        new: u64,
    ) -> impl Future<Output = Result<u64, LinesError>>;

    /// Cleans and invalidates `line`: what was stored into it goes to the card now.
    fn write_back(&self, line: LineAddress) -> impl Future<Output = Result<(), LinesError>>;

    /// Orders earlier stores before every later operation: a core may otherwise perform a load
    /// while an older store still waits in its store buffer.
    fn fence(&self) -> impl Future<Output = Result<(), LinesError>>;

    /// Starts fetching `line`, for writing if `exclusive`, and does not wait. A hint: it may do
    /// nothing.
    fn prefetch(&self, line: LineAddress, exclusive: bool);
}

/// Why a register access failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistersError {
    /// The address lies outside what the back end maps, or is not a multiple of four.
    #[error("register address {address:#06x} is not a register: {bytes:#x} bytes are mapped")]
    BadAddress {
        /// Byte address of the register.
        address: u16,
        /// Bytes that are mapped.
        bytes: usize,
    },
    /// The card, or the simulation of it, is gone.
    #[error("the card is gone: {reason}")]
    Gone {
        /// How that showed.
        reason: String,
    },
}

/// Access to the card's registers: 32 bits each, at byte addresses.
pub trait Registers {
    /// Reads the register at `address`.
    fn read32(&self, address: u16) -> impl Future<Output = Result<u32, RegistersError>>;

    /// Writes the register at `address`. Accesses take effect in program order.
    fn write32(&self, address: u16, value: u32)
    -> impl Future<Output = Result<(), RegistersError>>;
}

/// A future that should have been ready at its first poll was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a hardware operation did not complete at once: run simulated back ends on an executor")]
pub struct NotReady;

/// Runs a future of which every wait happens inside a back end, as on hardware: one poll runs it
/// to its end.
pub fn block_on_ready<F: Future>(future: F) -> Result<F::Output, NotReady> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(NotReady),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_a_ready_future_in_one_poll() {
        assert_eq!(block_on_ready(async { 6 * 7 }), Ok(42));
    }

    #[test]
    fn refuses_to_wait() {
        assert_eq!(block_on_ready(std::future::pending::<()>()), Err(NotReady));
    }
}
