//! # Volatile access to a mapped region
//! The only unsafe code of the driver. Offsets are checked for bounds and alignment here, so that
//! nothing outside can misuse a pointer.

use std::io;

use memmap2::{MmapAsRawDesc, MmapOptions, MmapRaw};

/// A region of device memory, mapped shared.
#[derive(Debug)]
pub struct Mmio {
    map: MmapRaw,
}

impl Mmio {
    /// Maps `bytes` of a file or device from `offset` on; `offset` is a multiple of the page size.
    pub fn map(file: impl MmapAsRawDesc, offset: u64, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(bytes).map_raw(file)?;
        Ok(Self { map })
    }

    /// Mapped bytes.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads 4 bytes as one access; none when `offset` is out of bounds or not a multiple of 4.
    pub fn read32(&self, offset: usize) -> Option<u32> {
        let pointer = self.pointer::<u32>(offset)?;
        // SAFETY: `pointer` is aligned and inside the mapping (checked by `pointer`), which lives
        // as long as `self`; no reference to the mapped bytes exists, and every bit pattern is a
        // valid u32. The device may change the bytes at any time: volatile access allows for it.
        Some(unsafe { pointer.read_volatile() })
    }

    /// Writes 4 bytes as one access; none when `offset` is out of bounds or not a multiple of 4.
    pub fn write32(&self, offset: usize, value: u32) -> Option<()> {
        let pointer = self.pointer::<u32>(offset)?;
        // SAFETY: as for `read32`; the mapping is writable and shared, and its bytes belong to the
        // device, never to a Rust object.
        unsafe { pointer.write_volatile(value) };
        Some(())
    }

    /// Reads 8 bytes as one access; none when `offset` is out of bounds or not a multiple of 8.
    pub fn read64(&self, offset: usize) -> Option<u64> {
        let pointer = self.pointer::<u64>(offset)?;
        // SAFETY: as for `read32`, with a u64.
        Some(unsafe { pointer.read_volatile() })
    }

    /// Writes 8 bytes as one access; none when `offset` is out of bounds or not a multiple of 8.
    pub fn write64(&self, offset: usize, value: u64) -> Option<()> {
        let pointer = self.pointer::<u64>(offset)?;
        // SAFETY: as for `write32`, with a u64.
        unsafe { pointer.write_volatile(value) };
        Some(())
    }

    /// A pointer to the `T` at `offset`, if all of it is mapped and it is aligned. The mapping
    /// starts at a page, so an aligned offset is an aligned address.
    fn pointer<T>(&self, offset: usize) -> Option<*mut T> {
        let end = offset.checked_add(size_of::<T>())?;
        let inside = end <= self.map.len() && offset % align_of::<T>() == 0;
        inside.then(|| self.map.as_mut_ptr().wrapping_add(offset).cast())
    }
}
