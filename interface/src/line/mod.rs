//! The control lines: what the NIC fills and what the host writes.
//!
//! A message, in either direction, is one contiguous *line image*: line 0 is the control line,
//! lines 1 and up are the overflow lines in order. It starts with a 32-byte little-endian header,
//! the body follows at [`CALL_BODY_OFFSET`] or [`FRAME_BODY_OFFSET`].
//!
//! [`rx`] and [`tx`] hold the header layouts as data, from which hardware and emitters are made;
//! [`RxHeader`] and [`TxHeader`] are the typed view for software. Tests tie the two together.
//! The preemption line is no message; it holds one word, [`preemption`] and [`PreemptWord`].

use serde::Serialize;
use thiserror::Error;

mod fields;
pub use fields::{Field, preemption, rx, tx};

/// Bytes of the header of either direction.
pub const HEADER_BYTES: usize = 32;
/// Where the XDR body of a call or a reply starts in the line image.
pub const CALL_BODY_OFFSET: usize = 32;
/// Where a whole Ethernet frame starts in the line image: the two bytes align its IPv4 header to 4.
pub const FRAME_BODY_OFFSET: usize = 34;
/// Bytes of an Ethernet header without VLAN tag.
pub const ETHERNET_HEADER_BYTES: usize = 14;

/// Why a header is not a legal one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The kind bits hold an unassigned number.
    #[error("{direction} header has kind {kind}, which means nothing")]
    UnknownKind {
        /// `RX` or `TX`.
        direction: &'static str,
        /// The number found.
        kind: u8,
    },
    /// The valid bit contradicts the kind.
    #[error("{direction} header of kind {kind} has valid bit {valid}")]
    ValidBit {
        /// `RX` or `TX`.
        direction: &'static str,
        /// The number of the kind.
        kind: u8,
        /// The bit found.
        valid: bool,
    },
    /// Bits that must be zero are not.
    #[error("{direction} header has bits set at byte {byte} that must be zero")]
    Reserved {
        /// `RX` or `TX`.
        direction: &'static str,
        /// First byte in which such a bit is set.
        byte: usize,
    },
}

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident, $direction:literal {
        $( $(#[doc = $doc:literal])+ $variant:ident = $value:literal, $valid:literal; )+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[repr(u8)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant = $value, )+
        }

        impl $name {
            /// Every kind, in the order of its numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Whether the valid bit accompanies this kind.
            pub const fn is_valid(self) -> bool {
                match self { $(Self::$variant => $valid,)+ }
            }

            /// What the kind means.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Empty
            }
        }

        impl TryFrom<u8> for $name {
            type Error = HeaderError;

            fn try_from(kind: u8) -> Result<Self, HeaderError> {
                match kind {
                    $( $value => Ok(Self::$variant), )+
                    _ => Err(HeaderError::UnknownKind { direction: $direction, kind }),
                }
            }
        }
    };
}

kinds! {
    /// What a filled RX control line is.
    RxKind, "RX" {
        /// Not this line's turn: the other line of the pair is the one to load.
        Empty = 0, false;
        /// Nothing came within the block time: load the other line.
        TryAgain = 1, false;
        /// An RPC: the body is its XDR arguments.
        Call = 2, true;
        /// A whole Ethernet frame without FCS (bypass endpoint only).
        Frame = 3, true;
        /// The card wants the core back.
        Retire = 4, false;
    }
}

kinds! {
    /// What a written TX control line is.
    TxKind, "TX" {
        /// Nothing to send.
        Empty = 0, false;
        /// An accepted reply with status SUCCESS: the body is its XDR results.
        Reply = 1, true;
        /// An accepted reply with the status of the header and no body.
        ErrorReply = 2, true;
        /// A whole Ethernet frame without FCS (bypass endpoint only).
        Frame = 3, true;
        /// No reply: only free the session.
        Release = 4, true;
    }
}

impl RxKind {
    /// Where the body of a message of this kind starts in the line image.
    pub const fn body_offset(self) -> usize {
        match self {
            Self::Frame => FRAME_BODY_OFFSET,
            _ => CALL_BODY_OFFSET,
        }
    }
}

impl TxKind {
    /// Where the body of a message of this kind starts in the line image.
    pub const fn body_offset(self) -> usize {
        match self {
            Self::Frame => FRAME_BODY_OFFSET,
            _ => CALL_BODY_OFFSET,
        }
    }
}

/// The `accept_stat` of an RFC 5531 accepted reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u16)]
pub enum AcceptStat {
    /// Executed successfully.
    Success = 0,
    /// The program is not exported.
    ProgUnavail = 1,
    /// The program is not exported in this version.
    ProgMismatch = 2,
    /// The program has no such procedure.
    ProcUnavail = 3,
    /// The arguments cannot be decoded.
    GarbageArgs = 4,
    /// The callee failed, for instance for lack of memory.
    SystemErr = 5,
}

impl AcceptStat {
    /// Every status, in the order of its numbers.
    pub const ALL: &[Self] = &[
        Self::Success,
        Self::ProgUnavail,
        Self::ProgMismatch,
        Self::ProcUnavail,
        Self::GarbageArgs,
        Self::SystemErr,
    ];
}

/// Names one accepted call: an index into the card's sessions and the generation of its use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionHandle {
    /// Index of the session.
    pub index: u16,
    /// Generation of the index.
    pub generation: u16,
}

impl From<SessionHandle> for u32 {
    fn from(handle: SessionHandle) -> u32 {
        u32::from(handle.generation) << 16 | u32::from(handle.index)
    }
}

impl From<u32> for SessionHandle {
    fn from(word: u32) -> Self {
        Self {
            index: word as u16,
            generation: (word >> 16) as u16,
        }
    }
}

/// A decoded RX header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RxHeader {
    /// What the line is; decides the valid bit.
    pub kind: RxKind,
    /// Bytes of the body.
    pub length_bytes: u16,
    /// Session of the call.
    pub session: SessionHandle,
    /// Function handle from the service table.
    pub function: u64,
    /// Transaction id of the call.
    pub xid: u32,
    /// Procedure number of the call.
    pub procedure: u32,
    /// The caller's IPv4 address as a number.
    pub peer_ipv4: u32,
    /// The caller's UDP port.
    pub peer_port: u16,
    /// Service id from the service table.
    pub service_id: u16,
}

impl RxHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let control = u32::from(self.kind.is_valid())
            | (self.kind as u32) << 1
            | u32::from(self.length_bytes) << 16;
        let mut line = [0; HEADER_BYTES];
        line[0..4].copy_from_slice(&control.to_le_bytes());
        line[4..8].copy_from_slice(&u32::from(self.session).to_le_bytes());
        line[8..16].copy_from_slice(&self.function.to_le_bytes());
        line[16..20].copy_from_slice(&self.xid.to_le_bytes());
        line[20..24].copy_from_slice(&self.procedure.to_le_bytes());
        line[24..28].copy_from_slice(&self.peer_ipv4.to_le_bytes());
        line[28..30].copy_from_slice(&self.peer_port.to_le_bytes());
        line[30..32].copy_from_slice(&self.service_id.to_le_bytes());
        line
    }

    /// Reads a header, refusing what no card writes.
    pub fn decode(line: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let control = le32(line, 0);
        let number = (control >> 1) as u8 & 7;
        let kind = RxKind::try_from(number)?;
        check_valid("RX", number, control & 1 == 1, kind.is_valid())?;
        check_reserved("RX", line, rx::FIELDS)?;
        Ok(Self {
            kind,
            length_bytes: (control >> 16) as u16,
            session: le32(line, 4).into(),
            function: u64::from(le32(line, 12)) << 32 | u64::from(le32(line, 8)),
            xid: le32(line, 16),
            procedure: le32(line, 20),
            peer_ipv4: le32(line, 24),
            peer_port: le32(line, 28) as u16,
            service_id: (le32(line, 28) >> 16) as u16,
        })
    }

    /// Bytes of the line image that carry header and body.
    pub fn end_bytes(&self) -> usize {
        self.kind.body_offset() + usize::from(self.length_bytes)
    }
}

/// A decoded TX header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxHeader {
    /// What the line is; decides the valid bit.
    pub kind: TxKind,
    /// The `accept_stat` of an error reply, 12 bits; else zero.
    pub status: u16,
    /// Bytes of the body.
    pub length_bytes: u16,
    /// Session of the call that is answered.
    pub session: SessionHandle,
    /// Counts the messages of this endpoint.
    pub sequence: u32,
}

impl TxHeader {
    /// The header's bytes; the upper four bits of `status` are not representable and are dropped.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let control = u32::from(self.kind.is_valid())
            | (self.kind as u32) << 1
            | u32::from(self.status & 0xfff) << 4
            | u32::from(self.length_bytes) << 16;
        let mut line = [0; HEADER_BYTES];
        line[0..4].copy_from_slice(&control.to_le_bytes());
        line[4..8].copy_from_slice(&u32::from(self.session).to_le_bytes());
        line[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        line
    }

    /// Reads a header, refusing what no driver writes.
    pub fn decode(line: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let control = le32(line, 0);
        let number = (control >> 1) as u8 & 7;
        let kind = TxKind::try_from(number)?;
        check_valid("TX", number, control & 1 == 1, kind.is_valid())?;
        check_reserved("TX", line, tx::FIELDS)?;
        Ok(Self {
            kind,
            status: (control >> 4) as u16 & 0xfff,
            length_bytes: (control >> 16) as u16,
            session: le32(line, 4).into(),
            sequence: le32(line, 8),
        })
    }

    /// Bytes of the line image that carry header and body.
    pub fn end_bytes(&self) -> usize {
        self.kind.body_offset() + usize::from(self.length_bytes)
    }
}

/// The word of a preemption line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PreemptWord {
    /// The card's: the worker may begin.
    pub ready: bool,
    /// The worker's: it is between beginning and end.
    pub busy: bool,
}

impl From<PreemptWord> for u64 {
    fn from(word: PreemptWord) -> u64 {
        u64::from(word.ready) << preemption::READY.lsb
            | u64::from(word.busy) << preemption::BUSY.lsb
    }
}

impl From<u64> for PreemptWord {
    fn from(word: u64) -> Self {
        let bit = |field: Field| word >> field.lsb & 1 == 1;
        Self {
            ready: bit(preemption::READY),
            busy: bit(preemption::BUSY),
        }
    }
}

fn le32(line: &[u8; HEADER_BYTES], byte: usize) -> u32 {
    u32::from_le_bytes([line[byte], line[byte + 1], line[byte + 2], line[byte + 3]])
}

fn check_valid(
    direction: &'static str,
    kind: u8,
    valid: bool,
    expected: bool,
) -> Result<(), HeaderError> {
    if valid == expected {
        Ok(())
    } else {
        Err(HeaderError::ValidBit {
            direction,
            kind,
            valid,
        })
    }
}

fn check_reserved(
    direction: &'static str,
    line: &[u8; HEADER_BYTES],
    fields: &[Field],
) -> Result<(), HeaderError> {
    let mut rest = *line;
    for field in fields {
        field.write(&mut rest, 0);
    }
    match rest.iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(byte) => Err(HeaderError::Reserved { direction, byte }),
    }
}

#[cfg(test)]
mod tests;
