//! Every leaf block against its own Verilog: `cargo test -p lauberhorn-sim --features leaves`.

use lauberhorn_hw::rtl::{Dut, Interpreter};
use lauberhorn_sim::equivalence::compare;
use lauberhorn_sim::model::{Model, ModelDut, Start};
use lauberhorn_sim::seed::Seed;

/// Cycles per leaf, with random resets among them.
const CYCLES: u64 = 3000;

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
