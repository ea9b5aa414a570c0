//! `lauberhorn bench sim-speed`: what the harness costs beside the bare model.

use super::{ROUTE, echo_arguments};
use anyhow::Context;
use clap::Args;
use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::nic_model::NicModel;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::workload::CallSpec;
use serde::Serialize;
use std::time::Instant;

/// Calls in the workload.
const CALLS: u32 = 400;
/// Bytes of arguments of each call.
const ARGUMENT_BYTES: usize = 256;
/// Runs of each kind; the fastest counts, because the machine may be busy with other things.
const RUNS: usize = 5;
const LIMIT_CYCLES: u64 = 10_000_000;

/// Cycles per second of the whole simulation, against a bare C++ loop that replays the same inputs
/// into the same model.
#[derive(Args)]
pub struct SimSpeed {
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    cycles_per_s: f64,
    bare_cpp_cycles_per_s: f64,
    ratio: f64,
}

/// A fresh card serves the workload; cycles from reset and how long they took.
fn harness(record: bool) -> anyhow::Result<(u64, f64, Option<Vec<u8>>)> {
    let mut stand = Stand::new(InterconnectProfile::ECI);
    stand.record = record;
    let key = examples(stand.address)?.key(echo::PROGRAM, echo::VERSION, 1);
    let start = Instant::now();
    let mut running = stand.start()?;
    for xid in 1..=CALLS {
        let frame = CallSpec::new(xid, key, echo_arguments(ARGUMENT_BYTES)).frame(&ROUTE);
        running
            .system
            .push_frame(frame, false, u64::from(xid) * 200);
    }
    running.settle(1000, LIMIT_CYCLES)?;
    let seconds = start.elapsed().as_secs_f64();
    let cycles = running.system.cycle();
    let recording = running.system.nic_mut().take_recording();
    Ok((cycles, seconds, recording.map(|recording| recording.inputs)))
}

impl SimSpeed {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        let (cycles, _, recording) = harness(true)?;
        let recording = recording.context("the inputs were not recorded")?;
        let (mut harness_s, mut bare_s) = (f64::MAX, f64::MAX);
        // In turns, so that both see the same weather.
        for _ in 0..RUNS {
            harness_s = harness_s.min(harness(false)?.1);
            let mut nic = NicModel::open("eci")?;
            let start = Instant::now();
            nic.model_mut().replay(&recording, cycles)?;
            bare_s = bare_s.min(start.elapsed().as_secs_f64());
        }
        let report = Report {
            cycles_per_s: cycles as f64 / harness_s,
            bare_cpp_cycles_per_s: cycles as f64 / bare_s,
            ratio: bare_s / harness_s,
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            println!("simulation:   {:>10.0} cycles/s", report.cycles_per_s);
            println!(
                "bare C++ loop: {:>9.0} cycles/s",
                report.bare_cpp_cycles_per_s
            );
            println!("ratio:        {:>10.3}", report.ratio);
        }
        Ok(())
    }
}
