//! Cycle-accurate simulation of the card, its wire and its host.

mod channel;
pub mod chart;
pub mod conformance;
pub mod csr;
pub mod host;
pub mod lockstep;
pub mod loopback;
pub mod model;
pub mod monitor;
pub mod nic_model;
pub mod oracle;
pub mod pcap;
pub mod rx_path_model;
pub mod scoreboard;
pub mod seed;
pub mod stand;
pub mod system;
pub mod tap;
pub mod ways;
pub mod wire;
pub mod workload;
