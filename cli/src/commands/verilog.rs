//! `lauberhorn verilog`: the card as Verilog.

use anyhow::Context;
use clap::Args;
use lauberhorn_hw::nic::nic_design;
use lauberhorn_interface::{NicConfig, emit};
use std::fs;
use std::path::PathBuf;

/// Write the Verilog of the card.
#[derive(Args)]
pub struct VerilogCommand {
    /// Folder to write to; created when it does not exist.
    #[arg(long)]
    out: PathBuf,
    /// Name of the configuration.
    #[arg(long, default_value = "eci", value_parser = NicConfig::NAMES.to_vec())]
    config: String,
}

impl VerilogCommand {
    /// Writes it.
    pub fn run(self) -> anyhow::Result<()> {
        let config = NicConfig::named(&self.config)?;
        let design = nic_design(&self.config, &config);
        let files = [
            (format!("{}.v", design.name), design.verilog),
            ("lauberhorn_interface.vh".to_string(), emit::verilog()),
        ];
        fs::create_dir_all(&self.out)
            .with_context(|| format!("folder {} cannot be created", self.out.display()))?;
        for (name, text) in files {
            let path = self.out.join(name);
            fs::write(&path, text)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
    }
}
