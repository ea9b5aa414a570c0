//! # Block
//! The figures of one block.

use crate::delay::{Grade, NetModel};
use crate::error::Error;
use crate::netlist::Netlist;
use crate::resources::Resources;
use crate::sta::{Analysis, Graph, Path as TimingPath};
use crate::tool::{Target, Tool};
use lauberhorn_hw::design::{Design, designs};
use lauberhorn_interface::hash::fnv1a;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known of a design before it is mapped.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name.
    pub name: String,
    /// Top module.
    pub top: String,
    /// All modules.
    pub verilog: String,
}

impl From<Design> for Source {
    fn from(design: Design) -> Self {
        Self {
            name: design.name,
            top: design.top,
            verilog: design.verilog,
        }
    }
}

/// Every block there is. The random machines that prove the builder are no blocks.
pub fn sources() -> Vec<Source> {
    let is_block = |design: &Design| !design.name.starts_with("random_");
    let blocks = designs().into_iter().filter(is_block);
    blocks.map(Source::from).collect()
}

/// How a block stands against its clock, on the fanout model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// At most 0.80 of the period.
    Green,
    /// At most 0.95 of the period.
    Amber,
    /// Above.
    Red,
}

impl Class {
    /// The class of a path.
    pub fn of(path: &TimingPath) -> Self {
        match path.delay * 100 {
            part if part <= path.period * 80 => Class::Green,
            part if part <= path.period * 95 => Class::Amber,
            _ => Class::Red,
        }
    }

    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Class::Green => "green",
            Class::Amber => "amber",
            Class::Red => "red",
        }
    }
}

/// Timing figures of a block, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Worst path when every net and LUT costs AMD's budget.
    pub budget_ns: f64,
    /// Worst path when nets grow with their loads.
    pub fanout_ns: f64,
    /// Clock period that the worst path has to meet.
    pub period_ns: f64,
    /// Class of the fanout model.
    pub class: Class,
}

/// The figures of a block.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// What it takes.
    #[serde(flatten)]
    pub resources: Resources,
    /// Logic levels of the deepest path.
    pub levels: u32,
    /// Timing; only on targets with delays, and for blocks with paths.
    #[serde(flatten)]
    pub timing: Option<Timing>,
    /// Outputs that depend on inputs in the same cycle, as `output <- input`; ports of a row of
    /// ports share an entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub combinational: Vec<String>,
    /// What the figures were made from.
    pub stamp: String,
}

/// All there is to say about a block.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: Figures,
    /// Analysis of the fanout model.
    pub analysis: Analysis,
}

/// Stamp of a design's figures: the design, the tool, its script and the analysis.
pub fn stamp(source: &Source, target: Target, tool: &str) -> String {
    // The sources that decide on the figures: whoever changes them gets new stamps.
    const ANALYSIS: [&str; 5] = [
        include_str!("cells.rs"),
        include_str!("delay.rs"),
        include_str!("netlist.rs"),
        include_str!("resources.rs"),
        include_str!("sta.rs"),
    ];
    let mapped = netlist_stamp(source, target, tool);
    let analysis = fnv1a(ANALYSIS.concat().as_bytes());
    format!("{:016x}", fnv1a(format!("{mapped}{analysis:x}").as_bytes()))
}

fn netlist_stamp(source: &Source, target: Target, tool: &str) -> String {
    let script = target.script(&source.top);
    let text = [tool, &script, &source.verilog].join("\0");
    format!("{:016x}", fnv1a(text.as_bytes()))
}

/// Makes reports.
pub struct Estimator {
    /// Tool.
    pub tool: Tool,
    /// What to map to.
    pub target: Target,
    /// Speed grade.
    pub grade: Grade,
    /// Worst paths to keep.
    pub paths: usize,
    /// Where mapped netlists are kept.
    pub dir: PathBuf,
}

impl Estimator {
    /// Maps `source`, or finds it mapped, and analyses it.
    pub fn report(&self, source: &Source) -> Result<Report, Error> {
        let json = self.mapped(source)?;
        let netlist = Netlist::parse(&json, &source.top)?;
        drop(json);
        let graph = Graph::new(&netlist)?;
        let analysis = graph.analyse(self.grade, NetModel::Fanout, self.paths.max(1));
        let constant = graph.analyse(self.grade, NetModel::Constant, 1);
        let nanoseconds = |ps: u64| ps as f64 / 1000.0;
        let timing = analysis
            .worst()
            .zip(constant.worst())
            .map(|(fanout, constant)| Timing {
                budget_ns: nanoseconds(constant.delay),
                fanout_ns: nanoseconds(fanout.delay),
                period_ns: nanoseconds(fanout.period),
                class: Class::of(fanout),
            });
        let combinational: BTreeSet<String> = analysis
            .combinational
            .iter()
            .map(|(input, output)| format!("{} <- {}", row(output), row(input)))
            .collect();
        Ok(Report {
            name: source.name.clone(),
            figures: Figures {
                resources: Resources::count(&netlist, graph.inverters)?,
                levels: analysis.levels,
                timing: timing.filter(|_| self.target == Target::Xcup),
                combinational: combinational.into_iter().collect(),
                stamp: stamp(source, self.target, &self.tool.name),
            },
            analysis,
        })
    }

    fn mapped(&self, source: &Source) -> Result<String, Error> {
        let name = &source.name;
        let stamp = netlist_stamp(source, self.target, &self.tool.name);
        let prefix = format!("{name}-{}-", self.target.name());
        let kept = self.dir.join(format!("{prefix}{stamp}.json"));
        if let Ok(json) = fs::read_to_string(&kept) {
            return Ok(json);
        }
        let scratch = self.dir.join(format!("{prefix}scratch"));
        let json = self
            .tool
            .map(name, &source.top, &source.verilog, self.target, &scratch)?;
        remove_older(&self.dir, &prefix);
        fs::rename(scratch.join("mapped.json"), &kept).map_err(Error::file(&kept))?;
        fs::remove_dir_all(&scratch).map_err(Error::file(&scratch))?;
        Ok(json)
    }
}

/// `rx$*$ready` of `rx$3$ready`: a row of ports is one port here.
fn row(port: &str) -> String {
    let parts = port.split('$').map(|part| match part.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join("$")
}

/// Removes netlists of earlier versions of the block; what cannot be removed only takes space.
fn remove_older(dir: &Path, prefix: &str) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(".json") {
            fs::remove_file(&path).ok();
        }
    }
}
