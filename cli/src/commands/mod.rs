//! The subcommands.

mod regs;
mod synth;

use clap::Subcommand;

/// What the command can do.
#[derive(Subcommand)]
pub enum Command {
    /// Write the register map and the line layouts.
    Regs(regs::Regs),
    /// Estimate resources and timing of the blocks with open tools.
    Synth(synth::Synth),
}

impl Command {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Regs(command) => command.run(),
            Self::Synth(command) => command.run(),
        }
    }
}
