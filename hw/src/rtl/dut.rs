//! What every running design under test offers, whichever judge runs it.

use super::ports::{Direction, PortInfo};
use super::value::Value;

/// An assertion of the body did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("assertion {name} does not hold in cycle {cycle}")]
pub struct AssertionFailed {
    /// Its name in the body.
    pub name: String,
    /// Clock cycle, counted from construction.
    pub cycle: u64,
}

/// A running design: set inputs, look at outputs, take a clock edge.
///
/// Outputs follow the inputs of the same cycle; `step` is one rising edge of every clock.
pub trait Dut {
    /// All ports.
    fn ports(&self) -> &[PortInfo];
    /// Sets an input port; panics when there is none of that name and width.
    fn set(&mut self, port: &str, value: &Value);
    /// Reads a port as it stands in this cycle.
    fn get(&mut self, port: &str) -> Value;
    /// Takes one clock edge.
    ///
    /// # Errors
    /// An assertion that does not hold before the edge.
    fn step(&mut self) -> Result<(), AssertionFailed>;

    /// Sets an input port to an integer.
    #[track_caller]
    fn poke(&mut self, port: &str, value: u64) {
        let width = self.port(port).width;
        self.set(port, &Value::new(width, u128::from(value)));
    }

    /// Reads a port of up to 64 bits as an integer.
    #[track_caller]
    fn peek(&mut self, port: &str) -> u64 {
        self.get(port).to_u64()
    }

    /// Reads a field of a struct port.
    #[track_caller]
    fn get_field(&mut self, port: &str, path: &str) -> Value {
        let (low, width) = self.field(port, path);
        self.get(port).slice(low, width)
    }

    /// Reads a field of up to 64 bits of a struct port.
    #[track_caller]
    fn peek_field(&mut self, port: &str, path: &str) -> u64 {
        self.get_field(port, path).to_u64()
    }

    /// Sets one field of a struct input port, the others stay.
    #[track_caller]
    fn set_field(&mut self, port: &str, path: &str, value: &Value) {
        let (low, width) = self.field(port, path);
        assert!(
            width == value.width(),
            "{port}.{path} has {width} bits, given {}",
            value.width()
        );
        let mut whole = self.get(port);
        whole.set_slice(low, value);
        self.set(port, &whole);
    }

    /// Sets one field of a struct input port to an integer, the others stay.
    #[track_caller]
    fn poke_field(&mut self, port: &str, path: &str, value: u64) {
        let (_, width) = self.field(port, path);
        self.set_field(port, path, &Value::new(width, u128::from(value)));
    }

    /// Looks a port up; panics when there is none.
    #[track_caller]
    fn port(&self, name: &str) -> &PortInfo {
        self.ports()
            .iter()
            .find(|port| port.name == name)
            .unwrap_or_else(|| panic!("no port {name}"))
    }

    /// Lowest bit and width of a field of a struct port.
    #[track_caller]
    fn field(&self, port: &str, path: &str) -> (usize, usize) {
        let layout = self.port(port).layout.as_ref();
        let found = layout.and_then(|layout| layout.find(path));
        let (low, width, _) = found.unwrap_or_else(|| panic!("port {port} has no field {path}"));
        (low, width)
    }

    /// Holds `reset` for two cycles with every other input at zero.
    fn reset(&mut self) {
        let inputs: Vec<_> = self
            .ports()
            .iter()
            .filter(|port| port.direction == Direction::Input && !port.clock)
            .map(|port| (port.name.clone(), port.width))
            .collect();
        for (name, width) in &inputs {
            let value = match name.ends_with("reset") {
                true => Value::ones(*width),
                false => Value::zero(*width),
            };
            self.set(name, &value);
        }
        for _ in 0..2 {
            self.step().expect("assertions are off in reset");
        }
        for (name, width) in inputs.iter().filter(|(name, _)| name.ends_with("reset")) {
            self.set(name, &Value::zero(*width));
        }
    }
}
