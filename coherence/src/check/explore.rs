//! Visits every state, breadth first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::config::Config;
use super::live::{is_in_debt, owed};
use super::step::{Action, Fairness};
use super::system::{Fault, Names, State};

/// Fingerprints are hashes already.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints are single numbers");
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// States.
    pub states: usize,
    /// Threads.
    pub threads: usize,
    /// Keep the edges, for the check of what must happen eventually.
    pub edges: bool,
}

/// What was visited.
#[derive(Debug, Default)]
pub struct Graph {
    /// The state from which each state was first reached, and how.
    pub parents: Vec<(u32, Option<Action>)>,
    /// Where the edges of each state begin; one more than states.
    pub starts: Vec<usize>,
    /// Target and fair action (255 when free) of each edge; rare actions are left out.
    pub edges: Vec<(u32, u8)>,
    /// Fair actions possible in each state.
    pub enabled: Vec<u64>,
    /// What is owed in each state, see [`live`](super::live).
    pub owed: Vec<u32>,
    /// Transitions seen.
    pub transitions: u64,
    /// Steps of the longest of all shortest ways.
    pub depth: usize,
    /// The first fault, and the state in which it shows.
    pub fault: Option<(Fault, u32)>,
    /// Every state was visited.
    pub complete: bool,
    /// Time taken.
    pub time: Duration,
}

/// Marks a state in which nothing must happen.
const IDLE: u64 = 1 << 63;

/// A state found from another.
struct Found {
    from: u32,
    action: Action,
    fingerprint: u64,
    state: State,
}

type Known = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// Visits every state of `config`, or stops at the first fault.
pub fn explore(config: &Config, limits: &Limits, mut progress: impl FnMut(&Graph)) -> Graph {
    const CHUNK: usize = 1 << 15;
    let begin = Instant::now();
    let first = State::new(config);
    let mut graph = Graph {
        parents: vec![(0, None)],
        ..Graph::default()
    };
    let mut known = Known::default();
    let names = Names::all(config);
    known.insert(first.fingerprint(&names), 0);
    let mut frontier = vec![(0, first)];
    while !frontier.is_empty() {
        let mut next = vec![];
        for chunk in frontier.chunks(CHUNK) {
            if limits.edges {
                for (_, state) in chunk {
                    graph.owed.push(owed(state));
                }
            }
            for (expanded, found) in expand(config, &names, chunk, limits.threads) {
                for (number, count, enabled) in expanded {
                    if enabled == 0 && graph.fault.is_none() {
                        graph.fault = Some((Fault::Deadlock, number));
                    }
                    if limits.edges {
                        graph.enabled.push(enabled & !IDLE);
                        graph.starts.push(count);
                    }
                }
                for found in found {
                    add(&mut graph, &mut known, &mut next, found, limits.edges);
                }
            }
            graph.time = begin.elapsed();
            progress(&graph);
            if graph.fault.is_some() || graph.parents.len() > limits.states {
                return graph;
            }
        }
        frontier = next;
        graph.depth += 1;
    }
    if limits.edges {
        // Counts become places.
        let mut at = 0;
        for start in &mut graph.starts {
            at += std::mem::replace(start, at);
        }
        graph.starts.push(at);
    }
    graph.complete = true;
    graph.time = begin.elapsed();
    graph
}

/// States with the count of their edges and the fair actions possible, and what follows from them.
type Expanded = (Vec<(u32, usize, u64)>, Vec<Found>);

/// All that follows from the states of `chunk`, in order.
fn expand(
    config: &Config,
    names: &[Names],
    chunk: &[(u32, State)],
    threads: usize,
) -> Vec<Expanded> {
    let work = |part: &[(u32, State)]| {
        let mut actions = vec![];
        let (mut expanded, mut found) = (vec![], vec![]);
        for (from, state) in part {
            actions.clear();
            config.actions(state, &mut actions);
            let (mut count, mut enabled) = (0, 0u64);
            for &action in &actions {
                match action.fairness() {
                    Fairness::Fair(n) => enabled |= 1 << n,
                    Fairness::Free => {}
                    Fairness::Rare => count -= 1,
                }
                count += 1;
                let state = config.next(state, action);
                found.push(Found {
                    from: *from,
                    action,
                    fingerprint: state.fingerprint(names),
                    state,
                });
            }
            if enabled == 0 && !is_in_debt(state) {
                enabled = IDLE;
            }
            expanded.push((*from, count as usize, enabled));
        }
        (expanded, found)
    };
    let size = chunk.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts = chunk.chunks(size);
        let running: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<_>| thread.join().expect("no panic");
        running.into_iter().map(join).collect()
    })
}

fn add(
    graph: &mut Graph,
    known: &mut Known,
    next: &mut Vec<(u32, State)>,
    found: Found,
    edges: bool,
) {
    graph.transitions += 1;
    let number = graph.parents.len() as u32;
    let target = match known.entry(found.fingerprint) {
        Entry::Occupied(entry) => *entry.get(),
        Entry::Vacant(entry) => {
            entry.insert(number);
            graph.parents.push((found.from, Some(found.action)));
            match found.state.fault {
                Some(fault) if graph.fault.is_none() => graph.fault = Some((fault, number)),
                _ => {}
            }
            next.push((number, found.state));
            number
        }
    };
    if edges {
        match found.action.fairness() {
            Fairness::Fair(n) => graph.edges.push((target, n)),
            Fairness::Free => graph.edges.push((target, u8::MAX)),
            Fairness::Rare => {}
        }
    }
}

/// The way from the first state to state `number`, with every state after its action.
pub fn path(config: &Config, graph: &Graph, number: u32) -> Vec<(Action, State)> {
    let mut way = vec![];
    let mut at = number;
    while let (from, Some(action)) = graph.parents[at as usize] {
        way.push(action);
        at = from;
    }
    let mut state = State::new(config);
    let mut step = |action| {
        state = config.next(&state, action);
        (action, state.clone())
    };
    way.into_iter().rev().map(&mut step).collect()
}
