//! # Resources
//! What a mapped netlist takes of the device.

use crate::cells::{self, Kind};
use crate::error::Error;
use crate::netlist::Netlist;
use serde::{Deserialize, Serialize};

/// Resources. LUTs are counted as if none were packed in pairs.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// LUTs: logic, LUT RAM and shift registers.
    pub lut: u64,
    /// Of these, LUT RAM.
    pub lutram: u64,
    /// Of these, shift registers.
    pub srl: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Carry elements of 8 bits.
    pub carry8: u64,
    /// Block RAMs of 36 kbit.
    pub bram36: f64,
    /// UltraRAMs.
    pub uram: u64,
    /// DSP slices.
    pub dsp: u64,
}

impl Resources {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.lut += other.lut;
        self.lutram += other.lutram;
        self.srl += other.srl;
        self.ff += other.ff;
        self.carry8 += other.carry8;
        self.bram36 += other.bram36;
        self.uram += other.uram;
        self.dsp += other.dsp;
    }

    /// Counts `netlist`; `inverters` are those that are not absorbed.
    pub fn count(netlist: &Netlist, inverters: u64) -> Result<Self, Error> {
        let mut resources = Self {
            lut: inverters,
            ..Self::default()
        };
        let (mut carry_bits, mut halves) = (0, 0);
        for cell in &netlist.cells {
            match cells::classify(cell)? {
                Kind::Lut => resources.lut += 1,
                Kind::LutRam { luts, .. } => {
                    resources.lut += luts;
                    resources.lutram += luts;
                }
                Kind::Shift => {
                    resources.lut += 1;
                    resources.srl += 1;
                }
                Kind::FlipFlop => resources.ff += 1,
                // In an ALM the adder shares the cell with its LUT.
                Kind::Carry(1) => resources.lut += 1,
                Kind::Carry(bits) => carry_bits += bits as u64,
                Kind::BlockRam { halves: count } => halves += count,
                Kind::UltraRam => resources.uram += 1,
                Kind::Dsp => resources.dsp += 1,
                Kind::Inverter | Kind::WideMux | Kind::Note => {}
            }
        }
        resources.carry8 = carry_bits.div_ceil(8);
        resources.bram36 = halves as f64 / 2.0;
        Ok(resources)
    }
}
