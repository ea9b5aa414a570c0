//! # Receive path
//! From the MAC to accepted calls, bypass frames and answers. It never stalls: whatever it cannot keep
//! is dropped and counted, and every frame ends in exactly one disposition counter.
//!
//! ```text
//! mac ─▶ ethernet ─▶ ipv4 ─▶ udp ─▶ oncrpc ──────────────▶ verdict ─▶ commit ─▶ call, frame, reply …
//!            │                        ├─▶ services ─────────▶│           ▲
//!            │                        ├─▶ programs ─────────▶│           │
//!            └─▶ checksum ────────────┼─────────────────────▶│           │
//!                                     ├─▶ slot writer ──────▶┘─▶ buffer  │
//!                                     └─▶ bypass queue ──────────────────┘
//! ```
//!
//! | block | function | cycle of its output, last beat on `mac` in cycle 0 |
//! |---|---|---|
//! | [`ethernet::EthernetDecoder`] | addresses, type, length | 1 |
//! | [`ipv4::Ipv4Decoder`] | is it plain UDP for this card? | 2 |
//! | [`udp::UdpDecoder`] | RPC port table, lengths | 3 |
//! | [`oncrpc::OncRpcDecoder`] | class and key; verdict on the headers | 4; 6 |
//! | [`checksum::ChecksumVerifier`] | IPv4 header and UDP checksum | 6 |
//! | [`hash_table::HashTable`] | services, programs | 6 |
//! | [`slot_writer::SlotWriter`] | slot, line image in the packet buffer | 6, last write 7 |
//! | [`bypass_queue::BypassQueue`] | frames for the bypass, line images | 7, one more for each further beat |
//! | [`verdict::Verdict`] | what is to become of the frame | 7 |
//! | [`commit::Commit`] | session, descriptor, delivery, counters | 8 |
//!
//! [`RxPath`] takes frames while `enable` is set; others count as `rx_drop_not_for_us`, unless they are
//! bad as such. Entries and switches are looked at frame by frame: a change takes effect between frames.
//! The packet buffer is written in every beat that a message touches and in no other, so whoever reads a
//! slot must not show beats beyond the message's end.

pub mod bypass_queue;
pub mod checksum;
pub mod commit;
pub mod ethernet;
pub mod hash_table;
pub mod ipv4;
pub mod model;
pub mod oncrpc;
pub mod slot_writer;
#[cfg(test)]
mod tests;
pub mod types;
pub mod udp;
pub mod verdict;

use crate::design::Design;
use crate::stream::fifo::Fifo;
use crate::types::{
    BufferWrite, DescriptorWrite, DispatchRequest, FlowIn, FlowOut, FrameWrite, MacBeat, NicReply,
    ProgramEntry, ProgramWrite, RxConfig, RxEvents, ServiceEntry, ServiceWrite, SessionHandle,
    SessionOpen, StreamIn, StreamOut, TableIndex,
};
use bypass_queue::BypassQueue;
use checksum::ChecksumVerifier;
use commit::{Commit, REPLIES};
use ethernet::EthernetDecoder;
use hash_table::{ProgramTable, ServiceTable};
use ipv4::Ipv4Decoder;
use lauberhorn_interface::NicConfig;
use oncrpc::OncRpcDecoder;
use rust_hdl::prelude::*;
use slot_writer::SlotWriter;
use types::{BypassFrame, ChecksumVerdict, Decision, HeaderVerdict, Ipv4Beat, SlotTaken, UdpBeat};
use udp::UdpDecoder;
use verdict::Verdict;

/// The receive path.
#[derive(LogicBlock, Default)]
pub struct RxPath {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Frames from the MAC, without FCS.
    pub mac: FlowIn<MacBeat>,
    /// Addresses, ports and switches.
    pub settings: Signal<In, RxConfig>,
    /// Free slots for calls.
    pub call_slot: StreamIn<Bits<10>>,
    /// Free slots for bypass frames.
    pub bypass_slot: StreamIn<Bits<10>>,
    /// Free sessions.
    pub session: StreamIn<SessionHandle>,
    /// Call slots of frames that are not delivered.
    pub call_slot_free: FlowOut<Bits<10>>,
    /// Bypass slots of frames that are not delivered.
    pub bypass_slot_free: FlowOut<Bits<10>>,
    /// Line images of calls.
    pub buffer: FlowOut<BufferWrite>,
    /// Line images of bypass frames.
    pub frame_buffer: FlowOut<FrameWrite>,
    /// Line headers.
    pub descriptor: FlowOut<DescriptorWrite>,
    /// Sessions of accepted calls.
    pub session_open: FlowOut<SessionOpen>,
    /// Accepted calls, not before their last write.
    pub call: FlowOut<DispatchRequest>,
    /// Bypass frames, not before their last write.
    pub frame: FlowOut<DispatchRequest>,
    /// Answers of the card.
    pub reply: StreamOut<NicReply>,
    /// Changes of the service table.
    pub services: FlowIn<ServiceWrite>,
    /// Service entry to show.
    pub service_read: FlowIn<TableIndex>,
    /// The entry shown, from 3 cycles after the read at the latest.
    pub service_entry: Signal<Out, ServiceEntry>,
    /// Changes of the program table.
    pub programs: FlowIn<ProgramWrite>,
    /// Program entry to show.
    pub program_read: FlowIn<TableIndex>,
    /// The entry shown, from 3 cycles after the read at the latest.
    pub program_entry: Signal<Out, ProgramEntry>,
    /// For the counters.
    pub events: Signal<Out, RxEvents>,
    ethernet: EthernetDecoder,
    ipv4: Ipv4Decoder,
    udp: UdpDecoder,
    oncrpc: OncRpcDecoder,
    checksum: ChecksumVerifier,
    service_table: ServiceTable,
    program_table: ProgramTable,
    slot_writer: SlotWriter,
    bypass_queue: BypassQueue,
    verdict: Verdict,
    commit: Commit,
    replies: Fifo<NicReply>,
}

impl RxPath {
    /// The receive path of a card.
    pub fn new(config: &NicConfig) -> Self {
        let slots = config.call_slots() + config.bypass_slots();
        assert!(
            slots <= 1 << 10 && slots * config.slot_beats() <= 1 << 16,
            "RxPath: {slots} slots of {} beats, allowed are 1024 slots and 65536 beats",
            config.slot_beats()
        );
        Self {
            ethernet: EthernetDecoder::new(config.max_frame_bytes()),
            service_table: ServiceTable::services(config.service_entries()),
            program_table: ProgramTable::programs(config.program_entries()),
            slot_writer: SlotWriter::new(config.slot_beats()),
            bypass_queue: BypassQueue::new(config.slot_beats(), config.bypass_slots()),
            replies: Fifo::new(REPLIES),
            ..Self::default()
        }
    }
}

impl Logic for RxPath {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            ethernet,
            ipv4,
            udp,
            oncrpc,
            checksum,
            slot_writer
        );
        clock!(self, clock, service_table, program_table, bypass_queue);
        clock!(self, clock, verdict, commit, replies);
        self.ethernet.reset.next = self.reset.val();
        self.ipv4.reset.next = self.reset.val();
        self.udp.reset.next = self.reset.val();
        self.oncrpc.reset.next = self.reset.val();
        self.checksum.reset.next = self.reset.val();
        self.service_table.reset.next = self.reset.val();
        self.program_table.reset.next = self.reset.val();
        self.slot_writer.reset.next = self.reset.val();
        self.bypass_queue.reset.next = self.reset.val();
        self.verdict.reset.next = self.reset.val();
        self.commit.reset.next = self.reset.val();
        self.replies.reset.next = self.reset.val();

        // Headers.
        FlowIn::<MacBeat>::link(&mut self.mac, &mut self.ethernet.mac);
        self.ethernet.settings.next = self.settings.val();
        self.ipv4.settings.next = self.settings.val();
        self.udp.settings.next = self.settings.val();
        self.ipv4.rx.payload.next = self.ethernet.beat.payload.val();
        self.ipv4.rx.valid.next = self.ethernet.beat.valid.val();
        self.checksum.rx.payload.next = self.ethernet.beat.payload.val();
        self.checksum.rx.valid.next = self.ethernet.beat.valid.val();
        FlowOut::<Ipv4Beat>::join(&mut self.ipv4.beat, &mut self.udp.rx);
        FlowOut::<UdpBeat>::join(&mut self.udp.beat, &mut self.oncrpc.rx);

        // Tables.
        self.service_table.key.payload.next = self.oncrpc.key.payload.val();
        self.service_table.key.valid.next = self.oncrpc.key.valid.val();
        self.program_table.key.payload.next = self.oncrpc.program_key.payload.val();
        self.program_table.key.valid.next = self.oncrpc.program_key.valid.val();
        FlowIn::<ServiceWrite>::link(&mut self.services, &mut self.service_table.write);
        FlowIn::<TableIndex>::link(&mut self.service_read, &mut self.service_table.read);
        self.service_entry.next = self.service_table.entry.val();
        FlowIn::<ProgramWrite>::link(&mut self.programs, &mut self.program_table.write);
        FlowIn::<TableIndex>::link(&mut self.program_read, &mut self.program_table.read);
        self.program_entry.next = self.program_table.entry.val();

        // Storage.
        self.slot_writer.rx.payload.next = self.oncrpc.beat.payload.val();
        self.slot_writer.rx.valid.next = self.oncrpc.beat.valid.val();
        self.bypass_queue.rx.payload.next = self.oncrpc.beat.payload.val();
        self.bypass_queue.rx.valid.next = self.oncrpc.beat.valid.val();
        StreamIn::<Bits<10>>::link(&mut self.call_slot, &mut self.slot_writer.call_slot);
        StreamIn::<Bits<10>>::link(&mut self.bypass_slot, &mut self.bypass_queue.bypass_slot);
        FlowOut::<BufferWrite>::link(&mut self.buffer, &mut self.slot_writer.buffer);
        FlowOut::<FrameWrite>::link(&mut self.frame_buffer, &mut self.bypass_queue.write);

        // Decision.
        FlowOut::<HeaderVerdict>::join(&mut self.oncrpc.verdict, &mut self.verdict.header);
        FlowOut::<ChecksumVerdict>::join(&mut self.checksum.verdict, &mut self.verdict.checksum);
        FlowOut::<SlotTaken>::join(&mut self.slot_writer.slot, &mut self.verdict.slot);
        FlowOut::<ServiceEntry>::join(&mut self.service_table.found, &mut self.verdict.service);
        FlowOut::<ProgramEntry>::join(&mut self.program_table.found, &mut self.verdict.program);
        FlowOut::<Decision>::join(&mut self.verdict.decision, &mut self.commit.decision);
        StreamOut::<BypassFrame>::join(&mut self.bypass_queue.frame, &mut self.commit.bypass);
        self.commit.bypass_events.next = self.bypass_queue.events.val();
        StreamIn::<SessionHandle>::link(&mut self.session, &mut self.commit.session);

        // Results.
        FlowOut::<DispatchRequest>::link(&mut self.call, &mut self.commit.call);
        FlowOut::<DispatchRequest>::link(&mut self.frame, &mut self.commit.frame);
        FlowOut::<DescriptorWrite>::link(&mut self.descriptor, &mut self.commit.descriptor);
        FlowOut::<SessionOpen>::link(&mut self.session_open, &mut self.commit.session_open);
        FlowOut::<Bits<10>>::link(&mut self.call_slot_free, &mut self.commit.call_slot_free);
        FlowOut::<Bits<10>>::link(
            &mut self.bypass_slot_free,
            &mut self.commit.bypass_slot_free,
        );
        StreamOut::<NicReply>::join(&mut self.commit.reply, &mut self.replies.rx);
        self.commit.queued_replies.next = self.replies.level.val();
        StreamOut::<NicReply>::link(&mut self.reply, &mut self.replies.tx);
        self.events.next = self.commit.events.val();
    }
}

/// Every block in the sizes of the named configurations, and the whole path.
pub fn designs() -> Vec<Design> {
    let mut designs = vec![
        Design::leaf("net_rx_ipv4", Ipv4Decoder::default()),
        Design::leaf("net_rx_udp", UdpDecoder::default()),
        Design::leaf("net_rx_oncrpc", OncRpcDecoder::default()),
        Design::leaf("net_rx_checksum", ChecksumVerifier::default()),
        Design::leaf("net_rx_verdict", Verdict::default()),
        Design::leaf("net_rx_commit", Commit::default()),
        Design::leaf("net_rx_services_2", ServiceTable::services(2)),
        Design::leaf("net_rx_services_128", ServiceTable::services(128)),
        Design::leaf("net_rx_programs_32", ProgramTable::programs(32)),
    ];
    for (name, config) in [
        ("1500", NicConfig::eci()),
        ("9000", NicConfig::eci_16_jumbo()),
    ] {
        let (beats, slots) = (config.slot_beats(), config.bypass_slots());
        let ethernet = EthernetDecoder::new(config.max_frame_bytes());
        designs.push(Design::leaf(&format!("net_rx_ethernet_{name}"), ethernet));
        let writer = SlotWriter::new(beats);
        designs.push(Design::leaf(&format!("net_rx_slot_writer_{name}"), writer));
        let queue = BypassQueue::new(beats, slots);
        designs.push(Design::leaf(&format!("net_rx_bypass_queue_{name}"), queue));
    }
    designs.push(Design::composite("rx_path", RxPath::new(&NicConfig::eci())));
    designs.push(Design::composite(
        "rx_path_jumbo",
        RxPath::new(&NicConfig::eci_16_jumbo()),
    ));
    designs
}
