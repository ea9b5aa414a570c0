//! A block that is too deep for its clock, through the whole flow.

use lauberhorn_bitstreams::block::{Class, Estimator, Source};
use lauberhorn_bitstreams::delay::Grade;
use lauberhorn_bitstreams::table::Table;
use lauberhorn_bitstreams::tool::{Target, Tool, target_dir};
use std::collections::BTreeMap;
use std::slice;

/// Eight dependent additions between `seed_q` and `deep_q`, none before `shallow_q`.
const DEEP: &str = "
module deep(input clock, input [15:0] seed, input [15:0] key,
           output reg [15:0] deep_q, output reg [15:0] shallow_q);
    reg [15:0] seed_q, key_q;
    wire [15:0] round [0:8];
    assign round[0] = seed_q;
    genvar i;
    generate for (i = 0; i < 8; i = i + 1) begin : rounds
        assign round[i + 1] = (round[i] + key_q) ^ {round[i][2:0], round[i][15:3]};
    end endgenerate
    always @(posedge clock) begin
        seed_q <= seed;
        key_q <= key;
        deep_q <= round[8];
        shallow_q <= seed_q ^ key_q;
    end
endmodule
";

fn estimator(target: Target) -> Estimator {
    Estimator {
        // Whichever version: the block is far beyond the limit.
        tool: Tool::system().expect("the system's yosys; apt-get install yosys"),
        target,
        grade: Grade::Two,
        paths: 4,
        dir: target_dir().join("synth-tests"),
    }
}

#[test]
fn is_red_with_the_path_that_makes_it_so() {
    let source = Source::foreign("deep", DEEP);
    let estimator = estimator(Target::Xcup);
    let report = estimator
        .report(&source, &BTreeMap::new())
        .expect("it can be mapped");
    let timing = report.figures.timing.expect("it has paths");
    assert_eq!(timing.class, Class::Red);
    assert!(timing.fanout_ns > 4.0 && timing.budget_ns > 4.0);
    let worst = report.analysis.worst().expect("it has paths");
    assert_eq!(worst.capture, "deep_q");
    // `round[0]` is another name of `seed_q`.
    let from = ["seed_q[", "key_q[", "round[0]["];
    assert!(
        from.iter().any(|name| worst.launch.starts_with(name)),
        "{}",
        worst.launch
    );
    assert!(worst.levels >= 8);
    let shallow = report.analysis.paths.iter();
    let shallow = shallow.clone().find(|path| path.capture == "shallow_q");
    assert_eq!(shallow.expect("it is among the worst four").levels, 1);
    assert_eq!(report.figures.resources.ff, 64);

    let table = Table::new(Target::Xcup, Grade::Two, &estimator.tool.name, &[]);
    let complaints = table.complaints(&report).join("\n");
    assert!(complaints.contains("deep is red"), "{complaints}");
    assert!(
        complaints.contains("deep is not in the table"),
        "{complaints}"
    );
}

#[test]
fn takes_alms_and_has_no_timing_there() {
    let source = Source::foreign("deep", DEEP);
    let estimator = estimator(Target::Alm);
    let report = estimator
        .report(&source, &BTreeMap::new())
        .expect("it can be mapped");
    let table = Table::new(
        Target::Alm,
        Grade::Two,
        &estimator.tool.name,
        slice::from_ref(&report),
    );
    assert!(table.markdown().contains("indicative"));
    let figures = report.figures;
    assert!(figures.timing.is_none());
    assert!(figures.resources.lut > 0 && figures.levels >= 8);
    assert_eq!(figures.resources.ff, 64);
}
