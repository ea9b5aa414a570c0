//! The builder: what a block's body is written with.

use super::expr::Expr;
use super::graph::{
    Assertion, Domain, Graph, Memory as MemoryData, MemoryStyle, NodeId, Op,
    Register as RegisterData, Rom,
};
use super::ports::{Direction, Layout, Ports};
use super::state::{Memory, Reg, Var};
use super::value::Value;
use rust_hdl::core::block::Block;
use rust_hdl::core::direction;
use rust_hdl::core::signal::Signal;
use rust_hdl::core::synth::Synth;
use std::cell::RefCell;
use std::rc::Rc;

/// A block whose body is written with [`Body`].
pub trait Leaf: Block {
    /// Describes one clock cycle of the block. Called once per elaboration.
    fn body(&self, b: &Body);

    /// Every path from an input to an output within a cycle, as `output <- input`; `*` stands for
    /// the number in a row of ports. A test holds every block to its list; blocks without one have
    /// registers at all outputs.
    fn combinational(&self) -> &'static [&'static str] {
        &[]
    }

    /// Elaborates the body.
    fn elaborate(&self) -> Elaborated
    where
        Self: Sized,
    {
        let body = Body::new(self);
        self.body(&body);
        Elaborated {
            block: std::any::type_name::<Self>(),
            declared: self.combinational(),
            ..body.finish()
        }
    }
}

/// A finished body: the source of the Verilog text and of the interpreter.
pub struct Elaborated {
    pub(crate) graph: Graph,
    /// Type of the block.
    pub block: &'static str,
    /// What [`Leaf::combinational`] lists.
    pub declared: &'static [&'static str],
}

/// Builder of one block body.
///
/// Everything has a width; a mismatch panics at elaboration with the caller's location. Assignments
/// follow program order: inside [`Body::when`] they are conditional, and the last one wins.
pub struct Body {
    pub(crate) graph: RefCell<Graph>,
    ports: Ports,
    conditions: RefCell<Vec<NodeId>>,
    pub(super) variables: RefCell<Vec<NodeId>>,
}

impl Body {
    /// Starts the body of `block`; its signals become the ports. A port named `clock` (with `reset`,
    /// if there is one) is the default clock domain.
    pub fn new(block: &dyn Block) -> Self {
        let ports = Ports::of(block);
        let mut graph = Graph {
            ports: ports.list.clone(),
            ..Graph::default()
        };
        for port in &ports.list {
            let name = graph.unique(&port.name);
            assert!(
                name == port.name,
                "port name {} is reserved in Verilog",
                port.name
            );
        }
        if let Some(clock) = ports.list.iter().position(|port| port.name == "clock") {
            let reset = ports.list.iter().position(|port| port.name == "reset");
            graph.domains.push(Domain { clock, reset });
        }
        Self {
            graph: RefCell::new(graph),
            ports,
            conditions: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    pub(crate) fn expr(&self, id: NodeId) -> Expr<'_> {
        Expr { body: self, id }
    }

    pub(crate) fn node(&self, op: Op, width: usize) -> Expr<'_> {
        self.expr(self.graph.borrow_mut().add(op, width))
    }

    pub(crate) fn layout_of(&self, id: NodeId) -> Option<Rc<Layout>> {
        self.graph.borrow().nodes[id as usize].layout.clone()
    }

    /// The same expression, seen as a struct of layout `layout`.
    pub(crate) fn with_layout(&self, expr: Expr<'_>, layout: Option<Rc<Layout>>) -> NodeId {
        if let Some(layout) = layout {
            self.graph.borrow_mut().nodes[expr.id as usize].layout = Some(layout);
        }
        expr.id
    }

    #[track_caller]
    fn port<D: direction::Direction, T: Synth>(&self, signal: &Signal<D, T>) -> usize {
        self.ports
            .find(signal as *const _ as *const ())
            .expect("the signal is not a port of this block")
    }

    /// Reads an input port.
    #[track_caller]
    pub fn read<T: Synth>(&self, signal: &Signal<direction::In, T>) -> Expr<'_> {
        let port = self.port(signal);
        let (width, layout) = {
            let graph = self.graph.borrow();
            (graph.ports[port].width, graph.ports[port].layout.clone())
        };
        let expr = self.node(Op::Input(port), width);
        self.expr(self.with_layout(expr, layout))
    }

    /// Drives an output port; every output is driven exactly once.
    #[track_caller]
    pub fn drive<T: Synth>(&self, signal: &Signal<direction::Out, T>, value: Expr<'_>) {
        let port = self.port(signal);
        let mut graph = self.graph.borrow_mut();
        let (name, width) = (graph.ports[port].name.clone(), graph.ports[port].width);
        let given = graph.width(value.id);
        assert!(
            width == given,
            "{name} has {width} bits, driven with {given}"
        );
        assert!(
            graph.drivers.insert(port, value.id).is_none(),
            "{name} is driven twice"
        );
    }

    /// A constant of `width` bits.
    #[track_caller]
    pub fn lit(&self, width: usize, value: u128) -> Expr<'_> {
        self.value(Value::new(width, value))
    }

    /// A constant of any width.
    pub fn value(&self, value: Value) -> Expr<'_> {
        let width = value.width();
        self.node(Op::Literal(value), width)
    }

    /// A constant bit.
    pub fn bit(&self, value: bool) -> Expr<'_> {
        self.lit(1, u128::from(value))
    }

    /// All zeros.
    pub fn zero(&self, width: usize) -> Expr<'_> {
        self.value(Value::zero(width))
    }

    /// Concatenation, most significant part first.
    #[track_caller]
    pub fn cat(&self, parts: &[Expr<'_>]) -> Expr<'_> {
        assert!(!parts.is_empty(), "a concatenation has at least one part");
        if let [only] = parts {
            return self.expr(only.id);
        }
        let width = parts.iter().map(|part| part.width()).sum();
        self.node(Op::Cat(parts.iter().map(|part| part.id).collect()), width)
    }

    /// Concatenation, least significant part first (the order of bytes in memory).
    #[track_caller]
    pub fn cat_le<'b>(&'b self, parts: &[Expr<'b>]) -> Expr<'b> {
        let reversed: Vec<_> = parts.iter().rev().copied().collect();
        self.cat(&reversed)
    }

    /// A struct of type `T`; every field is given exactly once, in any order.
    #[track_caller]
    pub fn pack<'b, T: Synth>(&'b self, fields: &[(&str, Expr<'b>)]) -> Expr<'b> {
        let layout = Layout::of(&T::descriptor())
            .unwrap_or_else(|| panic!("{} is not a struct", T::descriptor().name));
        let parts: Vec<_> = layout
            .fields
            .iter()
            .map(|(name, _, width, _)| {
                let mut given = fields.iter().filter(|field| field.0 == name);
                let expr = given.next().unwrap_or_else(|| {
                    panic!(
                        "field {name} of {} is not given (fields: {:?})",
                        T::descriptor().name,
                        layout.names()
                    )
                });
                assert!(given.next().is_none(), "field {name} is given twice");
                assert!(
                    expr.1.width() == *width,
                    "field {name} has {width} bits, given {}",
                    expr.1.width()
                );
                expr.1
            })
            .collect();
        assert!(
            fields.len() == parts.len(),
            "{} has the fields {:?} only",
            T::descriptor().name,
            layout.names()
        );
        let packed = self.cat_le(&parts);
        self.expr(self.with_layout(packed, Some(layout)))
    }

    /// The same bits, seen as a struct of type `T`.
    #[track_caller]
    pub fn typed<'b, T: Synth>(&'b self, expr: Expr<'b>) -> Expr<'b> {
        assert!(
            expr.width() == T::BITS,
            "{} has {} bits, given {}",
            T::descriptor().name,
            T::BITS,
            expr.width()
        );
        self.expr(self.with_layout(expr, Layout::of(&T::descriptor())))
    }

    /// Gives an intermediate value a name in the Verilog and in waveforms.
    pub fn wire<'b>(&'b self, name: &str, value: Expr<'b>) -> Expr<'b> {
        let mut graph = self.graph.borrow_mut();
        let name = graph.unique(name);
        let node = graph.nodes.len() as NodeId;
        let (width, layout) = {
            let source = &graph.nodes[value.id as usize];
            (source.width, source.layout.clone())
        };
        graph.nodes.push(super::graph::Node {
            op: Op::Wire(value.id),
            width,
            name: Some(name),
            layout,
        });
        self.expr(node)
    }

    /// A register in the default clock domain that resets to zero.
    pub fn reg(&self, name: &str, width: usize) -> Reg<'_> {
        self.reg_init(name, Value::zero(width))
    }

    /// A register in the default clock domain with a reset value.
    pub fn reg_init(&self, name: &str, reset: Value) -> Reg<'_> {
        self.reg_in(ClockDomain(0), name, reset.width(), Some(reset))
    }

    /// A register without reset: for data that a reset valid bit guards.
    pub fn reg_data(&self, name: &str, width: usize) -> Reg<'_> {
        self.reg_in(ClockDomain(0), name, width, None)
    }

    /// A data register (no reset) that holds a `T`.
    pub fn reg_of<T: Synth>(&self, name: &str) -> Reg<'_> {
        let reg = self.reg_data(name, T::BITS);
        self.with_layout(reg.q(), Layout::of(&T::descriptor()));
        reg
    }

    /// A register in a given clock domain.
    #[track_caller]
    pub fn reg_in(
        &self,
        domain: ClockDomain,
        name: &str,
        width: usize,
        reset: Option<Value>,
    ) -> Reg<'_> {
        let mut graph = self.graph.borrow_mut();
        assert!(
            domain.0 < graph.domains.len(),
            "the block has no port named `clock`; declare the domain"
        );
        if reset.is_some() {
            assert!(
                graph.domains[domain.0].reset.is_some(),
                "register {name} has a reset value but its domain has no reset"
            );
        }
        let index = graph.registers.len();
        let node = graph.add(Op::Register(index), width);
        let name = graph.unique(name);
        graph.registers.push(RegisterData {
            name,
            width,
            reset,
            node,
            next: node,
            domain: domain.0,
            asynchronous: false,
        });
        Reg { body: self, index }
    }

    /// Declares a further clock domain.
    pub fn domain<C: Synth, R: Synth>(
        &self,
        clock: &Signal<direction::In, C>,
        reset: &Signal<direction::In, R>,
    ) -> ClockDomain {
        let domain = Domain {
            clock: self.port(clock),
            reset: Some(self.port(reset)),
        };
        let mut graph = self.graph.borrow_mut();
        graph.domains.push(domain);
        ClockDomain(graph.domains.len() - 1)
    }

    /// A combinational variable: starts as `default`, later assignments override it.
    pub fn var<'b>(&'b self, default: Expr<'b>) -> Var<'b> {
        let mut variables = self.variables.borrow_mut();
        variables.push(default.id);
        Var {
            body: self,
            index: variables.len() - 1,
        }
    }

    /// A memory of `depth` words (a power of two); contents are undefined until written.
    #[track_caller]
    pub fn memory(&self, name: &str, depth: usize, width: usize, style: MemoryStyle) -> Memory<'_> {
        assert!(
            depth.is_power_of_two() && depth > 1,
            "memory {name}: depth {depth} is not a power of two above 1"
        );
        let mut graph = self.graph.borrow_mut();
        let name = graph.unique(name);
        graph.memories.push(MemoryData {
            name,
            depth,
            width,
            style,
            writes: vec![],
            reads: vec![],
        });
        Memory {
            body: self,
            index: graph.memories.len() - 1,
        }
    }

    /// Looks `address` up in a constant table; the table has one word per address.
    #[track_caller]
    pub fn rom<'b>(&'b self, name: &str, words: &[Value], address: Expr<'b>) -> Expr<'b> {
        assert!(
            words.len() == 1 << address.width(),
            "rom {name}: {} words for {} address bits",
            words.len(),
            address.width()
        );
        let width = words[0].width();
        assert!(
            words.iter().all(|word| word.width() == width),
            "rom {name}: words of different widths"
        );
        let rom = {
            let mut graph = self.graph.borrow_mut();
            let name = graph.unique(name);
            graph.roms.push(Rom {
                name,
                words: words.to_vec(),
            });
            graph.roms.len() - 1
        };
        self.node(Op::Rom(rom, address.id), width)
    }

    /// Selects `items[index]` with a balanced tree; indices beyond the end give the last item.
    #[track_caller]
    pub fn select<'b>(&'b self, items: &[Expr<'b>], index: Expr<'b>) -> Expr<'b> {
        assert!(!items.is_empty(), "nothing to select from");
        let depth = items.len().next_power_of_two();
        let index_bits = depth.ilog2() as usize;
        assert!(
            index_bits <= index.width(),
            "{} items but only {} index bits",
            items.len(),
            index.width()
        );
        // Choices between equal items fold away, so filling up costs nothing.
        let last = items[items.len() - 1];
        let mut level: Vec<Expr<'b>> = items.to_vec();
        level.resize(depth, last);
        for bit in 0..index_bits {
            let chosen = index.bit(bit);
            level = level
                .chunks(2)
                .map(|pair| chosen.mux(pair[1], pair[0]))
                .collect();
        }
        match index.width() - index_bits {
            0 => level[0],
            beyond => index.slice(index_bits, beyond).any().mux(last, level[0]),
        }
    }

    /// OR of the values whose condition holds (at most one may): the flattest multiplexer.
    #[track_caller]
    pub fn one_hot<'b>(&'b self, choices: &[(Expr<'b>, Expr<'b>)]) -> Expr<'b> {
        let gated: Vec<_> = choices
            .iter()
            .map(|(condition, value)| condition.repeat(value.width()) & *value)
            .collect();
        self.tree(&gated, |a, b| a | b)
    }

    /// Combines all items pairwise in a balanced tree.
    #[track_caller]
    pub fn tree<'b>(
        &'b self,
        items: &[Expr<'b>],
        combine: impl Fn(Expr<'b>, Expr<'b>) -> Expr<'b>,
    ) -> Expr<'b> {
        assert!(!items.is_empty(), "nothing to combine");
        let mut level = items.to_vec();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| match pair {
                    [a, b] => combine(*a, *b),
                    _ => pair[0],
                })
                .collect();
        }
        level[0]
    }

    /// Runs `then` with its assignments conditional on `condition`.
    #[track_caller]
    pub fn when<'b>(&'b self, condition: Expr<'b>, then: impl FnOnce()) -> Otherwise<'b> {
        assert!(
            condition.width() == 1,
            "a condition has one bit, given {}",
            condition.width()
        );
        self.under(condition, then);
        Otherwise {
            body: self,
            none: !condition,
        }
    }

    fn under(&self, condition: Expr<'_>, then: impl FnOnce()) {
        let outer = self.conditions.borrow().last().copied();
        let combined = match outer {
            Some(outer) => (self.expr(outer) & self.expr(condition.id)).id,
            None => condition.id,
        };
        self.conditions.borrow_mut().push(combined);
        then();
        self.conditions.borrow_mut().pop();
    }

    /// Runs the case whose literal equals `subject`, else the default.
    #[track_caller]
    pub fn switch<'b>(&'b self, subject: Expr<'b>) -> Switch<'b> {
        Switch {
            body: self,
            subject,
            matched: Vec::new(),
        }
    }

    /// The value after a conditional assignment of `value` over `current`.
    pub(super) fn assigned(&self, current: NodeId, value: Expr<'_>) -> NodeId {
        match self.conditions.borrow().last() {
            None => value.id,
            Some(condition) => {
                self.expr(*condition)
                    .mux(self.expr(value.id), self.expr(current))
                    .id
            }
        }
    }

    /// The condition under which the current statement takes effect.
    pub(super) fn enabled(&self) -> Expr<'_> {
        match self.conditions.borrow().last() {
            None => self.bit(true),
            Some(condition) => self.expr(*condition),
        }
    }

    /// States that `holds` is true in every cycle out of reset (under the enclosing conditions).
    /// Checked by the interpreter and, as an `assert`, by Verilator and formal tools.
    pub fn assert(&self, name: &str, holds: Expr<'_>) {
        let holds = (!self.enabled() | self.expr(holds.id)).id;
        let mut graph = self.graph.borrow_mut();
        let name = graph.unique(name);
        graph.assertions.push(Assertion {
            name,
            holds,
            domain: 0,
        });
    }

    /// Says that these bits are deliberately not used.
    pub fn unused(&self, value: Expr<'_>) {
        self.graph.borrow_mut().unused.push(value.id);
    }

    #[track_caller]
    pub(crate) fn finish(self) -> Elaborated {
        let graph = self.graph.into_inner();
        let read: Vec<usize> = graph
            .nodes
            .iter()
            .filter_map(|node| match node.op {
                Op::Input(port) => Some(port),
                _ => None,
            })
            .collect();
        for (index, port) in graph.ports.iter().enumerate() {
            let known = match port.direction {
                Direction::Output => graph.drivers.contains_key(&index),
                Direction::Input => {
                    read.contains(&index)
                        || graph
                            .domains
                            .iter()
                            .any(|d| d.clock == index || d.reset == Some(index))
                }
            };
            assert!(
                known,
                "port {} is neither read, driven nor marked unused",
                port.name
            );
        }
        for register in &graph.registers {
            assert!(
                register.next != register.node,
                "register {} is never assigned",
                register.name
            );
        }
        Elaborated {
            graph,
            block: "",
            declared: &[],
        }
    }
}

/// A clock with its synchronous reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDomain(pub(super) usize);

/// What may follow a [`Body::when`].
pub struct Otherwise<'b> {
    body: &'b Body,
    none: Expr<'b>,
}

impl<'b> Otherwise<'b> {
    /// Runs when no earlier condition of the chain held and `condition` does.
    #[track_caller]
    pub fn or_when(self, condition: Expr<'b>, then: impl FnOnce()) -> Otherwise<'b> {
        self.body.under(self.none & condition, then);
        Otherwise {
            body: self.body,
            none: self.none & !condition,
        }
    }

    /// Runs when no condition of the chain held.
    pub fn otherwise(self, then: impl FnOnce()) {
        self.body.under(self.none, then);
    }
}

/// Cases of a [`Body::switch`].
pub struct Switch<'b> {
    body: &'b Body,
    subject: Expr<'b>,
    matched: Vec<Expr<'b>>,
}

impl<'b> Switch<'b> {
    /// Runs when the subject equals `literal`.
    #[track_caller]
    pub fn case(mut self, literal: u128, then: impl FnOnce()) -> Self {
        let hit = self.subject.eq_lit(literal);
        self.matched.push(hit);
        self.body.under(hit, then);
        self
    }

    /// Runs when no case matched.
    pub fn default(self, then: impl FnOnce()) {
        let none = !self.body.tree(&self.matched, |a, b| a | b);
        self.body.under(none, then);
    }
}
