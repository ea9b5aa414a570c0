//! # Checksum verifier
//! Sums the IPv4 header and the UDP datagram with its pseudo header as the beats pass. Frames that are
//! no plain UDP get a meaningless verdict.
//!
//! The sums are plain integers: a sum of 16-bit words that is not zero is a multiple of 65535, which is
//! what a good checksum means, exactly when its high part is the complement of its low part (the high
//! part of a frame's sum is far below 65535).
//!
//! Spec: RFC 1071, RFC 791, RFC 768 (a UDP checksum of zero is none).
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`EthernetBeat`] | beats of frames |
//! | `verdict` | out | flow of [`ChecksumVerdict`] | once per frame |
//!
//! Latency: 5 cycles from the last beat. Throughput: 1 beat/cycle. Backpressure: none, it never stalls.
//! Ordering: kept. Reset: forgets the frames inside. Errors and counters: none.

use super::types::{ChecksumVerdict, EthernetBeat};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowIn, FlowOut};
use rust_hdl::prelude::*;

const UDP_PROTOCOL: u128 = 17;
/// First words of the IPv4 header, of its addresses and of the UDP header in the frame.
const IPV4_WORD: usize = 7;
const ADDRESS_WORD: usize = 13;
const UDP_WORD: usize = 17;
/// Datagram bytes in the first beat of a frame.
const FIRST_BYTES: u128 = 30;
/// Wide enough for the sum of the longest frame.
const SUM_BITS: usize = 30;

/// The block.
#[derive(LogicBlock, Default)]
pub struct ChecksumVerifier {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<EthernetBeat>,
    /// Whether the sums hold.
    pub verdict: FlowOut<ChecksumVerdict>,
}

/// Sums of `group` neighbours each, `bits` wide, in a register.
fn sums<'b>(
    b: &'b Body,
    name: &str,
    words: &[Expr<'b>],
    group: usize,
    bits: usize,
) -> Vec<Expr<'b>> {
    let sum = |part: &[Expr<'b>]| {
        let words: Vec<_> = part.iter().map(|word| word.zext(bits)).collect();
        b.tree(&words, |x, y| x + y)
    };
    let parts: Vec<_> = words.chunks(group).map(sum).collect();
    let reg = b.reg_data(name, bits * parts.len());
    reg.set(b.cat_le(&parts));
    (0..parts.len())
        .map(|at| reg.q().slice(bits * at, bits))
        .collect()
}

/// The sum of all words, their checksum among them, is a positive multiple of 65535.
fn is_good(sum: Expr<'_>) -> Expr<'_> {
    let high = sum.slice(16, sum.width() - 16).zext(16);
    high.eq(!sum.trunc(16))
}

impl Leaf for ChecksumVerifier {
    fn body(&self, b: &Body) {
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let (data, index) = (rx.field("frame.data"), rx.field("frame.index"));
        b.unused(rx);
        let first = b.wire("first", index.eq_lit(0));
        let word = |word: usize| data.bytes(2 * word, 2).swap_bytes();
        let udp_bytes = word(19);

        // Stage 1: which bytes of the beat belong to the datagram; sums of pairs of words.
        let left = b.reg_data("left_q", 16);
        let beat_bytes = first.mux(b.lit(16, FIRST_BYTES), b.lit(16, 64));
        let at_start = first.mux(udp_bytes, left.q());
        let ends_here = at_start.le(beat_bytes);
        b.when(valid, || {
            left.set(ends_here.mux(b.zero(16), at_start - beat_bytes));
        });
        let in_first = |byte: usize| udp_bytes.gt(b.lit(16, byte as u128));
        let in_other = |byte: usize| left.q().gt(b.lit(16, byte as u128));
        let masked = |index: usize| {
            let bytes: Vec<_> = [2 * index + 1, 2 * index]
                .map(|byte| {
                    let start = 2 * UDP_WORD;
                    let inside = match byte.checked_sub(start) {
                        Some(offset) => first.mux(in_first(offset), in_other(byte)),
                        None => !first & in_other(byte),
                    };
                    data.bytes(byte, 1) & inside.repeat(8)
                })
                .to_vec();
            b.cat_le(&bytes)
        };
        let words: Vec<_> = (0..32)
            .map(|index| match index {
                0 => first.mux(b.lit(16, UDP_PROTOCOL), masked(0)),
                1 => first.mux(udp_bytes, masked(1)),
                ADDRESS_WORD..UDP_WORD => first.mux(word(index), masked(index)),
                _ => masked(index),
            })
            .collect();
        let header: Vec<_> = (IPV4_WORD..UDP_WORD).map(word).collect();
        // Stages 1 to 3: sixteen sums, four, one.
        let udp = sums(b, "udp_pairs_q", &words, 2, 17);
        let ipv4 = sums(b, "ipv4_pairs_q", &header, 2, 17);
        let udp = sums(b, "udp_fours_q", &udp, 4, 19);
        let ipv4 = sums(b, "ipv4_parts_q", &ipv4, 3, 19);
        let udp = sums(b, "udp_beat_q", &udp, 4, 21);
        let ipv4 = sums(b, "ipv4_sum_q", &ipv4, 2, 20);
        let absent = word(20).eq_lit(0);
        let mut passed = b.cat_le(&[first, rx.field("frame.last"), absent]);
        let mut valid = valid;
        for stage in 1..=3 {
            let (flags, next) = (
                b.reg_data(&format!("flags_{stage}_q"), 3),
                b.reg(&format!("valid_{stage}_q"), 1),
            );
            flags.set(passed);
            next.set(valid);
            (passed, valid) = (flags.q(), next.q());
        }
        let (first, last, absent) = (passed.bit(0), passed.bit(1), passed.bit(2));

        // Stage 4: over the beats of the frame.
        let total = b.reg_data("udp_total_q", SUM_BITS);
        let header_total = b.reg_data("ipv4_total_q", 20);
        let absent_q = b.reg_data("absent_q", 1);
        b.when(valid, || {
            let before = first.mux(b.zero(SUM_BITS), total.q());
            total.set(before + udp[0].zext(SUM_BITS));
        });
        b.when(valid & first, || {
            header_total.set(ipv4[0]);
            absent_q.set(absent);
        });
        let ends = b.reg("ends_q", 1);
        ends.set(valid & last);

        // Stage 5: the verdict.
        let verdict = b.reg_of::<ChecksumVerdict>("verdict_q");
        verdict.set(b.pack::<ChecksumVerdict>(&[
            ("ipv4_good", is_good(header_total.q())),
            ("udp_good", absent_q.q() | is_good(total.q())),
        ]));
        let verdict_valid = b.reg("verdict_valid_q", 1);
        verdict_valid.set(ends.q());
        b.drive(&self.verdict.valid, verdict_valid.q());
        b.drive(&self.verdict.payload, verdict.q());
    }
}
leaf!(impl[] ChecksumVerifier { verdict });
