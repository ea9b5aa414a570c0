//! # Commit
//! Carries decisions out: takes the session, opens it, hands the call and its header on; offers
//! answers to the reply queue; gives the slots of all other frames back; counts. Frames of the bypass
//! queue are handed on in cycles in which no call is.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `decision` | in | flow of [`Decision`] | once per frame |
//! | `bypass` | in | stream of [`BypassFrame`] | frames in their slots |
//! | `bypass_events` | in | [`BypassEvents`] | pulses of the bypass queue |
//! | `session` | in | stream of [`SessionHandle`] | free sessions; ready when a call takes one |
//! | `call`, `frame` | out | flows of [`DispatchRequest`] | messages to deliver |
//! | `descriptor` | out | flow of [`DescriptorWrite`] | the header, in the cycle of `call` or `frame` |
//! | `session_open` | out | flow of [`SessionOpen`] | in the cycle of `call` |
//! | `call_slot_free` | out | flow of slots | slots of calls that are not delivered |
//! | `bypass_slot_free` | out | flow of slots | never: the bypass queue takes slots for delivered frames only |
//! | `queued_replies` | in | 16 bits | level of the queue behind `reply`, for an assertion |
//! | `reply` | out | stream of [`NicReply`] | answers; holds one |
//! | `events` | out | [`RxEvents`] | for the counters |
//!
//! Latency: 1 cycle. Throughput: 1 decision/cycle. Backpressure: `decision` never stalls; an answer
//! that meets one that is still waiting is dropped. Ordering: kept.
//! Reset: forgets the answer inside.
//! Errors: no slot, no session, no room for an answer: the frame is dropped and counted.
//! Counters: all of the receive path.
//! Within a cycle: `bypass.ready` and `session.ready` follow from the decision, `bypass.ready` also from
//! `session.valid`.

use super::types::{BypassEvents, BypassFrame, Decision};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf};
use crate::types::{
    DescriptorWrite, DispatchRequest, FlowIn, FlowOut, NicReply, RxEvents, SessionHandle,
    SessionOpen, StreamIn, StreamOut,
};
use lauberhorn_interface::line::{Field, HEADER_BYTES, RxKind, rx};
use rust_hdl::prelude::*;

/// Items of the queue behind `reply`.
pub const REPLIES: usize = 32;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Commit {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What is to become of a frame.
    pub decision: FlowIn<Decision>,
    /// Bypass frames in their slots.
    pub bypass: StreamIn<BypassFrame>,
    /// Pulses of the bypass queue.
    pub bypass_events: Signal<In, BypassEvents>,
    /// Free sessions.
    pub session: StreamIn<SessionHandle>,
    /// Calls to deliver.
    pub call: FlowOut<DispatchRequest>,
    /// Bypass frames to deliver.
    pub frame: FlowOut<DispatchRequest>,
    /// Their headers.
    pub descriptor: FlowOut<DescriptorWrite>,
    /// Sessions of the calls.
    pub session_open: FlowOut<SessionOpen>,
    /// Call slots that are free again.
    pub call_slot_free: FlowOut<Bits<10>>,
    /// Bypass slots that are free again.
    pub bypass_slot_free: FlowOut<Bits<10>>,
    /// Answers in the reply queue behind `reply`.
    pub queued_replies: Signal<In, Bits<16>>,
    /// Answers.
    pub reply: StreamOut<NicReply>,
    /// For the counters.
    pub events: Signal<Out, RxEvents>,
}

/// A line header from its fields; bits of no field are zero.
fn header<'b>(b: &'b Body, fields: &[(Field, Expr<'b>)]) -> Expr<'b> {
    let mut fields = fields.to_vec();
    fields.sort_by_key(|(field, _)| field.line_lsb());
    let mut parts: Vec<Expr<'b>> = Vec::new();
    let mut end = 0;
    let pad = |parts: &mut Vec<Expr<'b>>, end: usize, to: usize| {
        if to > end {
            parts.push(b.zero(to - end));
        }
    };
    for (field, value) in fields {
        pad(&mut parts, end, field.line_lsb());
        parts.push(value.zext(field.width_bits));
        end = field.line_lsb() + field.width_bits;
    }
    pad(&mut parts, end, 8 * HEADER_BYTES);
    b.cat_le(&parts)
}

fn control<'b>(b: &'b Body, kind: RxKind) -> [(Field, Expr<'b>); 2] {
    [
        (rx::VALID, b.bit(kind.is_valid())),
        (rx::KIND, b.lit(3, kind as u128)),
    ]
}

impl Leaf for Commit {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "bypass$ready <- decision$payload",
            "bypass$ready <- decision$valid",
            "bypass$ready <- session$valid",
            "session$ready <- decision$payload",
            "session$ready <- decision$valid",
        ]
    }

    fn body(&self, b: &Body) {
        let (decision, valid) = (b.read(&self.decision.payload), b.read(&self.decision.valid));
        let session = b.read(&self.session.payload);
        let session_there = b.read(&self.session.valid);
        let (bypass, bypass_there) = (b.read(&self.bypass.payload), b.read(&self.bypass.valid));
        let bypass_events = b.read(&self.bypass_events);
        let slot = decision.field("slot.slot");
        let slot_taken = decision.field("slot.taken");
        let peer = decision.field("reply.peer");

        // Calls.
        let wants = b.wire("wants", valid & decision.field("dispatch"));
        let delivers = b.wire("delivers", wants & slot_taken & session_there);
        b.drive(&self.session.ready, wants & slot_taken);
        let call_valid = b.reg("call_valid_q", 1);
        call_valid.set(delivers);
        let call = b.reg_of::<DispatchRequest>("call_q");
        call.set(b.pack::<DispatchRequest>(&[
            ("slot", slot),
            ("session", session.field("index")),
            ("length_bytes", decision.field("body_bytes")),
        ]));
        let open = b.reg_of::<SessionOpen>("session_open_q");
        open.set(b.pack::<SessionOpen>(&[("session", session.field("index")), ("peer", peer)]));
        b.drive(&self.call.valid, call_valid.q());
        b.drive(&self.call.payload, call.q());
        b.drive(&self.session_open.valid, call_valid.q());
        b.drive(&self.session_open.payload, open.q());

        // Bypass frames.
        let hands_over = b.wire("hands_over", bypass_there & !delivers);
        b.drive(&self.bypass.ready, !delivers);
        let frame_valid = b.reg("frame_valid_q", 1);
        frame_valid.set(hands_over);
        let frame = b.reg_of::<DispatchRequest>("frame_q");
        frame.set(b.pack::<DispatchRequest>(&[
            ("slot", bypass.field("slot")),
            ("session", b.zero(10)),
            ("length_bytes", bypass.field("length_bytes")),
        ]));
        b.drive(&self.frame.valid, frame_valid.q());
        b.drive(&self.frame.payload, frame.q());

        // Headers of either.
        let mut of_call = control(b, RxKind::Call).to_vec();
        of_call.extend([
            (rx::LENGTH_BYTES, decision.field("body_bytes")),
            (rx::SESSION_INDEX, session.field("index")),
            (rx::SESSION_GENERATION, session.field("generation")),
            (rx::FUNCTION, decision.field("function")),
            (rx::XID, peer.field("xid").swap_bytes()),
            (rx::PROCEDURE, decision.field("procedure")),
            (rx::PEER_IPV4, peer.field("ipv4").swap_bytes()),
            (rx::PEER_PORT, peer.field("port")),
            (rx::SERVICE_ID, decision.field("service")),
        ]);
        let mut of_frame = control(b, RxKind::Frame).to_vec();
        of_frame.push((rx::LENGTH_BYTES, bypass.field("length_bytes")));
        let descriptor_valid = b.reg("descriptor_valid_q", 1);
        descriptor_valid.set(delivers | bypass_there);
        let descriptor = b.reg_of::<DescriptorWrite>("descriptor_q");
        descriptor.set(b.pack::<DescriptorWrite>(&[
            ("slot", delivers.mux(slot, bypass.field("slot"))),
            (
                "header",
                delivers.mux(header(b, &of_call), header(b, &of_frame)),
            ),
        ]));
        b.drive(&self.descriptor.valid, descriptor_valid.q());
        b.drive(&self.descriptor.payload, descriptor.q());

        // Slots of whatever is not delivered.
        let slot_free = b.reg("slot_free_q", 1);
        slot_free.set(valid & slot_taken & !delivers);
        let free_slot = b.reg_data("free_slot_q", 10);
        free_slot.set(slot);
        b.drive(&self.call_slot_free.valid, slot_free.q());
        b.drive(&self.call_slot_free.payload, free_slot.q());
        b.drive(&self.bypass_slot_free.valid, b.bit(false));
        b.drive(&self.bypass_slot_free.payload, b.zero(10));

        // Answers.
        let reply_valid = b.reg("reply_valid_q", 1);
        let reply = b.reg_of::<NicReply>("reply_q");
        let room = b.wire("room", !reply_valid.q() | b.read(&self.reply.ready));
        let answers = b.wire("answers", valid & decision.field("answer"));
        b.when(room, || {
            reply_valid.set(answers);
            reply.set(decision.field("reply"));
        });
        let queued = b.read(&self.queued_replies);
        let full = queued.ge(b.lit(16, REPLIES as u128));
        b.assert(
            "only_a_full_queue_refuses",
            b.read(&self.reply.ready) | full,
        );
        b.unused(queued);
        b.drive(&self.reply.valid, reply_valid.q());
        b.drive(&self.reply.payload, reply.q());

        // Counters.
        let decided = decision.field("events");
        let fields: Vec<_> = [
            "rx_null_answered",
            "rx_prog_unavail",
            "rx_prog_mismatch",
            "rx_proc_unavail",
            "rx_rpc_mismatch",
            "rx_auth_error",
        ]
        .map(|name| (name, valid & decided.field(name) & room))
        .into_iter()
        .chain(
            [
                "rx_frames",
                "rx_drop_mac_error",
                "rx_drop_runt",
                "rx_drop_oversize",
                "rx_drop_not_for_us",
                "rx_drop_ipv4_header",
                "rx_drop_udp_length",
                "rx_drop_udp_checksum",
                "rx_drop_rpc_malformed",
            ]
            .map(|name| (name, valid & decided.field(name))),
        )
        .chain([
            ("rx_call_dispatched", delivers),
            ("rx_drop_no_slot", wants & !slot_taken),
            ("rx_drop_no_session", wants & slot_taken & !session_there),
            ("rx_drop_reply_queue_full", answers & !room),
            ("rx_bypass", bypass_events.field("delivered")),
            ("rx_drop_bypass_full", bypass_events.field("full")),
        ])
        .collect();
        b.unused(decided);
        let events = b.reg("events_q", RxEvents::BITS);
        events.set(b.pack::<RxEvents>(&fields));
        b.drive(&self.events, events.q());
    }
}
leaf!(impl[] Commit {
    bypass, session, call, frame, descriptor, session_open, call_slot_free, bypass_slot_free, reply,
    events
});
