//! Measures the time from an item at one place to the item of the same number at another.

/// Cycles of two kinds of events, in order.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    name: String,
    cycles: u64,
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl Stopwatch {
    /// A promise that item `n` at the end comes `cycles` after item `n` at the start.
    pub fn new(name: &str, cycles: u64) -> Self {
        Self {
            name: name.to_owned(),
            cycles,
            starts: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Notes what happens in a cycle.
    pub fn look(&mut self, cycle: u64, start: bool, end: bool) {
        self.starts.extend(start.then_some(cycle));
        self.ends.extend(end.then_some(cycle));
    }

    /// Holds the promise against what was seen: at least `least` items, each in time.
    #[track_caller]
    pub fn check(&self, least: usize) {
        let Self {
            name,
            cycles,
            starts,
            ends,
        } = self;
        assert_eq!(starts.len(), ends.len(), "{name}: items in and out");
        assert!(
            starts.len() >= least,
            "{name}: {} items of {least}",
            starts.len()
        );
        for (item, (start, end)) in starts.iter().zip(ends).enumerate() {
            assert_eq!(end - start, *cycles, "{name}: latency of item {item}");
        }
    }

    /// Forgets items that have not come to their end.
    pub fn cut(&mut self) {
        self.starts.truncate(self.ends.len());
    }

    /// The most items that started in a row without an idle cycle.
    pub fn longest_run(&self) -> usize {
        let mut longest = usize::from(!self.starts.is_empty());
        let mut run = longest;
        for pair in self.starts.windows(2) {
            run = if pair[1] == pair[0] + 1 { run + 1 } else { 1 };
            longest = longest.max(run);
        }
        longest
    }
}
