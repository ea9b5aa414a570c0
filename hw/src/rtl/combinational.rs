//! Paths from inputs to outputs that no register cuts.

use super::body::Elaborated;
use super::graph::Op;
use std::collections::BTreeSet;

/// `rx$*$ready` of `rx$3$ready`.
fn row(port: &str) -> String {
    let parts = port.split('$').map(|part| match part.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join("$")
}

impl Elaborated {
    /// Every `output <- input` with a path within a cycle, by the structure of the body.
    pub fn combinational(&self) -> BTreeSet<String> {
        let graph = &self.graph;
        // For each node the input ports it depends on. Operands come before their users.
        let mut depends: Vec<BTreeSet<usize>> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let mut ports = BTreeSet::new();
            if let Op::Input(port) = node.op {
                ports.insert(port);
            }
            for operand in node.op.operands() {
                ports.extend(&depends[operand as usize]);
            }
            depends.push(ports);
        }
        let name = |port: usize| row(&graph.ports[port].name);
        let outputs = graph.drivers.iter();
        outputs
            .flat_map(|(port, node)| {
                let inputs = depends[*node as usize].iter();
                inputs.map(move |input| format!("{} <- {}", name(*port), name(*input)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::design::parts;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_block_lists_its_combinational_paths() {
        let mut wrong = Vec::new();
        // By type: what is listed and in no design.
        let mut unseen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for design in parts() {
            let Some(leaf) = design.leaf.filter(|_| !design.name.starts_with("random_")) else {
                continue;
            };
            let paths = leaf.combinational();
            let listed: BTreeSet<&str> = leaf.declared.iter().copied().collect();
            let missing = paths.iter().filter(|path| !listed.contains(path.as_str()));
            wrong.extend(missing.map(|path| format!("{}: {path} is not listed", design.name)));
            let unseen = unseen.entry(leaf.block).or_insert(listed);
            unseen.retain(|path| !paths.contains(*path));
        }
        for (block, paths) in unseen {
            let paths = paths.into_iter();
            wrong
                .extend(paths.map(|path| format!("{block}: {path} is listed, but does not exist")));
        }
        assert!(
            wrong.is_empty(),
            "Leaf::combinational and the header of the block must name these:\n{}",
            wrong.join("\n")
        );
    }
}
