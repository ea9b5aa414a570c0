//! The home side of an endpoint's lines: what the card does with each message.
//!
//! [`RxHome`] and [`TxHome`] are the reference for the hardware and the monitor of the simulation.
//! They are pure: a step takes the state and an event and returns the next state and the actions.
//! States are small, comparable and hashable, so that all of them can be enumerated.
//!
//! Both rely on the order of messages that [`message`](crate::message) asks of the interconnect.
//! A line that the home believes held may have left the host without notice: its recall is then
//! acknowledged clean, and its load is answered again.

use thiserror::Error;

use crate::layout::LineRole;

mod preempt;
mod rx;
mod tx;

pub use preempt::{PreemptAction, PreemptEvent, PreemptHome, PreemptWord};
pub use rx::{RxAction, RxContent, RxEvent, RxHome};
pub use tx::{TxAction, TxContent, TxEvent, TxHome, TxMessage};

/// What an endpoint's home does beyond the published protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HomeConfig {
    /// Overflow lines per direction.
    pub overflow_lines: usize,
    /// An answer is acknowledged by a store to its control line, not by a load of the other one.
    /// Stores are never speculative: a prefetch of any RX line at any time is then harmless.
    pub consume: bool,
    /// A valid control line that comes back by itself is sent; nothing is recalled for it.
    pub eager: bool,
    /// Bits of the sequence number that are compared, eager only.
    pub sequence_mask: u32,
}

impl HomeConfig {
    /// The published protocol.
    pub const fn new(overflow_lines: usize) -> Self {
        Self {
            overflow_lines,
            consume: false,
            eager: false,
            sequence_mask: u32::MAX,
        }
    }
}

/// How far the reset of one side of an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ResetStage {
    /// Recalls (or the message) that were under way come first.
    Before,
    /// Every line is recalled, held or not: the acknowledgement comes behind loads under way.
    All,
    /// Those loads have been answered; what they hold is recalled.
    Last,
}

/// A load that waits: its line and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitingLoad {
    /// The line.
    pub line: LineRole,
    /// Echoed by the fill.
    pub id: u8,
}

/// An event that must not happen in the state it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HomeViolation {
    /// The line belongs to the other direction, or the endpoint has no such overflow line.
    #[error("{line} is not a line of this side of the endpoint")]
    ForeignLine {
        /// The line.
        line: LineRole,
    },
    /// An acknowledgement came for a line that is not being recalled.
    #[error("recall of {line} acknowledged, but it was not recalled")]
    UnexpectedAck {
        /// The line.
        line: LineRole,
    },
    /// An answer was given although no load waits for one.
    #[error("an answer was given although no control line load waits")]
    NotWaiting,
    /// A request needs more overflow lines than the endpoint has.
    #[error("request of {needed} overflow lines assigned, the endpoint has {available}")]
    TooLong {
        /// Overflow lines of the request.
        needed: usize,
        /// Overflow lines of the endpoint.
        available: usize,
    },
    /// The TX path reported a message taken although none was offered.
    #[error("a message was reported taken although none was offered")]
    NothingOffered,
    /// A reset was asked for while one is under way.
    #[error("a reset was asked for while one is under way")]
    InReset,
}
