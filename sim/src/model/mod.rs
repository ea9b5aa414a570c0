//! # Models: the emitted Verilog, compiled, driven from Rust
//!
//! The build script verilates every design of the card; a model is opened by the design's name.
//! Ports are looked up once and then used through handles, which cost a bounds check and a store.
//!
//! ```
//! use lauberhorn_sim::model::Model;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut counter = Model::open("toy_counter")?;
//! let (reset, enable, count) =
//!     (counter.port("reset")?, counter.port("enable")?, counter.port("count")?);
//! counter.set(reset, 1);
//! counter.step()?;
//! counter.set(reset, 0);
//! counter.set(enable, 1);
//! for _ in 0..3 {
//!     counter.step()?;
//! }
//! assert_eq!(counter.get(count), 3);
//! # Ok(())
//! # }
//! ```
//!
//! **Clock.** A step is: clocks low, settle with the inputs that were set, clocks high, settle.
//! After it, outputs show the state behind the edge. Outputs that depend on inputs of the same
//! cycle need [`Model::settle`] first; it is the first half of the next step, not extra work.
//!
//! **Failures.** A failing `assert`, `$stop`, `$finish` or a loop that does not settle is an
//! [`Failure`] with model, cycle and message; the model then answers every step with it.
//!
//! **Start.** Registers without reset and memories start with values drawn from the run's seed, so
//! that a design that relies on them is found.
//!
//! **Waveforms.** [`Model::waves_to`] writes FST or VCD, whichever is compiled in (cards
//! FST, parts none). Stepping is about 10 times slower while it is on, and not at all when off.

mod clocks;
mod dut;
mod ffi;

pub use clocks::Wheel;
pub use dut::ModelDut;
pub use ffi::{Api, MODELS};

use std::path::{Path, PathBuf};

use crate::seed::Seed;

/// Period of a step unless told otherwise: the 250 MHz core clock.
pub const CORE_PERIOD_PS: u64 = 4000;

/// Which side drives a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Driven from outside.
    Input,
    /// Driven by the model.
    Output,
}

/// Waveform format compiled into a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaveFormat {
    /// The model writes none.
    None,
    /// Value change dump.
    Vcd,
    /// GTKWave's compressed format.
    Fst,
}

/// A port as the build found it.
#[derive(Clone, Copy, Debug)]
pub struct PortInfo {
    /// Verilog name, for example `rx$payload`.
    pub name: &'static str,
    /// Width in bits.
    pub width_bits: u32,
    /// Which side drives it.
    pub direction: Direction,
    /// It is a clock: driven by [`Model::step`] alone.
    pub clock: bool,
}

impl PortInfo {
    /// Bytes of the C++ type that holds the port.
    fn storage_bytes(&self) -> usize {
        match self.width_bits {
            0..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            33..=64 => 8,
            bits => bits.div_ceil(32) as usize * 4,
        }
    }
}

/// A model that was built.
pub struct ModelInfo {
    /// Name of the design.
    pub name: &'static str,
    /// Its top module.
    pub top: &'static str,
    /// Waveform format compiled in.
    pub waves: WaveFormat,
    /// All ports.
    pub ports: &'static [PortInfo],
    /// Its C++ side.
    pub api: &'static Api,
}

impl ModelInfo {
    /// Finds a model by the name of its design.
    pub fn find(name: &str) -> Result<&'static ModelInfo, ModelError> {
        MODELS
            .iter()
            .find(|model| model.name == name)
            .ok_or_else(|| ModelError::UnknownModel {
                name: name.to_owned(),
                known: MODELS.iter().map(|model| model.name).collect(),
            })
    }

    /// Inputs that a caller drives: all but the clocks.
    fn inputs(&self) -> impl Iterator<Item = &'static PortInfo> {
        self.ports
            .iter()
            .filter(|port| port.direction == Direction::Input && !port.clock)
    }
}

/// A port of one kind of model, looked up once.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    index: u32,
    width_bits: u32,
    input: bool,
}

impl Port {
    /// Width in bits.
    pub fn width_bits(self) -> u32 {
        self.width_bits
    }

    #[inline]
    #[track_caller]
    fn check_limbs(self, count: usize) {
        let needed = (self.width_bits as usize).div_ceil(64);
        assert!(
            count == needed,
            "a port of {} bits takes {needed} limbs, not {count}",
            self.width_bits
        );
    }
}

/// Which clocks rise: bit i is the i-th clock port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSet(pub u32);

impl ClockSet {
    /// Every clock.
    pub const ALL: ClockSet = ClockSet(u32::MAX);

    /// Whether the i-th clock rises.
    pub fn contains(self, clock: usize) -> bool {
        self.0 >> clock & 1 == 1
    }
}

/// What registers without reset and memories hold at first.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// Values drawn from a seed.
    Random(Seed),
    /// Zeros, as in the interpreter.
    Zeros,
}

/// A model reported a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model {model} fails in cycle {cycle}: {message}")]
pub struct Failure {
    /// Name of the design.
    pub model: &'static str,
    /// Steps taken before the one that failed.
    pub cycle: u64,
    /// The model's own words.
    pub message: String,
}

/// Why a model cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No design of that name was built.
    #[error("there is no model {name:?}; built are: {}", known.join(", "))]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// No port of that name.
    #[error("model {model} has no port {name:?}; it has: {}", known.join(", "))]
    UnknownPort {
        /// The model.
        model: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The model's own construction failed.
    #[error("model {model} cannot be created: {reason}")]
    Create {
        /// The model.
        model: &'static str,
        /// What it said.
        reason: String,
    },
    /// A waveform file could not be opened.
    #[error("model {model} cannot write waveforms to {}: {reason}", path.display())]
    Waves {
        /// The model.
        model: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A running model. See the module's text.
pub struct Model {
    info: &'static ModelInfo,
    raw: ffi::Raw,
    clocks: Box<[u32]>,
    cycle: u64,
    time_ps: u64,
    /// Clocks are low and everything has settled with the inputs as they are.
    settled: bool,
    failure: Option<Box<Failure>>,
}

impl Model {
    /// Opens a model by the name of its design; it starts from the run's seed.
    pub fn open(name: &str) -> Result<Self, ModelError> {
        Self::open_with(name, Start::Random(Seed::from_environment()))
    }

    /// Opens a model with a chosen start.
    pub fn open_with(name: &str, start: Start) -> Result<Self, ModelError> {
        Self::of(ModelInfo::find(name)?, start)
    }

    /// Opens a model of another crate's table.
    pub fn of(info: &'static ModelInfo, start: Start) -> Result<Self, ModelError> {
        let (seed, random) = match start {
            Start::Zeros => (1, 0),
            // Verilator takes 31 bits, and means "from the clock" by 0.
            Start::Random(seed) => ((seed.child(info.name).0 as u32 & 0x7fff_ffff).max(1), 2),
        };
        let raw = ffi::Raw::new(info, seed, random).map_err(|reason| ModelError::Create {
            model: info.name,
            reason,
        })?;
        let clocks = (0u32..)
            .zip(info.ports)
            .filter(|(_, port)| port.clock)
            .map(|(index, _)| index)
            .collect();
        Ok(Model {
            info,
            raw,
            clocks,
            cycle: 0,
            time_ps: 0,
            settled: false,
            failure: None,
        })
    }

    /// What the build knows about the model.
    pub fn info(&self) -> &'static ModelInfo {
        self.info
    }

    /// Looks a port up.
    pub fn port(&self, name: &str) -> Result<Port, ModelError> {
        let ports = self.info.ports;
        let found = ports.iter().position(|port| port.name == name);
        let index = found.ok_or_else(|| ModelError::UnknownPort {
            model: self.info.name,
            name: name.to_owned(),
            known: ports.iter().map(|port| port.name).collect(),
        })?;
        let port = &ports[index];
        Ok(Port {
            index: index as u32,
            width_bits: port.width_bits,
            input: port.direction == Direction::Input && !port.clock,
        })
    }

    /// Sets an input of up to 64 bits.
    ///
    /// # Panics
    /// If the value does not fit the port, or the port is not an input.
    #[inline]
    #[track_caller]
    pub fn set(&mut self, port: Port, value: u64) {
        let fits = port.width_bits == 64 || value >> (port.width_bits & 63) == 0;
        if !(port.input && port.width_bits <= 64 && fits) {
            self.refuse(port, value);
        }
        self.raw.write(port.index as usize, value);
        self.settled = false;
    }

    #[cold]
    #[track_caller]
    fn refuse(&self, port: Port, value: u64) -> ! {
        let (model, info) = (self.info.name, &self.info.ports[port.index as usize]);
        panic!("model {model}: {value:#x} cannot be set on {info:?}");
    }

    /// Reads a port of up to 64 bits (of a wider one the low 64).
    #[inline]
    pub fn get(&self, port: Port) -> u64 {
        self.raw.read(port.index as usize)
    }

    /// Sets an input of any width from 64-bit limbs, least significant first.
    ///
    /// # Panics
    /// If the limbs are not as many as the width needs, bits above the width are set, or the port
    /// is not an input.
    #[inline]
    #[track_caller]
    pub fn set_limbs(&mut self, port: Port, limbs: &[u64]) {
        port.check_limbs(limbs.len());
        let top = limbs[limbs.len() - 1];
        if port.width_bits <= 64 {
            return self.set(port, top);
        }
        let used = port.width_bits & 63;
        if !port.input || (used > 0 && top >> used != 0) {
            self.refuse(port, top);
        }
        let words = self.raw.words_mut(port.index as usize);
        for (pair, limb) in words.chunks_exact_mut(2).zip(limbs) {
            pair[0] = *limb as u32;
            pair[1] = (*limb >> 32) as u32;
        }
        if let [last] = words.chunks_exact_mut(2).into_remainder() {
            *last = top as u32;
        }
        self.settled = false;
    }

    /// Reads a port of any width into 64-bit limbs, least significant first.
    ///
    /// # Panics
    /// If the limbs are not as many as the width needs.
    #[inline]
    #[track_caller]
    pub fn get_limbs(&self, port: Port, limbs: &mut [u64]) {
        port.check_limbs(limbs.len());
        if port.width_bits <= 64 {
            limbs[0] = self.get(port);
            return;
        }
        let words = self.raw.words(port.index as usize);
        let mut pairs = words.chunks_exact(2);
        for (limb, pair) in limbs.iter_mut().zip(pairs.by_ref()) {
            *limb = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
        if let [last] = pairs.remainder() {
            limbs[words.len() / 2] = u64::from(*last);
        }
    }

    /// The 32-bit words of a port of more than 64 bits, least significant first; none for others.
    pub fn words(&self, port: Port) -> &[u32] {
        self.raw.words(port.index as usize)
    }

    /// Lets the outputs follow inputs that were set since the last edge.
    #[inline]
    pub fn settle(&mut self) -> Result<(), Box<Failure>> {
        if self.settled {
            return Ok(());
        }
        for clock in 0..self.clocks.len() {
            self.raw.write(self.clocks[clock] as usize, 0);
        }
        self.eval(self.time_ps)?;
        self.settled = true;
        Ok(())
    }

    /// One rising edge of every clock, one core period later.
    #[inline]
    pub fn step(&mut self) -> Result<(), Box<Failure>> {
        self.rise(ClockSet::ALL, self.time_ps + CORE_PERIOD_PS)
    }

    /// A rising edge of some clocks at a time, which must be later than the last one. See
    /// [`Wheel`] for who rises when.
    #[inline]
    pub fn rise(&mut self, clocks: ClockSet, time_ps: u64) -> Result<(), Box<Failure>> {
        debug_assert!(time_ps > self.time_ps, "edges come in order of time");
        self.settle()?;
        if self.raw.wave_is_open() {
            self.raw.wave_dump(self.time_ps.midpoint(time_ps));
        }
        for clock in 0..self.clocks.len() {
            let level = u64::from(clocks.contains(clock));
            self.raw.write(self.clocks[clock] as usize, level);
        }
        self.time_ps = time_ps;
        self.settled = false;
        let result = self.eval(time_ps);
        if self.raw.wave_is_open() {
            self.raw.wave_dump(time_ps);
        }
        result?;
        self.cycle += 1;
        Ok(())
    }

    #[inline]
    fn eval(&mut self, time_ps: u64) -> Result<(), Box<Failure>> {
        if self.failure.is_none() && self.raw.eval(time_ps) {
            return Ok(());
        }
        self.outcome()
    }

    /// The failure that the last call left, if it was this model's, or an older one.
    #[cold]
    fn outcome(&mut self) -> Result<(), Box<Failure>> {
        if self.failure.is_none() {
            let message = self.raw.take_failure();
            self.failure = (!message.is_empty()).then(|| {
                Box::new(Failure {
                    model: self.info.name,
                    cycle: self.cycle,
                    message,
                })
            });
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Steps taken.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Time of the last edge.
    pub fn time_ps(&self) -> u64 {
        self.time_ps
    }

    /// Names of the clock ports, in the order of [`ClockSet`].
    pub fn clocks(&self) -> impl Iterator<Item = &'static str> {
        let ports = self.info.ports;
        self.clocks
            .iter()
            .map(move |index| ports[*index as usize].name)
    }

    /// Writes waveforms to a file from now on, in the format of [`ModelInfo::waves`].
    pub fn waves_to(&mut self, path: &Path) -> Result<(), ModelError> {
        let format = self.info.waves;
        self.raw
            .wave_open(path, format)
            .map_err(|reason| ModelError::Waves {
                model: self.info.name,
                path: path.to_owned(),
                reason: match format {
                    WaveFormat::None => "none are compiled into it".to_owned(),
                    _ if reason.is_empty() => "is the folder writable?".to_owned(),
                    _ => reason,
                },
            })
    }

    /// Completes the waveform file.
    pub fn end_waves(&mut self) {
        self.raw.wave_close();
    }

    /// Runs the design's `final` blocks; to be called once, at the end.
    pub fn finish(&mut self) {
        self.raw.finish();
    }

    /// Appends the inputs as they stand to a recording for [`Model::replay`].
    pub fn record(&self, recording: &mut Vec<u8>) {
        for (index, port) in self.info.ports.iter().enumerate() {
            if port.direction != Direction::Input || port.clock {
                continue;
            }
            let words = self.raw.words(index);
            if words.is_empty() {
                let bytes = self.raw.read(index).to_ne_bytes();
                recording.extend_from_slice(&bytes[..port.storage_bytes()]);
            }
            recording.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }
    }

    /// Runs recorded inputs, round and round, for a number of cycles of the only clock in a loop
    /// that is all C++: the speed that other drivers are measured against. Neither cycle nor time
    /// of the model move, and no waveforms are written.
    ///
    /// # Panics
    /// If the model has not exactly one clock, or nothing was recorded.
    pub fn replay(&mut self, recording: &[u8], cycles: u64) -> Result<(), Box<Failure>> {
        assert!(self.clocks.len() == 1, "a replay drives exactly one clock");
        self.settled = false;
        self.raw.replay(recording, cycles);
        self.outcome()
    }
}

/// The Verilator that the runtime comes from.
pub fn verilator_version() -> String {
    verilated::product_version().to_string_lossy().into_owned()
}
