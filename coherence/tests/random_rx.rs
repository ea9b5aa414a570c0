//! A host with random evictions, prefetches, re-reads and early loads against the RX home, over an
//! interconnect that reorders lines: every request arrives exactly once, in order and whole.

use std::collections::BTreeMap;

use lauberhorn_coherence::cache::{CacheAction, CacheEvent, CacheLine, Held};
use lauberhorn_coherence::home::{RxAction, RxContent, RxEvent, RxHome, WaitingLoad};
use lauberhorn_coherence::{LineRole, Parity};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

mod common;
use common::{Network, for_seeds};

const OVERFLOW: usize = 4;
const REQUESTS: u32 = 60;
const MAX_STEPS: usize = 200_000;

type Content = RxContent<u32>;

#[derive(Debug)]
enum ToCard {
    Load,
    Writeback,
    RecallAck,
}

#[derive(Debug)]
enum ToHost {
    Fill(Content),
    Recall,
}

/// What the program on the core does.
#[derive(Clone, Debug, PartialEq)]
enum Program {
    /// It waits for the control line.
    Control,
    /// It has the control line of the request and waits for overflow line `next`.
    Overflow { request: u32, next: usize },
}

/// Behaviour of the host beyond the plain protocol.
#[derive(Clone, Copy, PartialEq)]
enum Mischief {
    /// Evictions, overflow prefetches, re-reads.
    Ordinary,
    /// Also loads the other control line while it waits; requests then have no overflow lines.
    EarlyLoads,
}

struct World {
    mischief: Mischief,
    rng: ChaCha8Rng,
    home: RxHome<u32>,
    cache: BTreeMap<LineRole, CacheLine<Content>>,
    to_card: Network<ToCard>,
    to_host: Network<ToHost>,
    parity: Parity,
    program: Program,
    assigned: u32,
    received: u32,
    freed: u32,
}

impl World {
    fn new(mischief: Mischief, rng: ChaCha8Rng) -> Self {
        Self {
            mischief,
            rng,
            home: RxHome::new(OVERFLOW),
            cache: BTreeMap::new(),
            to_card: Network::new(),
            to_host: Network::new(),
            parity: Parity::Zero,
            program: Program::Control,
            assigned: 0,
            received: 0,
            freed: 0,
        }
    }

    /// Overflow lines of a request; any function of its number will do.
    fn overflow_lines(&self, request: u32) -> usize {
        match self.mischief {
            Mischief::Ordinary => request as usize * 7 % (OVERFLOW + 1),
            Mischief::EarlyLoads => 0,
        }
    }

    /// One event at the home.
    fn home(&mut self, event: RxEvent<u32>) {
        let (next, actions) = self.home.step(event).unwrap();
        self.home = next;
        for action in actions {
            match action {
                RxAction::Fill { load, content } => {
                    self.to_host.send(load.line, ToHost::Fill(content));
                }
                RxAction::Recall(line) => self.to_host.send(line, ToHost::Recall),
                RxAction::Free(request) => {
                    assert_eq!(request, self.freed, "freed once and in order");
                    self.freed += 1;
                }
                RxAction::ResetDone => unreachable!("nobody resets"),
            }
        }
    }

    /// One event at a cached line; the content if it completes a load.
    fn cache(&mut self, line: LineRole, event: CacheEvent<Content>) -> Option<Content> {
        let cached = self.cache.entry(line).or_default();
        let (next, actions) = cached.step(event).unwrap();
        *cached = next;
        let mut loaded = None;
        for action in actions {
            match action {
                CacheAction::Load { .. } => self.to_card.send(line, ToCard::Load),
                CacheAction::Writeback(_) => self.to_card.send(line, ToCard::Writeback),
                CacheAction::RecallAck(_) => self.to_card.send(line, ToCard::RecallAck),
                CacheAction::Loaded(content) => loaded = Some(content),
            }
        }
        let valid = |p| {
            self.cache
                .get(&LineRole::RxControl(p))
                .is_some_and(|l| l.data().is_some())
        };
        assert!(
            !Parity::BOTH.into_iter().all(valid),
            "both control lines held"
        );
        loaded
    }

    /// The line the program wants next.
    fn wanted(&self) -> LineRole {
        match self.program {
            Program::Control => LineRole::RxControl(self.parity),
            Program::Overflow { next, .. } => LineRole::RxOverflow(next),
        }
    }

    /// The program loads what it wants, and goes on if it gets it.
    fn run_program(&mut self) {
        let line = self.wanted();
        if let Some(content) = self.cache(line, CacheEvent::Load { exclusive: false }) {
            self.progress(content);
        }
    }

    fn progress(&mut self, content: Content) {
        let (request, done) = match (self.program.clone(), content) {
            (Program::Control, Content::Request(request)) => (request, 0),
            (Program::Control, Content::TryAgain | Content::Retire) => {
                self.parity = self.parity.other();
                return;
            }
            (Program::Overflow { request, next }, Content::Overflow(of, n)) => {
                assert_eq!((of, n), (request, next));
                (request, next + 1)
            }
            (program, content) => panic!("{program:?} got {content:?}"),
        };
        if done < self.overflow_lines(request) {
            self.program = Program::Overflow {
                request,
                next: done,
            };
        } else {
            assert_eq!(request, self.received, "every request once and in order");
            self.received += 1;
            self.parity = self.parity.other();
            self.program = Program::Control;
        }
    }

    fn evict(&mut self) {
        let held = self
            .cache
            .iter()
            .filter(|(_, cached)| cached.held != Held::Invalid);
        let held: Vec<_> = held.map(|(&line, _)| line).collect();
        if !held.is_empty() {
            let line = held[self.rng.random_range(0..held.len())];
            self.cache(line, CacheEvent::Evict);
        }
    }

    /// A load that the program did not ask for.
    fn stray_load(&mut self) {
        let line = match (self.mischief, &self.program) {
            (Mischief::EarlyLoads, _) => LineRole::RxControl(self.parity.other()),
            // Re-read the control line of the request at hand.
            (_, Program::Overflow { .. }) if self.rng.random() => LineRole::RxControl(self.parity),
            _ => LineRole::RxOverflow(self.rng.random_range(0..OVERFLOW)),
        };
        self.cache(line, CacheEvent::Load { exclusive: false });
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..35 => {
                if let Some((line, message)) = self.to_card.receive(&mut self.rng) {
                    self.home(match message {
                        ToCard::Load => RxEvent::Load(WaitingLoad { line, id: 0 }),
                        ToCard::Writeback => RxEvent::Writeback { line, dirty: false },
                        ToCard::RecallAck => RxEvent::RecallAck(line),
                    });
                }
            }
            35..70 => {
                if let Some((line, message)) = self.to_host.receive(&mut self.rng) {
                    let event = match message {
                        ToHost::Fill(data) => CacheEvent::Fill {
                            data,
                            exclusive: false,
                        },
                        ToHost::Recall => CacheEvent::Recall,
                    };
                    if let Some(content) = self.cache(line, event) {
                        if line == self.wanted() {
                            self.progress(content);
                        }
                    }
                }
            }
            70..80 => self.run_program(),
            80..85 => self.evict(),
            85..90 => self.stray_load(),
            90..97 if self.home.is_waiting() && self.assigned < REQUESTS => {
                let request = self.assigned;
                self.assigned += 1;
                let overflow_lines = self.overflow_lines(request);
                self.home(RxEvent::Assign {
                    request,
                    overflow_lines,
                });
            }
            97..99 if self.home.is_waiting() => self.home(RxEvent::Timeout),
            99 if self.home.is_waiting() => self.home(RxEvent::Retire),
            _ => {}
        }
    }
}

fn simulate(mischief: Mischief, rng: ChaCha8Rng) {
    let mut world = World::new(mischief, rng);
    for _ in 0..MAX_STEPS {
        world.step();
        if world.freed == REQUESTS && world.received == REQUESTS {
            return;
        }
    }
    panic!(
        "no progress: {} assigned, {} received, {} freed; {:?} {:?} {:?} {:?}",
        world.assigned,
        world.received,
        world.freed,
        world.home,
        world.cache,
        world.to_card,
        world.to_host
    );
}

#[test]
fn every_request_arrives_once_and_whole() {
    for_seeds(200, |rng| simulate(Mischief::Ordinary, rng));
}

#[test]
fn every_request_arrives_once_despite_early_loads() {
    for_seeds(200, |rng| simulate(Mischief::EarlyLoads, rng));
}
