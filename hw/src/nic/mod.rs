//! # The card
//! Wiring only: receive path, dispatch and endpoints, transmit path, free lists, register file.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | mac_rx | in | `MacBeat` flow | frames from the MAC, without FCS; never refused |
//! | mac_tx | out | `Beat` stream | frames to the MAC, padded to 60 bytes, without FCS |
//! | load, fill, writeback, recall, recall_ack | both | line port | see `docs/src/line_protocol.md` |
//! | bus_events | in | `BusEvents` | what an adapter at the line port reports; zero without one |
//! | csr_request, csr_response | both | register accesses | see [`crate::csr`] |
//!
//! Latency: last beat of a minimal call on `mac_rx` to its first fill beat, and control line to first
//! beat on `mac_tx`, are measured by `lauberhorn bench latency`.
//! Throughput: one beat per cycle each way. Backpressure: none on `mac_rx`; all other streams.
//! Ordering: frames of one caller leave in the order in which their handlers finish.
//! Reset: synchronous; drops everything. Errors and counters: see the blocks.

mod on_bus;

pub use on_bus::{BUSES, NicCxl, NicEci, NicPcie, on_bus_design, tops};

use crate::csr::RegisterFile;
use crate::design::Design;
use crate::host::{Host, Shape};
use crate::net::rx::RxPath;
use crate::net::tx::TxPath;
use crate::stream::free_list::FreeList;
use crate::types::{
    Beat, BufferWrite, BusEvents, CsrRequest, DescriptorWrite, DispatchRequest, FlowIn, FlowOut,
    FrameWrite, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, MacBeat,
    NeighbourWrite, NicReply, ProgramWrite, ServiceWrite, SessionHandle, SessionOpen, SessionOwner,
    StreamIn, StreamOut, TableIndex, TxMessage,
};
use lauberhorn_coherence::EndpointLayout;
use lauberhorn_interface::NicConfig;
use rust_hdl::prelude::*;

/// The card with `E` endpoints, the bypass included. See the [module text](self).
#[derive(LogicBlock)]
pub struct Nic<const E: usize> {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Frames from the wire.
    pub mac_rx: FlowIn<MacBeat>,
    /// Frames to the wire.
    pub mac_tx: StreamOut<Beat>,
    /// The host loads lines.
    pub load: StreamIn<LineLoad>,
    /// Answers to loads.
    pub fill: StreamOut<LineFill>,
    /// The host gives lines back.
    pub writeback: StreamIn<LineWriteback>,
    /// The card asks for lines.
    pub recall: StreamOut<LineRecall>,
    /// Answers to recalls.
    pub recall_ack: StreamIn<LineRecallAck>,
    /// What the adapter at the line port reports.
    pub bus_events: Signal<In, BusEvents>,
    /// Register accesses.
    pub csr_request: StreamIn<CsrRequest>,
    /// Their results.
    pub csr_response: FlowOut<Bits<32>>,
    rx: RxPath,
    tx: TxPath,
    host: Host<E>,
    registers: RegisterFile,
    call_slots: FreeList,
    bypass_slots: FreeList,
}

impl<const E: usize> Nic<E> {
    /// A card of this configuration, which has `E` endpoints.
    pub fn new(config: &NicConfig) -> Self {
        let (calls, bypass) = (config.call_slots(), config.bypass_slots());
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            mac_rx: FlowIn::default(),
            mac_tx: StreamOut::default(),
            load: StreamIn::default(),
            fill: StreamOut::default(),
            writeback: StreamIn::default(),
            recall: StreamOut::default(),
            recall_ack: StreamIn::default(),
            bus_events: Signal::default(),
            csr_request: StreamIn::default(),
            csr_response: FlowOut::default(),
            rx: RxPath::new(config),
            tx: TxPath::new(config),
            host: Host::new(&Shape::new(config, &EndpointLayout::contiguous(config))),
            registers: RegisterFile::new(config),
            call_slots: FreeList::new(0, calls),
            bypass_slots: FreeList::new(calls, bypass),
        }
    }
}

impl<const E: usize> Logic for Nic<E> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            rx,
            tx,
            host,
            registers,
            call_slots,
            bypass_slots
        );
        self.rx.reset.next = self.reset.val();
        self.tx.reset.next = self.reset.val();
        self.host.reset.next = self.reset.val();
        self.registers.reset.next = self.reset.val();
        self.call_slots.reset.next = self.reset.val();
        self.bypass_slots.reset.next = self.reset.val();

        FlowIn::<MacBeat>::link(&mut self.mac_rx, &mut self.rx.mac);
        FlowOut::<BufferWrite>::join(&mut self.rx.buffer, &mut self.host.buffer);
        FlowOut::<FrameWrite>::join(&mut self.rx.frame_buffer, &mut self.host.frame_buffer);
        FlowOut::<DescriptorWrite>::join(&mut self.rx.descriptor, &mut self.host.descriptor);
        FlowOut::<DispatchRequest>::join(&mut self.rx.call, &mut self.host.call);
        FlowOut::<DispatchRequest>::join(&mut self.rx.frame, &mut self.host.frame);
        FlowOut::<SessionOpen>::join(&mut self.rx.session_open, &mut self.tx.session_open);
        StreamOut::<NicReply>::join(&mut self.rx.reply, &mut self.tx.reply);

        StreamIn::<LineLoad>::link(&mut self.load, &mut self.host.load);
        StreamOut::<LineFill>::link(&mut self.fill, &mut self.host.fill);
        StreamIn::<LineWriteback>::link(&mut self.writeback, &mut self.host.writeback);
        StreamOut::<LineRecall>::link(&mut self.recall, &mut self.host.recall);
        StreamIn::<LineRecallAck>::link(&mut self.recall_ack, &mut self.host.recall_ack);

        FlowOut::<Bits<17>>::join(&mut self.registers.reset_start, &mut self.host.reset_start);
        self.registers.reset_running.next = self.host.reset_running.val();
        self.registers.yielded.next = self.host.yielded.val();
        FlowOut::<Bits<5>>::join(&mut self.host.sweep, &mut self.tx.sweep);
        StreamOut::<SessionHandle>::join(&mut self.tx.orphan, &mut self.host.orphan);
        self.host.swept.next = self.tx.swept.val();
        FlowOut::<SessionOwner>::join(&mut self.host.session_owner, &mut self.tx.session_owner);
        StreamOut::<TxMessage>::join(&mut self.host.message, &mut self.tx.message);
        FlowOut::<Bits<16>>::join(&mut self.tx.lines_read, &mut self.host.lines_read);
        self.tx.lines_data.next = self.host.lines_data.val();
        FlowOut::<Bits<5>>::join(&mut self.tx.taken, &mut self.host.taken);
        StreamOut::<Beat>::link(&mut self.mac_tx, &mut self.tx.mac);

        StreamOut::<Bits<10>>::join(&mut self.call_slots.tx, &mut self.rx.call_slot);
        StreamOut::<Bits<10>>::join(&mut self.bypass_slots.tx, &mut self.rx.bypass_slot);
        StreamOut::<SessionHandle>::join(&mut self.tx.session, &mut self.rx.session);
        FlowOut::<Bits<10>>::join(&mut self.rx.call_slot_free, &mut self.call_slots.release_a);
        FlowOut::<Bits<10>>::join(
            &mut self.host.call_slot_free,
            &mut self.call_slots.release_b,
        );
        FlowOut::<Bits<10>>::join(
            &mut self.rx.bypass_slot_free,
            &mut self.bypass_slots.release_a,
        );
        FlowOut::<Bits<10>>::join(
            &mut self.host.bypass_slot_free,
            &mut self.bypass_slots.release_b,
        );

        StreamIn::<CsrRequest>::link(&mut self.csr_request, &mut self.registers.request);
        FlowOut::<Bits<32>>::link(&mut self.csr_response, &mut self.registers.response);
        self.rx.settings.next = self.registers.rx.val();
        self.tx.settings.next = self.registers.tx.val();
        self.host.settings.next = self.registers.host.val();
        FlowOut::<ServiceWrite>::join(&mut self.registers.services, &mut self.rx.services);
        FlowOut::<TableIndex>::join(&mut self.registers.service_read, &mut self.rx.service_read);
        self.registers.service_entry.next = self.rx.service_entry.val();
        FlowOut::<ProgramWrite>::join(&mut self.registers.programs, &mut self.rx.programs);
        FlowOut::<TableIndex>::join(&mut self.registers.program_read, &mut self.rx.program_read);
        self.registers.program_entry.next = self.rx.program_entry.val();
        FlowOut::<NeighbourWrite>::join(&mut self.registers.neighbours, &mut self.tx.neighbours);
        FlowOut::<Bits<8>>::join(
            &mut self.registers.neighbour_read,
            &mut self.tx.neighbour_read,
        );
        self.registers.neighbour_entry.next = self.tx.neighbour_entry.val();

        self.registers.rx_events.next = self.rx.events.val();
        self.registers.tx_events.next = self.tx.events.val();
        self.registers.host_events.next = self.host.events.val();
        self.registers.bus_events.next = self.bus_events.val();
        self.registers.free_call_slots.next = self.call_slots.free.val();
        self.registers.free_bypass_slots.next = self.bypass_slots.free.val();
        self.registers.free_sessions.next = self.tx.free_sessions.val();
        self.registers.queued_calls.next = self.host.queued_calls.val();
    }
}

/// The emitted card of a configuration.
pub fn nic_design(name: &str, config: &NicConfig) -> Design {
    let name = format!("nic_{}", name.replace('-', "_"));
    macro_rules! with_endpoints {
        ($($endpoints:literal)+) => {
            match config.endpoints() {
                $($endpoints => Design::composite(&name, Nic::<$endpoints>::new(config)),)+
                other => unreachable!("a configuration has 2 to 17 endpoints, not {other}"),
            }
        };
    }
    with_endpoints!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17)
}

/// The card in every named configuration.
pub fn designs() -> Vec<Design> {
    NicConfig::NAMES
        .iter()
        .map(|name| {
            let config = NicConfig::named(name).expect("its own names are known");
            nic_design(name, &config)
        })
        .collect()
}

/// Cards of further sizes: they are estimated, so that it is known what an endpoint costs, but not
/// simulated.
pub fn sizes() -> Vec<Design> {
    [(8, "eci-8")]
        .into_iter()
        .map(|(workers, name)| {
            let config = NicConfig::builder().workers(workers).build();
            nic_design(
                name,
                &config.expect("workers alone differ from the defaults"),
            )
        })
        .collect()
}
