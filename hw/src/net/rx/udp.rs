//! # UDP decoder
//! Reads the UDP header behind an IPv4 header without options, looks the destination port up in the
//! RPC port table and compares the three lengths of datagram, packet and frame.
//!
//! Spec: RFC 768. A datagram may be shorter than its packet; what follows it is ignored.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`Ipv4Beat`] | beats of frames |
//! | `settings` | in | [`RxConfig`] | looked at with the first beat of a frame |
//! | `beat` | out | flow of [`UdpBeat`] | the same beats |
//!
//! Latency: 1 cycle. Throughput: 1 beat/cycle. Backpressure: none, it never stalls.
//! Ordering: kept. Reset: forgets the beat inside. Errors and counters: none, frames are only marked.

use super::types::{FrameBeat, Ipv4Beat, UdpBeat, UdpMeta};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, FlowOut, RxConfig};
use rust_hdl::prelude::*;

/// Where the header starts in the frame.
const START: u128 = 34;
const HEADER_BYTES: u128 = 8;
const PORTS: usize = 16;

/// The block.
#[derive(LogicBlock, Default)]
pub struct UdpDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<Ipv4Beat>,
    /// The RPC port table.
    pub settings: Signal<In, RxConfig>,
    /// The same beats with what was found.
    pub beat: FlowOut<UdpBeat>,
}

impl Leaf for UdpDecoder {
    fn body(&self, b: &Body) {
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let config = b.read(&self.settings);
        let (ipv4, data) = (rx.field("ipv4"), rx.field("frame.data"));
        let first = rx.field("frame.index").eq_lit(0);
        b.unused(config);

        let local_port = data.bytes(36, 2).swap_bytes();
        let (ports, known) = (config.field("rpc_ports"), config.field("rpc_port_valid"));
        let hits: Vec<_> = (0..PORTS)
            .map(|entry| known.bit(entry) & ports.slice(16 * entry, 16).eq(local_port))
            .collect();
        let hit = b.wire("hit", b.tree(&hits, |x, y| x | y));

        let packet_end = ipv4.field("end_bytes");
        let length = data.bytes(38, 2).swap_bytes();
        let runs_past = (length.zext(17) + b.lit(17, START)).gt(packet_end);
        let meta = b.reg_data("udp_q", 3 * 16 + 2);
        b.when(valid & first, || {
            meta.set(b.cat_le(&[
                ipv4.field("plain_udp") & hit,
                data.bytes(34, 2).swap_bytes(),
                local_port,
                length,
                runs_past | length.lt(b.lit(16, HEADER_BYTES)),
            ]));
        });
        let (frame, ipv4_q) = (
            b.reg_of::<FrameBeat>("frame_q"),
            b.reg_data("ipv4_q", ipv4.width()),
        );
        frame.set(rx.field("frame"));
        b.when(valid, || ipv4_q.set(ipv4));
        let packet_bad = b.reg_data("packet_bad_q", 1);
        let frame_end = rx.field("frame.length_bytes").zext(17);
        packet_bad.set(packet_end.gt(frame_end) | packet_end.lt(b.lit(17, START)));
        let valid_q = b.reg("valid_q", 1);
        valid_q.set(valid);

        let udp = b.pack::<UdpMeta>(&[
            ("ipv4", ipv4_q.q()),
            ("rpc_port", meta.q().bit(0)),
            ("source_port", meta.q().slice(1, 16)),
            ("local_port", meta.q().slice(17, 16)),
            ("length_bytes", meta.q().slice(33, 16)),
            ("length_bad", meta.q().bit(49)),
            ("packet_bad", packet_bad.q()),
        ]);
        b.drive(&self.beat.valid, valid_q.q());
        let beat = [("frame", frame.q()), ("udp", udp)];
        b.drive(&self.beat.payload, b.pack::<UdpBeat>(&beat));
    }
}
leaf!(impl[] UdpDecoder { beat });
