//! Address planner for Enzian: which lines may be active together, and where they lie.
//!
//! Enzian's directory is spread over 64 units by a hash of the line index, and a unit holds one
//! outstanding request. A load that the card defers occupies its unit until it is answered; another
//! line of the same unit that must move before the answer can be given waits for ever. Hence the
//! rule: the *colour* (unit) of every active control line is unique, and no active overflow or
//! preemption line has the colour of a control line. The published layout breaks it from the second
//! endpoint on, and from the first when both directions are active at once.
//!
//! A [`Plan`] keeps it with three colours for each endpoint: one for `R0`, one for `T0`, and one for
//! `R1` and `T1` together. With eager replies `T1` is idle. A worker whose replies are recalled
//! receives, then sends. The two may share even when they meet: what the sending side waits for never
//! depends on the receiving side, so its load is answered; and a load of the receiving side that
//! waits is answered at the end of the block time, for which it needs no line of the sending side.
//!
//! Overflow and preemption lines of all endpoints share the colours that are left. That is safe as
//! far as the card answers their loads at once. It lets a load of an overflow line wait while it
//! takes other lines of the same direction of the endpoint back; nothing that belongs to a message is
//! loaded then, but a host may not load such lines without being told to.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::layout::{LineRole, Parity, Placement};

mod plan;

pub use plan::{Plan, slice_name};

/// Directory units, and so colours.
pub const COLOURS: usize = 64;
/// Line indices up to here are hashed by an involution.
pub const HASHED_BITS: usize = 18;

/// Bits `[high:low]` of a line index.
const fn bits(line: u32, high: u32, low: u32) -> u32 {
    line >> low & ((1 << (high - low + 1)) - 1)
}

/// The directory unit of a line, by its index from the start of the card's memory.
pub const fn colour(line: u32) -> usize {
    let high = bits(line, 5, 5) ^ bits(line, 18, 18);
    let middle = bits(line, 4, 3) ^ bits(line, 17, 16) ^ bits(line, 6, 5);
    let low = bits(line, 2, 0) ^ bits(line, 15, 13) ^ bits(line, 7, 5);
    (high << 5 | middle << 3 | low) as usize
}

/// The index by which the directory names a line: its colour in place of the low six bits. Below two
/// to the power of [`HASHED_BITS`] also the way back.
pub const fn hash(line: u32) -> u32 {
    line / COLOURS as u32 * COLOURS as u32 + colour(line) as u32
}

/// Which lines of an endpoint may be active at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// Those of one direction at a time: receive, then send, as a worker does that sends by recall.
    Half,
    /// Both directions, but `T1` is idle, as with eager replies.
    Full,
}

/// One line of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedLine {
    /// The endpoint.
    pub endpoint: usize,
    /// What the line is for.
    pub role: LineRole,
    /// Line index from the start of the card's memory.
    pub line: u32,
}

impl std::fmt::Display for PlannedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PlannedLine {
            endpoint,
            role,
            line,
        } = self;
        write!(f, "{role} of endpoint {endpoint} (line {line:#x})")
    }
}

/// Why a plan is not safe, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Two lines that may be active together share a directory unit.
    #[error("{first} and {second} share directory unit {colour}: they can deadlock")]
    Clash {
        /// A control line.
        first: PlannedLine,
        /// The other one.
        second: PlannedLine,
        /// Their unit.
        colour: usize,
    },
    /// The control lines leave too few units for the others.
    #[error(
        "{endpoints} endpoints need {control} directory units of {COLOURS} for control lines, which \
         leaves none in one of the slices for further lines"
    )]
    TooMany {
        /// Endpoints asked for.
        endpoints: usize,
        /// Units that their control lines need.
        control: usize,
    },
    /// The lines are spread over more memory than the hash is known for.
    #[error("the plan needs line indices of {bits} bits, the hash is known for {HASHED_BITS}")]
    Aperture {
        /// Bits needed.
        bits: usize,
    },
}

/// Lines of one endpoint that are never active together.
fn take_turns(first: &PlannedLine, second: &PlannedLine, duplex: Duplex) -> bool {
    let idle = LineRole::TxControl(Parity::One);
    let turns = match duplex {
        Duplex::Half => true,
        Duplex::Full => first.role == idle || second.role == idle,
    };
    let across =
        first.role.is_rx() && second.role.is_tx() || first.role.is_tx() && second.role.is_rx();
    turns && across && first.endpoint == second.endpoint
}

/// Checks the colour rule; the error names two lines that clash.
pub fn check(lines: &[PlannedLine], duplex: Duplex) -> Result<(), PlanError> {
    let mut by_colour: BTreeMap<usize, Vec<&PlannedLine>> = BTreeMap::new();
    for line in lines {
        by_colour.entry(colour(line.line)).or_default().push(line);
    }
    for (colour, lines) in by_colour {
        for (index, first) in lines.iter().enumerate() {
            for second in &lines[index + 1..] {
                let control = first.role.is_control() || second.role.is_control();
                if control && !take_turns(first, second, duplex) {
                    let (first, second) = match first.role.is_control() {
                        true => (**first, **second),
                        false => (**second, **first),
                    };
                    return Err(PlanError::Clash {
                        first,
                        second,
                        colour,
                    });
                }
            }
        }
    }
    Ok(())
}

/// Every line of a placement.
pub fn lines_of(placement: &dyn Placement) -> Vec<PlannedLine> {
    let lines = (0..placement.endpoints()).flat_map(|endpoint| {
        LineRole::all(placement.overflow_lines()).filter_map(move |role| {
            let line = placement.address(endpoint, role)?.0;
            Some(PlannedLine {
                endpoint,
                role,
                line,
            })
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::EndpointLayout;

    /// Lines of the published layout's block, and its overflow lines for an MTU of 9618 bytes.
    const STRIDE_LINES: usize = 1024;
    const OVERFLOW_LINES: usize = 76;

    /// The published layout: RX at 0, TX at line 256, overflow two lines behind, preemption at 512.
    fn published(endpoints: usize) -> Vec<PlannedLine> {
        let offset = |role| match role {
            LineRole::RxControl(parity) => parity.index(),
            LineRole::TxControl(parity) => 256 + parity.index(),
            LineRole::Preemption => 512,
            LineRole::RxOverflow(n) => 2 + n,
            LineRole::TxOverflow(n) => 258 + n,
        };
        let lines = (0..endpoints).flat_map(|endpoint| {
            LineRole::all(OVERFLOW_LINES)
                // Its authors' rule is about control and overflow lines.
                .filter(|role| *role != LineRole::Preemption)
                .map(move |role| PlannedLine {
                    endpoint,
                    role,
                    line: (endpoint * STRIDE_LINES + offset(role)) as u32,
                })
        });
        lines.collect()
    }

    #[test]
    fn every_unit_serves_as_many_lines_of_a_block() {
        let mut counts = [0; COLOURS];
        for line in 0..STRIDE_LINES as u32 {
            counts[colour(line)] += 1;
        }
        assert_eq!(counts, [STRIDE_LINES / COLOURS; COLOURS]);
        // By hand: bit 5 feeds all three parts of the colour.
        assert_eq!(colour(0b10_0000), 0b10_1001);
        assert_eq!(colour(1 << 18 | 1 << 16 | 1 << 13), 0b10_1001);
    }

    #[test]
    fn the_published_layout_is_refused_from_the_second_endpoint_on() {
        assert_eq!(check(&published(1), Duplex::Half), Ok(()));
        let error = check(&published(2), Duplex::Half).unwrap_err();
        assert_eq!(
            error.to_string(),
            "R0 of endpoint 0 (line 0x0) and R0 of endpoint 1 (line 0x400) share directory unit 0: \
             they can deadlock"
        );
        let error = check(&published(1), Duplex::Full).unwrap_err();
        assert!(matches!(error, PlanError::Clash { colour: 0, .. }));
    }

    #[test]
    fn the_contiguous_layout_of_the_card_is_for_other_interconnects() {
        let layout = EndpointLayout::contiguous(&lauberhorn_interface::NicConfig::eci());
        assert!(check(&lines_of(&layout), Duplex::Half).is_err());
    }
}
