//! What holds a value in a body: registers, variables, memories.

use super::body::{Body, ClockDomain};
use super::expr::Expr;
use super::graph::{MemoryStyle, NodeId, Op, ReadPort, WritePort};

/// A register of the body.
#[derive(Clone, Copy)]
pub struct Reg<'b> {
    pub(super) body: &'b Body,
    pub(super) index: usize,
}

impl<'b> Reg<'b> {
    /// Its value in this cycle.
    pub fn q(&self) -> Expr<'b> {
        let id = self.body.graph.borrow().registers[self.index].node;
        self.body.expr(id)
    }

    /// Marks it as a flip-flop of a synchroniser: its input changes at any time. Tools keep the chain
    /// together and do not optimise it.
    pub fn asynchronous(self) -> Self {
        self.body.graph.borrow_mut().registers[self.index].asynchronous = true;
        self
    }

    /// What it will hold in the next cycle, as assigned so far.
    pub fn next(&self) -> Expr<'b> {
        let id = self.body.graph.borrow().registers[self.index].next;
        self.body.expr(id)
    }

    /// Assigns the value of the next cycle.
    #[track_caller]
    pub fn set(&self, value: Expr<'b>) {
        let (current, width) = {
            let graph = self.body.graph.borrow();
            let register = &graph.registers[self.index];
            (register.next, register.width)
        };
        assert!(
            value.width() == width,
            "register has {width} bits, assigned {}",
            value.width()
        );
        let next = self.body.assigned(current, value);
        self.body.graph.borrow_mut().registers[self.index].next = next;
    }
}

/// A combinational variable of the body.
#[derive(Clone, Copy)]
pub struct Var<'b> {
    pub(super) body: &'b Body,
    pub(super) index: usize,
}

impl<'b> Var<'b> {
    /// Its value, as assigned so far.
    pub fn get(&self) -> Expr<'b> {
        self.body.expr(self.body.variables.borrow()[self.index])
    }

    /// Assigns.
    #[track_caller]
    pub fn set(&self, value: Expr<'b>) {
        let current = self.get();
        assert!(
            value.width() == current.width(),
            "variable has {} bits, assigned {}",
            current.width(),
            value.width()
        );
        let next = self.body.assigned(current.id, value);
        self.body.variables.borrow_mut()[self.index] = next;
    }
}

/// A memory of the body.
#[derive(Clone, Copy)]
pub struct Memory<'b> {
    pub(super) body: &'b Body,
    pub(super) index: usize,
}

impl<'b> Memory<'b> {
    fn address_bits(&self) -> usize {
        self.body.graph.borrow().memories[self.index]
            .depth
            .trailing_zeros() as usize
    }

    #[track_caller]
    fn check_address(&self, address: Expr<'b>) {
        let bits = self.address_bits();
        assert!(
            address.width() == bits,
            "address has {} bits, the memory needs {bits}",
            address.width()
        );
    }

    /// Writes a word at the clock edge, under the enclosing conditions.
    #[track_caller]
    pub fn write(&self, address: Expr<'b>, data: Expr<'b>) {
        self.write_port(ClockDomain(0), address, data, None);
    }

    /// Writes the lanes (equal parts of the word) whose `mask` bit is set.
    #[track_caller]
    pub fn write_masked(&self, address: Expr<'b>, data: Expr<'b>, mask: Expr<'b>) {
        assert!(
            mask.width() > 1 && data.width() % mask.width() == 0,
            "{} data bits do not divide into {} lanes (two or more)",
            data.width(),
            mask.width()
        );
        self.write_port(ClockDomain(0), address, data, Some(mask.id));
    }

    /// Writes a word in a given clock domain.
    #[track_caller]
    pub fn write_in(&self, domain: ClockDomain, address: Expr<'b>, data: Expr<'b>) {
        self.write_port(domain, address, data, None);
    }

    #[track_caller]
    fn write_port(
        &self,
        domain: ClockDomain,
        address: Expr<'b>,
        data: Expr<'b>,
        mask: Option<NodeId>,
    ) {
        self.check_address(address);
        let enable = self.body.enabled().id;
        let given = data.width();
        let mut graph = self.body.graph.borrow_mut();
        let memory = &mut graph.memories[self.index];
        assert!(
            given == memory.width,
            "memory {} has {} bits, written with {given}",
            memory.name,
            memory.width
        );
        memory.writes.push(WritePort {
            enable,
            address: address.id,
            data: data.id,
            mask,
            domain: domain.0,
        });
    }

    /// Registered read: the word that `address` held before this cycle's writes, one cycle later;
    /// keeps its value while `enable` is low.
    #[track_caller]
    pub fn read(&self, enable: Expr<'b>, address: Expr<'b>) -> Expr<'b> {
        self.read_in(ClockDomain(0), enable, address)
    }

    /// Registered read in a given clock domain.
    #[track_caller]
    pub fn read_in(&self, domain: ClockDomain, enable: Expr<'b>, address: Expr<'b>) -> Expr<'b> {
        self.check_address(address);
        let mut graph = self.body.graph.borrow_mut();
        let (port, width, name) = {
            let memory = &graph.memories[self.index];
            (
                memory.reads.len(),
                memory.width,
                format!("{}_rdata", memory.name),
            )
        };
        let node = graph.add(Op::ReadData(self.index, port), width);
        let name = graph.unique(&name);
        graph.memories[self.index].reads.push(ReadPort {
            name,
            enable: enable.id,
            address: address.id,
            node,
            domain: domain.0,
        });
        drop(graph);
        self.body.expr(node)
    }

    /// Combinational read; LUT RAM only.
    #[track_caller]
    pub fn read_now(&self, address: Expr<'b>) -> Expr<'b> {
        self.check_address(address);
        let width = {
            let graph = self.body.graph.borrow();
            let memory = &graph.memories[self.index];
            assert!(
                memory.style == MemoryStyle::Distributed,
                "memory {} is not LUT RAM: it has registered reads only",
                memory.name
            );
            memory.width
        };
        self.body.node(Op::ReadNow(self.index, address.id), width)
    }
}
