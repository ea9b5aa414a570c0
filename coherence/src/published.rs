//! What was measured on Enzian: the published loop-back experiment.
//!
//! Software writes a bare Ethernet frame, the card's MAC loops it back, software reads it. Medians
//! of 50 repetitions, half a bare round trip taken off each direction for the time stamp that the
//! core reads, as its authors do. Only these figures enter the project; see the profile of each
//! interconnect for what was concluded from them.

/// How the software of the experiment read the lines and the time, where ours does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedSoftware {
    /// Bytes of one load. Loads are not cached, and one waits for the other.
    pub load_bytes: usize,
    /// Taken off each direction for the time stamp, as half a bare round trip.
    pub time_stamp_ns: u32,
}

impl PublishedSoftware {
    /// On PCIe, as inferred from the receive times. Each 64 bytes of a frame cost 2952 ns, four loads of 738 ns, so that a load takes less than the
    /// bare round trip of 1292 ns that was measured by another means.
    pub const PCIE: Self = Self {
        load_bytes: 16,
        time_stamp_ns: 1292 / 2,
    };
}

const MEDIANS: &str = include_str!("../data/published_loopback_medians.csv");

/// The medians for one frame size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopbackMedian {
    /// Bytes of the frame.
    pub frame_bytes: usize,
    /// Software about to write to frame out.
    pub tx_ns: u32,
    /// Frame in to software has it.
    pub rx_ns: u32,
}

/// The medians of an interconnect, by size; empty when it was not measured.
///
/// # Panics
/// Never: the table is part of the program and a test reads all of it.
pub fn loopback_medians(interconnect: &str) -> Vec<LoopbackMedian> {
    let rows = MEDIANS.lines().skip(1).map(|row| {
        let mut cells = row.split(',');
        let name = cells.next().unwrap_or_default();
        let mut number = || {
            let cell = cells.next().unwrap_or_default();
            cell.parse::<u32>()
                .unwrap_or_else(|_| panic!("{cell:?} in row {row:?} is no number"))
        };
        let frame_bytes = number() as usize;
        let (tx_ns, rx_ns) = (number(), number());
        let median = LoopbackMedian {
            frame_bytes,
            tx_ns,
            rx_ns,
        };
        (name, median)
    });
    rows.filter(|(name, _)| *name == interconnect)
        .map(|(_, median)| median)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_published_curves_are_there() {
        for name in ["eci", "pcie"] {
            let sizes: Vec<_> = loopback_medians(name)
                .iter()
                .map(|median| median.frame_bytes)
                .collect();
            assert_eq!(sizes, (64..=1536).step_by(64).collect::<Vec<_>>());
        }
        assert_eq!(loopback_medians("cxl"), []);
        let shortest = LoopbackMedian {
            frame_bytes: 64,
            tx_ns: 864,
            rx_ns: 764,
        };
        assert_eq!(loopback_medians("eci")[0], shortest);
    }
}
