//! The dataflow graph of one block body. Nodes only refer to earlier nodes; registers and memory
//! read ports are sources, so the creation order is a valid evaluation order and no combinational
//! loop can be written.

use super::names::is_reserved;
use super::ports::{Layout, PortInfo};
use super::value::Value;
use std::collections::HashMap;
use std::rc::Rc;

pub(crate) type NodeId = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Input(usize),
    Literal(Value),
    /// A named alias: gives the Verilog a signal of that name.
    Wire(NodeId),
    Not(NodeId),
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Xor(NodeId, NodeId),
    Add(NodeId, NodeId),
    Sub(NodeId, NodeId),
    Equal(NodeId, NodeId),
    Less(NodeId, NodeId),
    Mux(NodeId, NodeId, NodeId),
    /// Most significant part first.
    Cat(Vec<NodeId>),
    Repeat(NodeId, usize),
    Slice(NodeId, usize),
    ShiftLeft(NodeId, NodeId),
    ShiftRight(NodeId, NodeId),
    ReduceAnd(NodeId),
    ReduceOr(NodeId),
    ReduceXor(NodeId),
    Register(usize),
    /// Registered read port: (memory, port).
    ReadData(usize, usize),
    /// Combinational read: (memory, address).
    ReadNow(usize, NodeId),
    Rom(usize, NodeId),
}

impl Op {
    pub(crate) fn operands(&self) -> Vec<NodeId> {
        match self {
            Op::Input(_) | Op::Literal(_) | Op::Register(_) | Op::ReadData(..) => vec![],
            Op::Wire(a) | Op::Not(a) | Op::Repeat(a, _) | Op::Slice(a, _) => vec![*a],
            Op::ReduceAnd(a) | Op::ReduceOr(a) | Op::ReduceXor(a) => vec![*a],
            Op::ReadNow(_, a) | Op::Rom(_, a) => vec![*a],
            Op::And(a, b) | Op::Or(a, b) | Op::Xor(a, b) | Op::Add(a, b) | Op::Sub(a, b) => {
                vec![*a, *b]
            }
            Op::Equal(a, b) | Op::Less(a, b) | Op::ShiftLeft(a, b) | Op::ShiftRight(a, b) => {
                vec![*a, *b]
            }
            Op::Mux(s, a, b) => vec![*s, *a, *b],
            Op::Cat(parts) => parts.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub op: Op,
    pub width: usize,
    pub name: Option<String>,
    pub layout: Option<Rc<Layout>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Register {
    pub name: String,
    pub width: usize,
    pub reset: Option<Value>,
    pub node: NodeId,
    pub next: NodeId,
    pub domain: usize,
    /// A flip-flop of a synchroniser.
    pub asynchronous: bool,
}

/// A clock and the reset that is synchronous to it, both by port index.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub clock: usize,
    pub reset: Option<usize>,
}

/// Where a memory is meant to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryStyle {
    /// LUT RAM: small, may be read combinationally.
    Distributed,
    /// Block RAM: registered reads only.
    Block,
    /// UltraRAM: registered reads only, large.
    Ultra,
}

impl MemoryStyle {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            MemoryStyle::Distributed => "distributed",
            MemoryStyle::Block => "block",
            MemoryStyle::Ultra => "ultra",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct WritePort {
    pub enable: NodeId,
    pub address: NodeId,
    pub data: NodeId,
    /// One bit per lane; `None` writes the whole word.
    pub mask: Option<NodeId>,
    pub domain: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct ReadPort {
    pub name: String,
    pub enable: NodeId,
    pub address: NodeId,
    pub node: NodeId,
    pub domain: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub name: String,
    pub depth: usize,
    pub width: usize,
    pub style: MemoryStyle,
    pub writes: Vec<WritePort>,
    pub reads: Vec<ReadPort>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rom {
    pub name: String,
    pub words: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub name: String,
    pub holds: NodeId,
    pub domain: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub ports: Vec<PortInfo>,
    pub nodes: Vec<Node>,
    pub shared: HashMap<(Op, usize), NodeId>,
    pub registers: Vec<Register>,
    pub memories: Vec<Memory>,
    pub roms: Vec<Rom>,
    pub domains: Vec<Domain>,
    pub assertions: Vec<Assertion>,
    /// Driver of each output port.
    pub drivers: HashMap<usize, NodeId>,
    pub unused: Vec<NodeId>,
    pub names: HashMap<String, usize>,
}

impl Graph {
    pub fn width(&self, node: NodeId) -> usize {
        self.nodes[node as usize].width
    }

    /// Adds a node; equal nodes are shared.
    pub fn add(&mut self, op: Op, width: usize) -> NodeId {
        let key = (op, width);
        if let Some(node) = self.shared.get(&key) {
            return *node;
        }
        let node = self.nodes.len() as NodeId;
        let op = key.0.clone();
        self.shared.insert(key, node);
        self.nodes.push(Node {
            op,
            width,
            name: None,
            layout: None,
        });
        node
    }

    pub fn literal(&self, node: NodeId) -> Option<&Value> {
        match &self.nodes[node as usize].op {
            Op::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// A Verilog identifier that no other signal of the body has and that is no keyword.
    pub fn unique(&mut self, name: &str) -> String {
        let reserved = usize::from(is_reserved(name));
        let taken = self.names.entry(name.to_string()).or_insert(reserved);
        *taken += 1;
        match *taken {
            1 => name.to_string(),
            count => {
                let next = format!("{name}_{count}");
                self.unique(&next)
            }
        }
    }

    /// Every node that something outside the graph depends on.
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.drivers.values().copied().collect();
        roots.sort_unstable();
        roots.extend(&self.unused);
        roots.extend(self.registers.iter().flat_map(|r| [r.node, r.next]));
        roots.extend(self.assertions.iter().map(|a| a.holds));
        for memory in &self.memories {
            for write in &memory.writes {
                roots.extend([write.enable, write.address, write.data]);
                roots.extend(write.mask);
            }
            for read in &memory.reads {
                roots.extend([read.enable, read.address, read.node]);
            }
        }
        roots
    }

    /// Marks the nodes that a root depends on.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        let mut stack = self.roots();
        while let Some(node) = stack.pop() {
            if !std::mem::replace(&mut live[node as usize], true) {
                stack.extend(self.nodes[node as usize].op.operands());
            }
        }
        live
    }
}
