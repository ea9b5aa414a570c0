//! Verilog text of an elaborated body. Every operator stands in a context of its own width and every
//! literal is sized, so Verilog's context-dependent widths cannot change a result.

use super::body::Elaborated;
use super::graph::{Graph, NodeId, Op};
use super::ports::Direction;
use super::value::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Expressions longer than this get a wire of their own.
const INLINE_CHARACTERS: usize = 72;

impl Elaborated {
    /// Module body: declarations and processes, without header and ports.
    pub fn verilog(&self) -> String {
        Emitter::new(&self.graph).emit()
    }
}

struct Emitter<'g> {
    graph: &'g Graph,
    uses: Vec<usize>,
    /// Sliced somewhere: Verilog can only slice a name.
    sliced: Vec<bool>,
    text: Vec<String>,
    named: Vec<bool>,
    /// Written as the condition of a register's assignment, so it needs no text of its own.
    absorbed: Vec<bool>,
    /// Bits of each anonymous wire that the text refers to; `None` is all of them.
    referenced: Vec<Option<BTreeSet<usize>>>,
    out: String,
}

impl<'g> Emitter<'g> {
    fn new(graph: &'g Graph) -> Self {
        let count = graph.nodes.len();
        let live = graph.live();
        let mut uses = vec![0; count];
        let mut sliced = vec![false; count];
        let mut referenced = vec![Some(BTreeSet::new()); count];
        for root in graph.roots() {
            uses[root as usize] += 1;
            referenced[root as usize] = None;
        }
        for (id, node) in graph.nodes.iter().enumerate() {
            if !live[id] {
                uses[id] = 0;
                continue;
            }
            for operand in node.op.operands() {
                let operand_index = operand as usize;
                uses[operand_index] += 1;
                match &node.op {
                    Op::Slice(_, low) => {
                        sliced[operand_index] = true;
                        if let Some(bits) = &mut referenced[operand_index] {
                            bits.extend(*low..low + node.width);
                        }
                    }
                    _ => referenced[operand_index] = None,
                }
            }
        }
        let masked = graph.memories.iter().flat_map(|memory| &memory.writes);
        for (mask, data) in masked.filter_map(|write| Some((write.mask?, write.data))) {
            sliced[mask as usize] = true;
            sliced[data as usize] = true;
        }
        let mut absorbed = vec![false; count];
        for register in &graph.registers {
            let next = register.next as usize;
            absorbed[next] = uses[next] == 1
                && enabled_assignment(graph, register.next, register.node).is_some();
        }
        Self {
            graph,
            uses,
            sliced,
            absorbed,
            text: vec![String::new(); count],
            named: vec![false; count],
            referenced,
            out: String::new(),
        }
    }

    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn emit(mut self) -> String {
        self.declare_state();
        let live = self.graph.live();
        for id in (0..self.graph.nodes.len()).filter(|id| live[*id]) {
            self.emit_node(id);
        }
        self.emit_outputs();
        self.emit_registers();
        self.emit_memories();
        self.emit_assertions();
        for (index, node) in self.graph.unused.clone().into_iter().enumerate() {
            let text = self.text[node as usize].clone();
            self.line(format!("wire unused_{index} = &{{1'b0, {text}}};"));
        }
        self.out
    }

    fn declare_state(&mut self) {
        for register in &self.graph.registers {
            self.text[register.node as usize] = register.name.clone();
            self.named[register.node as usize] = true;
            let range = range(register.width);
            let attribute = match register.asynchronous {
                true => "(* ASYNC_REG = \"TRUE\" *) ",
                false => "",
            };
            self.line(format!("{attribute}reg {range}{};", register.name));
        }
        for memory in &self.graph.memories {
            let (style, range) = (memory.style.attribute(), range(memory.width));
            self.line(format!(
                "(* ram_style = \"{style}\" *) reg {range}{} [0:{}];",
                memory.name,
                memory.depth - 1
            ));
            for read in &memory.reads {
                self.text[read.node as usize] = read.name.clone();
                self.named[read.node as usize] = true;
                self.line(format!("reg {range}{};", read.name));
            }
        }
        for rom in self.live_roms() {
            let rom = &self.graph.roms[rom];
            let range = range(rom.words[0].width());
            self.line(format!(
                "reg {range}{} [0:{}];",
                rom.name,
                rom.words.len() - 1
            ));
            self.line("initial begin");
            for (index, word) in rom.words.iter().enumerate() {
                self.line(format!("    {}[{index}] = {};", rom.name, literal(word)));
            }
            self.line("end");
        }
    }

    /// Tables that something reads.
    fn live_roms(&self) -> BTreeSet<usize> {
        let live = self.graph.live();
        let nodes = self.graph.nodes.iter().zip(live).filter(|(_, live)| *live);
        let rom = |node: &super::graph::Node| match node.op {
            Op::Rom(rom, _) => Some(rom),
            _ => None,
        };
        nodes.filter_map(|(node, _)| rom(node)).collect()
    }

    fn t(&self, id: NodeId) -> &str {
        &self.text[id as usize]
    }

    fn expression(&self, id: usize) -> String {
        let node = &self.graph.nodes[id];
        let (w, binary) = (node.width, |a: &NodeId, op: &str, b: &NodeId| {
            format!("({} {op} {})", self.t(*a), self.t(*b))
        });
        match &node.op {
            Op::Input(port) => self.graph.ports[*port].name.clone(),
            Op::Literal(value) => literal(value),
            Op::Wire(a) => self.t(*a).to_string(),
            Op::Not(a) => format!("(~{})", self.t(*a)),
            Op::And(a, b) => binary(a, "&", b),
            Op::Or(a, b) => binary(a, "|", b),
            Op::Xor(a, b) => binary(a, "^", b),
            Op::Add(a, b) => binary(a, "+", b),
            Op::Sub(a, b) => binary(a, "-", b),
            Op::Equal(a, b) => binary(a, "==", b),
            Op::Less(a, b) => binary(a, "<", b),
            Op::ShiftLeft(a, b) => binary(a, "<<", b),
            Op::ShiftRight(a, b) => binary(a, ">>", b),
            Op::Mux(s, a, b) => format!("({} ? {} : {})", self.t(*s), self.t(*a), self.t(*b)),
            Op::Cat(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.t(*part)).collect();
                format!("{{{}}}", parts.join(", "))
            }
            Op::Repeat(a, count) => format!("{{{count}{{{}}}}}", self.t(*a)),
            Op::Slice(a, low) if w == 1 => format!("{}[{low}]", self.t(*a)),
            Op::Slice(a, low) => format!("{}[{}:{low}]", self.t(*a), low + w - 1),
            Op::ReduceAnd(a) => format!("(&{})", self.t(*a)),
            Op::ReduceOr(a) => format!("(|{})", self.t(*a)),
            Op::ReduceXor(a) => format!("(^{})", self.t(*a)),
            Op::ReadNow(memory, a) => {
                format!("{}[{}]", self.graph.memories[*memory].name, self.t(*a))
            }
            Op::Rom(rom, a) => format!("{}[{}]", self.graph.roms[*rom].name, self.t(*a)),
            Op::Register(_) | Op::ReadData(..) => self.text[id].clone(),
        }
    }

    fn emit_node(&mut self, id: usize) {
        if self.absorbed[id] {
            return;
        }
        let node = &self.graph.nodes[id];
        let text = self.expression(id);
        let is_name = matches!(node.op, Op::Input(_) | Op::Register(_) | Op::ReadData(..));
        let is_cheap = matches!(node.op, Op::Literal(_) | Op::Slice(..)) && !self.sliced[id];
        let is_single = self.uses[id] <= 1 && !self.sliced[id] && text.len() <= INLINE_CHARACTERS;
        if node.name.is_none() && (is_name || is_cheap || is_single) {
            self.text[id] = text;
            self.named[id] = is_name;
            return;
        }
        let name = node.name.clone().unwrap_or_else(|| format!("n{id}"));
        self.line(format!("wire {}{name} = {text};", range(node.width)));
        self.sink_unreferenced_bits(id, &name);
        self.text[id] = name;
        self.named[id] = true;
    }

    /// Bits of an anonymous intermediate that nothing needs (the carry of a truncated sum, say).
    fn sink_unreferenced_bits(&mut self, id: usize, name: &str) {
        let node = &self.graph.nodes[id];
        let Some(bits) = self.referenced[id].clone() else {
            return;
        };
        let left: Vec<String> = (0..node.width)
            .filter(|bit| !bits.contains(bit))
            .map(|bit| format!("{name}[{bit}]"))
            .collect();
        if node.name.is_none() && !left.is_empty() {
            self.line(format!(
                "wire unused_{name} = &{{1'b0, {}}};",
                left.join(", ")
            ));
        }
    }

    fn emit_outputs(&mut self) {
        for (index, port) in self.graph.ports.iter().enumerate() {
            if port.direction == Direction::Output {
                let driver = self.graph.drivers[&index];
                let text = self.t(driver).to_string();
                // A process without a changing operand never runs; a constant is an initial value.
                let process = match self.graph.literal(driver) {
                    Some(_) => "initial",
                    None => "always @(*)",
                };
                self.line(format!("{process} {} = {text};", port.name));
            }
        }
    }

    fn emit_registers(&mut self) {
        for domain in 0..self.graph.domains.len() {
            for with_reset in [true, false] {
                let registers: Vec<_> = self
                    .graph
                    .registers
                    .iter()
                    .filter(|r| r.domain == domain && r.reset.is_some() == with_reset)
                    .collect();
                if registers.is_empty() {
                    continue;
                }
                let clock = self.graph.domains[domain].clock;
                let clock = self.graph.ports[clock].name.clone();
                self.line(format!("always @(posedge {clock}) begin"));
                if with_reset {
                    let reset = self.graph.domains[domain]
                        .reset
                        .expect("a register with reset value has a reset");
                    self.line(format!("    if ({}) begin", self.graph.ports[reset].name));
                    for register in &registers {
                        let value = register.reset.as_ref().expect("filtered on it");
                        self.line(format!("        {} <= {};", register.name, literal(value)));
                    }
                    self.line("    end else begin");
                }
                for register in &registers {
                    let indent = if with_reset { "        " } else { "    " };
                    self.emit_assignment(indent, &register.name, register.node, register.next);
                }
                if with_reset {
                    self.line("    end");
                }
                self.line("end");
            }
        }
    }

    /// A chain of choices that ends in the register itself reads as enables.
    fn emit_assignment(&mut self, indent: &str, name: &str, own: NodeId, next: NodeId) {
        match enabled_assignment(self.graph, next, own) {
            Some((condition, value)) => {
                let (condition, value) = (self.t(condition), self.t(value));
                let text = format!("{indent}if ({condition}) {name} <= {value};");
                self.line(text);
            }
            None => {
                let text = format!("{indent}{name} <= {};", self.t(next));
                self.line(text);
            }
        }
    }

    fn emit_memories(&mut self) {
        for memory in &self.graph.memories {
            for write in &memory.writes {
                let clock = self.graph.domains[write.domain].clock;
                let clock = self.graph.ports[clock].name.clone();
                let (enable, address) = (self.t(write.enable), self.t(write.address));
                let (name, data) = (&memory.name, self.t(write.data));
                let mut text =
                    format!("always @(posedge {clock}) begin\n    if ({enable}) begin\n");
                match write.mask {
                    None => writeln!(text, "        {name}[{address}] <= {data};"),
                    Some(mask) => {
                        let lanes = self.graph.width(mask);
                        let lane = memory.width / lanes;
                        (0..lanes).try_for_each(|index| {
                            let (high, low) = (index * lane + lane - 1, index * lane);
                            writeln!(
                                text,
                                "        if ({mask}[{index}]) {name}[{address}][{high}:{low}] <= {data}[{high}:{low}];",
                                mask = self.t(mask)
                            )
                        })
                    }
                }
                .expect("writing to a string");
                text.push_str("    end\nend");
                self.line(text);
            }
            for read in &memory.reads {
                let clock = self.graph.domains[read.domain].clock;
                let clock = &self.graph.ports[clock].name;
                let text = format!(
                    "always @(posedge {clock}) begin\n    if ({}) {} <= {}[{}];\nend",
                    self.t(read.enable),
                    read.name,
                    memory.name,
                    self.t(read.address)
                );
                self.line(text);
            }
        }
    }

    fn emit_assertions(&mut self) {
        if self.graph.assertions.is_empty() {
            return;
        }
        self.line("`ifndef SYNTHESIS");
        for assertion in &self.graph.assertions {
            let domain = &self.graph.domains[assertion.domain];
            let clock = &self.graph.ports[domain.clock].name;
            let out_of_reset = match domain.reset {
                Some(port) => format!("!{}", self.graph.ports[port].name),
                None => "1'b1".to_string(),
            };
            let text = format!(
                "always @(posedge {clock}) if ({out_of_reset}) {name}_holds: assert ({holds}) else $error(\"assertion {name} does not hold\");",
                name = assertion.name,
                holds = self.t(assertion.holds)
            );
            self.line(text);
        }
        self.line("`endif");
    }
}

/// `(condition, value)` when register `own` keeps its value unless the condition holds.
fn enabled_assignment(graph: &Graph, next: NodeId, own: NodeId) -> Option<(NodeId, NodeId)> {
    match &graph.nodes[next as usize].op {
        Op::Mux(condition, value, rest) if *rest == own => Some((*condition, *value)),
        _ => None,
    }
}

fn range(width: usize) -> String {
    match width {
        1 => String::new(),
        _ => format!("[{}:0] ", width - 1),
    }
}

fn literal(value: &Value) -> String {
    format!("{}'h{}", value.width(), value.hex())
}
