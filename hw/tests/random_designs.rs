//! The builder on random programs: its interpreter against an evaluation bit by bit, which shares no
//! code with it. The simulation crate runs some of the same machines against their Verilog.

use lauberhorn_hw::rtl::random::{
    INPUT_WIDTHS, MEMORY_DEPTH, MEMORY_WIDTH, Operation, Program, RandomMachine, Statement, Step,
};
use lauberhorn_hw::rtl::{Dut, Interpreter, Leaf, Value};
use lauberhorn_hw::testing::{random_value, rng, root_seed};
use rand::Rng as _;

/// Least significant bit first.
type Word = Vec<bool>;

fn word(value: &Value) -> Word {
    (0..value.width()).map(|index| value.bit(index)).collect()
}

fn number(word: &[bool]) -> usize {
    word.iter()
        .rev()
        .fold(0, |sum, bit| (sum << 1).saturating_add(usize::from(*bit)))
}

fn add(a: &[bool], b: &[bool], mut carry: bool) -> Word {
    let mut sum = Vec::new();
    for (a, b) in a.iter().zip(b) {
        sum.push(a ^ b ^ carry);
        carry = a & b | a & carry | b & carry;
    }
    sum
}

fn not(a: &[bool]) -> Word {
    a.iter().map(|bit| !bit).collect()
}

fn less(a: &[bool], b: &[bool]) -> bool {
    let differ = a.iter().zip(b).rev().find(|(a, b)| a != b);
    differ.is_some_and(|(a, _)| !a)
}

fn extended(a: &[bool], width: usize, with: bool) -> Word {
    let mut wide = a.to_vec();
    wide.resize(width, with);
    wide
}

fn constant(width: usize, value: usize) -> Word {
    (0..width)
        .map(|bit| bit < 64 && value >> bit & 1 == 1)
        .collect()
}

struct Machine {
    program: Program,
    registers: Vec<Word>,
    memory: Vec<Word>,
    read_data: Word,
}

impl Machine {
    fn new(program: Program) -> Self {
        let zero = vec![false; MEMORY_WIDTH];
        Self {
            // As before the first reset.
            registers: program
                .registers
                .iter()
                .map(|reset| vec![false; reset.width()])
                .collect(),
            memory: vec![zero.clone(); MEMORY_DEPTH],
            read_data: zero,
            program,
        }
    }

    fn value(&self, step: &Step, of: &[&Word], inputs: &[Word]) -> Word {
        let width = step.width;
        let pairs = |f: fn(bool, bool) -> bool| {
            of[0]
                .iter()
                .zip(of[1])
                .map(|(a, b)| f(*a, *b))
                .collect::<Word>()
        };
        match &step.operation {
            Operation::Input(port) => inputs[*port].clone(),
            Operation::Literal(value) => word(value),
            Operation::Register(index) => self.registers[*index].clone(),
            Operation::ReadData => self.read_data.clone(),
            Operation::ReadNow => self.memory[number(of[0])].clone(),
            Operation::Not => not(of[0]),
            Operation::And => pairs(|a, b| a && b),
            Operation::Or => pairs(|a, b| a || b),
            Operation::Xor => pairs(|a, b| a != b),
            Operation::Add => add(of[0], of[1], false),
            Operation::Sub => add(of[0], &not(of[1]), true),
            Operation::Eq => vec![of[0] == of[1]],
            Operation::Ne => vec![of[0] != of[1]],
            Operation::Lt => vec![less(of[0], of[1])],
            Operation::Le => vec![!less(of[1], of[0])],
            Operation::Gt => vec![less(of[1], of[0])],
            Operation::Ge => vec![!less(of[0], of[1])],
            Operation::Mux => of[if of[0][0] { 1 } else { 2 }].clone(),
            Operation::Cat => of
                .iter()
                .rev()
                .flat_map(|part| part.iter().copied())
                .collect(),
            Operation::CatLe => of.iter().flat_map(|part| part.iter().copied()).collect(),
            Operation::Slice(low) => of[0][*low..low + width].to_vec(),
            Operation::Repeat(count) => of[0].repeat(*count),
            Operation::Zext => extended(of[0], width, false),
            Operation::Sext => extended(of[0], width, of[0][of[0].len() - 1]),
            Operation::Any => vec![of[0].contains(&true)],
            Operation::All => vec![!of[0].contains(&false)],
            Operation::Parity => vec![of[0].iter().filter(|bit| **bit).count() % 2 == 1],
            Operation::CountOnes => constant(width, of[0].iter().filter(|bit| **bit).count()),
            Operation::ShiftLeft => {
                let by = number(of[1]);
                (0..width).map(|bit| bit >= by && of[0][bit - by]).collect()
            }
            Operation::ShiftRight => {
                let by = number(of[1]);
                (0..width)
                    .map(|bit| bit + by < width && of[0][bit + by])
                    .collect()
            }
            Operation::Inc => add(of[0], &constant(width, 0), true),
            Operation::Dec => add(of[0], &vec![true; width], false),
            Operation::SwapBytes => of[0].chunks(8).rev().flatten().copied().collect(),
            Operation::Select => of[1 + number(of[0]).min(of.len() - 2)].clone(),
            Operation::OneHot => (0..width)
                .map(|bit| of.chunks(2).any(|pair| pair[0][0] && pair[1][bit]))
                .collect(),
            Operation::Rom(words) => word(&words[number(of[0])]),
        }
    }

    fn values(&self, inputs: &[Word]) -> Vec<Word> {
        let mut values: Vec<Word> = Vec::new();
        for step in &self.program.steps {
            let of: Vec<_> = step
                .operands
                .iter()
                .map(|operand| &values[*operand])
                .collect();
            let value = self.value(step, &of, inputs);
            assert_eq!(value.len(), step.width, "width of {:?}", step.operation);
            values.push(value);
        }
        values
    }

    /// One clock edge.
    fn edge(&mut self, values: &[Word]) {
        let read = self
            .program
            .steps
            .iter()
            .find(|s| s.operation == Operation::ReadData);
        let read = &read.expect("every program reads its memory").operands;
        if values[read[0]][0] {
            self.read_data = self.memory[number(&values[read[1]])].clone();
        }
        let statements = self.program.statements.clone();
        self.run(&statements, values);
    }

    fn run(&mut self, statements: &[Statement], values: &[Word]) {
        for statement in statements {
            match statement {
                Statement::Set { register, value } => {
                    self.registers[*register] = values[*value].clone();
                }
                Statement::Write {
                    address,
                    data,
                    mask,
                } => {
                    let word = &mut self.memory[number(&values[*address])];
                    for (bit, to) in word.iter_mut().enumerate() {
                        if values[*mask][bit / (MEMORY_WIDTH / 4)] {
                            *to = values[*data][bit];
                        }
                    }
                }
                Statement::When(arms, otherwise) => {
                    let arm = arms.iter().find(|(condition, _)| values[*condition][0]);
                    self.run(arm.map_or(otherwise, |arm| &arm.1), values);
                }
                Statement::Switch(subject, cases, default) => {
                    let subject = number(&values[*subject]) as u64;
                    let case = cases.iter().find(|(literal, _)| *literal == subject);
                    self.run(case.map_or(default, |case| &case.1), values);
                }
            }
        }
    }
}

/// Runs one machine both ways for some cycles.
fn check(seed: u64, stimulus: u64) {
    let program = Program::random(seed);
    let mut machine = Machine::new(program.clone());
    let mut dut = Interpreter::new(RandomMachine::new(program.clone()).elaborate());
    let mut rng = rng(stimulus, &format!("random_designs_{seed}"));
    // The reset of a design takes clock cycles, in which the memory is written.
    let zeros = INPUT_WIDTHS.map(|width| vec![false; width]);
    dut.reset();
    for _ in 0..2 {
        let values = machine.values(&zeros);
        machine.edge(&values);
        machine.registers = program.registers.iter().map(word).collect();
    }
    for cycle in 0..12 {
        let mut inputs = Vec::new();
        for (port, width) in ["a", "b", "c", "d"].into_iter().zip(INPUT_WIDTHS) {
            let value = match rng.random_range(0..5) {
                0 => Value::zero(width),
                1 => Value::ones(width),
                _ => random_value(&mut rng, width),
            };
            dut.set(port, &value);
            inputs.push(word(&value));
        }
        let values = machine.values(&inputs);
        for (port, step) in ["x", "y", "z"].into_iter().zip(program.outputs) {
            let (got, expected) = (word(&dut.get(port)), &values[step]);
            assert!(
                got == *expected,
                "program {seed}, cycle {cycle}, {port}: {got:?}, expected {expected:?}\n{program:#?}"
            );
        }
        machine.edge(&values);
        dut.step().unwrap();
    }
}

#[test]
fn thousands_of_random_machines_agree_with_their_evaluation_bit_by_bit() {
    let root = root_seed();
    let mut seeds = rng(root, "random_designs");
    // The exported ones first.
    for seed in 0..25 {
        check(seed, root);
    }
    for _ in 0..3_000 {
        check(seeds.random(), root);
    }
}

/// Every operation is drawn: what is not cannot be trusted.
#[test]
fn the_programs_use_every_operation() {
    let mut seen: Vec<String> = Vec::new();
    for seed in 0..200 {
        for step in Program::random(seed).steps {
            let name = format!("{:?}", step.operation);
            let name = name.split('(').next().unwrap_or_default().to_owned();
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
    }
    assert_eq!(seen.len(), 36, "{seen:?}");
}

/// The evaluation itself, on numbers small enough for Rust's own integers.
#[test]
fn the_evaluation_agrees_with_integers() {
    let mut rng = rng(root_seed(), "random_designs_integers");
    for _ in 0..2_000 {
        let width = rng.random_range(1..=120);
        let mask = (1u128 << width) - 1;
        let (a, b) = (rng.random::<u128>() & mask, rng.random::<u128>() & mask);
        let (x, y) = (word(&Value::new(width, a)), word(&Value::new(width, b)));
        let is = |got: Word, expected: u128| assert_eq!(got, word(&Value::new(width, expected)));
        is(add(&x, &y, false), (a + b) & mask);
        is(add(&x, &not(&y), true), a.wrapping_sub(b) & mask);
        is(add(&x, &vec![true; width], false), a.wrapping_sub(1) & mask);
        assert_eq!(less(&x, &y), a < b);
    }
}
