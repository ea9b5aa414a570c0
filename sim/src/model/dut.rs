//! A model as a design under test, so that the tests of a body also run on its Verilog.

use std::collections::HashMap;

use lauberhorn_hw::rtl::{self, AssertionFailed, Dut, Value};

use super::{Direction, Failure, Model, Port};

/// A model behind the trait that the interpreter implements too. Slower than the model itself:
/// ports go by name and values are copied.
pub struct ModelDut {
    model: Model,
    ports: Vec<rtl::PortInfo>,
    handles: HashMap<String, Port>,
}

impl ModelDut {
    /// Wraps a model; its ports have no fields.
    pub fn new(model: Model) -> Self {
        let mut handles = HashMap::new();
        let mut ports = Vec::new();
        for port in model.info().ports {
            if let Ok(handle) = model.port(port.name) {
                handles.insert(port.name.to_owned(), handle);
            }
            ports.push(rtl::PortInfo {
                name: port.name.to_owned(),
                width: port.width_bits as usize,
                direction: match port.direction {
                    Direction::Input => rtl::Direction::Input,
                    Direction::Output => rtl::Direction::Output,
                },
                clock: port.clock,
                layout: None,
            });
        }
        ModelDut {
            model,
            ports,
            handles,
        }
    }

    /// Wraps the model of a body, with that body's ports and their fields.
    ///
    /// # Panics
    /// If the model's ports are not the body's.
    pub fn with_ports(model: Model, ports: &[rtl::PortInfo]) -> Self {
        let mut dut = ModelDut::new(model);
        let key = |port: &rtl::PortInfo| (port.name.clone(), port.width);
        let mut body: Vec<_> = ports.iter().map(key).collect();
        let mut verilog: Vec<_> = dut.ports.iter().map(key).collect();
        body.sort();
        verilog.sort();
        assert_eq!(body, verilog, "ports of the body and of its Verilog");
        dut.ports = ports.to_vec();
        dut
    }

    /// The model.
    pub fn model(&mut self) -> &mut Model {
        &mut self.model
    }

    #[track_caller]
    fn handle(&self, port: &str) -> Port {
        let handle = self.handles.get(port);
        *handle.unwrap_or_else(|| panic!("no port {port}"))
    }
}

impl Dut for ModelDut {
    fn ports(&self) -> &[rtl::PortInfo] {
        &self.ports
    }

    #[track_caller]
    fn set(&mut self, port: &str, value: &Value) {
        let handle = self.handle(port);
        assert!(
            value.width() == handle.width_bits() as usize,
            "{port} has {} bits, given {}",
            handle.width_bits(),
            value.width()
        );
        self.model.set_limbs(handle, value.limbs());
    }

    #[track_caller]
    fn get(&mut self, port: &str) -> Value {
        let handle = self.handle(port);
        if let Err(failure) = self.model.settle() {
            panic!("{failure}");
        }
        let width = handle.width_bits() as usize;
        let mut limbs = vec![0; width.div_ceil(64)];
        self.model.get_limbs(handle, &mut limbs);
        Value::from_limbs(width, &limbs)
    }

    fn step(&mut self) -> Result<(), AssertionFailed> {
        self.model.step().map_err(|failure| named(*failure))
    }
}

/// The assertion's name in the body, or the whole message when another thing failed.
fn named(failure: Failure) -> AssertionFailed {
    let quoted = failure
        .message
        .split_once("assertion ")
        .and_then(|(_, rest)| rest.split_once(" does not hold"));
    let name = match quoted {
        Some((name, _)) => name.to_owned(),
        None => failure.message,
    };
    AssertionFailed {
        name,
        cycle: failure.cycle,
    }
}
