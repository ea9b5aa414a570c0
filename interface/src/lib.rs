//! # The interface of the card
//!
//! The one source of every number that two sides share: registers, line layouts, table hash
//! functions and the validated configuration. The hardware generator, the driver, the simulation
//! and (through [`emit`]) C, Python, Verilog and the documentation are all made from it, and a
//! [content hash](hash) in the card lets the driver refuse a card that was made from another one.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | the validated [`NicConfig`] and the sizes that follow from it |
//! | [`mod@line`] | headers of the control lines, as field tables and as types |
//! | [`registers`] | the register map as data and as constants |
//! | [`counters`] | which events are counted, and where |
//! | [`table_hash`] | where entries of the service and program tables lie |
//! | [`hash`] | the content hash |
//! | [`emit`] | the same in other languages |

#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod config;
pub mod counters;
pub mod emit;
pub mod hash;
pub mod line;
pub mod registers;
pub mod table_hash;

pub use config::{ConfigError, NicConfig};
