//! # Back ends
//! | module | what |
//! |---|---|
//! | [`mapped`] | lines and registers of a mapped region, such as a PCI BAR |
//! | [`mmio`] | volatile access to a mapped region: all the unsafe code there is |
//! | `vfio` | opens a PCI device through the kernel's VFIO (feature `vfio`) |
//!
//! The simulation brings its own back end; it lives with the simulation.

pub mod mapped;
#[expect(unsafe_code, reason = "volatile access to mapped device memory")]
pub mod mmio;
#[cfg(all(feature = "vfio", target_os = "linux"))]
pub mod vfio;
