//! # Model checking of the line protocol
//! The system of endpoints, cores, caches and the interconnect between them, made of the same
//! transition functions that hardware and simulation are held to, with every state visited.

pub mod chart;
pub mod config;
pub mod coverage;
pub mod data;
pub mod explore;
pub mod live;
mod program;
pub mod step;
pub mod suite;
pub mod system;
mod turn;

#[cfg(test)]
mod tests;
