//! Ports and their field layout, found through rust-hdl's own traversal of a block.

use rust_hdl::core::atom::{Atom, AtomKind};
use rust_hdl::core::block::Block;
use rust_hdl::core::probe::Probe;
use rust_hdl::core::type_descriptor::{TypeDescriptor, TypeKind};
use std::collections::HashMap;
use std::rc::Rc;

/// Direction of a port, seen from the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Driven from outside.
    Input,
    /// Driven by the block.
    Output,
}

/// Fields of a struct type: dotted path → (lowest bit, width, layout of the field).
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(crate) fields: Vec<(String, usize, usize, Option<Rc<Layout>>)>,
}

impl Layout {
    /// Layout of a composite type; `None` for plain bits.
    pub fn of(descriptor: &TypeDescriptor) -> Option<Rc<Layout>> {
        let TypeKind::Composite(members) = &descriptor.kind else {
            return None;
        };
        let mut low = 0;
        let mut fields = Vec::new();
        for member in members {
            let width = width_of(&member.kind);
            fields.push((
                member.fieldname.clone(),
                low,
                width,
                Layout::of(&member.kind),
            ));
            low += width;
        }
        Some(Rc::new(Layout { fields }))
    }

    /// Lowest bit, width and layout of a field; `path` may be dotted.
    pub fn find(&self, path: &str) -> Option<(usize, usize, Option<Rc<Layout>>)> {
        let (head, rest) = match path.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (path, None),
        };
        let (_, low, width, inner) = self.fields.iter().find(|field| field.0 == head)?;
        match rest {
            None => Some((*low, *width, inner.clone())),
            Some(rest) => {
                let (inner_low, width, layout) = inner.as_ref()?.find(rest)?;
                Some((low + inner_low, width, layout))
            }
        }
    }

    /// Names of the fields in order, lowest bits first.
    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|field| field.0.as_str()).collect()
    }
}

fn width_of(descriptor: &TypeDescriptor) -> usize {
    match &descriptor.kind {
        TypeKind::Bits(width) | TypeKind::Signed(width) => *width,
        TypeKind::Enum(names) => (usize::BITS - (names.len() - 1).leading_zeros()) as usize,
        TypeKind::Composite(fields) => fields.iter().map(|field| width_of(&field.kind)).sum(),
    }
}

/// A port of a block.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// Verilog name, for example `rx$payload`.
    pub name: String,
    /// Width in bits.
    pub width: usize,
    /// Direction, seen from the block.
    pub direction: Direction,
    /// It is a clock.
    pub clock: bool,
    /// Fields, when the port carries a struct.
    pub layout: Option<Rc<Layout>>,
}

/// All ports of a block, by the address of their signal.
#[derive(Default)]
pub(crate) struct Ports {
    namespace: Vec<String>,
    depth: usize,
    pub(crate) list: Vec<PortInfo>,
    by_address: HashMap<*const (), usize>,
}

impl Ports {
    pub(crate) fn of(block: &dyn Block) -> Self {
        let mut ports = Self::default();
        block.accept("block", &mut ports);
        ports
    }

    pub(crate) fn find(&self, address: *const ()) -> Option<usize> {
        self.by_address.get(&address).copied()
    }
}

impl Probe for Ports {
    fn visit_start_scope(&mut self, _: &str, _: &dyn Block) {
        self.depth += 1;
    }
    fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {
        self.depth -= 1;
    }
    fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
        self.namespace.push(name.to_string());
    }
    fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
        self.namespace.pop();
    }
    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        let direction = match atom.kind() {
            AtomKind::InputParameter => Direction::Input,
            AtomKind::OutputParameter => Direction::Output,
            _ => return,
        };
        if self.depth > 1 {
            return;
        }
        let full = self
            .namespace
            .iter()
            .map(String::as_str)
            .chain([name])
            .collect::<Vec<_>>()
            .join("$");
        let descriptor = atom.descriptor();
        self.by_address
            .insert(atom as *const dyn Atom as *const (), self.list.len());
        self.list.push(PortInfo {
            name: full,
            width: atom.bits(),
            direction,
            clock: descriptor.name.eq_ignore_ascii_case("clock"),
            layout: Layout::of(&descriptor),
        });
    }
}
