//! What must hold for every design of the card.

use lauberhorn_hw::rtl::{Dut, Interpreter};
use lauberhorn_sim::equivalence::compare;
use lauberhorn_sim::model::{Model, ModelDut, ModelInfo, Start};
use lauberhorn_sim::seed::Seed;
use lauberhorn_verilate::{Design, Trace, Verilator};

/// Cycles per leaf, with random resets among them.
const CYCLES: u64 = 3000;

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
            };
            verilator.lint(&design, folder.path()).err()
        })
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn every_design_has_a_model_with_a_clock() {
    for design in lauberhorn_hw::design::designs() {
        let model = ModelInfo::find(&design.name).expect("built by the build script");
        assert!(model.ports.iter().any(|port| port.clock), "{}", design.name);
    }
}

#[test]
fn every_leaf_agrees_with_its_verilog() {
    let seed = Seed::from_environment();
    let mut errors = Vec::new();
    for design in lauberhorn_hw::design::designs() {
        let Some(body) = design.leaf else { continue };
        let mut interpreter = Interpreter::new(body);
        let model = Model::open_with(&design.name, Start::Zeros).expect("built");
        let mut verilog = ModelDut::with_ports(model, interpreter.ports());
        let result = compare(
            &design.name,
            &mut interpreter,
            &mut verilog,
            CYCLES,
            seed,
            |_| {},
        );
        errors.extend(result.err().map(|error| error.to_string()));
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
