//! The small parts, and every twin.

use super::chart::chart;
use super::config::{Config, Twin};
use super::explore::{Limits, explore};
use super::suite::{Part, broken, full, run, small, twins};

const LIMITS: Limits = Limits {
    states: 3_000_000,
    threads: 2,
    edges: false,
};

#[test]
fn small_parts_hold_every_property() {
    for part in small() {
        let outcome = run(&part, &LIMITS, |_| true);
        let graph = &outcome.graph;
        println!(
            "{}: {} states, {:?}",
            part.name,
            graph.parents.len(),
            graph.time
        );
        if let Some((property, at)) = outcome.failed {
            let chart = chart(&part.config, graph, at);
            panic!("{}: {} fails\n{chart}", part.name, property.name());
        }
        assert!(graph.complete, "{}", part.name);
    }
}

#[test]
fn every_twin_fails_the_property_meant_for_it() {
    let mut wrong = vec![];
    for (twin, config, meant) in twins() {
        let part = broken(twin, config, meant);
        let outcome = run(&part, &LIMITS, |_| true);
        let failed = outcome.failed.map(|(property, _)| property);
        println!(
            "{twin:?}: {failed:?}, {} states",
            outcome.graph.parents.len()
        );
        if failed != Some(meant) {
            let chart = outcome
                .failed
                .map(|(_, at)| chart(&part.config, &outcome.graph, at));
            wrong.push(format!(
                "{twin:?}: {failed:?} instead of {meant:?}\n{}",
                chart.unwrap_or_default()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sequence_number_is_a_second_safeguard_only() {
    let eager = Config {
        eager: true,
        overflow: true,
        twin: Some(Twin::IgnoreSequence),
        ..Config::plain()
    };
    for config in [
        Config { evict: 1, ..eager },
        Config {
            kill: true,
            retire: true,
            rebind: true,
            ..eager
        },
    ] {
        let graph = explore(&config, &LIMITS, |_| true);
        assert!(
            graph.complete && graph.fault.is_none(),
            "{}",
            config.describe()
        );
    }
}

/// The table of the book lists the parts of the suite in their order; those that are quick are
/// counted again.
#[test]
fn table_of_parts_in_the_book_is_that_of_the_suite() {
    const QUICK_STATES: usize = 20_000;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/checked_parts.md");
    let table = std::fs::read_to_string(path).expect("the table can be read");
    let mut lines = table.lines();
    for head in Part::HEADER.lines() {
        assert_eq!(lines.next(), Some(head));
    }
    for part in full(2, 2) {
        let row = lines.next().unwrap_or_default();
        let cell = row.split('|').nth(4).unwrap_or_default();
        let states = cell.trim().replace(',', "").parse().unwrap_or(0);
        assert_eq!(
            row,
            part.row(states),
            "renew it: ./run check --markdown > docs/src/checked_parts.md"
        );
        if states < QUICK_STATES {
            let graph = run(&part, &LIMITS, |_| true).graph;
            assert_eq!(graph.parents.len(), states, "{}", part.name);
        }
    }
    assert_eq!(lines.next(), None);
}
