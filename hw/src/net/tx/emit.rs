//! # Emitter
//!
//! Queues finished headers and sends the frames: header beat, then the body moved to its place in
//! the frame, padded with zeros to 60 bytes. The body moves by a constant distance, so each output
//! beat is the end of one body beat and the start of the next.
//!
//! | port | contract |
//! |---|---|
//! | `head`, `neighbour` | stand still around `checksum` |
//! | `checksum` | queues a frame; never more than `room` allowed |
//! | `body` | beats of the queued frames in order |
//! | `room` | at least 4 more frames fit |
//! | `mac` | registered, lossless |
//! | `events` | the frame's pulses come with its last beat |
//!
//! Latency: 2 cycles from `checksum` to the first beat, one more for a raw frame.
//! Throughput: 1 beat/cycle, one bubble before a raw frame.
//! Backpressure: none on `checksum`: `room` is asked for first; lossless on `mac` and `body`.
//! Reset: empty.
//! Within a cycle: `body.ready` follows from `body.valid` and `mac.ready`.

use super::types::{AdmitEvents, Frame, FrameHead, NeighbourHit};
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle};
use crate::types::{Beat, FlowIn, StreamIn, StreamOut, TxConfig, TxEvents};
use lauberhorn_interface::config::BEAT_BYTES;
use rust_hdl::prelude::*;

/// Frames that wait for the MAC.
const QUEUE_FRAMES: usize = 16;
/// Frames that may be on their way when `room` is looked at.
const IN_FLIGHT_FRAMES: usize = 4;
/// Byte of a body beat that an output beat starts with: image byte 32 is frame byte 66.
const REPLY_SPLIT: usize = super::BODY_AT + BEAT_BYTES - 66;
/// The same for a raw frame: image byte 34 is frame byte 0.
const RAW_SPLIT: usize = super::FRAME_AT;

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct Emit {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Own addresses.
    pub settings: Signal<In, TxConfig>,
    /// Header fields of the frame that the next checksum completes.
    pub head: Signal<In, FrameHead>,
    /// MAC of its destination.
    pub neighbour: Signal<In, NeighbourHit>,
    /// Completes a frame.
    pub checksum: FlowIn<Bits<16>>,
    /// Body beats.
    pub body: StreamIn<Bits<512>>,
    /// Messages that ended before this block.
    pub admit_events: Signal<In, AdmitEvents>,
    /// Room for another frame.
    pub room: Signal<Out, Bit>,
    /// To the MAC.
    pub mac: StreamOut<Beat>,
    /// Counter pulses of the whole path.
    pub events: Signal<Out, TxEvents>,
}

/// The first 64 bytes of a reply.
fn first_beat<'b>(b: &'b Body, frame: Expr<'b>, own_mac: Expr<'b>) -> Expr<'b> {
    let head = frame.field("head");
    let peer = head.field("peer");
    let constant = |bytes: &[u8]| {
        let parts: Vec<_> = bytes
            .iter()
            .map(|byte| b.lit(8, u128::from(*byte)))
            .collect();
        b.cat_le(&parts)
    };
    let number = |bit: Expr<'b>| b.cat_le(&[b.zero(24), bit.zext(8)]);
    b.cat_le(&[
        peer.field("mac"),
        own_mac,
        constant(&[0x08, 0x00, 0x45, 0x00]),
        head.field("ip_length").swap_bytes(),
        constant(&[0x00, 0x00, 0x40, 0x00, 0x40, 0x11]),
        head.field("ip_checksum_wire"),
        head.field("local_ipv4_wire"),
        peer.field("ipv4"),
        peer.field("local_port").swap_bytes(),
        peer.field("port").swap_bytes(),
        head.field("udp_length").swap_bytes(),
        frame.field("checksum_wire"),
        peer.field("xid"),
        number(b.bit(true)),
        number(head.field("denied")),
        number(head.field("auth_error")),
        head.field("words_wire").bytes(0, 6),
    ])
}

impl Leaf for Emit {
    fn combinational(&self) -> &'static [&'static str] {
        &["body$ready <- body$valid", "body$ready <- mac$ready"]
    }

    fn body(&self, b: &Body) {
        let config = b.read(&self.settings);
        b.unused(config.field("ipv4"));
        b.unused(config.field("raw_worker"));

        // The queue.
        let queue = b.memory(
            "frames",
            QUEUE_FRAMES,
            Frame::BITS,
            MemoryStyle::Distributed,
        );
        let bits = QUEUE_FRAMES.trailing_zeros() as usize;
        let write_index = b.reg("write_index_q", bits);
        let read_index = b.reg("read_index_q", bits);
        let queued = b.reg("queued_q", bits + 1);
        let push = b.read(&self.checksum.valid);
        let neighbour = b.read(&self.neighbour);
        let head = b.read(&self.head);
        let peer = head.field("peer");
        let known = neighbour.field("hit");
        let destination = known.mux(neighbour.field("mac"), peer.field("mac"));
        let addressed = b.cat_le(&[destination, peer.slice(48, peer.width() - 48)]);
        let fields: Vec<_> = [
            "raw",
            "nic",
            "last_step",
            "body_beats",
            "last_bytes",
            "ip_length",
            "udp_length",
            "ip_checksum_wire",
            "local_ipv4_wire",
            "denied",
            "auth_error",
            "words_wire",
        ]
        .into_iter()
        .map(|name| (name, head.field(name)))
        .chain([("peer", addressed)])
        .collect();
        let frame = b.pack::<Frame>(&[
            ("head", b.pack::<FrameHead>(&fields)),
            ("checksum_wire", b.read(&self.checksum.payload)),
            ("neighbour_miss", !known & !head.field("raw")),
        ]);
        // The frame that is sent stands in a register, with what its current step does; the rest of
        // the queue is memory. The register counts as a place of the queue.
        let front_valid = b.reg("front_valid_q", 1);
        let front = b.reg_of::<Frame>("front_q");
        let steps_left = b.reg_data("steps_left_q", 8);
        let bodies_left = b.reg_data("bodies_left_q", 8);
        let first = b.reg_data("first_q", 1);
        let second = b.reg_data("second_q", 1);
        let last = b.reg_data("last_q", 1);
        let takes = b.reg_data("takes_q", 1);
        let out_valid = b.reg("out_valid_q", 1);
        let free = b.wire("free", !out_valid.q() | b.read(&self.mac.ready));
        let able = front_valid.q() & (!takes.q() | b.read(&self.body.valid));
        let go = b.wire("go", able & free);
        let pop = b.wire("pop", go & last.q());
        b.drive(&self.body.ready, go & takes.q());
        let refill = b.wire("refill", pop | !front_valid.q());
        let stored = b.wire("stored", write_index.q().ne(read_index.q()));
        b.when(push & !(refill & !stored), || {
            queue.write(write_index.q(), frame);
            write_index.set(write_index.q().inc());
        });
        b.when(refill & stored, || read_index.set(read_index.q().inc()));
        b.when(push.ne(pop), || {
            queued.set(push.mux(queued.q().inc(), queued.q().dec()));
        });
        let next = b.wire("next", stored.mux(queue.read_now(read_index.q()), frame));
        let next_head = b.typed::<Frame>(next).field("head");
        b.when(refill, || {
            front_valid.set(stored | push);
            front.set(next);
            steps_left.set(next_head.field("last_step"));
            last.set(!next_head.field("last_step").any());
            bodies_left.set(next_head.field("body_beats"));
            takes.set(next_head.field("body_beats").any());
            first.set(b.bit(true));
            second.set(b.bit(false));
        })
        .or_when(go, || {
            steps_left.set(steps_left.q().dec());
            last.set(steps_left.q().eq_lit(1));
            // Meaningless once no body is left.
            bodies_left.set(bodies_left.q().dec());
            takes.set(takes.q() & bodies_left.q().ne(b.lit(8, 1)));
            first.set(b.bit(false));
            second.set(first.q());
        });
        let frame = front.q();
        let head = frame.field("head");
        let raw = head.field("raw");
        // Counted down in registers of their own.
        b.unused(head.field("last_step"));
        b.unused(head.field("body_beats"));
        let (first, second, last, takes) = (first.q(), second.q(), last.q(), takes.q());

        // The beat.
        let current = b.read(&self.body.payload) & takes.repeat(512);
        let before = b.reg_data("before_q", 8 * (BEAT_BYTES - REPLY_SPLIT));
        b.when(go, || {
            before.set(current.bytes(REPLY_SPLIT, BEAT_BYTES - REPLY_SPLIT));
        });
        let joined = |split: usize| {
            b.cat_le(&[
                before.q().bytes(split - REPLY_SPLIT, BEAT_BYTES - split),
                current.bytes(0, split),
            ])
        };
        let words = head.field("words_wire").bytes(6, 10) & second.repeat(80);
        let reply = first.mux(
            first_beat(b, frame, config.field("mac")),
            joined(REPLY_SPLIT) | words.zext(512),
        );
        let out_data = b.reg_data("out_data_q", 512);
        let out_keep = b.reg_data("out_keep_q", 64);
        let out_last = b.reg_data("out_last_q", 1);
        let last_bytes = head.field("last_bytes");
        let keep: Vec<_> = (0..BEAT_BYTES as u128)
            .map(|byte| {
                let whole = !last | !last_bytes.any();
                match byte {
                    63 => whole,
                    _ => whole | last_bytes.gt(b.lit(6, byte)),
                }
            })
            .collect();
        b.when(free, || out_valid.set(able & !(raw & first)));
        b.when(free, || {
            out_data.set(raw.mux(joined(RAW_SPLIT), reply));
            out_keep.set(b.cat_le(&keep));
            out_last.set(last);
        });
        b.drive(&self.mac.valid, out_valid.q());
        b.drive(
            &self.mac.payload,
            b.pack::<Beat>(&[
                ("data", out_data.q()),
                ("keep", out_keep.q()),
                ("last", out_last.q()),
            ]),
        );

        let room = b.reg("room_q", 1);
        let limit = (QUEUE_FRAMES - IN_FLIGHT_FRAMES) as u128;
        room.set(queued.q().lt(b.lit(bits + 1, limit)));
        b.drive(&self.room, room.q());

        let nic = head.field("nic");
        let ended = b.read(&self.admit_events);
        let events = b.reg("events_q", TxEvents::BITS);
        events.set(b.pack::<TxEvents>(&[
            ("tx_frames", pop),
            ("tx_replies", pop & !raw & !nic),
            ("tx_nic_replies", pop & nic),
            ("tx_bypass", pop & raw),
            ("tx_released", ended.field("released")),
            ("tx_drop_bad_session", ended.field("bad_session")),
            ("tx_drop_malformed", ended.field("malformed")),
            ("tx_neighbour_miss", pop & frame.field("neighbour_miss")),
        ]));
        b.drive(&self.events, events.q());

        b.assert(
            "queue_does_not_overflow",
            !(push & queued.q().eq_lit(QUEUE_FRAMES as u128)),
        );
        b.assert(
            "body_comes_before_its_frame",
            !(front_valid.q() & takes) | b.read(&self.body.valid),
        );
    }
}
leaf!(impl[] Emit { body, room, mac, events });
