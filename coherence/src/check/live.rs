//! What must happen eventually: cycles in which something stays owed although every fair action
//! that stays possible is done.

use std::collections::HashSet;
use std::sync::Arc;

use super::explore::Graph;
use super::system::{Endpoint, Life, State};

/// What may be owed, as bits of [`Graph::owed`]: for each request an answer and its slot, for each
/// endpoint its loads and its rest.
const ANSWER: u32 = 0;
const SLOT: u32 = 4;
const LOAD: u32 = 8;
const REST: u32 = 24;

/// What the system owes in `state`.
pub fn owed(state: &State) -> u32 {
    let mut bits = 0;
    let has_worker = |process: u8| {
        let serves = |e: &Arc<Endpoint>| e.worker.process == process;
        state.endpoints.iter().any(serves)
    };
    for (n, request) in state.requests.iter().enumerate() {
        let served = request.life != Life::Queued || has_worker(request.tag.process);
        if request.life != Life::Absent && served {
            bits |= 1 << (ANSWER + n as u32);
        }
        if request.slot && served {
            bits |= 1 << (SLOT + n as u32);
        }
    }
    for (n, endpoint) in state.endpoints.iter().enumerate() {
        for (i, line) in endpoint.lines.iter().enumerate() {
            if line.cache.pending.is_some() {
                bits |= 1 << (LOAD + (n * 7 + i) as u32);
            }
        }
        if !endpoint.rx.is_waiting() {
            bits |= 1 << (REST + n as u32);
        }
    }
    bits
}

/// Whether something other than the answer to a waiting load is owed in `state`.
pub fn is_in_debt(state: &State) -> bool {
    let loads = (1 << REST) - (1 << LOAD);
    owed(state) & !loads != 0
}

/// What can stay owed for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Debt {
    /// A request is never answered.
    Answer,
    /// A slot is never freed.
    Slot,
    /// A load is never filled.
    Load,
    /// An endpoint never waits for a request again.
    Rest,
}

impl Debt {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Answer, Self::Slot, Self::Load, Self::Rest];

    fn bits(self) -> std::ops::Range<u32> {
        match self {
            Self::Answer => ANSWER..SLOT,
            Self::Slot => SLOT..LOAD,
            Self::Load => LOAD..REST,
            Self::Rest => REST..32,
        }
    }
}

/// A state of a fair cycle, or a state of rest, in which `debt` stays owed.
pub fn unpaid(graph: &Graph, debt: Debt) -> Option<u32> {
    let seen = graph.owed.iter().fold(0, |all, owed| all | owed);
    let bits = debt.bits().filter(|bit| seen & (1 << bit) != 0);
    bits.into_iter().find_map(|bit| fair_cycle(graph, 1 << bit))
}

/// Tarjan's components of the states that owe `bit`, each judged when it is complete.
fn fair_cycle(graph: &Graph, bit: u32) -> Option<u32> {
    const NEW: u32 = u32::MAX;
    let count = graph.owed.len();
    let owes = |state: u32| graph.owed[state as usize] & bit != 0;
    let mut index = vec![NEW; count];
    let mut low = vec![NEW; count];
    let mut on_stack = vec![false; count];
    let mut stack: Vec<u32> = vec![];
    let mut calls: Vec<(u32, usize)> = vec![];
    let mut order = 0;
    for root in (0..count as u32).filter(|&state| owes(state)) {
        if index[root as usize] != NEW {
            continue;
        }
        calls.push((root, graph.starts[root as usize]));
        while let Some(&mut (state, ref mut edge)) = calls.last_mut() {
            let s = state as usize;
            if index[s] == NEW {
                index[s] = order;
                low[s] = order;
                order += 1;
                stack.push(state);
                on_stack[s] = true;
            }
            if *edge < graph.starts[s + 1] {
                let (target, _) = graph.edges[*edge];
                let t = target as usize;
                *edge += 1;
                if owes(target) && index[t] == NEW {
                    calls.push((target, graph.starts[t]));
                } else if on_stack[t] {
                    low[s] = low[s].min(index[t]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(caller, _)) = calls.last() {
                let c = caller as usize;
                low[c] = low[c].min(low[s]);
            }
            if low[s] == index[s] {
                let from = stack.iter().rposition(|&member| member == state);
                let component = stack.split_off(from.expect("the root is on the stack"));
                if is_fair(graph, &component) {
                    return Some(state);
                }
                for member in component {
                    on_stack[member as usize] = false;
                }
            }
        }
    }
    None
}

/// Whether the system can stay in the component for ever without leaving out an action that stays
/// possible. Standing still counts as staying.
fn is_fair(graph: &Graph, component: &[u32]) -> bool {
    let members: HashSet<u32> = component.iter().copied().collect();
    let (mut always, mut done) = (u64::MAX, 0u64);
    for &state in component {
        let s = state as usize;
        always &= graph.enabled[s];
        for (target, action) in &graph.edges[graph.starts[s]..graph.starts[s + 1]] {
            if *action != u8::MAX && members.contains(target) {
                done |= 1 << action;
            }
        }
    }
    always & !done == 0
}
