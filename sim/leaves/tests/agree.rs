//! Every leaf block agrees with its own Verilog.

use std::sync::Mutex;
use std::thread;

use lauberhorn_hw::design::Design;
use lauberhorn_leaves::{Divergence, MODELS, Report, compare};
use lauberhorn_sim::model::ModelInfo;
use lauberhorn_sim::seed::Seed;

/// Cycles per block, with random resets among them.
const CYCLES: u64 = 2000;

/// Share of a block's register bits that must have been both zero and one; the high bits of counters
/// never are.
const LEAST_TOGGLED_PERCENT: usize = 20;

fn model(name: &str) -> &'static ModelInfo {
    let found = MODELS.iter().find(|model| model.name == name);
    found.unwrap_or_else(|| panic!("{name} was not verilated"))
}

#[test]
fn every_leaf_agrees_with_its_verilog() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed} cargo test -p lauberhorn-leaves");
    let leaves: Vec<String> = MODELS.iter().map(|model| model.name.to_owned()).collect();
    let next = Mutex::new(leaves.iter());
    let results = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Bodies belong to a thread.
                let designs = lauberhorn_hw::design::parts();
                let mut bodies: Vec<_> = designs
                    .into_iter()
                    .filter_map(|Design { name, leaf, .. }| Some((name, leaf?)))
                    .collect();
                assert_eq!(bodies.len(), MODELS.len(), "every leaf has a model");
                loop {
                    let Some(name) = next.lock().expect("no panic under the lock").next() else {
                        break;
                    };
                    let at = bodies.iter().position(|(body, _)| body == name);
                    let (_, body) = bodies.swap_remove(at.expect("a body of every model"));
                    let result = compare(model(name), body, CYCLES, seed);
                    let mut results = results.lock().expect("no panic under the lock");
                    results.push((name.clone(), result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all threads have ended");
    results.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut errors = Vec::new();
    let count = |pick: fn(&Report) -> usize| -> usize {
        results
            .iter()
            .filter_map(|(_, result)| Some(pick(result.as_ref().ok()?)))
            .sum()
    };
    println!(
        "{} blocks of {CYCLES} cycles, {} assertions violated in both judges, {} of {} register \
         bits toggled",
        results.len(),
        count(|report| report.violated.len()),
        count(|report| report.toggled_bits),
        count(|report| report.register_bits),
    );
    for (name, result) in &results {
        match result {
            Ok(report) => {
                println!("{name}: {report:?}");
                // A block that hardly moves would prove nothing. Random machines may be stuck.
                let least = report.register_bits * LEAST_TOGGLED_PERCENT / 100;
                if report.toggled_bits < least && !name.starts_with("random_") {
                    errors.push(format!("{name}: too little happens, {report:?} ({seed})"));
                }
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn a_body_that_differs_is_found() {
    let seed = Seed::from_environment();
    for (name, other) in [
        ("stream_shift_4", "stream_shift_32"),
        ("stream_fifo_16x24", "stream_block_fifo_4x24"),
        ("stream_free_list_16", "stream_free_list_80"),
    ] {
        let mut designs = lauberhorn_hw::stream::designs().into_iter();
        let design = designs.find(|design| design.name == name);
        let body = design.and_then(|design| design.leaf).expect("a leaf");
        match compare(model(other), body, CYCLES, seed).map_err(|error| *error) {
            Err(Divergence::Output { design, .. }) => assert_eq!(design, other),
            result => panic!("{name} passes for {other}: {result:?}"),
        }
    }
}
