//! A second opinion on the explorer: stateright visits the same states and finds the same faults.

use std::hash::{Hash, Hasher};

use lauberhorn_coherence::check::config::{Config, Twin};
use lauberhorn_coherence::check::explore::{Limits, explore};
use lauberhorn_coherence::check::step::Action;
use lauberhorn_coherence::check::system::{Fault, Names, State};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// A system, and the one way to number it.
struct System {
    config: Config,
    names: Vec<Names>,
}

#[derive(Clone, Debug, PartialEq)]
struct Visited {
    state: State,
    bytes: Vec<u8>,
}

impl Hash for Visited {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.bytes.hash(hasher);
    }
}

impl System {
    fn new(config: Config) -> Self {
        let config = Config {
            symmetry: false,
            ..config
        };
        let names = Names::all(&config);
        assert_eq!(names.len(), 1);
        Self { config, names }
    }

    fn visited(&self, state: State) -> Visited {
        let mut bytes = vec![];
        state.encode(&self.names[0], &mut bytes);
        Visited { state, bytes }
    }
}

impl Model for System {
    type State = Visited;
    type Action = Action;

    fn init_states(&self) -> Vec<Visited> {
        vec![self.visited(State::new(&self.config))]
    }

    fn actions(&self, at: &Visited, actions: &mut Vec<Action>) {
        self.config.actions(&at.state, actions);
    }

    fn next_state(&self, at: &Visited, action: Action) -> Option<Visited> {
        Some(self.visited(self.config.next(&at.state, action)))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no fault", |_, at: &Visited| at.state.fault.is_none()),
            // Is never found, so that all states are visited.
            Property::sometimes("impossible", |_, _| false),
        ]
    }
}

const LIMITS: Limits = Limits {
    states: 1_000_000,
    threads: 1,
    edges: false,
};

#[test]
fn both_visit_the_same_states() {
    let plain = Config::plain();
    for config in [
        Config {
            eager: true,
            overflow: true,
            evict: 1,
            ..plain
        },
        Config {
            preempt: true,
            retire: true,
            ..plain
        },
        Config {
            kill: true,
            rebind: true,
            processes: 2,
            eager: true,
            ..plain
        },
    ] {
        let system = System::new(config);
        let graph = explore(&system.config, &LIMITS, |_| true);
        let checker = system.checker().spawn_bfs().join();
        checker.assert_no_discovery("no fault");
        assert_eq!(graph.parents.len(), checker.unique_state_count());
        assert!(graph.complete && graph.fault.is_none());
    }
}

#[test]
fn both_find_the_fault_of_a_twin() {
    let system = System::new(Config {
        preempt: true,
        twin: Some(Twin::IgnoreBusy),
        ..Config::plain()
    });
    let graph = explore(&system.config, &LIMITS, |_| true);
    assert_eq!(graph.fault.map(|(fault, _)| fault), Some(Fault::Preempted));
    let checker = system.checker().finish_when(HasDiscoveries::AnyFailures);
    let found = checker.spawn_bfs().join().assert_any_discovery("no fault");
    assert_eq!(found.last_state().state.fault, Some(Fault::Preempted));
}
