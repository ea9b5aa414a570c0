//! The state of the modelled system: workers on endpoints, their lines, and the requests.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::config::Config;
use super::data::{Data, Line, Tag, ToCard, ToHost};
use crate::cache::{CacheLine, Held};
use crate::home::{PreemptHome, RxHome, TxHome};
use crate::layout::Parity;

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A request came twice, not whole, or its lines were given up before it was read.
    Delivery,
    /// A worker read something of another process.
    Foreign,
    /// Both lines of a pair were held with an answer, or both with a message.
    Pair,
    /// A message met a state in which it must not come.
    Crossing,
    /// A reply left twice, not whole, or for a request that is not open.
    Reply,
    /// A slot was freed twice.
    Slot,
    /// A worker was taken from its core in the middle of a request.
    Preempted,
}

/// Where a request is. Its session is open from `Assigned` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Answered, or not there yet.
    Absent,
    /// In the queue of its process.
    Queued,
    /// Given to an endpoint.
    Assigned(u8),
    /// Read whole by the endpoint's worker.
    Delivered(u8),
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Where it is.
    pub life: Life,
    /// It has its slot in the packet buffer.
    pub slot: bool,
    /// Its name.
    pub tag: Tag,
}

/// What the program on the core is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Set BUSY in the preemption line, if READY.
    Begin,
    /// Load the control line.
    Receive,
    /// Load the overflow line.
    Overflow(Tag),
    /// Store to the control line: all of the answer has been read.
    Consume(After),
    /// Give it back.
    FlushConsumed(After),
    /// Own the TX control line: the card has taken the last message.
    Own(Tag),
    /// Store the first part of the overflow line.
    Part(Tag),
    /// Store the rest of it.
    Body(Tag),
    /// Store the control line.
    Control(Tag),
    /// Give the overflow line back.
    FlushBody,
    /// Give the control line back.
    FlushControl,
    /// Load the other control line.
    Send,
    /// Clear BUSY.
    End,
    /// Give the preemption line back.
    Yield,
    /// The kernel has taken the core after the worker yielded.
    Suspended,
    /// The worker has left after RETIRE.
    Retired,
    /// The worker is gone.
    Dead,
    /// And the endpoint is being reset.
    Resetting,
    /// And has been reset.
    Off,
}

/// What a worker does once it has acknowledged an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// Reply to the request.
    Reply(Tag),
    /// Wait again.
    Wait,
    /// Leave.
    Leave,
}

/// The program on the core of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// What it is about to do.
    pub step: Step,
    /// Its process.
    pub process: u8,
    /// The RX control line whose turn it is.
    pub rx: Parity,
    /// The TX control line whose turn it is.
    pub tx: Parity,
    /// Its next sequence number.
    pub sequence: u8,
}

impl Worker {
    /// A worker on an endpoint that was reset.
    pub fn new(process: u8, config: &Config) -> Self {
        Self {
            step: if config.preempt {
                Step::Begin
            } else {
                Step::Receive
            },
            process,
            rx: Parity::Zero,
            tx: Parity::Zero,
            sequence: 0,
        }
    }
}

/// An endpoint with its worker and all that is between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Card: RX lines.
    pub rx: RxHome<Tag>,
    /// Card: TX lines.
    pub tx: TxHome<Data>,
    /// Card: preemption line.
    pub preempt: PreemptHome,
    /// The message that the TX path reads.
    pub offered: Option<Tag>,
    /// Halves whose reset is under way.
    pub resetting: u8,
    /// Caches and channels, in the order of [`LINES`](super::data::LINES).
    pub lines: [Line; 7],
    /// The core.
    pub worker: Worker,
}

/// The whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Endpoints. Shared between states that differ elsewhere.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Requests.
    pub requests: Vec<Request>,
    /// Numbers of the queued requests, oldest first.
    pub queue: Vec<u8>,
    /// What was broken on the way here.
    pub fault: Option<Fault>,
}

impl State {
    /// All workers fresh, no request.
    pub fn new(config: &Config) -> Self {
        let home = config.home();
        let endpoint = |n: usize| {
            Arc::new(Endpoint {
                rx: RxHome::with(home),
                tx: TxHome::with(home),
                preempt: PreemptHome::default(),
                offered: None,
                resetting: 0,
                lines: Default::default(),
                worker: Worker::new((n % config.processes) as u8, config),
            })
        };
        let request = |n: usize| Request {
            life: Life::Absent,
            slot: false,
            tag: Tag {
                request: n as u8,
                process: 0,
                generation: false,
                long: false,
            },
        };
        Self {
            endpoints: (0..config.endpoints).map(endpoint).collect(),
            requests: (0..config.requests).map(request).collect(),
            queue: vec![],
            fault: None,
        }
    }

    /// Everything that tells this state from others, in bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(192));
        self.hash(&mut bytes);
        bytes.0
    }

    /// The smallest encoding among all states that differ from this one only in the numbers of
    /// endpoints, processes and requests.
    pub fn representative(&self, config: &Config) -> Vec<u8> {
        let mut best = self.encode();
        if !config.symmetry {
            return best;
        }
        for endpoints in permutations(self.endpoints.len()) {
            for requests in permutations(self.requests.len()) {
                for processes in permutations(config.processes) {
                    let twin = self.permuted(&endpoints, &requests, &processes).encode();
                    best = best.min(twin);
                }
            }
        }
        best
    }

    fn permuted(&self, endpoints: &[u8], requests: &[u8], processes: &[u8]) -> Self {
        let tag = |tag: Tag| Tag {
            request: requests[usize::from(tag.request)],
            process: processes[usize::from(tag.process)],
            ..tag
        };
        let mut next = self.clone();
        for (n, endpoint) in self.endpoints.iter().enumerate() {
            next.endpoints[usize::from(endpoints[n])] =
                Arc::new(endpoint.renamed(tag, |p| processes[usize::from(p)]));
        }
        for (n, request) in self.requests.iter().enumerate() {
            let at = |e: u8| endpoints[usize::from(e)];
            next.requests[usize::from(requests[n])] = Request {
                life: match request.life {
                    Life::Assigned(e) => Life::Assigned(at(e)),
                    Life::Delivered(e) => Life::Delivered(at(e)),
                    other => other,
                },
                slot: request.slot,
                tag: tag(request.tag),
            };
        }
        for n in &mut next.queue {
            *n = requests[usize::from(*n)];
        }
        next
    }
}

impl Endpoint {
    fn renamed(&self, tag: impl Fn(Tag) -> Tag + Copy, process: impl Fn(u8) -> u8) -> Self {
        let data = |data: Data| data.rename(tag);
        let mut next = Self {
            rx: self.rx.map(|request| tag(*request)),
            tx: self.tx.map(|content| data(*content)),
            offered: self.offered.map(tag),
            lines: self.lines.clone(),
            ..self.clone()
        };
        for line in &mut next.lines {
            line.cache = CacheLine {
                held: match line.cache.held {
                    Held::Invalid => Held::Invalid,
                    Held::Shared(content) => Held::Shared(data(content)),
                    Held::Exclusive(content) => Held::Exclusive(data(content)),
                    Held::Modified(content) => Held::Modified(data(content)),
                },
                pending: line.cache.pending,
            };
            for message in &mut line.to_card {
                if let ToCard::Writeback(content) | ToCard::Ack(content) = message {
                    *content = content.map(data);
                }
            }
            for message in &mut line.to_host {
                if let ToHost::Fill(content) = message {
                    *content = data(*content);
                }
            }
        }
        next.worker.process = process(self.worker.process);
        next.worker.step = match self.worker.step {
            Step::Overflow(of) => Step::Overflow(tag(of)),
            Step::Consume(After::Reply(of)) => Step::Consume(After::Reply(tag(of))),
            Step::FlushConsumed(After::Reply(of)) => Step::FlushConsumed(After::Reply(tag(of))),
            Step::Own(of) => Step::Own(tag(of)),
            Step::Part(of) => Step::Part(tag(of)),
            Step::Body(of) => Step::Body(tag(of)),
            Step::Control(of) => Step::Control(tag(of)),
            other => other,
        };
        next
    }
}

/// All orders of `0..count`.
fn permutations(count: usize) -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    for n in 0..count {
        let longer = all.into_iter().flat_map(|order: Vec<u8>| {
            (0..=order.len()).map(move |i| {
                let mut order = order.clone();
                order.insert(i, n as u8);
                order
            })
        });
        all = longer.collect();
    }
    all
}

/// Collects what a `Hash` implementation writes, a byte for each small number.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_usize(value as usize);
    }

    fn write_u64(&mut self, value: u64) {
        self.write_usize(value as usize);
    }

    fn write_usize(&mut self, value: usize) {
        match u8::try_from(value) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn write_isize(&mut self, value: isize) {
        self.write_usize(value as usize);
    }
}
