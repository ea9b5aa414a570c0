//! # Two judges, one design
//!
//! Drives two designs under test with the same random inputs and compares every output in every
//! cycle, before the edge. Meant for the interpreter of a body against the Verilog of that body:
//! a difference is an error of one of the two back ends, or a use of something undefined.

use std::fmt;

use lauberhorn_hw::rtl::{Direction, Dut, PortInfo, Value};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::seed::Seed;

/// Cycles for which one-bit inputs keep their odds, so that long stalls and full throughput occur.
const PHASE_CYCLES: u64 = 48;

/// The inputs of one cycle, for a hook that bends random values to what a block's contract allows.
pub struct Stimulus {
    /// Cycles since the reset.
    pub cycle: u64,
    /// For more random choices.
    pub rng: ChaCha8Rng,
    inputs: Vec<(String, Value)>,
    outputs: Vec<(String, Value)>,
}

impl Stimulus {
    /// What an input will be in this cycle.
    ///
    /// # Panics
    /// If there is no such input.
    #[track_caller]
    pub fn input(&self, port: &str) -> &Value {
        find(&self.inputs, port)
    }

    /// Replaces an input; it stays until drawn anew in the next cycle.
    ///
    /// # Panics
    /// If there is no such input, or its width is another one.
    #[track_caller]
    pub fn set(&mut self, port: &str, value: Value) {
        let found = self.inputs.iter_mut().find(|(name, _)| name == port);
        let (_, input) = found.unwrap_or_else(|| panic!("no input {port}"));
        assert_eq!(input.width(), value.width(), "width of {port}");
        *input = value;
    }

    /// What an output was in the cycle before.
    ///
    /// # Panics
    /// If there is no such output.
    #[track_caller]
    pub fn output(&self, port: &str) -> &Value {
        find(&self.outputs, port)
    }
}

#[track_caller]
fn find<'a>(values: &'a [(String, Value)], port: &str) -> &'a Value {
    let found = values.iter().find(|(name, _)| name == port);
    &found.unwrap_or_else(|| panic!("no port {port}")).1
}

/// Why two judges do not agree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Divergence {
    /// An output differs.
    #[error(
        "{design}: in cycle {cycle} output {port} is {first} in the first and {second} in the \
         second judge ({seed}; last inputs: {inputs})"
    )]
    Output {
        /// The design.
        design: String,
        /// Cycles since the reset.
        cycle: u64,
        /// The port.
        port: String,
        /// Its value in the first judge.
        first: Value,
        /// Its value in the second judge.
        second: Value,
        /// The seed that repeats it.
        seed: Seed,
        /// Inputs of that cycle.
        inputs: Inputs,
    },
    /// An assertion fails in one judge only, or under another name.
    #[error(
        "{design}: in cycle {cycle} the first judge says {first:?}, the second {second:?} ({seed})"
    )]
    Assertion {
        /// The design.
        design: String,
        /// Cycles since the reset.
        cycle: u64,
        /// What fails in the first judge.
        first: Option<String>,
        /// What fails in the second judge.
        second: Option<String>,
        /// The seed that repeats it.
        seed: Seed,
    },
    /// Both judges stop at the same assertion: the inputs are none that the design allows.
    #[error(
        "{design}: both judges find assertion {assertion} violated in cycle {cycle}; constrain \
         the stimulus to what the design allows ({seed}; last inputs: {inputs})"
    )]
    Stimulus {
        /// The design.
        design: String,
        /// Cycles since the reset.
        cycle: u64,
        /// The assertion.
        assertion: String,
        /// The seed that repeats it.
        seed: Seed,
        /// Inputs of that cycle.
        inputs: Inputs,
    },
}

/// Input values by name, printed on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs(pub Vec<(String, Value)>);

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

/// Runs `first` and `second` side by side for `cycles` cycles after a reset. Inputs are random;
/// `constrain` may change them. Ports that end in `reset` are asserted once in a while.
pub fn compare(
    design: &str,
    first: &mut dyn Dut,
    second: &mut dyn Dut,
    cycles: u64,
    seed: Seed,
    mut constrain: impl FnMut(&mut Stimulus),
) -> Result<(), Box<Divergence>> {
    let ports = first.ports().to_vec();
    let pick = |direction| {
        let chosen = move |port: &&PortInfo| port.direction == direction && !port.clock;
        ports.iter().filter(chosen).map(zero).collect::<Vec<_>>()
    };
    let mut stimulus = Stimulus {
        cycle: 0,
        rng: seed.stream(design),
        inputs: pick(Direction::Input),
        outputs: pick(Direction::Output),
    };
    let mut odds = vec![1.0; stimulus.inputs.len()];
    first.reset();
    second.reset();

    for cycle in 0..cycles {
        stimulus.cycle = cycle;
        if cycle % PHASE_CYCLES == 0 {
            for odds in &mut odds {
                *odds = [0.02, 0.1, 0.5, 0.9, 1.0][stimulus.rng.random_range(0..5)];
            }
        }
        draw(&mut stimulus, &odds);
        constrain(&mut stimulus);
        for (port, value) in &stimulus.inputs {
            first.set(port, value);
            second.set(port, value);
        }
        for (port, seen) in &mut stimulus.outputs {
            *seen = first.get(port);
            let other = second.get(port);
            if *seen != other {
                return Err(Box::new(Divergence::Output {
                    design: design.to_owned(),
                    cycle,
                    port: port.clone(),
                    first: seen.clone(),
                    second: other,
                    seed,
                    inputs: Inputs(stimulus.inputs),
                }));
            }
        }
        let failed = (first.step().err(), second.step().err());
        match failed {
            (None, None) => {}
            (Some(first), Some(second)) if first.name == second.name => {
                return Err(Box::new(Divergence::Stimulus {
                    design: design.to_owned(),
                    cycle,
                    assertion: first.name,
                    seed,
                    inputs: Inputs(stimulus.inputs),
                }));
            }
            (first, second) => {
                return Err(Box::new(Divergence::Assertion {
                    design: design.to_owned(),
                    cycle,
                    first: first.map(|failed| failed.name),
                    second: second.map(|failed| failed.name),
                    seed,
                }));
            }
        }
    }
    Ok(())
}

fn zero(port: &PortInfo) -> (String, Value) {
    (port.name.clone(), Value::zero(port.width))
}

/// New values for all inputs. Wide ones are sparse, dense or uniform, so that comparisons with
/// small numbers and all-ones masks are met.
fn draw(stimulus: &mut Stimulus, odds: &[f64]) {
    let Stimulus { rng, inputs, .. } = stimulus;
    for ((name, value), odds) in inputs.iter_mut().zip(odds) {
        let width = value.width();
        *value = if name.ends_with("reset") {
            Value::new(width, u128::from(rng.random_ratio(1, 300)))
        } else if width == 1 {
            Value::new(1, u128::from(rng.random_bool(*odds)))
        } else {
            let limbs: Vec<u64> = (0..width.div_ceil(64)).map(|_| rng.random()).collect();
            match rng.random_range(0..8) {
                0 => Value::zero(width),
                1 => Value::ones(width),
                2 | 3 => Value::from_limbs(width, &[limbs[0] & 7]),
                _ => Value::from_limbs(width, &limbs),
            }
        };
    }
}
