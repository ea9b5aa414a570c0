//! The designs that are emitted, simulated and linted.

use rust_hdl::prelude::*;

use crate::rtl::{Elaborated, Leaf};

/// One design: a block with everything below it, as Verilog.
pub struct Design {
    /// Name of the design: a C identifier, unique.
    pub name: String,
    /// Its top module.
    pub top: String,
    /// All modules.
    pub verilog: String,
    /// The body, when the design is one leaf: the simulation then runs it against its own Verilog.
    pub leaf: Option<Elaborated>,
}

impl Design {
    /// A design that is one leaf.
    pub fn leaf<L: Leaf>(name: &str, block: L) -> Self {
        let body = block.elaborate();
        Design {
            leaf: Some(body),
            ..Self::composite(name, block)
        }
    }

    /// A design with blocks below it.
    pub fn composite<B: Block>(name: &str, mut block: B) -> Self {
        block.connect_all();
        Design {
            name: name.to_owned(),
            // The name rust-hdl gives to every top.
            top: "top".to_owned(),
            verilog: generate_verilog(&block),
            leaf: None,
        }
    }
}

/// All designs, in a fixed order. A build script calls this: it must not depend on anything but
/// the sources.
pub fn designs() -> Vec<Design> {
    let mut designs = Vec::new();
    designs.extend(crate::csr::designs());
    designs.extend(crate::net::rx::designs());
    designs.extend(crate::rtl::random::designs());
    designs.extend(crate::stream::designs());
    designs.extend(crate::net::tx::designs());
    designs.extend(crate::dispatch::designs());
    designs.extend(crate::host::designs());
    designs
}
