//! The card: blocks described in Rust, emitted as Verilog.

pub mod csr;
pub mod design;
pub mod dispatch;
pub mod host;
pub mod net;
pub mod nic;
pub mod rtl;
pub mod stream;
pub mod testing;
pub mod types;

pub use rust_hdl;
