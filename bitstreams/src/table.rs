//! # Table
//! The committed figures of all blocks, and what counts as worse.

use crate::block::{self, Class, Figures, Report, Source};
use crate::delay::Grade;
use crate::error::Error;
use crate::model::Model;
use crate::tool::Target;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What every figure leaves out.
pub const LEFT_OUT: &str = "pre-layout proxy, not a clock: placement, routing detours, congestion, \
     die crossings, clock skew and jitter are left out";

/// What figures on Intel's ALMs are.
pub const INDICATIVE: &str = "indicative: ALUTs of a Cyclone V, its MLABs' bits and M10K blocks in the columns LUT, \
     LUT RAM and BRAM36; no timing";

/// Figures of blocks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Table {
    /// What was mapped to.
    pub target: String,
    /// Speed grade.
    pub grade: Grade,
    /// Synthesis tool.
    pub tool: String,
    /// What the figures are.
    pub note: String,
    /// By name.
    pub blocks: BTreeMap<String, Figures>,
    /// Models of all leaves, by stamp: what composites are assembled from. In a file of its own.
    #[serde(skip)]
    pub leaves: BTreeMap<String, Model>,
}

/// Where the table, its readable form and the models of the leaves are.
pub fn committed(extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("estimates/xcup.{extension}"))
}

const LEAVES: &str = "leaves.json";

fn read<T: DeserializeOwned>(extension: &str) -> Result<T, Error> {
    let path = committed(extension);
    let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
    serde_json::from_str(&text).map_err(|source| Error::Json {
        what: path.display().to_string(),
        source,
    })
}

impl Table {
    /// A table of `reports`.
    pub fn new(target: Target, grade: Grade, tool: &str, reports: &[Report]) -> Self {
        let mut table = Self {
            target: target.name().to_owned(),
            grade,
            tool: tool.to_owned(),
            note: match target {
                Target::Xcup => LEFT_OUT,
                Target::Alm => INDICATIVE,
            }
            .to_owned(),
            blocks: BTreeMap::new(),
            leaves: BTreeMap::new(),
        };
        for report in reports {
            table.take(report);
        }
        table
    }

    fn take(&mut self, report: &Report) {
        self.blocks
            .insert(report.name.clone(), report.figures.clone());
        self.leaves.extend(report.leaves.clone());
    }

    /// Takes the figures of `reports`, and drops blocks and leaves that are not among `sources`.
    pub fn update(&mut self, reports: &[Report], sources: &[Source]) {
        for report in reports {
            self.take(report);
        }
        let exists = |name: &str| sources.iter().any(|source| source.name == name);
        self.blocks.retain(|name, _| exists(name));
        let leaves = sources.iter().flat_map(|source| source.hierarchy.leaves());
        let used: BTreeSet<String> = leaves
            .map(|leaf| block::leaf_stamp(leaf, Target::Xcup, &self.tool))
            .collect();
        self.leaves.retain(|stamp, _| used.contains(stamp));
    }

    /// Reads the committed table.
    pub fn read() -> Result<Self, Error> {
        Ok(Self {
            leaves: read(LEAVES)?,
            ..read("json")?
        })
    }

    /// Writes the committed table, its readable form, and the models.
    pub fn write(&self) -> Result<(), Error> {
        let texts = [
            ("json", self.json()),
            ("md", self.markdown()),
            (LEAVES, self.leaves_json()),
        ];
        for (extension, text) in texts {
            let path = committed(extension);
            fs::write(&path, text).map_err(Error::file(&path))?;
        }
        Ok(())
    }

    /// The models, a line for each.
    fn leaves_json(&self) -> String {
        let line = |(stamp, model): (&String, &Model)| {
            let model = serde_json::to_string(model).expect("strings and numbers");
            format!("\"{stamp}\": {model}")
        };
        let lines: Vec<_> = self.leaves.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers") + "\n"
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let grade = match self.target == Target::Alm.name() {
            true => String::new(),
            false => format!("Speed grade {}. ", self.grade.name()),
        };
        let mut out = format!(
            "Tool: {}. {grade}{}.\n\n\
             | block | LUT | FF | LUT RAM | SRL | CARRY8 | BRAM36 | URAM | DSP | levels | budget ns | fanout ns | period ns | class |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
            self.tool, self.note
        );
        for (name, figures) in &self.blocks {
            let r = &figures.resources;
            let timing = match &figures.timing {
                Some(t) => format!(
                    "{:.2} | {:.2} | {:.2} | {}",
                    t.budget_ns,
                    t.fanout_ns,
                    t.period_ns,
                    t.class.name()
                ),
                None => "– | – | – | –".to_owned(),
            };
            writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {timing} |",
                r.lut, r.ff, r.lutram, r.srl, r.carry8, r.bram36, r.uram, r.dsp, figures.levels
            )
            .expect("a String takes all text");
        }
        out.push_str("\nOutputs that depend on inputs in the same cycle:\n\n| block | output <- input |\n|---|---|\n");
        for (name, figures) in &self.blocks {
            if !figures.combinational.is_empty() {
                let paths = figures.combinational.join("`, `");
                writeln!(out, "| {name} | `{paths}` |").expect("a String takes all text");
            }
        }
        out
    }

    /// The blocks that are not as they were when the table was made.
    pub fn changed<'d>(&self, sources: &'d [Source]) -> Vec<&'d Source> {
        let is_same = |source: &&Source| {
            let stamp = block::stamp(source, Target::Xcup, &self.tool);
            self.blocks.get(&source.name).map(|f| &f.stamp) == Some(&stamp)
        };
        sources.iter().filter(|source| !is_same(source)).collect()
    }

    /// What is wrong with `report` of a block that changed, in sentences. The table's tool made it.
    pub fn complaints(&self, report: &Report) -> Vec<String> {
        let mut complaints = Vec::new();
        let name = &report.name;
        let figures = &report.figures;
        if let Some(timing) = figures.timing.filter(|t| t.class == Class::Red) {
            complaints.push(format!(
                "{name} is red: {:.2} ns of {:.2} ns",
                timing.fanout_ns, timing.period_ns
            ));
        }
        let known = self.blocks.get(name).map(|before| &before.combinational);
        for path in &figures.combinational {
            if known.is_some_and(|known| !known.contains(path)) {
                complaints.push(format!("{name}: new path within a cycle: {path}"));
            }
        }
        match self.blocks.get(name) {
            None => complaints.push(format!("{name} is not in the table")),
            Some(before) => {
                complaints.push(format!("{name} is not as it was when its row was made"));
                for (what, before, after) in worse(before, figures) {
                    complaints.push(format!("{name}: {what} rose from {before} to {after}"));
                }
            }
        }
        complaints
    }

    /// Blocks that are red in the table: being written down does not excuse them.
    pub fn red(&self) -> Vec<&str> {
        let is_red = |figures: &Figures| figures.timing.is_some_and(|t| t.class == Class::Red);
        let rows = self.blocks.iter().filter(|(_, figures)| is_red(figures));
        rows.map(|(name, _)| name.as_str()).collect()
    }

    /// Names in the table that no block has.
    pub fn stale(&self, sources: &[Source]) -> Vec<&str> {
        let exists = |name: &str| sources.iter().any(|source| source.name == name);
        let names = self.blocks.keys().map(String::as_str);
        names.filter(|name| !exists(name)).collect()
    }
}

/// Figures that rose by more than 5 %, and by more than what small blocks move by chance.
fn worse(before: &Figures, after: &Figures) -> Vec<(&'static str, f64, f64)> {
    let (b, a) = (&before.resources, &after.resources);
    let (tb, ta) = (before.timing, after.timing);
    let time = |timing: Option<block::Timing>, of: fn(block::Timing) -> f64| timing.map_or(0.0, of);
    [
        ("lut", b.lut as f64, a.lut as f64, 10.0),
        ("ff", b.ff as f64, a.ff as f64, 10.0),
        ("bram36", b.bram36, a.bram36, 0.0),
        ("uram", b.uram as f64, a.uram as f64, 0.0),
        ("dsp", b.dsp as f64, a.dsp as f64, 0.0),
        (
            "budget_ns",
            time(tb, |t| t.budget_ns),
            time(ta, |t| t.budget_ns),
            0.05,
        ),
        (
            "fanout_ns",
            time(tb, |t| t.fanout_ns),
            time(ta, |t| t.fanout_ns),
            0.05,
        ),
    ]
    .into_iter()
    .filter(|(_, before, after, slack)| *after > before * 1.05 && *after > before + slack)
    .map(|(what, before, after, _)| (what, before, after))
    .collect()
}
