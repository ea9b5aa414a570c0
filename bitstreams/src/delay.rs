//! # Delays
//! What one step of a path costs, in picoseconds, per speed grade.
//!
//! | figure at -2 | ps | source |
//! |---|---|---|
//! | LUT and its net; net alone | 300; 208 | AMD's published UltraScale+ budgets (250/177 at -3, 350/239 at -1) |
//! | clock to Q | 77 | data sheet of the family |
//! | LUT input to output | 150 slowest to 35 fastest input | timing reports; linear between the ends |
//! | block RAM clock to out | 1003; 229 with output register | upper ends of 846-1003 and 209-229 |
//! | carry: entry, through a CARRY8, out, hop to the next | 204, 20, 125, 24 | published -1 timing reports (238, 23, 146, 28), scaled |
//! | setup | 60 | 25 for D; the rest covers control pins |
//! | the others | | our estimates: rounded up, rarely decisive |
//!
//! Figures that are known for -2 only are scaled with the LUT budgets of the other grades. Nothing
//! here knows the placement: see the documentation for what that leaves out.

use serde::{Deserialize, Serialize};

/// Picoseconds.
pub type Ps = u64;

/// Speed grade; -3 is the fastest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Grade {
    /// -1.
    #[serde(rename = "-1")]
    One,
    /// -2.
    #[serde(rename = "-2")]
    Two,
    /// -3.
    #[serde(rename = "-3")]
    Three,
}

impl Grade {
    /// As it is printed on the part.
    pub fn name(self) -> &'static str {
        match self {
            Grade::One => "-1",
            Grade::Two => "-2",
            Grade::Three => "-3",
        }
    }

    /// LUT with its net.
    fn lut_and_net(self) -> Ps {
        match self {
            Grade::One => 350,
            Grade::Two => 300,
            Grade::Three => 250,
        }
    }

    fn net(self) -> Ps {
        match self {
            Grade::One => 239,
            Grade::Two => 208,
            Grade::Three => 177,
        }
    }
}

/// How long a net is taken to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetModel {
    /// AMD's budget: every net and every LUT costs the same.
    Constant,
    /// Nets grow with the number of loads, LUT inputs differ.
    Fanout,
}

/// The delays of one grade under one model.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    grade: Grade,
    model: NetModel,
}

impl Delays {
    /// The delays of `grade` under `model`.
    pub fn new(grade: Grade, model: NetModel) -> Self {
        Self { grade, model }
    }

    /// A figure of grade -2, for this grade.
    fn scaled(&self, ps: Ps) -> Ps {
        (ps * self.grade.lut_and_net() + 150) / 300
    }

    /// A net with `loads` loads. With fanout: the budget for one load and a quarter more for each
    /// doubling of `1 + loads`, linear between the powers of two.
    pub fn net(&self, loads: usize) -> Ps {
        let budget = self.grade.net();
        match self.model {
            NetModel::Constant => budget,
            NetModel::Fanout => {
                let n = 1 + loads.max(1) as u64;
                let whole = u64::from(n.ilog2());
                // (3 + log2(n)) / 4, in units of 2^whole.
                let unit = 1 << whole;
                let quarters = (3 + whole) * unit + (n - unit);
                (budget * quarters + 2 * unit) / (4 * unit)
            }
        }
    }

    /// A LUT, for the input that arrives `rank`-th last: routing gives the last one the fastest pin.
    pub fn lut(&self, rank: usize) -> Ps {
        match self.model {
            NetModel::Constant => self.grade.lut_and_net() - self.grade.net(),
            NetModel::Fanout => self.scaled([35, 58, 81, 104, 127, 150][rank.min(5)]),
        }
    }

    /// A step that is the same under both models.
    pub fn step(&self, step: Step) -> Ps {
        self.scaled(match step {
            Step::ClockToQ => 77,
            Step::Setup => 60,
            Step::WideMuxData => 60,
            Step::WideMuxSelect => 120,
            Step::LutToMux => 0,
            Step::LutToCarry => 12,
            Step::CarryEntry => 204,
            Step::CarryThrough4 => 10,
            Step::CarryThrough8 => 20,
            Step::CarryOut => 125,
            Step::CarryHop4 => 12,
            Step::CarryHop8 => 24,
            Step::LutRamClockToOut => 650,
            Step::LutRamSetup => 150,
            Step::ShiftClockToOut => 450,
            Step::BlockRamClockToOut => 1003,
            Step::BlockRamRegisterToOut => 229,
            Step::UltraRamClockToOut => 1300,
            Step::UltraRamRegisterToOut => 400,
            Step::RamSetup => 350,
            Step::DspClockToOut => 350,
            Step::DspThrough => 2200,
            Step::DspSetup => 1500,
            Step::DspRegisterSetup => 250,
        })
    }
}

/// A step of a path that is no LUT and no ordinary net.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Flip-flop clock to output.
    ClockToQ,
    /// Flip-flop input before the clock.
    Setup,
    /// MUXF data input to output.
    WideMuxData,
    /// MUXF select to output.
    WideMuxSelect,
    /// The wire from a LUT to the MUXF beside it.
    LutToMux,
    /// The wire from a LUT to the carry chain beside it.
    LutToCarry,
    /// Carry chain: from a data input to a carry or sum output.
    CarryEntry,
    /// Carry chain: carry in to carry out of a CARRY4.
    CarryThrough4,
    /// Carry chain: carry in to carry out of a CARRY8.
    CarryThrough8,
    /// Carry chain: carry in to a sum output.
    CarryOut,
    /// The wire from a CARRY4 to the next (every second one is inside a CARRY8).
    CarryHop4,
    /// The wire from a CARRY8 to the next.
    CarryHop8,
    /// LUT RAM, write clock to output.
    LutRamClockToOut,
    /// LUT RAM and shift register inputs before the clock.
    LutRamSetup,
    /// Shift register in a LUT, clock to output.
    ShiftClockToOut,
    /// Block RAM without output register.
    BlockRamClockToOut,
    /// Block RAM with output register.
    BlockRamRegisterToOut,
    /// UltraRAM without output register.
    UltraRamClockToOut,
    /// UltraRAM with output register.
    UltraRamRegisterToOut,
    /// Inputs of a block RAM or UltraRAM before the clock.
    RamSetup,
    /// DSP output register to output.
    DspClockToOut,
    /// DSP without any register.
    DspThrough,
    /// DSP inputs that pass the multiplier before the first register.
    DspSetup,
    /// DSP inputs with input registers.
    DspRegisterSetup,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nets_follow_the_published_budgets() {
        for (grade, net, lut) in [
            (Grade::One, 239, 111),
            (Grade::Two, 208, 92),
            (Grade::Three, 177, 73),
        ] {
            let constant = Delays::new(grade, NetModel::Constant);
            assert_eq!((constant.net(1), constant.net(500)), (net, net));
            assert_eq!((constant.lut(0), constant.lut(5)), (lut, lut));
            assert_eq!(Delays::new(grade, NetModel::Fanout).net(1), net);
        }
    }

    #[test]
    fn nets_grow_by_a_quarter_for_each_doubling() {
        let fanout = Delays::new(Grade::Two, NetModel::Fanout);
        assert_eq!(fanout.net(3), 260);
        assert_eq!(fanout.net(7), 312);
        assert_eq!(fanout.net(1023), 676);
        // Halfway between 4 and 8.
        assert_eq!(fanout.net(5), 286);
    }

    #[test]
    fn the_last_input_gets_the_fastest_pin() {
        let fanout = Delays::new(Grade::Two, NetModel::Fanout);
        assert_eq!((fanout.lut(0), fanout.lut(5)), (35, 150));
        assert_eq!(Delays::new(Grade::One, NetModel::Fanout).lut(5), 175);
    }
}
