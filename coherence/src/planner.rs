//! Address planner for Enzian: which lines may be active together.
//!
//! Enzian's directory is spread over 64 units by a hash of the line index, and a unit holds one
//! outstanding request. A load of a control line that the card defers occupies its unit until it is
//! answered; another line of the same unit that must move before the answer can be given waits for
//! ever. Hence the rule: the *colour* (unit) of every active control line is unique, and no active
//! overflow or preemption line has the colour of a control line. The published layout breaks it from
//! the second endpoint on, and from the first when both directions are active at once.
//!
//! The colour does not depend on bits 8 to 12 of the line index above the offset that they are
//! hashed with, so equal offsets in neighbouring endpoint blocks collide: a safe plan gives every
//! endpoint offsets of its own.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::layout::{EndpointLayout, LineRole, Parity};

/// Directory units, and so colours.
pub const COLOURS: usize = 64;

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

/// Whether the two directions of an endpoint may be active at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// One at a time: receive, then send, as a worker does that sends by recall.
    Half,
    /// Both, as with eager replies.
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
         leaves room for {room} further lines in each endpoint: {needed} are needed"
    )]
    TooMany {
        /// Endpoints asked for.
        endpoints: usize,
        /// Units that their control lines need.
        control: usize,
        /// Further lines that each endpoint could have.
        room: usize,
        /// Overflow and preemption lines of each endpoint.
        needed: usize,
    },
}

fn is_control(role: LineRole) -> bool {
    matches!(role, LineRole::RxControl(_) | LineRole::TxControl(_))
}

/// Lines of one endpoint whose directions take turns are never active together.
fn take_turns(first: &PlannedLine, second: &PlannedLine, duplex: Duplex) -> bool {
    duplex == Duplex::Half
        && first.endpoint == second.endpoint
        && (first.role.is_rx() && second.role.is_tx() || first.role.is_tx() && second.role.is_rx())
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
                let control = is_control(first.role) || is_control(second.role);
                if control && !take_turns(first, second, duplex) {
                    let (first, second) = match is_control(first.role) {
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

/// The lines of a layout whose endpoints all look alike, at the start of the card's memory.
pub fn lines_of(layout: &EndpointLayout) -> Vec<PlannedLine> {
    let roles: Vec<_> = layout.placement().map(|(role, _)| role).collect();
    let lines = (0..layout.endpoints()).flat_map(|endpoint| {
        roles.iter().filter_map(move |&role| {
            let line = layout.address(endpoint, role)?.0;
            Some(PlannedLine {
                endpoint,
                role,
                line,
            })
        })
    });
    lines.collect()
}

/// A safe plan: endpoint `e` gets lines of the block that starts at `e * stride_lines`.
///
/// Control lines take the first colours, one for each that may be active with another; all other
/// lines share the colours that are left.
pub fn plan(
    endpoints: usize,
    overflow_lines: usize,
    stride_lines: usize,
    duplex: Duplex,
) -> Result<Vec<PlannedLine>, PlanError> {
    let colours_each = match duplex {
        Duplex::Half => Parity::BOTH.len(),
        Duplex::Full => 2 * Parity::BOTH.len(),
    };
    let control = endpoints * colours_each;
    let mut planned = Vec::new();
    for endpoint in 0..endpoints {
        let start = endpoint * stride_lines;
        let block: Vec<u32> = (start..start + stride_lines).map(|n| n as u32).collect();
        let mut used = Vec::new();
        let mut others = block.iter().filter(|line| colour(**line) >= control);
        for role in LineRole::all(overflow_lines) {
            // R0, R1, T0, T1; half duplex gives the two directions the same colours.
            let wanted = match role {
                LineRole::RxControl(parity) => Some(parity.index()),
                LineRole::TxControl(parity) => Some((2 + parity.index()) % colours_each),
                _ => None,
            };
            let line = match wanted {
                Some(wanted) => block.iter().copied().find(|line| {
                    colour(*line) == endpoint * colours_each + wanted && !used.contains(line)
                }),
                None => others.next().copied(),
            };
            let Some(line) = line else {
                let room = block
                    .iter()
                    .filter(|line| colour(**line) >= control)
                    .count();
                return Err(PlanError::TooMany {
                    endpoints,
                    control,
                    room,
                    needed: 2 * overflow_lines + 1,
                });
            };
            used.push(line);
            planned.push(PlannedLine {
                endpoint,
                role,
                line,
            });
        }
    }
    debug_assert_eq!(check(&planned, duplex), Ok(()));
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
    fn plans_are_safe_and_hold_every_line_once() {
        for (endpoints, duplex) in [(1, Duplex::Full), (8, Duplex::Full), (16, Duplex::Half)] {
            let planned = plan(endpoints, OVERFLOW_LINES, STRIDE_LINES, duplex).unwrap();
            assert_eq!(check(&planned, duplex), Ok(()));
            let roles: BTreeSet<_> = planned.iter().map(|p| (p.endpoint, p.role)).collect();
            let lines: BTreeSet<_> = planned.iter().map(|p| p.line).collect();
            assert_eq!(roles.len(), endpoints * (5 + 2 * OVERFLOW_LINES));
            assert_eq!(lines.len(), roles.len());
            let inside = |p: &PlannedLine| p.line as usize / STRIDE_LINES == p.endpoint;
            assert!(planned.iter().all(inside));
        }
    }

    #[test]
    fn more_endpoints_than_units_are_refused_with_the_reason() {
        // 13 endpoints leave 12 units, 192 lines; 14 leave 8 units, 128 lines.
        assert!(plan(13, OVERFLOW_LINES, STRIDE_LINES, Duplex::Full).is_ok());
        let error = plan(14, OVERFLOW_LINES, STRIDE_LINES, Duplex::Full).unwrap_err();
        assert_eq!(
            error,
            PlanError::TooMany {
                endpoints: 14,
                control: 56,
                room: 128,
                needed: 153
            }
        );
    }

    #[test]
    fn the_contiguous_layout_of_the_card_is_for_other_interconnects() {
        let layout = EndpointLayout::contiguous(&lauberhorn_interface::NicConfig::eci());
        assert!(check(&lines_of(&layout), Duplex::Half).is_err());
    }
}
