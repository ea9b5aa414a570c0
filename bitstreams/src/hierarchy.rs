//! # Hierarchy
//! The modules of a design's Verilog: leaves, which are mapped one by one, and composites, which
//! only wire. Instances of a leaf that differ in nothing but their module's name are one leaf, and so
//! are blocks of a row (`rx$1`, `rx$2`...) that differ only in the values of constants, such as the
//! number of an endpoint: the first stands for all.
//!
//! It reads the shapes that this project emits, line by line. A composite with anything but
//! instances and wires in it is an error that shows the line.

use crate::error::Error;
use lauberhorn_interface::hash::fnv1a;
use std::collections::BTreeMap;

/// Name of the module of every leaf of ours.
const TOP: &str = "top";

/// A module.
#[derive(Clone, Debug)]
pub enum Module {
    /// Logic.
    Leaf(Leaf),
    /// Wires.
    Composite(Composite),
}

/// A leaf, apart from its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Name of its outermost module.
    pub top: String,
    /// Its text as it is synthesised: the module is called `top`, assertions are left out.
    pub verilog: String,
    /// It may have block RAM: with ours, a memory says so.
    pub block_ram: bool,
}

impl Leaf {
    /// What tells it from other leaves.
    pub fn content(&self) -> u64 {
        fnv1a(self.verilog.as_bytes())
    }
}

/// A composite.
#[derive(Clone, Default, Debug)]
pub struct Composite {
    /// Input ports.
    pub inputs: Vec<String>,
    /// Output ports.
    pub outputs: Vec<String>,
    /// Blocks in it.
    pub instances: Vec<Instance>,
    /// Pairs of nets that are one.
    pub links: Vec<(String, String)>,
}

/// A block in a composite.
#[derive(Clone, Default, Debug)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: String,
    /// Ports and the nets on them.
    pub pins: Vec<(String, String)>,
}

/// The modules of a design.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// By name.
    pub modules: BTreeMap<String, Module>,
    /// The outermost.
    pub top: String,
}

impl Hierarchy {
    /// Reads `verilog` with the outermost module `top`.
    pub fn parse(verilog: &str, top: &str) -> Result<Self, Error> {
        let mut modules = BTreeMap::new();
        let mut lines = verilog.lines();
        while let Some(line) = lines.next() {
            let Some(name) = module_name(line) else {
                continue;
            };
            let mut text = vec![line];
            for line in lines.by_ref() {
                text.push(line);
                if line.starts_with("endmodule") {
                    break;
                }
            }
            let is_composite = text.iter().any(|l| l.trim() == "// Sub module instances");
            let module = match is_composite {
                true => Module::Composite(composite(name, &text)?),
                false => Module::Leaf(leaf(name, &text)),
            };
            modules.insert(name.to_owned(), module);
        }
        share_rows(&mut modules);
        match modules.contains_key(top) {
            true => Ok(Self {
                modules,
                top: top.to_owned(),
            }),
            false => Err(Error::NoTop(top.to_owned())),
        }
    }

    /// Verilog of others, `top` with all below it, as one leaf.
    pub fn foreign(verilog: &str, top: &str) -> Self {
        let leaf = Leaf {
            top: top.to_owned(),
            verilog: verilog.to_owned(),
            block_ram: true,
        };
        Self {
            modules: BTreeMap::from([(top.to_owned(), Module::Leaf(leaf))]),
            top: top.to_owned(),
        }
    }

    /// The outermost module, when it is a leaf.
    pub fn leaf(&self) -> Option<&Leaf> {
        match self.modules.get(&self.top) {
            Some(Module::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// All that the composites say, as text.
    pub fn wiring(&self) -> String {
        let composites = self
            .modules
            .iter()
            .filter_map(|(name, module)| match module {
                Module::Composite(composite) => Some(format!("{name} {composite:?}\n")),
                Module::Leaf(_) => None,
            });
        composites.collect()
    }

    /// All leaves.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.modules.values().filter_map(|module| match module {
            Module::Leaf(leaf) => Some(leaf),
            Module::Composite(_) => None,
        })
    }
}

/// Lets the first leaf of a row stand for those that differ from it only in values.
fn share_rows(modules: &mut BTreeMap<String, Module>) {
    let mut firsts: BTreeMap<(String, String), Leaf> = BTreeMap::new();
    for (name, module) in modules {
        if let Module::Leaf(leaf) = module {
            let key = (row(name), without_values(&leaf.verilog));
            *leaf = firsts.entry(key).or_insert_with(|| leaf.clone()).clone();
        }
    }
}

/// The text with the digits of every sized constant (`5'h1f`) left out.
fn without_values(verilog: &str) -> String {
    let mut pieces = verilog.split("'h");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += "'h";
        text += piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    text
}

/// `rx$*$ready` of `rx$3$ready`: a row of ports or blocks has one name here.
pub(crate) fn row(name: &str) -> String {
    let parts = name.split('$').map(|part| match part.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join("$")
}

fn module_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("module ")?;
    Some(rest.split('(').next().unwrap_or(rest).trim())
}

/// Synthesis sees nothing between these lines.
fn without_assertions<'l>(text: &[&'l str]) -> Vec<&'l str> {
    let mut inside = false;
    let mut kept = Vec::new();
    for line in text {
        match line.trim() {
            "`ifndef SYNTHESIS" => inside = true,
            "`endif" if inside => inside = false,
            _ if inside => {}
            _ => kept.push(*line),
        }
    }
    kept
}

fn leaf(name: &str, text: &[&str]) -> Leaf {
    let mut verilog = String::new();
    for line in without_assertions(text) {
        match line {
            _ if line.starts_with("module ") => {
                verilog += &line.replacen(name, TOP, 1);
            }
            _ if line.starts_with("endmodule") => verilog += "endmodule",
            _ => verilog += line.trim_end(),
        }
        verilog.push('\n');
    }
    Leaf {
        top: TOP.to_owned(),
        block_ram: verilog.contains("ram_style = \"block\""),
        verilog,
    }
}

fn composite(name: &str, text: &[&str]) -> Result<Composite, Error> {
    let mut composite = Composite::default();
    let mut instance: Option<Instance> = None;
    for line in &without_assertions(text)[1..] {
        let line = line.trim();
        let unknown = || Error::NotWiring {
            module: name.to_owned(),
            line: line.to_owned(),
        };
        if let Some(current) = &mut instance {
            if line == ");" {
                composite.instances.extend(instance.take());
                continue;
            }
            let pin = line.trim_end_matches(',').strip_prefix('.');
            let pin = pin.and_then(|pin| pin.strip_suffix(')')?.split_once('('));
            let (port, net) = pin.ok_or_else(unknown)?;
            current.pins.push((port.to_owned(), net.to_owned()));
            continue;
        }
        let statement = line.strip_suffix(';');
        let declared = |keyword: &str| {
            let rest = statement?.strip_prefix(keyword)?;
            rest.rsplit(' ').next().map(str::to_owned)
        };
        if line.is_empty()
            || line.starts_with("//")
            || line.starts_with("wire unused_output_")
            || line.starts_with("endmodule")
            || ["always @(*) begin", "end"].contains(&line)
        {
            continue;
        }
        if let Some(port) = declared("input ") {
            composite.inputs.push(port);
        } else if let Some(port) = declared("output ") {
            composite.outputs.push(port);
        } else if let Some((to, from)) = statement.and_then(|s| s.split_once(" = ")) {
            let to = to.strip_prefix("always @(*) ").unwrap_or(to);
            let is_name = |text: &str| {
                text.bytes()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'$' | b'_'))
            };
            if !is_name(to) || !is_name(from) {
                return Err(unknown());
            }
            composite.links.push((to.to_owned(), from.to_owned()));
        } else if let Some((module, name)) = line.strip_suffix('(').and_then(|l| l.split_once(' '))
        {
            instance = Some(Instance {
                name: name.to_owned(),
                module: module.to_owned(),
                pins: Vec::new(),
            });
        } else if declared("wire ").or_else(|| declared("reg ")).is_none() {
            return Err(unknown());
        }
    }
    Ok(composite)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGN: &str = "
module top(clock,a,b);

    input wire  clock;
    input wire  [3:0] a;
    output reg  [3:0] b;

    // Stub signals
    reg  one$clock;
    wire  [3:0] one$b;

    // Sub module instances
    top$one one(
        .clock(one$clock),
        .a(a),
        .b(one$b)
    );

    // Update code
    always @(*) begin
        one$clock = clock;
    end
    always @(*) b = one$b;
endmodule // top

module top$one(clock,a,b);
    input wire  clock;
    `ifndef SYNTHESIS
    always @(posedge clock) ok: assert (a);
    `endif
endmodule // top$one
";

    #[test]
    fn tells_wires_from_leaves_and_leaves_by_content() {
        let hierarchy = Hierarchy::parse(DESIGN, "top").unwrap();
        assert!(hierarchy.leaf().is_none());
        let Module::Composite(top) = &hierarchy.modules["top"] else {
            panic!("top wires");
        };
        assert_eq!(top.inputs, ["clock", "a"]);
        assert_eq!(top.outputs, ["b"]);
        assert_eq!(top.instances[0].pins[1], ("a".to_owned(), "a".to_owned()));
        assert_eq!(top.links.len(), 2);
        let leaf = hierarchy.leaves().next().unwrap();
        assert!(leaf.verilog.starts_with("module top(clock,a,b);"));
        assert!(!leaf.verilog.contains("assert"));
        let again = leaf.verilog.replace("module top(", "module top$two(");
        let again = Hierarchy::parse(&again, "top$two").unwrap();
        assert_eq!(again.leaf().unwrap().content(), leaf.content());
    }

    #[test]
    fn the_first_of_a_row_stands_for_those_with_other_constants() {
        let block = |name: &str, value: &str| {
            format!("module top$rx${name}(a);\n    wire x = a == 5'h{value};\nendmodule\n")
        };
        let text = block("0", "00") + &block("1", "1f") + DESIGN;
        let hierarchy = Hierarchy::parse(&text, "top").unwrap();
        let leaves: Vec<_> = hierarchy.leaves().map(Leaf::content).collect();
        assert_eq!(leaves.len(), 3);
        assert_eq!(leaves[1], leaves[2]);
        let other = text.replace("5'h1f", "6'h1f");
        let hierarchy = Hierarchy::parse(&other, "top").unwrap();
        let leaves: Vec<_> = hierarchy.leaves().map(Leaf::content).collect();
        assert_ne!(leaves[1], leaves[2]);
    }

    #[test]
    fn refuses_logic_in_a_composite() {
        let logic = DESIGN.replace("b = one$b", "b = one$b & a");
        let error = Hierarchy::parse(&logic, "top").unwrap_err().to_string();
        assert!(error.contains("b = one$b & a"), "{error}");
    }
}
