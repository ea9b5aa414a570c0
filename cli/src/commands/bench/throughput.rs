//! `lauberhorn bench throughput`: what the decoder takes from a 100 Gb/s wire, and what cores serve.

use super::{ROUTE, echo_arguments};
use crate::options::Interconnect;
use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_interface::counters::Counter;
use lauberhorn_sim::rx_path_model::RxPathModel;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::wire::{FRAME_OVERHEAD_BYTES, FrameIn, Pacing, RxSource};
use lauberhorn_sim::workload::CallSpec;
use serde::Serialize;
use std::collections::BTreeMap;

const LINE_RATE_GBPS: f64 = 100.0;
/// Ethernet, IPv4, UDP and RPC headers of a call with AUTH_NONE.
const CALL_HEADER_BYTES: usize = 82;
const MIN_FRAME_BYTES: usize = 60;
const MAX_FRAME_BYTES: usize = 1514;
const JUMBO_FRAME_BYTES: usize = 9014;
/// Frames of each size; the minimal call gets more.
const FRAMES: u64 = 60;
const MINIMAL_CALLS: u64 = 20_000;
/// The pipeline is empty after so many cycles.
const DRAIN_CYCLES: u64 = 64;
/// Cores of the end-to-end measurement, and calls for each of them.
const CORES: [usize; 3] = [1, 4, 16];
const CALLS_PER_CORE: u64 = 200;
/// A rate may be off by the rounding of a whole cycle over the frames measured.
const ROUNDING: f64 = 0.98;

/// Decode rate for every frame size, and calls per second end to end.
#[derive(Args)]
pub struct Throughput {
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    line_rate_gbps: f64,
    decode_gbps: BTreeMap<String, f64>,
    minimal_calls_mrps: f64,
    lost: u64,
    end_to_end_mrps: BTreeMap<&'static str, BTreeMap<String, f64>>,
}

/// A rate measured at the receive path.
struct Rate {
    frames_per_second: f64,
    gbps: f64,
    lost: u64,
}

impl Throughput {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        let mut decode_gbps = BTreeMap::new();
        let mut lost = 0;
        let mut slow = Vec::new();
        let sizes: Vec<usize> = (MIN_FRAME_BYTES..=MAX_FRAME_BYTES)
            .chain([JUMBO_FRAME_BYTES])
            .collect();
        let progress = ProgressBar::new(sizes.len() as u64);
        for bytes in sizes {
            let rate = decode_rate(bytes, FRAMES)?;
            let limit = LINE_RATE_GBPS.min(beat_limit_gbps(bytes));
            if rate.gbps < limit * ROUNDING {
                slow.push(format!(
                    "{bytes} bytes: {:.1} of {limit:.1} Gb/s",
                    rate.gbps
                ));
            }
            lost += rate.lost;
            decode_gbps.insert(bytes.to_string(), rate.gbps);
            progress.inc(1);
        }
        progress.finish_and_clear();
        let minimal = decode_rate(CALL_HEADER_BYTES, MINIMAL_CALLS)?;
        let mut end_to_end_mrps = BTreeMap::new();
        for interconnect in [Interconnect::Eci] {
            let mut rates = BTreeMap::new();
            for cores in CORES {
                rates.insert(cores.to_string(), end_to_end(interconnect, cores)? / 1e6);
            }
            end_to_end_mrps.insert(interconnect.name(), rates);
        }
        let report = Report {
            line_rate_gbps: LINE_RATE_GBPS,
            decode_gbps,
            minimal_calls_mrps: minimal.frames_per_second / 1e6,
            lost: lost + minimal.lost,
            end_to_end_mrps,
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print_report(&report);
        }
        if report.lost > 0 {
            bail!("{} frames were lost", report.lost);
        }
        if !slow.is_empty() {
            bail!("below the line rate:\n  {}", slow.join("\n  "));
        }
        Ok(())
    }
}

/// What a beat of 64 bytes in every cycle can carry of frames of this size.
fn beat_limit_gbps(bytes: usize) -> f64 {
    let cycles = bytes.div_ceil(64) as f64;
    let wire_bits = 8.0 * (bytes as u64 + FRAME_OVERHEAD_BYTES) as f64;
    wire_bits * CORE_CLOCK_HZ as f64 / 1e9 / cycles
}

/// Frames of one size back to back through the receive path: calls where a call fits.
fn decode_rate(bytes: usize, frames: u64) -> anyhow::Result<Rate> {
    let (design, config) = if bytes > MAX_FRAME_BYTES {
        ("rx_path_jumbo", NicConfig::eci_16_jumbo())
    } else {
        ("rx_path", NicConfig::eci())
    };
    let key = examples(ROUTE.card_ipv4.into())?.key(echo::PROGRAM, echo::VERSION, 1);
    let mut path = RxPathModel::open(design, &config, ROUTE.card_mac, ROUTE.card_ipv4, key)?;
    let mut source = RxSource::new(Pacing::hundred_gigabit(CORE_CLOCK_HZ));
    let mut frame = match bytes.checked_sub(CALL_HEADER_BYTES) {
        Some(arguments) => CallSpec::new(1, key, vec![0; arguments]).frame(&ROUTE),
        // Too short for a call: an experimental EtherType, for the bypass.
        None => [&ROUTE.card_mac[..], &ROUTE.client_mac, &[0x88, 0xb5]].concat(),
    };
    frame.resize(bytes, 0);
    for tag in 0..frames {
        source.push(FrameIn {
            bytes: frame.clone(),
            error: false,
            tag,
            not_before: 0,
        });
    }
    let (mut first_cycle, mut last_cycle) = (None, 0);
    let mut cycle = 0;
    let mut drain = DRAIN_CYCLES;
    while drain > 0 {
        let driven = source.drive(cycle);
        path.cycle(driven.as_ref().map(|(beat, _)| beat))?;
        if let Some((_, Some(done))) = driven {
            first_cycle.get_or_insert(done.last_beat_cycle);
            last_cycle = done.last_beat_cycle;
        }
        if source.pending_count() == 0 {
            drain -= 1;
        }
        cycle += 1;
    }
    let received = path.received();
    if received.ended != frames {
        bail!(
            "{bytes} bytes: {frames} frames in, {} ended",
            received.ended
        );
    }
    let first_cycle = first_cycle.context("no frame was played")?;
    // From the end of the first frame to the end of the last: a whole number of frame times.
    let seconds = (last_cycle - first_cycle) as f64 / CORE_CLOCK_HZ as f64;
    let frames_per_second = (frames - 1) as f64 / seconds;
    let wire_bits = 8.0 * (bytes as u64 + FRAME_OVERHEAD_BYTES) as f64;
    Ok(Rate {
        frames_per_second,
        gbps: frames_per_second * wire_bits / 1e9,
        lost: frames - received.calls - received.bypass,
    })
}

/// Echo calls of 64 bytes, as fast as `cores` cores serve them; calls per second.
fn end_to_end(interconnect: Interconnect, cores: usize) -> anyhow::Result<f64> {
    let mut stand = Stand::new(interconnect.profile());
    stand.card = "eci-16-jumbo".to_string();
    stand.workers = cores;
    let services = examples(stand.address)?;
    let key = services.key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start()?;
    running.settle(2000, 1_000_000)?;
    let calls = CALLS_PER_CORE * cores as u64;
    let start = running.system.cycle();
    let mut sent = 0;
    // One call waits behind each core, as far as slots allow: a served call holds its slot until its
    // core asks for the next.
    let slots = running.system.config().call_slots();
    let window = (2 * cores).min(slots - cores) as u64;
    let limit_cycles = start + 2_000 * calls;
    while running.system.scoreboard().replies() < calls {
        while sent < calls && sent < running.system.scoreboard().replies() + window {
            let frame = CallSpec::new(sent as u32 + 1, key, echo_arguments(64)).frame(&ROUTE);
            running.system.push_frame(frame, false, 0);
            sent += 1;
        }
        running.step()?;
        if running.system.cycle() > limit_cycles {
            bail!("{cores} cores: calls are not served");
        }
    }
    let cycles = running.system.cycle() - start;
    running.settle(2000, 1_000_000)?;
    let faults = running.account()?;
    if !faults.is_empty() {
        bail!("{cores} cores: {}", faults.join("; "));
    }
    let counters = running.counters()?;
    let served = counters[Counter::RxCallDispatched.index()].1;
    if served != calls {
        bail!("{cores} cores: {calls} calls sent, {served} dispatched");
    }
    Ok(calls as f64 * CORE_CLOCK_HZ as f64 / cycles as f64)
}

fn print_report(report: &Report) {
    println!("decoded and handed on, back to back at {LINE_RATE_GBPS} Gb/s:");
    for bytes in [60, 64, 65, 75, 82, 128, 129, 256, 512, 1024, 1514, 9014] {
        println!(
            "  {bytes:>5} bytes {:>7.2} Gb/s (limit {:.2})",
            report.decode_gbps[&bytes.to_string()],
            LINE_RATE_GBPS.min(beat_limit_gbps(bytes)),
        );
    }
    println!(
        "  and every other size from {MIN_FRAME_BYTES} to {MAX_FRAME_BYTES}; {} frames lost",
        report.lost
    );
    println!(
        "minimal calls ({CALL_HEADER_BYTES} bytes): {:.1} million per second",
        report.minimal_calls_mrps
    );
    println!("echo of 64 bytes, end to end:");
    for (name, rates) in &report.end_to_end_mrps {
        for cores in CORES {
            let rate = rates[&cores.to_string()];
            println!("  {name}, {cores:>2} cores: {rate:.3} million calls per second");
        }
    }
}
