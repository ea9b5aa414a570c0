//! # ONC RPC decoder
//! Tells calls from other frames and walks through the call header: fixed fields, credential of any
//! legal length, verifier. Fields at fixed places are taken as the beats pass; the verifier's place
//! follows from the credential's length, and as it must be all zeros it is enough to know which
//! half-words of a beat are zero.
//!
//! Spec: RFC 5531 (message and its order of checks), RFC 4506 (padding). The bytes of the credential
//! are not looked at, neither is the padding.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`UdpBeat`] | beats of frames |
//! | `beat` | out | flow of [`ClassifiedBeat`] | the same beats, 1 cycle later |
//! | `key` | out | flow of [`ServiceKeyFields`] | once per frame, with the last beat on `beat` |
//! | `program_key` | out | flow of [`ProgramKeyFields`] | the same for the program table |
//! | `verdict` | out | flow of [`HeaderVerdict`] | once per frame, 2 cycles after its `key` |
//!
//! Latency: 1 cycle (`beat`, `key`), 3 cycles (`verdict`). Throughput: 1 beat/cycle.
//! Backpressure: none, it never stalls. Ordering: kept. Reset: forgets the frames inside.
//! Errors: every kind of bad header has its flag in the verdict. Counters: none.

use super::types::{
    ClassifiedBeat, FrameBeat, FrameFault, HeaderVerdict, ProgramKeyFields, ServiceKeyFields,
    UdpBeat, UdpMeta,
};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowIn, FlowOut, Peer};
use rust_hdl::prelude::*;

/// A frame that ends before this byte has no message type and is no call.
const MESSAGE_TYPE_END: u128 = 50;
/// UDP lengths up to the end of the RPC version and of the credential's length.
const UDP_TO_VERSION: u128 = 20;
const UDP_TO_CREDENTIAL: u128 = 40;
const RPC_VERSION: u128 = 2;
const AUTH_SYS: u128 = 1;
const MAX_CREDENTIAL_BYTES: u128 = 400;
/// The verifier starts at frame byte 74 plus the padded credential; rounding is built in:
/// `(length + 75) / 4` counts the words from frame byte 2.
const VERIFIER_BIAS: u128 = 75;
/// The arguments follow 8 bytes after the verifier's start, at frame byte `4 * word + 10`; the
/// datagram ends at `34 + length`.
const BODY_BIAS: u128 = 24;

/// The block.
#[derive(LogicBlock, Default)]
pub struct OncRpcDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<UdpBeat>,
    /// The same beats with their class.
    pub beat: FlowOut<ClassifiedBeat>,
    /// What to look for in the tables.
    pub key: FlowOut<ServiceKeyFields>,
    /// The same for the program table.
    pub program_key: FlowOut<ProgramKeyFields>,
    /// Where the walk ended.
    pub verdict: FlowOut<HeaderVerdict>,
}

impl Leaf for OncRpcDecoder {
    fn body(&self, b: &Body) {
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let (frame, udp) = (rx.field("frame"), rx.field("udp"));
        let data = rx.field("frame.data");
        let be32 = |byte| data.bytes(byte, 4).swap_bytes();
        let first = rx.field("frame.index").eq_lit(0);
        let second = rx.field("frame.index").eq_lit(1);

        // Stage 1: fields at fixed places.
        let short = rx.field("frame.last")
            & rx.field("frame.length_bytes")
                .lt(b.lit(16, MESSAGE_TYPE_END));
        let is_call = udp.field("rpc_port") & be32(46).eq_lit(0) & !short;
        let other = udp.field("ipv4.ethernet.not_for_us");
        let call = b.reg_data("call_q", 1);
        let bypass = b.reg_data("bypass_q", 1);
        let xid = b.reg_data("xid_q", 32);
        let version_good = b.reg_data("rpc_version_good_q", 1);
        let (program, version) = (b.reg_data("program_q", 32), b.reg_data("version_q", 32));
        let procedure = b.reg_data("procedure_q", 32);
        b.when(valid & first, || {
            call.set(is_call & !other);
            bypass.set(!is_call & !other);
            xid.set(data.bytes(42, 4));
            version_good.set(be32(50).eq_lit(RPC_VERSION));
            program.set(be32(54));
            version.set(be32(58));
            let high = data.bytes(62, 2).swap_bytes();
            procedure.set(b.cat(&[high, b.zero(16)]));
        });
        let credential_bytes = be32(6);
        let flavour_good = be32(2).lt(b.lit(32, AUTH_SYS + 1));
        let short_length = credential_bytes.trunc(9);
        let length_good =
            !credential_bytes.slice(9, 23).any() & short_length.le(b.lit(9, MAX_CREDENTIAL_BYTES));
        let word = short_length.zext(10) + b.lit(10, VERIFIER_BIAS);
        let credential_good = b.reg_data("credential_good_q", 1);
        let verifier_word = b.reg_data("verifier_word_q", 8);
        b.when(valid & second, || {
            let low = data.bytes(0, 2).swap_bytes();
            procedure.set(b.cat(&[procedure.q().slice(16, 16), low]));
            credential_good.set(flavour_good & length_good);
            verifier_word.set(word.slice(2, 8));
        });
        let set_halves: Vec<_> = (0..32).map(|half| data.bytes(2 * half, 2).any()).collect();
        let halves = b.reg_data("set_halves_q", 32);
        halves.set(b.cat_le(&set_halves));
        let frame_q = b.reg_of::<FrameBeat>("frame_q");
        frame_q.set(frame);
        let udp_q = b.reg_of::<UdpMeta>("udp_q");
        b.when(valid, || udp_q.set(udp));
        let valid_q = b.reg("valid_q", 1);
        valid_q.set(valid);
        let (frame, udp) = (frame_q.q(), udp_q.q());
        b.unused(udp);
        let ends = b.wire("ends", valid_q.q() & frame.field("last"));

        b.drive(&self.beat.valid, valid_q.q());
        b.drive(
            &self.beat.payload,
            b.pack::<ClassifiedBeat>(&[
                ("frame", frame),
                ("call", call.q()),
                ("bypass", bypass.q()),
                ("verifier_word", verifier_word.q()),
            ]),
        );
        b.drive(&self.key.valid, ends);
        b.drive(
            &self.key.payload,
            b.pack::<ServiceKeyFields>(&[
                ("port", udp.field("local_port")),
                ("procedure", procedure.q()),
                ("version", version.q()),
                ("program", program.q()),
            ]),
        );
        b.drive(&self.program_key.valid, ends);
        b.drive(
            &self.program_key.payload,
            b.pack::<ProgramKeyFields>(&[
                ("port", udp.field("local_port")),
                ("program", program.q()),
            ]),
        );

        // Stage 2: verifier and lengths.
        let index = frame.field("index");
        let bad = verifier_in_beat(b, index, halves.q(), verifier_word.q());
        let verifier_bad = b.reg_data("verifier_bad_q", 1);
        let at_first = index.eq_lit(0);
        b.when(valid_q.q(), || {
            verifier_bad.set(!at_first & (verifier_bad.q() | bad));
        });
        let udp_bytes = udp.field("length_bytes");
        let body_start = b.cat(&[b.zero(8), verifier_word.q(), b.zero(2)]);
        let body = udp_bytes.zext(18) + b.lit(18, BODY_BIAS) - body_start;
        let peer = b.pack::<Peer>(&[
            ("mac", udp.field("ipv4.ethernet.peer_mac")),
            ("ipv4", udp.field("ipv4.source")),
            ("port", udp.field("source_port")),
            ("local_port", udp.field("local_port")),
            ("xid", xid.q()),
        ]);
        let flags = b.reg_data("flags_q", 8);
        flags.set(b.cat_le(&[
            udp.field("ipv4.ethernet.not_for_us"),
            bypass.q(),
            udp.field("packet_bad"),
            udp.field("length_bad"),
            udp_bytes.ge(b.lit(16, UDP_TO_VERSION)),
            udp_bytes.ge(b.lit(16, UDP_TO_CREDENTIAL)),
            version_good.q(),
            credential_good.q(),
        ]));
        let body_q = b.reg_data("body_q", 16);
        body_q.set(body.trunc(16));
        let runs_past = b.reg_data("runs_past_q", 1);
        runs_past.set(body.bit(17));
        let passed = b.reg_data("passed_q", Peer::BITS + 64);
        passed.set(b.cat_le(&[peer, version.q(), procedure.q()]));
        let fault = b.reg_of::<FrameFault>("fault_q");
        fault.set(frame.field("fault"));
        let ends_q = b.reg("ends_q", 1);
        ends_q.set(ends);

        // Stage 3: the verdict.
        let flag = |bit| flags.q().bit(bit);
        let (has_version, has_credential) = (flag(4), flag(5));
        let (version_good, credential_good) = (flag(6), flag(7));
        let runs_past = runs_past.q();
        let in_time = has_credential & version_good;
        let verdict = b.reg_of::<HeaderVerdict>("verdict_q");
        verdict.set(b.pack::<HeaderVerdict>(&[
            ("fault", fault.q()),
            ("not_for_us", flag(0)),
            ("bypass", flag(1)),
            ("packet_bad", flag(2)),
            ("datagram_bad", flag(3)),
            (
                "malformed",
                !has_version | version_good & (!has_credential | credential_good & runs_past),
            ),
            ("rpc_mismatch", has_version & !version_good),
            ("bad_credential", in_time & !credential_good),
            (
                "bad_verifier",
                in_time & credential_good & !runs_past & verifier_bad.q(),
            ),
            ("peer", passed.q().trunc(Peer::BITS)),
            ("version", passed.q().slice(Peer::BITS, 32)),
            ("procedure", passed.q().slice(Peer::BITS + 32, 32)),
            ("body_bytes", body_q.q()),
        ]));
        let verdict_valid = b.reg("verdict_valid_q", 1);
        verdict_valid.set(ends_q.q());
        b.drive(&self.verdict.valid, verdict_valid.q());
        b.drive(&self.verdict.payload, verdict.q());
    }
}
leaf!(impl[] OncRpcDecoder { beat, key, program_key, verdict });

/// One bit: some byte of the verifier lies in this beat and is not zero. The verifier's first
/// half-word is `2 * word + 1`, an odd one, and it has four; so two places make it straddle beats.
fn verifier_in_beat<'b>(
    b: &'b Body,
    index: Expr<'b>,
    set_halves: Expr<'b>,
    word: Expr<'b>,
) -> Expr<'b> {
    let at: Vec<_> = (0..16)
        .map(|pair| {
            let from = 2 * pair + 1;
            set_halves.slice(from, 4.min(32 - from)).any()
        })
        .collect();
    let (beat, pair) = (word.slice(4, 4).zext(8), word.trunc(4));
    let begins = index.eq(beat) & b.select(&at, pair);
    let rest = pair.eq_lit(14) & set_halves.bit(0) | pair.eq_lit(15) & set_halves.trunc(3).any();
    begins | index.eq(beat.inc()) & rest
}
