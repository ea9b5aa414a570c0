//! A functional card for tests of the simulation itself: decides as the oracle, serves its lines
//! with coherence's home side, takes no time it does not have to. Not the hardware's model.

use std::collections::{BTreeMap, VecDeque};

use lauberhorn_coherence::home::{
    PreemptAction, PreemptEvent, PreemptHome, PreemptWord, RxAction, RxContent, RxEvent, RxHome,
    TxAction, TxContent, TxEvent, TxHome, TxMessage, WaitingLoad,
};
use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::line::{
    AcceptStat, HEADER_BYTES, RxHeader, RxKind, SessionHandle, TxHeader, TxKind,
};
use lauberhorn_interface::registers::address;

use super::{CardFailure, NicInputs, NicOutputs, NicPins};
use crate::csr::{CsrPortOut, RegisterAccess};
use crate::host::{
    BeatData, FillBeat, LineBytes, LinePortOut, MAX_LINE_BYTES, Recall, line_beat, set_line_beat,
};
use crate::oracle::rpc::accepted;
use crate::oracle::{CallId, Decision, Rules};
use crate::wire::{BEAT_BYTES, WireBeat, keep_mask};
use crate::workload::{Route, udp_frame};

/// Content of a TX line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Line(Box<LineBytes>, usize);

impl Default for Line {
    fn default() -> Line {
        Line(Box::new([0; MAX_LINE_BYTES]), MAX_LINE_BYTES)
    }
}

impl Line {
    fn header(&self) -> Option<TxHeader> {
        let header: [u8; HEADER_BYTES] = self.0[..HEADER_BYTES].try_into().ok()?;
        TxHeader::decode(&header)
            .ok()
            .filter(|header| header.kind.is_valid())
    }
}

impl TxContent for Line {
    fn overflow_lines(&self) -> Option<usize> {
        let header = self.header()?;
        Some(header.end_bytes().div_ceil(self.1).max(1) - 1)
    }
}

/// A message for an endpoint: its line image.
type Image = Vec<u8>;

enum Out {
    Fill(FillBeat),
    Recall(Recall),
}

struct Endpoint {
    rx: RxHome<Image>,
    tx: TxHome<Line>,
    preempt: PreemptHome,
    /// Loads of the preemption line; there is one at most.
    word_load: u8,
    waiting_since: Option<u64>,
}

/// The card.
pub struct MockNic {
    config: NicConfig,
    layout: EndpointLayout,
    rules: Rules,
    block_time_cycles: u64,
    cycle: u64,
    endpoints: Vec<Endpoint>,
    queues: [VecDeque<Image>; 2],
    sessions: Vec<(u16, Option<CallId>)>,
    used_slots: [usize; 2],
    counters: BTreeMap<Counter, u64>,
    rx_bytes: Vec<u8>,
    out: VecDeque<Out>,
    next_recall: u16,
    recalls: BTreeMap<u16, LineAddress>,
    writeback: Vec<BeatData>,
    ack: Vec<BeatData>,
    tx: VecDeque<WireBeat>,
    responses: VecDeque<u32>,
    /// Breaks the card on purpose: the n-th reply is sent twice.
    pub repeat_reply: Option<u64>,
}

impl MockNic {
    pub fn new(config: &NicConfig, rules: Rules) -> MockNic {
        let layout = EndpointLayout::contiguous(config);
        let endpoint = || Endpoint {
            rx: RxHome::new(layout.overflow_lines()),
            tx: TxHome::new(layout.overflow_lines()),
            preempt: PreemptHome::default(),
            word_load: 0,
            waiting_since: None,
        };
        MockNic {
            endpoints: (0..layout.endpoints()).map(|_| endpoint()).collect(),
            config: config.clone(),
            layout,
            rules,
            block_time_cycles: 3000,
            cycle: 0,
            queues: Default::default(),
            sessions: vec![(0, None); config.sessions()],
            used_slots: [0; 2],
            counters: BTreeMap::new(),
            rx_bytes: Vec::new(),
            out: VecDeque::new(),
            next_recall: 0,
            recalls: BTreeMap::new(),
            writeback: Vec::new(),
            ack: Vec::new(),
            tx: VecDeque::new(),
            responses: VecDeque::new(),
            repeat_reply: None,
        }
    }

    pub fn counter(&self, counter: Counter) -> u64 {
        let free_sessions = self
            .sessions
            .iter()
            .filter(|(_, call)| call.is_none())
            .count();
        match counter {
            Counter::FreeCallSlots => (self.config.call_slots() - self.used_slots[1]) as u64,
            Counter::FreeBypassSlots => (self.config.bypass_slots() - self.used_slots[0]) as u64,
            Counter::FreeSessions => free_sessions as u64,
            Counter::QueuedCalls => self.queues[1].len() as u64,
            _ => self.counters.get(&counter).copied().unwrap_or(0),
        }
    }

    fn count(&mut self, counter: Counter) {
        *self.counters.entry(counter).or_default() += 1;
    }

    fn frame_in(&mut self, bytes: &[u8], error: bool) {
        self.count(Counter::RxFrames);
        let decision = self.rules.decide(bytes, error);
        let mut counter = decision.counter();
        match decision {
            Decision::Drop(_) => {}
            Decision::Bypass => {
                let header = RxHeader {
                    kind: RxKind::Frame,
                    length_bytes: bytes.len() as u16,
                    ..RxHeader::default()
                };
                if !self.enqueue(0, header, bytes) {
                    counter = Counter::RxDropBypassFull;
                }
            }
            Decision::Answer(_, reply) => self.send_reply(reply.id, &reply.message),
            Decision::Dispatch(call) => {
                let free = self.sessions.iter().position(|(_, user)| user.is_none());
                let Some(index) = free else {
                    return self.count(Counter::RxDropNoSession);
                };
                let header = RxHeader {
                    kind: RxKind::Call,
                    length_bytes: call.body.len() as u16,
                    session: SessionHandle {
                        index: index as u16,
                        generation: self.sessions[index].0,
                    },
                    function: call.function,
                    xid: call.id.xid,
                    procedure: call.procedure,
                    peer_ipv4: u32::from_be_bytes(call.id.ipv4),
                    peer_port: call.id.port,
                    service_id: call.service_id,
                };
                if self.enqueue(1, header, &call.body) {
                    self.sessions[index].1 = Some(call.id);
                } else {
                    counter = Counter::RxDropNoSlot;
                }
            }
        }
        self.count(counter);
    }

    fn enqueue(&mut self, pool: usize, header: RxHeader, body: &[u8]) -> bool {
        let slots = [self.config.bypass_slots(), self.config.call_slots()][pool];
        if self.used_slots[pool] == slots {
            return false;
        }
        self.used_slots[pool] += 1;
        let mut image = header.encode().to_vec();
        image.resize(header.kind.body_offset(), 0);
        image.extend(body);
        self.queues[pool].push_back(image);
        true
    }

    fn send_reply(&mut self, id: CallId, message: &[u8]) {
        let route = Route {
            client_mac: self.rules.mac,
            client_ipv4: self.rules.ipv4,
            client_port: id.local_port,
            card_mac: id.mac,
            card_ipv4: id.ipv4,
        };
        let frame = udp_frame(&route, id.port, message);
        self.send_frame(&frame);
        if self.repeat_reply == Some(self.counter(Counter::TxFrames)) {
            self.send_frame(&frame);
        }
    }

    fn send_frame(&mut self, frame: &[u8]) {
        self.count(Counter::TxFrames);
        let last_idx = frame.len().div_ceil(BEAT_BYTES) - 1;
        for (idx, chunk) in frame.chunks(BEAT_BYTES).enumerate() {
            let mut data = [0; BEAT_BYTES];
            data[..chunk.len()].copy_from_slice(chunk);
            let keep = keep_mask(chunk.len());
            self.tx.push_back(WireBeat {
                data,
                keep,
                last: idx == last_idx,
                error: false,
            });
        }
    }

    /// Fills a line from byte `start` of an image.
    fn fill(&mut self, id: u8, exclusive: bool, image: &[u8], start: usize) {
        let line_bytes = self.layout.line_bytes();
        let mut line = [0; MAX_LINE_BYTES];
        let end = image.len().min(start + line_bytes);
        if start < end {
            line[..end - start].copy_from_slice(&image[start..end]);
        }
        let beats = line_bytes / BEAT_BYTES;
        for beat_idx in 0..beats {
            let (data, last) = (line_beat(&line, beat_idx), beat_idx + 1 == beats);
            self.out.push_back(Out::Fill(FillBeat {
                id,
                exclusive,
                data,
                last,
            }));
        }
    }

    fn recall(&mut self, endpoint: usize, role: LineRole) {
        let line = self.layout.address(endpoint, role).unwrap();
        let id = self.next_recall;
        self.next_recall = self.next_recall.wrapping_add(1);
        self.recalls.insert(id, line);
        self.out.push_back(Out::Recall(Recall {
            address: line.0,
            id,
        }));
    }

    fn rx_event(&mut self, endpoint: usize, event: RxEvent<Image>) {
        let (next, actions) = self.endpoints[endpoint].rx.step(event).unwrap();
        self.endpoints[endpoint].rx = next;
        for action in actions {
            match action {
                RxAction::Fill { load, content } => {
                    let plain = |kind| {
                        RxHeader {
                            kind,
                            ..RxHeader::default()
                        }
                        .encode()
                        .to_vec()
                    };
                    let (image, n) = match content {
                        RxContent::Empty => (plain(RxKind::Empty), 0),
                        RxContent::TryAgain => (plain(RxKind::TryAgain), 0),
                        RxContent::Retire => (plain(RxKind::Retire), 0),
                        RxContent::Request(image) => (image, 0),
                        RxContent::Overflow(image, n) => (image, n + 1),
                        RxContent::Zeros => (Vec::new(), 0),
                    };
                    self.fill(load.id, false, &image, n * self.layout.line_bytes());
                }
                RxAction::Recall(role) => self.recall(endpoint, role),
                RxAction::Free(_) => self.used_slots[usize::from(endpoint > 0)] -= 1,
                RxAction::ResetDone => {}
            }
        }
        let waiting = self.endpoints[endpoint].rx.is_waiting();
        let since = &mut self.endpoints[endpoint].waiting_since;
        *since = waiting.then(|| since.unwrap_or(self.cycle));
    }

    fn tx_event(&mut self, endpoint: usize, event: TxEvent<Line>) {
        let (next, actions) = self.endpoints[endpoint].tx.step(event).unwrap();
        self.endpoints[endpoint].tx = next;
        for action in actions {
            match action {
                TxAction::Fill { load, data } => self.fill(load.id, true, &data.0[..], 0),
                TxAction::Recall(role) => self.recall(endpoint, role),
                TxAction::Offer(message) => {
                    self.take_message(message);
                    self.tx_event(endpoint, TxEvent::Taken);
                }
                TxAction::ResetDone => {}
            }
        }
    }

    fn preempt_event(&mut self, endpoint: usize, event: PreemptEvent) {
        let (next, actions) = self.endpoints[endpoint].preempt.step(event).unwrap();
        self.endpoints[endpoint].preempt = next;
        for action in actions {
            match action {
                PreemptAction::Fill(word) => {
                    let id = self.endpoints[endpoint].word_load;
                    self.fill(id, true, &u64::from(word).to_le_bytes(), 0);
                }
                PreemptAction::Recall => self.recall(endpoint, LineRole::Preemption),
                PreemptAction::ResetDone => {}
            }
        }
    }

    fn register(&mut self, access: &RegisterAccess) -> u32 {
        let workers = 1..self.endpoints.len();
        if let (address::PREEMPT, Some(mask)) = (access.address, access.write) {
            for worker in workers {
                let asked = mask >> (worker - 1) & 1 == 1;
                if asked == self.endpoints[worker].preempt.ready() {
                    let wish = if asked {
                        PreemptEvent::Ask
                    } else {
                        PreemptEvent::Allow
                    };
                    self.preempt_event(worker, wish);
                }
            }
            return 0;
        }
        let mask = |bit: &dyn Fn(&PreemptHome) -> bool| {
            let bits = workers.clone().filter(|e| bit(&self.endpoints[*e].preempt));
            bits.fold(0, |mask, worker| mask | 1 << (worker - 1))
        };
        match access.address {
            address::PREEMPT => mask(&|home| !home.ready()),
            address::YIELDED => mask(&PreemptHome::is_yielded),
            other => {
                let counter = Counter::ALL.iter().find(|c| c.address() == other);
                counter.map_or(0, |&counter| self.counter(counter) as u32)
            }
        }
    }

    fn take_message(&mut self, message: TxMessage<Line>) {
        let TxMessage::Complete { control, overflow } = message else {
            return self.count(Counter::EndpointIncomplete);
        };
        let header = control.header().unwrap();
        let line_bytes = self.layout.line_bytes();
        let mut image = control.0[..line_bytes].to_vec();
        for line in &overflow {
            image.extend(&line.0[..line_bytes]);
        }
        let body = &image[header.kind.body_offset()..header.end_bytes()];
        if header.kind == TxKind::Frame {
            self.send_frame(body);
            return;
        }
        let (generation, user) = &mut self.sessions[usize::from(header.session.index)];
        let id = user
            .take()
            .filter(|_| *generation == header.session.generation)
            .unwrap();
        *generation = generation.wrapping_add(1);
        match header.kind {
            TxKind::Reply => {
                let mut message = accepted(id.xid, AcceptStat::Success, &[]);
                message.extend(body);
                self.send_reply(id, &message);
            }
            TxKind::ErrorReply => {
                let status = AcceptStat::ALL[usize::from(header.status)];
                self.send_reply(id, &accepted(id.xid, status, &[]));
            }
            _ => self.count(Counter::TxReleased),
        }
    }

    /// A line came back, acknowledged or unasked.
    fn line_back(&mut self, line: LineAddress, beats: &[BeatData], dirty: bool, ack: bool) {
        let (endpoint, role) = self.layout.locate(line).unwrap();
        let line_bytes = self.layout.line_bytes();
        let content = dirty.then(|| {
            let mut data = Box::new([0; MAX_LINE_BYTES]);
            for (idx, beat) in beats.iter().enumerate() {
                set_line_beat(&mut data, idx, beat);
            }
            Line(data, line_bytes)
        });
        if role == LineRole::Preemption {
            let word = content.map(|line| {
                let bytes = line.0[..8].try_into().unwrap();
                PreemptWord::from(u64::from_le_bytes(bytes))
            });
            let event = match ack {
                true => PreemptEvent::RecallAck(word),
                false => PreemptEvent::Writeback(word),
            };
            return self.preempt_event(endpoint, event);
        }
        match (role.is_rx(), ack) {
            (true, true) => self.rx_event(endpoint, RxEvent::RecallAck(role)),
            (true, false) => self.rx_event(endpoint, RxEvent::Writeback { line: role, dirty }),
            (false, true) => self.tx_event(endpoint, TxEvent::RecallAck(role, content)),
            (false, false) => self.tx_event(endpoint, TxEvent::Writeback(role, content)),
        }
    }

    fn dispatch(&mut self) {
        for endpoint in 0..self.endpoints.len() {
            let Some(since) = self.endpoints[endpoint].waiting_since else {
                continue;
            };
            if let Some(request) = self.queues[usize::from(endpoint > 0)].pop_front() {
                let overflow_lines = request.len().div_ceil(self.layout.line_bytes()).max(1) - 1;
                self.rx_event(
                    endpoint,
                    RxEvent::Assign {
                        request,
                        overflow_lines,
                    },
                );
            } else if self.cycle >= since + self.block_time_cycles {
                self.rx_event(endpoint, RxEvent::Timeout);
            }
        }
    }
}

impl NicPins for MockNic {
    fn cycle(&mut self, inputs: &NicInputs) -> Result<NicOutputs, CardFailure> {
        let mut outputs = NicOutputs {
            mac_tx: self.tx.front().copied(),
            line: LinePortOut {
                load_ready: true,
                writeback_ready: true,
                recall_ack_ready: true,
                ..LinePortOut::default()
            },
            csr: CsrPortOut {
                request_ready: true,
                response: self.responses.pop_front(),
            },
        };
        match self.out.front() {
            Some(Out::Fill(beat)) => outputs.line.fill = Some(*beat),
            Some(Out::Recall(recall)) => outputs.line.recall = Some(*recall),
            None => {}
        }
        if outputs.mac_tx.is_some() && inputs.mac_tx_ready {
            self.tx.pop_front();
        }
        if (outputs.line.fill.is_some() && inputs.line.fill_ready)
            || (outputs.line.recall.is_some() && inputs.line.recall_ready)
        {
            self.out.pop_front();
        }
        if let Some(beat) = &inputs.mac_rx {
            let byte_count = beat.keep.count_ones() as usize;
            self.rx_bytes.extend(&beat.data[..byte_count]);
            if beat.last {
                let bytes = std::mem::take(&mut self.rx_bytes);
                self.frame_in(&bytes, beat.error);
            }
        }
        if let Some(access) = &inputs.register {
            let value = self.register(access);
            self.responses.push_back(value);
        }
        if let Some(beat) = &inputs.line.writeback {
            self.writeback.push(beat.data);
            if beat.last {
                let beats = std::mem::take(&mut self.writeback);
                self.line_back(LineAddress(beat.address), &beats, beat.dirty, false);
            }
        }
        if let Some(beat) = &inputs.line.recall_ack {
            self.ack.push(beat.data);
            if beat.last {
                let beats = std::mem::take(&mut self.ack);
                let line = self.recalls.remove(&beat.id).unwrap();
                self.line_back(line, &beats, beat.dirty, true);
            }
        }
        if let Some(load) = &inputs.line.load {
            let (endpoint, line) = self.layout.locate(LineAddress(load.address)).unwrap();
            let waiting = WaitingLoad { line, id: load.id };
            if line == LineRole::Preemption {
                self.endpoints[endpoint].word_load = load.id;
                self.preempt_event(endpoint, PreemptEvent::Load);
            } else if line.is_rx() {
                self.rx_event(endpoint, RxEvent::Load(waiting));
            } else {
                self.tx_event(endpoint, TxEvent::Load(waiting));
            }
        }
        self.dispatch();
        self.cycle += 1;
        Ok(outputs)
    }
}
