//! # Random machine
//! A block with a random body, for proving the builder itself: the body comes from a [`Program`],
//! which a test can evaluate in its own way. Non-goal: doing anything useful.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `a`, `b`, `c`, `d` | in | 64, 200, 8 and 1 bits | anything |
//! | `x`, `y`, `z` | out | 64, 200 and 1 bits | as the program says; `y` depends on all state |
//!
//! Latency: none promised; outputs are combinational. Throughput: one cycle of the program per clock.
//! Backpressure: none. Ordering: none.
//! Reset: every register has a reset value; the memory keeps its contents.
//! Errors: none. Counters: none.

use super::{Body, Expr, Leaf, MemoryStyle, Reg, Value};
use crate::design::Design;
use crate::leaf;
use rand::{Rng as _, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_hdl::prelude::*;

/// Widths of the inputs `a`, `b`, `c`, `d`.
pub const INPUT_WIDTHS: [usize; 4] = [64, 200, 8, 1];
/// Widths of the outputs `x`, `y`, `z`.
pub const OUTPUT_WIDTHS: [usize; 3] = [64, 200, 1];
/// Words of the memory.
pub const MEMORY_DEPTH: usize = 8;
/// Width of a memory word; it has four lanes.
pub const MEMORY_WIDTH: usize = 76;
const ADDRESS_BITS: usize = 3;
const MAX_WIDTH: usize = 200;

/// What a step computes from its operands.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// An input port.
    Input(usize),
    /// A constant.
    Literal(Value),
    /// A register's value.
    Register(usize),
    /// The registered read port of the memory: `[enable, address]`.
    ReadData,
    /// Combinational read of the memory: `[address]`.
    ReadNow,
    /// Complement.
    Not,
    /// And.
    And,
    /// Or.
    Or,
    /// Exclusive or.
    Xor,
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Equal.
    Eq,
    /// Different.
    Ne,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Unsigned greater.
    Gt,
    /// Unsigned greater or equal.
    Ge,
    /// `[selector, when set, when clear]`.
    Mux,
    /// First operand most significant.
    Cat,
    /// First operand least significant.
    CatLe,
    /// Bits from this position on, as many as the step is wide.
    Slice(usize),
    /// Copies side by side.
    Repeat(usize),
    /// Zero extension.
    Zext,
    /// Sign extension.
    Sext,
    /// Any bit set.
    Any,
    /// All bits set.
    All,
    /// Exclusive or of all bits.
    Parity,
    /// Number of set bits, wrapping.
    CountOnes,
    /// `[value, amount]`.
    ShiftLeft,
    /// `[value, amount]`.
    ShiftRight,
    /// Wrapping increment.
    Inc,
    /// Wrapping decrement.
    Dec,
    /// Bytes in opposite order.
    SwapBytes,
    /// `[index, items..]`; an index beyond the end gives the last item.
    Select,
    /// `[condition, value, condition, value, ..]`: OR of the chosen values.
    OneHot,
    /// Constant table: `[address]`.
    Rom(Vec<Value>),
}

/// One value of a program: an operation on earlier values.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub operation: Operation,
    /// Of which earlier steps.
    pub operands: Vec<usize>,
    /// Width of the result.
    pub width: usize,
}

/// What a program does at the clock edge; all numbers are steps unless named otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Assigns a register.
    Set {
        /// Number of the register.
        register: usize,
        /// Value.
        value: usize,
    },
    /// Writes the memory.
    Write {
        /// Address.
        address: usize,
        /// Word.
        data: usize,
        /// Lanes.
        mask: usize,
    },
    /// Arms with their conditions, then what happens when none holds.
    When(Vec<(usize, Vec<Statement>)>, Vec<Statement>),
    /// Subject, cases with literals that differ, default.
    Switch(usize, Vec<(u64, Vec<Statement>)>, Vec<Statement>),
}

/// A random synchronous machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Reset value of each register.
    pub registers: Vec<Value>,
    /// Values, in order of evaluation.
    pub steps: Vec<Step>,
    /// Clock edge, in order.
    pub statements: Vec<Statement>,
    /// Steps that drive the outputs.
    pub outputs: [usize; 3],
}

impl Program {
    /// The program of a seed.
    pub fn random(seed: u64) -> Self {
        let mut generator = Generator {
            rng: ChaCha8Rng::seed_from_u64(seed),
            program: Program::default(),
        };
        generator.run();
        generator.program
    }
}

struct Generator {
    rng: ChaCha8Rng,
    program: Program,
}

impl Generator {
    fn run(&mut self) {
        for (port, width) in INPUT_WIDTHS.into_iter().enumerate() {
            self.push(Operation::Input(port), vec![], width);
        }
        for register in 0..self.rng.random_range(1..5) {
            let width = self.width();
            let reset = self.literal(width);
            self.program.registers.push(reset);
            self.push(Operation::Register(register), vec![], width);
        }
        let (enable, address) = (self.pick(1), self.pick(ADDRESS_BITS));
        let data = self.push(Operation::ReadData, vec![enable, address], MEMORY_WIDTH);
        let sources = INPUT_WIDTHS.len() + self.program.registers.len();
        for _ in 0..self.rng.random_range(5..40) {
            self.step();
        }
        // Every register is assigned somewhere, most under conditions.
        for register in 0..self.program.registers.len() {
            let width = self.program.registers[register].width();
            let value = self.pick(width);
            self.program
                .statements
                .push(Statement::Set { register, value });
        }
        let write = self.write();
        self.program.statements.push(write);
        for _ in 0..self.rng.random_range(1..4) {
            let statement = self.statement(0);
            self.program.statements.push(statement);
        }
        // Whatever the statements fold to, each register is assigned something now and then.
        let literal = self.push(Operation::Literal(Value::new(8, 0x5a)), vec![], 8);
        let rarely = self.push(Operation::Eq, vec![2, literal], 1);
        for register in 0..self.program.registers.len() {
            let width = self.program.registers[register].width();
            let value = match width {
                1..64 => self.push(Operation::Slice(0), vec![0], width),
                _ => self.fit_zext(0, width),
            };
            let set = vec![Statement::Set { register, value }];
            let when = Statement::When(vec![(rarely, set)], vec![]);
            self.program.statements.push(when);
        }
        // `y` folds all inputs, all state and the last values, so that nothing goes unseen.
        let (x, z) = (self.pick(OUTPUT_WIDTHS[0]), self.pick(OUTPUT_WIDTHS[2]));
        let last = self.program.steps.len() - 1;
        let mut folded = self.fit(last, OUTPUT_WIDTHS[1]);
        for seen in (0..sources).chain([data]) {
            let wide = self.fit_zext(seen, OUTPUT_WIDTHS[1]);
            folded = self.push(Operation::Xor, vec![folded, wide], OUTPUT_WIDTHS[1]);
        }
        self.program.outputs = [x, folded, z];
    }

    fn push(&mut self, operation: Operation, operands: Vec<usize>, width: usize) -> usize {
        self.program.steps.push(Step {
            operation,
            operands,
            width,
        });
        self.program.steps.len() - 1
    }

    /// Mostly small widths, with the limb boundaries among them.
    fn width(&mut self) -> usize {
        match self.rng.random_range(0..6) {
            0 => 1,
            1 => [8, 63, 64, 65, 127, 128, 129][self.rng.random_range(0..7)],
            2 => self.rng.random_range(1..=MAX_WIDTH),
            _ => self.rng.random_range(2..=40),
        }
    }

    fn literal(&mut self, width: usize) -> Value {
        match self.rng.random_range(0..6) {
            0 => Value::zero(width),
            1 => Value::ones(width),
            2 => Value::from_limbs(width, &[1]),
            _ => {
                let limbs: Vec<_> = (0..width.div_ceil(64))
                    .map(|_| self.rng.next_u64())
                    .collect();
                Value::from_limbs(width, &limbs)
            }
        }
    }

    fn any(&mut self) -> usize {
        self.rng.random_range(0..self.program.steps.len())
    }

    /// Some earlier value, made `width` bits wide.
    fn pick(&mut self, width: usize) -> usize {
        if self.rng.random_ratio(1, 12) {
            let literal = self.literal(width);
            return self.push(Operation::Literal(literal), vec![], width);
        }
        let step = self.any();
        self.fit(step, width)
    }

    fn fit(&mut self, step: usize, width: usize) -> usize {
        match self.program.steps[step].width {
            own if own < width && self.rng.random() => {
                self.push(Operation::Sext, vec![step], width)
            }
            own if own > width => {
                let low = self.rng.random_range(0..=own - width);
                self.push(Operation::Slice(low), vec![step], width)
            }
            _ => self.fit_zext(step, width),
        }
    }

    fn fit_zext(&mut self, step: usize, width: usize) -> usize {
        match self.program.steps[step].width == width {
            true => step,
            false => self.push(Operation::Zext, vec![step], width),
        }
    }

    fn step(&mut self) {
        use Operation::*;
        let width = self.width();
        let kind = self.rng.random_range(0..22);
        match kind {
            0..=5 => {
                let operation = [And, Or, Xor, Add, Sub, Add][kind].clone();
                let operands = vec![self.pick(width), self.pick(width)];
                self.push(operation, operands, width);
            }
            6 | 7 => {
                let operation = [Eq, Ne, Lt, Le, Gt, Ge][self.rng.random_range(0..6)].clone();
                let operands = vec![self.pick(width), self.pick(width)];
                self.push(operation, operands, 1);
            }
            8 | 9 => {
                let operands = vec![self.pick(1), self.pick(width), self.pick(width)];
                self.push(Mux, operands, width);
            }
            10 => {
                let widths: Vec<_> = (0..self.rng.random_range(1..5))
                    .map(|_| self.rng.random_range(1..50))
                    .collect();
                let operands = widths.iter().map(|width| self.pick(*width)).collect();
                let operation = if self.rng.random() { Cat } else { CatLe };
                self.push(operation, operands, widths.iter().sum());
            }
            11 => {
                let (part, count) = (self.rng.random_range(1..40), self.rng.random_range(1..6));
                let operand = self.pick(part);
                self.push(Repeat(count), vec![operand], part * count);
            }
            12 => {
                let operation = [Any, All, Parity][self.rng.random_range(0..3)].clone();
                let operand = self.pick(width);
                self.push(operation, vec![operand], 1);
            }
            13 => {
                let (operand, count_width) = (self.pick(width), self.rng.random_range(1..10));
                self.push(CountOnes, vec![operand], count_width);
            }
            14 | 15 => {
                let operation = if self.rng.random() {
                    ShiftLeft
                } else {
                    ShiftRight
                };
                let amount_width = self.rng.random_range(1..10);
                let operands = vec![self.pick(width), self.pick(amount_width)];
                self.push(operation, operands, width);
            }
            16 => {
                let operation = [Not, Inc, Dec][self.rng.random_range(0..3)].clone();
                let operand = self.pick(width);
                self.push(operation, vec![operand], width);
            }
            17 => {
                let width = 8 * self.rng.random_range(1..25);
                let operand = self.pick(width);
                self.push(SwapBytes, vec![operand], width);
            }
            18 => {
                let index_width: usize = self.rng.random_range(1..4);
                let count = self.rng.random_range(1..=1 << index_width);
                let mut operands = vec![self.pick(index_width)];
                operands.extend((0..count).map(|_| self.pick(width)));
                self.push(Select, operands, width);
            }
            19 => {
                let mut operands = Vec::new();
                for _ in 0..self.rng.random_range(1..5) {
                    operands.extend([self.pick(1), self.pick(width)]);
                }
                self.push(OneHot, operands, width);
            }
            20 => {
                let address_width: usize = self.rng.random_range(1..5);
                let words = (0..1 << address_width)
                    .map(|_| self.literal(width))
                    .collect();
                let address = self.pick(address_width);
                self.push(Rom(words), vec![address], width);
            }
            _ => {
                let address = self.pick(ADDRESS_BITS);
                self.push(ReadNow, vec![address], MEMORY_WIDTH);
            }
        }
    }

    fn statements(&mut self, depth: usize) -> Vec<Statement> {
        let count = self.rng.random_range(0..3);
        (0..count).map(|_| self.statement(depth)).collect()
    }

    fn write(&mut self) -> Statement {
        Statement::Write {
            address: self.pick(ADDRESS_BITS),
            data: self.pick(MEMORY_WIDTH),
            mask: self.pick(4),
        }
    }

    fn statement(&mut self, depth: usize) -> Statement {
        match self.rng.random_range(0..if depth < 3 { 6 } else { 3 }) {
            0 | 1 => {
                let register = self.rng.random_range(0..self.program.registers.len());
                let value = self.pick(self.program.registers[register].width());
                Statement::Set { register, value }
            }
            2 => self.write(),
            3 | 4 => {
                let arms = (0..self.rng.random_range(1..4))
                    .map(|_| (self.pick(1), self.statements(depth + 1)))
                    .collect();
                Statement::When(arms, self.statements(depth + 1))
            }
            _ => {
                let subject = self.pick(2);
                let cases = (0..self.rng.random_range(1..4))
                    .map(|literal| (literal, self.statements(depth + 1)))
                    .collect();
                Statement::Switch(subject, cases, self.statements(depth + 1))
            }
        }
    }
}

/// The block.
#[derive(LogicBlock, Default)]
pub struct RandomMachine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Anything.
    pub a: Signal<In, Bits<64>>,
    /// Anything.
    pub b: Signal<In, Bits<200>>,
    /// Anything.
    pub c: Signal<In, Bits<8>>,
    /// Anything.
    pub d: Signal<In, Bit>,
    /// Some value of the program.
    pub x: Signal<Out, Bits<64>>,
    /// All inputs and all state, folded.
    pub y: Signal<Out, Bits<200>>,
    /// Some bit of the program.
    pub z: Signal<Out, Bit>,
    _program: Program,
}

impl RandomMachine {
    /// Runs `program`.
    pub fn new(program: Program) -> Self {
        Self {
            _program: program,
            ..Self::default()
        }
    }
}

impl Leaf for RandomMachine {
    fn body(&self, b: &Body) {
        let program = &self._program;
        let memory = b.memory(
            "words",
            MEMORY_DEPTH,
            MEMORY_WIDTH,
            MemoryStyle::Distributed,
        );
        let registers: Vec<_> = program
            .registers
            .iter()
            .enumerate()
            .map(|(index, reset)| b.reg_init(&format!("state{index}_q"), reset.clone()))
            .collect();
        let mut values: Vec<Expr<'_>> = Vec::new();
        for step in &program.steps {
            let of: Vec<_> = step
                .operands
                .iter()
                .map(|operand| values[*operand])
                .collect();
            values.push(match &step.operation {
                Operation::Input(0) => b.read(&self.a),
                Operation::Input(1) => b.read(&self.b),
                Operation::Input(2) => b.read(&self.c),
                Operation::Input(_) => b.read(&self.d),
                Operation::Register(index) => registers[*index].q(),
                Operation::ReadData => memory.read(of[0], of[1]),
                Operation::ReadNow => memory.read_now(of[0]),
                operation => apply(b, operation, &of, step.width),
            });
        }
        let write = |address: usize, data: usize, mask: usize| {
            memory.write_masked(values[address], values[data], values[mask]);
        };
        run(b, &program.statements, &values, &registers, &write);
        b.drive(&self.x, values[program.outputs[0]]);
        b.drive(&self.y, values[program.outputs[1]]);
        b.drive(&self.z, values[program.outputs[2]]);
    }
}
leaf!(impl[] RandomMachine { x, y, z });

fn apply<'b>(b: &'b Body, operation: &Operation, of: &[Expr<'b>], width: usize) -> Expr<'b> {
    match operation {
        Operation::Literal(value) => b.value(value.clone()),
        Operation::Not => !of[0],
        Operation::And => of[0] & of[1],
        Operation::Or => of[0] | of[1],
        Operation::Xor => of[0] ^ of[1],
        Operation::Add => of[0] + of[1],
        Operation::Sub => of[0] - of[1],
        Operation::Eq => of[0].eq(of[1]),
        Operation::Ne => of[0].ne(of[1]),
        Operation::Lt => of[0].lt(of[1]),
        Operation::Le => of[0].le(of[1]),
        Operation::Gt => of[0].gt(of[1]),
        Operation::Ge => of[0].ge(of[1]),
        Operation::Mux => of[0].mux(of[1], of[2]),
        Operation::Cat => b.cat(of),
        Operation::CatLe => b.cat_le(of),
        Operation::Slice(low) => of[0].slice(*low, width),
        Operation::Repeat(count) => of[0].repeat(*count),
        Operation::Zext => of[0].zext(width),
        Operation::Sext => of[0].sext(width),
        Operation::Any => of[0].any(),
        Operation::All => of[0].all(),
        Operation::Parity => of[0].parity(),
        Operation::CountOnes => of[0].count_ones(width),
        Operation::ShiftLeft => of[0].shift_left(of[1]),
        Operation::ShiftRight => of[0].shift_right(of[1]),
        Operation::Inc => of[0].inc(),
        Operation::Dec => of[0].dec(),
        Operation::SwapBytes => of[0].swap_bytes(),
        Operation::Select => b.select(&of[1..], of[0]),
        Operation::OneHot => {
            let choices: Vec<_> = of.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            b.one_hot(&choices)
        }
        Operation::Rom(words) => b.rom("table", words, of[0]),
        Operation::Input(_) | Operation::Register(_) | Operation::ReadData | Operation::ReadNow => {
            unreachable!("sources are made by the caller")
        }
    }
}

fn run<'b>(
    b: &'b Body,
    statements: &[Statement],
    values: &[Expr<'b>],
    registers: &[Reg<'b>],
    write: &dyn Fn(usize, usize, usize),
) {
    for statement in statements {
        let inner = |inner: &[Statement]| run(b, inner, values, registers, write);
        match statement {
            Statement::Set { register, value } => registers[*register].set(values[*value]),
            Statement::Write {
                address,
                data,
                mask,
            } => write(*address, *data, *mask),
            Statement::When(arms, otherwise) => {
                let mut chain = b.when(values[arms[0].0], || inner(&arms[0].1));
                for (condition, arm) in &arms[1..] {
                    chain = chain.or_when(values[*condition], || inner(arm));
                }
                chain.otherwise(|| inner(otherwise));
            }
            Statement::Switch(subject, cases, default) => {
                let mut switch = b.switch(values[*subject]);
                for (literal, case) in cases {
                    switch = switch.case(u128::from(*literal), || inner(case));
                }
                switch.default(|| inner(default));
            }
        }
    }
}

/// Machines that are emitted and run against their own Verilog.
pub fn designs() -> Vec<Design> {
    let machine = |seed: u64| {
        let machine = RandomMachine::new(Program::random(seed));
        Design::leaf(&format!("random_{seed}"), machine)
    };
    // Program 7 compares with what happens to be zero, which lint calls a mistake.
    (0..25).filter(|seed| *seed != 7).map(machine).collect()
}
