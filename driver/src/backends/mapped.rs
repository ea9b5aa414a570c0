//! # Lines and registers of a mapped region
//! For a BAR: the processor does not cache it. A load is a read that the card may answer late, a
//! store goes out at once or when the write-combining buffer empties, and there is nothing to
//! recall, and no atomic operation. A read returns after the writes before it have reached the card, so the load that ends a
//! message also delivers it.
//!
//! A device that has gone away reads as all ones. A register or line that does is believed only if
//! the ID register does not.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use lauberhorn_coherence::{LineAddress, Placement};
use lauberhorn_interface::registers::address;

use super::mmio::Mmio;
use crate::lines::{Lines, LinesError, Registers, RegistersError, STORE_BYTES};

/// Bytes of the register file's address space.
pub const REGISTER_BYTES: usize = 1 << 16;

/// The registers at the start of a mapped region.
#[derive(Clone, Debug)]
pub struct MappedRegisters {
    region: Arc<Mmio>,
}

impl MappedRegisters {
    /// The registers of a mapped region.
    pub fn new(region: Arc<Mmio>) -> Self {
        Self { region }
    }

    /// Whether the card no longer answers.
    pub fn is_gone(&self) -> bool {
        self.region.read32(address::ID.into()) == Some(u32::MAX)
    }

    fn bad_address(&self, address: u16) -> RegistersError {
        let bytes = self.region.len().min(REGISTER_BYTES);
        RegistersError::BadAddress { address, bytes }
    }
}

impl Registers for MappedRegisters {
    async fn read32(&self, address: u16) -> Result<u32, RegistersError> {
        let value = self.region.read32(address.into());
        let value = u32::from_le(value.ok_or_else(|| self.bad_address(address))?);
        if value == u32::MAX && self.is_gone() {
            let reason = format!("register {address:#06x} and the ID register read as all ones");
            return Err(RegistersError::Gone { reason });
        }
        Ok(value)
    }

    async fn write32(&self, address: u16, value: u32) -> Result<(), RegistersError> {
        let written = self.region.write32(address.into(), value.to_le());
        written.ok_or_else(|| self.bad_address(address))
    }
}

/// The lines of a mapped region, from its start on.
#[derive(Clone, Debug)]
pub struct MappedLines {
    region: Arc<Mmio>,
    line_bytes: usize,
    registers: Option<MappedRegisters>,
}

impl MappedLines {
    /// The lines of a mapped region, as long as `layout` says. With the card's registers a card
    /// that went away is told from a line that is all ones.
    pub fn new(
        region: Arc<Mmio>,
        layout: &dyn Placement,
        registers: Option<MappedRegisters>,
    ) -> Self {
        Self {
            region,
            line_bytes: layout.line_bytes(),
            registers,
        }
    }

    fn lines(&self) -> usize {
        self.region.len() / self.line_bytes
    }

    fn start(&self, line: LineAddress) -> Result<usize, LinesError> {
        let (index, lines) = (line.0 as usize, self.lines());
        match index < lines {
            true => Ok(index * self.line_bytes),
            false => Err(LinesError::OutOfRange { line, lines }),
        }
    }

    fn check_shape(&self, offset: usize, len: usize) -> Result<(), LinesError> {
        let line_bytes = self.line_bytes;
        let whole = offset % STORE_BYTES == 0 && len % STORE_BYTES == 0;
        match whole && offset.checked_add(len).is_some_and(|end| end <= line_bytes) {
            true => Ok(()),
            false => Err(LinesError::Shape {
                offset,
                len,
                line_bytes,
            }),
        }
    }

    fn read(&self, line: LineAddress, data: &mut [u8]) -> Result<(), LinesError> {
        let start = self.start(line)?;
        self.check_shape(0, data.len())?;
        let outside = LinesError::OutOfRange {
            line,
            lines: self.lines(),
        };
        for (at, word) in (start..)
            .step_by(STORE_BYTES)
            .zip(data.chunks_exact_mut(STORE_BYTES))
        {
            let value = self.region.read64(at).ok_or(outside.clone())?;
            word.copy_from_slice(&value.to_ne_bytes());
        }
        let all_ones = data.iter().all(|&byte| byte == 0xff);
        match &self.registers {
            Some(registers) if all_ones && registers.is_gone() => {
                let reason = format!("{line} and the ID register read as all ones");
                Err(LinesError::Gone { reason })
            }
            _ => Ok(()),
        }
    }
}

impl Lines for MappedLines {
    fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn are_cached(&self) -> bool {
        false
    }

    async fn load(&self, line: LineAddress, data: &mut [u8]) -> Result<(), LinesError> {
        self.read(line, data)
    }

    async fn load_many(&self, lines: &[LineAddress], data: &mut [u8]) -> Result<(), LinesError> {
        let line_bytes = self.line_bytes;
        if data.len() != lines.len() * line_bytes {
            return Err(LinesError::Shape {
                offset: 0,
                len: data.len(),
                line_bytes,
            });
        }
        // Nothing to issue ahead: the processor performs uncached reads one after the other.
        for (&line, data) in lines.iter().zip(data.chunks_exact_mut(line_bytes)) {
            self.read(line, data)?;
        }
        Ok(())
    }

    async fn load_exclusive(&self, line: LineAddress) -> Result<(), LinesError> {
        let mut word = [0; STORE_BYTES];
        self.read(line, &mut word)
    }

    async fn store(&self, line: LineAddress, offset: usize, data: &[u8]) -> Result<(), LinesError> {
        let start = self.start(line)?;
        self.check_shape(offset, data.len())?;
        let outside = LinesError::OutOfRange {
            line,
            lines: self.lines(),
        };
        let words = (start + offset..)
            .step_by(STORE_BYTES)
            .zip(data.chunks_exact(STORE_BYTES));
        for (at, bytes) in words {
            let mut word = [0; STORE_BYTES];
            word.copy_from_slice(bytes);
            let written = self.region.write64(at, u64::from_ne_bytes(word));
            written.ok_or(outside.clone())?;
        }
        Ok(())
    }

    async fn compare_exchange(&self, line: LineAddress, _: u64, _: u64) -> Result<u64, LinesError> {
        self.start(line)?;
        Err(LinesError::NotCached { line })
    }

    async fn write_back(&self, _: LineAddress) -> Result<(), LinesError> {
        // Not cached: what is stored is on its way. The fence empties write-combining buffers.
        self.fence().await
    }

    async fn fence(&self) -> Result<(), LinesError> {
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn prefetch(&self, _: LineAddress, _: bool) {}
}

#[cfg(test)]
mod tests;
