//! `lauberhorn synth`: resources and the pre-layout timing proxy of the blocks.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use lauberhorn_bitstreams::block::{Class, Estimator, Report, Source, leaf_stamp, sources};
use lauberhorn_bitstreams::delay::Grade;
use lauberhorn_bitstreams::error::Error;
use lauberhorn_bitstreams::hierarchy::Leaf;
use lauberhorn_bitstreams::model::Model;
use lauberhorn_bitstreams::sta::Path;
use lauberhorn_bitstreams::table::{LEFT_OUT, Table};
use lauberhorn_bitstreams::tool::{self, Tool};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

/// Estimate resources and timing of the blocks with open tools.
///
/// The timing figures are a pre-layout proxy, not a clock.
#[derive(Args)]
pub struct Synth {
    /// What to map to.
    #[arg(long, value_enum, default_value = "xcup")]
    target: Target,
    /// Only this block; may be repeated.
    #[arg(long)]
    block: Vec<String>,
    /// Estimate this Verilog file instead of the card's blocks; with --top.
    #[arg(long, requires = "top", conflicts_with_all = ["block", "check", "update", "list"])]
    verilog: Option<PathBuf>,
    /// Top module of the Verilog file.
    #[arg(long, requires = "verilog")]
    top: Option<String>,
    /// Speed grade: 1, 2 or 3.
    #[arg(long, default_value = "2", value_parser = grade)]
    grade: Grade,
    /// Worst paths to print for each block.
    #[arg(long, default_value_t = 0)]
    paths: usize,
    /// Designs to map at the same time; all processors unless given.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print one JSON document.
    #[arg(long, conflicts_with_all = ["check", "update"])]
    json: bool,
    /// Compare the blocks that changed with the committed table; fail when one is worse or red.
    #[arg(long, conflicts_with_all = ["update", "block", "grade", "target"])]
    check: bool,
    /// Estimate the blocks that changed and write the committed table.
    #[arg(long, conflicts_with_all = ["grade", "target"])]
    update: bool,
    /// With --update: make the whole table anew with whatever yosys there is.
    #[arg(long, requires = "update", conflicts_with = "block")]
    any_tool: bool,
    /// Print the names of the blocks.
    #[arg(long)]
    list: bool,
}

/// What to map to.
#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// AMD UltraScale+.
    Xcup,
    /// Intel ALMs, indicative: no timing.
    Alm,
}

fn grade(text: &str) -> Result<Grade, String> {
    match text.trim_start_matches('-') {
        "1" => Ok(Grade::One),
        "2" => Ok(Grade::Two),
        "3" => Ok(Grade::Three),
        _ => Err(format!("{text} is no speed grade: use 1, 2 or 3")),
    }
}

impl Synth {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        let sources = match (&self.verilog, &self.top) {
            (Some(path), Some(top)) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| path.display().to_string())?;
                vec![Source::foreign(top, &text)]
            }
            _ => sources()?,
        };
        if self.list {
            for source in &sources {
                println!("{}", source.name);
            }
            return Ok(());
        }
        if self.check {
            return self.check(&sources);
        }
        if self.update {
            return self.update(&sources);
        }
        let chosen = self.chosen(&sources)?;
        let dir = tool::target_dir();
        let estimator = self.estimator(Tool::find(&dir)?);
        let reports = estimate(&estimator, &chosen, &BTreeMap::new(), self.jobs())?;
        let table = Table::new(estimator.target, self.grade, &estimator.tool.name, &reports);
        if self.json {
            print!("{}", table.json());
            return Ok(());
        }
        print!("{}", table.markdown());
        for report in &reports {
            self.print_paths(report);
            if matches!(self.target, Target::Xcup) {
                print_parts(report);
            }
        }
        Ok(())
    }

    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or_else(processors).get()
    }

    fn estimator(&self, tool: Tool) -> Estimator {
        Estimator {
            tool,
            target: match self.target {
                Target::Xcup => tool::Target::Xcup,
                Target::Alm => tool::Target::Alm,
            },
            grade: self.grade,
            paths: self.paths,
            dir: tool::target_dir().join("synth"),
        }
    }

    fn chosen<'d>(&self, sources: &'d [Source]) -> Result<Vec<&'d Source>, Error> {
        if self.block.is_empty() {
            return Ok(sources.iter().collect());
        }
        let find = |name: &String| {
            let found = sources.iter().find(|source| source.name == *name);
            found.ok_or_else(|| Error::NoBlock(name.clone()))
        };
        self.block.iter().map(find).collect()
    }

    /// Prints worst paths when they were asked for, and always those of a red block.
    fn print_paths(&self, report: &Report) {
        let red = report.figures.timing.is_some_and(|t| t.class == Class::Red);
        if report.figures.timing.is_none() || (self.paths == 0 && !red) {
            return;
        }
        println!("\n{}: worst paths, fanout model", report.name);
        report.analysis.paths.iter().for_each(print_path);
        for (input, output) in &report.analysis.combinational {
            println!("  output {output} depends on input {input} in the same cycle");
        }
        if report.analysis.crossings > 0 {
            println!(
                "  {} paths between clocks, not timed",
                report.analysis.crossings
            );
        }
    }

    fn update(&self, sources: &[Source]) -> anyhow::Result<()> {
        let dir = tool::target_dir();
        let old = Table::read().ok();
        let tool = match &old {
            Some(table) if !self.any_tool => Tool::find_like(&dir, &table.tool)?,
            _ => Tool::find(&dir)?,
        };
        let estimator = self.estimator(tool);
        let name = &estimator.tool.name;
        let mut table = match old {
            Some(table) if table.tool == *name => table,
            _ => Table::new(estimator.target, self.grade, name, &[]),
        };
        let mut changed = table.changed(sources);
        if !self.block.is_empty() {
            changed.retain(|source| self.block.contains(&source.name));
        }
        let reports = estimate(&estimator, &changed, &table.leaves, self.jobs())?;
        for report in &reports {
            self.print_paths(report);
        }
        table.update(&reports, sources);
        table.write()?;
        estimator.sweep(sources);
        println!(
            "{} blocks estimated with {name}, {} in the table",
            reports.len(),
            table.blocks.len()
        );
        Ok(())
    }

    fn check(&self, sources: &[Source]) -> anyhow::Result<()> {
        let table = Table::read().context("the committed table cannot be read")?;
        let mut complaints: Vec<String> = table
            .stale(sources)
            .into_iter()
            .map(|name| format!("{name} is in the table, but no such block exists"))
            .collect();
        let changed = table.changed(sources);
        let is_changed = |name: &str| changed.iter().any(|source| source.name == name);
        for name in table.red().into_iter().filter(|name| !is_changed(name)) {
            complaints.push(format!("{name} is red in the table"));
        }
        let same = sources.len() - changed.len();
        let count = changed.len();
        if count > 0 {
            let dir = tool::target_dir();
            let estimator = self.estimator(Tool::find_like(&dir, &table.tool)?);
            for report in estimate(&estimator, &changed, &table.leaves, self.jobs())? {
                let found = table.complaints(&report);
                if report.figures.timing.is_some_and(|t| t.class == Class::Red) {
                    report.analysis.paths.iter().for_each(print_path);
                }
                complaints.extend(found);
            }
        }
        println!("{same} blocks as in the table, {count} estimated again ({LEFT_OUT})");
        if complaints.is_empty() {
            return Ok(());
        }
        for complaint in &complaints {
            eprintln!("{complaint}");
        }
        bail!(
            "{} complaints; when the change is meant: ./run synth --update, and commit the table with it",
            complaints.len()
        )
    }
}

fn print_path(path: &Path) {
    println!(
        "  {:.3} of {:.3} ns, {} levels: {} -> {}",
        path.delay as f64 / 1000.0,
        path.period as f64 / 1000.0,
        path.levels,
        path.launch,
        path.capture
    );
    for step in &path.steps {
        println!(
            "    {:>6.3}  {:<9} {} ({} loads)",
            step.at as f64 / 1000.0,
            step.cell,
            step.net,
            step.loads
        );
    }
}

/// LUTs of a U280, the measure for whole cards.
const U280_LUTS: f64 = 1_303_680.0;

/// Prints where the resources of a composite go.
fn print_parts(report: &Report) {
    if report.parts.is_empty() {
        return;
    }
    let share = |lut: u64| lut as f64 / U280_LUTS * 100.0;
    println!(
        "\n{}: {:.2} % of the LUTs of a U280 (1,303,680)\n\n\
         | part | leaves | LUT | FF | BRAM36 | % of a U280's LUTs |\n|---|--:|--:|--:|--:|--:|",
        report.name,
        share(report.figures.resources.lut)
    );
    for part in &report.parts {
        let r = &part.resources;
        println!(
            "| {} | {} | {} | {} | {} | {:.2} |",
            part.name,
            part.leaves,
            r.lut,
            r.ff,
            r.bram36,
            share(r.lut)
        );
    }
}

/// Reports on `sources`, in their order, with progress on stderr. First every leaf that is neither
/// in `known` nor mapped before is mapped, `jobs` at a time; each counts once.
fn estimate(
    estimator: &Estimator,
    sources: &[&Source],
    known: &BTreeMap<String, Model>,
    jobs: usize,
) -> Result<Vec<Report>, Error> {
    let mut leaves: BTreeMap<String, (&str, &Leaf)> = BTreeMap::new();
    for source in sources {
        let alone = source.hierarchy.leaf().is_some();
        for leaf in source.hierarchy.leaves() {
            let stamp = leaf_stamp(leaf, estimator.target, &estimator.tool.name);
            // The worst paths of a leaf that is a block of its own are printed: those are not kept.
            if alone || !known.contains_key(&stamp) {
                leaves.entry(stamp).or_insert((&source.name, leaf));
            }
        }
    }
    let total = leaves.len();
    let mut waiting: Vec<_> = leaves.into_iter().collect();
    // The largest is taken first, from the end.
    waiting.sort_by_key(|(_, (_, leaf))| leaf.verilog.len());
    let waiting = Mutex::new(waiting);
    let done = Mutex::new(Vec::new());
    let begin = Instant::now();
    // A function of its own, so that the lock is not held while a leaf is mapped.
    let take = || waiting.lock().expect("no panic holds it").pop();
    let work = || {
        while let Some((stamp, (name, leaf))) = take() {
            let model = estimator.model(name, leaf);
            if model.is_err() {
                waiting.lock().expect("no panic holds it").clear();
            }
            let mut done = done.lock().expect("no panic holds it");
            done.push((stamp, model));
            let seconds = begin.elapsed().as_secs();
            eprintln!("[{}/{total}, {seconds} s] {name}", done.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(total) {
            scope.spawn(work);
        }
    });
    let mut models = known.clone();
    for (stamp, model) in done.into_inner().expect("no panic holds it") {
        models.insert(stamp, model?);
    }
    sources
        .iter()
        .map(|source| estimator.report(source, &models))
        .collect()
}
