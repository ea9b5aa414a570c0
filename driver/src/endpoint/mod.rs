//! # Endpoints: the driver's half of the line protocol
//! An endpoint is a pair of control lines per direction and the overflow lines behind them.
//! [`rx`] loads the line whose turn it is and gets a call, [`tx`] stores a reply; on the line of
//! [`preempt`] a worker and the scheduler agree who has the core. All are plain state machines over [`Lines`](crate::lines::Lines), the same on every back end.

use lauberhorn_coherence::{LineAddress, LineRole, Parity, Placement};
use lauberhorn_interface::line::HeaderError;
use thiserror::Error;

use crate::lines::LinesError;

pub mod preempt;
pub mod rx;
pub mod tx;

pub use preempt::PreemptionLine;
pub use rx::{Acknowledge, RxEndpoint, RxEvent, RxMode};
pub use tx::{TxEndpoint, TxMode};

/// How messages cross the lines, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Overflow lines of what is received.
    pub rx: RxMode,
    /// What tells the card that an answer was read.
    pub acknowledge: Acknowledge,
    /// What is sent.
    pub tx: TxMode,
    /// The worker says on its preemption line when it begins and ends, so that the kernel may take its
    /// core in between. Needs an interconnect that caches the card's lines.
    pub preemption: bool,
}

impl Mode {
    /// The card recalls what is sent; overflow lines are loaded together.
    pub const RECALL: Self = Self {
        rx: RxMode::Overlapped,
        acknowledge: Acknowledge::Load,
        tx: TxMode::Recall,
        preemption: false,
    };
    /// What is sent is written back; overflow lines are loaded together.
    pub const EAGER: Self = Self {
        rx: RxMode::Overlapped,
        acknowledge: Acknowledge::Load,
        tx: TxMode::Eager,
        preemption: false,
    };
    /// As [`EAGER`](Self::EAGER), and what is received is acknowledged by a store: the host may
    /// load any line at any time without being told to.
    pub const CONSUME: Self = Self {
        acknowledge: Acknowledge::Store,
        ..Self::EAGER
    };
    /// As the published system does it: recalls, and one overflow line after the other.
    pub const PUBLISHED: Self = Self {
        rx: RxMode::Serial,
        acknowledge: Acknowledge::Load,
        tx: TxMode::Recall,
        preemption: false,
    };

    /// The same, with the preemption line.
    #[must_use]
    pub const fn preemptible(self) -> Self {
        Self {
            preemption: true,
            ..self
        }
    }
}

/// Why an endpoint operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The layout has no such endpoint.
    #[error("there is no endpoint {endpoint}: the card has {endpoints}")]
    NoEndpoint {
        /// The endpoint asked for.
        endpoint: usize,
        /// Endpoints of the card.
        endpoints: usize,
    },
    /// The back end failed.
    #[error("endpoint {endpoint}: the access to its lines failed")]
    Lines {
        /// The endpoint.
        endpoint: usize,
        /// What failed.
        #[source]
        source: LinesError,
    },
    /// A control line reads as all ones, as a bus does when nothing answers.
    #[error("endpoint {endpoint}: {line} reads as all ones: the card is gone or in reset")]
    AllOnes {
        /// The endpoint.
        endpoint: usize,
        /// The control line.
        line: LineAddress,
    },
    /// The card wrote a header that means nothing.
    #[error("endpoint {endpoint}: the card filled {line} with a bad header")]
    Header {
        /// The endpoint.
        endpoint: usize,
        /// The control line.
        line: LineAddress,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// The card announced more bytes than the endpoint's lines hold.
    #[error(
        "endpoint {endpoint}: {line} announces {length_bytes} bytes, the lines hold {limit_bytes}"
    )]
    Oversize {
        /// The endpoint.
        endpoint: usize,
        /// The control line.
        line: LineAddress,
        /// Bytes announced.
        length_bytes: usize,
        /// Bytes the lines can hold.
        limit_bytes: usize,
    },
    /// The control lines stay empty.
    #[error(
        "endpoint {endpoint}: the control lines stay empty: another core loads from this endpoint, \
         or it was not reset before this worker started"
    )]
    Contended {
        /// The endpoint.
        endpoint: usize,
    },
    /// The preemption line says that a worker is between beginning and end, and this one is not.
    #[error(
        "endpoint {endpoint}: its preemption line is BUSY before the worker has begun: another \
         worker runs on it, or it was not reset before this one started"
    )]
    Busy {
        /// The endpoint.
        endpoint: usize,
    },
    /// A message to be sent is longer than the endpoint's lines.
    #[error(
        "endpoint {endpoint}: a body of {length_bytes} bytes to send, the lines hold {limit_bytes}"
    )]
    BodyTooLong {
        /// The endpoint.
        endpoint: usize,
        /// Bytes of the body.
        length_bytes: usize,
        /// Bytes the lines can hold.
        limit_bytes: usize,
    },
    /// A worker endpoint was given an Ethernet frame, or the bypass endpoint a call.
    #[error(
        "endpoint {endpoint}: the card delivered a message of kind {kind}, which is not for it"
    )]
    WrongKind {
        /// The endpoint.
        endpoint: usize,
        /// The kind delivered.
        kind: &'static str,
    },
}

/// The lines of one direction of one endpoint, resolved from the layout.
#[derive(Clone, Debug)]
struct Direction {
    endpoint: usize,
    line_bytes: usize,
    control: [LineAddress; 2],
    overflow: Vec<LineAddress>,
}

impl Direction {
    fn new(
        layout: &dyn Placement,
        endpoint: usize,
        image: impl Fn(Parity, usize) -> LineRole,
    ) -> Result<Self, EndpointError> {
        let endpoints = layout.endpoints();
        let missing = EndpointError::NoEndpoint {
            endpoint,
            endpoints,
        };
        let address = |role| layout.address(endpoint, role).ok_or(missing.clone());
        let [zero, one] = Parity::BOTH.map(|parity| address(image(parity, 0)));
        Ok(Self {
            endpoint,
            line_bytes: layout.line_bytes(),
            control: [zero?, one?],
            overflow: (1..=layout.overflow_lines())
                .map(|n| address(image(Parity::Zero, n)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Bytes of the largest line image.
    fn capacity_bytes(&self) -> usize {
        self.line_bytes * (1 + self.overflow.len())
    }

    fn lines_error(&self) -> impl Fn(LinesError) -> EndpointError + use<> {
        let endpoint = self.endpoint;
        move |source| EndpointError::Lines { endpoint, source }
    }
}

#[cfg(test)]
mod tests;
