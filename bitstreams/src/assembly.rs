//! # Assembly
//! A composite from the models of its leaves: its wires say which port drives which, so paths are
//! followed from leaf to leaf and their loads added up, and resources are a sum. Nothing is
//! optimised across the border of a leaf, as with a hierarchy that synthesis keeps; a path through
//! a port takes the slowest bit on both sides of it.

use crate::delay::{Delays, Grade, NetModel, Step};
use crate::error::Error;
use crate::hierarchy::{Composite, Hierarchy, Leaf, Module, row};
use crate::model::{Cost, Model};
use crate::resources::Resources;
use crate::sta::{Analysis, CORE_PERIOD, Path, PathStep};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A part of a composite.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// Its path; a row of blocks is one part.
    pub name: String,
    /// Leaves in it.
    pub leaves: usize,
    /// What they take.
    pub resources: Resources,
}

/// A composite.
pub struct Assembly {
    /// Worst paths, through ports and inside leaves.
    pub analysis: Analysis,
    /// Costs of the worst paths; those of the two models need not be the same path.
    pub worst: Option<Cost>,
    /// All of it.
    pub resources: Resources,
    /// Parts, sorted by name.
    pub parts: Vec<Part>,
}

/// Assembles `hierarchy`, whose outermost module wires. Worst paths are kept up to `count`.
pub fn assemble<'m>(
    hierarchy: &Hierarchy,
    model_of: &dyn Fn(&Leaf) -> &'m Model,
    grade: Grade,
    count: usize,
) -> Result<Assembly, Error> {
    let mut wiring = Wiring::default();
    wiring.walk(hierarchy, &hierarchy.top, "", model_of)?;
    let Some(Module::Composite(top)) = hierarchy.modules.get(&hierarchy.top) else {
        return Err(Error::NoTop(hierarchy.top.clone()));
    };
    let network = Network::new(&mut wiring, top, grade);
    let (analysis, worst) = network.analyse(count)?;
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    let mut resources = Resources::default();
    for (path, model) in &wiring.leaves {
        resources.add(&model.resources);
        let names: Vec<String> = path.split('.').map(row).collect();
        for depth in 1..=names.len() {
            let name = names[..depth].join(".");
            let part = parts.entry(name.clone()).or_insert_with(|| Part {
                name,
                leaves: 0,
                resources: Resources::default(),
            });
            part.leaves += 1;
            part.resources.add(&model.resources);
        }
    }
    Ok(Assembly {
        analysis,
        worst,
        resources,
        parts: parts.into_values().collect(),
    })
}

/// The leaves and the nets between them. Nets that are joined have one root.
#[derive(Default)]
struct Wiring<'m> {
    leaves: Vec<(String, &'m Model)>,
    /// Leaf, port, net.
    pins: Vec<(usize, String, usize)>,
    numbers: HashMap<String, usize>,
    parents: Vec<usize>,
}

impl<'m> Wiring<'m> {
    fn net(&mut self, path: &str, name: &str) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(join(path, name)).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&mut self, mut net: usize) -> usize {
        while self.parents[net] != net {
            self.parents[net] = self.parents[self.parents[net]];
            net = self.parents[net];
        }
        net
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a] = b;
    }

    fn walk(
        &mut self,
        hierarchy: &Hierarchy,
        module: &str,
        path: &str,
        model_of: &dyn Fn(&Leaf) -> &'m Model,
    ) -> Result<(), Error> {
        match hierarchy.modules.get(module) {
            None => return Err(Error::NoTop(module.to_owned())),
            Some(Module::Leaf(leaf)) => self.leaves.push((path.to_owned(), model_of(leaf))),
            Some(Module::Composite(composite)) => {
                for (to, from) in &composite.links {
                    let (to, from) = (self.net(path, to), self.net(path, from));
                    self.unite(to, from);
                }
                for instance in &composite.instances {
                    let inner = join(path, &instance.name);
                    let leaf = self.leaves.len();
                    self.walk(hierarchy, &instance.module, &inner, model_of)?;
                    let is_leaf = matches!(hierarchy.modules[&instance.module], Module::Leaf(_));
                    for (port, net) in &instance.pins {
                        let net = self.net(path, net);
                        match is_leaf {
                            true => self.pins.push((leaf, port.clone(), net)),
                            false => {
                                let port = self.net(&inner, port);
                                self.unite(port, net);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// Who drives a net.
#[derive(Clone, Copy)]
enum Driver {
    /// Input of the composite.
    Input(usize),
    /// Leaf, index of the pin.
    Leaf(usize, usize),
}

/// When a net is stable at its driver.
#[derive(Clone, Default)]
struct Arrival {
    cost: Cost,
    from: Option<usize>,
    /// Inputs of the composite it depends on.
    inputs: BTreeSet<usize>,
}

struct Network<'w, 'm> {
    leaves: &'w [(String, &'m Model)],
    /// Leaf, port, row of the port, root net.
    pins: Vec<(usize, &'w str, String, usize)>,
    pins_of: Vec<Vec<usize>>,
    drivers: HashMap<usize, Driver>,
    loads: HashMap<usize, usize>,
    inputs: Vec<&'w str>,
    outputs: Vec<(&'w str, usize)>,
    delays: [Delays; 2],
}

impl<'w, 'm> Network<'w, 'm> {
    fn new(wiring: &'w mut Wiring<'m>, top: &'w Composite, grade: Grade) -> Self {
        let port = |wiring: &mut Wiring<'m>, name: &str| {
            let net = wiring.net("", name);
            wiring.root(net)
        };
        let inputs: Vec<_> = top.inputs.iter().map(|i| port(wiring, i)).collect();
        let outputs: Vec<_> = top.outputs.iter().map(|o| port(wiring, o)).collect();
        let roots: Vec<_> = (0..wiring.pins.len())
            .map(|pin| wiring.root(wiring.pins[pin].2))
            .collect();
        let wiring: &'w Wiring<'m> = wiring;
        let mut network = Self {
            leaves: &wiring.leaves,
            pins: Vec::new(),
            pins_of: vec![Vec::new(); wiring.leaves.len()],
            drivers: HashMap::new(),
            loads: HashMap::new(),
            inputs: top.inputs.iter().map(String::as_str).collect(),
            outputs: top
                .outputs
                .iter()
                .map(String::as_str)
                .zip(outputs)
                .collect(),
            delays: [NetModel::Fanout, NetModel::Constant].map(|m| Delays::new(grade, m)),
        };
        for (index, net) in inputs.into_iter().enumerate() {
            network.drivers.insert(net, Driver::Input(index));
        }
        for (_, net) in &network.outputs {
            *network.loads.entry(*net).or_default() += 1;
        }
        for ((leaf, port, _), net) in wiring.pins.iter().zip(roots) {
            let name = row(port);
            let boundary = &wiring.leaves[*leaf].1.boundary;
            let index = network.pins.len();
            if let Some(output) = boundary.outputs.get(&name) {
                network.drivers.insert(net, Driver::Leaf(*leaf, index));
                *network.loads.entry(net).or_default() += output.loads;
            } else if let Some(input) = boundary.inputs.get(&name) {
                *network.loads.entry(net).or_default() += input.loads;
            }
            network.pins_of[*leaf].push(index);
            network.pins.push((*leaf, port, name, net));
        }
        network
    }

    fn step(&self, step: Step) -> Cost {
        let [fanout, budget] = self.delays.map(|delays| delays.step(step));
        Cost {
            fanout,
            budget,
            levels: 0,
        }
    }

    fn net_cost(&self, net: usize) -> Cost {
        let loads = self.loads.get(&net).copied().unwrap_or(0);
        let [fanout, budget] = self.delays.map(|delays| delays.net(loads));
        Cost {
            fanout,
            budget,
            levels: 0,
        }
    }

    /// Arrivals at all nets. The inner option tells nets that nothing arrives at.
    fn arrive(
        &self,
        net: usize,
        known: &mut HashMap<usize, Option<Option<Arrival>>>,
    ) -> Result<Option<Arrival>, Error> {
        match known.get(&net) {
            Some(Some(arrival)) => return Ok(arrival.clone()),
            Some(None) => return Err(Error::Loop(self.name(net))),
            None => {}
        }
        known.insert(net, None);
        let mut best: Option<Arrival> = None;
        match self.drivers.get(&net) {
            None => {}
            Some(Driver::Input(index)) => {
                best = Some(Arrival {
                    cost: self.step(Step::ClockToQ),
                    from: None,
                    inputs: BTreeSet::from([*index]),
                });
            }
            Some(Driver::Leaf(leaf, pin)) => {
                let boundary = &self.leaves[*leaf].1.boundary;
                let output = &self.pins[*pin].2;
                if let Some(cost) = boundary.outputs.get(output).and_then(|port| port.cost) {
                    best = Some(Arrival {
                        cost,
                        ..Arrival::default()
                    });
                }
                let arcs = boundary.arcs.iter().filter(|(_, to, _)| to == output);
                for (from, _, cost) in arcs {
                    for pin in &self.pins_of[*leaf] {
                        let (_, _, name, source) = &self.pins[*pin];
                        if name != from {
                            continue;
                        }
                        let Some(before) = self.arrive(*source, known)? else {
                            continue;
                        };
                        let at = match cost.fanout {
                            0 => before.cost,
                            _ => before.cost.then(self.net_cost(*source)).then(*cost),
                        };
                        let best = best.get_or_insert_default();
                        if at.fanout > best.cost.fanout {
                            best.from = Some(*source);
                        }
                        best.cost = best.cost.max(at);
                        best.inputs.extend(&before.inputs);
                    }
                }
            }
        }
        known.insert(net, Some(best.clone()));
        Ok(best)
    }

    fn name(&self, net: usize) -> String {
        match self.drivers.get(&net) {
            Some(Driver::Input(index)) => self.inputs[*index].to_owned(),
            Some(Driver::Leaf(leaf, pin)) => {
                format!("{}.{}", self.leaves[*leaf].0, self.pins[*pin].1)
            }
            None => "a net without driver".to_owned(),
        }
    }

    fn analyse(&self, count: usize) -> Result<(Analysis, Option<Cost>), Error> {
        let mut known = HashMap::new();
        let mut worst: Option<Cost> = None;
        let mut levels = 0;
        // By the row that captures: total cost, end of the path in the net or the leaf.
        let mut ends: BTreeMap<String, (Cost, End)> = BTreeMap::new();
        let mut end = |name: String, cost: Cost, end: End| {
            worst = Some(worst.unwrap_or_default().max(cost));
            levels = levels.max(cost.levels);
            let name = name.split('.').map(row).collect::<Vec<_>>().join(".");
            let entry = ends.entry(name).or_insert((cost, end));
            if cost.fanout > entry.0.fanout {
                *entry = (cost, end);
            }
        };
        for (leaf, (path, model)) in self.leaves.iter().enumerate() {
            if let Some(cost) = model.worst {
                end(format!("{path}.{}", model.path.1), cost, End::Inside(leaf));
            }
        }
        for (leaf, port, name, net) in &self.pins {
            let (path, model) = &self.leaves[*leaf];
            let input = model.boundary.inputs.get(name);
            if let Some(cost) = input.and_then(|port| port.cost)
                && let Some(arrival) = self.arrive(*net, &mut known)?
            {
                let cost = arrival.cost.then(self.net_cost(*net)).then(cost);
                end(format!("{path}.{port}"), cost, End::Net(*net));
            }
        }
        let mut combinational = BTreeSet::new();
        for (port, net) in &self.outputs {
            let Some(arrival) = self.arrive(*net, &mut known)? else {
                continue;
            };
            for input in &arrival.inputs {
                combinational.insert((self.inputs[*input].to_owned(), (*port).to_owned()));
            }
            let cost = arrival.cost.then(self.net_cost(*net));
            let cost = cost.then(self.step(Step::Setup));
            end(format!("output {port}"), cost, End::Net(*net));
        }
        let mut ends: Vec<_> = ends.into_iter().collect();
        ends.sort_by_key(|(name, (cost, _))| (std::cmp::Reverse(cost.fanout), name.clone()));
        ends.truncate(count);
        let paths = ends
            .into_iter()
            .map(|(capture, (cost, end))| self.path(capture, cost, end, &known));
        let deepest = self.leaves.iter().map(|(_, model)| model.levels).max();
        let analysis = Analysis {
            paths: paths.collect(),
            levels: levels.max(deepest.unwrap_or(0)),
            combinational,
            crossings: 0,
        };
        Ok((analysis, worst))
    }

    fn path(
        &self,
        capture: String,
        cost: Cost,
        end: End,
        known: &HashMap<usize, Option<Option<Arrival>>>,
    ) -> Path {
        let mut path = Path {
            delay: cost.fanout,
            period: CORE_PERIOD,
            levels: cost.levels,
            launch: String::new(),
            capture,
            steps: Vec::new(),
        };
        match end {
            End::Inside(leaf) => {
                let (name, model) = &self.leaves[leaf];
                path.launch = format!("{name}.{}", model.path.0);
            }
            End::Net(net) => {
                let mut next = Some(net);
                while let Some(net) = next {
                    let arrival = known.get(&net).cloned().flatten().flatten();
                    let arrival = arrival.unwrap_or_default();
                    path.steps.push(PathStep {
                        at: arrival.cost.fanout,
                        cell: String::new(),
                        net: self.name(net),
                        loads: self.loads.get(&net).copied().unwrap_or(0),
                    });
                    next = arrival.from;
                }
                path.steps.reverse();
                path.launch = path.steps[0].net.clone();
            }
        }
        path
    }
}

/// Where a path ends.
#[derive(Clone, Copy)]
enum End {
    /// It is the worst path inside a leaf.
    Inside(usize),
    /// Behind this net.
    Net(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Boundary, Port};

    const DESIGN: &str = "
module top(clock,a,b,y);
    input wire  clock;
    input wire  a;
    input wire  b;
    output reg  y;
    // Sub module instances
    top$source source(
        .q(source$q)
    );
    top$through through(
        .i(through$i),
        .o(through$o)
    );
    top$sink sink(
        .d(sink$d)
    );
    always @(*) through$i = source$q;
    always @(*) sink$d = through$o;
    always @(*) y = b;
endmodule
module top$source(q);
endmodule
module top$through(i,o);
endmodule
module top$sink(d);
endmodule
";

    fn port(loads: usize, cost: Option<(u64, u64, u32)>) -> Port {
        Port {
            loads,
            cost: cost.map(Cost::from),
        }
    }

    fn model(boundary: Boundary) -> Model {
        let mut model = Model::new(
            Resources {
                lut: 2,
                ..Resources::default()
            },
            &Analysis::default(),
            &Analysis::default(),
            boundary,
        );
        model.worst = Some(Cost::from((500, 400, 1)));
        model.path = ("here_q".to_owned(), "there_q".to_owned());
        model
    }

    fn assembled(verilog: &str) -> Result<Assembly, Error> {
        let mut source = Boundary::default();
        let launch = port(2, Some((300, 200, 1)));
        source.outputs.insert("q".to_owned(), launch);
        let mut through = Boundary::default();
        through.inputs.insert("i".to_owned(), port(5, None));
        through.outputs.insert("o".to_owned(), port(0, None));
        let arc = ("i".to_owned(), "o".to_owned(), Cost::from((400, 300, 2)));
        through.arcs.push(arc);
        let mut sink = Boundary::default();
        let capture = port(3, Some((600, 500, 3)));
        sink.inputs.insert("d".to_owned(), capture);
        let models = [source, through, sink].map(model);
        let hierarchy = Hierarchy::parse(verilog, "top")?;
        let model_of = |leaf: &Leaf| {
            let ports = ["top(q)", "top(i,o)", "top(d)"];
            let is = |ports: &&str| leaf.verilog.contains(*ports);
            &models[ports.iter().position(is).expect("one of the three")]
        };
        assemble(&hierarchy, &model_of, Grade::Two, 3)
    }

    #[test]
    fn follows_a_path_through_three_blocks_with_the_loads_of_all() {
        let whole = assembled(DESIGN).unwrap();
        let worst = whole.analysis.worst().unwrap();
        let delays = Delays::new(Grade::Two, NetModel::Fanout);
        // 2 loads in the source and 5 behind it, then the 3 of the sink.
        let expected = 300 + delays.net(7) + 400 + delays.net(3) + 600;
        assert_eq!((worst.delay, worst.levels), (expected, 6));
        assert_eq!(worst.launch, "source.q");
        assert_eq!(worst.capture, "sink.d");
        assert_eq!(whole.worst.unwrap().budget, 200 + 208 + 300 + 208 + 500);
        assert_eq!(whole.resources.lut, 6);
        assert_eq!(whole.parts.len(), 3);
        let through = BTreeSet::from([("b".to_owned(), "y".to_owned())]);
        assert_eq!(whole.analysis.combinational, through);
        let second = &whole.analysis.paths[1];
        assert!(second.launch.ends_with(".here_q"), "{}", second.launch);
    }

    #[test]
    fn finds_loops() {
        let tied = DESIGN.replace("through$i = source$q", "through$i = through$o");
        let error = assembled(&tied).err().expect("a loop").to_string();
        assert!(error.contains("loop through through.o"), "{error}");
    }
}
