//! Sources and sinks around one running design.

use super::Rng;
use crate::rtl::{Dut, Value};
use rand::{Rng as _, RngCore, SeedableRng};

/// Cycles without any transfer after which a run is given up.
const IDLE_CYCLES: u64 = 2_000;

/// How often a source offers or a sink takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// In every cycle.
    Full,
    /// In this share of the cycles, at random.
    Percent(u8),
    /// Long runs of activity and of silence.
    Bursts,
    /// Never.
    Stopped,
}

impl Pace {
    /// Decides for one cycle; `active` is the state of the current burst.
    pub fn decide(self, rng: &mut Rng, active: &mut bool) -> bool {
        match self {
            Pace::Full => true,
            Pace::Stopped => false,
            Pace::Percent(share) => rng.random_range(0..100) < share,
            Pace::Bursts => {
                if rng.random_ratio(1, 12) {
                    *active = !*active;
                }
                *active
            }
        }
    }
}

/// Names a source of a bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceId(usize);

/// Names a sink of a bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SinkId(usize);

struct Source {
    payload: String,
    valid: String,
    /// `None` for a flow: it never waits.
    ready: Option<String>,
    width: usize,
    items: Vec<Value>,
    offered: bool,
    pace: Pace,
    active: bool,
    accepted: Vec<u64>,
}

struct Sink {
    name: String,
    payload: String,
    valid: String,
    ready: Option<String>,
    pace: Pace,
    active: bool,
    received: Vec<(u64, Value)>,
    /// Item that was offered and not taken in the last cycle.
    waiting: Option<Value>,
    first_valid: Option<u64>,
}

/// Names a bit that a bench counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PulseId(usize);

/// Drives a design: every cycle each source offers or not, each sink takes or not. Checks the stream
/// rules on the way: an offered item stays until it is taken.
pub struct Bench<'d> {
    /// The design, for ports that are not streams.
    pub dut: &'d mut dyn Dut,
    rng: Rng,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    /// Port, field, and in how many cycles it was not zero.
    pulses: Vec<(String, String, u64)>,
    cycle: u64,
}

impl<'d> Bench<'d> {
    /// A bench around `dut`, which it resets.
    pub fn new(dut: &'d mut dyn Dut, seed: u64) -> Self {
        dut.reset();
        Self {
            dut,
            rng: Rng::seed_from_u64(seed),
            sources: Vec::new(),
            sinks: Vec::new(),
            pulses: Vec::new(),
            cycle: 0,
        }
    }

    fn ready_of(&self, bundle: &str) -> Option<String> {
        let name = format!("{bundle}$ready");
        let known = self.dut.ports().iter().any(|port| port.name == name);
        known.then_some(name)
    }

    /// Feeds `items` into the stream or flow input `bundle`.
    #[track_caller]
    pub fn source(&mut self, bundle: &str, items: Vec<Value>, pace: Pace) -> SourceId {
        let payload = format!("{bundle}$payload");
        self.sources.push(Source {
            width: self.dut.port(&payload).width,
            valid: format!("{bundle}$valid"),
            ready: self.ready_of(bundle),
            payload,
            items,
            offered: false,
            pace,
            active: true,
            accepted: Vec::new(),
        });
        SourceId(self.sources.len() - 1)
    }

    /// Takes the items of the stream or flow output `bundle`.
    pub fn sink(&mut self, bundle: &str, pace: Pace) -> SinkId {
        self.sinks.push(Sink {
            name: bundle.to_owned(),
            payload: format!("{bundle}$payload"),
            valid: format!("{bundle}$valid"),
            ready: self.ready_of(bundle),
            pace,
            active: true,
            received: Vec::new(),
            waiting: None,
            first_valid: None,
        });
        SinkId(self.sinks.len() - 1)
    }

    /// Counts the pulses of a field of the output `port` from now on.
    pub fn pulses(&mut self, port: &str, field: &str) -> PulseId {
        self.pulses.push((port.to_owned(), field.to_owned(), 0));
        PulseId(self.pulses.len() - 1)
    }

    /// Pulses so far.
    pub fn counted(&self, pulse: PulseId) -> u64 {
        self.pulses[pulse.0].2
    }

    /// Adds items to a source.
    pub fn feed(&mut self, source: SourceId, items: impl IntoIterator<Item = Value>) {
        self.sources[source.0].items.extend(items);
    }

    /// Changes the pace of a sink.
    pub fn set_sink_pace(&mut self, sink: SinkId, pace: Pace) {
        self.sinks[sink.0].pace = pace;
    }

    /// Cycles since construction.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Items taken from a sink so far.
    pub fn received(&self, sink: SinkId) -> Vec<Value> {
        let received = &self.sinks[sink.0].received;
        received.iter().map(|(_, item)| item.clone()).collect()
    }

    /// Cycles in which a sink took its items.
    pub fn receive_cycles(&self, sink: SinkId) -> Vec<u64> {
        let received = &self.sinks[sink.0].received;
        received.iter().map(|(cycle, _)| *cycle).collect()
    }

    /// First cycle in which a sink was offered an item.
    pub fn first_valid(&self, sink: SinkId) -> Option<u64> {
        self.sinks[sink.0].first_valid
    }

    /// Cycles in which the items of a source were accepted.
    pub fn accept_cycles(&self, source: SourceId) -> &[u64] {
        &self.sources[source.0].accepted
    }

    /// Sets the inputs of this cycle.
    fn drive(&mut self) {
        let (dut, rng) = (&mut *self.dut, &mut self.rng);
        for source in &mut self.sources {
            let next = source.accepted.len();
            let go = source.pace.decide(rng, &mut source.active);
            source.offered = next < source.items.len() && (source.offered || go);
            // Without `valid` the payload means nothing: make it differ in every cycle.
            let payload = match source.offered {
                true => source.items[next].clone(),
                false => random_value(rng, source.width),
            };
            dut.set(&source.payload, &payload);
            dut.poke(&source.valid, u64::from(source.offered));
        }
        for sink in &mut self.sinks {
            let take = sink.pace.decide(rng, &mut sink.active);
            if let Some(ready) = &sink.ready {
                dut.poke(ready, u64::from(take));
            }
        }
    }

    /// Looks at the outputs of this cycle; returns the number of transfers.
    fn sample(&mut self) -> usize {
        let (dut, cycle) = (&mut *self.dut, self.cycle);
        let mut transfers = 0;
        for (port, field, count) in &mut self.pulses {
            *count += u64::from(dut.peek_field(port, field) != 0);
        }
        for source in &mut self.sources {
            let ready = source.ready.as_ref().is_none_or(|port| dut.peek(port) == 1);
            if source.offered && ready {
                source.accepted.push(cycle);
                source.offered = false;
                transfers += 1;
            }
        }
        for sink in &mut self.sinks {
            let valid = dut.peek(&sink.valid) == 1;
            let ready = sink.ready.as_ref().is_none_or(|port| dut.peek(port) == 1);
            let item = valid.then(|| dut.get(&sink.payload));
            if let Some(waiting) = sink.waiting.take() {
                assert!(
                    item.as_ref() == Some(&waiting),
                    "cycle {cycle}: {} took back {waiting} before it was accepted, now {item:?}",
                    sink.name
                );
            }
            let Some(item) = item else { continue };
            sink.first_valid.get_or_insert(cycle);
            match ready {
                true => {
                    sink.received.push((cycle, item));
                    transfers += 1;
                }
                false => sink.waiting = Some(item),
            }
        }
        transfers
    }

    /// One clock cycle; returns the number of transfers in it.
    #[track_caller]
    pub fn step(&mut self) -> usize {
        self.drive();
        let transfers = self.sample();
        if let Err(failed) = self.dut.step() {
            panic!("{failed}");
        }
        self.cycle += 1;
        transfers
    }

    /// A number of clock cycles.
    #[track_caller]
    pub fn steps(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.step();
        }
    }

    /// Runs until `sink` has taken `count` items in all.
    #[track_caller]
    pub fn run_until(&mut self, sink: SinkId, count: usize) {
        let mut idle = 0;
        while self.sinks[sink.0].received.len() < count {
            idle = if self.step() > 0 { 0 } else { idle + 1 };
            assert!(
                idle < IDLE_CYCLES,
                "cycle {}: {} gave {} of {count} items, then nothing moved for {idle} cycles",
                self.cycle,
                self.sinks[sink.0].name,
                self.sinks[sink.0].received.len()
            );
        }
    }

    /// Runs until nothing has moved for `quiet` cycles.
    #[track_caller]
    pub fn run_until_quiet(&mut self, quiet: u64) {
        let mut idle = 0;
        while idle < quiet {
            idle = if self.step() > 0 { 0 } else { idle + 1 };
        }
    }

    /// Holds the reset for two cycles, forgets what sources and sinks did and what they still had.
    pub fn reset(&mut self) {
        self.dut.reset();
        for source in &mut self.sources {
            source.items.clear();
            source.accepted.clear();
            source.offered = false;
        }
        for sink in &mut self.sinks {
            sink.received.clear();
            sink.waiting = None;
            sink.first_valid = None;
        }
    }
}

/// Random bits.
pub fn random_value(rng: &mut Rng, width: usize) -> Value {
    let limbs: Vec<u64> = (0..width.div_ceil(64)).map(|_| rng.next_u64()).collect();
    Value::from_limbs(width, &limbs)
}
