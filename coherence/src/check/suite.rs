//! What `lauberhorn check` runs: parts that are each exhausted, and twins that must fail.

use super::config::{Config, Twin};
use super::explore::{Graph, Limits, explore};
use super::live::{Debt, unpaid};
use super::system::Fault;

/// A property of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// Never broken.
    Safety(Fault),
    /// Never owed for ever.
    Liveness(Debt),
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Safety(Fault::Delivery),
        Self::Safety(Fault::Reply),
        Self::Safety(Fault::Foreign),
        Self::Safety(Fault::Pair),
        Self::Safety(Fault::Crossing),
        Self::Safety(Fault::Slot),
        Self::Safety(Fault::Preempted),
        Self::Safety(Fault::Deadlock),
        Self::Liveness(Debt::Answer),
        Self::Liveness(Debt::Slot),
        Self::Liveness(Debt::Load),
        Self::Liveness(Debt::Rest),
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safety(Fault::Delivery) => "delivered_once_and_whole",
            Self::Safety(Fault::Reply) => "replied_once_and_whole",
            Self::Safety(Fault::Foreign) => "own_data_only",
            Self::Safety(Fault::Pair) => "one_valid_line_of_a_pair",
            Self::Safety(Fault::Crossing) => "no_unnoticed_crossing",
            Self::Safety(Fault::Slot) => "slots_freed_once",
            Self::Safety(Fault::Preempted) => "preempted_between_requests",
            Self::Safety(Fault::Deadlock) => "no_deadlock",
            Self::Liveness(Debt::Answer) => "requests_are_answered",
            Self::Liveness(Debt::Slot) => "slots_come_back",
            Self::Liveness(Debt::Load) => "loads_are_answered",
            Self::Liveness(Debt::Rest) => "endpoints_wait_again",
        }
    }
}

/// A system that is exhausted.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What is modelled.
    pub config: Config,
    /// Liveness is checked too; numbering is not folded then.
    pub live: bool,
}

impl Part {
    fn new(config: Config, live: bool) -> Self {
        let config = Config {
            symmetry: !live,
            ..config
        };
        Self {
            name: config.describe(),
            config,
            live,
        }
    }

    /// The head of the table of parts in the book.
    pub const HEADER: &str =
        "| endpoints, processes | on | liveness | states | result |\n|---|---|---|--:|---|";

    /// The part's row there, once all of its states were visited and every property holds.
    pub fn row(&self, states: usize) -> String {
        let config = &self.config;
        let (_, on) = self.name.split_once(": ").unwrap_or_default();
        let live = if self.live { "yes" } else { "" };
        format!(
            "| {}, {} | {on} | {live} | {} | all hold |",
            config.endpoints,
            config.processes,
            grouped(states)
        )
    }
}

/// A number with a comma before every three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What was found.
#[derive(Debug)]
pub struct Outcome {
    /// What was visited.
    pub graph: Graph,
    /// The first property that fails, and a state that shows it.
    pub failed: Option<(Property, u32)>,
}

/// Visits a part and judges it.
pub fn run(part: &Part, limits: &Limits, progress: impl FnMut(&Graph) -> bool) -> Outcome {
    let limits = Limits {
        edges: part.live,
        ..*limits
    };
    let graph = explore(&part.config, &limits, progress);
    let mut failed = graph.fault.map(|(fault, at)| (Property::Safety(fault), at));
    if part.live && graph.complete && failed.is_none() {
        let mut unpaid = Debt::ALL
            .into_iter()
            .filter_map(|debt| Some((Property::Liveness(debt), unpaid(&graph, debt)?)));
        failed = unpaid.next();
    }
    Outcome { graph, failed }
}

const PLAIN: Config = Config::plain();
const LONG: Config = Config {
    overflow: true,
    ..PLAIN
};
const EAGER: Config = Config {
    eager: true,
    ..LONG
};

/// The broken twins: what each is tried on, and the property it must fail.
pub fn twins() -> Vec<(Twin, Config, Property)> {
    use Property::{Liveness, Safety};
    let noisy = Config {
        prefetch: 1,
        evict: 1,
        ..EAGER
    };
    let list = [
        (Twin::ForgetRecall, EAGER, Safety(Fault::Crossing)),
        (
            Twin::AnswerBoth,
            Config {
                prefetch: 1,
                ..PLAIN
            },
            Safety(Fault::Pair),
        ),
        (Twin::AcknowledgeByLoad, noisy, Safety(Fault::Delivery)),
        (Twin::TakeEarly, noisy, Safety(Fault::Reply)),
        (
            Twin::NoReset,
            Config {
                kill: true,
                ..PLAIN
            },
            Safety(Fault::Delivery),
        ),
        (
            Twin::EnableEarly,
            Config {
                processes: 2,
                kill: true,
                rebind: true,
                prefetch: 1,
                ..PLAIN
            },
            Safety(Fault::Foreign),
        ),
        (Twin::Overtake, noisy, Safety(Fault::Crossing)),
        (Twin::FreeTwice, PLAIN, Safety(Fault::Slot)),
        (
            Twin::IgnoreBusy,
            Config {
                preempt: true,
                ..PLAIN
            },
            Safety(Fault::Preempted),
        ),
        (Twin::LoseTaken, PLAIN, Safety(Fault::Deadlock)),
        (Twin::LoseWaiting, PLAIN, Liveness(Debt::Answer)),
        (Twin::KeepSlot, PLAIN, Liveness(Debt::Slot)),
        (Twin::NoTimer, PLAIN, Liveness(Debt::Load)),
        (
            Twin::ForgetAllow,
            Config {
                requests: 0,
                preempt: true,
                ..PLAIN
            },
            Liveness(Debt::Rest),
        ),
    ];
    list.into_iter().collect()
}

/// A twin as a part.
pub fn broken(twin: Twin, config: Config, meant: Property) -> Part {
    let live = matches!(meant, Property::Liveness(_));
    let config = Config {
        twin: Some(twin),
        ..config
    };
    Part::new(config, live)
}

/// Small enough for every test run.
pub fn small() -> Vec<Part> {
    vec![
        Part::new(leaving(LONG), true),
        Part::new(leaving(EAGER), true),
        Part::new(Config { evict: 1, ..EAGER }, true),
        Part::new(Config { evict: 1, ..LONG }, true),
        Part::new(preempted(EAGER), true),
        Part::new(
            Config {
                prefetch: 1,
                overflow: false,
                ..EAGER
            },
            true,
        ),
        Part::new(
            Config {
                endpoints: 2,
                overflow: false,
                ..EAGER
            },
            false,
        ),
    ]
}

const fn leaving(config: Config) -> Config {
    Config {
        retire: true,
        kill: true,
        rebind: true,
        ..config
    }
}

const fn preempted(config: Config) -> Config {
    Config {
        preempt: true,
        ..config
    }
}

/// What the command exhausts, for this many endpoints and processes where parts have several.
pub fn full(endpoints: usize, processes: usize) -> Vec<Part> {
    let several = |config| Config {
        processes,
        ..config
    };
    let wide = |config| Config {
        endpoints,
        ..several(config)
    };
    let mut parts = vec![];
    for mode in [EAGER, LONG] {
        let short = Config {
            overflow: false,
            ..mode
        };
        let evict = Config { evict: 1, ..short };
        let prefetch = Config {
            prefetch: 1,
            ..short
        };
        let dying = |config| Config {
            kill: true,
            ..config
        };
        let retiring = |config| Config {
            retire: true,
            ..config
        };
        let moving = |config| Config {
            rebind: true,
            ..config
        };
        parts.extend([
            Part::new(wide(mode), false),
            Part::new(wide(evict), false),
            Part::new(wide(prefetch), false),
            Part::new(wide(preempted(short)), false),
            Part::new(wide(moving(retiring(short))), false),
            Part::new(wide(moving(dying(short))), false),
            Part::new(several(leaving(preempted(mode))), false),
            Part::new(leaving(preempted(mode)), true),
            Part::new(Config { evict: 1, ..mode }, true),
            Part::new(
                Config {
                    prefetch: 1,
                    ..mode
                },
                true,
            ),
            Part::new(
                Config {
                    evict: 1,
                    ..prefetch
                },
                true,
            ),
            Part::new(preempted(evict), true),
            Part::new(several(leaving(evict)), false),
            Part::new(preempted(prefetch), false),
            Part::new(several(moving(retiring(prefetch))), false),
            Part::new(dying(prefetch), false),
        ]);
    }
    parts
}

/// The system with everything on, in either mode. It does not fit; it is visited as far as it goes.
pub fn whole(endpoints: usize, processes: usize) -> [Part; 2] {
    [EAGER, LONG].map(|mode| {
        let config = Config {
            endpoints,
            processes,
            evict: 1,
            prefetch: 1,
            ..leaving(preempted(mode))
        };
        Part::new(config, false)
    })
}
