//! One block in both judges.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use lauberhorn_hw::rtl::{Direction, Dut, Elaborated, Interpreter, PortInfo, Value};
use lauberhorn_sim::model::{CORE_PERIOD_PS, ClockSet, Failure, Model, ModelInfo, Port, Start};
use lauberhorn_sim::seed::Seed;
use rand::Rng;

use crate::Stimulus;

/// What a comparison met.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cycles compared.
    pub cycles: u64,
    /// Cycles in which nothing but a reset was allowed any more.
    pub forced_resets: u64,
    /// Assertions of the body that inputs violated, in both judges.
    pub violated: Vec<String>,
    /// Assertions that no inputs violated: they state what the block itself ensures.
    pub kept: Vec<String>,
    /// Bits of all registers.
    pub register_bits: usize,
    /// Those that were both zero and one.
    pub toggled_bits: usize,
}

/// Why two judges do not agree.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Divergence {
    /// An output differs.
    #[error(
        "{design}: in cycle {cycle} output {port} is {interpreter} in the interpreter and \
         {verilog} in Verilog ({seed}; last inputs: {inputs})"
    )]
    Output {
        /// The design.
        design: String,
        /// Cycles since power-up.
        cycle: u64,
        /// The port.
        port: String,
        /// Its value in the interpreter.
        interpreter: Value,
        /// Its value in the Verilog model.
        verilog: Value,
        /// The seed that repeats it.
        seed: Seed,
        /// Inputs of that cycle.
        inputs: Inputs,
    },
    /// The model fails where the interpreter finds nothing wrong.
    #[error("{design}: the interpreter goes on, but {failure} ({seed})")]
    Fails {
        /// The design.
        design: String,
        /// What the model says.
        failure: Failure,
        /// The seed that repeats it.
        seed: Seed,
    },
    /// The model accepts what the interpreter's assertions refuse, or names another assertion.
    #[error(
        "{design}: in cycle {cycle} the interpreter finds {} violated, Verilog says {verilog} \
         ({seed})", assertions.join(" and ")
    )]
    Assertion {
        /// The design.
        design: String,
        /// Cycles since power-up.
        cycle: u64,
        /// Assertions that do not hold in the interpreter.
        assertions: Vec<String>,
        /// What the model says.
        verilog: String,
        /// The seed that repeats it.
        seed: Seed,
    },
}

/// Input values by name, printed on one line.
#[derive(Clone, Debug)]
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

/// A cycle's inputs and the clocks that rise at its end.
#[derive(Clone)]
struct Cycle {
    row: Vec<Value>,
    clocks: ClockSet,
}

/// Inputs that an assertion of the body refuses.
struct Violation {
    assertions: Vec<String>,
    /// Cycles before it.
    after: usize,
    cycle: Cycle,
}

/// The Verilog side, with its ports looked up.
struct Verilog {
    model: Model,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Verilog {
    fn new(info: &'static ModelInfo, inputs: &[PortInfo], outputs: &[PortInfo]) -> Self {
        let model = Model::of(info, Start::Zeros).expect("a model that was built opens");
        let handle = |port: &PortInfo| {
            let found = model.port(&port.name).expect("the body's port");
            assert_eq!(
                found.width_bits() as usize,
                port.width,
                "width of {}",
                port.name
            );
            found
        };
        Verilog {
            inputs: inputs.iter().map(handle).collect(),
            outputs: outputs.iter().map(handle).collect(),
            model,
        }
    }

    fn set(&mut self, row: &[Value]) {
        for (port, value) in self.inputs.iter().zip(row) {
            self.model.set_limbs(*port, value.limbs());
        }
    }

    fn output(&mut self, index: usize) -> Result<Value, Box<Failure>> {
        self.model.settle()?;
        let port = self.outputs[index];
        let width = port.width_bits() as usize;
        let mut limbs = vec![0; width.div_ceil(64)];
        self.model.get_limbs(port, &mut limbs);
        Ok(Value::from_limbs(width, &limbs))
    }

    fn step(&mut self, clocks: ClockSet) -> Result<(), Box<Failure>> {
        self.model
            .rise(clocks, self.model.time_ps() + CORE_PERIOD_PS)
    }
}

/// Runs a body and its Verilog side by side for `cycles` cycles on random inputs, resets among
/// them. Inputs that an assertion of the body refuses are drawn again; afterwards one case of each
/// such assertion is shown to the Verilog, which has to refuse it in the same cycle.
pub fn compare(
    info: &'static ModelInfo,
    body: Elaborated,
    cycles: u64,
    seed: Seed,
) -> Result<Report, Box<Divergence>> {
    let mut interpreter = Interpreter::new(body);
    let all = interpreter.ports().to_vec();
    let pick = |direction| {
        let chosen = all
            .iter()
            .filter(|port| port.direction == direction && !port.clock);
        chosen.cloned().collect::<Vec<_>>()
    };
    let (inputs, outputs) = (pick(Direction::Input), pick(Direction::Output));
    let mut verilog = Verilog::new(info, &inputs, &outputs);
    let clocks: Vec<&str> = verilog.model.clocks().collect();
    let mut stimulus = Stimulus::new(&all, seed, info.name);
    let mut rng = seed.stream(&format!("{} clocks", info.name));
    let mut history: Vec<Cycle> = Vec::new();
    let mut violations: BTreeMap<String, Violation> = BTreeMap::new();
    let mut toggles = Toggles::default();
    let mut report = Report {
        cycles,
        ..Report::default()
    };

    for cycle in 0..cycles {
        let clock_set = match clocks.len() {
            1 => ClockSet::ALL,
            // One of several clocks, or all together.
            count => match rng.random_range(0..=count) {
                one if one < count && cycle >= 2 => ClockSet(1 << one),
                _ => ClockSet::ALL,
            },
        };
        let mut redraw = 0;
        loop {
            match cycle {
                0 | 1 => stimulus.reset(),
                _ => stimulus.draw(cycle, redraw),
            }
            for (port, value) in inputs.iter().zip(stimulus.row()) {
                interpreter.set(&port.name, value);
            }
            let failing = interpreter.failing();
            if failing.is_empty() {
                break;
            }
            assert!(
                redraw <= crate::stimulus::REDRAWS,
                "assertions are off in reset"
            );
            let assertions: Vec<_> = failing.into_iter().map(str::to_owned).collect();
            for name in &assertions {
                violations.entry(name.clone()).or_insert_with(|| Violation {
                    assertions: assertions.clone(),
                    after: history.len(),
                    cycle: Cycle {
                        row: stimulus.row().to_vec(),
                        clocks: clock_set,
                    },
                });
            }
            redraw += 1;
        }
        report.forced_resets += u64::from(redraw > crate::stimulus::REDRAWS);

        verilog.set(stimulus.row());
        for (index, port) in outputs.iter().enumerate() {
            let seen = interpreter.get(&port.name);
            let other = verilog
                .output(index)
                .map_err(|failure| fails(info, *failure, seed))?;
            if seen != other {
                let names = inputs.iter().map(|port| port.name.clone());
                return Err(Box::new(Divergence::Output {
                    design: info.name.to_owned(),
                    cycle,
                    port: port.name.clone(),
                    interpreter: seen,
                    verilog: other,
                    seed,
                    inputs: Inputs(names.zip(stimulus.row().iter().cloned()).collect()),
                }));
            }
            stimulus.remember_output(port, &seen);
        }
        let rising: Vec<_> = (0..clocks.len())
            .filter(|clock| clock_set.contains(*clock))
            .map(|clock| clocks[clock])
            .collect();
        interpreter.step_clocks(&rising).expect("looked at above");
        verilog
            .step(clock_set)
            .map_err(|failure| fails(info, *failure, seed))?;
        toggles.look(&interpreter);
        history.push(Cycle {
            row: stimulus.row().to_vec(),
            clocks: clock_set,
        });
    }

    for violation in violations.values() {
        let mut verilog = Verilog::new(info, &inputs, &outputs);
        for cycle in &history[..violation.after] {
            verilog.set(&cycle.row);
            verilog
                .step(cycle.clocks)
                .map_err(|failure| fails(info, *failure, seed))?;
        }
        verilog.set(&violation.cycle.row);
        let said = match verilog.step(violation.cycle.clocks) {
            Ok(()) => "nothing".to_owned(),
            Err(failure) => failure.message,
        };
        let named = |name: &String| said.contains(&format!("assertion {name} does not hold"));
        if !violation.assertions.iter().any(named) {
            return Err(Box::new(Divergence::Assertion {
                design: info.name.to_owned(),
                cycle: violation.after as u64,
                assertions: violation.assertions.clone(),
                verilog: said,
                seed,
            }));
        }
    }
    for name in interpreter.assertions() {
        let list = match violations.contains_key(name) {
            true => &mut report.violated,
            false => &mut report.kept,
        };
        list.push(name.to_owned());
    }
    (report.register_bits, report.toggled_bits) = toggles.count();
    Ok(report)
}

fn fails(info: &ModelInfo, failure: Failure, seed: Seed) -> Box<Divergence> {
    Box::new(Divergence::Fails {
        design: info.name.to_owned(),
        failure,
        seed,
    })
}

/// Which register bits have been zero and which one.
#[derive(Default)]
struct Toggles {
    seen: HashMap<String, (Vec<u64>, Vec<u64>, usize)>,
}

impl Toggles {
    fn look(&mut self, interpreter: &Interpreter) {
        for (name, value) in interpreter.registers() {
            let limbs = value.limbs();
            if !self.seen.contains_key(name) {
                let none = vec![0; limbs.len()];
                let entry = (none.clone(), none, value.width());
                self.seen.insert(name.to_owned(), entry);
            }
            let (ones, zeros, _) = self.seen.get_mut(name).expect("inserted above");
            for (index, limb) in limbs.iter().enumerate() {
                ones[index] |= limb;
                zeros[index] |= !limb;
            }
        }
    }

    /// All bits and those that were both.
    fn count(&self) -> (usize, usize) {
        let mut counts = (0, 0);
        for (ones, zeros, width) in self.seen.values() {
            counts.0 += width;
            for (index, (one, zero)) in ones.iter().zip(zeros).enumerate() {
                let used = (width - 64 * index).min(64);
                let mask = u64::MAX >> (64 - used);
                counts.1 += (one & zero & mask).count_ones() as usize;
            }
        }
        counts
    }
}
