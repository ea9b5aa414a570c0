//! The `lauberhorn` command: thin, one file per subcommand.
//!
//! Exit status: 0 did what was asked, 1 a check failed or something broke, 2 wrong usage.

mod commands;
mod curves;
mod options;
mod stages;

use clap::Parser;
use commands::Command;
use std::process::ExitCode;

/// A network card that is part of the operating system, described in Rust and simulated cycle by cycle.
#[derive(Parser)]
#[command(name = "lauberhorn", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lauberhorn: {error:#}");
            ExitCode::FAILURE
        }
    }
}
