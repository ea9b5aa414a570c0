//! How the blocks of the adapter name the card's lines: with the line's slice as lowest bit, see
//! [`lauberhorn_coherence::planner::slice_name`]. The buses carry other names, which
//! [`translate`](super::translate) turns into these.

use crate::host::shape::Shape;
use crate::rtl::{Body, Expr};

/// Bits of the largest index that the tables of the adapter take.
const MOST_BITS: usize = 13;
/// Bits of a line index that the slice does not depend on, and a few that it does.
const LEAST_BITS: usize = 8;
/// The slice depends on bits from here on.
pub(super) const SLICE_BITS_START: usize = 5;

/// Bits of a line index of the card.
///
/// # Panics
/// When the card has more lines than the adapter's tables.
pub(super) fn index_bits(shape: &Shape) -> usize {
    let end = shape.line_count().next_power_of_two();
    let bits = (end.ilog2() as usize).max(LEAST_BITS);
    assert!(
        bits <= MOST_BITS,
        "eci: a card of {end} lines; the adapter's tables have {}",
        1 << MOST_BITS
    );
    bits
}

/// The name of a line, and back: it is its own inverse.
pub(super) fn alias<'b>(b: &'b Body, line: Expr<'b>) -> Expr<'b> {
    let rest = line.width() - SLICE_BITS_START;
    let slice = line.bit(0) ^ line.slice(SLICE_BITS_START, rest).parity();
    b.cat(&[line.slice(1, line.width() - 1), slice])
}
