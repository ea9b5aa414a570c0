//! Sets of an endpoint's lines, small enough to be copied and compared in states.

use std::fmt;

use crate::layout::{LineRole, Parity};

const WORDS: usize = 3;

/// Overflow lines per direction that a [`LineSet`] can name.
pub const MAX_OVERFLOW_LINES: usize = 64 * WORDS;

/// Lines of one direction of an endpoint: its two control lines and its overflow lines.
///
/// The direction is not part of the set: RX and TX lines of the same place are the same member.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LineSet {
    control: u8,
    overflow: [u64; WORDS],
}

impl LineSet {
    /// Both control lines and this many overflow lines.
    pub fn all(overflow_lines: usize) -> Self {
        let mut set = Self {
            control: 3,
            ..Self::default()
        };
        for n in 0..overflow_lines {
            set.overflow[n / 64] |= 1 << (n % 64);
        }
        set
    }

    /// Whether there is no line in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `line` is in it.
    pub fn contains(&self, line: LineRole) -> bool {
        let mut with = *self;
        with.insert(line);
        with == *self
    }

    /// Adds `line`. The preemption line belongs to no direction and is never a member.
    pub fn insert(&mut self, line: LineRole) {
        match line {
            LineRole::RxControl(parity) | LineRole::TxControl(parity) => {
                self.control |= 1 << parity.index();
            }
            LineRole::RxOverflow(n) | LineRole::TxOverflow(n) => {
                self.overflow[n / 64] |= 1 << (n % 64);
            }
            LineRole::Preemption => {}
        }
    }

    /// Takes `line` out; whether it was in.
    pub fn remove(&mut self, line: LineRole) -> bool {
        let was_in = self.contains(line) && line != LineRole::Preemption;
        match line {
            LineRole::RxControl(parity) | LineRole::TxControl(parity) => {
                self.control &= !(1 << parity.index());
            }
            LineRole::RxOverflow(n) | LineRole::TxOverflow(n) => {
                self.overflow[n / 64] &= !(1 << (n % 64));
            }
            LineRole::Preemption => {}
        }
        was_in
    }

    /// The members as RX lines, control lines first.
    pub fn rx_lines(self) -> impl Iterator<Item = LineRole> {
        self.lines(LineRole::RxControl, LineRole::RxOverflow)
    }

    /// The members as TX lines, control lines first.
    pub fn tx_lines(self) -> impl Iterator<Item = LineRole> {
        self.lines(LineRole::TxControl, LineRole::TxOverflow)
    }

    fn lines(
        self,
        control: fn(Parity) -> LineRole,
        overflow: fn(usize) -> LineRole,
    ) -> impl Iterator<Item = LineRole> {
        let pair = Parity::BOTH
            .into_iter()
            .filter(move |parity| self.control & (1 << parity.index()) != 0)
            .map(control);
        let rest = (0..MAX_OVERFLOW_LINES)
            .take_while(move |_| self.overflow != [0; WORDS])
            .filter(move |n| self.overflow[n / 64] & (1 << (n % 64)) != 0)
            .map(overflow);
        pair.chain(rest)
    }
}

impl fmt::Debug for LineSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |line| match line {
            LineRole::RxOverflow(n) => format!("overflow {n}"),
            control => format!(
                "control {}",
                u8::from(control != LineRole::RxControl(Parity::Zero))
            ),
        };
        f.debug_set().entries(self.rx_lines().map(name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LineRole::{Preemption, RxControl, RxOverflow, TxOverflow};

    #[test]
    fn members_come_and_go() {
        let mut set = LineSet::default();
        for line in [RxOverflow(130), RxControl(Parity::One), RxOverflow(0)] {
            assert!(!set.contains(line));
            set.insert(line);
            assert!(set.contains(line));
        }
        let lines: Vec<_> = set.rx_lines().collect();
        assert_eq!(
            lines,
            [RxControl(Parity::One), RxOverflow(0), RxOverflow(130)]
        );
        assert!(set.tx_lines().any(|line| line == TxOverflow(130)));
        assert!(set.remove(RxOverflow(0)));
        assert!(!set.remove(RxOverflow(0)));
        assert!(!set.remove(Preemption));
        assert_eq!(set.rx_lines().count(), 2);
    }

    #[test]
    fn all_lines_are_the_pair_and_the_overflow_lines() {
        assert_eq!(LineSet::all(70).rx_lines().count(), 72);
        assert_eq!(LineSet::all(0).tx_lines().count(), 2);
        assert!(!LineSet::all(0).is_empty());
    }
}
