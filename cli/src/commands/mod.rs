//! The subcommands.

mod bench;
mod chart;
mod check;
mod demo;
mod regs;
mod synth;
mod tap;
mod verilog;

use clap::Subcommand;

/// What the command can do.
#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Tap(tap::TapCommand),
    Bench(bench::Bench),
    Chart(chart::Chart),
    Check(check::Check),
    Verilog(verilog::VerilogCommand),
    Regs(regs::Regs),
    /// Estimate resources and timing of the blocks with open tools.
    Synth(synth::Synth),
}

impl Command {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo(command) => command.run(),
            Self::Tap(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Chart(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Verilog(command) => command.run(),
            Self::Regs(command) => command.run(),
            Self::Synth(command) => command.run(),
        }
    }
}
