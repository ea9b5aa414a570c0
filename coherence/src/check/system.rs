//! The state of the modelled system: workers on endpoints, their lines, and the requests.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::config::Config;
use super::data::{Data, Line, Tag};
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
    /// Something is owed and nothing that must happen can happen.
    Deadlock,
}

/// Where a request is. Its session is open from `Assigned` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Hash for Worker {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.step.hash(hasher);
        hasher.write_i16(self.process.into());
        let parities = self.rx.index() | self.tx.index() << 1;
        hasher.write_u8(parities as u8 | self.sequence << 2);
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Everything that tells this state from others, in bytes, as `names` would have it.
    pub fn encode(&self, names: &Names, bytes: &mut Vec<u8>) {
        bytes.clear();
        let mut encoder = Encoder { names, bytes };
        for &e in &names.endpoint_order {
            self.endpoints[usize::from(e)].hash(&mut encoder);
        }
        for &n in &names.request_order {
            let request = &self.requests[usize::from(n)];
            let (life, at) = match request.life {
                Life::Absent => (0, 0),
                Life::Queued => (1, 0),
                Life::Assigned(e) => (2, names.endpoints[usize::from(e)]),
                Life::Delivered(e) => (3, names.endpoints[usize::from(e)]),
            };
            encoder.write_u8(life | at << 2 | u8::from(request.slot) << 7);
            request.tag.hash(&mut encoder);
        }
        for &n in &self.queue {
            encoder.write_u16(n.into());
        }
        self.fault.hash(&mut encoder);
    }

    /// A number for this state and all that differ from it only in the numbers of endpoints,
    /// processes and requests: the hash of the smallest of their encodings.
    pub fn fingerprint(&self, namings: &[Names]) -> u64 {
        let (mut best, mut other) = (Vec::with_capacity(256), Vec::with_capacity(256));
        self.encode(&namings[0], &mut best);
        for names in &namings[1..] {
            self.encode(names, &mut other);
            if other < best {
                std::mem::swap(&mut best, &mut other);
            }
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&best);
        hasher.finish()
    }
}

/// One way to number endpoints, processes and requests.
#[derive(Clone, Debug)]
pub struct Names {
    /// New number of each endpoint.
    endpoints: Vec<u8>,
    /// Endpoints in the order of their new numbers.
    endpoint_order: Vec<u8>,
    /// New number of each request.
    requests: Vec<u8>,
    /// Requests in the order of their new numbers.
    request_order: Vec<u8>,
    /// New number of each process.
    processes: Vec<u8>,
}

impl Names {
    /// All ways; only the given one when states are not to be folded.
    pub fn all(config: &Config) -> Vec<Self> {
        let mut all = vec![];
        let inverse = |order: &[u8]| -> Vec<u8> {
            let at = |n| order.iter().position(|&m| usize::from(m) == n);
            let place = |n| at(n).expect("a permutation") as u8;
            (0..order.len()).map(place).collect()
        };
        for endpoints in permutations(config.endpoints) {
            for requests in permutations(config.requests) {
                for processes in permutations(config.processes) {
                    all.push(Self {
                        endpoint_order: inverse(&endpoints),
                        endpoints: endpoints.clone(),
                        request_order: inverse(&requests),
                        requests: requests.clone(),
                        processes,
                    });
                }
            }
        }
        if !config.symmetry {
            all.retain(|names| {
                let same = |order: &[u8]| order.is_sorted();
                same(&names.endpoints) && same(&names.requests) && same(&names.processes)
            });
        }
        all
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

/// Collects what `Hash` implementations write, a byte for each small number, renaming requests and
/// processes.
struct Encoder<'a> {
    names: &'a Names,
    bytes: &'a mut Vec<u8>,
}

impl Hasher for Encoder<'_> {
    fn finish(&self) -> u64 {
        unreachable!("the bytes are the result")
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// A request.
    fn write_u16(&mut self, request: u16) {
        self.bytes.push(self.names.requests[usize::from(request)]);
    }

    /// A process.
    fn write_i16(&mut self, process: i16) {
        self.bytes.push(self.names.processes[process as usize]);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_usize(value as usize);
    }

    fn write_u64(&mut self, value: u64) {
        self.write_usize(value as usize);
    }

    fn write_usize(&mut self, value: usize) {
        match u8::try_from(value) {
            Ok(small) if small < u8::MAX => self.bytes.push(small),
            _ => {
                self.bytes.push(u8::MAX);
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn write_isize(&mut self, value: isize) {
        self.write_usize(value as usize);
    }
}
