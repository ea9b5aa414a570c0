//! A safe plan for the lines of a card.
//!
//! A line is given by the index by which the directory names it ([`hash`](super::hash)), whose low
//! six bits are the colour. From high to low:
//!
//! | bits | of `R0`, `R1`, `T0` | of `T1` | of all others |
//! |---|---|---|---|
//! | row, high | endpoint | endpoint | endpoint |
//! | row, next | 0 | 1 | 0 |
//! | row, low | 0 | 0 | high bits of the line's offset in the card's layout |
//! | colour | from a table | that of `R1` | ones, then low bits of the offset, mixed with the endpoint |
//!
//! The others so use the last colours, as many as a power of two leaves of those that the table does
//! not give away, and the first overflow lines of all endpoints do not crowd on one unit.
//!
//! The lowest bit of a colour is the slice of the directory. It is that of the line's
//! [`slice_name`], so that the card's side of an adapter knows the slice without asking the plan.

use super::{COLOURS, HASHED_BITS, PlanError, hash};
use crate::layout::{EndpointLayout, LineRole, Parity, Placement};
use crate::message::LineAddress;

/// Most colours that overflow and preemption lines may share, in bits.
const MAX_POOL_BITS: usize = 5;
/// Bits of a line's offset that its slice does not depend on, but for the lowest.
const OFFSET_BITS: usize = 5;
/// Roles with a colour of their own; they have the first offsets of the card's layout.
const CONTROL: [LineRole; 3] = [
    LineRole::RxControl(Parity::Zero),
    LineRole::RxControl(Parity::One),
    LineRole::TxControl(Parity::Zero),
];
const IDLE: LineRole = LineRole::TxControl(Parity::One);

/// A line of the card with its slice as lowest bit; also the way back.
pub const fn slice_name(line: u32) -> u32 {
    line ^ ((line >> OFFSET_BITS).count_ones() % 2)
}

/// The colours of R0, R1 and T0 of each endpoint, and log2 of how many the others share.
fn colours(endpoints: usize, stride_bits: usize) -> Result<(Vec<[u32; 3]>, usize), PlanError> {
    // The next even and the next odd colour.
    let mut next = [0, 1];
    let mut control = Vec::new();
    for endpoint in 0..endpoints as u32 {
        control.push([0, 1, 2].map(|offset| {
            let line = endpoint << stride_bits | offset;
            let slice = &mut next[slice_name(line) as usize % 2];
            *slice += 2;
            *slice - 2
        }));
    }
    let end = control.iter().flatten().max().map_or(0, |last| last + 1);
    let left = COLOURS.saturating_sub(end as usize);
    match left.checked_ilog2().unwrap_or_default() as usize {
        0 => Err(PlanError::TooMany {
            endpoints,
            control: CONTROL.len() * endpoints,
        }),
        pool_bits => Ok((control, pool_bits.min(MAX_POOL_BITS).min(stride_bits))),
    }
}

/// A place for each line of a card. The module text says where each lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    card: EndpointLayout,
    /// Colours of R0, R1 and T0 of each endpoint.
    control: Vec<[u32; 3]>,
    pool_bits: usize,
}

impl Plan {
    /// A plan for the lines of a card, which has this layout at its line port.
    ///
    /// # Errors
    /// When there are too many endpoints, or too many lines.
    ///
    /// # Panics
    /// When the layout does not begin with R0, R1, T0 and T1.
    pub fn new(card: &EndpointLayout) -> Result<Self, PlanError> {
        let first = CONTROL.into_iter().chain([IDLE]).enumerate();
        for (offset, role) in first {
            assert_eq!(card.role(offset), Some(role), "at offset {offset}");
        }
        let stride_bits = card.stride_lines().ilog2() as usize;
        let (control, pool_bits) = colours(card.endpoints(), stride_bits)?;
        let plan = Self {
            card: card.clone(),
            control,
            pool_bits,
        };
        let bits = plan.aperture_lines().ilog2() as usize;
        if bits > HASHED_BITS {
            return Err(PlanError::Aperture { bits });
        }
        Ok(plan)
    }

    /// The layout at the card's line port.
    pub fn card(&self) -> &EndpointLayout {
        &self.card
    }

    /// Log2 of the colours that lines without one of their own share: the last ones.
    pub fn pool_bits(&self) -> usize {
        self.pool_bits
    }

    /// Bits of an endpoint's number.
    pub fn endpoint_bits(&self) -> usize {
        self.card.endpoints().next_power_of_two().ilog2() as usize
    }

    /// Bits of the offset's part in the row.
    pub fn row_bits(&self) -> usize {
        self.card.stride_lines().ilog2() as usize - self.pool_bits
    }

    /// The colour of a control line.
    pub fn control_colour(&self, endpoint: usize, role: LineRole) -> Option<u32> {
        let role = match role {
            IDLE => CONTROL[1],
            role => role,
        };
        let which = CONTROL.iter().position(|control| *control == role)?;
        self.control.get(endpoint).map(|colours| colours[which])
    }

    /// The index by which the directory names a line.
    pub fn hashed(&self, endpoint: usize, role: LineRole) -> Option<u32> {
        let LineAddress(line) = self.card.address(endpoint, role)?;
        let block = (endpoint as u32) << 1 | u32::from(role == IDLE);
        let (row, colour) = match self.control_colour(endpoint, role) {
            Some(colour) => (0, colour),
            None => {
                let name = slice_name(line) % self.card.stride_lines() as u32;
                let pool = 1 << self.pool_bits;
                let mixed = (name ^ (endpoint as u32) << 1) % pool;
                (name / pool, COLOURS as u32 - pool + mixed)
            }
        };
        Some((block << self.row_bits() | row) * COLOURS as u32 + colour)
    }
}

impl Placement for Plan {
    fn line_bytes(&self) -> usize {
        self.card.line_bytes()
    }

    fn endpoints(&self) -> usize {
        self.card.endpoints()
    }

    fn overflow_lines(&self) -> usize {
        self.card.overflow_lines()
    }

    fn aperture_lines(&self) -> usize {
        COLOURS << (self.endpoint_bits() + 1 + self.row_bits())
    }

    fn address(&self, endpoint: usize, role: LineRole) -> Option<LineAddress> {
        self.hashed(endpoint, role)
            .map(|line| LineAddress(hash(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::{Duplex, check, colour, lines_of};
    use lauberhorn_interface::NicConfig;
    use std::collections::BTreeSet;

    fn layout(workers: usize, mtu_bytes: usize) -> EndpointLayout {
        let config = NicConfig::builder().workers(workers).mtu_bytes(mtu_bytes);
        EndpointLayout::contiguous(&config.build().unwrap())
    }

    #[test]
    fn every_card_has_a_safe_plan_that_holds_every_line_once() {
        for workers in 1..=16 {
            for mtu_bytes in [576, 1500, 9000] {
                let card = layout(workers, mtu_bytes);
                let plan = Plan::new(&card).unwrap();
                let planned = lines_of(&plan);
                for duplex in [Duplex::Half, Duplex::Full] {
                    assert_eq!(check(&planned, duplex), Ok(()), "{workers}, {mtu_bytes}");
                }
                let lines: BTreeSet<_> = planned.iter().map(|p| p.line).collect();
                assert_eq!(planned.len(), lines_of(&card).len());
                assert_eq!(lines.len(), planned.len());
                let end = plan.aperture_lines() as u32;
                assert!(lines.iter().all(|line| *line < end));
            }
        }
    }

    #[test]
    fn the_directory_sees_colour_and_slice_in_the_name_of_a_line() {
        let card = layout(16, 9000);
        let plan = Plan::new(&card).unwrap();
        for line in lines_of(&plan) {
            let hashed = plan.hashed(line.endpoint, line.role).unwrap();
            assert_eq!(hash(line.line), hashed);
            assert_eq!(hashed as usize % COLOURS, colour(line.line));
            let of_card = card.address(line.endpoint, line.role).unwrap().0;
            assert_eq!(slice_name(slice_name(of_card)), of_card);
            assert_eq!(hashed % 2, slice_name(of_card) % 2);
        }
    }

    #[test]
    fn too_many_endpoints_or_lines_are_refused_with_the_reason() {
        assert_eq!(colours(20, 5).map(|(_, pool_bits)| pool_bits), Ok(2));
        let (endpoints, control) = (21, 63);
        assert_eq!(
            colours(endpoints, 5),
            Err(PlanError::TooMany { endpoints, control })
        );
        let config = NicConfig::eci();
        let placement: Vec<_> = EndpointLayout::contiguous(&config).placement().collect();
        let card = EndpointLayout::new(&config, 1 << 14, placement).unwrap();
        assert_eq!(Plan::new(&card), Err(PlanError::Aperture { bits: 19 }));
    }

    #[test]
    fn seventeen_endpoints_have_three_colours_each_and_share_eight() {
        let plan = Plan::new(&layout(16, 9000)).unwrap();
        let of = |control| {
            let lines = lines_of(&plan).into_iter();
            let some = lines.filter(|line| line.role.is_control() == control);
            some.map(|line| colour(line.line)).collect::<BTreeSet<_>>()
        };
        assert_eq!((of(true).len(), of(false).len()), (51, 8));
        assert!(of(true).is_disjoint(&of(false)));
        // The card of four workers: 15 and half of all.
        let plan = Plan::new(&layout(4, 1500)).unwrap();
        assert_eq!(plan.pool_bits(), 5);
    }
}
