//! What a receive costs on each interconnect, in the reference functions with the delays of the
//! profile; card and software take no time. It holds the figures of the book.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use lauberhorn_coherence::home::{HomeConfig, RxAction, RxContent, RxEvent, RxHome, WaitingLoad};
use lauberhorn_coherence::{InterconnectProfile, LineRole, Parity};

const CURRENT: LineRole = LineRole::RxControl(Parity::Zero);
const NEXT: LineRole = LineRole::RxControl(Parity::One);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Load(LineRole),
    Writeback(LineRole),
    Ack(LineRole),
    /// Whether the line belongs to a message.
    Fill(LineRole, bool),
    Recall(LineRole),
}

/// One core, its cache, and the card's side of its endpoint.
struct Link {
    profile: InterconnectProfile,
    home: RxHome<()>,
    now: u64,
    under_way: BinaryHeap<Reverse<(u64, usize, Message)>>,
    sent: usize,
    /// Until when lines to the host keep the link.
    busy: u64,
    cache: BTreeMap<LineRole, bool>,
    asked: VecDeque<LineRole>,
    outstanding: usize,
    /// Loads of overflow lines wait for a message, as in no card of ours, and these do.
    defers: bool,
    deferred: Vec<LineRole>,
}

/// When the core loads the overflow lines of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// Together, once the control line says how many there are.
    Known,
    /// Together with the control line, while it waits.
    Speculative,
    /// The same, from a card that lets these loads wait too.
    Deferred,
}

impl Link {
    fn new(profile: InterconnectProfile, overflow_lines: usize, consume: bool) -> Self {
        let config = HomeConfig {
            consume,
            ..HomeConfig::new(overflow_lines)
        };
        Self {
            profile,
            home: RxHome::with(config),
            now: 0,
            under_way: BinaryHeap::new(),
            sent: 0,
            busy: 0,
            cache: BTreeMap::new(),
            asked: VecDeque::new(),
            outstanding: 0,
            defers: false,
            deferred: vec![],
        }
    }

    fn send(&mut self, after_ns: u32, message: Message) {
        let at = self.now + u64::from(after_ns);
        self.under_way.push(Reverse((at, self.sent, message)));
        self.sent += 1;
    }

    fn load(&mut self, lines: impl IntoIterator<Item = LineRole>) {
        self.asked.extend(lines);
        while self.outstanding < self.profile.max_outstanding {
            let Some(line) = self.asked.pop_front() else {
                break;
            };
            self.outstanding += 1;
            let there = self.profile.issue_ns + self.profile.one_way_to_nic_ns;
            self.send(there, Message::Load(line));
        }
    }

    fn give_back(&mut self, line: LineRole) {
        self.cache.remove(&line);
        let there = self.profile.flush_ns + self.profile.one_way_to_nic_ns;
        self.send(there, Message::Writeback(line));
    }

    fn home(&mut self, event: RxEvent<()>) {
        let (home, actions) = self.home.step(event).expect("a legal event");
        self.home = home;
        for action in actions {
            match action {
                RxAction::Fill { load, content } => {
                    let full = matches!(content, RxContent::Request(()) | RxContent::Overflow(..));
                    let start = self.busy.max(self.now);
                    self.busy = start + u64::from(self.profile.line_occupancy_ns);
                    let there = (start - self.now) as u32 + self.profile.one_way_to_host_ns;
                    self.send(there, Message::Fill(load.line, full));
                }
                // Without coherence nothing is held, and the card's side acknowledges itself.
                RxAction::Recall(line) if !self.profile.coherent => {
                    self.send(0, Message::Ack(line));
                }
                RxAction::Recall(line) => {
                    self.send(self.profile.one_way_to_host_ns, Message::Recall(line));
                }
                RxAction::Free(()) | RxAction::ResetDone => {}
            }
        }
    }

    /// The next message arrives.
    fn step(&mut self) -> bool {
        let Some(Reverse((at, _, message))) = self.under_way.pop() else {
            return false;
        };
        self.now = at;
        match message {
            Message::Load(line @ LineRole::RxOverflow(_)) if self.defers => {
                self.deferred.push(line)
            }
            Message::Load(line) => self.home(RxEvent::Load(WaitingLoad { line, id: 0 })),
            Message::Writeback(line) => self.home(RxEvent::Writeback { line, dirty: true }),
            Message::Ack(line) => self.home(RxEvent::RecallAck(line)),
            Message::Fill(line, full) => {
                self.cache.insert(line, full);
                self.outstanding -= 1;
                self.load([]);
            }
            Message::Recall(line) => {
                self.cache.remove(&line);
                let there = self.profile.snoop_ns + self.profile.one_way_to_nic_ns;
                self.send(there, Message::Ack(line));
            }
        }
        true
    }

    fn settle(&mut self) {
        while self.step() {}
    }

    fn assign(&mut self, overflow_lines: usize) {
        self.home(RxEvent::Assign {
            request: (),
            overflow_lines,
        });
        self.defers = false;
        for line in std::mem::take(&mut self.deferred) {
            self.home(RxEvent::Load(WaitingLoad { line, id: 0 }));
        }
    }
}

/// From a message's assignment to its last line in the core's hands.
fn receive_ns(profile: InterconnectProfile, overflow_lines: usize, when: Overflow) -> u64 {
    let mut link = Link::new(profile, overflow_lines, true);
    link.defers = when == Overflow::Deferred;
    let overflow = || (0..overflow_lines).map(LineRole::RxOverflow);
    link.load([CURRENT]);
    if when != Overflow::Known {
        link.load(overflow());
    }
    link.settle();
    let begin = link.now;
    link.assign(overflow_lines);
    link.settle();
    assert_eq!(link.cache.get(&CURRENT), Some(&true));
    let missing = overflow().filter(|line| link.cache.get(line) != Some(&true));
    let missing: Vec<_> = missing.collect();
    link.load(missing);
    link.settle();
    link.now - begin
}

/// From the load of the next control line to a message in it that was there before.
fn turn_ns(profile: InterconnectProfile, overflow_lines: usize, by_store: bool) -> u64 {
    let mut link = Link::new(profile, overflow_lines, by_store);
    link.load([CURRENT]);
    link.settle();
    link.assign(overflow_lines);
    link.settle();
    link.load((0..overflow_lines).map(LineRole::RxOverflow));
    link.settle();
    if by_store {
        // The handler runs while the lines come back.
        link.give_back(CURRENT);
        link.settle();
    }
    let begin = link.now;
    link.load([NEXT]);
    while !link.home.is_waiting() {
        assert!(link.step(), "the load comes to wait");
    }
    link.assign(0);
    link.settle();
    link.now - begin
}

/// Overflow lines of a frame of 1472 bytes.
fn overflow_lines(profile: &InterconnectProfile) -> usize {
    match profile.name {
        "eci" => 11,
        _ => 23,
    }
}

/// A profile and the book's figures for it, in nanoseconds.
struct Figures {
    profile: InterconnectProfile,
    /// Overflow loads behind the control line's, with it, with it and waiting.
    receive: [u64; 3],
    /// Acknowledged by load, by store.
    turn: [u64; 2],
}

const BOOK: [Figures; 3] = [
    Figures {
        profile: InterconnectProfile::ECI,
        receive: [968, 1532, 572],
        turn: [984, 420],
    },
    Figures {
        profile: InterconnectProfile::CXL,
        receive: [582, 842, 354],
        turn: [490, 230],
    },
    Figures {
        profile: InterconnectProfile::PCIE,
        receive: [4536, 4536, 3842],
        turn: [700, 700],
    },
];

#[test]
fn loading_overflow_lines_while_waiting_costs_a_recall() {
    for Figures {
        profile, receive, ..
    } in BOOK
    {
        let lines = overflow_lines(&profile);
        let ways = [Overflow::Known, Overflow::Speculative, Overflow::Deferred];
        let [plain, speculative, deferred] = ways.map(|when| receive_ns(profile, lines, when));
        println!(
            "{}: {plain} ns, {speculative} ns, {deferred} ns",
            profile.name
        );
        assert_eq!([plain, speculative, deferred], receive, "{}", profile.name);
        // Most of a round trip would be saved.
        assert!(plain - deferred > u64::from(profile.load_ns()) * 9 / 10);
        let recall = if profile.coherent {
            profile.recall_ns()
        } else {
            0
        };
        assert_eq!(speculative, plain + u64::from(recall));
    }
}

#[test]
fn acknowledgement_by_store_takes_the_recall_from_between_two_calls() {
    for Figures { profile, turn, .. } in BOOK {
        let lines = overflow_lines(&profile);
        let [load, store] = [false, true].map(|by_store| turn_ns(profile, lines, by_store));
        println!("{}: by load {load} ns, by store {store} ns", profile.name);
        assert_eq!([load, store], turn, "{}", profile.name);
        let recall = if profile.coherent {
            profile.recall_ns()
        } else {
            0
        };
        assert_eq!(load, store + u64::from(recall));
        assert_eq!(store, u64::from(profile.load_ns()));
    }
}
