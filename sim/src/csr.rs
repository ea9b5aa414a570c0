//! # Register port
//! Plain Rust form of the card's register port and the bus master in front of it. Every request
//! has one response, in order.

use std::collections::VecDeque;

/// One 32-bit access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterAccess {
    /// Byte address, a multiple of 4.
    pub address: u16,
    /// Value to write; `None` reads.
    pub write: Option<u32>,
}

/// What the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsrPortOut {
    /// The card takes a request.
    pub request_ready: bool,
    /// Response of the oldest request.
    pub response: Option<u32>,
}

/// A response with no request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cycle {cycle}: a register response {value:#x} that answers no request")]
pub struct StrayResponse {
    /// When.
    pub cycle: u64,
    /// Its data.
    pub value: u32,
}

/// Who waits for a response.
pub type Ticket = u64;

/// Plays register accesses to the card.
#[derive(Debug, Default)]
pub struct CsrMaster {
    queue: VecDeque<(Ticket, RegisterAccess)>,
    in_flight: VecDeque<Ticket>,
}

impl CsrMaster {
    /// An idle master.
    pub fn new() -> CsrMaster {
        CsrMaster::default()
    }

    /// Appends an access; its response comes with `ticket`.
    pub fn push(&mut self, ticket: Ticket, access: RegisterAccess) {
        self.queue.push_back((ticket, access));
    }

    /// The request of this cycle.
    pub fn drive(&self) -> Option<RegisterAccess> {
        self.queue.front().map(|(_, access)| *access)
    }

    /// Applies the transfers of this cycle; returns the response that arrived.
    ///
    /// # Errors
    /// When a response answers nothing.
    pub fn sample(
        &mut self,
        cycle: u64,
        outputs: &CsrPortOut,
    ) -> Result<Option<(Ticket, u32)>, StrayResponse> {
        let answered = match outputs.response {
            Some(value) => {
                let ticket = self.in_flight.pop_front();
                Some((ticket.ok_or(StrayResponse { cycle, value })?, value))
            }
            None => None,
        };
        if outputs.request_ready {
            let taken = self.queue.pop_front();
            self.in_flight.extend(taken.map(|(ticket, _)| ticket));
        }
        Ok(answered)
    }

    /// Nothing is queued or under way.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }
}
