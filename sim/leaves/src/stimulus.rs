//! Random inputs for any block.

use std::collections::{HashMap, VecDeque};

use lauberhorn_hw::rtl::{Direction, Layout, PortInfo, Value};
use lauberhorn_interface::registers::registers;
use lauberhorn_interface::table_hash::ServiceKey;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::workload::{CallSpec, Route};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Cycles for which single bits keep their odds and plain signals their value, so that long stalls,
/// full throughput, long packets and steady settings occur.
const PHASE_CYCLES: u64 = 48;

/// Values of a width that are remembered.
const REMEMBERED: usize = 8;

/// Redraws of one cycle's inputs before only quiet ones are tried.
pub const REDRAWS: u32 = 12;

/// A part of an input that is drawn on its own: a field of a struct, or the whole port.
struct Field {
    low: usize,
    width: usize,
    /// Odds of a one, of a single bit.
    odds: f64,
}

/// One input port.
struct Input {
    fields: Vec<Field>,
    width: usize,
    reset: bool,
    /// Neither a stream nor a flow: keeps its value for a while.
    steady: bool,
}

/// Draws inputs that a block can do something with: values come again, so that addresses, keys and
/// handles meet; wide data is often the beat of an RPC call.
pub struct Stimulus {
    rng: ChaCha8Rng,
    inputs: Vec<Input>,
    row: Vec<Value>,
    /// Values that mean something, and values of this run, by width.
    known: HashMap<usize, Vec<Value>>,
    seen: HashMap<usize, VecDeque<Value>>,
    beats: Vec<Vec<u8>>,
}

impl Stimulus {
    /// For a block with these ports; clocks are not among its inputs.
    pub fn new(ports: &[PortInfo], seed: Seed, name: &str) -> Self {
        let streams: Vec<&str> = ports
            .iter()
            .filter_map(|port| port.name.strip_suffix("$valid"))
            .collect();
        let inputs: Vec<_> = ports
            .iter()
            .filter(|port| port.direction == Direction::Input && !port.clock)
            .map(|port| {
                let bundle = port.name.rsplit_once('$');
                let streamed = bundle.is_some_and(|(bundle, _)| streams.contains(&bundle))
                    || port.name.ends_with("$ready");
                let mut fields = Vec::new();
                split(0, port.width, port.layout.as_deref(), &mut fields);
                Input {
                    fields,
                    width: port.width,
                    reset: port.name.ends_with("reset"),
                    steady: !streamed,
                }
            })
            .collect();
        let row = inputs
            .iter()
            .map(|input| Value::zero(input.width))
            .collect();
        let mut stimulus = Stimulus {
            rng: seed.stream(name),
            inputs,
            row,
            known: HashMap::new(),
            seen: HashMap::new(),
            beats: Vec::new(),
        };
        stimulus.learn_calls();
        stimulus
    }

    /// Beats of calls, and the addresses in them.
    fn learn_calls(&mut self) {
        let route = Route {
            client_mac: [2, 0, 0, 0, 0, 9],
            client_ipv4: [10, 0, 0, 9],
            client_port: 700,
            card_mac: [2, 0, 0, 0, 0, 1],
            card_ipv4: [10, 0, 0, 1],
        };
        let key = ServiceKey {
            program: 100_000,
            version: 2,
            procedure: 3,
            port: 111,
        };
        for words in [0, 1, 12, 40] {
            let arguments = (0..4 * words).map(|byte| byte as u8).collect();
            let frame = CallSpec::new(words, key, arguments).frame(&route);
            let beats = frame.chunks(64).map(<[u8]>::to_vec);
            self.beats.extend(beats);
        }
        for (width, value) in [
            (48, u128::from(u64::from_le_bytes([2, 0, 0, 0, 0, 1, 0, 0]))),
            (32, u128::from(u32::from_be_bytes(route.card_ipv4))),
            (32, u128::from(u32::from_le_bytes(route.card_ipv4))),
            (32, u128::from(key.program)),
            (16, u128::from(key.port)),
        ] {
            self.know(Value::new(width, value));
        }
        for register in registers() {
            self.know(Value::new(16, u128::from(register.address)));
        }
    }

    fn know(&mut self, value: Value) {
        self.known.entry(value.width()).or_default().push(value);
    }

    /// The inputs of the last draw.
    pub fn row(&self) -> &[Value] {
        &self.row
    }

    /// Keeps a value to be drawn again, for example an id that the block gave.
    pub fn remember(&mut self, value: &Value) {
        if value.width() > 1 && value.width() <= 64 {
            let seen = self.seen.entry(value.width()).or_default();
            seen.truncate(REMEMBERED - 1);
            seen.push_front(value.clone());
        }
    }

    /// Remembers the fields of an output.
    pub fn remember_output(&mut self, port: &PortInfo, value: &Value) {
        let mut fields = Vec::new();
        split(0, port.width, port.layout.as_deref(), &mut fields);
        for field in fields {
            self.remember(&value.slice(field.low, field.width));
        }
    }

    /// Holds all resets, everything else zero.
    pub fn reset(&mut self) {
        for (input, value) in self.inputs.iter().zip(&mut self.row) {
            *value = match input.reset {
                true => Value::ones(input.width),
                false => Value::zero(input.width),
            };
        }
    }

    /// The inputs of a cycle. With every redraw less happens in it, until nothing does; then there
    /// is nothing left but a reset.
    pub fn draw(&mut self, cycle: u64, redraw: u32) {
        let new_phase = cycle % PHASE_CYCLES == 0 && redraw == 0;
        if redraw > REDRAWS {
            return self.reset();
        }
        let quiet = redraw == REDRAWS;
        for index in 0..self.inputs.len() {
            if new_phase {
                for field in &mut self.inputs[index].fields {
                    field.odds = [0.02, 0.1, 0.5, 0.9, 1.0][self.rng.random_range(0..5)];
                }
            }
            let Input {
                width,
                reset,
                steady,
                ..
            } = self.inputs[index];
            let mut value = self.row[index].clone();
            if reset {
                let rarely = !quiet && self.rng.random_ratio(1, 300);
                value = Value::new(width, u128::from(rarely));
            } else if quiet && width == 1 {
                value = Value::zero(1);
            } else if !steady || new_phase || redraw > 0 {
                for field in 0..self.inputs[index].fields.len() {
                    let Field { low, width, odds } = self.inputs[index].fields[field];
                    let odds = odds / f64::from(redraw + 1);
                    value.set_slice(low, &self.field(width, odds));
                }
            }
            self.row[index] = value;
        }
    }

    fn field(&mut self, width: usize, odds: f64) -> Value {
        if width == 1 {
            return Value::new(1, u128::from(self.rng.random_bool(odds)));
        }
        let limbs: Vec<u64> = (0..width.div_ceil(64)).map(|_| self.rng.random()).collect();
        let value = match self.rng.random_range(0..10) {
            0 => Value::zero(width),
            1 => Value::ones(width),
            // A mask that begins below, such as the valid bytes of a beat.
            2 => low_ones(width, self.rng.random_range(0..=width)),
            3 => Value::from_limbs(width, &[limbs[0] & 7]),
            4..7 if width == 512 => self.beat(),
            4..7 => self
                .again(width)
                .unwrap_or(Value::from_limbs(width, &limbs)),
            _ => Value::from_limbs(width, &limbs),
        };
        if self.rng.random_ratio(1, 4) {
            self.remember(&value);
        }
        value
    }

    /// A value that was there before or means something.
    fn again(&mut self, width: usize) -> Option<Value> {
        let known = self
            .known
            .get(&width)
            .filter(|_| self.rng.random_ratio(1, 2));
        match (known, self.seen.get(&width)) {
            (Some(known), _) => Some(known[self.rng.random_range(0..known.len())].clone()),
            (None, Some(seen)) => Some(seen[self.rng.random_range(0..seen.len())].clone()),
            (None, None) => None,
        }
    }

    /// A beat of a call, at times with a byte of it changed.
    fn beat(&mut self) -> Value {
        let mut beat = self.beats[self.rng.random_range(0..self.beats.len())].clone();
        if self.rng.random_ratio(1, 3) {
            let at = self.rng.random_range(0..beat.len());
            beat[at] = self.rng.random();
        }
        beat.resize(64, 0);
        Value::from_bytes(512, &beat)
    }
}

fn low_ones(width: usize, count: usize) -> Value {
    let mut value = Value::zero(width);
    if count > 0 {
        value.set_slice(0, &Value::ones(count));
    }
    value
}

/// Collects the fields of a port down to plain bits.
fn split(low: usize, width: usize, layout: Option<&Layout>, fields: &mut Vec<Field>) {
    let Some(layout) = layout else {
        let odds = 1.0;
        return fields.push(Field { low, width, odds });
    };
    for name in layout.names() {
        let (at, width, inner) = layout.find(name).expect("a name of its own");
        split(low + at, width, inner.as_deref(), fields);
    }
}
