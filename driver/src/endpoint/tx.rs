//! # Sending: stores that the card comes and takes
//! The message is stored into the overflow lines and the control line whose turn it is. How the
//! card learns of it is the mode:
//!
//! **Recall**: the core loads the other control line for writing. The card, its home, first recalls
//! the control line, then the overflow lines that the length names, takes the message and only then
//! fills that load. The line so gained is the next message's control line, filled with zeros.
//!
//! **Eager**: the core writes the lines back itself, the control line last, and the card sends when
//! that one arrives; only `T0` is used. The first word of the control line, which makes it valid, is
//! stored after all others, so that an eviction at any time shows either nothing or everything. The
//! card fills a load of `T0` only when it has read the message before, so holding the line is the
//! permission to write the next one. Where nothing is held (PCIe) the next message received says the
//! same, since the card gives this endpoint none while it sends; see [`TxEndpoint::settled`].

use lauberhorn_coherence::{LineAddress, LineRole, Parity, Placement};
use lauberhorn_interface::line::{HEADER_BYTES, SessionHandle, TxHeader, TxKind};

use super::{Direction, EndpointError};
use crate::lines::{Lines, STORE_BYTES};

/// How the card learns that a message is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TxMode {
    /// It recalls the lines when the other control line is loaded.
    #[default]
    Recall,
    /// It sends the control line when it is written back.
    Eager,
}

/// What to send, without its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxMessage {
    /// Reply, error reply, frame or release.
    pub kind: TxKind,
    /// `accept_stat` of an error reply, else zero.
    pub status: u16,
    /// Session of the call; zero for frames.
    pub session: SessionHandle,
}

/// The sending half of an endpoint.
#[derive(Debug)]
pub struct TxEndpoint {
    lines: Direction,
    mode: TxMode,
    parity: Parity,
    sequence: u32,
    /// The lines may be written: the card has read what was sent before.
    free: bool,
    image: Vec<u8>,
}

impl TxEndpoint {
    /// The sending half of `endpoint` of a card that was just reset.
    pub fn new(
        layout: &dyn Placement,
        endpoint: usize,
        mode: TxMode,
    ) -> Result<Self, EndpointError> {
        let lines = Direction::new(layout, endpoint, LineRole::tx_image)?;
        Ok(Self {
            image: Vec::with_capacity(lines.capacity_bytes()),
            lines,
            mode,
            parity: Parity::Zero,
            sequence: 0,
            free: true,
        })
    }

    /// The endpoint's number.
    pub fn endpoint(&self) -> usize {
        self.lines.endpoint
    }

    /// Longest body of a message of this kind that the lines hold.
    pub fn limit_bytes(&self, kind: TxKind) -> usize {
        self.lines.capacity_bytes() - kind.body_offset()
    }

    /// Sends a message; complete when the card has taken it.
    pub async fn send(
        &mut self,
        lines: &impl Lines,
        message: TxMessage,
        body: &[u8],
    ) -> Result<(), EndpointError> {
        self.compose(message, body)?;
        match self.mode {
            TxMode::Recall => {
                self.send_for_recall(lines).await?;
                self.parity = self.parity.other();
            }
            TxMode::Eager => self.send_eagerly(lines).await?,
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// The endpoint has received a message since the last one was sent, so the card has read that.
    pub fn settled(&mut self) {
        self.free = true;
    }

    /// The core is about to wait: fetches the control line. Not the overflow lines: while a message is
    /// under way their loads wait at the card, and might keep it from a line that another endpoint must
    /// give back.
    pub fn prepare(&self, lines: &impl Lines) {
        if self.mode == TxMode::Eager {
            lines.prefetch(self.control(Parity::Zero), true);
        }
    }

    /// Puts the line image together, padded to whole stores.
    fn compose(&mut self, message: TxMessage, body: &[u8]) -> Result<(), EndpointError> {
        let limit_bytes = self.limit_bytes(message.kind);
        let too_long = EndpointError::BodyTooLong {
            endpoint: self.lines.endpoint,
            length_bytes: body.len(),
            limit_bytes,
        };
        let length_bytes = match u16::try_from(body.len()) {
            Ok(length) if body.len() <= limit_bytes => length,
            _ => return Err(too_long),
        };
        let header = TxHeader {
            kind: message.kind,
            status: message.status,
            length_bytes,
            session: message.session,
            sequence: self.sequence,
        };
        debug_assert!(message.kind.body_offset() >= HEADER_BYTES);
        self.image.clear();
        self.image.extend_from_slice(&header.encode());
        self.image.resize(message.kind.body_offset(), 0);
        self.image.extend_from_slice(body);
        self.image
            .resize(self.image.len().next_multiple_of(STORE_BYTES), 0);
        Ok(())
    }

    async fn send_for_recall(&self, lines: &impl Lines) -> Result<(), EndpointError> {
        let error = self.lines.lines_error();
        let (control, overflow) = self.split_image();
        for &(line, _) in &overflow {
            lines.prefetch(line, true);
        }
        for (line, data) in overflow {
            lines.store(line, 0, data).await.map_err(&error)?;
        }
        lines
            .store(self.control(self.parity), 0, control)
            .await
            .map_err(&error)?;
        lines.fence().await.map_err(&error)?;
        lines
            .load_exclusive(self.control(self.parity.other()))
            .await
            .map_err(&error)
    }

    async fn send_eagerly(&mut self, lines: &impl Lines) -> Result<(), EndpointError> {
        let error = self.lines.lines_error();
        let line = self.control(Parity::Zero);
        // Where lines are cached, the load that brought a message may have overtaken the last one sent.
        if lines.are_cached() || !self.free {
            lines.load_exclusive(line).await.map_err(&error)?;
        }
        let (control, overflow) = self.split_image();
        for &(line, _) in &overflow {
            lines.prefetch(line, true);
        }
        for &(line, data) in &overflow {
            lines.store(line, 0, data).await.map_err(&error)?;
        }
        // Before the control line is written at all: a write-combining buffer may empty any time.
        for (line, _) in overflow {
            lines.write_back(line).await.map_err(&error)?;
        }
        let (first, others) = control.split_at(STORE_BYTES);
        lines
            .store(line, STORE_BYTES, others)
            .await
            .map_err(&error)?;
        lines.store(line, 0, first).await.map_err(&error)?;
        lines.write_back(line).await.map_err(&error)?;
        self.free = false;
        Ok(())
    }

    fn control(&self, parity: Parity) -> LineAddress {
        self.lines.control[parity.index()]
    }

    /// What goes into the control line, and into each overflow line that the message needs.
    fn split_image(&self) -> (&[u8], Vec<(LineAddress, &[u8])>) {
        let line_bytes = self.lines.line_bytes;
        let (control, rest) = self.image.split_at(self.image.len().min(line_bytes));
        let overflow = self.lines.overflow.iter().copied();
        (control, overflow.zip(rest.chunks(line_bytes)).collect())
    }
}
