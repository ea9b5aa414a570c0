//! # Transmit side of the MAC
//! Collects beats to frames and refuses what a MAC cannot send. Ready is programmable, because
//! the card's transmit path must survive any backpressure.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::WireBeat;

/// A frame the card sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The frame without FCS.
    pub bytes: Vec<u8>,
    /// Cycle in which its first beat was taken.
    pub first_beat_cycle: u64,
    /// Cycle in which its last beat was taken.
    pub last_beat_cycle: u64,
}

/// The card broke the contract of the packet stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TxSinkError {
    /// `keep` has a hole or does not start at byte 0.
    #[error("cycle {cycle}: keep {keep:#018x} is not contiguous from bit 0")]
    KeepHole {
        /// When.
        cycle: u64,
        /// The mask.
        keep: u64,
    },
    /// A beat before the last one is not full, or the last one is empty.
    #[error("cycle {cycle}: keep {keep:#018x} with last={last}; only the last beat is partial")]
    KeepPartial {
        /// When.
        cycle: u64,
        /// The mask.
        keep: u64,
        /// Whether the beat is the last.
        last: bool,
    },
}

/// Collects what the card sends.
#[derive(Debug)]
pub struct TxSink {
    /// Chance of being ready in a cycle, in 1/256, and its source of randomness.
    stall: Option<(u16, ChaCha8Rng)>,
    held_until: u64,
    partial: Vec<u8>,
    first_beat_cycle: u64,
}

impl TxSink {
    /// A sink that is always ready.
    pub fn new() -> TxSink {
        TxSink {
            stall: None,
            held_until: 0,
            partial: Vec::new(),
            first_beat_cycle: 0,
        }
    }

    /// A sink that is ready with a chance of `ready_chance_256`/256 in each cycle; 0 is taken as 1.
    pub fn with_random_stalls(ready_chance_256: u16, rng: ChaCha8Rng) -> TxSink {
        TxSink {
            stall: Some((ready_chance_256.max(1), rng)),
            ..TxSink::new()
        }
    }

    /// Keeps ready low before `cycle`.
    pub fn hold_until(&mut self, cycle: u64) {
        self.held_until = cycle;
    }

    /// Ready of this cycle. Called once per cycle.
    pub fn ready(&mut self, cycle: u64) -> bool {
        let open = match &mut self.stall {
            Some((chance, rng)) => rng.random_range(0..256) < *chance,
            None => true,
        };
        open && cycle >= self.held_until
    }

    /// Takes a beat that was valid while ready.
    ///
    /// # Errors
    /// When the beat breaks the stream's contract.
    pub fn take(&mut self, cycle: u64, beat: &WireBeat) -> Result<Option<SentFrame>, TxSinkError> {
        let keep = beat.keep;
        if keep & keep.wrapping_add(1) != 0 {
            return Err(TxSinkError::KeepHole { cycle, keep });
        }
        if keep == 0 || (!beat.last && keep != u64::MAX) {
            let last = beat.last;
            return Err(TxSinkError::KeepPartial { cycle, keep, last });
        }
        if self.partial.is_empty() {
            self.first_beat_cycle = cycle;
        }
        let byte_count = keep.trailing_ones() as usize;
        self.partial.extend_from_slice(&beat.data[..byte_count]);
        Ok(beat.last.then(|| SentFrame {
            bytes: std::mem::take(&mut self.partial),
            first_beat_cycle: self.first_beat_cycle,
            last_beat_cycle: cycle,
        }))
    }

    /// The card is in the middle of a frame.
    pub fn is_mid_frame(&self) -> bool {
        !self.partial.is_empty()
    }
}

impl Default for TxSink {
    fn default() -> TxSink {
        TxSink::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FrameIn, Pacing, RxSource};
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn source_into_sink_returns_the_frames() {
        let mut source = RxSource::new(Pacing::BackToBack);
        let frames: Vec<Vec<u8>> = (1..200)
            .map(|n| (0..n).map(|b| b as u8).collect())
            .collect();
        for (tag, bytes) in (0..).zip(&frames) {
            source.push(FrameIn {
                bytes: bytes.clone(),
                error: false,
                tag,
                not_before: 0,
            });
        }
        let mut sink = TxSink::new();
        let mut sent = Vec::new();
        for cycle in 0.. {
            let Some((beat, _)) = source.drive(cycle) else {
                break;
            };
            assert!(sink.ready(cycle));
            sent.extend(sink.take(cycle, &beat).unwrap());
        }
        assert!(!sink.is_mid_frame());
        assert_eq!(
            sent.iter().map(|f| f.bytes.clone()).collect::<Vec<_>>(),
            frames
        );
    }

    #[test]
    fn refuses_beats_a_mac_cannot_send() {
        let beat = |keep, last| WireBeat {
            data: [0; 64],
            keep,
            last,
            error: false,
        };
        let take = |beat| TxSink::new().take(3, &beat);
        assert!(matches!(
            take(beat(0b101, true)),
            Err(TxSinkError::KeepHole { .. })
        ));
        assert!(matches!(
            take(beat(0b110, true)),
            Err(TxSinkError::KeepHole { .. })
        ));
        assert!(matches!(
            take(beat(0b111, false)),
            Err(TxSinkError::KeepPartial { .. })
        ));
        assert!(matches!(
            take(beat(0, true)),
            Err(TxSinkError::KeepPartial { .. })
        ));
        assert_eq!(take(beat(u64::MAX, true)).unwrap().unwrap().bytes.len(), 64);
    }

    #[test]
    fn stalls_as_programmed() {
        let mut sink = TxSink::with_random_stalls(64, Seed::DEFAULT.stream("tx"));
        let open = (0..10_000).filter(|&cycle| sink.ready(cycle)).count();
        assert!((2000..3000).contains(&open), "{open}");
        sink.hold_until(20_000);
        assert!((10_000..20_000).all(|cycle| !sink.ready(cycle)));
    }
}
