//! `lauberhorn check`: every state of the line protocol, visited.

use anyhow::bail;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use lauberhorn_coherence::check::chart::chart;
use lauberhorn_coherence::check::coverage::uncovered;
use lauberhorn_coherence::check::explore::Limits;
use lauberhorn_coherence::check::suite::{
    Outcome, Part, Property, broken, full, run, twins, whole,
};
use lauberhorn_coherence::conform::Coverage;
use lauberhorn_sim::conformance;
use lauberhorn_sim::seed::Seed;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Check the line protocol by visiting every state of a system that uses it.
///
/// Everything at once makes more states than fit, so the system is exhausted in parts, which are
/// listed with what is on in each.
#[derive(Args)]
pub struct Check {
    /// Endpoints, each with its core, where parts have several.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    cores: u8,
    /// Processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    processes: u8,
    /// Only parts whose name contains this.
    #[arg(long, default_value = "")]
    part: String,
    /// Only the broken twins, each of which must fail the property meant for it.
    #[arg(long)]
    twins: bool,
    /// Instead: compare a short random run of the simulated card with the protocol, message by
    /// message, and list which message met which state of the lines.
    #[arg(long, conflicts_with_all = ["part", "twins"])]
    conformance: bool,
    /// Calls of that run, through each system.
    #[arg(long, default_value_t = 400)]
    calls: u32,
    /// Instead: everything at once, in both transmit modes, as far as it goes: until so many states
    /// are known in each. Says what held up to there; it cannot be complete.
    #[arg(long, value_name = "STATES", conflicts_with_all = ["twins", "conformance"])]
    bounded: Option<usize>,
    /// Memory in GB at which a part is given up.
    #[arg(long, default_value_t = 8)]
    memory: u64,
    /// States at which a part is given up.
    #[arg(long, default_value_t = 40_000_000)]
    max_states: usize,
    /// Threads; all processors unless given.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print the table of the parts as the book has it, and nothing else.
    #[arg(long, conflicts_with_all = ["twins", "conformance", "bounded", "json"])]
    markdown: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What the parts came to.
#[derive(Default)]
struct Summary {
    states: usize,
    complete: bool,
    properties: BTreeMap<&'static str, &'static str>,
    twins: BTreeMap<String, &'static str>,
}

impl Check {
    /// Checks.
    pub fn run(self) -> anyhow::Result<()> {
        if self.conformance {
            return self.conforms();
        }
        let jobs = self.jobs.or(std::thread::available_parallelism().ok());
        let limits = Limits {
            states: self.bounded.unwrap_or(self.max_states),
            threads: jobs.map_or(1, NonZeroUsize::get),
            edges: false,
        };
        let mut summary = Summary {
            complete: true,
            ..Summary::default()
        };
        if !self.twins {
            self.parts(&limits, &mut summary)?;
        }
        let charts = match self.bounded.is_some() || self.markdown {
            true => String::new(),
            false => self.broken(&limits, &mut summary),
        };
        if self.json {
            let document = serde_json::json!({
                "states": summary.states,
                "properties": summary.properties,
                "twins": summary.twins,
                "complete": summary.complete,
            });
            println!("{document:#}");
        }
        let fails = summary.properties.values().filter(|v| **v == "fails");
        let survivors = summary.twins.values().filter(|v| **v == "holds");
        match (fails.count(), survivors.count(), summary.complete) {
            (0, 0, true) => Ok(()),
            (0, 0, false) if self.bounded.is_some() => Ok(()),
            (0, 0, false) => bail!("not all states were visited: raise --max-states or --memory"),
            (fails, survivors, _) => {
                eprint!("{charts}");
                bail!("{fails} properties fail, {survivors} twins survive")
            }
        }
    }

    fn conforms(&self) -> anyhow::Result<()> {
        let seed = Seed::from_environment();
        let coverage = conformance::run(seed, self.calls)?;
        let pairs = Coverage::possible();
        let seen = pairs.iter().filter(|pair| coverage.met(**pair) > 0).count();
        if self.json {
            let rows: Vec<_> = pairs
                .iter()
                .map(|pair| {
                    serde_json::json!({
                        "half": pair.0,
                        "state": pair.1,
                        "message": pair.2,
                        "times": coverage.met(*pair),
                    })
                })
                .collect();
            let document = serde_json::json!({
                "seed": seed.to_string(),
                "calls": self.calls,
                "conforms": true,
                "pairs": rows,
            });
            println!("{document:#}");
            return Ok(());
        }
        let mut table = table(&["half", "state", "message", "times"]);
        for pair in &pairs {
            let times = match coverage.met(*pair) {
                0 => "never".to_owned(),
                times => times.to_string(),
            };
            table.add_row([
                pair.0.to_owned(),
                pair.1.to_owned(),
                pair.2.to_owned(),
                times,
            ]);
        }
        println!("{table}");
        println!(
            "every message conforms; {seen} of {} pairs met; {seed}",
            pairs.len()
        );
        Ok(())
    }

    fn parts(&self, limits: &Limits, summary: &mut Summary) -> anyhow::Result<()> {
        let (cores, processes) = (self.cores.into(), self.processes.into());
        let mut parts = match self.bounded {
            Some(_) => whole(cores, processes).to_vec(),
            None => full(cores, processes),
        };
        parts.retain(|part| part.name.contains(&self.part));
        if parts.is_empty() {
            bail!("no part's name contains {:?}", self.part);
        }
        let live = parts.iter().any(|part| part.live);
        for property in Property::ALL {
            if live || matches!(property, Property::Safety(_)) {
                summary.properties.insert(property.name(), "holds");
            }
        }
        let mut table = table(&[
            "part",
            "liveness",
            "states",
            "transitions",
            "depth",
            "s",
            "result",
        ]);
        let mut rows = vec![];
        for part in &parts {
            let outcome = visit(part, limits, self.memory << 30);
            let graph = &outcome.graph;
            let result = match outcome.failed {
                Some((property, _)) => property.name(),
                None if graph.complete => "holds",
                None if self.bounded.is_some() => "holds so far",
                None => "given up",
            };
            let seconds = graph.time.as_secs_f64();
            let states = graph.parents.len();
            eprintln!("{}: {states} states, {seconds:.1} s, {result}", part.name);
            table.add_row([
                part.name.clone(),
                if part.live { "yes" } else { "" }.to_owned(),
                states.to_string(),
                graph.transitions.to_string(),
                graph.depth.to_string(),
                format!("{seconds:.1}"),
                result.to_owned(),
            ]);
            if result == "holds" {
                rows.push(part.row(states));
            }
            summary.states += states;
            summary.complete &= graph.complete;
            if let Some((property, at)) = outcome.failed {
                summary.properties.insert(property.name(), "fails");
                eprintln!("{}: {} fails", part.name, property.name());
                eprint!("{}", chart(&part.config, graph, at));
            }
        }
        if self.markdown {
            println!("{}\n{}", Part::HEADER, rows.join("\n"));
        } else if !self.json {
            println!("{table}");
            let pairs = uncovered(&parts).len();
            println!("{pairs} pairs of features are on together in no part listed");
        }
        Ok(())
    }

    /// Runs the twins; the charts of those that did not fail as they must.
    fn broken(&self, limits: &Limits, summary: &mut Summary) -> String {
        let mut charts = String::new();
        let mut table = table(&["broken twin", "must fail", "states", "steps", "result"]);
        for (twin, config, meant) in twins() {
            let part = broken(twin, config, meant);
            let outcome = visit(&part, limits, self.memory << 30);
            let failed = outcome.failed.map(|(property, _)| property);
            let result = if failed == Some(meant) {
                "fails as it must"
            } else {
                "holds"
            };
            if let Some((property, at)) = outcome.failed.filter(|_| failed != Some(meant)) {
                charts += &format!("{twin:?} fails {} instead\n", property.name());
                charts += &chart(&part.config, &outcome.graph, at);
            }
            table.add_row([
                format!("{twin:?}"),
                meant.name().to_owned(),
                outcome.graph.parents.len().to_string(),
                outcome.graph.depth.to_string(),
                result.to_owned(),
            ]);
            summary.twins.insert(format!("{twin:?}"), result);
        }
        if !self.json {
            println!("{table}");
        }
        charts
    }
}

/// Visits `part`, or as much of it as fits into so much memory.
fn visit(part: &Part, limits: &Limits, memory_bytes: u64) -> Outcome {
    let style = ProgressStyle::with_template("{elapsed} {msg}").expect("the template is constant");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let outcome = run(part, limits, |graph| {
        let states = graph.parents.len();
        bar.set_message(format!(
            "{}: {states} states, depth {}",
            part.name, graph.depth
        ));
        resident_bytes().is_none_or(|resident| resident < memory_bytes)
    });
    bar.finish_and_clear();
    outcome
}

/// Memory that this process occupies, where the system says so.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?;
    Some(kilobytes.trim().parse::<u64>().ok()? << 10)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header.iter().copied());
    for (column, name) in table.column_iter_mut().zip(header) {
        if ["states", "transitions", "depth", "s", "steps", "times"].contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
