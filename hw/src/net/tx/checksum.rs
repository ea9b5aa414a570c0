//! One's complement sums of 16-bit words (RFC 1071) in carry-save form.
//!
//! A carry out of bit 15 comes back in at bit 0, so shifting a carry word left is rotating it and
//! every intermediate value stays 16 bits wide. Words are taken with their first byte on the wire
//! least significant; the result then stands in the same order (RFC 1071 section 2 (B)).

use crate::rtl::{Body, Expr};

/// Twice a word.
pub(super) fn double<'b>(b: &'b Body, word: Expr<'b>) -> Expr<'b> {
    b.cat(&[word.trunc(15), word.bit(15)])
}

/// Adds words three to two, in as few levels as it takes, until at most `count` are left.
pub(super) fn reduce<'b>(b: &'b Body, words: &[Expr<'b>], count: usize) -> Vec<Expr<'b>> {
    let mut level = words.to_vec();
    while level.len() > count {
        level = level
            .chunks(3)
            .flat_map(|group| match group {
                [x, y, z] => {
                    let carry = (*x & *y) | (*z & (*x | *y));
                    vec![*x ^ *y ^ *z, double(b, carry)]
                }
                rest => rest.to_vec(),
            })
            .collect();
    }
    level
}

/// Sum of two words: with and without the carry that comes back in, chosen when it is known.
pub(super) fn add<'b>(b: &'b Body, x: Expr<'b>, y: Expr<'b>) -> Expr<'b> {
    let one = b.bit(true);
    let plain = x.zext(17) + y.zext(17);
    let carried = b.cat(&[x, one]) + b.cat(&[y, one]);
    plain.bit(16).mux(carried.slice(1, 16), plain.trunc(16))
}

/// The 16-bit words of a value.
pub(super) fn words(value: Expr<'_>) -> Vec<Expr<'_>> {
    (0..value.width() / 16)
        .map(|word| value.bytes(2 * word, 2))
        .collect()
}
