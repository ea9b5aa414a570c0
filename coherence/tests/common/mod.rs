//! What the random host simulations share: seeds and a network that reorders lines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use lauberhorn_coherence::LineRole;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Runs `simulate` for many seeds that follow from `LAUBERHORN_SEED`, and names the one that fails.
pub fn for_seeds(runs: u64, simulate: impl Fn(ChaCha8Rng)) {
    let text = std::env::var("LAUBERHORN_SEED").unwrap_or("1".into());
    let root = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let root: u64 = root.expect("LAUBERHORN_SEED is a decimal or 0x hexadecimal number");
    println!("reproduce with LAUBERHORN_SEED={root} cargo test -p lauberhorn-coherence");
    for run in 0..runs {
        println!("run {run}");
        let seed = root.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(run);
        simulate(ChaCha8Rng::seed_from_u64(seed));
    }
}

/// One direction of the interconnect: in order per line, in any order between lines.
#[derive(Debug)]
pub struct Network<M> {
    lines: BTreeMap<LineRole, VecDeque<M>>,
}

impl<M: Debug> Network<M> {
    pub fn new() -> Self {
        Self {
            lines: BTreeMap::new(),
        }
    }

    pub fn send(&mut self, line: LineRole, message: M) {
        self.lines.entry(line).or_default().push_back(message);
    }

    /// Delivers the oldest message of a random line.
    pub fn receive(&mut self, rng: &mut ChaCha8Rng) -> Option<(LineRole, M)> {
        let busy: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, queue)| !queue.is_empty())
            .collect();
        if busy.is_empty() {
            return None;
        }
        let line = *busy[rng.random_range(0..busy.len())].0;
        let message = self.lines.get_mut(&line)?.pop_front()?;
        Some((line, message))
    }
}
