//! Levelised interpreter: runs an elaborated body cycle by cycle, the first of the two judges.

use super::body::Elaborated;
use super::dut::{AssertionFailed, Dut};
use super::graph::{Graph, NodeId, Op};
use super::ports::{Direction, PortInfo};
use super::value::{Value, limb_count, top_mask};
use std::collections::HashMap;

/// A running block body. Registers without reset and memories start as zeros.
pub struct Interpreter {
    graph: Graph,
    /// Live nodes in evaluation order.
    order: Vec<NodeId>,
    offset: Vec<usize>,
    state: Vec<u64>,
    memories: Vec<Vec<u64>>,
    ports: HashMap<String, usize>,
    inputs: Vec<Value>,
    input_nodes: Vec<Option<NodeId>>,
    cycle: u64,
    stale: bool,
}

impl Interpreter {
    /// Prepares a body to run.
    pub fn new(elaborated: Elaborated) -> Self {
        let graph = elaborated.graph;
        let mut offset = Vec::with_capacity(graph.nodes.len());
        let mut total = 0;
        for node in &graph.nodes {
            offset.push(total);
            total += limb_count(node.width);
        }
        let live = graph.live();
        let order = (0..graph.nodes.len() as NodeId)
            .filter(|id| live[*id as usize])
            .collect();
        let memories = graph
            .memories
            .iter()
            .map(|memory| vec![0; memory.depth * limb_count(memory.width)])
            .collect();
        let ports = graph
            .ports
            .iter()
            .enumerate()
            .map(|(index, port)| (port.name.clone(), index))
            .collect();
        let inputs = graph
            .ports
            .iter()
            .map(|port| Value::zero(port.width))
            .collect();
        let mut input_nodes = vec![None; graph.ports.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            if let Op::Input(port) = node.op {
                input_nodes[port] = Some(id as NodeId);
            }
        }
        let mut interpreter = Self {
            order,
            offset,
            state: vec![0; total],
            memories,
            ports,
            inputs,
            input_nodes,
            cycle: 0,
            stale: true,
            graph,
        };
        for id in 0..interpreter.graph.nodes.len() {
            if let Op::Literal(value) = &interpreter.graph.nodes[id].op {
                let at = interpreter.offset[id];
                interpreter.state[at..at + value.limbs().len()].copy_from_slice(value.limbs());
            }
        }
        interpreter
    }

    fn limbs(&self, id: NodeId) -> &[u64] {
        let at = self.offset[id as usize];
        &self.state[at..at + limb_count(self.graph.width(id))]
    }

    fn flag(&self, id: NodeId) -> bool {
        self.state[self.offset[id as usize]] != 0
    }

    fn index(&self, id: NodeId) -> usize {
        self.state[self.offset[id as usize]] as usize
    }

    fn value(&self, id: NodeId) -> Value {
        Value::from_limbs(self.graph.width(id), self.limbs(id))
    }

    fn evaluate(&mut self) {
        if !self.stale {
            return;
        }
        for position in 0..self.order.len() {
            let id = self.order[position] as usize;
            let at = self.offset[id];
            let (before, rest) = self.state.split_at_mut(at);
            let node = &self.graph.nodes[id];
            let out = &mut rest[..limb_count(node.width)];
            let read = Operands {
                graph: &self.graph,
                offset: &self.offset,
                state: before,
            };
            match &node.op {
                Op::ReadNow(memory, address) => {
                    let word = &self.memories[*memory];
                    let index = read.low(*address) as usize * out.len();
                    out.copy_from_slice(&word[index..index + out.len()]);
                }
                op => read.apply(op, node.width, out),
            }
        }
        self.stale = false;
    }

    /// Assertions that do not hold in this cycle; the next step would fail with the first.
    pub fn failing(&mut self) -> Vec<&str> {
        self.evaluate();
        self.failing_now().collect()
    }

    fn failing_now(&self) -> impl Iterator<Item = &str> {
        let failing = self.graph.assertions.iter().filter(|assertion| {
            let reset = self.graph.domains[assertion.domain].reset;
            let in_reset = reset.is_some_and(|port| self.inputs[port].bit(0));
            !in_reset && !self.flag(assertion.holds)
        });
        failing.map(|assertion| assertion.name.as_str())
    }

    /// Names of all assertions.
    pub fn assertions(&self) -> impl Iterator<Item = &str> {
        self.graph
            .assertions
            .iter()
            .map(|assertion| assertion.name.as_str())
    }

    /// Every register's name and value.
    pub fn registers(&self) -> impl Iterator<Item = (&str, Value)> {
        let registers = self.graph.registers.iter();
        registers.map(|register| (register.name.as_str(), self.value(register.node)))
    }

    /// One edge of the clocks named in `clocks` (all of them when empty).
    ///
    /// # Errors
    /// The first assertion that does not hold before the edge.
    pub fn step_clocks(&mut self, clocks: &[&str]) -> Result<(), AssertionFailed> {
        self.evaluate();
        if let Some(failed) = self.failing_now().next() {
            return Err(AssertionFailed {
                name: failed.to_owned(),
                cycle: self.cycle,
            });
        }
        let ticks: Vec<bool> = self
            .graph
            .domains
            .iter()
            .map(|domain| {
                let name = &self.graph.ports[domain.clock].name;
                clocks.is_empty() || clocks.contains(&name.as_str())
            })
            .collect();
        let mut updates: Vec<(NodeId, Value)> = Vec::new();
        for register in &self.graph.registers {
            if !ticks[register.domain] {
                continue;
            }
            let reset = self.graph.domains[register.domain].reset;
            let in_reset = reset.is_some_and(|port| self.inputs[port].bit(0));
            let value = match (&register.reset, in_reset) {
                (Some(value), true) => value.clone(),
                _ => self.value(register.next),
            };
            updates.push((register.node, value));
        }
        for (memory, words) in self.graph.memories.iter().zip(&self.memories) {
            let size = limb_count(memory.width);
            for read in &memory.reads {
                if ticks[read.domain] && self.flag(read.enable) {
                    let at = self.index(read.address) * size;
                    let word = Value::from_limbs(memory.width, &words[at..at + size]);
                    updates.push((read.node, word));
                }
            }
        }
        for index in 0..self.graph.memories.len() {
            for port in 0..self.graph.memories[index].writes.len() {
                let write = &self.graph.memories[index].writes[port];
                if ticks[write.domain] && self.flag(write.enable) {
                    self.write_memory(index, port);
                }
            }
        }
        for (node, value) in updates {
            let at = self.offset[node as usize];
            self.state[at..at + value.limbs().len()].copy_from_slice(value.limbs());
        }
        self.cycle += 1;
        self.stale = true;
        Ok(())
    }

    fn write_memory(&mut self, index: usize, port: usize) {
        let memory = &self.graph.memories[index];
        let write = &memory.writes[port];
        let size = limb_count(memory.width);
        let at = self.index(write.address) * size;
        let mut word = self.value(write.data);
        if let Some(mask) = write.mask {
            let mask = self.value(mask);
            let lane = memory.width / mask.width();
            let old = Value::from_limbs(memory.width, &self.memories[index][at..at + size]);
            for index in (0..mask.width()).filter(|index| !mask.bit(*index)) {
                word.set_slice(index * lane, &old.slice(index * lane, lane));
            }
        }
        self.memories[index][at..at + size].copy_from_slice(word.limbs());
    }
}

impl Dut for Interpreter {
    fn ports(&self) -> &[PortInfo] {
        &self.graph.ports
    }

    #[track_caller]
    fn set(&mut self, port: &str, value: &Value) {
        let index = *self
            .ports
            .get(port)
            .unwrap_or_else(|| panic!("no port {port}"));
        let info = &self.graph.ports[index];
        assert!(info.direction == Direction::Input, "{port} is not an input");
        assert!(
            value.width() == info.width,
            "{port} has {} bits, given {}",
            info.width,
            value.width()
        );
        if self.inputs[index] == *value {
            return;
        }
        self.inputs[index] = value.clone();
        if let Some(node) = self.input_nodes[index] {
            let at = self.offset[node as usize];
            self.state[at..at + value.limbs().len()].copy_from_slice(value.limbs());
        }
        self.stale = true;
    }

    #[track_caller]
    fn get(&mut self, port: &str) -> Value {
        let index = *self
            .ports
            .get(port)
            .unwrap_or_else(|| panic!("no port {port}"));
        match self.graph.ports[index].direction {
            Direction::Input => self.inputs[index].clone(),
            Direction::Output => {
                self.evaluate();
                self.value(self.graph.drivers[&index])
            }
        }
    }

    fn step(&mut self) -> Result<(), AssertionFailed> {
        self.step_clocks(&[])
    }
}

/// Values of earlier nodes.
struct Operands<'a> {
    graph: &'a Graph,
    offset: &'a [usize],
    state: &'a [u64],
}

impl Operands<'_> {
    fn limbs(&self, id: NodeId) -> &[u64] {
        let at = self.offset[id as usize];
        &self.state[at..at + limb_count(self.graph.width(id))]
    }

    fn low(&self, id: NodeId) -> u64 {
        self.state[self.offset[id as usize]]
    }

    /// Shift amounts: anything beyond 32 bits shifts everything out.
    fn amount(&self, id: NodeId) -> usize {
        let limbs = self.limbs(id);
        match limbs[1..].iter().any(|limb| *limb != 0) {
            true => usize::MAX >> 1,
            false => limbs[0].min(u64::MAX >> 2) as usize,
        }
    }

    fn apply(&self, op: &Op, width: usize, out: &mut [u64]) {
        match op {
            Op::Input(_) | Op::Literal(_) | Op::Register(_) | Op::ReadData(..) => {}
            Op::ReadNow(..) => unreachable!("memories are read by the caller"),
            Op::Wire(a) => out.copy_from_slice(self.limbs(*a)),
            Op::Not(a) => {
                zip1(out, self.limbs(*a), |a| !a);
                trim(out, width);
            }
            Op::And(a, b) => zip2(out, self.limbs(*a), self.limbs(*b), |a, b| a & b),
            Op::Or(a, b) => zip2(out, self.limbs(*a), self.limbs(*b), |a, b| a | b),
            Op::Xor(a, b) => zip2(out, self.limbs(*a), self.limbs(*b), |a, b| a ^ b),
            Op::Add(a, b) => {
                let mut carry = false;
                zip2(out, self.limbs(*a), self.limbs(*b), |a, b| {
                    let (sum, first) = a.overflowing_add(b);
                    let (sum, second) = sum.overflowing_add(u64::from(carry));
                    carry = first | second;
                    sum
                });
                trim(out, width);
            }
            Op::Sub(a, b) => {
                let mut borrow = false;
                zip2(out, self.limbs(*a), self.limbs(*b), |a, b| {
                    let (rest, first) = a.overflowing_sub(b);
                    let (rest, second) = rest.overflowing_sub(u64::from(borrow));
                    borrow = first | second;
                    rest
                });
                trim(out, width);
            }
            Op::Equal(a, b) => out[0] = u64::from(self.limbs(*a) == self.limbs(*b)),
            Op::Less(a, b) => {
                let (a, b) = (self.limbs(*a), self.limbs(*b));
                out[0] = u64::from(a.iter().rev().lt(b.iter().rev()));
            }
            Op::Mux(s, a, b) => {
                let chosen = if self.low(*s) != 0 { a } else { b };
                out.copy_from_slice(self.limbs(*chosen));
            }
            Op::Cat(parts) => {
                out.fill(0);
                let mut at = 0;
                for part in parts.iter().rev() {
                    let part_width = self.graph.width(*part);
                    or_shifted(out, self.limbs(*part), at);
                    at += part_width;
                }
            }
            Op::Repeat(a, count) => {
                out.fill(0);
                let part_width = self.graph.width(*a);
                for copy in 0..*count {
                    or_shifted(out, self.limbs(*a), copy * part_width);
                }
            }
            Op::Slice(a, low) => {
                shift_right(out, self.limbs(*a), *low);
                trim(out, width);
            }
            Op::ShiftLeft(a, by) => {
                out.fill(0);
                let amount = self.amount(*by);
                if amount < width {
                    or_shifted(out, self.limbs(*a), amount);
                    trim(out, width);
                }
            }
            Op::ShiftRight(a, by) => shift_right(out, self.limbs(*a), self.amount(*by)),
            Op::ReduceAnd(a) => {
                let (limbs, width) = (self.limbs(*a), self.graph.width(*a));
                let (top, rest) = limbs.split_last().expect("at least one limb");
                let all = *top == top_mask(width) && rest.iter().all(|limb| *limb == u64::MAX);
                out[0] = u64::from(all);
            }
            Op::ReduceOr(a) => out[0] = u64::from(self.limbs(*a).iter().any(|limb| *limb != 0)),
            Op::ReduceXor(a) => {
                let ones: u32 = self.limbs(*a).iter().map(|limb| limb.count_ones()).sum();
                out[0] = u64::from(ones & 1);
            }
            Op::Rom(rom, address) => {
                let word = &self.graph.roms[*rom].words[self.low(*address) as usize];
                out.copy_from_slice(word.limbs());
            }
        }
    }
}

fn trim(out: &mut [u64], width: usize) {
    if let Some(top) = out.last_mut() {
        *top &= top_mask(width);
    }
}

fn zip1(out: &mut [u64], a: &[u64], f: impl Fn(u64) -> u64) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = f(*a);
    }
}

fn zip2(out: &mut [u64], a: &[u64], b: &[u64], mut f: impl FnMut(u64, u64) -> u64) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = f(*a, *b);
    }
}

/// ORs `part << at` into `out`; bits beyond `out` are lost.
fn or_shifted(out: &mut [u64], part: &[u64], at: usize) {
    let (limb, shift) = (at / 64, at % 64);
    for (index, word) in part.iter().enumerate() {
        if limb + index < out.len() {
            out[limb + index] |= word << shift;
        }
        if shift > 0 && limb + index + 1 < out.len() {
            out[limb + index + 1] |= word >> (64 - shift);
        }
    }
}

/// `out = from >> by`, as many limbs as `out` has.
fn shift_right(out: &mut [u64], from: &[u64], by: usize) {
    let (limb, shift) = (by / 64, by % 64);
    for (index, word) in out.iter_mut().enumerate() {
        let low = from.get(limb.saturating_add(index)).copied().unwrap_or(0);
        let high = from
            .get(limb.saturating_add(index + 1))
            .copied()
            .unwrap_or(0);
        *word = match shift {
            0 => low,
            _ => low >> shift | high << (64 - shift),
        };
    }
}
