//! # Cells
//! What each cell of the mapped netlist is: its combinational arcs, what it captures and launches.
//! A cell that is not here is an error that names it, never a guess.

use crate::delay::Step;
use crate::error::Error;
use crate::netlist::{Cell, Net, Pin};

/// What a cell is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A look-up table.
    Lut,
    /// An inverter: absorbed where the load can invert.
    Inverter,
    /// MUXF7, 8 or 9.
    WideMux,
    /// A carry chain element of so many bits.
    Carry(usize),
    /// A flip-flop.
    FlipFlop,
    /// LUT RAM: LUTs it takes and multiplexer stages behind them.
    LutRam {
        /// LUTs.
        luts: u64,
        /// MUXF stages between LUTs and output.
        muxes: u64,
    },
    /// Shift register in a LUT.
    Shift,
    /// Block RAM, in halves of a RAMB36.
    BlockRam {
        /// 1 or 2.
        halves: u64,
    },
    /// UltraRAM.
    UltraRam,
    /// DSP slice.
    Dsp,
    /// Carries information only.
    Note,
}

/// What `cell` is.
pub fn classify(cell: &Cell) -> Result<Kind, Error> {
    let lut_ram = |luts, muxes| Kind::LutRam { luts, muxes };
    Ok(match cell.kind.as_str() {
        "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6" | "MISTRAL_ALUT2" | "MISTRAL_ALUT3"
        | "MISTRAL_ALUT4" | "MISTRAL_ALUT5" | "MISTRAL_ALUT6" => Kind::Lut,
        "INV" | "MISTRAL_NOT" => Kind::Inverter,
        "MUXF7" | "MUXF8" | "MUXF9" => Kind::WideMux,
        "CARRY4" => Kind::Carry(4),
        "CARRY8" => Kind::Carry(8),
        "MISTRAL_ALUT_ARITH" => Kind::Carry(1),
        "FDRE" | "FDSE" | "FDCE" | "FDPE" | "MISTRAL_FF" => Kind::FlipFlop,
        "RAM32X1S" | "RAM64X1S" => lut_ram(1, 0),
        "RAM128X1S" => lut_ram(2, 1),
        "RAM256X1S" => lut_ram(4, 2),
        "RAM512X1S" => lut_ram(8, 3),
        "RAM32X1D" | "RAM64X1D" => lut_ram(2, 0),
        "RAM128X1D" => lut_ram(4, 1),
        "RAM256X1D" => lut_ram(8, 2),
        "RAM32M" | "RAM64M" => lut_ram(4, 0),
        "RAM32M16" | "RAM64M8" => lut_ram(8, 0),
        "MISTRAL_MLAB" => lut_ram(1, 0),
        "SRL16E" | "SRLC32E" => Kind::Shift,
        "RAMB18E2" => Kind::BlockRam { halves: 1 },
        "RAMB36E2" | "MISTRAL_M10K" | "MISTRAL_M20K" => Kind::BlockRam { halves: 2 },
        "URAM288" => Kind::UltraRam,
        "DSP48E2" | "MISTRAL_MUL9X9" | "MISTRAL_MUL18X18" | "MISTRAL_MUL27X27" => Kind::Dsp,
        "$scopeinfo" => Kind::Note,
        _ => {
            return Err(Error::UnknownCell {
                cell: cell.name.clone(),
                kind: cell.kind.clone(),
            });
        }
    })
}

/// The delay of an arc through a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArcDelay {
    /// An input of a LUT.
    Lut,
    /// The slowest input of a LUT (addresses of LUT RAM and shift registers), then multiplexers.
    LutRead {
        /// MUXF stages.
        muxes: u64,
    },
    /// A fixed step.
    Step(Step),
}

/// A way through a cell.
#[derive(Clone, Debug)]
pub struct Arc {
    /// From this net, by this port of the cell.
    pub from: Net,
    /// Port that `from` enters.
    pub port: String,
    /// To this net.
    pub to: Net,
    /// Delay.
    pub delay: ArcDelay,
    /// Logic levels it counts for.
    pub levels: u32,
}

/// A net that a clock captures or launches.
#[derive(Clone, Debug)]
pub struct Clocked {
    /// The net.
    pub net: Net,
    /// Port of the cell.
    pub port: String,
    /// Setup or clock to output.
    pub step: Step,
    /// The clock.
    pub clock: Net,
}

/// The timing of one cell.
#[derive(Default, Debug)]
pub struct Timing {
    /// Combinational arcs.
    pub arcs: Vec<Arc>,
    /// Inputs before a clock edge.
    pub captures: Vec<Clocked>,
    /// Outputs after a clock edge.
    pub launches: Vec<Clocked>,
}

/// The clock pins of a kind of cell.
fn clock_ports(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::FlipFlop => &["C", "CLK"],
        Kind::LutRam { .. } => &["WCLK", "CLK1"],
        Kind::BlockRam { .. } => &["CLKARDCLK", "CLKBWRCLK", "CLK1"],
        Kind::Shift | Kind::UltraRam | Kind::Dsp => &["CLK"],
        Kind::Lut | Kind::Inverter | Kind::WideMux | Kind::Carry(_) | Kind::Note => &[],
    }
}

/// True for clock pins: no data path ends there.
pub fn is_clock(kind: Kind, port: &str) -> bool {
    clock_ports(kind).contains(&port)
}

/// True for the pins of which a slice has one for four flip-flops.
pub fn is_control(kind: Kind, port: &str) -> bool {
    kind == Kind::FlipFlop
        && matches!(
            port,
            "CE" | "R" | "S" | "CLR" | "PRE" | "ENA" | "ACLR" | "SCLR"
        )
}

/// The timing of `cell`, which is a `kind`.
pub fn timing(cell: &Cell, kind: Kind) -> Result<Timing, Error> {
    let mut timing = Timing::default();
    match kind {
        Kind::Lut | Kind::Inverter => {
            timing.all_arcs(cell, |_| true, |_| true, ArcDelay::Lut, 1);
        }
        Kind::WideMux => {
            let select = ArcDelay::Step(Step::WideMuxSelect);
            let data = ArcDelay::Step(Step::WideMuxData);
            timing.all_arcs(cell, |pin| pin.port == "S", |_| true, select, 0);
            timing.all_arcs(cell, |pin| pin.port != "S", |_| true, data, 0);
        }
        Kind::Carry(bits) => timing.carry(cell, bits),
        Kind::FlipFlop => {
            if cell.number("IS_C_INVERTED") != 0 {
                return Err(unsupported(cell, "clocked at the falling edge"));
            }
            timing.clocked(cell, kind, Step::Setup, Step::ClockToQ);
        }
        Kind::LutRam { muxes, .. } => timing.lut_ram(cell, kind, muxes),
        Kind::Shift => {
            let address = |pin: &Pin| pin.port.starts_with('A');
            let read = ArcDelay::LutRead { muxes: 0 };
            timing.all_arcs(cell, address, |pin| pin.port == "Q", read, 1);
            timing.clocked(cell, kind, Step::LutRamSetup, Step::ShiftClockToOut);
            timing.captures.retain(|end| !end.port.starts_with('A'));
        }
        Kind::BlockRam { .. } => timing.block_ram(cell, kind),
        Kind::UltraRam => {
            timing.clocked(cell, kind, Step::RamSetup, Step::UltraRamClockToOut);
            for launch in &mut timing.launches {
                let b = launch.port.ends_with("_B");
                if cell.is_true(if b { "OREG_B" } else { "OREG_A" }) {
                    launch.step = Step::UltraRamRegisterToOut;
                }
            }
        }
        Kind::Dsp => timing.dsp(cell, kind),
        Kind::Note => {}
    }
    Ok(timing)
}

fn unsupported(cell: &Cell, why: &'static str) -> Error {
    Error::Unsupported {
        cell: cell.name.clone(),
        kind: cell.kind.clone(),
        why,
    }
}

fn clock_of(cell: &Cell, kind: Kind) -> Option<Net> {
    clock_ports(kind).iter().find_map(|port| cell.net(port))
}

fn nets(pin: &Pin) -> impl Iterator<Item = Net> + '_ {
    pin.nets.iter().copied().flatten()
}

impl Timing {
    fn all_arcs(
        &mut self,
        cell: &Cell,
        input: impl Fn(&Pin) -> bool,
        output: impl Fn(&Pin) -> bool,
        delay: ArcDelay,
        levels: u32,
    ) {
        for source in cell.pins.iter().filter(|pin| !pin.output && input(pin)) {
            for to in cell.pins.iter().filter(|pin| pin.output && output(pin)) {
                for (from, to) in nets(source).flat_map(|from| nets(to).map(move |to| (from, to))) {
                    self.arcs.push(Arc {
                        from,
                        port: source.port.clone(),
                        to,
                        delay,
                        levels,
                    });
                }
            }
        }
    }

    /// Every input captured and every output launched by the one clock.
    fn clocked(&mut self, cell: &Cell, kind: Kind, setup: Step, launch: Step) {
        let Some(clock) = clock_of(cell, kind) else {
            return;
        };
        for pin in &cell.pins {
            if is_clock(kind, &pin.port) {
                continue;
            }
            let (ends, step) = match pin.output {
                true => (&mut self.launches, launch),
                false => (&mut self.captures, setup),
            };
            ends.extend(nets(pin).map(|net| Clocked {
                net,
                port: pin.port.clone(),
                step,
                clock,
            }));
        }
    }

    fn carry(&mut self, cell: &Cell, bits: usize) {
        let through = match bits {
            8 => Step::CarryThrough8,
            _ => Step::CarryThrough4,
        };
        for source in cell.pins.iter().filter(|pin| !pin.output) {
            for (index, from) in source.nets.iter().enumerate() {
                let Some(from) = *from else { continue };
                // Position from which on an output depends on this input.
                let first = match source.port.as_str() {
                    "S" | "DI" => index,
                    _ => 0,
                };
                let is_chain = source.port == "CI";
                for to in cell.pins.iter().filter(|pin| pin.output) {
                    let is_carry = to.port == "CO";
                    // The sum of a bit does not depend on its own DI.
                    let first = first + usize::from(source.port == "DI" && !is_carry);
                    for to in to.nets.iter().skip(first).copied().flatten() {
                        let (step, levels) = match (is_chain, is_carry) {
                            (true, true) => (through, 0),
                            (true, false) => (Step::CarryOut, 0),
                            (false, _) => (Step::CarryEntry, 1),
                        };
                        self.arcs.push(Arc {
                            from,
                            port: source.port.clone(),
                            to,
                            delay: ArcDelay::Step(step),
                            levels,
                        });
                    }
                }
            }
        }
    }

    fn lut_ram(&mut self, cell: &Cell, kind: Kind, muxes: u64) {
        let read = ArcDelay::LutRead { muxes };
        let letters = cell.pins.iter().any(|pin| pin.port == "ADDRA");
        // (address, output): which address reads which output.
        let pairs: Vec<(String, String)> = match cell.kind.as_str() {
            "MISTRAL_MLAB" => vec![("B1ADDR".into(), "B1DATA".into())],
            _ if letters => ('A'..='H')
                .map(|letter| (format!("ADDR{letter}"), format!("DO{letter}")))
                .collect(),
            name if name.ends_with('D') => {
                vec![("DPRA".into(), "DPO".into()), ("A".into(), "SPO".into())]
            }
            _ => vec![("A".into(), "O".into())],
        };
        let is_address = |pin: &str, address: &str| {
            let rest = pin.strip_prefix(address);
            rest.is_some_and(|rest| rest.bytes().all(|digit| digit.is_ascii_digit()))
        };
        for (address, output) in &pairs {
            self.all_arcs(
                cell,
                |pin| is_address(&pin.port, address),
                |pin| pin.port == *output,
                read,
                1,
            );
        }
        self.clocked(cell, kind, Step::LutRamSetup, Step::LutRamClockToOut);
        // Of the addresses only that of the write port is captured.
        let write = match cell.kind.as_str() {
            "MISTRAL_MLAB" => "A1ADDR",
            "RAM32M" | "RAM64M" => "ADDRD",
            _ if letters => "ADDRH",
            _ => "A",
        };
        self.captures.retain(|end| {
            let address = pairs.iter().any(|(a, _)| is_address(&end.port, a));
            !address || is_address(&end.port, write)
        });
    }

    fn block_ram(&mut self, cell: &Cell, kind: Kind) {
        if let (None, Some(_)) = (cell.net("CLKARDCLK"), cell.net("CLK1")) {
            self.clocked(cell, kind, Step::RamSetup, Step::BlockRamClockToOut);
            return;
        }
        // A 72 bit port takes the data pins of both.
        let wide_read = cell.number("READ_WIDTH_A") == 72;
        let wide_write = cell.number("WRITE_WIDTH_B") == 72;
        for pin in &cell.pins {
            let port = pin.port.as_str();
            if is_clock(kind, port) {
                continue;
            }
            let data_in = port.starts_with("DIN");
            let names_b = ["BWR", "BDIN", "BDOUT", "WEBWE"]
                .iter()
                .any(|part| port.contains(part))
                || port.ends_with("ENB")
                || matches!(port, "REGCEB" | "RSTRAMB" | "RSTREGB");
            let b = match (pin.output, data_in) {
                (true, _) => names_b && !wide_read,
                (false, true) => names_b || wide_write,
                (false, false) => names_b,
            };
            let Some(clock) = cell.net(if b { "CLKBWRCLK" } else { "CLKARDCLK" }) else {
                continue;
            };
            let registered = cell.number(if b { "DOB_REG" } else { "DOA_REG" }) != 0;
            let (ends, step) = match (pin.output, registered) {
                (true, true) => (&mut self.launches, Step::BlockRamRegisterToOut),
                (true, false) => (&mut self.launches, Step::BlockRamClockToOut),
                (false, _) => (&mut self.captures, Step::RamSetup),
            };
            ends.extend(nets(pin).map(|net| Clocked {
                net,
                port: pin.port.clone(),
                step,
                clock,
            }));
        }
    }

    fn dsp(&mut self, cell: &Cell, kind: Kind) {
        let [input, middle, output] = ["AREG", "MREG", "PREG"].map(|name| cell.number(name) != 0);
        let is_clocked = clock_of(cell, kind).is_some() && (input || middle || output);
        if !is_clocked {
            let through = ArcDelay::Step(Step::DspThrough);
            self.all_arcs(cell, |_| true, |_| true, through, 1);
            return;
        }
        let setup = match input {
            true => Step::DspRegisterSetup,
            false => Step::DspSetup,
        };
        let launch = match output {
            true => Step::DspClockToOut,
            false => Step::DspThrough,
        };
        self.clocked(cell, kind, setup, launch);
    }
}
