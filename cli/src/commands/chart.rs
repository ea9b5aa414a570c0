//! `lauberhorn chart`: the messages of one call.

use crate::options::{Interconnect, Transmit};
use clap::Args;
use lauberhorn_sim::chart::of_call;

/// Show one call to a waiting core as the messages that cross the line port.
#[derive(Args)]
pub struct Chart {
    /// The interconnect.
    #[arg(long, value_enum, default_value = "eci")]
    interconnect: Interconnect,
    /// How replies are sent.
    #[arg(long, value_enum, default_value = "eager")]
    tx: Transmit,
    /// Bytes of the echo call's argument.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=1400))]
    bytes: u16,
}

impl Chart {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        let profile = self.interconnect.profile();
        print!("{}", of_call(profile, self.tx.mode(), self.bytes.into())?);
        Ok(())
    }
}
