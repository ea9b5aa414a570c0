//! # Ethernet decoder
//! Numbers the beats of a frame, measures the frame and reads its Ethernet header. Bytes beyond the
//! end of the frame are cleared. No VLAN tags: a tagged frame is one of unknown type.
//!
//! Spec: IEEE 802.3, Ethernet II framing.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `mac` | in | flow of [`MacBeat`] | frames without FCS; gaps anywhere |
//! | `settings` | in | [`RxConfig`] | looked at with the first beat of a frame |
//! | `beat` | out | flow of [`EthernetBeat`] | the same beats |
//!
//! Latency: 1 cycle. Throughput: 1 beat/cycle. Backpressure: none, it never stalls.
//! Ordering: kept. Reset: the next beat is the first of a frame.
//! Errors: frames with a MAC error, shorter than 14 bytes or longer than the MTU allows are marked and
//! pass. With `enable` low every frame is marked as not for this card. Counters: none.

use super::types::{EthernetBeat, EthernetMeta, FrameBeat, FrameFault};
use crate::leaf;
use crate::rtl::{Body, Leaf};
use crate::types::{FlowIn, FlowOut, MacBeat, RxConfig};
use rust_hdl::prelude::*;

/// The block.
#[derive(LogicBlock, Default)]
pub struct EthernetDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Frames from the MAC.
    pub mac: FlowIn<MacBeat>,
    /// Addresses and switches.
    pub settings: Signal<In, RxConfig>,
    /// The same beats with what was found.
    pub beat: FlowOut<EthernetBeat>,
    _max_frame_bytes: usize,
}

impl EthernetDecoder {
    /// A decoder for frames of up to `max_frame_bytes` bytes, at most 16,000.
    pub fn new(max_frame_bytes: usize) -> Self {
        assert!(
            max_frame_bytes <= 16_000,
            "EthernetDecoder: max_frame_bytes is {max_frame_bytes}, allowed is up to 16000"
        );
        Self {
            _max_frame_bytes: max_frame_bytes,
            ..Self::default()
        }
    }
}

impl Leaf for EthernetDecoder {
    fn body(&self, b: &Body) {
        let (mac, config) = (b.read(&self.mac.payload), b.read(&self.settings));
        let valid = b.read(&self.mac.valid);
        let (data, keep, last) = (mac.field("data"), mac.field("keep"), mac.field("last"));
        b.unused(b.cat(&[config.field("ipv4"), config.field("rpc_ports")]));
        b.unused(config.field("rpc_port_valid"));

        let index = b.reg("index_q", 8);
        let first = b.wire("first", index.q().eq_lit(0));
        let following = b.wire("following", index.q().all().mux(index.q(), index.q().inc()));
        b.when(valid, || index.set(last.mux(b.zero(8), following)));

        // The end of the kept bytes, one-hot, gives the length without an adder.
        let ends: Vec<_> = (0..64)
            .map(|byte| match byte {
                63 => keep.bit(63),
                _ => keep.bit(byte) & !keep.bit(byte + 1),
            })
            .collect();
        let count: Vec<_> = (0..6)
            .map(|bit| {
                let set = (0..64).filter(|byte| (byte + 1) >> bit & 1 == 1);
                b.tree(&set.map(|byte| ends[byte]).collect::<Vec<_>>(), |x, y| {
                    x | y
                })
            })
            .collect();
        let whole = keep.bit(63).mux(following, index.q());
        let length = b.cat(&[b.zero(2), whole, b.cat_le(&count)]);
        let (max_beats, max_rest) = (self._max_frame_bytes / 64, self._max_frame_bytes % 64);
        let max_beats = b.lit(8, max_beats as u128);
        let oversize = index.q().gt(max_beats) | index.q().eq(max_beats) & keep.bit(max_rest);

        let kept: Vec<_> = (0..64).map(|byte| keep.bit(byte).repeat(8)).collect();
        let fault = b.pack::<FrameFault>(&[
            ("mac_error", mac.field("error")),
            ("runt", first & !keep.bit(13)),
            ("oversize", oversize),
        ]);
        let frame = b.reg_of::<FrameBeat>("frame_q");
        frame.set(b.pack::<FrameBeat>(&[
            ("data", data & b.cat_le(&kept)),
            ("index", index.q()),
            ("last", last),
            ("length_bytes", length),
            ("fault", fault),
        ]));

        let own = b.wire("own", data.bytes(0, 6).eq(config.field("mac")));
        let wanted = own | data.bit(0) | config.field("promiscuous");
        let meta = b.reg_of::<EthernetMeta>("ethernet_q");
        b.when(valid & first, || {
            meta.set(b.pack::<EthernetMeta>(&[
                ("not_for_us", !(config.field("enable") & wanted)),
                ("own", own),
                ("ipv4", data.bytes(12, 2).eq_lit(0x0008)),
                ("peer_mac", data.bytes(6, 6)),
            ]));
        });
        let valid_q = b.reg("valid_q", 1);
        valid_q.set(valid);

        b.drive(&self.beat.valid, valid_q.q());
        let beat = [("frame", frame.q()), ("ethernet", meta.q())];
        b.drive(&self.beat.payload, b.pack::<EthernetBeat>(&beat));
    }
}
leaf!(impl[] EthernetDecoder { beat });
