//! The worker's program, one memory operation a step.

use super::config::Config;
use super::data::{Data, Tag};
use super::system::{After, Fault, Life, Step, Worker};
use super::turn::Turn;
use crate::cache::CacheEvent;
use crate::home::PreemptWord;
use crate::layout::LineRole;

impl Worker {
    /// The line its next step loads, and whether it needs the right to write.
    pub(super) fn wanted(&self) -> Option<(LineRole, bool)> {
        Some(match self.step {
            Step::Begin | Step::End => (LineRole::Preemption, true),
            Step::Receive => (LineRole::RxControl(self.rx), false),
            Step::Overflow(_) => (LineRole::RxOverflow(0), false),
            Step::Consume(_) => (LineRole::RxControl(self.rx), true),
            Step::Own(_) | Step::Control(_) => (LineRole::TxControl(self.tx), true),
            Step::Part(_) | Step::Body(_) => (LineRole::TxOverflow(0), true),
            Step::Send => (LineRole::TxControl(self.tx.other()), true),
            _ => return None,
        })
    }

    /// The line its next step gives back.
    pub(super) fn flushed(&self) -> Option<LineRole> {
        Some(match self.step {
            Step::FlushConsumed(_) => LineRole::RxControl(self.rx),
            Step::FlushBody => LineRole::TxOverflow(0),
            Step::FlushControl => LineRole::TxControl(self.tx),
            Step::Yield => LineRole::Preemption,
            _ => return None,
        })
    }
}

impl Turn<'_> {
    /// The core does its next step as far as it can.
    pub(super) fn run(&mut self) {
        let worker = self.at().worker;
        if let Some((line, exclusive)) = worker.wanted() {
            if let Some(data) = self.cache(line, CacheEvent::Load { exclusive }) {
                self.program(line, data);
            }
        } else if let Some(line) = worker.flushed() {
            self.cache(line, CacheEvent::Evict);
            let config = self.config;
            let worker = &mut self.at().worker;
            worker.step = match worker.step {
                Step::FlushConsumed(after) => {
                    worker.rx = worker.rx.other();
                    go_on(after, config)
                }
                Step::FlushBody => Step::FlushControl,
                Step::FlushControl => {
                    worker.sequence ^= 1;
                    end(config)
                }
                _ => Step::Begin,
            };
        }
    }

    fn store(&mut self, line: LineRole, data: Data) {
        self.cache(line, CacheEvent::Store(data));
    }

    /// The worker's load of `line` came back with `data`.
    pub(super) fn program(&mut self, line: LineRole, data: Data) {
        let config = self.config;
        let worker = self.at().worker;
        if data.tag().is_some_and(|tag| tag.process != worker.process) {
            return self.broken(Fault::Foreign);
        }
        let next = match worker.step {
            Step::Begin => match data {
                Data::Preempt(mut word) if word.ready => {
                    word.busy = true;
                    self.store(line, Data::Preempt(word));
                    Step::Receive
                }
                _ => Step::Begin,
            },
            Step::Receive => match data {
                Data::Empty => Step::Receive,
                Data::TryAgain => self.acknowledge(After::Wait),
                Data::Retire => self.acknowledge(After::Leave),
                Data::Request(tag) if tag.long => Step::Overflow(tag),
                Data::Request(tag) => return self.delivered(tag),
                _ => return self.broken(Fault::Delivery),
            },
            Step::Overflow(tag) if data == Data::Overflow(tag) => return self.delivered(tag),
            Step::Overflow(_) => return self.broken(Fault::Delivery),
            Step::Consume(after) => {
                self.store(line, Data::Consumed);
                Step::FlushConsumed(after)
            }
            Step::Own(tag) => body(tag),
            Step::Part(tag) => {
                self.store(line, Data::Part(tag));
                Step::Body(tag)
            }
            Step::Body(tag) => {
                self.store(line, Data::Body(tag));
                Step::Control(tag)
            }
            Step::Control(tag) => {
                self.store(line, Data::Control(tag, worker.sequence));
                match (config.eager, tag.long) {
                    (true, true) => Step::FlushBody,
                    (true, false) => Step::FlushControl,
                    (false, _) => Step::Send,
                }
            }
            Step::Send => {
                self.at().worker.tx = worker.tx.other();
                end(config)
            }
            Step::End => {
                let ready = data.word().is_some_and(|word| word.ready);
                let word = PreemptWord { ready, busy: false };
                self.store(line, Data::Preempt(word));
                if ready { Step::Begin } else { Step::Yield }
            }
            other => other,
        };
        self.at().worker.step = next;
    }

    /// The worker has read all of the request.
    fn delivered(&mut self, tag: Tag) {
        let e = self.e as u8;
        let request = &mut self.state.requests[usize::from(tag.request)];
        if request.tag != tag || request.life != Life::Assigned(e) {
            return self.broken(Fault::Delivery);
        }
        request.life = Life::Delivered(e);
        let next = self.acknowledge(After::Reply(tag));
        self.at().worker.step = next;
    }

    /// The next step of a worker that has read all of an answer.
    fn acknowledge(&mut self, after: After) -> Step {
        let config = self.config;
        if config.home().consume {
            return Step::Consume(after);
        }
        let worker = &mut self.at().worker;
        worker.rx = worker.rx.other();
        go_on(after, config)
    }
}

/// The step after an acknowledgement.
fn go_on(after: After, config: &Config) -> Step {
    match after {
        After::Reply(tag) if config.eager => Step::Own(tag),
        After::Reply(tag) => body(tag),
        After::Leave if !config.preempt => Step::Retired,
        After::Wait | After::Leave => end(config),
    }
}

fn body(tag: Tag) -> Step {
    if tag.long {
        Step::Part(tag)
    } else {
        Step::Control(tag)
    }
}

/// The step after a reply.
fn end(config: &Config) -> Step {
    if config.preempt {
        Step::End
    } else {
        Step::Receive
    }
}
