//! `lauberhorn bench throughput`: what the decoder takes from a 100 Gb/s wire, and what cores serve.

use super::{ROUTE, echo_arguments};
use crate::options::Interconnect;
use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::table_hash::ServiceKey;
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
/// Wire time of a burst of one size, long against the rounding to whole cycles.
const BURST_CYCLES: u64 = 500;
/// Smallest calls, and smallest frames for the bypass, in a row.
const MINIMAL_FRAMES: u64 = 20_000;
/// The path is empty after so many cycles: the queue of the bypass is 512 beats deep.
const DRAIN_CYCLES: u64 = 1024;
/// Cores of the end-to-end measurement, and calls for each of them.
const CORES: [usize; 3] = [1, 4, 16];
const CALLS_PER_CORE: u64 = 200;
/// A rate may be off by the rounding of a whole cycle over the burst measured.
const ROUNDING: f64 = 0.99;

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
    bypass_gbps: BTreeMap<String, f64>,
    minimal_calls_mrps: f64,
    minimal_frames_mfps: f64,
    lost: u64,
    end_to_end_mrps: BTreeMap<&'static str, BTreeMap<String, f64>>,
}

/// Whom frames are for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Call,
    Bypass,
}

/// Frames of one size, one after the other.
#[derive(Clone, Copy)]
struct Burst {
    kind: Kind,
    bytes: usize,
    frames: u64,
}

impl Burst {
    /// As many frames of a size as fill [`BURST_CYCLES`] of the wire.
    fn of(kind: Kind, bytes: usize) -> Self {
        let frame_bits = 8 * (bytes as u64 + FRAME_OVERHEAD_BYTES);
        let burst_bits = LINE_RATE_GBPS * 1e9 / CORE_CLOCK_HZ as f64 * BURST_CYCLES as f64;
        Self {
            kind,
            bytes,
            frames: (burst_bits as u64).div_ceil(frame_bits).max(8),
        }
    }

    /// The smallest frames of a kind.
    fn minimal(kind: Kind) -> Self {
        Self {
            kind,
            bytes: kind.smallest_bytes(),
            frames: MINIMAL_FRAMES,
        }
    }

    /// Every size of a kind, and the smallest once more, many of them.
    fn all(kind: Kind) -> Vec<Self> {
        (kind.smallest_bytes()..=MAX_FRAME_BYTES)
            .map(|bytes| Self::of(kind, bytes))
            .chain([Self::minimal(kind)])
            .collect()
    }
}

impl Kind {
    fn smallest_bytes(self) -> usize {
        match self {
            Kind::Call => CALL_HEADER_BYTES,
            Kind::Bypass => MIN_FRAME_BYTES,
        }
    }
}

/// What the receive path made of a burst.
struct Rate {
    bytes: usize,
    frames_per_second: f64,
    gbps: f64,
}

impl Throughput {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        let mut lost = 0;
        let mut slow = Vec::new();
        let mut of_kind = |kind| -> anyhow::Result<(BTreeMap<String, f64>, f64)> {
            let (mut rates, dropped) = decode("rx_path", &NicConfig::eci(), &Burst::all(kind))?;
            let minimal = rates.pop().context("the burst of the smallest")?;
            let jumbo = [Burst::of(kind, JUMBO_FRAME_BYTES)];
            let (more, dropped_jumbo) =
                decode("rx_path_jumbo", &NicConfig::eci_16_jumbo(), &jumbo)?;
            rates.extend(more);
            lost += dropped + dropped_jumbo;
            for rate in rates.iter().chain([&minimal]) {
                let limit = LINE_RATE_GBPS.min(beat_limit_gbps(rate.bytes));
                if rate.gbps < limit * ROUNDING {
                    slow.push(format!(
                        "{} bytes: {:.1} of {limit:.1} Gb/s",
                        rate.bytes, rate.gbps
                    ));
                }
            }
            let gbps = rates.iter().map(|rate| (rate.bytes.to_string(), rate.gbps));
            Ok((gbps.collect(), minimal.frames_per_second / 1e6))
        };
        let (decode_gbps, minimal_calls_mrps) = of_kind(Kind::Call)?;
        let (bypass_gbps, minimal_frames_mfps) = of_kind(Kind::Bypass)?;
        let mut end_to_end_mrps = BTreeMap::new();
        for (name, mode) in [("recall", Mode::RECALL), ("eager", Mode::EAGER)] {
            let mut rates = BTreeMap::new();
            for cores in CORES {
                rates.insert(cores.to_string(), end_to_end(mode, cores)? / 1e6);
            }
            end_to_end_mrps.insert(name, rates);
        }
        let report = Report {
            line_rate_gbps: LINE_RATE_GBPS,
            decode_gbps,
            bypass_gbps,
            minimal_calls_mrps,
            minimal_frames_mfps,
            lost,
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

/// A frame of a burst.
fn frame_of(burst: Burst, key: ServiceKey) -> Vec<u8> {
    let mut frame = match burst.kind {
        Kind::Call => {
            let arguments = vec![0; burst.bytes - CALL_HEADER_BYTES];
            CallSpec::new(1, key, arguments).frame(&ROUTE)
        }
        // An EtherType for local experiments (IEEE 802).
        Kind::Bypass => [&ROUTE.card_mac[..], &ROUTE.client_mac, &[0x88, 0xb5]].concat(),
    };
    frame.resize(burst.bytes, 0);
    frame
}

/// Bursts through the receive path, without a pause between them: the rate at which each leaves it, and
/// how many frames were neither dispatched nor passed to the bypass.
fn decode(design: &str, config: &NicConfig, bursts: &[Burst]) -> anyhow::Result<(Vec<Rate>, u64)> {
    let key = examples(ROUTE.card_ipv4.into())?.key(echo::PROGRAM, echo::VERSION, 1);
    let mut path = RxPathModel::open(design, config, ROUTE.card_mac, ROUTE.card_ipv4, key)?;
    let mut source = RxSource::new(Pacing::hundred_gigabit(CORE_CLOCK_HZ));
    let progress = ProgressBar::new(bursts.len() as u64);
    let mut rates = Vec::new();
    let mut waiting = bursts.iter();
    // The burst that leaves the path: how many frames ended before it, and when its first one did.
    let mut ended_before = 0;
    let mut first_cycle = None;
    let mut cycle = 0;
    let mut drain = DRAIN_CYCLES;
    while drain > 0 {
        // One burst ahead of the wire is enough to keep it busy.
        if source.pending_count() < 2 {
            match waiting.next() {
                Some(burst) => {
                    let bytes = frame_of(*burst, key);
                    for _ in 0..burst.frames {
                        source.push(FrameIn {
                            bytes: bytes.clone(),
                            error: false,
                            tag: 0,
                            not_before: 0,
                        });
                    }
                }
                None if source.pending_count() == 0 => drain -= 1,
                None => {}
            }
        }
        let driven = source.drive(cycle);
        path.cycle(driven.as_ref().map(|(beat, _)| beat))?;
        cycle += 1;
        let Some(burst) = bursts.get(rates.len()) else {
            continue;
        };
        let ended = path.received().ended - ended_before;
        if ended >= 1 {
            first_cycle.get_or_insert(cycle);
        }
        if ended == burst.frames {
            let start = first_cycle.take().context("a burst that ended began")?;
            rates.push(rate_of(*burst, cycle - start));
            ended_before = path.received().ended;
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let sent: u64 = bursts.iter().map(|burst| burst.frames).sum();
    let received = path.received();
    if received.ended != sent || rates.len() != bursts.len() {
        bail!("{design}: {sent} frames in, {} ended", received.ended);
    }
    Ok((rates, sent - received.calls - received.bypass))
}

/// The rate of a burst from the end of its first frame to the end of its last.
fn rate_of(burst: Burst, cycles: u64) -> Rate {
    let seconds = cycles as f64 / CORE_CLOCK_HZ as f64;
    let frames_per_second = (burst.frames - 1) as f64 / seconds;
    let wire_bits = 8.0 * (burst.bytes as u64 + FRAME_OVERHEAD_BYTES) as f64;
    Rate {
        bytes: burst.bytes,
        frames_per_second,
        gbps: frames_per_second * wire_bits / 1e9,
    }
}

/// Echo calls of 64 bytes, as fast as `cores` cores serve them; calls per second.
fn end_to_end(mode: Mode, cores: usize) -> anyhow::Result<f64> {
    let mut stand = Stand::new(Interconnect::Eci.profile());
    stand.mode = mode;
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
    println!(
        "received back to back at {LINE_RATE_GBPS} Gb/s, {} frames lost:",
        report.lost
    );
    println!("  bytes  calls  for the bypass  limit (Gb/s)");
    for bytes in [60, 64, 65, 75, 82, 128, 129, 256, 512, 1024, 1514, 9014] {
        let name = bytes.to_string();
        let call = report.decode_gbps.get(&name);
        println!(
            "  {name:>5} {:>6} {:>15.2} {:>7.2}",
            call.map_or("-".to_owned(), |gbps| format!("{gbps:.2}")),
            report.bypass_gbps[&name],
            LINE_RATE_GBPS.min(beat_limit_gbps(bytes)),
        );
    }
    println!("  and every other size to {MAX_FRAME_BYTES}");
    println!(
        "smallest in a row: {:.1} million calls ({CALL_HEADER_BYTES} bytes), {:.1} million bypass frames \
         ({MIN_FRAME_BYTES} bytes) per second",
        report.minimal_calls_mrps, report.minimal_frames_mfps
    );
    println!("echo of 64 bytes on eci, end to end:");
    for (name, rates) in &report.end_to_end_mrps {
        for cores in CORES {
            let rate = rates[&cores.to_string()];
            println!("  {name}, {cores:>2} cores: {rate:.3} million calls per second");
        }
    }
}
