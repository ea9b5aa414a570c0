//! Which clock rises when, for models with several.

use super::ClockSet;

/// Rising edges of several free-running clocks in order of time. Edges that fall together are one
/// event, so that the order inside a model is the model's own.
#[derive(Clone, Debug)]
pub struct Wheel {
    clocks: Vec<Clock>,
}

#[derive(Clone, Debug)]
struct Clock {
    period_ps: u64,
    next_ps: u64,
}

impl Wheel {
    /// Clocks by period, in the order of the model's clock ports; all rise first after one period.
    ///
    /// # Panics
    /// If there is no clock, more than 32, or a period of 0.
    pub fn new(periods_ps: &[u64]) -> Self {
        assert!(
            (1..=32).contains(&periods_ps.len()) && !periods_ps.contains(&0),
            "one to 32 clocks with periods above 0, not {periods_ps:?}"
        );
        let clock = |period_ps: &u64| Clock {
            period_ps: *period_ps,
            next_ps: *period_ps,
        };
        Wheel {
            clocks: periods_ps.iter().map(clock).collect(),
        }
    }
}

impl Iterator for Wheel {
    type Item = (u64, ClockSet);

    /// Time and clocks of the next rising edge; there always is one.
    fn next(&mut self) -> Option<Self::Item> {
        let time = self.clocks.iter().map(|clock| clock.next_ps).min()?;
        let mut set = 0;
        for (index, clock) in self.clocks.iter_mut().enumerate() {
            if clock.next_ps == time {
                clock.next_ps += clock.period_ps;
                set |= 1 << index;
            }
        }
        Some((time, ClockSet(set)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_come_in_order_and_together_when_they_coincide() {
        let edges: Vec<_> = Wheel::new(&[4, 6]).take(5).collect();
        let expected = [(4, 1), (6, 2), (8, 1), (12, 3), (16, 1)];
        assert_eq!(edges, expected.map(|(time, set)| (time, ClockSet(set))));
    }
}
