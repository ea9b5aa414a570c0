//! The network side of the card: from frames to calls, and from replies to frames.

pub mod rx;
pub mod tx;
