//! The card: blocks described in Rust, emitted as Verilog.

pub mod csr;
pub mod rtl;
pub mod types;

pub use rust_hdl;
