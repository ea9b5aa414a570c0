//! Host models of the published interconnect profiles.

use lauberhorn_coherence::InterconnectProfile;

use super::{CoreTiming, HostConfig, LinkTiming, PortStalls};

/// Stores that may wait in a core; the line-fill buffers of current cores are of this order.
const STORE_BUFFER_ENTRIES: usize = 16;

/// Core cycles that cover `ns`.
pub fn ns_to_cycles(ns: u32, clock_hz: u64) -> u64 {
    (u64::from(ns) * clock_hz).div_ceil(1_000_000_000)
}

impl HostConfig {
    /// A host of `core_count` cores behind the given interconnect, without stalls or evictions.
    /// Times are rounded up to core cycles.
    pub fn from_profile(
        profile: &InterconnectProfile,
        line_bytes: usize,
        core_count: usize,
        clock_hz: u64,
    ) -> HostConfig {
        let cycles = |ns| ns_to_cycles(ns, clock_hz);
        let link = |latency_ns| LinkTiming {
            latency_cycles: cycles(latency_ns),
            message_occupancy_cycles: 0,
            line_occupancy_cycles: cycles(profile.line_occupancy_ns),
        };
        HostConfig {
            core_count,
            line_bytes,
            core: CoreTiming {
                miss_cycles: cycles(profile.issue_ns),
                load_issue_cycles: 1,
                // The profile's way to the host ends at the use of the data.
                fill_to_use_cycles: 0,
                hit_cycles: 1,
                store_cycles: cycles(profile.store_ns),
                flush_cycles: cycles(profile.flush_ns),
                snoop_cycles: cycles(profile.snoop_ns),
                max_outstanding_loads: profile.max_outstanding,
                store_buffer_entries: STORE_BUFFER_ENTRIES,
                coherent: profile.coherent,
            },
            to_card: link(profile.one_way_to_nic_ns),
            to_host: link(profile.one_way_to_host_ns),
            strict_order: !profile.coherent,
            stalls: PortStalls::default(),
            eviction_chance_65536: 0,
            eviction_notice_256: 256,
        }
    }
}
