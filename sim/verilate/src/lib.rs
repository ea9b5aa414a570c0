//! # From Verilog to a linked model, in a build script
//!
//! A build script hands over its designs; each becomes a static library with a small C interface
//! and a row in a generated Rust table:
//!
//! ```text
//! Design ──verilator──▶ C++ + V<name>.h ──ports──▶ shim ──c++ -O2──▶ lib<name>.a
//!                                          └──────▶ models.rs (ports, widths, clocks)
//! ```
//!
//! - **Content stamps.** Verilog text, flags, tool and compiler versions and the shim make a stamp.
//!   A finished library is kept under its stamp beside the cargo profiles, so neither Verilator
//!   nor the C++ compiler runs again for a stamp seen before, whatever made cargo rerun the script.
//! - **Names.** `rx$payload` stays `rx$payload`: Verilator's `rx__024payload` is decoded here.
//! - **Failures.** An assertion of a model never ends the process; `cpp/runtime.cpp` keeps its
//!   message and the model's owner asks for it.
//! - The Verilator runtime itself is compiled by the `verilated` crate; `cpp/lauberhorn_verilated.h`
//!   is what both agree on.
//!
//! Not here: anything at run time. The safe binding is `lauberhorn_sim::model`.

mod build;
mod compile;
mod design;
mod error;
mod ports;
mod shim;
mod stamp;
mod table;
mod tool;

pub use build::{Build, Built, Report};
pub use design::{Design, Trace};
pub use error::Error;
pub use ports::{Direction, Port};
pub use tool::Verilator;
