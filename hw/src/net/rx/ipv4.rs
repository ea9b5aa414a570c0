//! # IPv4 decoder
//! Reads the IPv4 header that a frame has if its Ethernet header says so. Headers with options and
//! fragments are left to the bypass. The checksum is the checksum verifier's business.
//!
//! Spec: RFC 791.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx` | in | flow of [`EthernetBeat`] | beats of frames |
//! | `settings` | in | [`RxConfig`] | looked at with the first beat of a frame |
//! | `beat` | out | flow of [`Ipv4Beat`] | the same beats |
//!
//! Latency: 1 cycle. Throughput: 1 beat/cycle. Backpressure: none, it never stalls.
//! Ordering: kept. Reset: forgets the beat inside. Errors and counters: none, frames are only marked.

use super::types::{EthernetBeat, FrameBeat, Ipv4Beat, Ipv4Meta};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, FlowOut, RxConfig};
use rust_hdl::prelude::*;

/// Version 4 and a header of five words.
const VERSION_AND_LENGTH: u128 = 0x45;
/// More fragments and fragment offset, as they lie in the little-endian view of bytes 20 and 21.
const FRAGMENT_MASK: u128 = 0xff3f;
const UDP: u128 = 17;
/// Where the header starts in the frame.
const START: u128 = 14;

/// The block.
#[derive(LogicBlock, Default)]
pub struct Ipv4Decoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats of frames.
    pub rx: FlowIn<EthernetBeat>,
    /// Own address.
    pub settings: Signal<In, RxConfig>,
    /// The same beats with what was found.
    pub beat: FlowOut<Ipv4Beat>,
}

impl Leaf for Ipv4Decoder {
    fn body(&self, b: &Body) {
        let (rx, valid) = (b.read(&self.rx.payload), b.read(&self.rx.valid));
        let config = b.read(&self.settings);
        let (ethernet, data) = (rx.field("ethernet"), rx.field("frame.data"));
        b.unused(config);

        let total = data.bytes(16, 2).swap_bytes().zext(17);
        let plain_udp = [
            ethernet.field("own") & ethernet.field("ipv4"),
            data.bytes(14, 1).eq_lit(VERSION_AND_LENGTH),
            (data.bytes(20, 2) & b.lit(16, FRAGMENT_MASK)).eq_lit(0),
            data.bytes(23, 1).eq_lit(UDP),
            data.bytes(30, 4).eq(config.field("ipv4")),
        ];
        let meta = b.reg_of::<Ipv4Meta>("ipv4_q");
        b.when(valid & rx.field("frame.index").eq_lit(0), || {
            meta.set(b.pack::<Ipv4Meta>(&[
                ("ethernet", ethernet),
                ("plain_udp", b.tree(&plain_udp, |x, y| x & y)),
                ("source", data.bytes(26, 4)),
                ("end_bytes", total + b.lit(17, START)),
            ]));
        });
        let frame = b.reg_of::<FrameBeat>("frame_q");
        frame.set(rx.field("frame"));
        let valid_q = b.reg("valid_q", 1);
        valid_q.set(valid);

        b.drive(&self.beat.valid, valid_q.q());
        let beat = [("frame", frame.q()), ("ipv4", meta.q())];
        b.drive(&self.beat.payload, b.pack::<Ipv4Beat>(&beat));
    }
}
leaf!(impl[] Ipv4Decoder { beat });
