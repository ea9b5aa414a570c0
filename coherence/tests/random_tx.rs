//! A host with random evictions and touches against the TX home, over an interconnect that
//! reorders lines: every message leaves exactly once, in order and whole.

use std::collections::BTreeMap;

use lauberhorn_coherence::cache::{CacheAction, CacheEvent, CacheLine, Held};
use lauberhorn_coherence::home::{TxAction, TxContent, TxEvent, TxHome, TxMessage, WaitingLoad};
use lauberhorn_coherence::{LineRole, Parity};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

mod common;
use common::{Network, for_seeds};

const OVERFLOW: usize = 4;
const MESSAGES: u32 = 60;
const MAX_STEPS: usize = 200_000;

/// The content of a line.
#[derive(Clone, Debug, Default, PartialEq)]
enum Line {
    #[default]
    Zeros,
    Control(u32),
    Body(u32, usize),
}

/// Overflow lines of a message; any function of its number will do.
fn overflow_lines(message: u32) -> usize {
    message as usize * 7 % (OVERFLOW + 1)
}

impl TxContent for Line {
    fn overflow_lines(&self) -> Option<usize> {
        match self {
            Line::Control(message) => Some(overflow_lines(*message)),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum ToCard {
    Load,
    Writeback(Option<Line>),
    RecallAck(Option<Line>),
}

#[derive(Debug)]
enum ToHost {
    Fill(Line),
    Recall,
}

/// What the program on the core does.
#[derive(Clone, Debug, PartialEq)]
enum Program {
    /// It writes overflow line n of the message, or the control line after the last.
    Write(usize),
    /// It waits for the other control line.
    Send,
}

struct World {
    rng: ChaCha8Rng,
    home: TxHome<Line>,
    offered: bool,
    cache: BTreeMap<LineRole, CacheLine<Line>>,
    to_card: Network<ToCard>,
    to_host: Network<ToHost>,
    parity: Parity,
    program: Program,
    message: u32,
    sent: u32,
}

impl World {
    fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            home: TxHome::new(OVERFLOW),
            offered: false,
            cache: BTreeMap::new(),
            to_card: Network::new(),
            to_host: Network::new(),
            parity: Parity::Zero,
            program: Program::Write(0),
            message: 0,
            sent: 0,
        }
    }

    fn home(&mut self, event: TxEvent<Line>) {
        let (next, actions) = self.home.step(event).unwrap();
        self.home = next;
        for action in actions {
            match action {
                TxAction::Fill { load, data } => self.to_host.send(load.line, ToHost::Fill(data)),
                TxAction::Recall(line) => self.to_host.send(line, ToHost::Recall),
                TxAction::Offer(message) => {
                    let n = self.sent;
                    let overflow = (0..overflow_lines(n)).map(|i| Line::Body(n, i)).collect();
                    let whole = TxMessage::Complete {
                        control: Line::Control(n),
                        overflow,
                    };
                    assert_eq!(message, whole);
                    self.sent += 1;
                    self.offered = true;
                }
                TxAction::ResetDone => unreachable!("nobody resets"),
            }
        }
    }

    fn cache(&mut self, line: LineRole, event: CacheEvent<Line>) -> bool {
        let cached = self.cache.entry(line).or_default();
        let (next, actions) = cached.step(event).unwrap();
        *cached = next;
        let mut loaded = false;
        for action in actions {
            match action {
                CacheAction::Load { .. } => self.to_card.send(line, ToCard::Load),
                CacheAction::Writeback(data) => self.to_card.send(line, ToCard::Writeback(data)),
                CacheAction::RecallAck(data) => self.to_card.send(line, ToCard::RecallAck(data)),
                CacheAction::Loaded(_) => loaded = true,
            }
        }
        loaded
    }

    fn is_pending(&self) -> bool {
        self.cache.values().any(|cached| cached.pending.is_some())
    }

    /// Owns the line the program is at, then stores to it or, at the end, turns to the next.
    fn run_program(&mut self) {
        let (line, content) = match self.program {
            // The barrier before the load that sends: all earlier loads are back.
            Program::Send if self.is_pending() => return,
            Program::Send => {
                let other = LineRole::TxControl(self.parity.other());
                self.cache(other, CacheEvent::Load { exclusive: true });
                return;
            }
            Program::Write(n) if n < overflow_lines(self.message) => {
                (LineRole::TxOverflow(n), Line::Body(self.message, n))
            }
            Program::Write(_) => (
                LineRole::TxControl(self.parity),
                Line::Control(self.message),
            ),
        };
        if self.cache(line, CacheEvent::Load { exclusive: true }) {
            self.cache(line, CacheEvent::Store(content));
            self.program = match (&self.program, line) {
                (Program::Write(n), LineRole::TxOverflow(_)) => Program::Write(n + 1),
                _ => Program::Send,
            };
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

    /// Loads a line again that the program may have written already.
    fn touch(&mut self) {
        if self.program == Program::Send {
            return;
        }
        let line = match self.rng.random_range(0..=OVERFLOW) {
            OVERFLOW => LineRole::TxControl(self.parity),
            n => LineRole::TxOverflow(n),
        };
        self.cache(line, CacheEvent::Load { exclusive: true });
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..35 => {
                if let Some((line, message)) = self.to_card.receive(&mut self.rng) {
                    self.home(match message {
                        ToCard::Load => TxEvent::Load(WaitingLoad { line, id: 0 }),
                        ToCard::Writeback(data) => TxEvent::Writeback(line, data),
                        ToCard::RecallAck(data) => TxEvent::RecallAck(line, data),
                    });
                }
            }
            35..70 => {
                if let Some((line, message)) = self.to_host.receive(&mut self.rng) {
                    let event = match message {
                        ToHost::Fill(data) => CacheEvent::Fill {
                            data,
                            exclusive: true,
                        },
                        ToHost::Recall => CacheEvent::Recall,
                    };
                    let sent = line == LineRole::TxControl(self.parity.other());
                    if self.cache(line, event) && sent {
                        self.message += 1;
                        self.parity = self.parity.other();
                        self.program = Program::Write(0);
                    }
                }
            }
            70..80 if self.message < MESSAGES => self.run_program(),
            80..85 => self.evict(),
            85..90 => self.touch(),
            90..95 if self.offered => {
                self.offered = false;
                self.home(TxEvent::Taken);
            }
            _ => {}
        }
    }
}

#[test]
fn every_message_leaves_once_and_whole() {
    for_seeds(200, |rng| {
        let mut world = World::new(rng);
        for _ in 0..MAX_STEPS {
            world.step();
            if world.message == MESSAGES && world.home.is_idle() {
                assert_eq!(world.sent, MESSAGES);
                return;
            }
        }
        panic!(
            "no progress: at message {} ({:?}), {} sent; {:?} {:?} {:?} {:?}",
            world.message,
            world.program,
            world.sent,
            world.home,
            world.cache,
            world.to_card,
            world.to_host
        );
    });
}
