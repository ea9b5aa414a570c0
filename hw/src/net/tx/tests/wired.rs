//! The transmit path as interpreters of its leaves, wired as the composite wires them.

use crate::net::tx::admit::Admit;
use crate::net::tx::emit::Emit;
use crate::net::tx::gather::Gather;
use crate::net::tx::header::HeaderBuilder;
use crate::net::tx::neighbours::NeighbourTable;
use crate::net::tx::sessions::SessionTable;
use crate::rtl::{AssertionFailed, Dut, Interpreter, Leaf, PortInfo, Value};
use lauberhorn_interface::NicConfig;

const ADMIT: usize = 0;
const SESSIONS: usize = 1;
const NEIGHBOURS: usize = 2;
const GATHER: usize = 3;
const HEADER: usize = 4;
const EMIT: usize = 5;

/// From leaf and port to leaf and port; those that follow an input of the same cycle come after the
/// ones they follow.
const WIRES: &[(usize, &str, usize, &str)] = &[
    (SESSIONS, "verdict", ADMIT, "verdict"),
    (GATHER, "room", ADMIT, "room"),
    (EMIT, "room", ADMIT, "queue_room"),
    (ADMIT, "beat$valid", GATHER, "beat$valid"),
    (ADMIT, "beat$payload", GATHER, "beat$payload"),
    (ADMIT, "form$valid", HEADER, "form$valid"),
    (ADMIT, "form$payload", HEADER, "form$payload"),
    (ADMIT, "keep", GATHER, "keep"),
    (ADMIT, "events", EMIT, "admit_events"),
    (ADMIT, "check$valid", SESSIONS, "check$valid"),
    (ADMIT, "check$payload", SESSIONS, "check$payload"),
    (ADMIT, "peer$valid", HEADER, "peer$valid"),
    (ADMIT, "peer$payload", HEADER, "peer$payload"),
    (ADMIT, "peer$valid", NEIGHBOURS, "lookup$valid"),
    (ADMIT, "peer$payload", NEIGHBOURS, "lookup$payload"),
    (HEADER, "seed", GATHER, "seed"),
    (HEADER, "head", EMIT, "head"),
    (NEIGHBOURS, "result", EMIT, "neighbour"),
    (GATHER, "checksum$valid", EMIT, "checksum$valid"),
    (GATHER, "checksum$payload", EMIT, "checksum$payload"),
    (GATHER, "body$valid", EMIT, "body$valid"),
    (GATHER, "body$payload", EMIT, "body$payload"),
    (EMIT, "body$ready", GATHER, "body$ready"),
];

/// Bundle of the composite, leaf and bundle that it is linked to.
const OUTSIDE: &[(&str, usize, &str)] = &[
    ("message", ADMIT, "message"),
    ("reply", ADMIT, "reply"),
    ("lines_read", ADMIT, "lines_read"),
    ("lines_data", GATHER, "lines_data"),
    ("taken", ADMIT, "taken"),
    ("session_open", SESSIONS, "open"),
    ("session_owner", SESSIONS, "owner"),
    ("session", SESSIONS, "session"),
    ("neighbours", NEIGHBOURS, "write"),
    ("neighbour_read", NEIGHBOURS, "read"),
    ("neighbour_entry", NEIGHBOURS, "entry"),
    ("settings", ADMIT, "settings"),
    ("settings", HEADER, "settings"),
    ("settings", EMIT, "settings"),
    ("mac", EMIT, "mac"),
    ("free_sessions", SESSIONS, "free_sessions"),
    ("events", EMIT, "events"),
];

/// The composite, ready to run.
pub struct Wired {
    leaves: Vec<Interpreter>,
    ports: Vec<PortInfo>,
}

impl Wired {
    /// The transmit path of `config`.
    pub fn new(config: &NicConfig) -> Self {
        let leaves = vec![
            Interpreter::new(Admit::new(config).elaborate()),
            Interpreter::new(SessionTable::new(config.sessions()).elaborate()),
            Interpreter::new(NeighbourTable::new(config.neighbour_entries()).elaborate()),
            Interpreter::new(Gather::new(config).elaborate()),
            Interpreter::new(HeaderBuilder::default().elaborate()),
            Interpreter::new(Emit::default().elaborate()),
        ];
        let mut ports = Vec::<PortInfo>::new();
        for (outer, leaf, inner) in OUTSIDE {
            for port in leaves[*leaf].ports() {
                let Some(rest) = port.name.strip_prefix(inner) else {
                    continue;
                };
                let name = format!("{outer}{rest}");
                let whole = rest.is_empty() || rest.starts_with('$');
                if whole && ports.iter().all(|known| known.name != name) {
                    ports.push(PortInfo {
                        name,
                        ..port.clone()
                    });
                }
            }
        }
        Self { leaves, ports }
    }

    /// A leaf as it stands in this cycle; for looking only.
    pub fn leaf(&mut self, name: &str) -> &mut Interpreter {
        self.settle();
        let names = [
            "admit",
            "sessions",
            "neighbours",
            "gather",
            "header",
            "emit",
        ];
        let index = names.iter().position(|known| *known == name);
        &mut self.leaves[index.unwrap_or_else(|| panic!("no leaf {name}"))]
    }

    fn inner(port: &str) -> impl Iterator<Item = (usize, String)> {
        let (bundle, signal) = match port.split_once('$') {
            Some((bundle, signal)) => (bundle, format!("${signal}")),
            None => (port, String::new()),
        };
        OUTSIDE
            .iter()
            .filter(move |(outer, _, _)| *outer == bundle)
            .map(move |(_, leaf, inner)| (*leaf, format!("{inner}{signal}")))
    }

    fn settle(&mut self) {
        for (from, output, to, input) in WIRES {
            let value = self.leaves[*from].get(output);
            self.leaves[*to].set(input, &value);
        }
    }
}

impl Dut for Wired {
    fn ports(&self) -> &[PortInfo] {
        &self.ports
    }

    fn set(&mut self, port: &str, value: &Value) {
        if port == "reset" {
            for leaf in &mut self.leaves {
                leaf.set(port, value);
            }
            return;
        }
        for (leaf, inner) in Self::inner(port) {
            self.leaves[leaf].set(&inner, value);
        }
    }

    fn get(&mut self, port: &str) -> Value {
        self.settle();
        let (leaf, inner) = Self::inner(port)
            .next()
            .unwrap_or_else(|| panic!("no port {port}"));
        self.leaves[leaf].get(&inner)
    }

    fn step(&mut self) -> Result<(), AssertionFailed> {
        self.settle();
        self.leaves.iter_mut().try_for_each(Dut::step)
    }

    fn reset(&mut self) {
        for leaf in &mut self.leaves {
            leaf.reset();
        }
    }
}
