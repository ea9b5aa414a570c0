//! `lauberhorn bench latency`: one message at a time through an idle card, in each mode.

use super::{ROUTE, echo_arguments};
use crate::curves::{Series, plot};
use crate::options::Interconnect;
use crate::stages::{CYCLE_NS, INTERVALS, chart, overhead_cycles};
use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use lauberhorn_coherence::published::loopback_medians;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::loopback;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::system::{RpcTimes, Stage};
use lauberhorn_sim::workload::CallSpec;
use serde::Serialize;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Argument bytes measured beside the call without arguments; the last is near what an Ethernet
/// frame carries.
const ARGUMENT_BYTES: [usize; 7] = [64, 128, 256, 512, 768, 1024, 1408];
/// Bare frames: the sizes of the published measurements.
const FRAME_BYTES: std::ops::RangeInclusive<usize> = 1..=24;
const FRAME_STEP_BYTES: usize = 64;
/// Calls of each size before the one that counts, so that the worker has used both parities.
const WARM_UP_CALLS: usize = 2;
const QUIET_CYCLES: u64 = 3000;
const LIMIT_CYCLES: u64 = 1_000_000;
/// Targets of the RX and TX paths, in cycles.
const RX_TARGET_CYCLES: u64 = 16;
const TX_TARGET_CYCLES: u64 = 14;
/// As published, the fast way, and that with calls acknowledged by a store.
const MODES: [(&str, Mode); 3] = [
    ("recall", Mode::PUBLISHED),
    ("eager", Mode::EAGER),
    ("store", Mode::CONSUME),
];

/// Cycles and nanoseconds of single messages, stage by stage.
#[derive(Args)]
pub struct Latency {
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

/// Nanoseconds by size.
type Curve = BTreeMap<String, f64>;
/// By interconnect and mode.
type Curves = BTreeMap<&'static str, BTreeMap<&'static str, Curve>>;

#[derive(Serialize)]
struct Report {
    clock_mhz: f64,
    rx_cycles: u64,
    tx_cycles: u64,
    overhead_ns: Curves,
    rx_ns: Curves,
    tx_ns: Curves,
    stages_ns: BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<&'static str, f64>>>,
}

impl Latency {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        let mut report = Report {
            clock_mhz: CORE_CLOCK_HZ as f64 / 1e6,
            rx_cycles: 0,
            tx_cycles: 0,
            overhead_ns: Curves::new(),
            rx_ns: Curves::new(),
            tx_ns: Curves::new(),
            stages_ns: BTreeMap::new(),
        };
        let mut examples = Vec::new();
        let progress = ProgressBar::new((Interconnect::ALL.len() * MODES.len()) as u64);
        for interconnect in Interconnect::ALL {
            for (name, mode) in MODES {
                let null = report.add_calls(interconnect, name, mode)?;
                report.add_frames(interconnect, name, mode)?;
                examples.push((interconnect, name, null));
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
            for (interconnect, name, times) in &examples {
                if *interconnect == Interconnect::Eci {
                    println!("\nnull call on eci, {name}, to scale:\n\n{}", chart(times));
                }
            }
        }
        if report.rx_cycles > RX_TARGET_CYCLES || report.tx_cycles > TX_TARGET_CYCLES {
            bail!(
                "RX {} and TX {} cycles; the targets are {RX_TARGET_CYCLES} and {TX_TARGET_CYCLES}",
                report.rx_cycles,
                report.tx_cycles
            );
        }
        Ok(())
    }
}

impl Report {
    /// Calls of every size; the times of the one without arguments.
    fn add_calls(
        &mut self,
        interconnect: Interconnect,
        name: &'static str,
        mode: Mode,
    ) -> anyhow::Result<RpcTimes> {
        let calls = measure_calls(interconnect, mode)?;
        let null = calls[0].1;
        let cycles = |from, to| null.between(from, to).context("a stage is missing");
        let rx_cycles = cycles(Stage::WireInLast, Stage::FillFirst)?;
        let tx_cycles = cycles(Stage::ControlLine, Stage::WireOutFirst)?;
        self.rx_cycles = self.rx_cycles.max(rx_cycles);
        // A control line that nobody recalls waits in the card for the load that sends it.
        if interconnect.profile().coherent || name != "recall" {
            self.tx_cycles = self.tx_cycles.max(tx_cycles);
        }
        let mut curve = Curve::new();
        for (size, times) in &calls {
            let cycles = overhead_cycles(times).context("a stage is missing")?;
            curve.insert(size.clone(), cycles as f64 * CYCLE_NS);
        }
        let stages = INTERVALS.iter().map(|interval| {
            let cycles = interval.cycles(&null).unwrap_or(0);
            (interval.name, cycles as f64 * CYCLE_NS)
        });
        let by_mode = self.stages_ns.entry(interconnect.name()).or_default();
        by_mode.insert(name, stages.collect());
        let by_mode = self.overhead_ns.entry(interconnect.name()).or_default();
        by_mode.insert(name, curve);
        Ok(null)
    }

    /// Bare frames of every size through a raw worker.
    fn add_frames(
        &mut self,
        interconnect: Interconnect,
        name: &'static str,
        mode: Mode,
    ) -> anyhow::Result<()> {
        let mut stand = Stand::new(interconnect.profile());
        stand.mode = mode;
        if interconnect == Interconnect::Eci {
            // The largest published frames are longer than an MTU of 1500 allows.
            stand.card = "eci-16-jumbo".to_string();
        }
        let config = lauberhorn_interface::NicConfig::named(&stand.card)?;
        let sizes: Vec<usize> = FRAME_BYTES
            .map(|steps| steps * FRAME_STEP_BYTES)
            .filter(|&bytes| bytes <= config.max_frame_bytes())
            .collect();
        let times = loopback::measure(stand, &sizes)?;
        let curve = |cycles: fn(&loopback::RawTimes) -> u64| {
            let point = |raw: &loopback::RawTimes| {
                (raw.frame_bytes.to_string(), cycles(raw) as f64 * CYCLE_NS)
            };
            times.iter().map(point).collect::<Curve>()
        };
        let by_mode = self.rx_ns.entry(interconnect.name()).or_default();
        by_mode.insert(name, curve(|raw| raw.rx_cycles));
        let by_mode = self.tx_ns.entry(interconnect.name()).or_default();
        by_mode.insert(name, curve(|raw| raw.tx_cycles));
        Ok(())
    }

    fn print(&self) {
        println!(
            "RX, last beat of a minimal call to first fill beat: {} cycles (target {RX_TARGET_CYCLES})",
            self.rx_cycles
        );
        println!(
            "TX, control line to first beat of the reply:        {} cycles (target {TX_TARGET_CYCLES})",
            self.tx_cycles
        );
        println!("at {} MHz\n", self.clock_mhz);
        println!("null call, ns in each stage:");
        let names = INTERVALS.map(|interval| interval.name);
        print_table(&names, &self.stages_ns);
        println!("\noverhead, wire to wire without handler, ns by argument bytes:");
        let sizes: Vec<String> = std::iter::once("null".to_string())
            .chain(ARGUMENT_BYTES.iter().map(ToString::to_string))
            .collect();
        print_table(&sizes, &self.overhead_ns);
        for (direction, curves) in [("receive", &self.rx_ns), ("send", &self.tx_ns)] {
            for (interconnect, by_mode) in curves {
                println!();
                print!("{}", plot_frames(direction, interconnect, by_mode));
            }
        }
    }
}

/// Bare frames against the published medians, where there are any.
fn plot_frames(
    direction: &str,
    interconnect: &str,
    by_mode: &BTreeMap<&'static str, Curve>,
) -> String {
    let mut series: Vec<Series> = by_mode
        .iter()
        .map(|(name, curve)| Series {
            mark: name.chars().next().unwrap_or('?'),
            name: (*name).to_string(),
            points: curve
                .iter()
                .filter_map(|(bytes, ns)| Some((bytes.parse().ok()?, *ns)))
                .collect(),
        })
        .collect();
    let published = loopback_medians(interconnect);
    if !published.is_empty() {
        let ns = |median: &lauberhorn_coherence::published::LoopbackMedian| match direction {
            "send" => median.tx_ns,
            _ => median.rx_ns,
        };
        series.push(Series {
            mark: '.',
            name: "published".to_string(),
            points: published
                .iter()
                .map(|median| (median.frame_bytes, f64::from(ns(median))))
                .collect(),
        });
    }
    plot(
        &format!("{direction} a bare frame, {interconnect}"),
        &series,
    )
}

/// The null call and one call of each size.
fn measure_calls(
    interconnect: Interconnect,
    mode: Mode,
) -> anyhow::Result<Vec<(String, RpcTimes)>> {
    let mut stand = Stand::new(interconnect.profile());
    // One worker, so that the calls before have warmed up its lines.
    stand.workers = 1;
    stand.mode = mode;
    let services = examples(stand.address)?;
    let mut running = stand.start()?;
    running.settle(QUIET_CYCLES, LIMIT_CYCLES)?;
    let null = ("null".to_string(), 0, Vec::new());
    let sized = ARGUMENT_BYTES.map(|bytes| (bytes.to_string(), 1, echo_arguments(bytes)));
    let mut results = Vec::new();
    let mut xid = 1;
    for (name, procedure, arguments) in [null].into_iter().chain(sized) {
        for _ in 0..=WARM_UP_CALLS {
            let key = services.key(echo::PROGRAM, echo::VERSION, procedure);
            let frame = CallSpec::new(xid, key, arguments.clone()).frame(&ROUTE);
            xid += 1;
            running.system.push_frame(frame, false, 0);
            running.finish_calls(LIMIT_CYCLES)?;
            running.settle(QUIET_CYCLES, LIMIT_CYCLES)?;
        }
        let times = running.system.timeline_mut().take_finished();
        let last = times.last().context("a call was not answered")?;
        results.push((name, *last));
    }
    let faults = running.account()?;
    if !faults.is_empty() {
        bail!("the run does not add up:\n  {}", faults.join("\n  "));
    }
    Ok(results)
}

/// Rows are interconnect and mode, columns are `names`.
fn print_table<K>(
    names: &[impl AsRef<str>],
    rows: &BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<K, f64>>>,
) where
    K: Borrow<str> + Ord,
{
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    let mut header = vec!["interconnect".to_string(), "tx".to_string()];
    header.extend(names.iter().map(|name| name.as_ref().to_string()));
    table.set_header(header);
    for (interconnect, modes) in rows {
        for (mode, cells) in modes {
            let mut row = vec![(*interconnect).to_string(), (*mode).to_string()];
            row.extend(
                names
                    .iter()
                    .map(|name| format!("{:.0}", cells[name.as_ref()])),
            );
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
