//! What must hold for every design of the card.

use lauberhorn_sim::model::ModelInfo;
use lauberhorn_verilate::{Design, Trace, Verilator};

#[test]
fn every_design_passes_lint() {
    let verilator = Verilator::find().expect("the build has found it too");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let errors: Vec<_> = lauberhorn_hw::design::designs()
        .into_iter()
        .chain(lauberhorn_hw::nic::tops())
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
fn every_card_adapter_and_receive_path_has_a_model_with_a_clock() {
    let designs = lauberhorn_hw::design::designs();
    let starts = ["nic_", "rx_path", "adapter_"];
    let built = |name: &str| starts.iter().any(|start| name.starts_with(start));
    let whole = designs.iter().filter(|design| design.leaf.is_none());
    for design in whole.filter(|design| built(&design.name)) {
        let model = ModelInfo::find(&design.name).expect("built by the build script");
        assert!(model.ports.iter().any(|port| port.clock), "{}", design.name);
    }
}
