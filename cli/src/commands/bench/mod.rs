//! `lauberhorn bench`: what the card does, measured in cycles of its clock.

mod latency;
mod sim_speed;
mod throughput;

use clap::{Args, Subcommand};
use lauberhorn_sim::workload::Route;

/// Measure the simulated card.
#[derive(Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Latency(latency::Latency),
    Throughput(throughput::Throughput),
    SimSpeed(sim_speed::SimSpeed),
}

impl Bench {
    /// Measures.
    pub fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Latency(bench) => bench.run(),
            What::Throughput(bench) => bench.run(),
            What::SimSpeed(bench) => bench.run(),
        }
    }
}

/// The caller of all benchmarks.
const ROUTE: Route = Route::EXAMPLE;

/// XDR arguments of the echo service, `bytes` long in all.
fn echo_arguments(bytes: usize) -> Vec<u8> {
    let mut arguments = (bytes as u32 - 4).to_be_bytes().to_vec();
    arguments.extend((4..bytes).map(|byte| byte as u8));
    arguments
}
