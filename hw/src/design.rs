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
            verilog: sink_optional_outputs(&generate_verilog(&block)),
            leaf: None,
        }
    }
}

/// Outputs of general blocks that a composite may leave unread; any other unread output is a
/// forgotten wire, and lint says so.
const OPTIONAL_OUTPUTS: [&str; 5] = [
    "$level",
    "$from",
    "$queued",
    "$owner$payload",
    "$owner$valid",
];

/// Names the optional outputs of sub-blocks that no one reads, so that lint can tell them from
/// forgotten wires.
fn sink_optional_outputs(verilog: &str) -> String {
    const END: &str = "\nendmodule";
    let mut out = String::with_capacity(verilog.len());
    let mut rest = verilog;
    while let Some(end) = rest.find(END) {
        let module = &rest[..end];
        out += module;
        let stubs = module.lines().filter_map(|line| {
            let declared = line.trim().strip_prefix("wire ")?.strip_suffix(';')?;
            let name = declared.rsplit(' ').next()?;
            let optional = OPTIONAL_OUTPUTS.iter().any(|s| name.ends_with(s));
            let read = module.contains(&format!("= {name};"));
            (optional && !read).then_some(name)
        });
        for (index, name) in stubs.enumerate() {
            out += &format!("\n    wire unused_output_{index} = &{{1'b0, {name}}};");
        }
        out += END;
        rest = &rest[end + END.len()..];
    }
    out + rest
}

/// All designs, in a fixed order. A build script calls this: it must not depend on anything but
/// the sources.
pub fn designs() -> Vec<Design> {
    let mut designs = parts();
    designs.extend(crate::nic::designs());
    designs
}

/// All designs but the whole cards, which take longer to write than all their parts: every leaf is
/// among these.
pub fn parts() -> Vec<Design> {
    let mut designs = Vec::new();
    designs.extend(crate::csr::designs());
    designs.extend(crate::net::rx::designs());
    designs.extend(crate::rtl::random::designs());
    designs.extend(crate::stream::designs());
    designs.extend(crate::net::tx::designs());
    designs.extend(crate::dispatch::designs());
    designs.extend(crate::host::designs());
    designs.extend(crate::host::adapter::designs());
    designs
}

/// Designs that are estimated but not simulated: the card in sizes that no named configuration has.
pub fn sizes() -> Vec<Design> {
    crate::nic::sizes()
}
