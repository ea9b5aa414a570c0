//! Where the time of a call goes: intervals between the stages that the simulation notes.

use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::system::{RpcTimes, Stage};

/// Nanoseconds of one core clock cycle.
pub const CYCLE_NS: f64 = 1e9 / CORE_CLOCK_HZ as f64;

/// One part of a call's way.
#[derive(Clone, Copy)]
pub struct Interval {
    /// Name in tables and JSON.
    pub name: &'static str,
    /// What happens in it.
    pub what: &'static str,
    from: Stage,
    to: Stage,
}

/// The way of a call, in order and without gaps.
pub const INTERVALS: [Interval; 7] = [
    Interval {
        name: "rx_card",
        what: "decode, look up, dispatch (last beat in to first fill beat)",
        from: Stage::WireInLast,
        to: Stage::FillFirst,
    },
    Interval {
        name: "rx_link",
        what: "lines cross to the core",
        from: Stage::FillFirst,
        to: Stage::LoadComplete,
    },
    Interval {
        name: "rx_software",
        what: "worker reads the header",
        from: Stage::LoadComplete,
        to: Stage::HandlerStart,
    },
    Interval {
        name: "handler",
        what: "the handler",
        from: Stage::HandlerStart,
        to: Stage::HandlerEnd,
    },
    Interval {
        name: "tx_link",
        what: "worker stores the reply, lines cross to the card",
        from: Stage::HandlerEnd,
        to: Stage::ControlLine,
    },
    Interval {
        name: "tx_card",
        what: "recall of further lines, headers, checksums (control line to first beat out)",
        from: Stage::ControlLine,
        to: Stage::WireOutFirst,
    },
    Interval {
        name: "tx_wire",
        what: "reply on the wire",
        from: Stage::WireOutFirst,
        to: Stage::WireOutLast,
    },
];

impl Interval {
    /// Its length in one call, in cycles; `None` when the card answered alone.
    pub fn cycles(&self, times: &RpcTimes) -> Option<u64> {
        times.between(self.from, self.to)
    }
}

/// Overhead of a call: last beat in to first beat out, without the handler.
pub fn overhead_cycles(times: &RpcTimes) -> Option<u64> {
    let all = times.between(Stage::WireInLast, Stage::WireOutFirst)?;
    let handler = times.between(Stage::HandlerStart, Stage::HandlerEnd)?;
    all.checked_sub(handler)
}

/// Middle value (the lower one of two).
pub fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// One call as a chart: a bar for each interval, to scale.
pub fn chart(times: &RpcTimes) -> String {
    const COLUMNS: u64 = 60;
    let lengths: Vec<u64> = INTERVALS
        .iter()
        .map(|interval| interval.cycles(times).unwrap_or(0))
        .collect();
    let total = lengths.iter().sum::<u64>().max(1);
    let mut start = 0;
    let mut text = String::new();
    for (interval, length) in INTERVALS.iter().zip(lengths) {
        let from = start * COLUMNS / total;
        let to = ((start + length) * COLUMNS).div_ceil(total).max(from + 1);
        text += &format!(
            "{:>12} {}{}{} {:>5} cycles {:>8.1} ns\n",
            interval.name,
            " ".repeat(from as usize),
            "█".repeat((to - from) as usize),
            " ".repeat(COLUMNS.saturating_sub(to) as usize),
            length,
            length as f64 * CYCLE_NS,
        );
        start += length;
    }
    text
}
