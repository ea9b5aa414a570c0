//! What the parts have on together. A system with everything on does not fit, so the claim is about
//! pairs: any two features are on at the same time in some part, in either transmit mode.

use std::fmt;

use super::config::Config;
use super::suite::Part;

/// Something that a system has beyond one worker that is left in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Messages with an overflow line.
    Overflow,
    /// The host evicts lines.
    Evict,
    /// The host loads lines by itself.
    Prefetch,
    /// Workers are retired.
    Retire,
    /// Cores die.
    Kill,
    /// A worker of another process takes an endpoint over.
    Rebind,
    /// The preemption line is used.
    Preempt,
    /// Several endpoints serve several processes.
    Several,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Overflow,
        Self::Evict,
        Self::Prefetch,
        Self::Retire,
        Self::Kill,
        Self::Rebind,
        Self::Preempt,
        Self::Several,
    ];

    /// Whether `config` has it.
    pub const fn is_in(self, config: &Config) -> bool {
        match self {
            Self::Overflow => config.overflow,
            Self::Evict => config.evict > 0,
            Self::Prefetch => config.prefetch > 0,
            Self::Retire => config.retire,
            Self::Kill => config.kill,
            Self::Rebind => config.rebind && config.processes > 1,
            Self::Preempt => config.preempt,
            Self::Several => config.endpoints > 1 && config.processes > 1,
        }
    }
}

/// Two features in one transmit mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Eager replies; else the card recalls them.
    pub eager: bool,
    /// The two.
    pub features: [Feature; 2],
}

impl Pair {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut pairs = vec![];
        for eager in [true, false] {
            for (n, &second) in Feature::ALL.iter().enumerate() {
                let pair = |&first| Self {
                    eager,
                    features: [first, second],
                };
                pairs.extend(Feature::ALL[..n].iter().map(pair));
            }
        }
        pairs
    }

    /// Whether `part` has both on. Acknowledgement is by store: by load the protocol is not safe.
    pub fn is_in(&self, part: &Part) -> bool {
        let config = &part.config;
        let mode = config.eager == self.eager && config.home().consume && config.twin.is_none();
        mode && self.features.iter().all(|feature| feature.is_in(config))
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.eager { "eager" } else { "recall" };
        let [first, second] = self.features;
        write!(f, "{mode}: {first:?} and {second:?}")
    }
}

/// The pairs that no part has on together.
pub fn uncovered(parts: &[Part]) -> Vec<Pair> {
    let mut pairs = Pair::all();
    pairs.retain(|pair| !parts.iter().any(|part| pair.is_in(part)));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::suite::{full, small};

    #[test]
    fn any_two_features_are_on_together_in_some_part_in_either_mode() {
        assert_eq!(Pair::all().len(), 2 * 8 * 7 / 2);
        let missing: Vec<_> = uncovered(&full(2, 2)).iter().map(Pair::to_string).collect();
        assert!(missing.is_empty(), "no part has on: {missing:#?}");
    }

    #[test]
    fn a_pair_that_no_part_has_is_found() {
        let kill = Pair {
            eager: true,
            features: [Feature::Prefetch, Feature::Kill],
        };
        assert!(uncovered(&small()).contains(&kill));
        let mut parts = full(2, 2);
        parts.retain(|part| !kill.is_in(part));
        assert_eq!(uncovered(&parts), [kill]);
    }
}
