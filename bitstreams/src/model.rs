//! # Models
//! A leaf as the blocks around it see it: what it takes, its worst path, and for each port what the
//! logic between the port and the nearest registers costs. Ports of a row (`rx$0`, `rx$1`...) and
//! the bits of a port are one: the slowest of them.

use crate::delay::Ps;
use crate::resources::Resources;
use crate::sta::Analysis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cost of a stretch of logic, under both net models.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "(Ps, Ps, u32)", into = "(Ps, Ps, u32)")]
pub struct Cost {
    /// Nets grow with their loads.
    pub fanout: Ps,
    /// Every net costs AMD's budget.
    pub budget: Ps,
    /// Logic levels.
    pub levels: u32,
}

impl From<(Ps, Ps, u32)> for Cost {
    fn from((fanout, budget, levels): (Ps, Ps, u32)) -> Self {
        Self {
            fanout,
            budget,
            levels,
        }
    }
}

impl From<Cost> for (Ps, Ps, u32) {
    fn from(cost: Cost) -> Self {
        (cost.fanout, cost.budget, cost.levels)
    }
}

impl Cost {
    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            fanout: self.fanout.max(other.fanout),
            budget: self.budget.max(other.budget),
            levels: self.levels.max(other.levels),
        }
    }

    /// One after the other.
    pub fn then(self, other: Self) -> Self {
        Self {
            fanout: self.fanout + other.fanout,
            budget: self.budget + other.budget,
            levels: self.levels + other.levels,
        }
    }
}

/// A port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Port {
    /// Loads inside, of the bit with the most.
    pub loads: usize,
    /// Input: from behind the net to the setup of the registers. Output: from the clock edge to
    /// before the net. None when no register is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What a leaf shows at its ports.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Boundary {
    /// Input ports.
    pub inputs: BTreeMap<String, Port>,
    /// Output ports.
    pub outputs: BTreeMap<String, Port>,
    /// Input, output, and what lies between; no cost at all is a wire.
    pub arcs: Vec<(String, String, Cost)>,
}

/// A leaf.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Model {
    /// What it takes.
    pub resources: Resources,
    /// Its worst path, inputs and outputs taken for registers.
    pub worst: Option<Cost>,
    /// Beginning and end of that path.
    pub path: (String, String),
    /// Logic levels of the deepest path.
    pub levels: u32,
    /// Its ports.
    #[serde(flatten)]
    pub boundary: Boundary,
}

impl Model {
    /// From the analyses under both models.
    pub fn new(
        resources: Resources,
        fanout: &Analysis,
        constant: &Analysis,
        boundary: Boundary,
    ) -> Self {
        let worst = fanout.worst();
        Self {
            resources,
            worst: worst.zip(constant.worst()).map(|(path, constant)| Cost {
                fanout: path.delay,
                budget: constant.delay,
                levels: path.levels,
            }),
            path: worst.map_or_else(Default::default, |path| {
                (path.launch.clone(), path.capture.clone())
            }),
            levels: fanout.levels,
            boundary,
        }
    }
}
