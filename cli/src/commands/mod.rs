//! The subcommands.

mod regs;

use clap::Subcommand;

/// What the command can do.
#[derive(Subcommand)]
pub enum Command {
    /// Write the register map and the line layouts.
    Regs(regs::Regs),
}

impl Command {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Regs(command) => command.run(),
        }
    }
}
