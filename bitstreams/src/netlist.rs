//! # Netlist
//! The mapped netlist as yosys writes it (`write_json`), flattened to one module.

use crate::error::Error;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A net of one bit, by yosys' number.
pub type Net = u32;

/// One module.
#[derive(Debug)]
pub struct Netlist {
    /// Its cells, in the order of their names.
    pub cells: Vec<Cell>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// One above the highest net.
    pub nets_end: Net,
    names: HashMap<Net, String>,
}

/// A cell.
#[derive(Debug)]
pub struct Cell {
    /// Instance name.
    pub name: String,
    /// Type, such as `LUT6`.
    pub kind: String,
    /// Parameters: bit strings and texts.
    pub parameters: BTreeMap<String, String>,
    /// Its ports.
    pub pins: Vec<Pin>,
}

/// The connection of one port of a cell.
#[derive(Debug)]
pub struct Pin {
    /// Port name.
    pub port: String,
    /// The cell drives it.
    pub output: bool,
    /// Nets, least significant first; `None` is a constant.
    pub nets: Vec<Option<Net>>,
}

/// A port of the module.
#[derive(Debug)]
pub struct Port {
    /// Name.
    pub name: String,
    /// The module drives it.
    pub output: bool,
    /// Nets, least significant first; `None` is a constant.
    pub nets: Vec<Option<Net>>,
}

#[derive(Deserialize)]
struct Document {
    modules: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    ports: BTreeMap<String, RawPort>,
    cells: BTreeMap<String, RawCell>,
    #[serde(default)]
    netnames: BTreeMap<String, RawName>,
}

#[derive(Deserialize)]
struct RawPort {
    direction: String,
    bits: Vec<Value>,
}

#[derive(Deserialize)]
struct RawCell {
    r#type: String,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    port_directions: BTreeMap<String, String>,
    connections: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct RawName {
    #[serde(default)]
    hide_name: u32,
    bits: Vec<Value>,
}

fn net(value: &Value) -> Option<Net> {
    value.as_u64().and_then(|net| Net::try_from(net).ok())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim_end().to_owned(),
        other => other.to_string(),
    }
}

impl Netlist {
    /// Reads module `top`.
    pub fn parse(json: &str, top: &str) -> Result<Self, Error> {
        let mut document: Document = serde_json::from_str(json).map_err(|source| Error::Json {
            what: format!("the netlist of {top}"),
            source,
        })?;
        let module = document
            .modules
            .remove(top)
            .ok_or_else(|| Error::NoTop(top.to_owned()))?;
        let ports: Vec<Port> = module
            .ports
            .into_iter()
            .map(|(name, port)| Port {
                name,
                output: port.direction != "input",
                nets: port.bits.iter().map(net).collect(),
            })
            .collect();
        let cells: Vec<Cell> = module
            .cells
            .into_iter()
            .map(|(name, cell)| Cell {
                pins: cell
                    .connections
                    .iter()
                    .map(|(port, bits)| Pin {
                        port: port.clone(),
                        output: cell.port_directions.get(port).is_some_and(|d| d != "input"),
                        nets: bits.iter().map(net).collect(),
                    })
                    .collect(),
                name,
                kind: cell.r#type,
                parameters: cell
                    .parameters
                    .iter()
                    .map(|(key, value)| (key.clone(), text(value)))
                    .collect(),
            })
            .collect();
        let nets_end = cells
            .iter()
            .flat_map(|cell| &cell.pins)
            .map(|pin| &pin.nets)
            .chain(ports.iter().map(|port| &port.nets))
            .flatten()
            .flatten()
            .max()
            .map_or(0, |net| net + 1);
        Ok(Self {
            cells,
            ports,
            nets_end,
            names: names(&module.netnames),
        })
    }

    /// The name that a designer recognises, with the bit; a number when synthesis made the net.
    pub fn name(&self, net: Net) -> String {
        match self.names.get(&net) {
            Some(name) => name.clone(),
            None => format!("net {net}"),
        }
    }

    /// True when the net has a name of the source.
    pub fn is_named(&self, net: Net) -> bool {
        self.names.contains_key(&net)
    }
}

impl Cell {
    /// Nets of port `port`; none when it is not connected.
    pub fn nets(&self, port: &str) -> &[Option<Net>] {
        self.pins
            .iter()
            .find(|pin| pin.port == port)
            .map_or(&[], |pin| &pin.nets)
    }

    /// The only net of port `port`.
    pub fn net(&self, port: &str) -> Option<Net> {
        self.nets(port).first().copied().flatten()
    }

    /// Numeric value of a parameter; 0 when it is absent or no number.
    pub fn number(&self, parameter: &str) -> u64 {
        let text = self.parameters.get(parameter).map_or("0", String::as_str);
        u64::from_str_radix(text, 2).unwrap_or(0)
    }

    /// True when a parameter says `TRUE`.
    pub fn is_true(&self, parameter: &str) -> bool {
        self.parameters
            .get(parameter)
            .is_some_and(|text| text == "TRUE")
    }
}

/// How good a name is; the lowest is the best.
type Rank = (bool, bool, usize, usize);

/// True for the names that the builder gives to what has none, such as `n17`.
fn is_numbered(name: &str) -> bool {
    let digits = name.strip_prefix('n');
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
}

/// For each net the best of its names: not made by the tool, register names (`_q`) first, numbers
/// last, then the outermost and shortest.
fn names(raw: &BTreeMap<String, RawName>) -> HashMap<Net, String> {
    let mut best: HashMap<Net, (Rank, String)> = HashMap::new();
    for (name, entry) in raw.iter().filter(|(_, entry)| entry.hide_name == 0) {
        let rank = (
            !name.ends_with("_q"),
            is_numbered(name),
            name.matches('.').count(),
            name.len(),
        );
        for (index, bit) in entry.bits.iter().enumerate() {
            let Some(net) = net(bit) else { continue };
            let better = best.get(&net).is_none_or(|(other, _)| rank < *other);
            if better {
                let full = match entry.bits.len() {
                    1 => name.clone(),
                    _ => format!("{name}[{index}]"),
                };
                best.insert(net, (rank, full));
            }
        }
    }
    best.into_iter()
        .map(|(net, (_, name))| (net, name))
        .collect()
}
