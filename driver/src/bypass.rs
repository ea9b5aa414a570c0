//! # Bypass: all that is not an RPC
//! Endpoint 0 carries whole Ethernet frames between the card and the host's own network stack,
//! which answers ARP and ICMP and serves every port that is no RPC port. A worker endpoint that was
//! made raw does the same.

use lauberhorn_coherence::Placement;
use lauberhorn_interface::line::{RxKind, TxKind};

use crate::endpoint::tx::TxMessage;
use crate::endpoint::{EndpointError, Mode, RxEndpoint, RxEvent, TxEndpoint};
use crate::lines::Lines;
use crate::stack::HostStack;

/// Number of the bypass endpoint.
pub const BYPASS_ENDPOINT: usize = 0;

/// What the bypass has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BypassStats {
    /// Frames from the card to the host stack.
    pub received: u64,
    /// Frames from the host stack to the card.
    pub sent: u64,
    /// Frames from the host stack that are too long for the card.
    pub too_long: u64,
}

/// The bypass endpoint and the stack behind it.
#[derive(Debug)]
pub struct Bypass<L, S> {
    lines: L,
    stack: S,
    rx: RxEndpoint,
    tx: TxEndpoint,
    frame_limit_bytes: usize,
    stats: BypassStats,
}

impl<L: Lines, S: HostStack> Bypass<L, S> {
    /// The bypass of a card that was just reset, on [`BYPASS_ENDPOINT`] or on a raw worker's
    /// endpoint; frames are up to `max_frame_bytes` long.
    pub fn new(
        lines: L,
        stack: S,
        layout: &dyn Placement,
        endpoint: usize,
        max_frame_bytes: usize,
        mode: Mode,
    ) -> Result<Self, EndpointError> {
        let tx = TxEndpoint::new(layout, endpoint, mode.tx)?;
        Ok(Self {
            lines,
            stack,
            rx: RxEndpoint::new(layout, endpoint, mode)?,
            frame_limit_bytes: tx.limit_bytes(TxKind::Frame).min(max_frame_bytes),
            tx,
            stats: BypassStats::default(),
        })
    }

    /// What was carried so far.
    pub fn stats(&self) -> BypassStats {
        self.stats
    }

    /// Carries frames until the card wants the core back, or `go_on` says no.
    pub async fn run(
        &mut self,
        mut go_on: impl FnMut(&BypassStats) -> bool,
    ) -> Result<(), EndpointError> {
        while self.step().await? {
            if !go_on(&self.stats) {
                break;
            }
        }
        Ok(())
    }

    /// Waits for one frame or the end of the block time, then sends all that the stack has to
    /// send. False when the card wants the core back.
    pub async fn step(&mut self) -> Result<bool, EndpointError> {
        self.tx.prepare(&self.lines);
        match self.rx.receive(&self.lines).await? {
            RxEvent::Message(header) if header.kind == RxKind::Frame => {
                self.tx.settled();
                self.stats.received += 1;
                self.stack.receive(self.rx.body());
            }
            RxEvent::Message(_) => {
                let endpoint = self.rx.endpoint();
                return Err(EndpointError::WrongKind {
                    endpoint,
                    kind: "CALL",
                });
            }
            RxEvent::TryAgain => {}
            RxEvent::Retire => return Ok(false),
        }
        while let Some(frame) = self.stack.transmit() {
            let (length, limit) = (frame.len(), self.frame_limit_bytes);
            if length > limit {
                tracing::warn!(length, limit, "frame from the host stack dropped: too long");
                self.stats.too_long += 1;
                continue;
            }
            let message = TxMessage {
                kind: TxKind::Frame,
                ..TxMessage::default()
            };
            self.tx.send(&self.lines, message, &frame).await?;
            self.stats.sent += 1;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
