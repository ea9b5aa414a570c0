//! `lauberhorn bench latency`: one call at a time through an idle card.

use super::{ROUTE, echo_arguments};
use crate::options::Interconnect;
use crate::stages::{CYCLE_NS, INTERVALS, chart, overhead_cycles};
use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::system::{RpcTimes, Stage};
use lauberhorn_sim::workload::CallSpec;
use serde::Serialize;
use std::collections::BTreeMap;

/// Argument bytes measured beside the call without arguments.
const ARGUMENT_BYTES: [usize; 6] = [64, 128, 256, 512, 1024, 1408];
/// Calls of each size before the one that counts, so that the worker has used both parities.
const WARM_UP_CALLS: usize = 2;
const QUIET_CYCLES: u64 = 6000;
const LIMIT_CYCLES: u64 = 1_000_000;
/// Targets of the RX and TX paths, in cycles.
const RX_TARGET_CYCLES: u64 = 16;
const TX_TARGET_CYCLES: u64 = 14;

/// Cycles and nanoseconds of single calls, stage by stage.
#[derive(Args)]
pub struct Latency {
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

type Curve = BTreeMap<String, f64>;

#[derive(Serialize)]
struct Report {
    clock_mhz: f64,
    rx_cycles: u64,
    tx_cycles: u64,
    overhead_ns: BTreeMap<&'static str, BTreeMap<&'static str, Curve>>,
    stages_ns: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
}

impl Latency {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        let mut report = Report {
            clock_mhz: CORE_CLOCK_HZ as f64 / 1e6,
            rx_cycles: 0,
            tx_cycles: 0,
            overhead_ns: BTreeMap::new(),
            stages_ns: BTreeMap::new(),
        };
        let mut example = None;
        for interconnect in Interconnect::ALL {
            let calls = measure(interconnect)?;
            let null = calls[0].1;
            // The paths through the card do not depend on what lies behind the line port.
            let cycles = |from, to| null.between(from, to).context("a stage is missing");
            let rx_cycles = cycles(Stage::WireInLast, Stage::FillFirst)?;
            let tx_cycles = cycles(Stage::ControlLine, Stage::WireOutFirst)?;
            report.rx_cycles = report.rx_cycles.max(rx_cycles);
            // Over PCIe the control line is there long before the load that hands it over.
            if interconnect.profile().coherent {
                report.tx_cycles = report.tx_cycles.max(tx_cycles);
            }
            let mut curve = Curve::new();
            for (name, times) in &calls {
                let cycles = overhead_cycles(times).context("a stage is missing")?;
                curve.insert(name.clone(), cycles as f64 * CYCLE_NS);
            }
            let stages = INTERVALS.iter().map(|interval| {
                let cycles = interval.cycles(&null).unwrap_or(0);
                (interval.name, cycles as f64 * CYCLE_NS)
            });
            report
                .stages_ns
                .insert(interconnect.name(), stages.collect());
            report
                .overhead_ns
                .insert(interconnect.name(), BTreeMap::from([("recall", curve)]));
            example.get_or_insert((interconnect.name(), null));
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print_report(&report);
            if let Some((name, times)) = example {
                println!("\nnull call on {name}, to scale:\n\n{}", chart(&times));
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

/// The null call and one call of each size.
fn measure(interconnect: Interconnect) -> anyhow::Result<Vec<(String, RpcTimes)>> {
    let mut stand = Stand::new(interconnect.profile());
    // One worker, so that the calls before have warmed up its lines.
    stand.workers = 1;
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

fn print_report(report: &Report) {
    println!(
        "RX, last beat of a minimal call to first fill beat: {} cycles (target {RX_TARGET_CYCLES})",
        report.rx_cycles
    );
    println!(
        "TX, control line to first beat of the reply:        {} cycles (target {TX_TARGET_CYCLES})",
        report.tx_cycles
    );
    println!("at {} MHz\n", report.clock_mhz);

    println!("null call, ns in each stage:");
    let mut table = new_table();
    let mut header = vec!["interconnect".to_string()];
    header.extend(INTERVALS.iter().map(|interval| interval.name.to_string()));
    table.set_header(header);
    for (name, stages) in &report.stages_ns {
        let mut row = vec![(*name).to_string()];
        row.extend(INTERVALS.iter().map(|i| format!("{:.0}", stages[i.name])));
        table.add_row(row);
    }
    print_table(table);

    println!("\noverhead, wire to wire without handler, ns by argument bytes:");
    let mut table = new_table();
    let mut header = vec![
        "interconnect".to_string(),
        "tx".to_string(),
        "null".to_string(),
    ];
    header.extend(ARGUMENT_BYTES.iter().map(ToString::to_string));
    table.set_header(header);
    for (name, modes) in &report.overhead_ns {
        for (mode, curve) in modes {
            let mut row = vec![(*name).to_string(), (*mode).to_string()];
            row.push(format!("{:.0}", curve["null"]));
            for bytes in ARGUMENT_BYTES {
                row.push(format!("{:.0}", curve[&bytes.to_string()]));
            }
            table.add_row(row);
        }
    }
    print_table(table);
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table
}

fn print_table(mut table: Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
