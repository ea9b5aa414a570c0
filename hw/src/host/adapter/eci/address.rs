//! How Enzian's directory hashes line indices. The buses carry hashed addresses ("aliased" in its
//! documents): the low six bits of the hash are the directory unit, see
//! [`lauberhorn_coherence::planner::colour`].

use crate::host::shape::Shape;
use crate::rtl::{Body, Expr};
use lauberhorn_coherence::LineAddress;

/// Bits of the index of the first line whose hash involves higher bits.
const HASHED_BITS: usize = 13;
/// Bits of a line index that the hash mixes with each other.
const LEAST_BITS: usize = 8;

/// Bits of a line index in the aperture of a card, which starts at the card's first line.
///
/// # Panics
/// When the aperture has more lines than one period of the hash.
pub(super) fn index_bits(shape: &Shape) -> usize {
    let end = shape.line_count().next_power_of_two();
    let bits = (end.ilog2() as usize).max(LEAST_BITS);
    assert!(
        bits <= HASHED_BITS,
        "eci: an aperture of {end} lines; the address hash is known for {}",
        1 << HASHED_BITS
    );
    bits
}

/// The hash of a line index, and back: within the aperture it is its own inverse.
pub(super) fn alias<'b>(b: &'b Body, line: Expr<'b>) -> Expr<'b> {
    let middle = line.slice(3, 2) ^ line.slice(5, 2);
    let low = line.trunc(3) ^ line.slice(5, 3);
    b.cat(&[line.slice(5, line.width() - 5), middle, low])
}

/// The same for software.
pub fn alias_line(line: LineAddress) -> u32 {
    let LineAddress(line) = line;
    line ^ (line >> 5 & 3) << 3 ^ (line >> 5 & 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lauberhorn_coherence::planner::colour;
    use std::collections::BTreeSet;

    #[test]
    fn the_hash_is_its_own_inverse_and_ends_in_the_directory_unit() {
        let lines = 0..1 << HASHED_BITS;
        let hashes: BTreeSet<u32> = lines
            .clone()
            .map(|line| alias_line(LineAddress(line)))
            .collect();
        assert_eq!(hashes.len(), lines.len());
        for line in lines {
            let hash = alias_line(LineAddress(line));
            assert_eq!(hash as usize % 64, colour(line));
            assert_eq!(alias_line(LineAddress(hash)), line);
        }
    }
}
