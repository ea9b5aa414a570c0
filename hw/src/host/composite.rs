//! The whole host side: wiring only. See the [module text](super).

use super::buffers::{PacketBuffer, TransmitLines};
use super::fill::FillEngine;
use super::gather::Gather;
use super::intake::Intake;
use super::preempt::PreemptionLines;
use super::recall::RecallPort;
use super::reset::ResetControl;
use super::router::LineRouter;
use super::rx::RxHalf;
use super::shape::Shape;
use super::tally::{SlotReturn, Tally};
use super::tx::TxHalf;
use super::types::{EndpointLoad, FillRequest, PreemptionEvent, RecallRequest};
use crate::dispatch::Dispatcher;
use crate::stream::arbiter::Arbiter;
use crate::stream::fifo::Fifo;
use crate::types::{
    BufferWrite, DescriptorWrite, DispatchRequest, FlowIn, FlowOut, FrameWrite, HostConfig,
    HostEvents, LineFill, LineLoad, LineRecall, LineRecallAck, LineWriteback, SessionHandle,
    SessionOwner, StreamIn, StreamOut, TxMessage,
};
use rust_hdl::prelude::*;

/// Loads of no line that may wait for their answer.
const ZEROS_DEPTH: usize = 16;

/// The host side of a card with `E` endpoints, the bypass included.
#[derive(LogicBlock)]
pub struct Host<const E: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// What the endpoints need to know of the register file.
    pub settings: Signal<In, HostConfig>,
    /// Line port: the host loads a line.
    pub load: StreamIn<LineLoad>,
    /// Line port: answers to loads.
    pub fill: StreamOut<LineFill>,
    /// Line port: lines given back unasked.
    pub writeback: StreamIn<LineWriteback>,
    /// Line port: lines wanted back.
    pub recall: StreamOut<LineRecall>,
    /// Line port: lines given back when recalled.
    pub recall_ack: StreamIn<LineRecallAck>,
    /// Accepted calls; their data is complete.
    pub call: FlowIn<DispatchRequest>,
    /// Bypass frames; their data is complete.
    pub frame: FlowIn<DispatchRequest>,
    /// Line images of calls into the packet buffer.
    pub buffer: FlowIn<BufferWrite>,
    /// Line images of bypass frames into the packet buffer.
    pub frame_buffer: FlowIn<FrameWrite>,
    /// Message headers.
    pub descriptor: FlowIn<DescriptorWrite>,
    /// Who serves a session.
    pub session_owner: FlowOut<SessionOwner>,
    /// Call slots whose message was acknowledged.
    pub call_slot_free: FlowOut<Bits<10>>,
    /// Bypass slots whose frame was acknowledged.
    pub bypass_slot_free: FlowOut<Bits<10>>,
    /// Complete messages.
    pub message: StreamOut<TxMessage>,
    /// Transmit path reads a beat: endpoint times beats per slot, plus beat of the line image.
    pub lines_read: FlowIn<Bits<16>>,
    /// That beat, one cycle later.
    pub lines_data: Signal<Out, Bits<512>>,
    /// Endpoint whose message was read.
    pub taken: FlowIn<Bits<5>>,
    /// Endpoints to be taken from their workers.
    pub reset_start: FlowIn<Bits<17>>,
    /// Those for which that has not ended.
    pub reset_running: Signal<Out, Bits<17>>,
    /// Workers that have yielded their core.
    pub yielded: Signal<Out, Bits<16>>,
    /// Endpoint whose sessions are to be found.
    pub sweep: FlowOut<Bits<5>>,
    /// Sessions that were found.
    pub orphan: StreamIn<SessionHandle>,
    /// There are no more.
    pub swept: Signal<In, Bit>,
    /// Calls that no worker has yet.
    pub queued_calls: Signal<Out, Bits<16>>,
    /// Events of this cycle.
    pub events: Signal<Out, HostEvents>,
    pub(super) calls: Dispatcher,
    pub(super) frames: Dispatcher,
    pub(super) router: LineRouter,
    pub(super) rx_loads: Vec<Fifo<EndpointLoad>>,
    pub(super) tx_loads: Vec<Fifo<EndpointLoad>>,
    pub(super) zeros: Fifo<FillRequest>,
    pub(super) rx: Vec<RxHalf>,
    pub(super) tx: Vec<TxHalf>,
    pub(super) rx_fills: Arbiter<FillRequest>,
    pub(super) tx_fills: Arbiter<FillRequest>,
    pub(super) fills: Arbiter<FillRequest>,
    pub(super) fill_sources: Gather<FillRequest>,
    pub(super) rx_recalls: Arbiter<RecallRequest>,
    pub(super) tx_recalls: Arbiter<RecallRequest>,
    pub(super) messages: Arbiter<TxMessage>,
    pub(super) slots: Arbiter<Bits<10>>,
    pub(super) slot_return: SlotReturn,
    pub(super) intake: Intake,
    pub(super) packets: PacketBuffer,
    pub(super) transmit: TransmitLines,
    pub(super) fill_engine: FillEngine,
    pub(super) recall_port: RecallPort,
    pub(super) tally: Tally,
    pub(super) resets: ResetControl,
    pub(super) preemption: PreemptionLines,
}

impl<const E: usize> Host<E> {
    /// The host side of this shape.
    ///
    /// # Panics
    /// When the shape has another number of endpoints.
    pub fn new(shape: &Shape) -> Self {
        assert!(
            shape.endpoints() == E,
            "host: built for {E} endpoints, the configuration has {}",
            shape.endpoints()
        );
        let queues = || {
            (0..E)
                .map(|_| Fifo::new(shape.load_queue_depth()))
                .collect()
        };
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            settings: Signal::default(),
            load: StreamIn::default(),
            fill: StreamOut::default(),
            writeback: StreamIn::default(),
            recall: StreamOut::default(),
            recall_ack: StreamIn::default(),
            call: FlowIn::default(),
            frame: FlowIn::default(),
            buffer: FlowIn::default(),
            frame_buffer: FlowIn::default(),
            descriptor: FlowIn::default(),
            session_owner: FlowOut::default(),
            call_slot_free: FlowOut::default(),
            bypass_slot_free: FlowOut::default(),
            message: StreamOut::default(),
            lines_read: FlowIn::default(),
            lines_data: Signal::default(),
            taken: FlowIn::default(),
            reset_start: FlowIn::default(),
            reset_running: Signal::default(),
            yielded: Signal::default(),
            sweep: FlowOut::default(),
            orphan: StreamIn::default(),
            swept: Signal::default(),
            queued_calls: Signal::default(),
            events: Signal::default(),
            calls: Dispatcher::calls(shape),
            frames: Dispatcher::bypass(shape),
            router: LineRouter::new(shape),
            rx_loads: queues(),
            tx_loads: queues(),
            zeros: Fifo::new(ZEROS_DEPTH),
            rx: (0..E).map(|e| RxHalf::new(shape, e)).collect(),
            tx: (0..E).map(|e| TxHalf::new(shape, e)).collect(),
            rx_fills: Arbiter::items(E),
            tx_fills: Arbiter::items(E),
            fills: Arbiter::items(Gather::<FillRequest>::WAYS),
            fill_sources: Gather::new(),
            rx_recalls: Arbiter::items(E),
            tx_recalls: Arbiter::items(E),
            messages: Arbiter::items(E),
            slots: Arbiter::items(E),
            slot_return: SlotReturn::new(shape),
            intake: Intake::new(shape),
            packets: PacketBuffer::new(shape),
            transmit: TransmitLines::new(shape),
            fill_engine: FillEngine::new(shape),
            recall_port: RecallPort::new(shape),
            tally: Tally::new(shape),
            resets: ResetControl::new(shape),
            preemption: PreemptionLines::new(shape),
        }
    }
}

impl<const E: usize> Logic for Host<E> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self, clock, calls, frames, router, zeros, rx_fills, tx_fills, fills
        );
        clock!(self, clock, rx_recalls, tx_recalls, messages, slots);
        clock!(
            self,
            clock,
            intake,
            packets,
            transmit,
            fill_engine,
            recall_port,
            tally,
            resets,
            preemption
        );
        self.calls.reset.next = self.reset.val();
        self.frames.reset.next = self.reset.val();
        self.router.reset.next = self.reset.val();
        self.zeros.reset.next = self.reset.val();
        self.rx_fills.reset.next = self.reset.val();
        self.tx_fills.reset.next = self.reset.val();
        self.fills.reset.next = self.reset.val();
        self.rx_recalls.reset.next = self.reset.val();
        self.tx_recalls.reset.next = self.reset.val();
        self.messages.reset.next = self.reset.val();
        self.slots.reset.next = self.reset.val();
        self.intake.reset.next = self.reset.val();
        self.packets.reset.next = self.reset.val();
        self.fill_engine.reset.next = self.reset.val();
        self.recall_port.reset.next = self.reset.val();
        self.tally.reset.next = self.reset.val();
        self.resets.reset.next = self.reset.val();
        self.preemption.reset.next = self.reset.val();

        // Messages to endpoints.
        self.calls.settings.next = self.settings.val();
        self.frames.settings.next = self.settings.val();
        FlowIn::<DispatchRequest>::link(&mut self.call, &mut self.calls.request);
        FlowIn::<DispatchRequest>::link(&mut self.frame, &mut self.frames.request);
        FlowOut::<SessionOwner>::link(&mut self.session_owner, &mut self.calls.owner);
        self.queued_calls.next = self.calls.queued.val();

        // Endpoints taken from their workers.
        FlowIn::<Bits<17>>::link(&mut self.reset_start, &mut self.resets.start);
        self.reset_running.next = self.resets.running.val();
        FlowOut::<Bits<5>>::link(&mut self.sweep, &mut self.resets.sweep);
        StreamIn::<SessionHandle>::link(&mut self.orphan, &mut self.resets.orphan);
        self.resets.swept.next = self.swept.val();

        // Preemption lines.
        self.preemption.settings.next = self.settings.val();
        FlowOut::<PreemptionEvent>::join(&mut self.intake.preemption, &mut self.preemption.event);
        self.preemption.done.payload.next = self.fill_engine.done.payload.val();
        self.preemption.done.valid.next = self.fill_engine.done.valid.val();
        self.yielded.next = self.preemption.yielded.val();

        // Loads to endpoints.
        StreamIn::<LineLoad>::link(&mut self.load, &mut self.router.load);
        StreamOut::<FillRequest>::join(&mut self.router.zeros, &mut self.zeros.rx);
        self.tally.stray.next = self.router.stray.val();

        for i in 0..E {
            self.rx_loads[i].clock.next = self.clock.val();
            self.rx_loads[i].reset.next = self.reset.val();
            self.tx_loads[i].clock.next = self.clock.val();
            self.tx_loads[i].reset.next = self.reset.val();
            self.rx[i].clock.next = self.clock.val();
            self.rx[i].reset.next = self.reset.val();
            self.tx[i].clock.next = self.clock.val();
            self.tx[i].reset.next = self.reset.val();
            self.rx[i].settings.next = self.settings.val();
            self.rx[i].sending.next = self.tx[i].sending.val();
            self.tx[i].settings.next = self.settings.val();
            self.rx[i].resetting.next = self.resets.resetting[i].val();
            self.tx[i].resetting.next = self.resets.resetting[i].val();
            self.resets.rx_cleared[i].next = self.rx[i].cleared.val();
            self.resets.tx_cleared[i].next = self.tx[i].cleared.val();
            self.preemption.resetting[i].next = self.resets.resetting[i].val();
            self.resets.preemption_cleared[i].next = self.preemption.cleared[i].val();
            self.tx[i].orphan.payload.next = self.resets.give.payload.val();
            self.tx[i].orphan.valid.next = self.resets.give.valid.val();
            self.rx[i].call.payload.next = self.calls.assign.payload.val();
            self.rx[i].call.valid.next = self.calls.assign.valid.val();
            self.rx[i].frame.payload.next = self.frames.assign.payload.val();
            self.rx[i].frame.valid.next = self.frames.assign.valid.val();
            StreamOut::<Bits<10>>::join(&mut self.rx[i].free, &mut self.slots.rx[i]);
            self.calls.waiting[i].next = self.rx[i].waiting.val();
            self.frames.waiting[i].next = self.rx[i].waiting.val();
            StreamOut::<EndpointLoad>::join(&mut self.router.rx[i], &mut self.rx_loads[i].rx);
            StreamOut::<EndpointLoad>::join(&mut self.router.tx[i], &mut self.tx_loads[i].rx);
            StreamOut::<EndpointLoad>::join(
                &mut self.router.preemption[i],
                &mut self.preemption.load[i],
            );
            StreamOut::<EndpointLoad>::join(&mut self.rx_loads[i].tx, &mut self.rx[i].load);
            StreamOut::<EndpointLoad>::join(&mut self.tx_loads[i].tx, &mut self.tx[i].load);
            StreamOut::<FillRequest>::join(&mut self.rx[i].fill, &mut self.rx_fills.rx[i]);
            StreamOut::<FillRequest>::join(&mut self.tx[i].fill, &mut self.tx_fills.rx[i]);
            StreamOut::<RecallRequest>::join(&mut self.rx[i].recall, &mut self.rx_recalls.rx[i]);
            StreamOut::<RecallRequest>::join(&mut self.tx[i].recall, &mut self.tx_recalls.rx[i]);
            StreamOut::<TxMessage>::join(&mut self.tx[i].message, &mut self.messages.rx[i]);
            self.rx[i].event.payload.next = self.intake.event.payload.val();
            self.rx[i].event.valid.next = self.intake.event.valid.val();
            self.tx[i].event.payload.next = self.intake.event.payload.val();
            self.tx[i].event.valid.next = self.intake.event.valid.val();
            self.rx[i].done.payload.next = self.fill_engine.done.payload.val();
            self.rx[i].done.valid.next = self.fill_engine.done.valid.val();
            self.tx[i].done.payload.next = self.fill_engine.done.payload.val();
            self.tx[i].done.valid.next = self.fill_engine.done.valid.val();
            self.tx[i].taken.payload.next = self.taken.payload.val();
            self.tx[i].taken.valid.next = self.taken.valid.val();
            self.transmit.parity[i].next = self.tx[i].parity.val();
            self.tally.rx[i].next = self.rx[i].events.val();
            self.tally.incomplete[i].next = self.tx[i].incomplete.val();
        }
        StreamOut::<Bits<10>>::join(&mut self.slots.tx, &mut self.slot_return.rx);
        FlowOut::<Bits<10>>::link(&mut self.call_slot_free, &mut self.slot_return.call);
        FlowOut::<Bits<10>>::link(&mut self.bypass_slot_free, &mut self.slot_return.bypass);
        StreamOut::<TxMessage>::link(&mut self.message, &mut self.messages.tx);

        // Lines out.
        StreamOut::<FillRequest>::join(&mut self.rx_fills.tx, &mut self.fill_sources.a);
        StreamOut::<FillRequest>::join(&mut self.tx_fills.tx, &mut self.fill_sources.b);
        StreamOut::<FillRequest>::join(&mut self.zeros.tx, &mut self.fill_sources.c);
        StreamOut::<FillRequest>::join(&mut self.preemption.fill, &mut self.fill_sources.d);
        for i in 0..4 {
            StreamOut::<FillRequest>::join(&mut self.fill_sources.tx[i], &mut self.fills.rx[i]);
        }
        StreamOut::<FillRequest>::join(&mut self.fills.tx, &mut self.fill_engine.request);
        StreamOut::<RecallRequest>::join(&mut self.rx_recalls.tx, &mut self.recall_port.rx);
        StreamOut::<RecallRequest>::join(&mut self.tx_recalls.tx, &mut self.recall_port.tx);
        StreamOut::<RecallRequest>::join(
            &mut self.preemption.recall,
            &mut self.recall_port.preemption,
        );
        FlowOut::<Bits<16>>::join(&mut self.fill_engine.packet_read, &mut self.packets.read);
        FlowOut::<Bits<16>>::join(&mut self.fill_engine.transmit_read, &mut self.transmit.read);
        self.fill_engine.packet_data.next = self.packets.data.val();
        self.fill_engine.packet_header.next = self.packets.header.val();
        self.fill_engine.transmit_data.next = self.transmit.data.val();
        StreamOut::<LineFill>::link(&mut self.fill, &mut self.fill_engine.fill);
        StreamOut::<LineRecall>::link(&mut self.recall, &mut self.recall_port.recall);

        // Lines back, buffers.
        StreamIn::<LineWriteback>::link(&mut self.writeback, &mut self.intake.writeback);
        StreamIn::<LineRecallAck>::link(&mut self.recall_ack, &mut self.intake.recall_ack);
        FlowOut::<BufferWrite>::join(&mut self.intake.write, &mut self.transmit.write);
        FlowIn::<BufferWrite>::link(&mut self.buffer, &mut self.packets.write);
        FlowIn::<FrameWrite>::link(&mut self.frame_buffer, &mut self.packets.frame_write);
        FlowIn::<DescriptorWrite>::link(&mut self.descriptor, &mut self.packets.descriptor);
        FlowIn::<Bits<16>>::link(&mut self.lines_read, &mut self.transmit.lines_read);
        self.lines_data.next = self.transmit.lines_data.val();
        self.events.next = self.tally.events.val();
    }
}
