//! # Userspace driver
//! Brings the card up, programs its tables and runs RPC handlers on cores that wait inside a
//! cache-line load. The same endpoint code runs on hardware and, in lockstep, in simulation.
//!
//! | module | what |
//! |---|---|
//! | [`lines`] | what a back end offers: loads and stores of lines, registers |
//! | [`backends`] | lines and registers of a mapped device, opened through VFIO |
//! | [`endpoint`] | the line protocol: receive a message, send a message |
//! | [`worker`] | receives calls, runs handlers, sends replies |
//! | [`service`] | which handler answers which procedure |
//! | [`services`] | example services: adder, echo, rpcbind |
//! | [`bringup`] | identify a card, fill its tables, start it |
//! | [`tables`] | what lies where in the card's tables |
//! | [`bypass`] | carries all other frames to and from a host stack |
//! | [`stack`] | host stacks: smoltcp in the process, or a channel to someone else |
//! | [`xdr`] | reading arguments, writing results |

#![deny(unsafe_code)]

pub mod backends;
pub mod bringup;
pub mod bypass;
pub mod endpoint;
pub mod lines;
pub mod service;
pub mod services;
pub mod stack;
pub mod tables;
pub mod worker;
pub mod xdr;

#[cfg(test)]
mod testing;
