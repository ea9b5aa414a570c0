//! Interconnect profiles: what the link between host and card costs.
//!
//! A simulated host core takes its delays from here. The sum that decides everything is the *bare
//! round trip*, [`InterconnectProfile::load_ns`]: a load that the card answers at once.

use lauberhorn_interface::NicConfig;
use serde::Serialize;

/// Delays and limits of one interconnect, seen from one host core. All times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InterconnectProfile {
    /// Name, as on the command line.
    pub name: &'static str,
    /// Whether the link keeps lines coherent. Without, the lines are a device memory: the host
    /// holds nothing, recalls are no-ops, and stores go out through the write-combining buffer.
    pub coherent: bool,
    /// From a message leaving the core's cache to its arrival at the card's line port.
    pub one_way_to_nic_ns: u32,
    /// From a message leaving the card's line port to its use by the core.
    pub one_way_to_host_ns: u32,
    /// How long one line with data occupies the link in one direction.
    pub line_occupancy_ns: u32,
    /// From the instruction to the message of a load that misses.
    pub issue_ns: u32,
    /// A store to a line the core holds (or to the write-combining buffer).
    pub store_ns: u32,
    /// From the instruction to the message of a clean-and-invalidate of one line, or the flush of
    /// one line from the write-combining buffer.
    pub flush_ns: u32,
    /// From the arrival of a recall at the host to its acknowledgement leaving.
    pub snoop_ns: u32,
    /// Software between the load of a control line that brought a message and the next operation.
    pub control_software_ns: u32,
    /// Software before the first overflow line is loaded.
    pub overflow_software_ns: u32,
    /// Loads that one core may have without an answer.
    pub max_outstanding: usize,
    /// Where the numbers come from and how sure they are.
    pub source: &'static str,
}

impl InterconnectProfile {
    /// The names [`InterconnectProfile::named`] knows.
    pub const NAMES: &[&str] = &["eci", "cxl", "pcie"];

    /// Enzian: a 48-core ThunderX-1 and the FPGA over the coherent interconnect, 128-byte lines.
    pub const ECI: Self = Self {
        name: "eci",
        coherent: true,
        one_way_to_nic_ns: 88,
        one_way_to_host_ns: 308,
        line_occupancy_ns: 24,
        issue_ns: 24,
        store_ns: 16,
        flush_ns: 12,
        snoop_ns: 168,
        control_software_ns: 380,
        overflow_software_ns: 448,
        max_outstanding: 16,
        source: "Fitted to the published loop-back measurements (raw stage medians, 4 ns a cycle). \
                 Sums: each further RX line loaded alone costs 116 cycles = 464 ns, of which our \
                 card takes 44 (issue + both crossings = 420); the first recalled TX line adds 145 \
                 cycles = 580 ns, of which the card takes 16 (both crossings + snoop = 564). Split: \
                 from the first store to the recalled line in the card it takes 173 cycles = 692 \
                 ns, so that a load is at the card after 112 ns. What is left of the receive times \
                 is counted as software: 380 ns after the control line, 448 ns before the first \
                 overflow line; of the send times as occupancy of the link, 24 ns a line. No step up \
                 to 13 TX lines: at least so many loads may be outstanding. A time stamp read by \
                 the core stands for half a bare round trip (404 ns) in the published figures; if \
                 its way there is longer than its way back, the two directions shift against each \
                 other by that, and their sum stays. Flush is an estimate.",
    };

    /// A CXL.mem device on an FPGA with a hard controller, 64-byte lines.
    pub const CXL: Self = Self {
        name: "cxl",
        coherent: true,
        one_way_to_nic_ns: 110,
        one_way_to_host_ns: 110,
        line_occupancy_ns: 2,
        issue_ns: 10,
        store_ns: 1,
        flush_ns: 10,
        snoop_ns: 40,
        control_software_ns: 10,
        overflow_software_ns: 0,
        max_outstanding: 16,
        source: "Estimate, not measured: a secondary source (sampooni.github.io/kv-cache-docs, \
                 appendix F) sums a CXL.mem load to about 250 ns. Its 80 to 100 ns of DRAM do not \
                 apply to our lines; 70 ns are a guess for the soft logic beside an FPGA's hard \
                 controller. A bare round trip anywhere from 150 to 350 ns is plausible. Occupancy \
                 is 64 bytes at PCIe 5.0 x16 less protocol overhead; all else is a guess.",
    };

    /// The same lines as a PCIe BAR: loads are non-posted reads, stores are write-combined.
    pub const PCIE: Self = Self {
        name: "pcie",
        coherent: false,
        one_way_to_nic_ns: 324,
        one_way_to_host_ns: 324,
        line_occupancy_ns: 6,
        issue_ns: 52,
        store_ns: 48,
        flush_ns: 188,
        snoop_ns: 0,
        control_software_ns: 0,
        overflow_software_ns: 0,
        max_outstanding: 4,
        source: "Fitted to the published loop-back measurements of the same host: each 16 bytes read cost \
                 738 ns, of which our card takes some 40; each 64 bytes sent cost 60 ns, and the first \
                 some 250 ns beside the way. The published bare round trip of 1292 ns contradicts the first and is not \
                 used. The division of the way is an assumption. \
                 Occupancy is 64 bytes at PCIe 3.0 x16 less protocol overhead. One read fetches \
                 a whole 64-byte line, as vector loads can. Outstanding reads are an estimate.",
    };

    /// The profile called `name`, one of [`InterconnectProfile::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        [Self::ECI, Self::CXL, Self::PCIE]
            .into_iter()
            .find(|profile| profile.name == name)
    }

    /// The bare round trip: a load that the card answers in no time.
    pub const fn load_ns(&self) -> u32 {
        self.issue_ns + self.one_way_to_nic_ns + self.one_way_to_host_ns
    }

    /// A recall of one line, seen from the card.
    pub const fn recall_ns(&self) -> u32 {
        self.one_way_to_host_ns + self.snoop_ns + self.one_way_to_nic_ns
    }

    /// The card configuration that goes with the link.
    pub fn configuration(&self) -> NicConfig {
        match self.name {
            "eci" => NicConfig::eci(),
            _ => NicConfig::cxl(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_profile() {
        for name in InterconnectProfile::NAMES {
            assert_eq!(InterconnectProfile::named(name).unwrap().name, *name);
        }
        assert_eq!(InterconnectProfile::named("upi"), None);
    }

    #[test]
    fn sums_are_the_published_ones() {
        // Less what our card takes of it, which the simulation adds.
        assert_eq!(InterconnectProfile::ECI.load_ns(), (116 - 11) * 4);
        assert_eq!(InterconnectProfile::ECI.recall_ns(), (145 - 4) * 4);
        assert_eq!(InterconnectProfile::PCIE.load_ns(), 700);
    }

    #[test]
    fn configurations_fit_the_link() {
        assert_eq!(InterconnectProfile::ECI.configuration().line_bytes(), 128);
        assert_eq!(InterconnectProfile::CXL.configuration().line_bytes(), 64);
        assert_eq!(InterconnectProfile::PCIE.configuration().line_bytes(), 64);
    }
}
