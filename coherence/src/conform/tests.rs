//! Traces of a card that conforms, and the same traces broken.

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{RxHeader, RxKind, TxHeader, TxKind};

use super::*;
use crate::layout::Parity;
use crate::message::{Fill, Load, Recall, RecallAck, Writeback};

use LineRole::{RxControl, RxOverflow, TxControl, TxOverflow};

const R0: LineRole = RxControl(Parity::Zero);
const R1: LineRole = RxControl(Parity::One);
const T0: LineRole = TxControl(Parity::Zero);
const T1: LineRole = TxControl(Parity::One);

/// A trace being written, of endpoint 1.
struct Trace {
    layout: EndpointLayout,
    eager: bool,
    consume: bool,
    messages: Vec<PortMessage>,
}

fn line(header: &[u8]) -> Image {
    let mut line = header.to_vec();
    line.resize(64, 0);
    line.into()
}

fn kind(kind: RxKind) -> Image {
    let header = RxHeader {
        kind,
        length_bytes: if kind.is_valid() { 40 } else { 0 },
        ..RxHeader::default()
    };
    line(&header.encode())
}

fn reply(length_bytes: u16, sequence: u32) -> Image {
    let header = TxHeader {
        kind: TxKind::Reply,
        length_bytes,
        sequence,
        ..TxHeader::default()
    };
    line(&header.encode())
}

fn zeros() -> Image {
    line(&[])
}

impl Trace {
    fn new(eager: bool, consume: bool) -> Self {
        Self {
            layout: EndpointLayout::contiguous(&NicConfig::cxl()),
            eager,
            consume,
            messages: Vec::new(),
        }
    }

    fn address(&self, line: LineRole) -> crate::LineAddress {
        self.layout.address(1, line).unwrap()
    }

    fn load(&mut self, line: LineRole, id: u8) {
        let address = self.address(line);
        self.messages.push(PortMessage::ToCard(ToCard::Load(Load {
            address,
            id,
            exclusive: false,
        })));
    }

    fn fill(&mut self, id: u8, data: Image) {
        let fill = Fill {
            id,
            exclusive: true,
            data,
        };
        self.messages.push(PortMessage::ToHost(ToHost::Fill(fill)));
    }

    fn get(&mut self, line: LineRole, id: u8, data: Image) {
        self.load(line, id);
        self.fill(id, data);
    }

    fn back(&mut self, line: LineRole, data: Option<Image>) {
        let address = self.address(line);
        let back = ToCard::Writeback(Writeback { address, data });
        self.messages.push(PortMessage::ToCard(back));
    }

    fn recall(&mut self, line: LineRole) {
        let address = self.address(line);
        let id = address.0 as u16;
        let recall = ToHost::Recall(Recall { address, id });
        self.messages.push(PortMessage::ToHost(recall));
    }

    fn ack(&mut self, line: LineRole, data: Option<Image>) {
        let id = self.address(line).0 as u16;
        let ack = ToCard::RecallAck(RecallAck { id, data });
        self.messages.push(PortMessage::ToCard(ack));
    }

    fn fetch(&mut self, line: LineRole, data: Option<Image>) {
        self.recall(line);
        self.ack(line, data);
    }

    fn replay(&self) -> Result<Replay, Divergence> {
        let mut replay = Replay::new(self.layout.clone());
        replay.configure(self.eager, self.consume);
        for (cycle, message) in self.messages.iter().enumerate() {
            replay.message(cycle as u64, message)?;
        }
        Ok(replay)
    }

    fn with(&self, messages: Vec<PortMessage>) -> Self {
        Self {
            layout: self.layout.clone(),
            messages,
            ..*self
        }
    }

    fn without(&self, at: usize) -> Self {
        let mut messages = self.messages.clone();
        messages.remove(at);
        self.with(messages)
    }

    fn doubled(&self, at: usize) -> Self {
        let mut messages = self.messages.clone();
        messages.insert(at, messages[at].clone());
        self.with(messages)
    }
}

/// Two calls with an overflow line each, acknowledged by load; a wait without a call; recall mode.
fn recall_trace() -> Trace {
    let mut trace = Trace::new(false, false);
    trace.get(R0, 1, kind(RxKind::Call));
    trace.get(RxOverflow(0), 2, line(&[7; 64]));
    trace.get(RxOverflow(1), 3, zeros());
    trace.get(T0, 4, zeros());
    trace.get(TxOverflow(0), 5, zeros());
    trace.load(T1, 6);
    trace.fetch(T0, Some(reply(40, 0)));
    trace.fetch(TxOverflow(0), Some(line(&[9; 64])));
    trace.fill(6, zeros());
    trace.load(R1, 7);
    trace.fetch(R0, None);
    trace.recall(RxOverflow(0));
    trace.recall(RxOverflow(1));
    trace.ack(RxOverflow(1), None);
    trace.ack(RxOverflow(0), None);
    trace.get(R0, 8, zeros());
    trace.fetch(R0, None);
    trace.fill(7, kind(RxKind::TryAgain));
    trace.load(R0, 9);
    trace.fetch(R1, None);
    trace.fill(9, kind(RxKind::Retire));
    trace
}

/// A reply given back, its first overflow line late; then a short one.
fn eager_trace() -> Trace {
    let mut trace = Trace::new(true, true);
    trace.get(R0, 1, kind(RxKind::Call));
    trace.back(R0, Some(kind(RxKind::Call)));
    trace.load(R1, 2);
    trace.get(T0, 3, zeros());
    trace.get(TxOverflow(0), 4, zeros());
    trace.get(TxOverflow(1), 5, zeros());
    trace.back(TxOverflow(1), Some(line(&[8; 64])));
    trace.back(T0, Some(reply(100, 0)));
    trace.recall(TxOverflow(0));
    trace.load(T0, 6);
    trace.ack(TxOverflow(0), Some(line(&[8; 64])));
    trace.fill(6, zeros());
    trace.back(T0, Some(reply(4, 1)));
    trace.fill(2, kind(RxKind::TryAgain));
    trace.get(T0, 7, zeros());
    trace
}

#[test]
fn what_follows_from_the_protocol_passes() {
    for trace in [recall_trace(), eager_trace()] {
        let replay = trace.replay().unwrap_or_else(|error| panic!("{error}"));
        assert!(replay.coverage().pairs().count() >= 8);
    }
}

#[test]
fn every_message_of_the_card_left_out_or_doubled_is_caught() {
    for trace in [recall_trace(), eager_trace()] {
        for (at, message) in trace.messages.iter().enumerate() {
            let PortMessage::ToHost(message) = message else {
                continue;
            };
            // The last one: nothing follows that could show it.
            if at + 1 < trace.messages.len() {
                let mut left_out = trace.without(at);
                if matches!(message, ToHost::Recall(_)) {
                    // Its acknowledgement goes with it.
                    let id = |m: &PortMessage| match (m, message) {
                        (PortMessage::ToCard(ToCard::RecallAck(ack)), ToHost::Recall(recall)) => {
                            ack.id == recall.id
                        }
                        _ => false,
                    };
                    let ack = left_out.messages[at..].iter().position(id).unwrap();
                    left_out.messages.remove(at + ack);
                    assert!(left_out.replay().is_err(), "{message:?} left out at {at}");
                }
            }
            if matches!(message, ToHost::Recall(_)) {
                assert!(trace.doubled(at).replay().is_err(), "{message:?} at {at}");
            }
        }
    }
}

#[test]
fn a_second_answer_to_a_load_needs_a_second_load() {
    let mut trace = Trace::new(false, false);
    trace.get(R0, 1, kind(RxKind::Call));
    trace.get(R0, 1, kind(RxKind::Call));
    trace.replay().unwrap();
    let mut other = Trace::new(false, false);
    other.get(R0, 1, kind(RxKind::Call));
    other.get(R0, 1, kind(RxKind::TryAgain));
    let error = other.replay().unwrap_err();
    assert!(error.trace.contains("load of R0, id 1"), "{error}");
    assert_eq!(error.states, "answered");
}

#[test]
fn every_wrong_kind_is_caught() {
    let trace = recall_trace();
    let kinds = [
        RxKind::Empty,
        RxKind::TryAgain,
        RxKind::Call,
        RxKind::Retire,
    ];
    for (at, message) in trace.messages.iter().enumerate() {
        let PortMessage::ToHost(ToHost::Fill(fill)) = message else {
            continue;
        };
        for wrong in kinds.map(kind).into_iter().filter(|k| *k != fill.data) {
            let mut broken = trace.without(at);
            let (data, id) = (wrong.clone(), fill.id);
            let fill = Fill {
                data,
                ..fill.clone()
            };
            broken
                .messages
                .insert(at, PortMessage::ToHost(ToHost::Fill(fill)));
            // What a wait ends with is the card's choice, and so are the bytes of a message.
            let choice = [1, 7, 9].contains(&id) && wrong != kind(RxKind::Empty);
            let body = id == 2;
            if !choice && !body {
                assert!(broken.replay().is_err(), "{:?} at {at}", &wrong[..4]);
            }
        }
    }
}

#[test]
fn a_line_that_comes_back_just_before_its_recall_may_be_recalled_or_not() {
    for recalled in [false, true] {
        let mut trace = Trace::new(true, false);
        trace.get(T0, 1, zeros());
        trace.get(TxOverflow(0), 2, zeros());
        trace.back(T0, Some(reply(40, 0)));
        trace.back(TxOverflow(0), Some(line(&[8; 64])));
        if recalled {
            trace.fetch(TxOverflow(0), None);
        }
        trace.get(T0, 3, zeros());
        trace.replay().unwrap_or_else(|error| panic!("{error}"));
    }
    // Without it coming back, the card must ask.
    let mut trace = Trace::new(true, false);
    trace.get(T0, 1, zeros());
    trace.get(TxOverflow(0), 2, zeros());
    trace.back(T0, Some(reply(40, 0)));
    trace.get(T0, 3, zeros());
    assert!(trace.replay().is_err());
    for recalled in [false, true] {
        let mut trace = Trace::new(false, false);
        trace.get(R0, 1, kind(RxKind::Call));
        trace.back(R0, None);
        trace.load(R1, 2);
        if recalled {
            trace.recall(R0);
            let mut early = trace.with(trace.messages.clone());
            early.fill(2, kind(RxKind::TryAgain));
            assert!(early.replay().is_err(), "filled before the acknowledgement");
            trace.ack(R0, None);
        }
        trace.fill(2, kind(RxKind::TryAgain));
        trace.replay().unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_reset_recalls_every_line_and_only_when_asked() {
    let mut trace = Trace::new(false, false);
    let config = NicConfig::cxl();
    trace.get(R0, 1, kind(RxKind::Call));
    let before = trace.messages.len();
    trace.recall(R0);
    trace.recall(R1);
    for n in 0..config.overflow_lines() {
        trace.recall(RxOverflow(n));
    }
    trace.load(R1, 2);
    let lines: Vec<_> = trace.messages[before..].to_vec();
    for message in lines {
        if let PortMessage::ToHost(ToHost::Recall(recall)) = message {
            let ack = ToCard::RecallAck(RecallAck {
                id: recall.id,
                data: None,
            });
            trace.messages.push(PortMessage::ToCard(ack));
        }
    }
    trace.fill(2, zeros());
    trace.fetch(R1, None);
    trace.get(R0, 3, kind(RxKind::TryAgain));
    assert!(trace.replay().is_err());
    let mut replay = Replay::new(trace.layout.clone());
    for (cycle, message) in trace.messages.iter().enumerate() {
        if cycle == before {
            replay.reset(1);
        }
        let result = replay.message(cycle as u64, message);
        result.unwrap_or_else(|error| panic!("{error}"));
    }
}

fn word(ready: bool, busy: bool) -> Image {
    line(&u64::from(crate::home::PreemptWord { ready, busy }).to_le_bytes())
}

/// A worker that is asked for its core while BUSY, yields it and gets it back.
fn preempted(broken: impl Fn(&mut Trace)) -> Result<Replay, Divergence> {
    let mut trace = Trace::new(false, false);
    trace.get(LineRole::Preemption, 1, word(true, false));
    let asked = trace.messages.len();
    trace.recall(LineRole::Preemption);
    trace.load(LineRole::Preemption, 2);
    trace.ack(LineRole::Preemption, Some(word(true, true)));
    trace.fill(2, word(false, true));
    trace.back(LineRole::Preemption, Some(word(false, false)));
    let yielded = trace.messages.len();
    trace.get(LineRole::Preemption, 3, word(false, false));
    let allowed = trace.messages.len();
    trace.fetch(LineRole::Preemption, None);
    trace.get(LineRole::Preemption, 4, word(true, false));
    let whole = trace.messages.clone();
    broken(&mut trace);
    let is_whole = trace.messages == whole;
    let mut replay = Replay::new(trace.layout.clone());
    for (cycle, message) in trace.messages.iter().enumerate() {
        if cycle == asked {
            replay.ask(1, true);
        } else if cycle == allowed {
            replay.ask(1, false);
        }
        if is_whole && cycle > asked {
            let expected = (yielded..allowed).contains(&cycle);
            assert_eq!(replay.may_have_yielded(1), expected, "message {cycle}");
        }
        replay.message(cycle as u64, message)?;
    }
    Ok(replay)
}

#[test]
fn the_preemption_line_follows_the_scheduler_and_keeps_what_the_worker_wrote() {
    let replay = preempted(|_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert!(!replay.may_have_yielded(1));
    for pair in replay.coverage().pairs() {
        assert!(Coverage::possible().contains(&pair.0), "{pair:?}");
    }
    // No recall for the wish, a word that is not the worker's, a fill before the acknowledgement.
    assert!(preempted(|trace| drop(trace.messages.drain(2..3))).is_err());
    for wrong in [word(false, false), word(true, true)] {
        let fill = Fill {
            id: 2,
            exclusive: true,
            data: wrong,
        };
        let fill = PortMessage::ToHost(ToHost::Fill(fill));
        assert!(preempted(|trace| trace.messages[5] = fill.clone()).is_err());
    }
    assert!(preempted(|trace| trace.messages.swap(4, 5)).is_err());
    // A recall that nobody wants.
    let mut trace = Trace::new(false, false);
    trace.get(LineRole::Preemption, 1, word(true, false));
    trace.recall(LineRole::Preemption);
    assert!(trace.replay().is_err());
}

/// A load, the reset and a message that comes back cross: the card may have met the reset between the two.
#[test]
fn a_reset_may_come_between_a_load_and_a_message() {
    let mut trace = Trace::new(true, false);
    let written = line(&[7; 64]);
    trace.back(TxOverflow(0), Some(written.clone()));
    let asked = trace.messages.len();
    trace.load(TxOverflow(0), 1);
    trace.back(T0, Some(reply(100, 0)));
    trace.fill(1, written);
    trace.recall(T0);
    trace.recall(T1);
    assert!(trace.replay().is_err());
    let mut replay = Replay::new(trace.layout.clone());
    replay.configure(trace.eager, trace.consume);
    for (cycle, message) in trace.messages.iter().enumerate() {
        if cycle == asked {
            replay.reset(1);
        }
        let result = replay.message(cycle as u64, message);
        result.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The block time of a load that waits for the acknowledgement runs out while the acknowledgement is on its
/// way: the card may have met either first.
#[test]
fn a_wait_may_end_just_before_its_acknowledgement() {
    for empty in [false, true] {
        let mut trace = Trace::new(false, true);
        trace.get(R0, 1, kind(RxKind::TryAgain));
        trace.load(R1, 2);
        trace.back(R0, Some(line(&[1])));
        if empty {
            trace.fill(2, zeros());
            trace.fetch(R1, None);
            trace.get(R1, 3, kind(RxKind::TryAgain));
            let mut kept = trace.with(trace.messages.clone());
            kept.messages.drain(5..7);
            assert!(kept.replay().is_err(), "a line of zeros stayed");
        } else {
            trace.fill(2, kind(RxKind::TryAgain));
        }
        trace.replay().unwrap_or_else(|error| panic!("{error}"));
    }
}
