//! Verilates the cards, their adapters, the receive path alone, and the toys that the model binding is tested with.

use std::path::Path;

use lauberhorn_verilate::{Build, Design, Trace};

/// Name and waveform format of each toy; its text is `toys/<name>.v`, its top module its name.
const TOYS: &[(&str, Trace)] = &[
    ("toy_counter", Trace::Fst),
    ("toy_failures", Trace::None),
    ("toy_memory", Trace::Vcd),
    ("toy_skid_577", Trace::None),
    ("toy_two_clocks", Trace::None),
    ("toy_wide_constant", Trace::None),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=toys");
    let mut build = Build::from_cargo();
    for design in lauberhorn_hw::design::designs() {
        // Whole cards run long and are looked at, the receive path is measured alone. All other
        // parts are only tested: `sim/leaves`.
        let card = design.name.starts_with("nic_");
        let adapter = design.leaf.is_none() && design.name.starts_with("adapter_");
        if !(card || adapter || design.name.starts_with("rx_path")) {
            continue;
        }
        build = build.design(Design {
            name: design.name,
            top: design.top,
            verilog: design.verilog,
            trace: if card { Trace::Fst } else { Trace::None },
            fast: card || adapter,
        });
    }
    for (name, trace) in TOYS {
        let file = Path::new("toys").join(format!("{name}.v"));
        let verilog = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        build = build.design(Design {
            name: (*name).to_owned(),
            top: (*name).to_owned(),
            verilog,
            trace: *trace,
            fast: true,
        });
    }
    build.run_for_cargo();
}
