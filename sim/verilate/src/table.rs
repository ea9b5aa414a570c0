//! The generated Rust table of models.

use std::fmt::Write;

use crate::{Design, Direction, Port, Trace, shim};

/// A call of the macro `models!`, which `lauberhorn_sim` defines where it includes this text.
pub(crate) fn text(models: &[(&Design, Vec<Port>)]) -> String {
    let mut out = String::from("models! {\n");
    for (design, ports) in models {
        model(&mut out, design, ports).expect("writing to a string");
    }
    out.push_str("}\n");
    out
}

fn model(out: &mut String, design: &Design, ports: &[Port]) -> std::fmt::Result {
    let trace = match design.trace {
        Trace::None => "None",
        Trace::Vcd => "Vcd",
        Trace::Fst => "Fst",
    };
    let symbol = shim::symbol(&design.name);
    let Design { name, top, .. } = design;
    writeln!(out, "    {symbol}: {name:?}, top {top:?}, trace {trace}, [")?;
    for port in ports {
        let direction = match port.direction {
            Direction::Input => "Input",
            Direction::Output => "Output",
        };
        let (name, width, clock) = (&port.name, port.width_bits, port.is_clock());
        writeln!(out, "        {name:?} {direction} {width} {clock},")?;
    }
    writeln!(out, "    ];")
}
