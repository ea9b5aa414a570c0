//! # Userspace driver
//! Brings the card up, programs its tables and runs RPC handlers on cores that wait inside a
//! cache-line load. The same endpoint code runs on hardware and, in lockstep, in simulation.
//!
//! | module | what |
//! |---|---|
//! | [`lines`] | what a back end offers: loads and stores of lines, registers |
//! | [`service`] | which handler answers which procedure |
//! | [`services`] | example services: adder, echo, rpcbind |
//! | [`xdr`] | reading arguments, writing results |

pub mod lines;
pub mod service;
pub mod services;
pub mod xdr;
