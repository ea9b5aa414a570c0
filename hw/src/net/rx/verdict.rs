//! # Verdict
//! Joins what header walk, checksum verifier, tables and slot writer found about a frame and decides
//! what is to become of it, should slots, sessions and the reply queue allow.
//!
//! The first line that applies counts:
//!
//! | found | becomes |
//! |---|---|
//! | MAC error; shorter than 14 bytes; longer than the MTU allows; not for us | dropped |
//! | not a call | left to the bypass queue |
//! | bad IPv4 header checksum or total length; bad UDP length; bad UDP checksum | dropped |
//! | RPC header runs past the datagram | dropped |
//! | RPC version not 2 | RPC_MISMATCH 2, 2 |
//! | bad credential; bad verifier | AUTH_ERROR with AUTH_BADCRED; with AUTH_BADVERF |
//! | program unknown on the port; version; procedure | PROG_UNAVAIL; PROG_MISMATCH; PROC_UNAVAIL |
//! | the service wants it (flag 0) | answered SUCCESS without results |
//! | else | dispatched |
//!
//! Spec: RFC 5531 section 9.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `header` | in | flow of [`HeaderVerdict`] | once per frame |
//! | `checksum`, `slot`, `service`, `program` | in | flows | in the cycle of the frame's `header` |
//! | `decision` | out | flow of [`Decision`] | once per frame |
//!
//! Latency: 1 cycle. Throughput: 1 frame/cycle. Backpressure: none, it never stalls.
//! Ordering: kept. Reset: forgets the frame inside. Errors and counters: in the decision.

use super::types::{ChecksumVerdict, Decision, HeaderVerdict, SlotTaken};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{FlowIn, FlowOut, NicReply, ProgramEntry, RxEvents, ServiceEntry};
use rust_hdl::prelude::*;

/// Reply kinds beyond accept_stat.
const RPC_MISMATCH: u128 = 8;
const AUTH_ERROR: u128 = 9;
/// The RPC version the card speaks: lowest and highest.
const RPC_VERSION: u128 = 2;
const AUTH_BADCRED: u128 = 1;
const AUTH_BADVERF: u128 = 3;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Verdict {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Where the header walk ended.
    pub header: FlowIn<HeaderVerdict>,
    /// Whether the checksums hold.
    pub checksum: FlowIn<ChecksumVerdict>,
    /// The slot.
    pub slot: FlowIn<SlotTaken>,
    /// What the service table has.
    pub service: FlowIn<ServiceEntry>,
    /// What the program table has.
    pub program: FlowIn<ProgramEntry>,
    /// What is to become of the frame.
    pub decision: FlowOut<Decision>,
}

/// One bit: `program` offers `version`.
fn offers<'b>(b: &'b Body, program: Expr<'b>, version: Expr<'b>) -> Expr<'b> {
    let (low, high) = (program.field("low"), program.field("high"));
    // 33 bits: the top one says that the version is below the lowest.
    let above = version.zext(33) - low.zext(33);
    let offered = program.field("versions").shift_right(above.trunc(5)).bit(0);
    let near = b.wire("near", !above.slice(5, 28).any());
    near & version.le(high) & offered
}

impl Leaf for Verdict {
    fn body(&self, b: &Body) {
        let (header, valid) = (b.read(&self.header.payload), b.read(&self.header.valid));
        let checksum = b.read(&self.checksum.payload);
        let (service, program) = (b.read(&self.service.payload), b.read(&self.program.payload));
        for (name, other) in [
            ("checksum", b.read(&self.checksum.valid)),
            ("slot", b.read(&self.slot.valid)),
            ("service", b.read(&self.service.valid)),
            ("program", b.read(&self.program.valid)),
        ] {
            b.assert(&format!("{name}_comes_with_the_header"), valid.eq(other));
        }
        b.unused(b.cat(&[service, program]));

        let version_offered = offers(b, program, header.field("version"));
        let answered = service.field("valid") & service.field("flags").bit(0);
        let lines = [
            ("rx_drop_mac_error", header.field("fault.mac_error")),
            ("rx_drop_runt", header.field("fault.runt")),
            ("rx_drop_oversize", header.field("fault.oversize")),
            ("rx_drop_not_for_us", header.field("not_for_us")),
            ("rx_bypass", header.field("bypass")),
            (
                "rx_drop_ipv4_header",
                header.field("packet_bad") | !checksum.field("ipv4_good"),
            ),
            ("rx_drop_udp_length", header.field("datagram_bad")),
            ("rx_drop_udp_checksum", !checksum.field("udp_good")),
            ("rx_drop_rpc_malformed", header.field("malformed")),
            ("rx_rpc_mismatch", header.field("rpc_mismatch")),
            (
                "rx_auth_error",
                header.field("bad_credential") | header.field("bad_verifier"),
            ),
            ("rx_prog_unavail", !program.field("valid")),
            ("rx_prog_mismatch", !version_offered),
            ("rx_proc_unavail", !service.field("valid")),
            ("rx_null_answered", answered),
            ("rx_call_dispatched", b.bit(true)),
        ];
        // First of the lines that apply, each by a tree of its own rather than in a chain.
        let conditions: Vec<_> = lines.iter().map(|line| line.1).collect();
        let chosen: Vec<_> = (0..lines.len())
            .map(|line| match line {
                0 => conditions[0],
                _ => conditions[line] & !b.tree(&conditions[..line], |x, y| x | y),
            })
            .collect();
        let is = |name: &str| {
            let line = lines.iter().position(|line| line.0 == name);
            chosen[line.unwrap_or_else(|| panic!("no line {name}"))]
        };
        // What is full is found out later; the bypass queue has its own say about its frames.
        let later = [
            "rx_drop_no_slot",
            "rx_drop_no_session",
            "rx_drop_bypass_full",
            "rx_drop_reply_queue_full",
        ];
        let mut events: Vec<_> = lines.iter().map(|line| (line.0, is(line.0))).collect();
        events.retain(|event| event.0 != "rx_bypass");
        events.extend(later.map(|name| (name, b.bit(false))));
        events.extend([("rx_bypass", b.bit(false)), ("rx_frames", b.bit(true))]);

        let kinds = [
            ("rx_null_answered", 0),
            ("rx_prog_unavail", 1),
            ("rx_prog_mismatch", 2),
            ("rx_proc_unavail", 3),
            ("rx_rpc_mismatch", RPC_MISMATCH),
            ("rx_auth_error", AUTH_ERROR),
        ];
        let kind: Vec<_> = kinds.map(|(name, kind)| (is(name), b.lit(4, kind))).into();
        let answers: Vec<_> = kinds.map(|(name, _)| is(name)).into();
        let number = |value| b.lit(32, value);
        let auth = header
            .field("bad_credential")
            .mux(number(AUTH_BADCRED), number(AUTH_BADVERF));
        let low = [
            (is("rx_prog_mismatch"), program.field("low")),
            (is("rx_rpc_mismatch"), number(RPC_VERSION)),
            (is("rx_auth_error"), auth),
        ];
        let high = [
            (is("rx_prog_mismatch"), program.field("high")),
            (is("rx_rpc_mismatch"), number(RPC_VERSION)),
        ];
        let reply = b.pack::<NicReply>(&[
            ("peer", header.field("peer")),
            ("kind", b.one_hot(&kind)),
            ("low", b.one_hot(&low)),
            ("high", b.one_hot(&high)),
        ]);

        let decision = b.reg_of::<Decision>("decision_q");
        decision.set(b.pack::<Decision>(&[
            ("events", b.pack::<RxEvents>(&events)),
            ("dispatch", is("rx_call_dispatched")),
            ("answer", b.tree(&answers, |x, y| x | y)),
            ("slot", b.read(&self.slot.payload)),
            ("reply", reply),
            ("procedure", header.field("procedure")),
            ("body_bytes", header.field("body_bytes")),
            ("function", service.field("function")),
            ("service", service.field("service")),
        ]));
        let valid_q = b.reg("valid_q", 1);
        valid_q.set(valid);
        b.drive(&self.decision.valid, valid_q.q());
        b.drive(&self.decision.payload, decision.q());
    }
}
leaf!(impl[] Verdict { decision });
