//! What follows from an action: messages reach card and host.

use std::sync::Arc;

use super::config::{Config, Twin};
use super::data::{Data, LINES, Tag, ToCard, ToHost, place};
use super::step::{Action, oldest};
use super::system::{Endpoint, Fault, Life, State, Step, Worker};
use crate::cache::{CacheAction, CacheEvent};
use crate::home::{
    PreemptAction, PreemptEvent, RxAction, RxContent, RxEvent, TxAction, TxEvent, TxMessage,
    WaitingLoad,
};
use crate::layout::LineRole;

/// A step under way: the next state as it grows.
pub(super) struct Turn<'c> {
    pub(super) config: &'c Config,
    pub(super) state: State,
    /// Number of the endpoint it is about.
    pub(super) e: usize,
}

impl Config {
    /// The state after `action`.
    pub fn next(&self, state: &State, action: Action) -> State {
        let e = match action {
            Action::Arrive(..) => 0,
            Action::Assign(e)
            | Action::Timeout(e)
            | Action::Retire(e)
            | Action::ToCard(e, _)
            | Action::ToHost(e, _)
            | Action::Run(e)
            | Action::Take(e)
            | Action::Evict(e, _)
            | Action::Prefetch(e, _)
            | Action::Kill(e)
            | Action::Replace(e)
            | Action::Reset(e)
            | Action::Start(e, _)
            | Action::Resume(e)
            | Action::Ask(e)
            | Action::Suspend(e)
            | Action::Allow(e) => e.into(),
        };
        let mut turn = Turn {
            config: self,
            state: state.clone(),
            e,
        };
        turn.act(action);
        turn.check_held();
        turn.state
    }
}

impl Turn<'_> {
    pub(super) fn at(&mut self) -> &mut Endpoint {
        Arc::make_mut(&mut self.state.endpoints[self.e])
    }

    pub(super) fn broken(&mut self, fault: Fault) {
        self.state.fault.get_or_insert(fault);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Arrive(n, process) => {
                let overflow = self.config.overflow;
                let request = &mut self.state.requests[usize::from(n)];
                let generation = !request.tag.generation;
                request.tag = Tag {
                    request: n,
                    process,
                    generation,
                    long: overflow && generation,
                };
                request.slot = true;
                request.life = Life::Queued;
                self.state.queue.push(n);
            }
            Action::Assign(_) => {
                let process = self.at().worker.process;
                let Some(n) = oldest(&self.state, process) else {
                    return;
                };
                self.state.queue.retain(|&queued| usize::from(queued) != n);
                self.state.requests[n].life = Life::Assigned(self.e as u8);
                let request = self.state.requests[n].tag;
                self.rx(RxEvent::Assign {
                    request,
                    overflow_lines: request.long.into(),
                });
            }
            Action::Timeout(_) => self.rx(RxEvent::Timeout),
            Action::Retire(_) => self.rx(RxEvent::Retire),
            Action::ToCard(_, n) => self.reach_card(n.into()),
            Action::ToHost(_, n) => self.reach_host(n.into()),
            Action::Run(_) => self.run(),
            Action::Take(_) => self.take(),
            Action::Evict(_, n) => {
                self.cache(LINES[usize::from(n)], CacheEvent::Evict);
            }
            Action::Prefetch(_, n) => {
                let exclusive = false;
                self.cache(LINES[usize::from(n)], CacheEvent::Load { exclusive });
            }
            Action::Kill(_) | Action::Replace(_) => self.at().worker.step = Step::Dead,
            Action::Reset(_) => self.reset(),
            Action::Start(_, process) => self.at().worker = Worker::new(process, self.config),
            Action::Resume(_) => {
                self.at().worker.step = Step::Receive;
            }
            Action::Ask(_) => self.preempt(PreemptEvent::Ask),
            Action::Suspend(_) => {
                if !matches!(self.at().worker.step, Step::Begin | Step::Yield) {
                    self.broken(Fault::Preempted);
                }
                self.at().worker.step = Step::Suspended;
            }
            Action::Allow(_) => {
                self.at().worker.step = Step::Begin;
                if self.config.twin != Some(Twin::ForgetAllow) {
                    self.preempt(PreemptEvent::Allow);
                }
            }
        }
    }

    fn reset(&mut self) {
        let at = self.at();
        at.worker.step = Step::Resetting;
        at.resetting = 3;
        if self.config.twin == Some(Twin::NoReset) {
            self.at().resetting = 1;
            return self.half_reset();
        }
        self.rx(RxEvent::Reset);
        self.tx(TxEvent::Reset);
        self.preempt(PreemptEvent::Reset);
    }

    /// One half is reset; after the last, what the worker had is answered with SYSTEM_ERR.
    fn half_reset(&mut self) {
        self.at().resetting -= 1;
        if self.at().resetting > 0 {
            return;
        }
        self.at().worker.step = Step::Off;
        let e = self.e as u8;
        for request in &mut self.state.requests {
            if matches!(request.life, Life::Assigned(at) | Life::Delivered(at) if at == e) {
                request.life = Life::Absent;
            }
        }
    }

    fn send_to_host(&mut self, line: LineRole, message: ToHost) {
        let queue = &mut self.at().lines[place(line)].to_host;
        queue.push(message);
    }

    fn rx(&mut self, event: RxEvent<Tag>) {
        let Ok((next, actions)) = self.at().rx.step(event) else {
            return self.broken(Fault::Crossing);
        };
        self.at().rx = next;
        let mut forgotten = vec![];
        for action in actions {
            match action {
                RxAction::Fill { load, content } => {
                    let data = match content {
                        RxContent::Empty if self.config.twin == Some(Twin::AnswerBoth) => {
                            Data::TryAgain
                        }
                        RxContent::Empty => Data::Empty,
                        RxContent::TryAgain => Data::TryAgain,
                        RxContent::Retire => Data::Retire,
                        RxContent::Request(tag) => Data::Request(tag),
                        RxContent::Overflow(tag, _) => Data::Overflow(tag),
                        RxContent::Zeros => Data::Zeros,
                    };
                    self.send_to_host(load.line, ToHost::Fill(data));
                }
                RxAction::Recall(line) if self.config.twin == Some(Twin::ForgetRecall) => {
                    forgotten.push(line);
                }
                RxAction::Recall(line) => self.send_to_host(line, ToHost::Recall),
                RxAction::Free(tag) => {
                    self.free(tag);
                    if self.config.twin == Some(Twin::FreeTwice) {
                        self.free(tag);
                    }
                }
                RxAction::ResetDone => self.half_reset(),
            }
        }
        for line in forgotten {
            self.rx(RxEvent::RecallAck(line));
        }
    }

    fn free(&mut self, tag: Tag) {
        let given_up = self.at().resetting > 0;
        let request = &mut self.state.requests[usize::from(tag.request)];
        let lost = matches!(request.life, Life::Assigned(_)) && !given_up;
        if !request.slot || request.tag != tag {
            return self.broken(Fault::Slot);
        }
        request.slot = self.config.twin == Some(Twin::KeepSlot);
        if lost {
            self.broken(Fault::Delivery);
        }
    }

    fn tx(&mut self, event: TxEvent<Data>) {
        let Ok((next, actions)) = self.at().tx.step(event) else {
            return self.broken(Fault::Crossing);
        };
        self.at().tx = next;
        let mut early = vec![];
        for action in actions {
            match action {
                TxAction::Fill { load, data } => self.send_to_host(load.line, ToHost::Fill(data)),
                TxAction::Recall(line)
                    if self.config.twin == Some(Twin::TakeEarly)
                        && matches!(line, LineRole::TxOverflow(_))
                        && self.at().resetting == 0 =>
                {
                    early.push(line);
                }
                TxAction::Recall(line) => self.send_to_host(line, ToHost::Recall),
                TxAction::Offer(TxMessage::Complete { control, overflow }) => {
                    let whole = |tag: Tag| overflow.iter().all(|&data| data == Data::Body(tag));
                    let tag = control.tag().filter(|&tag| whole(tag));
                    if tag.is_none() {
                        self.broken(Fault::Reply);
                    }
                    self.at().offered = tag;
                }
                TxAction::Offer(TxMessage::Incomplete { .. }) => self.broken(Fault::Reply),
                TxAction::ResetDone => self.half_reset(),
            }
        }
        for line in early {
            self.tx(TxEvent::RecallAck(line, None));
        }
    }

    fn preempt(&mut self, event: PreemptEvent) {
        let Ok((next, actions)) = self.at().preempt.step(event) else {
            return self.broken(Fault::Crossing);
        };
        self.at().preempt = next;
        for action in actions {
            match action {
                PreemptAction::Fill(word) => {
                    self.send_to_host(LineRole::Preemption, ToHost::Fill(Data::Preempt(word)));
                }
                PreemptAction::Recall => self.send_to_host(LineRole::Preemption, ToHost::Recall),
                PreemptAction::ResetDone => self.half_reset(),
            }
        }
    }

    /// The transmit path has the message: its session is closed.
    fn take(&mut self) {
        if let Some(tag) = self.at().offered.take() {
            let e = self.e as u8;
            let request = &mut self.state.requests[usize::from(tag.request)];
            if request.tag == tag && request.life == Life::Delivered(e) {
                request.life = Life::Absent;
            } else {
                self.broken(Fault::Reply);
            }
        }
        self.tx(TxEvent::Taken);
    }

    fn reach_card(&mut self, n: usize) {
        let line = LINES[n];
        let message = self.at().lines[n].to_card.remove(0);
        let load = WaitingLoad { line, id: 0 };
        match (line, message) {
            (LineRole::Preemption, message) => self.preempt(match message {
                ToCard::Load => PreemptEvent::Load,
                ToCard::Writeback(data) => PreemptEvent::Writeback(data.and_then(Data::word)),
                ToCard::Ack(data) => PreemptEvent::RecallAck(data.and_then(Data::word)),
            }),
            (line, message) if line.is_rx() => self.rx(match message {
                ToCard::Load => RxEvent::Load(load),
                ToCard::Writeback(data) => RxEvent::Writeback {
                    line,
                    dirty: data.is_some(),
                },
                ToCard::Ack(_) => RxEvent::RecallAck(line),
            }),
            (line, message) => self.tx(match message {
                ToCard::Load => TxEvent::Load(load),
                ToCard::Writeback(data) => TxEvent::Writeback(line, data),
                ToCard::Ack(data) => TxEvent::RecallAck(line, data),
            }),
        }
    }

    fn reach_host(&mut self, n: usize) {
        let overtake = self.config.twin == Some(Twin::Overtake);
        let queue = &mut self.at().lines[n].to_host;
        let last = if overtake { queue.len() - 1 } else { 0 };
        let event = match queue.remove(last) {
            ToHost::Recall => CacheEvent::Recall,
            ToHost::Fill(data) => CacheEvent::Fill {
                data,
                exclusive: true,
            },
        };
        let line = LINES[n];
        let loaded = self.cache(line, event);
        let wanted = self.at().worker.wanted();
        if let (Some(data), Some((wanted, _))) = (loaded, wanted) {
            if line == wanted {
                self.program(line, data);
            }
        }
    }

    /// One event at a cached line; the content if it completes a load.
    pub(super) fn cache(&mut self, line: LineRole, event: CacheEvent<Data>) -> Option<Data> {
        let Ok((next, actions)) = self.at().lines[place(line)].cache.step(event) else {
            self.broken(Fault::Crossing);
            return None;
        };
        let at = &mut self.at().lines[place(line)];
        at.cache = next;
        let mut loaded = None;
        for action in actions {
            match action {
                CacheAction::Load { .. } => at.to_card.push(ToCard::Load),
                CacheAction::Writeback(data) => at.to_card.push(ToCard::Writeback(data)),
                CacheAction::RecallAck(data) => at.to_card.push(ToCard::Ack(data)),
                CacheAction::Loaded(data) => loaded = Some(data),
            }
        }
        self.check_pairs();
        loaded
    }

    /// What the host holds, the card knows: else some recall and some fill or load have crossed.
    fn check_held(&mut self) {
        let at = &self.state.endpoints[self.e];
        let known = |line: LineRole| match line {
            LineRole::Preemption => at.preempt.is_held(),
            line if line.is_rx() => at.rx.held().contains(line),
            line => at.tx.held().contains(line),
        };
        let mut lines = LINES.iter().zip(&at.lines);
        if lines.any(|(&line, at)| at.cache.data().is_some() && !known(line)) {
            self.broken(Fault::Crossing);
        }
    }

    fn check_pairs(&mut self) {
        let held = |n: usize| self.state.endpoints[self.e].lines[n].cache.data().copied();
        let answer = |data: Data| !matches!(data, Data::Empty | Data::Zeros);
        let both = |a: Option<Data>, b: Option<Data>| a.zip(b);
        let rx = both(held(0), held(1)).is_some_and(|(a, b)| answer(a) && answer(b));
        let control = |data: Data| matches!(data, Data::Control(..));
        let tx = both(held(3), held(4)).is_some_and(|(a, b)| control(a) && control(b));
        if rx || tx {
            self.broken(Fault::Pair);
        }
    }
}
