//! # Adapters
//! Between the line port, which knows no interconnect, and the buses that do. Each adapter has
//! registers at every output on both sides.
//!
//! | adapter | bus | lines |
//! |---|---|---|
//! | [`eci`] | AXI4 and local messages of Enzian's directory controller | 128 bytes |
//! | [`cxl`] | CXL.mem with back-invalidate | 64 bytes |
//! | [`pcie`] | AXI4 behind a PCIe bridge | 64 bytes |
//!
//! What an adapter does not accept it reports as `BusEvents`, which the card counts.
//!
//! Which message becomes what, with sources, is in `docs/src/interconnects.md`.

pub mod axi_read;
pub mod cxl;
pub mod eci;
pub mod events;
mod flags;
pub mod pcie;
pub mod types;

use crate::design::Design;

/// Every adapter with its blocks.
pub fn designs() -> Vec<Design> {
    let mut designs = eci::designs();
    designs.extend(cxl::designs());
    designs.extend(pcie::designs());
    designs
}

#[cfg(test)]
mod tests;
