//! Verilates every leaf block. Most are small: a few of a family share a library, which costs a
//! fraction of one compiler run each, and a change compiles again what stands in the same library.

use std::collections::BTreeMap;

use lauberhorn_verilate::{Build, Design, Trace};

/// Blocks in one library.
const GROUP_SIZE: usize = 8;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut families: BTreeMap<String, Vec<Design>> = BTreeMap::new();
    for design in lauberhorn_hw::design::parts() {
        if design.leaf.is_none() {
            continue;
        }
        let family = design.name.split('_').next().unwrap_or_default();
        let family = families.entry(family.to_owned()).or_default();
        family.push(Design {
            name: design.name,
            top: design.top,
            verilog: design.verilog,
            trace: Trace::None,
            fast: false,
        });
    }
    let mut build = Build::from_cargo().without_runtime();
    for (family, designs) in families {
        for (index, group) in designs.chunks(GROUP_SIZE).enumerate() {
            build = build.library(format!("leaves_{family}_{index}"), group.to_vec());
        }
    }
    build.run_for_cargo();
}
