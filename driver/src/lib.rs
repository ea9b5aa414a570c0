//! # Userspace driver
//! Brings the card up, programs its tables and runs RPC handlers on cores that wait inside a
//! cache-line load. The same endpoint code runs on hardware and, in lockstep, in simulation.
//!
//! | module | what |
//! |---|---|
//! | [`lines`] | what a back end offers: loads and stores of lines, registers |

pub mod lines;
