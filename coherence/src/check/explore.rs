//! Visits every state, breadth first.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Config;
use super::live::{is_in_debt, owed};
use super::step::{Action, Fairness};
use super::system::{Endpoint, Fault, Names, State};

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
    /// Every state that is fewer steps away than this was left in every possible way.
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

/// Endpoints of the states that are still to be visited: equal ones exist once.
type Pool = HashSet<Arc<Endpoint>>;

/// Visits every state of `config`, or stops at the first fault. `progress` says whether to go on.
pub fn explore(
    config: &Config,
    limits: &Limits,
    mut progress: impl FnMut(&Graph) -> bool,
) -> Graph {
    const CHUNK: usize = 1 << 12;
    let begin = Instant::now();
    let first = State::new(config);
    let mut graph = Graph {
        parents: vec![(0, None)],
        ..Graph::default()
    };
    let mut known = Known::default();
    let names = Names::all(config);
    known.insert(first.fingerprint(&names), 0);
    let mut frontier = VecDeque::from([(0, first)]);
    while !frontier.is_empty() {
        let mut next = VecDeque::new();
        let mut pool = Pool::default();
        while !frontier.is_empty() {
            let chunk: Vec<_> = frontier.drain(..frontier.len().min(CHUNK)).collect();
            if limits.edges {
                for (_, state) in &chunk {
                    graph.owed.push(owed(state));
                }
            }
            for (expanded, found) in expand(config, &names, &chunk, limits.threads) {
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
                    if let Some(state) = add(&mut graph, &mut known, &found, limits.edges) {
                        next.push_back((state, share(found.state, &mut pool)));
                    }
                }
            }
            graph.time = begin.elapsed();
            let enough = graph.parents.len() > limits.states;
            if !progress(&graph) || enough || graph.fault.is_some() {
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

/// Counts what was found; the number of a state that is new.
fn add(graph: &mut Graph, known: &mut Known, found: &Found, edges: bool) -> Option<u32> {
    graph.transitions += 1;
    let number = graph.parents.len() as u32;
    let (target, new) = match known.entry(found.fingerprint) {
        Entry::Occupied(entry) => (*entry.get(), None),
        Entry::Vacant(entry) => {
            entry.insert(number);
            graph.parents.push((found.from, Some(found.action)));
            match found.state.fault {
                Some(fault) if graph.fault.is_none() => graph.fault = Some((fault, number)),
                _ => {}
            }
            (number, Some(number))
        }
    };
    if edges {
        match found.action.fairness() {
            Fairness::Fair(n) => graph.edges.push((target, n)),
            Fairness::Free => graph.edges.push((target, u8::MAX)),
            Fairness::Rare => {}
        }
    }
    new
}

/// The same state, made of the endpoints of `pool`.
fn share(mut state: State, pool: &mut Pool) -> State {
    for endpoint in &mut state.endpoints {
        match pool.get(endpoint) {
            Some(known) => *endpoint = Arc::clone(known),
            None => {
                pool.insert(Arc::clone(endpoint));
            }
        }
    }
    state
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
