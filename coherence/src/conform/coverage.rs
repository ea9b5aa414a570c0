//! Which message met which state.

use std::collections::BTreeMap;

/// Half, state and message.
pub type Pair = (&'static str, &'static str, &'static str);

/// How often each message met each state of each half, and of the preemption line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pairs: BTreeMap<Pair, u64>,
}

impl Coverage {
    pub(super) fn count(&mut self, half: &'static str, pairs: &[(&'static str, &'static str)]) {
        for (state, message) in pairs {
            *self.pairs.entry((half, state, message)).or_default() += 1;
        }
    }

    /// How often a pair was met.
    pub fn met(&self, pair: Pair) -> u64 {
        self.pairs.get(&pair).copied().unwrap_or(0)
    }

    /// The pairs that were met, with how often.
    pub fn pairs(&self) -> impl Iterator<Item = (Pair, u64)> {
        self.pairs.iter().map(|(pair, count)| (*pair, *count))
    }

    /// Adds what was met elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (pair, count) in other.pairs() {
            *self.pairs.entry(pair).or_default() += count;
        }
    }

    /// Every pair that the port's contract allows, whatever the host and its software do.
    pub fn possible() -> Vec<Pair> {
        let receive = |state| {
            let always = [
                "load R[p]",
                "load R[1-p]",
                "load RO",
                "dirty R[p]",
                "dirty other",
                "clean notice",
            ];
            let also: &[&str] = match state {
                "parked" => &["assign", "timeout", "retire", "reset"],
                "answered" => &["timeout", "reset"],
                "clearing" | "turning" => &["acknowledgement", "reset"],
                "quiet" => &["reset"],
                _ => &["acknowledgement"],
            };
            always.into_iter().chain(also.iter().copied())
        };
        let send = |state| {
            let always = [
                "load T[q]",
                "load T[1-q]",
                "load TO",
                "dirty T",
                "dirty TO",
                "clean notice",
            ];
            let also: &[&str] = match state {
                "idle" => &["reset"],
                "offered" => &["taken", "reset"],
                "reset" => &["clean acknowledgement", "dirty acknowledgement", "taken"],
                _ => &["clean acknowledgement", "dirty acknowledgement", "reset"],
            };
            always.into_iter().chain(also.iter().copied())
        };
        let preempt: &[(&str, &[&str])] = &[
            ("home", &["ask", "allow", "reset"]),
            (
                "held",
                &["dirty writeback", "clean notice", "ask", "allow", "reset"],
            ),
            (
                "recalled",
                &[
                    "dirty writeback",
                    "clean notice",
                    "dirty acknowledgement",
                    "clean acknowledgement",
                    "ask",
                    "allow",
                    "reset",
                ],
            ),
            (
                "reset",
                &[
                    "dirty writeback",
                    "clean notice",
                    "dirty acknowledgement",
                    "clean acknowledgement",
                    "ask",
                    "allow",
                ],
            ),
        ];
        let mut pairs: Vec<Pair> = Vec::new();
        for (state, messages) in preempt {
            pairs.push(("preemption", state, "load"));
            pairs.extend(
                messages
                    .iter()
                    .map(|message| ("preemption", *state, *message)),
            );
        }
        for state in [
            "quiet", "parked", "clearing", "answered", "turning", "reset",
        ] {
            pairs.extend(receive(state).map(|message| ("receive", state, message)));
        }
        for state in ["idle", "control", "overflow", "offered", "reset"] {
            pairs.extend(send(state).map(|message| ("transmit", state, message)));
        }
        pairs
    }
}
