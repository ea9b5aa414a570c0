//! Runs a composite in the interpreter: one interpreter per sub-block, wired as the composite's own
//! Verilog says, so that a wrong wire is found too.

use crate::rtl::{AssertionFailed, Direction, Dut, Interpreter, PortInfo, Value};
use std::collections::HashMap;

/// A port of a sub-block, or (without a block) of the composite.
type Place = (Option<usize>, String);

/// A running composite of leaves.
pub struct Network {
    names: Vec<String>,
    blocks: Vec<Interpreter>,
    ports: Vec<PortInfo>,
    inputs: HashMap<String, Value>,
    /// From driver to input.
    links: Vec<(Place, Place)>,
    /// Driver of each output of the composite.
    outputs: HashMap<String, Place>,
    settled: bool,
}

impl Network {
    /// Wires `blocks` (by instance name) as the module `top` of `verilog` does.
    pub fn new(verilog: &str, blocks: Vec<(&str, Interpreter)>) -> Self {
        let (names, blocks): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let start = verilog.find("module top(").expect("module top");
        let text = &verilog[start..start + verilog[start..].find("endmodule").expect("its end")];

        // Nets: what each is assigned from, and which sub-block ports are bound to it.
        let mut assigned = HashMap::new();
        let mut bound: Vec<(String, usize, String)> = Vec::new();
        let mut instance = None;
        for line in text.lines().map(str::trim) {
            let line = line.strip_prefix("always @(*) ").unwrap_or(line);
            if let Some((to, from)) = line.strip_suffix(';').and_then(|l| l.split_once(" = ")) {
                assigned.insert(to.to_owned(), from.to_owned());
            } else if let Some(binding) = line.strip_prefix('.') {
                let (port, net) = binding.split_once('(').expect("a binding");
                let net = net.trim_end_matches([',', ')']);
                let block = instance.expect("a binding belongs to an instance");
                bound.push((net.to_owned(), block, port.to_owned()));
            } else if let Some(header) = line.strip_suffix('(') {
                let name = header.split_whitespace().nth(1);
                instance = name.and_then(|name| names.iter().position(|known| *known == name));
                assert!(instance.is_some(), "no block for the instance {header}");
            }
        }
        let mut network = Self {
            names: names.into_iter().map(str::to_owned).collect(),
            blocks,
            ports: Vec::new(),
            inputs: HashMap::new(),
            links: Vec::new(),
            outputs: HashMap::new(),
            settled: false,
        };
        network.resolve(text, &assigned, &bound);
        network
    }

    /// A sub-block as it stands in this cycle; for looking only.
    #[track_caller]
    pub fn block(&mut self, name: &str) -> &mut Interpreter {
        self.settle();
        let index = self.names.iter().position(|known| known == name);
        &mut self.blocks[index.unwrap_or_else(|| panic!("no block {name}"))]
    }

    fn resolve(
        &mut self,
        text: &str,
        assigned: &HashMap<String, String>,
        bound: &[(String, usize, String)],
    ) {
        let declared = |net: &str, kind: &str| {
            let name = format!(" {net};");
            let mut lines = text.lines().map(str::trim);
            lines.any(|line| line.starts_with(kind) && line.ends_with(&name))
        };
        let info = |block: usize, port: &str| self.blocks[block].port(port).clone();
        let driver_of = |net: &str| -> Place {
            let mut net = net;
            loop {
                let driver = bound.iter().find(|(bound_to, block, port)| {
                    bound_to == net && info(*block, port).direction == Direction::Output
                });
                if let Some((_, block, port)) = driver {
                    return (Some(*block), port.clone());
                }
                match assigned.get(net) {
                    Some(from) => net = from,
                    None => break,
                }
            }
            assert!(declared(net, "input wire"), "nothing drives {net}");
            (None, net.to_owned())
        };
        let (mut links, mut outputs, mut ports) = (Vec::new(), HashMap::new(), Vec::new());
        for (net, block, port) in bound {
            let info = info(*block, port);
            let (from, direction) = match info.direction {
                Direction::Input => (driver_of(net), Direction::Input),
                Direction::Output => ((Some(*block), port.clone()), Direction::Output),
            };
            let mut expose = |name: &str| {
                let known: bool = ports.iter().any(|port: &PortInfo| port.name == name);
                if !known {
                    let name = name.to_owned();
                    let info = info.clone();
                    ports.push(PortInfo {
                        name,
                        direction,
                        ..info
                    });
                }
            };
            match direction {
                Direction::Input => {
                    if from.0.is_none() {
                        expose(&from.1);
                    }
                    if !info.clock {
                        links.push((from, (Some(*block), port.clone())));
                    }
                }
                Direction::Output => {
                    let assigned = assigned.iter().filter(|(_, source)| *source == net);
                    let nets = assigned.map(|(to, _)| to).chain([net]);
                    for net in nets.filter(|net| declared(net, "output")) {
                        expose(net);
                        outputs.insert(net.clone(), from.clone());
                    }
                }
            }
        }
        let inputs = ports
            .iter()
            .filter(|port| port.direction == Direction::Input);
        self.inputs = inputs
            .map(|port| (port.name.clone(), Value::zero(port.width)))
            .collect();
        (self.links, self.outputs, self.ports) = (links, outputs, ports);
    }

    /// Propagates until nothing changes.
    fn settle(&mut self) {
        for _ in 0..10 {
            if self.settled {
                return;
            }
            self.settled = true;
            for ((from, output), (to, input)) in &self.links {
                let value = match from {
                    Some(block) => self.blocks[*block].get(output),
                    None => self.inputs[output].clone(),
                };
                let block = &mut self.blocks[to.expect("links end in blocks")];
                if block.get(input) != value {
                    block.set(input, &value);
                    self.settled = false;
                }
            }
        }
        panic!("the composite does not settle: a combinational loop through its blocks");
    }
}

impl Dut for Network {
    fn ports(&self) -> &[PortInfo] {
        &self.ports
    }

    fn set(&mut self, port: &str, value: &Value) {
        let held = self.inputs.get_mut(port);
        let held = held.unwrap_or_else(|| panic!("no input {port}"));
        if held != value {
            *held = value.clone();
            self.settled = false;
        }
    }

    fn get(&mut self, port: &str) -> Value {
        if let Some(value) = self.inputs.get(port) {
            return value.clone();
        }
        self.settle();
        let Some((Some(block), output)) = self.outputs.get(port) else {
            panic!("no port {port}");
        };
        self.blocks[*block].get(output)
    }

    fn step(&mut self) -> Result<(), AssertionFailed> {
        self.settle();
        self.settled = false;
        self.blocks.iter_mut().try_for_each(Dut::step)
    }
}
