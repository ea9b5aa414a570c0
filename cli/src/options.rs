//! Options that several subcommands share.

use clap::{Args, ValueEnum};
use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_sim::host::bus::BusSettings;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
use std::net::Ipv4Addr;

/// An interconnect between card and cores.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Interconnect {
    /// Enzian's, 128-byte lines.
    Eci,
    /// Device memory with back-invalidation, 64-byte lines.
    Cxl,
    /// A BAR; no coherence, 64-byte lines.
    Pcie,
}

impl Interconnect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Eci, Self::Cxl, Self::Pcie];

    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eci => "eci",
            Self::Cxl => "cxl",
            Self::Pcie => "pcie",
        }
    }

    /// Its timing.
    pub fn profile(self) -> InterconnectProfile {
        match self {
            Self::Eci => InterconnectProfile::ECI,
            Self::Cxl => InterconnectProfile::CXL,
            Self::Pcie => InterconnectProfile::PCIE,
        }
    }
}

/// How replies leave the cores.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transmit {
    /// The card recalls the lines.
    Recall,
    /// The cores write the lines back.
    Eager,
    /// The same, and calls are acknowledged by a store, so that cores may prefetch.
    Store,
}

impl Transmit {
    /// What the driver does.
    pub fn mode(self) -> Mode {
        match self {
            Self::Recall => Mode::RECALL,
            Self::Eager => Mode::EAGER,
            Self::Store => Mode::CONSUME,
        }
    }
}

/// The card and the host around it.
#[derive(Args)]
pub struct CardOptions {
    /// Interconnect between card and cores.
    #[arg(long, value_enum, default_value = "eci")]
    pub interconnect: Interconnect,
    /// Put the card behind its adapter to the interconnect's bus.
    #[arg(long)]
    pub bus: bool,
    /// How replies leave the cores.
    #[arg(long, value_enum, default_value = "recall")]
    pub tx: Transmit,
    /// Cores that serve calls.
    #[arg(long, default_value_t = 4)]
    pub cores: usize,
    /// The card's IPv4 address.
    #[arg(long, default_value = "192.0.2.1")]
    pub ip: Ipv4Addr,
    /// Root seed of all random choices.
    #[arg(long, env = "LAUBERHORN_SEED", value_parser = parse_seed, default_value = "0x6c617562")]
    pub seed: Seed,
}

fn parse_seed(text: &str) -> Result<Seed, String> {
    Seed::parse(text).ok_or_else(|| format!("{text:?} is no number; write 123 or 0x7b"))
}

impl CardOptions {
    /// The stand that these options describe. More than four cores take the sixteen-worker card.
    pub fn stand(&self) -> Stand {
        let mut stand = Stand::new(self.interconnect.profile());
        if self.cores > stand.workers && self.interconnect == Interconnect::Eci {
            stand.card = "eci-16-jumbo".to_string();
        }
        stand.bus = self.bus.then(BusSettings::default);
        stand.workers = self.cores;
        stand.mode = self.tx.mode();
        stand.address = self.ip;
        stand.seed = self.seed;
        stand
    }
}
