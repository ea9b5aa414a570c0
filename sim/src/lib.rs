//! Cycle-accurate simulation of the card, its wire and its host.

pub mod csr;
pub mod equivalence;
pub mod host;
pub mod lockstep;
pub mod model;
pub mod monitor;
pub mod oracle;
pub mod pcap;
pub mod scoreboard;
pub mod seed;
pub mod system;
pub mod tap;
pub mod wire;
pub mod workload;
