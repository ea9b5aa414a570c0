//! # Receiving: a load that completes with a call
//! The two control lines take turns. Every answer completes its line, whatever it says, so the
//! next load is of the other one; that load, or a store to the answer when it was read, also tells
//! the card that the last message is done with and its lines may be taken back. The body is therefore
//! copied out before `receive` returns.
//!
//! A body that does not fit the control line continues in the overflow lines; their loads are
//! issued together, or one after the other, as the [`RxMode`] says.

use lauberhorn_coherence::{LineRole, Parity, Placement};
use lauberhorn_interface::line::{HEADER_BYTES, RxHeader, RxKind};

use super::{Direction, EndpointError, Mode};
use crate::lines::{Lines, STORE_BYTES};

/// How often a line that reads EMPTY is loaded again; the card takes it back after its block time
/// at the latest.
const EMPTY_LOADS: usize = 1 << 24;

/// How overflow lines are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RxMode {
    /// All loads are issued before the first is awaited.
    #[default]
    Overlapped,
    /// One after the other, as plain loads on an in-order core are.
    Serial,
}

/// What tells the card that an answer was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// The load of the other control line. The host must not load it without being told to.
    #[default]
    Load,
    /// A store to the answer's control line, which is then written back.
    Store,
}

/// What a receive came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxEvent {
    /// A call or a frame; [`RxEndpoint::body`] holds its bytes.
    Message(RxHeader),
    /// Nothing came within the block time.
    TryAgain,
    /// The card wants the core back.
    Retire,
}

/// The receiving half of an endpoint.
#[derive(Debug)]
pub struct RxEndpoint {
    lines: Direction,
    mode: RxMode,
    acknowledge: Acknowledge,
    parity: Parity,
    image: Vec<u8>,
    header: RxHeader,
}

impl RxEndpoint {
    /// The receiving half of `endpoint` of a card that was just reset.
    pub fn new(layout: &dyn Placement, endpoint: usize, mode: Mode) -> Result<Self, EndpointError> {
        let lines = Direction::new(layout, endpoint, LineRole::rx_image)?;
        Ok(Self {
            image: vec![0; lines.capacity_bytes()],
            lines,
            mode: mode.rx,
            acknowledge: mode.acknowledge,
            parity: Parity::Zero,
            header: RxHeader::default(),
        })
    }

    /// The endpoint's number.
    pub fn endpoint(&self) -> usize {
        self.lines.endpoint
    }

    /// Waits inside a load until the card has something to say.
    pub async fn receive(&mut self, lines: &impl Lines) -> Result<RxEvent, EndpointError> {
        self.header = RxHeader::default();
        let header = self.load_answer(lines).await?;
        if header.kind.is_valid() {
            self.load_overflow(lines, header.end_bytes()).await?;
            self.header = header;
        }
        if self.acknowledge == Acknowledge::Store {
            self.give_back(lines).await?;
        }
        Ok(match header.kind {
            RxKind::Retire => RxEvent::Retire,
            RxKind::Call | RxKind::Frame => RxEvent::Message(header),
            RxKind::TryAgain | RxKind::Empty => RxEvent::TryAgain,
        })
    }

    /// Loads until a line is answered.
    async fn load_answer(&mut self, lines: &impl Lines) -> Result<RxHeader, EndpointError> {
        // Acknowledged by load, EMPTY means that the turn is the other line's, as after a reset of
        // one side only. Acknowledged by store, it means that the line was loaded too early.
        let attempts = match self.acknowledge {
            Acknowledge::Load => Parity::BOTH.len(),
            Acknowledge::Store => EMPTY_LOADS,
        };
        for _ in 0..attempts {
            let header = self.load_control(lines).await?;
            if header.kind != RxKind::Empty {
                return Ok(header);
            }
            if self.acknowledge == Acknowledge::Store {
                self.parity = self.parity.other();
            }
        }
        let endpoint = self.lines.endpoint;
        Err(EndpointError::Contended { endpoint })
    }

    /// Says that the answer, which completed its line, was read.
    async fn give_back(&self, lines: &impl Lines) -> Result<(), EndpointError> {
        let error = self.lines.lines_error();
        let line = self.lines.control[self.parity.other().index()];
        let word = &self.image[..STORE_BYTES];
        lines.store(line, 0, word).await.map_err(&error)?;
        lines.write_back(line).await.map_err(&error)
    }

    /// The body of the message that [`receive`](Self::receive) returned last; else nothing.
    pub fn body(&self) -> &[u8] {
        &self.image[self.header.kind.body_offset()..self.header.end_bytes()]
    }

    async fn load_control(&mut self, lines: &impl Lines) -> Result<RxHeader, EndpointError> {
        let endpoint = self.lines.endpoint;
        let line = self.lines.control[self.parity.index()];
        let control = &mut self.image[..self.lines.line_bytes];
        lines
            .load(line, control)
            .await
            .map_err(self.lines.lines_error())?;
        self.parity = self.parity.other();

        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&control[..HEADER_BYTES]);
        if header == [0xff; HEADER_BYTES] {
            return Err(EndpointError::AllOnes { endpoint, line });
        }
        let header = RxHeader::decode(&header).map_err(|source| EndpointError::Header {
            endpoint,
            line,
            source,
        })?;
        if header.end_bytes() > self.image.len() {
            return Err(EndpointError::Oversize {
                endpoint,
                line,
                length_bytes: header.length_bytes.into(),
                limit_bytes: self.image.len() - header.kind.body_offset(),
            });
        }
        Ok(header)
    }

    async fn load_overflow(
        &mut self,
        lines: &impl Lines,
        end_bytes: usize,
    ) -> Result<(), EndpointError> {
        let line_bytes = self.lines.line_bytes;
        let end_line = end_bytes.div_ceil(line_bytes);
        if end_line <= 1 {
            return Ok(());
        }
        let data = &mut self.image[line_bytes..end_line * line_bytes];
        let overflow = &self.lines.overflow[..end_line - 1];
        if self.mode == RxMode::Overlapped {
            // On their way before any other instruction.
            for &line in overflow {
                lines.prefetch(line, false);
            }
        }
        // Serial loads are batches of one.
        let batch = match self.mode {
            RxMode::Overlapped => overflow.len(),
            RxMode::Serial => 1,
        };
        for (lines_of, data) in overflow
            .chunks(batch)
            .zip(data.chunks_mut(batch * line_bytes))
        {
            lines
                .load_many(lines_of, data)
                .await
                .map_err(self.lines.lines_error())?;
        }
        Ok(())
    }
}
