//! The messages of the line port, between the card (home of the lines) and the interconnect.
//!
//! `D` is the content of a line: bytes in the simulation, anything small and comparable in models.
//!
//! The protocol asks one thing of the interconnect: messages about the same line, in the same
//! direction, arrive in the order in which they were sent, also across channels (a fill before a
//! later recall, a writeback before a later load). Messages about different lines may overtake
//! each other.

use std::fmt;

/// A line index in the card's aperture, 24 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineAddress(pub u32);

impl fmt::Display for LineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {:#x}", self.0)
    }
}

/// Host to card: the host wants a line. The card may answer much later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// The line.
    pub address: LineAddress,
    /// Echoed by the fill; unique among the loads without an answer.
    pub id: u8,
    /// The host wants to write the line.
    pub exclusive: bool,
}

/// Card to host: the answer to a load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fill<D> {
    /// Of the load.
    pub id: u8,
    /// The host may write the line.
    pub exclusive: bool,
    /// Content of the line.
    pub data: D,
}

/// Host to card: the host gives a line back without being asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writeback<D> {
    /// The line.
    pub address: LineAddress,
    /// New content, or none for the notice that a clean line was evicted.
    pub data: Option<D>,
}

/// Card to host: the card wants a line back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recall {
    /// The line.
    pub address: LineAddress,
    /// Echoed by the acknowledgement; unique among the recalls without one.
    pub id: u16,
}

/// Host to card: the host no longer holds a recalled line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecallAck<D> {
    /// Of the recall.
    pub id: u16,
    /// New content when the line was modified.
    pub data: Option<D>,
}

/// Any message from the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ToCard<D> {
    /// See [`Load`].
    Load(Load),
    /// See [`Writeback`].
    Writeback(Writeback<D>),
    /// See [`RecallAck`].
    RecallAck(RecallAck<D>),
}

/// Any message from the card.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ToHost<D> {
    /// See [`Fill`].
    Fill(Fill<D>),
    /// See [`Recall`].
    Recall(Recall),
}
