//! # Ways to the card
//! Every combination of interconnect, mode and adapter in which a test with RPCs must pass, in one place.

use std::fmt;

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;

use crate::host::bus::{BusSettings, Units};
use crate::seed::Seed;
use crate::stand::Stand;

/// Every interconnect.
pub const PROFILES: [InterconnectProfile; 3] = [
    InterconnectProfile::ECI,
    InterconnectProfile::CXL,
    InterconnectProfile::PCIE,
];
/// How messages cross the lines, by name.
pub const MODES: [(&str, Mode); 3] = [
    ("recall", Mode::RECALL),
    ("eager", Mode::EAGER),
    ("store", Mode::CONSUME),
];

/// How cores and card are connected, and how messages cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The interconnect.
    pub profile: InterconnectProfile,
    /// How messages cross.
    pub mode: Mode,
    /// The adapter to the interconnect's bus is between cores and card.
    pub adapter: bool,
}

impl Way {
    /// The modes of an interconnect, with or without its adapter.
    pub fn of(profile: InterconnectProfile, adapter: bool) -> impl Iterator<Item = Way> {
        MODES.into_iter().map(move |(_, mode)| Way {
            profile,
            mode,
            adapter,
        })
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Way> {
        let with_and_without = |profile| [false, true].map(|adapter| Way::of(profile, adapter));
        PROFILES.into_iter().flat_map(with_and_without).flatten()
    }

    /// A stand on which hosts stall, evict and prefetch at random all the time, and the bus does what it
    /// may and what it may not.
    pub fn stand(&self, root: Seed) -> Stand {
        let mut stand = Stand::new(self.profile);
        stand.mode = self.mode;
        stand.stall_chance_256 = 60;
        // What meets what on the way is rare.
        stand.eviction_chance_65536 = 3000;
        stand.prefetch_chance_65536 = 6000;
        stand.block_time_cycles = 3000;
        // Cores load overflow lines without being told to, which lines of one directory unit do not bear.
        stand.bus = self.adapter.then_some(BusSettings {
            units: Units::OnePerLine,
            ..BusSettings::WILD
        });
        stand.seed = root.child(&self.to_string());
        stand
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Mode {
            preemption: false,
            ..self.mode
        };
        let named = MODES.iter().find(|(_, mode)| *mode == plain);
        let mode = named.map_or("other", |(name, _)| name);
        let preemption = if self.mode.preemption {
            ", preemption"
        } else {
            ""
        };
        let adapter = if self.adapter { ", adapter" } else { "" };
        write!(f, "{}, {mode}{preemption}{adapter}", self.profile.name)
    }
}
