//! What moves in the model: line contents, messages, the lines of one endpoint.

use std::hash::{Hash, Hasher};

use crate::cache::CacheLine;
use crate::home::{PreemptWord, TxContent};
use crate::layout::{LineRole, Parity};

/// Names one request. The number is used again once everything of the request is gone; the
/// generation tells a request from the last one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Which request.
    pub request: u8,
    /// The process it is for.
    pub process: u8,
    /// Flips with every use of the number.
    pub generation: bool,
    /// It has an overflow line, and so has its reply.
    pub long: bool,
}

/// Numbers that carry no meaning are hashed with a call of their own: see
/// [`State::encode`](super::system::State::encode).
impl Hash for Tag {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u16(self.request.into());
        hasher.write_i16(self.process.into());
        hasher.write_u8(u8::from(self.generation) | u8::from(self.long) << 1);
    }
}

/// Content of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Data {
    /// Nothing.
    #[default]
    Zeros,
    /// R: not its turn.
    Empty,
    /// R: the block time ran out.
    TryAgain,
    /// R: the core is wanted back.
    Retire,
    /// R: the request.
    Request(Tag),
    /// RO: the rest of the request.
    Overflow(Tag),
    /// R: stored to by the worker.
    Consumed,
    /// TO: some of the reply.
    Part(Tag),
    /// TO: all of it.
    Body(Tag),
    /// T: the valid control line of the reply.
    Control(Tag, u8),
    /// P.
    Preempt(PreemptWord),
}

impl Data {
    /// The request it belongs to.
    pub fn tag(self) -> Option<Tag> {
        match self {
            Self::Request(tag)
            | Self::Overflow(tag)
            | Self::Part(tag)
            | Self::Body(tag)
            | Self::Control(tag, _) => Some(tag),
            _ => None,
        }
    }

    /// The preemption word, if it is one.
    pub fn word(self) -> Option<PreemptWord> {
        match self {
            Self::Preempt(word) => Some(word),
            _ => None,
        }
    }
}

impl TxContent for Data {
    fn overflow_lines(&self) -> Option<usize> {
        match self {
            Self::Control(tag, _) => Some(tag.long.into()),
            _ => None,
        }
    }

    fn sequence(&self) -> u32 {
        match self {
            Self::Control(_, sequence) => (*sequence).into(),
            _ => 0,
        }
    }
}

/// Host to card, about one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToCard {
    /// The host wants the line.
    Load,
    /// It gives it back unasked.
    Writeback(Option<Data>),
    /// It no longer has the recalled line.
    Ack(Option<Data>),
}

/// Card to host, about one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToHost {
    /// The line; always with the right to write.
    Fill(Data),
    /// The card wants it back.
    Recall,
}

/// Lines of an endpoint in the model: one overflow line per direction.
pub const LINES: [LineRole; 7] = [
    LineRole::RxControl(Parity::Zero),
    LineRole::RxControl(Parity::One),
    LineRole::RxOverflow(0),
    LineRole::TxControl(Parity::Zero),
    LineRole::TxControl(Parity::One),
    LineRole::TxOverflow(0),
    LineRole::Preemption,
];

/// The place of a line in [`LINES`].
pub fn place(line: LineRole) -> usize {
    match line {
        LineRole::RxControl(parity) => parity.index(),
        LineRole::RxOverflow(_) => 2,
        LineRole::TxControl(parity) => 3 + parity.index(),
        LineRole::TxOverflow(_) => 5,
        LineRole::Preemption => 6,
    }
}

/// A line between cache and home: messages of one line and direction stay in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    /// The host's cache.
    pub cache: CacheLine<Data>,
    /// Messages to the card, oldest first.
    pub to_card: Vec<ToCard>,
    /// Messages to the host, oldest first.
    pub to_host: Vec<ToHost>,
}
