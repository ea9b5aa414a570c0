//! What must hold for every design of the card.

use lauberhorn_sim::model::ModelInfo;
use lauberhorn_verilate::{Design, Trace, Verilator};

#[test]
fn every_design_passes_lint() {
    let verilator = Verilator::find().expect("the build has found it too");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let errors: Vec<_> = lauberhorn_hw::design::designs()
        .into_iter()
        .filter_map(|design| {
            let design = Design {
                name: design.name,
                top: design.top,
                verilog: design.verilog,
                trace: Trace::None,
                fast: false,
            };
            verilator.lint(&design, folder.path()).err()
        })
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn every_composite_has_a_model_with_a_clock() {
    let designs = lauberhorn_hw::design::designs();
    for design in designs.iter().filter(|design| design.leaf.is_none()) {
        let model = ModelInfo::find(&design.name).expect("built by the build script");
        assert!(model.ports.iter().any(|port| port.clock), "{}", design.name);
    }
}
