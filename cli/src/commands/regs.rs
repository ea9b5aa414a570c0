//! `lauberhorn regs`: the interface of the card in other languages.

use clap::{Args, ValueEnum};
use lauberhorn_interface::emit;
use std::io::Write;

/// Write the register map and the line layouts to standard output.
#[derive(Args)]
pub struct Regs {
    /// Language to write.
    language: Language,
}

/// A language that the interface is emitted in.
#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// Markdown reference, as in the documentation.
    Md,
    /// C header.
    C,
    /// Python module.
    Py,
    /// JSON document.
    Json,
}

impl Regs {
    /// Writes it.
    pub fn run(self) -> anyhow::Result<()> {
        let text = match self.language {
            Language::Md => emit::markdown(),
            Language::C => emit::c(),
            Language::Py => emit::python(),
            Language::Json => emit::json(),
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}
