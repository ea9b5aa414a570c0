//! `lauberhorn verilog`: the card as Verilog.

use anyhow::{Context, bail};
use clap::Args;
use lauberhorn_hw::nic::{BUSES, nic_design, on_bus_design};
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
    /// Put the adapter to this bus before the card.
    #[arg(long, value_parser = BUSES.map(|(bus, _)| bus))]
    bus: Option<String>,
}

impl VerilogCommand {
    /// Writes it.
    pub fn run(self) -> anyhow::Result<()> {
        let config = NicConfig::named(&self.config)?;
        let design = match &self.bus {
            Some(bus) => {
                let mut known = BUSES.into_iter().filter(|(name, _)| name == bus);
                let (_, line_bytes) = known.next().context("the parser knows all buses")?;
                if config.line_bytes() != line_bytes {
                    bail!(
                        "{bus} has lines of {line_bytes} bytes, configuration {} has {}: choose another \
                         with --config",
                        self.config,
                        config.line_bytes()
                    );
                }
                on_bus_design(bus, &self.config, &config).context("every bus has a card")?
            }
            None => nic_design(&self.config, &config),
        };
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
