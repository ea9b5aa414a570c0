//! # Two judges, one design
//! Every leaf block of the card has a body from which both an interpreter and Verilog follow. Here
//! each runs against the model that Verilator makes of its Verilog: the same inputs, every output
//! compared in every cycle before the edge, and every assertion that can be violated violated in
//! both. A difference is an error of one of the two back ends, or a use of something undefined.

mod compare;
mod stimulus;

pub use compare::{Divergence, Report, compare};
pub use stimulus::Stimulus;

use lauberhorn_sim::models;

include!(concat!(env!("OUT_DIR"), "/models.rs"));
