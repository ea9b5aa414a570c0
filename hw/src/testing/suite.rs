//! What every stream block is tested for.

use super::{Bench, Pace, Rng, rng, root_seed};
use crate::rtl::{Dut, Value};
use rand::Rng as _;

/// Makes a fresh design under test.
pub type Make<'a> = dyn Fn() -> Box<dyn Dut> + 'a;

/// Items of every port, in the order of the ports.
pub type PortItems = Vec<Vec<Value>>;

/// One stream block with its promises. [`Suite::run`] holds it to them.
pub struct Suite<'a> {
    /// Name in messages and of the random stream.
    pub name: &'a str,
    /// Makes a fresh one.
    pub make: &'a Make<'a>,
    /// Stream or flow inputs.
    pub inputs: &'a [&'a str],
    /// Stream or flow outputs.
    pub outputs: &'a [&'a str],
    /// About `count` random items per input.
    pub items: &'a dyn Fn(&mut Rng, usize) -> PortItems,
    /// Untimed model: the items of every output, given those of every input.
    pub model: &'a dyn Fn(&[Vec<Value>]) -> PortItems,
    /// Cycles from the acceptance of the first item of every input to the first item of output 0.
    pub latency_cycles: u64,
    /// With no stalls, cycles per 100 items at the busiest port (100 is one item in each cycle).
    pub cycles_per_100_items: u64,
}

impl Suite<'_> {
    /// Latency and throughput without stalls, random stalls in × out, reset in mid-stream; always
    /// against the model.
    #[track_caller]
    pub fn run(&self) {
        let root = root_seed();
        self.unstalled(root);
        let paces = [
            Pace::Full,
            Pace::Percent(70),
            Pace::Percent(15),
            Pace::Bursts,
        ];
        for (i, input) in paces.into_iter().enumerate() {
            for (o, output) in paces.into_iter().enumerate() {
                self.stalled(root, &format!("{i}{o}"), input, output);
            }
        }
        self.reset_in_mid_stream(root);
    }

    fn stimulus(&self, rng: &mut Rng, count: usize) -> (PortItems, PortItems) {
        let items = (self.items)(rng, count);
        let expected = (self.model)(&items);
        assert_eq!(items.len(), self.inputs.len(), "{}: inputs", self.name);
        assert_eq!(expected.len(), self.outputs.len(), "{}: outputs", self.name);
        (items, expected)
    }

    /// Runs `items` through `bench` and compares all outputs.
    fn compare(
        &self,
        bench: &mut Bench<'_>,
        ports: &Ports,
        items: PortItems,
        expected: &[Vec<Value>],
        what: &str,
    ) {
        for (source, items) in ports.sources.iter().zip(items) {
            bench.feed(*source, items);
        }
        for (sink, expected) in ports.sinks.iter().zip(expected) {
            bench.run_until(*sink, expected.len());
        }
        // Whatever comes beyond the model's items would show up now.
        bench.steps(40);
        for ((sink, expected), port) in ports.sinks.iter().zip(expected).zip(self.outputs) {
            let received = bench.received(*sink);
            let differ = received.iter().zip(expected).position(|(a, b)| a != b);
            if let Some(index) = differ {
                panic!(
                    "{} ({what}), {port}: item {index} is {}, the model says {}",
                    self.name, received[index], expected[index]
                );
            }
            assert_eq!(
                received.len(),
                expected.len(),
                "{} ({what}), {port}: number of items",
                self.name
            );
        }
    }

    fn ports(&self, bench: &mut Bench<'_>, input: Pace, output: Pace) -> Ports {
        let source = |name: &&str| bench.source(name, Vec::new(), input);
        let sources = self.inputs.iter().map(source).collect();
        let sink = |name: &&str| bench.sink(name, output);
        let sinks = self.outputs.iter().map(sink).collect();
        Ports { sources, sinks }
    }

    fn unstalled(&self, root: u64) {
        let mut rng = rng(root, self.name);
        let mut dut = (self.make)();
        let mut bench = Bench::new(&mut *dut, rng.random());
        let ports = self.ports(&mut bench, Pace::Full, Pace::Full);
        let (items, expected) = self.stimulus(&mut rng, 200);
        self.compare(&mut bench, &ports, items, &expected, "no stalls");
        let firsts = ports.sources.iter();
        let accepted = firsts.map(|source| bench.accept_cycles(*source)[0]).max();
        let first = bench.first_valid(ports.sinks[0]).expect("checked above");
        assert_eq!(
            first - accepted.expect("at least one input"),
            self.latency_cycles,
            "{}: latency in cycles",
            self.name
        );
        let mut busiest = Vec::new();
        for source in &ports.sources {
            busiest.push(bench.accept_cycles(*source).to_vec());
        }
        for sink in &ports.sinks {
            busiest.push(bench.receive_cycles(*sink));
        }
        let busiest = busiest.iter().max_by_key(|port| port.len());
        let busiest = busiest.expect("at least one port");
        let span = busiest[busiest.len() - 1] - busiest[0];
        let allowed = (busiest.len() as u64 - 1) * self.cycles_per_100_items / 100;
        assert!(
            span <= allowed,
            "{}: {} items took {span} cycles, promised are {allowed}",
            self.name,
            busiest.len()
        );
    }

    fn stalled(&self, root: u64, seed: &str, input: Pace, output: Pace) {
        let mut rng = rng(root, &format!("{}-{seed}", self.name));
        let mut dut = (self.make)();
        let mut bench = Bench::new(&mut *dut, rng.random());
        let ports = self.ports(&mut bench, input, output);
        let (items, expected) = self.stimulus(&mut rng, 150);
        let what = format!("sources {input:?}, sinks {output:?}");
        self.compare(&mut bench, &ports, items, &expected, &what);
    }

    fn reset_in_mid_stream(&self, root: u64) {
        let mut rng = rng(root, &format!("{}-reset", self.name));
        let mut dut = (self.make)();
        let mut bench = Bench::new(&mut *dut, rng.random());
        let ports = self.ports(&mut bench, Pace::Percent(90), Pace::Percent(40));
        for _ in 0..8 {
            let (items, _) = self.stimulus(&mut rng, 60);
            for (source, items) in ports.sources.iter().zip(items) {
                bench.feed(*source, items);
            }
            bench.steps(rng.random_range(1..60));
            bench.reset();
            for output in self.outputs {
                let valid = bench.dut.peek(&format!("{output}$valid"));
                assert_eq!(valid, 0, "{}: {output} is valid after reset", self.name);
            }
            let (items, expected) = self.stimulus(&mut rng, 40);
            self.compare(&mut bench, &ports, items, &expected, "after a reset");
            bench.reset();
        }
    }
}

struct Ports {
    sources: Vec<super::SourceId>,
    sinks: Vec<super::SinkId>,
}
