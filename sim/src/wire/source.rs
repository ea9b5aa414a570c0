//! # Receive side of the MAC
//! Plays queued frames beat by beat. The card cannot stall it; what varies is the pacing.
//! At a line rate a beat is handed over in the cycle after its last byte has arrived, in exact
//! integer arithmetic, so that a 100 Gb/s link at 250 MHz (50 bytes per cycle) is neither faster
//! nor slower than the real one over any number of frames.
//! Where a frame needs more beats than its wire time has cycles (65 to 75 bytes), the beat
//! rate is the limit and the link is slowed down to it.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{BEAT_BYTES, FRAME_OVERHEAD_BYTES, WireBeat, keep_mask};

/// Preamble and start delimiter, on the wire before the frame's first byte.
const PREAMBLE_BYTES: u64 = 8;
/// The MAC knows the frame check sequence only when it has passed.
const FCS_BYTES: u64 = 4;
/// How far beats may trail the wire before the wire itself is taken to be later.
const MAX_LAG_CYCLES: u64 = 3;

/// When the source drives beats.
#[derive(Clone, Debug)]
pub enum Pacing {
    /// At a link's bit rate.
    LineRate {
        /// Bits per second on the wire.
        bits_per_second: u64,
        /// Core clock.
        clock_hz: u64,
    },
    /// A beat in every cycle.
    BackToBack,
    /// A beat with the given chance in every cycle, between and within frames.
    RandomGaps {
        /// Chance of a beat in a cycle, in 1/256; 0 is taken as 1.
        beat_chance_256: u16,
        /// Source of randomness.
        rng: Box<ChaCha8Rng>,
    },
}

impl Pacing {
    /// 100 Gb/s.
    pub fn hundred_gigabit(clock_hz: u64) -> Pacing {
        Pacing::LineRate {
            bits_per_second: 100_000_000_000,
            clock_hz,
        }
    }
}

/// A frame to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameIn {
    /// The frame without FCS; not empty.
    pub bytes: Vec<u8>,
    /// The MAC reports the frame as bad.
    pub error: bool,
    /// Chosen by the caller, returned in [`FrameDone`].
    pub tag: u64,
    /// First cycle in which the frame may start on the wire.
    pub not_before: u64,
}

/// A frame whose last beat was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameDone {
    /// Of the frame.
    pub tag: u64,
    /// Cycle of the first beat.
    pub first_beat_cycle: u64,
    /// Cycle of the last beat.
    pub last_beat_cycle: u64,
}

/// Exact wire clock: `per_cycle` ticks pass per cycle, a byte takes `per_byte` ticks.
#[derive(Clone, Copy, Debug)]
struct WireClock {
    per_cycle: u128,
    per_byte: u128,
}

impl WireClock {
    /// First cycle that begins at or after `ticks`.
    fn cycle_of(self, ticks: u128) -> u64 {
        u64::try_from(ticks.div_ceil(self.per_cycle)).expect("a simulation is shorter than this")
    }
}

/// Plays frames into the card.
#[derive(Debug)]
pub struct RxSource {
    pacing: Pacing,
    clock: Option<WireClock>,
    queue: VecDeque<FrameIn>,
    /// Bytes of the front frame already driven.
    position: usize,
    first_beat_cycle: u64,
    /// Line rate: ticks at which the front frame's preamble starts, and at which the wire is free.
    start_ticks: u128,
    free_ticks: u128,
    /// The front frame's start is fixed.
    scheduled: bool,
    next_beat_cycle: u64,
    frames_played: u64,
}

impl RxSource {
    /// An idle source.
    pub fn new(pacing: Pacing) -> RxSource {
        let clock = match &pacing {
            Pacing::LineRate {
                bits_per_second,
                clock_hz,
            } => Some(WireClock {
                per_cycle: u128::from(*bits_per_second),
                per_byte: 8 * u128::from(*clock_hz),
            }),
            _ => None,
        };
        RxSource {
            pacing,
            clock,
            queue: VecDeque::new(),
            position: 0,
            first_beat_cycle: 0,
            start_ticks: 0,
            free_ticks: 0,
            scheduled: false,
            next_beat_cycle: 0,
            frames_played: 0,
        }
    }

    /// Appends a frame.
    ///
    /// # Panics
    /// When the frame is empty: a MAC never hands over a frame without a byte.
    pub fn push(&mut self, frame: FrameIn) {
        assert!(!frame.bytes.is_empty(), "frame {} is empty", frame.tag);
        self.queue.push_back(frame);
    }

    /// Frames not yet completely played.
    pub fn pending_count(&self) -> usize {
        self.queue.len()
    }

    /// Frames completely played.
    pub fn played_count(&self) -> u64 {
        self.frames_played
    }

    /// The beat of this cycle, and the frame it completes. Called once per cycle, in order.
    pub fn drive(&mut self, cycle: u64) -> Option<(WireBeat, Option<FrameDone>)> {
        let front = self.queue.front()?;
        if self.position == 0 && cycle < front.not_before {
            return None;
        }
        if let Pacing::RandomGaps {
            beat_chance_256,
            rng,
        } = &mut self.pacing
        {
            if rng.random_range(0..256) >= (*beat_chance_256).max(1) {
                return None;
            }
        } else if let Some(clock) = self.clock {
            if !self.scheduled {
                self.schedule_start(clock, cycle);
            }
            if cycle < self.next_beat_cycle {
                return None;
            }
        }
        Some(self.take_beat(cycle))
    }

    /// Fixes when the front frame starts on the wire and when its first beat is due.
    fn schedule_start(&mut self, clock: WireClock, cycle: u64) {
        let front = &self.queue[0];
        let lead =
            (u128::from(PREAMBLE_BYTES) + Self::beat_arrival_bytes(front, 0)) * clock.per_byte;
        let requested = u128::from(front.not_before) * clock.per_cycle;
        // Neither an idle wire nor one held up by the beat rate can be caught up with later; a lag
        // of a few cycles is only the rounding of arrival times to cycles.
        let latest = u128::from(cycle.saturating_sub(MAX_LAG_CYCLES)) * clock.per_cycle;
        self.start_ticks = self
            .free_ticks
            .max(requested)
            .max(latest.saturating_sub(lead));
        self.free_ticks = self.start_ticks
            + (front.bytes.len() as u128 + u128::from(FRAME_OVERHEAD_BYTES)) * clock.per_byte;
        self.next_beat_cycle = clock.cycle_of(self.start_ticks + lead).max(cycle);
        self.scheduled = true;
    }

    /// Frame bytes that must have passed before beat `beat_idx` can be handed over.
    fn beat_arrival_bytes(frame: &FrameIn, beat_idx: usize) -> u128 {
        let end = (beat_idx + 1) * BEAT_BYTES;
        if end >= frame.bytes.len() {
            frame.bytes.len() as u128 + u128::from(FCS_BYTES)
        } else {
            end as u128
        }
    }

    fn take_beat(&mut self, cycle: u64) -> (WireBeat, Option<FrameDone>) {
        let front = &self.queue[0];
        if self.position == 0 {
            self.first_beat_cycle = cycle;
        }
        let rest = &front.bytes[self.position..];
        let byte_count = rest.len().min(BEAT_BYTES);
        let last = byte_count == rest.len();
        let mut data = [0; BEAT_BYTES];
        data[..byte_count].copy_from_slice(&rest[..byte_count]);
        let beat = WireBeat {
            data,
            keep: keep_mask(byte_count),
            last,
            error: last && front.error,
        };
        if !last {
            self.position += byte_count;
            let beat_idx = self.position / BEAT_BYTES;
            self.next_beat_cycle = match self.clock {
                Some(clock) => {
                    let bytes =
                        u128::from(PREAMBLE_BYTES) + Self::beat_arrival_bytes(front, beat_idx);
                    clock
                        .cycle_of(self.start_ticks + bytes * clock.per_byte)
                        .max(cycle + 1)
                }
                None => cycle + 1,
            };
            return (beat, None);
        }
        let done = FrameDone {
            tag: front.tag,
            first_beat_cycle: self.first_beat_cycle,
            last_beat_cycle: cycle,
        };
        self.position = 0;
        self.scheduled = false;
        self.next_beat_cycle = cycle + 1;
        self.frames_played += 1;
        self.queue.pop_front();
        (beat, Some(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn play(source: &mut RxSource, frame_bytes: usize, count: u64) -> (u64, u64) {
        for tag in 0..count {
            source.push(FrameIn {
                bytes: vec![tag as u8; frame_bytes],
                error: false,
                tag,
                not_before: 0,
            });
        }
        let (mut first, mut last, mut beats) = (None, 0, 0);
        let mut cycle = 0;
        while source.pending_count() > 0 {
            if let Some((_, done)) = source.drive(cycle) {
                beats += 1;
                if let Some(done) = done {
                    first.get_or_insert(done.last_beat_cycle);
                    last = done.last_beat_cycle;
                }
            }
            cycle += 1;
        }
        assert_eq!(beats, count * frame_bytes.div_ceil(BEAT_BYTES) as u64);
        (first.unwrap(), last)
    }

    #[test]
    fn line_rate_is_exact_over_many_frames() {
        // Last beat to last beat of 1001 frames: 1000 frames of wire time, 50 bytes per cycle.
        for frame_bytes in [60, 64, 76, 82, 128, 512, 1514, 9014] {
            let mut source = RxSource::new(Pacing::hundred_gigabit(250_000_000));
            let (first, last) = play(&mut source, frame_bytes, 1001);
            let exact = 1000 * (frame_bytes as u64 + FRAME_OVERHEAD_BYTES) / 50;
            let measured = last - first;
            assert!(
                measured.abs_diff(exact) <= 1,
                "{frame_bytes} bytes: {measured} cycles, exact {exact}"
            );
        }
    }

    #[test]
    fn beat_rate_limits_65_to_75_byte_frames() {
        for frame_bytes in [65, 70, 75] {
            let mut source = RxSource::new(Pacing::hundred_gigabit(250_000_000));
            let (first, last) = play(&mut source, frame_bytes, 101);
            assert!(
                (last - first).abs_diff(200) <= 4,
                "{frame_bytes}: {}",
                last - first
            );
        }
    }

    #[test]
    fn an_idle_wire_saves_up_nothing() {
        let mut source = RxSource::new(Pacing::hundred_gigabit(250_000_000));
        for tag in 0..100 {
            source.push(FrameIn {
                bytes: vec![0; 1514],
                error: false,
                tag,
                not_before: 10_000,
            });
        }
        let mut done_cycles = Vec::new();
        for cycle in 0..20_000 {
            if let Some((_, Some(done))) = source.drive(cycle) {
                done_cycles.push(done.last_beat_cycle);
            }
        }
        assert!(done_cycles[0] >= 10_000 + 1514 / 50);
        let span = done_cycles[99] - done_cycles[0];
        assert!(span.abs_diff(99 * 1538 / 50) <= 1, "{span}");
    }

    #[test]
    fn back_to_back_drives_every_cycle_and_marks_the_last_beat() {
        let mut source = RxSource::new(Pacing::BackToBack);
        source.push(FrameIn {
            bytes: vec![1; 130],
            error: true,
            tag: 5,
            not_before: 2,
        });
        assert!(source.drive(1).is_none());
        let beats: Vec<_> = (2..5).map(|cycle| source.drive(cycle).unwrap()).collect();
        assert_eq!(
            beats.iter().map(|b| b.0.last).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(beats[2].0.keep, 3);
        assert!(beats[2].0.error && !beats[1].0.error);
        let done = beats[2].1.unwrap();
        assert_eq!(
            (done.tag, done.first_beat_cycle, done.last_beat_cycle),
            (5, 2, 4)
        );
    }

    #[test]
    fn random_gaps_lose_nothing() {
        let rng = Box::new(Seed::from_environment().stream("gaps"));
        let mut source = RxSource::new(Pacing::RandomGaps {
            beat_chance_256: 80,
            rng,
        });
        play(&mut source, 300, 50);
        assert_eq!(source.played_count(), 50);
    }
}
