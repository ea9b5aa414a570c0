//! # Static timing
//! Longest paths through the mapped netlist, from every register, memory and input to every
//! register, memory and output. An input counts as a register of the block before it, an output as
//! one of the block behind it: a block is judged as it will be wired.
//!
//! It is a pre-layout proxy. It knows neither placement nor routing, clock skew nor jitter; the
//! documentation says what follows from that.

use crate::cells::{self, ArcDelay, Clocked, Kind};
use crate::delay::{Delays, Grade, NetModel, Ps, Step};
use crate::error::Error;
use crate::netlist::{Net, Netlist};
use std::collections::{BTreeMap, BTreeSet};

/// Core clock, 250 MHz.
pub const CORE_PERIOD: Ps = 4000;
/// MAC clock, 322.27 MHz.
pub const MAC_PERIOD: Ps = 3103;

/// Period of the clock with this name: what is named after the MAC runs at the MAC's rate.
pub fn period(clock: &str) -> Ps {
    match clock.contains("mac") {
        true => MAC_PERIOD,
        false => CORE_PERIOD,
    }
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// From clock edge to setup.
    pub delay: Ps,
    /// Clock period it has to meet.
    pub period: Ps,
    /// Logic levels: LUTs, carry chains, LUT RAM reads.
    pub levels: u32,
    /// Where it starts.
    pub launch: String,
    /// Where it ends.
    pub capture: String,
    /// The nets on the way, first to last.
    pub steps: Vec<PathStep>,
}

/// A net on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    /// When it is stable at its driver.
    pub at: Ps,
    /// Type of its driver; empty for an input.
    pub cell: String,
    /// Its name.
    pub net: String,
    /// Its loads.
    pub loads: usize,
}

/// What the analysis found.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// Worst paths relative to their periods, worst first, one per register name at the end.
    pub paths: Vec<Path>,
    /// The largest number of logic levels on any path.
    pub levels: u32,
    /// Outputs that depend on inputs in the same cycle: `(input, output)`.
    pub combinational: BTreeSet<(String, String)>,
    /// Paths from one clock to another: not timed.
    pub crossings: usize,
}

impl Analysis {
    /// The worst path.
    pub fn worst(&self) -> Option<&Path> {
        self.paths.first()
    }
}

/// A net entering a cell on the way to another net.
#[derive(Clone, Copy)]
struct Edge {
    from: Net,
    delay: ArcDelay,
    levels: u32,
    wire: Wire,
}

/// What kind of wire leads from a net to a pin.
#[derive(Clone, Copy)]
enum Wire {
    /// Ordinary routing.
    Routed,
    /// A fixed connection beside the driver.
    Fixed(Step),
    /// Routing, then a LUT that only passes on: the pin has no other entrance.
    ThroughLut,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Domain {
    Clock(Net),
    Port,
}

#[derive(Clone, Copy)]
struct Arrival {
    at: Ps,
    levels: u32,
    from: Option<Net>,
}

/// The netlist as a graph of nets.
pub struct Graph<'n> {
    netlist: &'n Netlist,
    /// Nets behind absorbed inverters stand for those before them.
    alias: Vec<Net>,
    /// Type of the cell that drives a net.
    driver: Vec<Option<(usize, Kind)>>,
    incoming: Vec<Vec<Edge>>,
    /// Combinational nets, sources first.
    order: Vec<Net>,
    loads: Vec<usize>,
    launches: Vec<Clocked>,
    /// With the index of the cell.
    captures: Vec<(usize, Clocked)>,
    /// Inverters that stay.
    pub inverters: u64,
}

impl<'n> Graph<'n> {
    /// Builds the graph of `netlist`.
    pub fn new(netlist: &'n Netlist) -> Result<Self, Error> {
        let kinds = netlist
            .cells
            .iter()
            .map(cells::classify)
            .collect::<Result<Vec<Kind>, Error>>()?;
        let count = netlist.nets_end as usize;
        let mut graph = Self {
            netlist,
            alias: (0..netlist.nets_end).collect(),
            driver: vec![None; count],
            incoming: vec![Vec::new(); count],
            order: Vec::new(),
            loads: vec![0; count],
            launches: Vec::new(),
            captures: Vec::new(),
            inverters: 0,
        };
        let kept = graph.absorb_inverters(&kinds);
        graph.count_loads(&kinds, &kept);
        for (index, cell) in netlist.cells.iter().enumerate() {
            for net in cell.pins.iter().filter(|pin| pin.output) {
                for net in net.nets.iter().flatten() {
                    graph.driver[*net as usize] = Some((index, kinds[index]));
                }
            }
        }
        for (index, cell) in netlist.cells.iter().enumerate() {
            if kinds[index] == Kind::Inverter && !kept.contains(&index) {
                continue;
            }
            let timing = cells::timing(cell, kinds[index])?;
            for arc in timing.arcs {
                let from = graph.alias(arc.from);
                let edge = Edge {
                    from,
                    delay: arc.delay,
                    levels: arc.levels,
                    wire: graph.wire(from, kinds[index], &arc.port),
                };
                graph.incoming[arc.to as usize].push(edge);
            }
            for mut capture in timing.captures {
                capture.net = graph.alias(capture.net);
                graph.captures.push((index, capture));
            }
            graph.launches.extend(timing.launches);
        }
        graph.sort()?;
        Ok(graph)
    }

    fn alias(&self, net: Net) -> Net {
        self.alias[net as usize]
    }

    /// An inverter whose every load can invert costs nothing. Returns those that stay.
    fn absorb_inverters(&mut self, kinds: &[Kind]) -> BTreeSet<usize> {
        let mut inverted: BTreeMap<Net, usize> = BTreeMap::new();
        for (index, cell) in self.netlist.cells.iter().enumerate() {
            if kinds[index] == Kind::Inverter {
                let output = cell.pins.iter().find(|pin| pin.output);
                if let Some(net) = output.and_then(|pin| pin.nets[0]) {
                    inverted.insert(net, index);
                }
            }
        }
        let mut kept = BTreeSet::new();
        let mut keep = |net: &Net| {
            if let Some(index) = inverted.get(net) {
                kept.insert(*index);
            }
        };
        for (cell, kind) in self.netlist.cells.iter().zip(kinds) {
            for pin in cell.pins.iter().filter(|pin| !pin.output) {
                let inverts = match kind {
                    // Multiplexer and carry inputs have a LUT before them.
                    Kind::Lut | Kind::Inverter | Kind::WideMux => true,
                    Kind::Carry(_) => matches!(pin.port.as_str(), "S" | "DI"),
                    Kind::FlipFlop => !matches!(pin.port.as_str(), "CE" | "ENA"),
                    _ => false,
                };
                if !inverts {
                    pin.nets.iter().flatten().for_each(&mut keep);
                }
            }
        }
        for port in self.netlist.ports.iter().filter(|port| port.output) {
            port.nets.iter().flatten().for_each(&mut keep);
        }
        self.inverters = kept.len() as u64;
        for (net, index) in &inverted {
            let cell = &self.netlist.cells[*index];
            let input = cell.pins.iter().find(|pin| !pin.output);
            if let (false, Some(Some(from))) = (kept.contains(index), input.map(|pin| pin.nets[0]))
            {
                self.alias[*net as usize] = from;
            }
        }
        // Inverters behind inverters.
        for net in 0..self.alias.len() {
            let mut end = self.alias[net];
            while self.alias[end as usize] != end {
                end = self.alias[end as usize];
            }
            self.alias[net] = end;
        }
        kept
    }

    fn count_loads(&mut self, kinds: &[Kind], kept: &BTreeSet<usize>) {
        let mut controls = vec![0usize; self.loads.len()];
        for (index, cell) in self.netlist.cells.iter().enumerate() {
            let kind = kinds[index];
            if kind == Kind::Inverter && !kept.contains(&index) {
                continue;
            }
            for pin in cell.pins.iter().filter(|pin| !pin.output) {
                if cells::is_clock(kind, &pin.port) {
                    continue;
                }
                for net in pin.nets.iter().flatten() {
                    let net = self.alias[*net as usize] as usize;
                    match cells::is_control(kind, &pin.port) {
                        true => controls[net] += 1,
                        false => self.loads[net] += 1,
                    }
                }
            }
        }
        for port in self.netlist.ports.iter().filter(|port| port.output) {
            for net in port.nets.iter().flatten() {
                self.loads[*net as usize] += 1;
            }
        }
        // One control pin of a slice serves four flip-flops.
        for (loads, controls) in self.loads.iter_mut().zip(controls) {
            *loads += controls.div_ceil(4);
        }
    }

    fn wire(&self, from: Net, kind: Kind, port: &str) -> Wire {
        let driver = self.driver[from as usize].map(|(_, kind)| kind);
        let single = self.loads[from as usize] <= 1;
        match (kind, port) {
            (Kind::WideMux, "I0" | "I1") => match driver {
                Some(Kind::Lut | Kind::WideMux) => Wire::Fixed(Step::LutToMux),
                _ => Wire::ThroughLut,
            },
            (Kind::Carry(_), "S") => match driver {
                Some(Kind::Lut) if single => Wire::Fixed(Step::LutToCarry),
                _ => Wire::ThroughLut,
            },
            (Kind::Carry(bits), "CI") => match driver {
                Some(Kind::Carry(_)) if bits == 8 => Wire::Fixed(Step::CarryHop8),
                Some(Kind::Carry(_)) => Wire::Fixed(Step::CarryHop4),
                _ => Wire::Routed,
            },
            _ => Wire::Routed,
        }
    }

    /// Orders the combinational nets, or finds a loop.
    fn sort(&mut self) -> Result<(), Error> {
        let count = self.incoming.len();
        let mut waits: Vec<usize> = self.incoming.iter().map(Vec::len).collect();
        let mut leads_to: Vec<Vec<Net>> = vec![Vec::new(); count];
        for (to, edges) in self.incoming.iter().enumerate() {
            for edge in edges {
                leads_to[edge.from as usize].push(to as Net);
            }
        }
        let mut ready: Vec<Net> = (0..count as Net)
            .filter(|net| waits[*net as usize] == 0)
            .collect();
        while let Some(net) = ready.pop() {
            if !self.incoming[net as usize].is_empty() {
                self.order.push(net);
            }
            for to in &leads_to[net as usize] {
                waits[*to as usize] -= 1;
                if waits[*to as usize] == 0 {
                    ready.push(*to);
                }
            }
        }
        match waits.iter().position(|waits| *waits > 0) {
            Some(net) => {
                // Names help more than numbers: prefer a net of the loop that has one.
                let named = (0..count)
                    .find(|net| waits[*net] > 0 && self.netlist.is_named(*net as Net))
                    .unwrap_or(net);
                Err(Error::Loop(self.netlist.name(named as Net)))
            }
            None => Ok(()),
        }
    }

    fn arrive(&self, edge: &Edge, arrivals: &[Option<Arrival>], delays: &Delays) -> Option<Ps> {
        let arrival = arrivals[edge.from as usize]?;
        let routed = delays.net(self.loads[edge.from as usize]);
        Some(
            arrival.at
                + match edge.wire {
                    Wire::Routed => routed,
                    Wire::Fixed(step) => delays.step(step),
                    Wire::ThroughLut => routed + delays.lut(0),
                },
        )
    }

    /// The nets that `domain` launches, and when.
    fn starts(&self, domain: Domain, delays: &Delays) -> Vec<(Net, Ps)> {
        match domain {
            Domain::Clock(clock) => {
                let launches = self.launches.iter().filter(|l| l.clock == clock);
                launches.map(|l| (l.net, delays.step(l.step))).collect()
            }
            Domain::Port => {
                let ports = self.netlist.ports.iter().filter(|port| !port.output);
                let nets = ports.flat_map(|port| port.nets.iter().flatten());
                nets.map(|net| (*net, delays.step(Step::ClockToQ)))
                    .collect()
            }
        }
    }

    /// Latest arrival at every net of what begins at `starts`.
    fn propagate(&self, starts: &[(Net, Ps)], delays: &Delays) -> Vec<Option<Arrival>> {
        let mut arrivals: Vec<Option<Arrival>> = vec![None; self.incoming.len()];
        for (net, at) in starts {
            arrivals[*net as usize] = Some(Arrival {
                at: *at,
                levels: 0,
                from: None,
            });
        }
        let mut inputs: Vec<(Ps, &Edge)> = Vec::new();
        for net in &self.order {
            inputs.clear();
            for edge in &self.incoming[*net as usize] {
                if let Some(at) = self.arrive(edge, &arrivals, delays) {
                    inputs.push((at, edge));
                }
            }
            inputs.sort_by_key(|(at, edge)| (std::cmp::Reverse(*at), edge.from));
            // A LUT RAM output is launched by the write clock as well as read through.
            let mut best = arrivals[*net as usize];
            let mut levels = 0;
            for (rank, (at, edge)) in inputs.iter().enumerate() {
                let at = at
                    + match edge.delay {
                        ArcDelay::Lut => delays.lut(rank),
                        ArcDelay::LutRead { muxes } => {
                            delays.lut(5) + muxes * delays.step(Step::WideMuxData)
                        }
                        ArcDelay::Step(step) => delays.step(step),
                    };
                let before = arrivals[edge.from as usize].map_or(0, |arrival| arrival.levels);
                let passing = u32::from(matches!(edge.wire, Wire::ThroughLut));
                levels = levels.max(before + passing + edge.levels);
                if best.is_none_or(|best| at > best.at) {
                    best = Some(Arrival {
                        at,
                        levels: 0,
                        from: Some(edge.from),
                    });
                }
            }
            if let Some(best) = best {
                arrivals[*net as usize] = Some(Arrival { levels, ..best });
            }
        }
        arrivals
    }

    /// The worst `count` paths, the depth, and the combinational paths.
    pub fn analyse(&self, grade: Grade, model: NetModel, count: usize) -> Analysis {
        let delays = Delays::new(grade, model);
        let mut clocks: BTreeSet<Net> = self.launches.iter().map(|l| l.clock).collect();
        clocks.extend(self.captures.iter().map(|(_, capture)| capture.clock));
        let period_of = |clock: Net| period(&self.netlist.name(clock));
        let shortest = clocks.iter().map(|clock| period_of(*clock)).min();
        let mut analysis = Analysis {
            combinational: self.combinational(),
            ..Analysis::default()
        };
        // Worst path per captured name: (delay, period, net at the end).
        let mut ends: BTreeMap<String, (Path, Net, Domain)> = BTreeMap::new();
        let domains = clocks.iter().map(|clock| Domain::Clock(*clock));
        for domain in domains.chain([Domain::Port]) {
            let arrivals = self.propagate(&self.starts(domain, &delays), &delays);
            for (net, step, clock, name) in self.all_ends() {
                let Some(arrival) = arrivals[net as usize] else {
                    continue;
                };
                let period = match (domain, clock) {
                    (Domain::Clock(from), Domain::Clock(to)) if from != to => {
                        analysis.crossings += 1;
                        continue;
                    }
                    (Domain::Clock(clock), _) | (_, Domain::Clock(clock)) => period_of(clock),
                    (Domain::Port, Domain::Port) => shortest.unwrap_or(CORE_PERIOD),
                };
                analysis.levels = analysis.levels.max(arrival.levels);
                let delay = arrival.at + delays.net(self.loads[net as usize]) + delays.step(step);
                let worse = match ends.get(&name) {
                    // Compares the fractions of the periods without dividing.
                    Some((path, ..)) => delay * path.period > path.delay * period,
                    None => true,
                };
                if worse {
                    let path = Path {
                        delay,
                        period,
                        levels: arrival.levels,
                        launch: String::new(),
                        capture: name.clone(),
                        steps: Vec::new(),
                    };
                    ends.insert(name, (path, net, domain));
                }
            }
        }
        let mut worst: Vec<(Path, Net, Domain)> = ends.into_values().collect();
        worst.sort_by(|(a, ..), (b, ..)| {
            let (left, right) = (b.delay * a.period, a.delay * b.period);
            left.cmp(&right).then_with(|| a.capture.cmp(&b.capture))
        });
        worst.truncate(count);
        let mut traced: BTreeMap<Domain, Vec<Option<Arrival>>> = BTreeMap::new();
        for (mut path, net, domain) in worst {
            let arrivals = traced
                .entry(domain)
                .or_insert_with(|| self.propagate(&self.starts(domain, &delays), &delays));
            (path.steps, path.levels) = self.trace(net, arrivals);
            path.launch = path.steps.first().map_or("", |step| &step.net).to_owned();
            analysis.paths.push(path);
        }
        analysis
    }

    /// Everything that paths end at: net, setup, clock, name without the bit.
    fn all_ends(&self) -> impl Iterator<Item = (Net, Step, Domain, String)> + '_ {
        let captures = self.captures.iter().map(|(cell, end)| {
            let clock = Domain::Clock(end.clock);
            (end.net, end.step, clock, self.capture_name(*cell, end))
        });
        let outputs = self.netlist.ports.iter().filter(|port| port.output);
        let outputs = outputs.flat_map(|port| {
            let nets = port.nets.iter().flatten();
            nets.map(|net| {
                let name = format!("output {}", port.name);
                (self.alias(*net), Step::Setup, Domain::Port, name)
            })
        });
        captures.chain(outputs)
    }

    /// The register or memory that `end` belongs to, without the bit, and its pin unless that is D.
    fn capture_name(&self, cell: usize, end: &Clocked) -> String {
        let cell = &self.netlist.cells[cell];
        let is_public = !cell.name.starts_with('$');
        let output = cell.pins.iter().filter(|pin| pin.output);
        let output = output.flat_map(|pin| &pin.nets).flatten().next();
        let name = match output {
            // Memories keep their names, registers are known by their outputs.
            _ if is_public => cell.name.split(".0.").next().unwrap_or("").to_owned(),
            Some(net) => without_bit(&self.netlist.name(*net)).to_owned(),
            None => cell.name.clone(),
        };
        match end.port.as_str() {
            "D" | "DATAIN" => name,
            port => format!("{name} ({port})"),
        }
    }

    /// The nets that lead to `end`, and the logic levels between them.
    fn trace(&self, end: Net, arrivals: &[Option<Arrival>]) -> (Vec<PathStep>, u32) {
        let mut steps = Vec::new();
        let mut levels = 0;
        let mut next = Some(end);
        while let Some(net) = next {
            let arrival = arrivals[net as usize];
            let driver = self.driver[net as usize].map(|(cell, _)| &self.netlist.cells[cell]);
            steps.push(PathStep {
                at: arrival.map_or(0, |arrival| arrival.at),
                cell: driver.map_or_else(String::new, |cell| cell.kind.clone()),
                net: self.netlist.name(net),
                loads: self.loads[net as usize],
            });
            next = arrival.and_then(|arrival| arrival.from);
            let edges = self.incoming[net as usize].iter();
            let passed = edges
                .filter(|edge| Some(edge.from) == next)
                .map(|edge| edge.levels + u32::from(matches!(edge.wire, Wire::ThroughLut)));
            levels += passed.max().unwrap_or(0);
        }
        steps.reverse();
        (steps, levels)
    }

    /// Pairs of input and output ports with a path that no register cuts.
    fn combinational(&self) -> BTreeSet<(String, String)> {
        let inputs: Vec<_> = self
            .netlist
            .ports
            .iter()
            .filter(|port| !port.output)
            .collect();
        let words = inputs.len().div_ceil(64);
        // For each net the set of input ports it depends on.
        let mut depends: Vec<Option<Vec<u64>>> = vec![None; self.incoming.len()];
        for (index, port) in inputs.iter().enumerate() {
            for net in port.nets.iter().flatten() {
                let set = depends[*net as usize].get_or_insert_with(|| vec![0; words]);
                set[index / 64] |= 1 << (index % 64);
            }
        }
        for net in &self.order {
            let mut union: Option<Vec<u64>> = None;
            for edge in &self.incoming[*net as usize] {
                if let Some(set) = &depends[edge.from as usize] {
                    let union = union.get_or_insert_with(|| vec![0; words]);
                    union.iter_mut().zip(set).for_each(|(all, set)| *all |= set);
                }
            }
            if union.is_some() {
                depends[*net as usize] = union;
            }
        }
        let mut pairs = BTreeSet::new();
        for output in self.netlist.ports.iter().filter(|port| port.output) {
            for net in output.nets.iter().flatten() {
                let Some(set) = &depends[self.alias(*net) as usize] else {
                    continue;
                };
                for (index, input) in inputs.iter().enumerate() {
                    if set[index / 64] >> (index % 64) & 1 == 1 {
                        pairs.insert((input.name.clone(), output.name.clone()));
                    }
                }
            }
        }
        pairs
    }
}

/// `name` of `name[3]`.
fn without_bit(name: &str) -> &str {
    match name
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['))
    {
        Some((base, digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => base,
        _ => name,
    }
}

mod boundary;
#[cfg(test)]
mod tests;
