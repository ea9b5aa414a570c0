//! `lauberhorn demo`: a captured session through the card, call by call.

use crate::options::CardOptions;
use crate::stages::{CYCLE_NS, INTERVALS, chart, median, overhead_cycles};
use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_interface::counters::Counter;
use lauberhorn_sim::oracle::Decision;
use lauberhorn_sim::pcap::{CaptureWriter, read_capture};
use lauberhorn_sim::stand::Running;
use lauberhorn_sim::system::{RpcTimes, Stage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The capture that a demo plays when none is named.
const SESSION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testbench/fixtures/rpc_session.pcap"
);
/// Nothing has happened for so long: the next frame may come.
const QUIET_CYCLES: u64 = 6000;
/// One frame may take so long.
const FRAME_LIMIT_CYCLES: u64 = 1_000_000;

/// Play a capture through the simulated card and show where the time of each call goes.
#[derive(Args)]
pub struct Demo {
    #[command(flatten)]
    card: CardOptions,
    /// Capture to play (pcap or pcapng); frames to the card's address are served.
    #[arg(long, default_value = SESSION, hide_default_value = true)]
    pcap: PathBuf,
    /// Write what came in and what left to this capture.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write waveforms to this FST file.
    #[arg(long)]
    wave: Option<PathBuf>,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    calls: u64,
    replies: u64,
    errors: u64,
    dropped: BTreeMap<&'static str, u64>,
    bypass: u64,
    cycles: u64,
    stages_ns: BTreeMap<&'static str, f64>,
    overhead_ns: f64,
}

impl Demo {
    /// Plays it.
    pub fn run(self) -> anyhow::Result<()> {
        let frames = read_capture(&self.pcap)?;
        let mut running = self.card.stand().start()?;
        if let Some(path) = &self.wave {
            running
                .system
                .nic_mut()
                .start_wave(path)
                .with_context(|| format!("waveforms cannot be written to {}", path.display()))?;
        }
        let mut out = match &self.out {
            Some(path) => Some(CaptureWriter::create(path, CORE_CLOCK_HZ)?),
            None => None,
        };
        let progress = ProgressBar::new(frames.len() as u64)
            .with_style(ProgressStyle::with_template(
                "{bar:40} {pos}/{len} frames {msg}",
            )?)
            .with_message("through the card");
        let start = running.system.cycle();
        let mut calls = 0;
        for frame in frames {
            let arrival = running.system.cycle();
            let decision = running.system.push_frame(frame.bytes.clone(), false, 0);
            calls += u64::from(matches!(
                decision,
                Decision::Dispatch(_) | Decision::Answer(..)
            ));
            running.settle(QUIET_CYCLES, FRAME_LIMIT_CYCLES)?;
            let sent = running.system.take_sent();
            if let Some(out) = &mut out {
                out.write(arrival, &frame.bytes)?;
                for reply in sent {
                    out.write(reply.first_beat_cycle, &reply.bytes)?;
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        let cycles = running.system.cycle() - start;
        if let Some(out) = out {
            out.finish()?;
        }
        let faults = running.account()?;
        let report = report(&mut running, calls, cycles)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print_report(&report, running.system.timeline().finished());
        }
        if !faults.is_empty() {
            bail!("the run does not add up:\n  {}", faults.join("\n  "));
        }
        if report.replies != report.calls {
            bail!("{} calls, {} replies", report.calls, report.replies);
        }
        Ok(())
    }
}

fn report(running: &mut Running, calls: u64, cycles: u64) -> anyhow::Result<Report> {
    let counters = running.counters()?;
    let read = |counter: Counter| counters[counter.index()].1;
    let errors = [
        Counter::RxProgUnavail,
        Counter::RxProgMismatch,
        Counter::RxProcUnavail,
        Counter::RxRpcMismatch,
        Counter::RxAuthError,
    ];
    let served = running.system.timeline().finished();
    let mut stages_ns = BTreeMap::new();
    for interval in &INTERVALS {
        let cycles = served.iter().filter_map(|t| interval.cycles(t)).collect();
        if let Some(cycles) = median(cycles) {
            stages_ns.insert(interval.name, cycles as f64 * CYCLE_NS);
        }
    }
    let overhead = median(served.iter().filter_map(overhead_cycles).collect());
    Ok(Report {
        calls,
        replies: running.system.scoreboard().replies(),
        errors: errors.into_iter().map(read).sum(),
        dropped: counters
            .iter()
            .filter(|(counter, count)| counter.name().starts_with("rx_drop_") && *count > 0)
            .map(|(counter, count)| (counter.name(), *count))
            .collect(),
        bypass: read(Counter::RxBypass),
        cycles,
        stages_ns,
        overhead_ns: overhead.unwrap_or(0) as f64 * CYCLE_NS,
    })
}

fn print_report(report: &Report, served: &[RpcTimes]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    let mut header = vec!["call".to_string(), "xid".to_string()];
    header.extend(INTERVALS.iter().map(|interval| interval.name.to_string()));
    header.push("overhead".to_string());
    table.set_header(header);
    let ns = |cycles: Option<u64>| match cycles {
        Some(cycles) => format!("{:.0}", cycles as f64 * CYCLE_NS),
        None => "-".to_string(),
    };
    for (index, times) in served.iter().enumerate() {
        let mut row = vec![(index + 1).to_string(), format!("{:08x}", times.id.xid)];
        row.extend(INTERVALS.iter().map(|interval| ns(interval.cycles(times))));
        let overhead = match times.endpoint {
            Some(_) => overhead_cycles(times),
            None => times.between(Stage::WireInLast, Stage::WireOutFirst),
        };
        row.push(ns(overhead));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    println!("times in ns; a call without stages was answered by the card alone\n");
    for interval in &INTERVALS {
        println!("{:>12}  {}", interval.name, interval.what);
    }
    if let Some(example) = served.iter().find(|times| times.endpoint.is_some()) {
        println!("\ncall {:08x}, to scale:\n", example.id.xid);
        print!("{}", chart(example));
    }
    println!(
        "\n{} calls, {} replies, {} of them errors, {} bypass frames, {} frames dropped, {} cycles",
        report.calls,
        report.replies,
        report.errors,
        report.bypass,
        report.dropped.values().sum::<u64>(),
        report.cycles
    );
    println!(
        "overhead of a call, wire to wire without handler: {:.0} ns (median)",
        report.overhead_ns
    );
}
