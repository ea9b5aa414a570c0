//! # The lines between host and card
//!
//! What a cache line of the card is for, which messages move it, and what the link costs. Nothing
//! here knows hardware or operating system: the hardware generator, the simulation and the driver
//! use the same description.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | which line of an endpoint lies where |
//! | [`message`] | the messages of the line port |
//! | [`home`] | what the card does with the messages of an endpoint |
//! | [`cache`] | what a host's cache does with the messages of a line |
//! | [`lines`] | sets of an endpoint's lines |
//! | [`conform`] | whether what crossed a line port is what the homes would have done |
//! | [`check`] | every state of a system made of these, visited |
//! | [`planner`] | which lines may be active together on Enzian, and a plan for them |
//! | [`profile`] | delays and limits of ECI, CXL and PCIe |
//! | [`published`] | what was measured on Enzian |

pub mod cache;
pub mod check;
pub mod conform;
pub mod home;
pub mod layout;
pub mod lines;
pub mod message;
pub mod planner;
pub mod profile;
pub mod published;

pub use layout::{EndpointLayout, LayoutError, LineRole, Parity, Placement};
pub use message::LineAddress;
pub use profile::InterconnectProfile;
