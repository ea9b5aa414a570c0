//! # Header builder
//!
//! Works out every header field of a frame: lengths, IPv4 header checksum, the words of the RPC
//! reply, the number of beats, and the sum of pseudo header, UDP header and RPC header that the
//! body's sum is added to. It holds no queue: jobs are at least 3 cycles apart.
//!
//! Spec: RFC 791, RFC 768, RFC 5531 section 9 (`rpc_msg`, `reply_body`).
//!
//! | port | contract |
//! |---|---|
//! | `form` | what to say |
//! | `peer` | one cycle later: whom to say it to |
//! | `seed` | from 1 cycle after `peer`: the sum as two words |
//! | `head` | from 3 cycles after `peer` to 3 cycles after the next |
//!
//! Latency: 3 cycles from `peer` to `head`.
//! Throughput: 1 job in 3 cycles.
//! Backpressure: none.
//! Reset: no job.
//!
//! | kind | RPC reply |
//! |---|---|
//! | 0 to 5 except 2 | accepted, `kind` as accept_stat |
//! | 2 | accepted, PROG_MISMATCH `low` `high` |
//! | 8 | denied, RPC_MISMATCH `low` `high` |
//! | 9 | denied, AUTH_ERROR `low` |

use super::checksum;
use super::types::{FrameForm, FrameHead};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowIn, Peer, TxConfig};
use rust_hdl::prelude::*;

/// UDP header, and RPC reply header of an accepted reply without body.
const ACCEPTED_BYTES: u128 = 8 + 24;
/// With the two versions of PROG_MISMATCH.
const MISMATCH_BYTES: u128 = 8 + 32;
/// Denied with RPC_MISMATCH.
const RPC_MISMATCH_BYTES: u128 = 8 + 24;
/// Denied with AUTH_ERROR.
const AUTH_ERROR_BYTES: u128 = 8 + 20;
/// IPv4 header.
const IPV4_BYTES: u128 = 20;
/// Ethernet header.
const ETHERNET_BYTES: u128 = 14;
/// IPv4 header words that never change: version and IHL, DF, TTL 64 and protocol UDP.
const IPV4_WORDS: u128 = 0x4500 + 0x4000 + 0x4011;
/// Shortest Ethernet frame without FCS.
const SHORTEST_FRAME_BYTES: u128 = 60;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct HeaderBuilder {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What to say.
    pub form: FlowIn<FrameForm>,
    /// Whom to say it to.
    pub peer: FlowIn<Peer>,
    /// Own addresses.
    pub settings: Signal<In, TxConfig>,
    /// Sum of all that the UDP checksum covers but the body.
    pub seed: Signal<Out, Bits<32>>,
    /// The header fields.
    pub head: Signal<Out, FrameHead>,
}

/// A value that depends on the form of the reply.
struct PerForm<'b> {
    mismatch: Expr<'b>,
    rpc_mismatch: Expr<'b>,
    auth_error: Expr<'b>,
}

impl<'b> PerForm<'b> {
    fn choose(&self, b: &'b Body, values: [u128; 4]) -> Expr<'b> {
        let [accepted, mismatch, rpc_mismatch, auth_error] = values.map(|value| b.lit(16, value));
        let denied = self.rpc_mismatch.mux(rpc_mismatch, auth_error);
        let granted = self.mismatch.mux(mismatch, accepted);
        (self.rpc_mismatch | self.auth_error).mux(denied, granted)
    }
}

impl Leaf for HeaderBuilder {
    fn body(&self, b: &Body) {
        let config = b.read(&self.settings);
        b.unused(config.field("mac"));
        b.unused(config.field("raw_worker"));
        let local = config.field("ipv4");

        // First cycle: what the form alone decides.
        let form = b.read(&self.form.payload);
        let now = b.read(&self.form.valid);
        let raw = form.field("raw");
        let kind = form.field("kind");
        let length = form.field("length_bytes");
        let per_form = PerForm {
            mismatch: kind.eq_lit(2),
            rpc_mismatch: kind.eq_lit(8),
            auth_error: kind.eq_lit(9),
        };
        let denied = per_form.rpc_mismatch | per_form.auth_error;
        let low_used = denied | per_form.mismatch;
        let high_used = per_form.rpc_mismatch | per_form.mismatch;
        let low = form.field("low").swap_bytes() & low_used.repeat(32);
        let high = form.field("high").swap_bytes() & high_used.repeat(32);
        let code = kind & (!denied).repeat(4);

        let udp_bytes = per_form.choose(
            b,
            [
                ACCEPTED_BYTES,
                MISMATCH_BYTES,
                RPC_MISMATCH_BYTES,
                AUTH_ERROR_BYTES,
            ],
        );
        // Both UDP lengths without the body's, protocol 17, REPLY, MSG_DENIED, AUTH_ERROR.
        let udp_words = per_form.choose(
            b,
            [
                2 * ACCEPTED_BYTES + 17 + 1,
                2 * MISMATCH_BYTES + 17 + 1,
                2 * RPC_MISMATCH_BYTES + 17 + 1 + 1,
                2 * AUTH_ERROR_BYTES + 17 + 1 + 1 + 1,
            ],
        );
        let ip_words = per_form.choose(
            b,
            [
                ACCEPTED_BYTES,
                MISMATCH_BYTES,
                RPC_MISMATCH_BYTES,
                AUTH_ERROR_BYTES,
            ]
            .map(|bytes| IPV4_WORDS + IPV4_BYTES + bytes),
        );
        let length_word = length.swap_bytes();
        let mut addends = vec![
            udp_words.swap_bytes(),
            checksum::double(b, length_word),
            code.zext(16).swap_bytes(),
        ];
        addends.extend(checksum::words(low));
        addends.extend(checksum::words(high));
        addends.extend(checksum::words(local));
        let form_sum = b.reg_data("form_sum_q", 32);
        let ip_form_sum = b.reg_data("ip_form_sum_q", 32);
        let udp_length = b.reg_data("udp_length_q", 16);
        let words_wire = b.reg_data("words_wire_q", 128);
        let is_denied = b.reg_data("is_denied_q", 1);
        let is_auth_error = b.reg_data("is_auth_error_q", 1);
        let is_raw = b.reg_data("is_raw_q", 1);
        let is_nic = b.reg_data("is_nic_q", 1);
        let body_length = b.reg_data("body_length_q", 16);
        let local_ipv4 = b.reg_data("local_ipv4_q", 32);
        let ip_addends = [
            ip_words.swap_bytes(),
            length_word,
            local.trunc(16),
            local.slice(16, 16),
        ];
        b.when(now, || {
            form_sum.set(b.cat_le(&checksum::reduce(b, &addends, 2)));
            ip_form_sum.set(b.cat_le(&checksum::reduce(b, &ip_addends, 2)));
            udp_length.set(length + udp_bytes);
            words_wire.set(denied.mux(
                b.cat_le(&[low, high, b.zero(64)]),
                b.cat_le(&[b.zero(32), b.cat_le(&[b.zero(24), kind.zext(8)]), low, high]),
            ));
            is_denied.set(denied);
            is_auth_error.set(per_form.auth_error);
            is_raw.set(raw);
            is_nic.set(form.field("nic"));
            body_length.set(length);
            local_ipv4.set(local);
        });

        // Second cycle: the peer is known; the frame's length is worked out beside it.
        let peer_now = b.read(&self.peer.valid);
        let given = b.read(&self.peer.payload);
        let peer = b.reg_of::<Peer>("peer_q");
        let seed = b.reg_data("seed_q", 32);
        let ip_sum = b.reg_data("ip_sum_q", 32);
        let frame_bytes = b.reg_data("frame_bytes_q", 16);
        let body_end = b.reg_data("body_end_q", 16);
        let bytes = |value: u128| b.lit(16, value);
        let mut addends = checksum::words(form_sum.q());
        addends.extend(checksum::words(given.field("ipv4")));
        addends.extend(checksum::words(given.field("xid")));
        addends.push(given.field("port").swap_bytes());
        addends.push(given.field("local_port").swap_bytes());
        let mut ip_addends = checksum::words(ip_form_sum.q());
        ip_addends.extend(checksum::words(given.field("ipv4")));
        let raw_bytes = body_length
            .q()
            .lt(bytes(SHORTEST_FRAME_BYTES))
            .mux(bytes(SHORTEST_FRAME_BYTES), body_length.q());
        b.when(peer_now, || {
            peer.set(given);
            seed.set(b.cat_le(&checksum::reduce(b, &addends, 2)));
            ip_sum.set(b.cat_le(&checksum::reduce(b, &ip_addends, 2)));
            frame_bytes.set(is_raw.q().mux(
                raw_bytes,
                udp_length.q() + bytes(IPV4_BYTES + ETHERNET_BYTES),
            ));
            // One less than where the body ends in the line image.
            let at = |offset: usize| bytes(offset as u128 - 1);
            body_end.set(body_length.q() + is_raw.q().mux(at(super::FRAME_AT), at(super::BODY_AT)));
        });
        b.drive(&self.seed, seed.q());

        // Third cycle.
        let third = b.reg("third_q", 1);
        third.set(peer_now);
        let ip_checksum = b.reg_data("ip_checksum_q", 16);
        let last_byte = b.reg_data("last_byte_q", 16);
        ip_checksum.set(!checksum::add(
            b,
            ip_sum.q().trunc(16),
            ip_sum.q().slice(16, 16),
        ));
        last_byte.set(frame_bytes.q().dec());

        // Fourth cycle: everything together.
        let fourth = b.reg("fourth_q", 1);
        fourth.set(third.q());
        let head = b.reg_of::<FrameHead>("head_q");
        let raw = is_raw.q();
        b.unused(last_byte.q().slice(14, 2));
        b.unused(last_byte.q().trunc(6));
        b.unused(body_end.q().slice(14, 2));
        b.unused(body_end.q().trunc(6));
        let body_beats = body_end.q().slice(6, 8).inc() & body_length.q().any().repeat(8);
        b.when(fourth.q(), || {
            head.set(b.pack::<FrameHead>(&[
                ("raw", raw),
                ("nic", is_nic.q()),
                ("last_step", last_byte.q().slice(6, 8) + raw.zext(8)),
                ("body_beats", body_beats),
                ("last_bytes", frame_bytes.q().trunc(6)),
                ("ip_length", udp_length.q() + bytes(IPV4_BYTES)),
                ("udp_length", udp_length.q()),
                ("ip_checksum_wire", ip_checksum.q()),
                ("local_ipv4_wire", local_ipv4.q()),
                ("peer", peer.q()),
                ("denied", is_denied.q()),
                ("auth_error", is_auth_error.q()),
                ("words_wire", words_wire.q()),
            ]));
        });
        b.drive(&self.head, head.q());
    }
}
leaf!(impl[] HeaderBuilder { seed, head });
