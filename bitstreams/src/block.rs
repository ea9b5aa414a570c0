//! # Block
//! The figures of one block. A leaf is mapped and analysed; a composite is assembled from the models
//! of its leaves, each of which is mapped once however often it is used.

use crate::assembly::{self, Part};
use crate::delay::{Grade, NetModel};
use crate::error::Error;
use crate::hierarchy::{Hierarchy, Leaf, row};
use crate::model::Model;
use crate::netlist::Netlist;
use crate::resources::Resources;
use crate::sta::{Analysis, Graph, Path as TimingPath};
use crate::tool::{Target, Tool};
use lauberhorn_hw::design::{Design, designs, sizes};
use lauberhorn_hw::nic::tops;
use lauberhorn_interface::hash::fnv1a;
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// What is known of a design before it is mapped.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name.
    pub name: String,
    /// Its modules.
    pub hierarchy: Hierarchy,
}

impl Source {
    /// The design called `name` with the outermost module `top`.
    pub fn new(name: &str, top: &str, verilog: &str) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            hierarchy: Hierarchy::parse(verilog, top)?,
        })
    }
}

impl Source {
    /// A design that was not emitted here: mapped as one leaf, with all modules below it.
    pub fn foreign(top: &str, verilog: &str) -> Self {
        Self {
            name: top.to_owned(),
            hierarchy: Hierarchy::foreign(verilog, top),
        }
    }
}

/// Every block there is. The random machines that prove the builder are no blocks.
pub fn sources() -> Result<Vec<Source>, Error> {
    let is_block = |design: &Design| !design.name.starts_with("random_");
    let cards = sizes().into_iter().chain(tops());
    let blocks = designs().into_iter().filter(is_block).chain(cards);
    blocks
        .map(|design| Source::new(&design.name, &design.top, &design.verilog))
        .collect()
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
    /// Where the resources of a composite go.
    pub parts: Vec<Part>,
    /// The leaves it was made from, by stamp.
    pub leaves: BTreeMap<String, Model>,
}

/// What a mapped leaf says.
struct Analysed {
    model: Model,
    analysis: Analysis,
}

/// What decides on figures besides the design: whoever changes it gets new stamps.
fn analysis_stamp() -> u64 {
    const SOURCES: [&str; 8] = [
        include_str!("assembly.rs"),
        include_str!("cells.rs"),
        include_str!("delay.rs"),
        include_str!("model.rs"),
        include_str!("netlist.rs"),
        include_str!("resources.rs"),
        include_str!("sta.rs"),
        include_str!("sta/boundary.rs"),
    ];
    fnv1a(SOURCES.concat().as_bytes())
}

/// Stamp of a leaf's figures: its Verilog, the tool with its script, and the analysis.
pub fn leaf_stamp(leaf: &Leaf, target: Target, tool: &str) -> String {
    let text = format!(
        "{}{:x}",
        netlist_stamp(leaf, target, tool),
        analysis_stamp()
    );
    format!("{:016x}", fnv1a(text.as_bytes()))
}

/// Stamp of a design's figures: those of its leaves, and its wires.
pub fn stamp(source: &Source, target: Target, tool: &str) -> String {
    match source.hierarchy.leaf() {
        Some(leaf) => leaf_stamp(leaf, target, tool),
        None => {
            let mut text = source.hierarchy.wiring();
            for leaf in source.hierarchy.leaves() {
                text += &leaf_stamp(leaf, target, tool);
            }
            format!("{:016x}", fnv1a(text.as_bytes()))
        }
    }
}

fn netlist_stamp(leaf: &Leaf, target: Target, tool: &str) -> String {
    let script = target.script(leaf, tool);
    let text = [tool, &script, &leaf.verilog].join("\0");
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
    /// The leaf's model, from its netlist.
    pub fn model(&self, name: &str, leaf: &Leaf) -> Result<Model, Error> {
        Ok(self.analysed(name, leaf)?.model)
    }

    /// Reports on `source`; of composites, leaves that are in `known` need no netlist.
    pub fn report(
        &self,
        source: &Source,
        known: &BTreeMap<String, Model>,
    ) -> Result<Report, Error> {
        let stamp_of = |leaf: &Leaf| leaf_stamp(leaf, self.target, &self.tool.name);
        let mut leaves = BTreeMap::new();
        let (analysis, parts, worst, resources) = match source.hierarchy.leaf() {
            Some(leaf) => {
                let Analysed { model, analysis } = self.analysed(&source.name, leaf)?;
                let (worst, resources) = (model.worst, model.resources);
                leaves.insert(stamp_of(leaf), model);
                (analysis, Vec::new(), worst, resources)
            }
            None => {
                for leaf in source.hierarchy.leaves() {
                    if let Entry::Vacant(place) = leaves.entry(stamp_of(leaf)) {
                        let model = match known.get(place.key()) {
                            Some(model) => model.clone(),
                            None => self.model(&source.name, leaf)?,
                        };
                        place.insert(model);
                    }
                }
                let model_of = |leaf: &Leaf| &leaves[&stamp_of(leaf)];
                let whole = assembly::assemble(
                    &source.hierarchy,
                    &model_of,
                    self.grade,
                    self.paths.max(1),
                )?;
                (whole.analysis, whole.parts, whole.worst, whole.resources)
            }
        };
        let nanoseconds = |ps: u64| ps as f64 / 1000.0;
        let timing = analysis.worst().zip(worst).map(|(path, worst)| Timing {
            budget_ns: nanoseconds(worst.budget),
            fanout_ns: nanoseconds(path.delay),
            period_ns: nanoseconds(path.period),
            class: Class::of(path),
        });
        let combinational: BTreeSet<String> = analysis
            .combinational
            .iter()
            .map(|(input, output)| format!("{} <- {}", row(output), row(input)))
            .collect();
        Ok(Report {
            name: source.name.clone(),
            figures: Figures {
                resources,
                levels: analysis.levels,
                timing: timing.filter(|_| self.target == Target::Xcup),
                combinational: combinational.into_iter().collect(),
                stamp: stamp(source, self.target, &self.tool.name),
            },
            analysis,
            parts,
            leaves,
        })
    }

    fn analysed(&self, name: &str, leaf: &Leaf) -> Result<Analysed, Error> {
        let json = self.mapped(name, leaf)?;
        let netlist = Netlist::parse(&json, &leaf.top)?;
        drop(json);
        let graph = Graph::new(&netlist)?;
        let analysis = graph.analyse(self.grade, NetModel::Fanout, self.paths.max(1));
        let constant = graph.analyse(self.grade, NetModel::Constant, 1);
        let resources = Resources::count(&netlist, graph.inverters)?;
        let model = Model::new(resources, &analysis, &constant, graph.boundary(self.grade));
        Ok(Analysed { model, analysis })
    }

    /// The netlist of `leaf`, kept from before or made now.
    fn mapped(&self, name: &str, leaf: &Leaf) -> Result<String, Error> {
        let stamp = netlist_stamp(leaf, self.target, &self.tool.name);
        let kept = self
            .dir
            .join(format!("{}-{stamp}.json", self.target.name()));
        if let Ok(json) = fs::read_to_string(&kept) {
            return Ok(json);
        }
        let scratch = self.dir.join(format!("{stamp}-scratch"));
        let json = self.tool.map(name, leaf, self.target, &scratch)?;
        fs::rename(scratch.join("mapped.json"), &kept).map_err(Error::file(&kept))?;
        fs::remove_dir_all(&scratch).map_err(Error::file(&scratch))?;
        Ok(json)
    }

    /// Removes netlists that no leaf of `sources` has; what cannot be removed only takes space.
    pub fn sweep(&self, sources: &[Source]) {
        let leaves = sources.iter().flat_map(|source| source.hierarchy.leaves());
        let kept: BTreeSet<String> = leaves
            .map(|leaf| netlist_stamp(leaf, self.target, &self.tool.name))
            .collect();
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let stamp = name.strip_prefix(&format!("{}-", self.target.name()));
            if stamp.is_some_and(|stamp| !kept.contains(stamp)) {
                fs::remove_file(&path).ok();
            }
        }
    }
}
