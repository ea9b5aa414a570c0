//! What a leaf shows at its ports: see [`Boundary`].

use super::{Arrival, Domain, Graph};
use crate::delay::{Delays, Grade, NetModel, Ps};
use crate::hierarchy::row;
use crate::model::{Boundary, Cost, Port};
use crate::netlist::Net;
use std::collections::{BTreeMap, BTreeSet};

/// Later than any net is long: paths from an input begin this late, less the net of the input.
const ORIGIN: Ps = 1_000_000;

/// Merges what the two models say of one stretch.
fn merge(into: &mut Option<Cost>, model: NetModel, delay: Ps, levels: u32) {
    let cost = into.get_or_insert_default();
    match model {
        NetModel::Fanout => cost.fanout = cost.fanout.max(delay),
        NetModel::Constant => cost.budget = cost.budget.max(delay),
    }
    cost.levels = cost.levels.max(levels);
}

impl Graph<'_> {
    /// The ports, with the logic between them and the registers.
    pub fn boundary(&self, grade: Grade) -> Boundary {
        let mut boundary = Boundary::default();
        let mut rows: BTreeMap<String, Vec<Net>> = BTreeMap::new();
        for port in &self.netlist.ports {
            let nets = port.nets.iter().flatten().copied();
            let name = row(&port.name);
            match port.output {
                false => rows.entry(name).or_default().extend(nets),
                true => {
                    // The port itself is one of the loads.
                    let loads = nets.map(|net| self.loads[net as usize].saturating_sub(1));
                    let entry = boundary.outputs.entry(name).or_default();
                    entry.loads = entry.loads.max(loads.max().unwrap_or(0));
                }
            }
        }
        let mut arcs: BTreeMap<(String, String), Option<Cost>> = BTreeMap::new();
        for model in [NetModel::Fanout, NetModel::Constant] {
            let delays = Delays::new(grade, model);
            let clocks: BTreeSet<Net> = self.launches.iter().map(|l| l.clock).collect();
            for clock in clocks {
                let starts = self.starts(Domain::Clock(clock), &delays);
                let arrivals = self.propagate(&starts, &delays);
                self.outputs(&arrivals, |name, _, arrival| {
                    let port = boundary.outputs.entry(name).or_default();
                    merge(&mut port.cost, model, arrival.at, arrival.levels);
                });
            }
            for (name, nets) in &rows {
                let net_delay = |net: Net| delays.net(self.loads[net as usize]);
                let starts: Vec<_> = nets
                    .iter()
                    .map(|net| (*net, ORIGIN - net_delay(*net)))
                    .collect();
                let arrivals = self.propagate(&starts, &delays);
                let mut port = boundary.inputs.get(name).copied().unwrap_or_default();
                let loads = nets.iter().map(|net| self.loads[*net as usize]);
                port.loads = loads.max().unwrap_or(0);
                for (_, end) in &self.captures {
                    if let Some(arrival) = arrivals[end.net as usize] {
                        let at = arrival.at + net_delay(end.net) + delays.step(end.step);
                        merge(&mut port.cost, model, at - ORIGIN, arrival.levels);
                    }
                }
                self.outputs(&arrivals, |output, net, arrival| {
                    let cost = arcs.entry((name.clone(), output)).or_default();
                    // A wire costs nothing; its net is that of the ports it joins.
                    let delay = match nets.contains(&net) {
                        true => 0,
                        false => arrival.at - ORIGIN,
                    };
                    merge(cost, model, delay, arrival.levels);
                });
                boundary.inputs.insert(name.clone(), port);
            }
        }
        boundary.inputs.retain(|_, port| *port != Port::default());
        boundary.arcs = arcs
            .into_iter()
            .map(|((input, output), cost)| (input, output, cost.unwrap_or_default()))
            .collect();
        boundary
    }

    /// Tells `found` of every output net that something arrives at.
    fn outputs(&self, arrivals: &[Option<Arrival>], mut found: impl FnMut(String, Net, Arrival)) {
        for port in self.netlist.ports.iter().filter(|port| port.output) {
            for net in port.nets.iter().flatten() {
                let net = self.alias(*net);
                if let Some(arrival) = arrivals[net as usize] {
                    found(row(&port.name), net, arrival);
                }
            }
        }
    }
}
