//! # Line port, seen from the host
//! Plain Rust forms of the five channels, sampled once per cycle. `None` is "not valid".

/// A beat of 64 bytes, first byte least significant.
pub type BeatData = [u64; 8];
/// Bytes of the largest line; a 64-byte line uses the first half.
pub const MAX_LINE_BYTES: usize = 128;
/// A line's bytes.
pub type LineBytes = [u8; MAX_LINE_BYTES];
/// Bytes in a beat.
pub const BEAT_BYTES: usize = 64;

/// Host loads a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Line index in the aperture.
    pub address: u32,
    /// Echoed by the fill.
    pub id: u8,
    /// The host wants to write the line.
    pub exclusive: bool,
}

/// One beat of the answer to a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillBeat {
    /// Of the load.
    pub id: u8,
    /// The host may write the line.
    pub exclusive: bool,
    /// Line bytes.
    pub data: BeatData,
    /// Last beat of the line.
    pub last: bool,
}

/// One beat of a line the host gives back unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritebackBeat {
    /// Line index in the aperture.
    pub address: u32,
    /// The line carries data; else it is a notice of clean eviction.
    pub dirty: bool,
    /// Line bytes.
    pub data: BeatData,
    /// Last beat of the message.
    pub last: bool,
}

/// The card asks for a line back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Line index in the aperture.
    pub address: u32,
    /// Echoed by the acknowledgement.
    pub id: u16,
}

/// One beat of the answer to a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecallAckBeat {
    /// Of the recall.
    pub id: u16,
    /// The line was modified and its data follows.
    pub dirty: bool,
    /// Line bytes.
    pub data: BeatData,
    /// Last beat of the message.
    pub last: bool,
}

/// What the host drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinePortIn {
    /// Load offered.
    pub load: Option<Load>,
    /// The host takes a fill beat.
    pub fill_ready: bool,
    /// Writeback beat offered.
    pub writeback: Option<WritebackBeat>,
    /// The host takes a recall.
    pub recall_ready: bool,
    /// Acknowledgement beat offered.
    pub recall_ack: Option<RecallAckBeat>,
}

/// What the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinePortOut {
    /// The card takes a load.
    pub load_ready: bool,
    /// Fill beat offered.
    pub fill: Option<FillBeat>,
    /// The card takes a writeback beat.
    pub writeback_ready: bool,
    /// Recall offered.
    pub recall: Option<Recall>,
    /// The card takes an acknowledgement beat.
    pub recall_ack_ready: bool,
}

/// The card's line port: one call is one core clock cycle.
pub trait LinePort {
    /// Applies what the host drives, returns what the card drives in the same cycle, then clocks.
    fn cycle(&mut self, inputs: &LinePortIn) -> LinePortOut;
}

/// Beat `beat_idx` of a line.
pub fn line_beat(line: &LineBytes, beat_idx: usize) -> BeatData {
    let bytes = &line[beat_idx * BEAT_BYTES..(beat_idx + 1) * BEAT_BYTES];
    let mut data = [0; 8];
    for (word, chunk) in data.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().expect("chunks of 8"));
    }
    data
}

/// Puts beat `beat_idx` into a line.
pub fn set_line_beat(line: &mut LineBytes, beat_idx: usize, data: &BeatData) {
    let bytes = &mut line[beat_idx * BEAT_BYTES..(beat_idx + 1) * BEAT_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(data) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
}
