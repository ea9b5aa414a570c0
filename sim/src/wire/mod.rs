//! # Wire
//! MAC models: [`RxSource`] plays frames into the card, [`TxSink`] collects what the card sends.
//! Frames are Ethernet frames without preamble and FCS, as the MAC hands them over.

mod sink;
mod source;

pub use sink::{SentFrame, TxSink, TxSinkError};
pub use source::{FrameDone, FrameIn, Pacing, RxSource};

/// Bytes in a beat of the packet stream.
pub const BEAT_BYTES: usize = 64;

/// Preamble, start delimiter, FCS and minimum gap: wire bytes that every frame costs beside itself.
pub const FRAME_OVERHEAD_BYTES: u64 = 24;

/// One beat between MAC and card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireBeat {
    /// Bytes, first byte on the wire first.
    pub data: [u8; BEAT_BYTES],
    /// Valid bytes, bit i for byte i.
    pub keep: u64,
    /// Last beat of the frame.
    pub last: bool,
    /// With `last`, towards the card: the MAC found the frame bad.
    pub error: bool,
}

/// `keep` of a beat that holds `byte_count` bytes.
///
/// # Panics
/// When `byte_count` is 0 or above 64.
pub fn keep_mask(byte_count: usize) -> u64 {
    assert!(
        (1..=BEAT_BYTES).contains(&byte_count),
        "a beat holds 1..=64 bytes, not {byte_count}"
    );
    u64::MAX >> (BEAT_BYTES - byte_count)
}
