//! # Admission of messages and NIC replies
//!
//! Takes messages and NIC replies in turn, one at a time, has the handle checked, reads the
//! message's beats and says what is to be sent. One job occupies it for `max(3, beats + 1)` cycles.
//!
//! | port | contract |
//! |---|---|
//! | `settings` | messages of the bypass endpoint and of raw workers are bare frames, without a session |
//! | `message`, `reply` | `ready` depends on the other's `valid`: when both wait they alternate |
//! | `room`, `queue_room` | both high: the largest message fits behind everything admitted so far |
//! | `lines_read`, `check` | follow `message` (and `settings`) in the cycle it is taken (combinational), so that the first beat and the verdict come a cycle earlier |
//! | `beat` | goes with the word that `lines_read` asked for in the cycle before |
//! | `form` | 1 cycle after the job was taken |
//! | `peer` | 2 cycles after; for messages it comes straight from `verdict` |
//! | `keep` | from 3 cycles after to the next job: the job is to be sent |
//! | `taken` | the endpoint's lines have been read |
//!
//! A reply whose datagram, or a frame whose packet, would exceed the MTU, a frame shorter than its
//! Ethernet header or from a worker that is not raw, an error reply with a status that needs more than the status
//! (or is none), and an unknown kind are malformed: counted, and answered with SYSTEM_ERR when the
//! handle is right.
//!
//! Latency: 0 cycles to the first beat's address, 2 to `peer`.
//! Throughput: 1 job in 3 cycles, long messages 1 beat/cycle with a bubble between.
//! Backpressure: `ready` falls while a job is read or there is no room.
//! Reset: no job.
//! Within a cycle: `message.ready` and `reply.ready` also follow from both rooms, `lines_read` and `check`
//! from them and from `reply.valid`, `peer` from `verdict`.

use super::types::{AdmitEvents, FrameForm, GatherBeat, SessionCheck, SessionVerdict};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowOut, NicReply, Peer, StreamIn, TxConfig, TxMessage};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{AcceptStat, ETHERNET_HEADER_BYTES, TxKind};
use rust_hdl::prelude::*;

/// IPv4, UDP and accepted RPC reply headers.
pub const REPLY_HEADERS_BYTES: usize = 20 + 8 + 24;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct Admit {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Which workers are raw.
    pub settings: Signal<In, TxConfig>,
    /// Complete messages in the transmit lines.
    pub message: StreamIn<TxMessage>,
    /// Replies of the receive path.
    pub reply: StreamIn<NicReply>,
    /// Room for the body of any message.
    pub room: Signal<In, Bit>,
    /// Room for another frame.
    pub queue_room: Signal<In, Bit>,
    /// Asks the session table.
    pub check: FlowOut<SessionCheck>,
    /// Its answer.
    pub verdict: Signal<In, SessionVerdict>,
    /// Reads the transmit lines.
    pub lines_read: FlowOut<Bits<16>>,
    /// What the word read is.
    pub beat: FlowOut<GatherBeat>,
    /// What is to be sent.
    pub form: FlowOut<FrameForm>,
    /// To whom.
    pub peer: FlowOut<Peer>,
    /// It is to be sent.
    pub keep: Signal<Out, Bit>,
    /// Endpoint whose lines have been read.
    pub taken: FlowOut<Bits<5>>,
    /// What ended here.
    pub events: Signal<Out, AdmitEvents>,
    _slot_beats: usize,
    _mtu_bytes: usize,
}

impl Admit {
    /// For the line images of `config`.
    pub fn new(config: &NicConfig) -> Self {
        Self {
            _slot_beats: config.slot_beats(),
            _mtu_bytes: config.mtu_bytes(),
            ..Self::default()
        }
    }
}

impl Leaf for Admit {
    fn combinational(&self) -> &'static [&'static str] {
        &[
            "check$payload <- message$payload",
            "check$valid <- message$payload",
            "check$valid <- message$valid",
            "check$valid <- queue_room",
            "check$valid <- reply$valid",
            "check$valid <- room",
            "check$valid <- settings",
            "lines_read$payload <- message$payload",
            "lines_read$valid <- message$valid",
            "lines_read$valid <- queue_room",
            "lines_read$valid <- reply$valid",
            "lines_read$valid <- room",
            "message$ready <- queue_room",
            "message$ready <- reply$valid",
            "message$ready <- room",
            "peer$payload <- verdict",
            "reply$ready <- message$valid",
            "reply$ready <- queue_room",
            "reply$ready <- room",
        ]
    }

    fn body(&self, b: &Body) {
        let message = b.read(&self.message.payload);
        let reply = b.read(&self.reply.payload);
        let (message_valid, reply_valid) = (b.read(&self.message.valid), b.read(&self.reply.valid));

        // Whose turn it is.
        let hold = b.reg("hold_q", 2);
        let prefer_reply = b.reg("prefer_reply_q", 1);
        let idle = b.wire("idle", !hold.q().any());
        let start = idle & b.read(&self.room) & b.read(&self.queue_room);
        let message_ready = start & !(reply_valid & prefer_reply.q());
        let reply_ready = start & !(message_valid & !prefer_reply.q());
        let pick_message = b.wire("pick_message", message_valid & message_ready);
        let pick_reply = b.wire("pick_reply", reply_valid & reply_ready);
        let pick = b.wire("pick", pick_message | pick_reply);
        b.when(pick, || prefer_reply.set(pick_message));
        b.drive(&self.message.ready, message_ready);
        b.drive(&self.reply.ready, reply_ready);

        // What kind of job it is.
        let length = message.field("length_bytes");
        let kind = message.field("kind");
        let status = message.field("status");
        let settings = b.read(&self.settings);
        b.unused(settings);
        let raw = settings.field("raw_worker");
        let senders: Vec<_> = (0..=raw.width())
            .map(|endpoint| match endpoint {
                0 => b.bit(true),
                _ => raw.bit(endpoint - 1),
            })
            .collect();
        let bare = b.select(&senders, message.field("endpoint"));
        let is = |wanted: TxKind| kind.eq_lit(wanted as u128);
        let bytes = |value: usize| b.lit(16, value as u128);
        let frame_limit = self._mtu_bytes + ETHERNET_HEADER_BYTES;
        let frame = b.wire(
            "frame",
            is(TxKind::Frame)
                & bare
                & length.ge(bytes(ETHERNET_HEADER_BYTES))
                & length.le(bytes(frame_limit)),
        );
        let success = is(TxKind::Reply) & length.le(bytes(self._mtu_bytes - REPLY_HEADERS_BYTES));
        let plain_errors = [
            AcceptStat::ProgUnavail,
            AcceptStat::ProcUnavail,
            AcceptStat::GarbageArgs,
            AcceptStat::SystemErr,
        ];
        let plain = plain_errors.map(|stat| status.eq_lit(stat as u128));
        let error = is(TxKind::ErrorReply) & b.tree(&plain, |x, y| x | y);
        let release = is(TxKind::Release);
        let malformed = b.wire("malformed", !(frame | success | error | release));
        let body = b.wire("body", frame | (success & length.any()));
        // accept_stat: SUCCESS has the code 0, SYSTEM_ERR 5.
        let system_error = b.lit(4, AcceptStat::SystemErr as u128);
        let code = malformed.mux(
            system_error,
            status.trunc(4) & is(TxKind::ErrorReply).repeat(4),
        );

        // Beats to read: the image ends at 32 (or 34) + length. The kind alone chooses, so that the
        // sum does not wait for the checks.
        let before_last =
            length + is(TxKind::Frame).mux(bytes(super::FRAME_AT - 1), bytes(super::BODY_AT - 1));
        let further = before_last.slice(6, 8) & (body & pick_message).repeat(8);
        let last_byte = before_last.trunc(6);
        let in_last: Vec<_> = (0..64)
            .map(|index| {
                let within = match index {
                    0 => b.bit(true),
                    _ => last_byte.ge(b.lit(6, index)),
                };
                within & body & pick_message
            })
            .collect();
        let in_last = b.wire("in_last", b.cat_le(&in_last));

        let reads_left = b.reg("reads_left_q", 8);
        let reading = b.wire("reading", reads_left.q().any());
        let slot_bits = self._slot_beats.trailing_zeros() as usize;
        let first_address = b
            .cat(&[message.field("endpoint"), b.zero(slot_bits)])
            .zext(16);
        let address = b.reg_data("address_q", 16);
        let address_now = idle.mux(first_address, address.q());
        address.set(address_now.inc());
        b.drive(&self.lines_read.valid, pick_message | reading);
        b.drive(&self.lines_read.payload, address_now);

        b.when(pick, || {
            reads_left.set(further);
            hold.set(b.lit(2, 2));
        })
        .or_when(reading, || {
            reads_left.set(reads_left.q().dec());
            hold.set(b.lit(2, 1));
        })
        .or_when(!idle, || hold.set(hold.q().dec()));

        // The word that comes back.
        let last_keep = b.reg_data("last_keep_q", 64);
        b.when(pick, || last_keep.set(in_last));
        let beat_valid = b.reg("beat_valid_q", 1);
        let beat_first = b.reg_data("beat_first_q", 1);
        let store = b.reg_data("store_q", 1);
        beat_valid.set(pick | reading);
        beat_first.set(pick);
        b.when(pick, || store.set(pick_message & body));
        let beat_last = !reading;
        b.drive(&self.beat.valid, beat_valid.q());
        b.drive(
            &self.beat.payload,
            b.pack::<GatherBeat>(&[
                ("first", beat_first.q()),
                ("last", beat_last),
                ("store", store.q()),
                ("keep", last_keep.q() | reading.repeat(64)),
            ]),
        );

        // The handle.
        let check = [
            ("session", message.field("session")),
            ("generation", message.field("generation")),
            ("endpoint", message.field("endpoint")),
        ];
        b.drive(&self.check.valid, pick_message & !bare);
        b.drive(&self.check.payload, b.pack::<SessionCheck>(&check));

        // First cycle of the job.
        let job = b.reg("job_q", 1);
        let form = b.reg_of::<FrameForm>("form_q");
        let by_message = b.reg_data("by_message_q", 1);
        let is_malformed = b.reg_data("is_malformed_q", 1);
        let is_release = b.reg_data("is_release_q", 1);
        let endpoint = b.reg_data("endpoint_q", 5);
        let reply_peer = b.reg_of::<Peer>("reply_peer_q");
        job.set(pick);
        b.when(pick, || {
            by_message.set(pick_message);
            is_malformed.set(malformed);
            is_release.set(release);
            endpoint.set(message.field("endpoint"));
            reply_peer.set(reply.field("peer"));
            form.set(b.pack::<FrameForm>(&[
                ("raw", pick_message & frame),
                ("nic", pick_reply),
                ("kind", pick_message.mux(code, reply.field("kind"))),
                ("low", reply.field("low")),
                ("high", reply.field("high")),
                ("length_bytes", length & (pick_message & body).repeat(16)),
            ]));
        });
        b.drive(&self.form.valid, job.q());
        b.drive(&self.form.payload, form.q());

        // Second cycle: the verdict is there.
        let judge = b.reg("judge_q", 1);
        judge.set(job.q());
        let verdict = b.read(&self.verdict);
        let right = verdict.field("valid");
        let raw = form.q().field("raw");
        b.drive(&self.peer.valid, judge.q());
        b.drive(
            &self.peer.payload,
            by_message.q().mux(verdict.field("peer"), reply_peer.q()),
        );
        let keep = b.reg("keep_q", 1);
        let events = b.reg("events_q", AdmitEvents::BITS);
        b.when(judge.q(), || {
            keep.set(!by_message.q() | raw | (right & !is_release.q()));
        });
        let refused = by_message.q() & !right & !raw & !is_malformed.q();
        events.set(b.pack::<AdmitEvents>(&[
            (
                "released",
                judge.q() & by_message.q() & right & is_release.q(),
            ),
            ("bad_session", judge.q() & refused),
            ("malformed", judge.q() & by_message.q() & is_malformed.q()),
        ]));
        b.drive(&self.keep, keep.q());
        b.drive(&self.events, events.q());

        let taken = b.reg("taken_q", 1);
        taken.set(hold.q().eq_lit(1) & !reading & by_message.q());
        b.drive(&self.taken.valid, taken.q());
        b.drive(&self.taken.payload, endpoint.q());

        b.assert("one_job_at_a_time", !(pick_message & pick_reply));
        b.assert(
            "address_in_the_slot",
            !reading | address.q().slice(0, slot_bits).any(),
        );
    }
}
leaf!(impl[] Admit { message, reply, check, lines_read, beat, form, peer, keep, taken, events });
