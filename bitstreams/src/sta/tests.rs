//! Small netlists whose delays are added up by hand, at grade -2.

use super::*;
use serde_json::{Map, Value, json};

/// Builds the JSON that yosys would write.
#[derive(Default)]
struct Build {
    ports: Map<String, Value>,
    cells: Map<String, Value>,
    names: Map<String, Value>,
}

/// Net of the clock.
const CLOCK: u64 = 2;

impl Build {
    fn new() -> Self {
        Self::default().port("clock", "input", &[CLOCK])
    }

    fn port(mut self, name: &str, direction: &str, bits: &[u64]) -> Self {
        let port = json!({"direction": direction, "bits": bits});
        self.ports.insert(name.to_owned(), port);
        self.name(name, bits)
    }

    fn name(mut self, name: &str, bits: &[u64]) -> Self {
        self.names.insert(name.to_owned(), json!({"bits": bits}));
        self
    }

    /// `inputs` and `outputs` are ports with their nets.
    fn cell(
        mut self,
        kind: &str,
        parameters: Value,
        inputs: &[(&str, &[u64])],
        outputs: &[(&str, &[u64])],
    ) -> Self {
        let name = format!("$cell{}", self.cells.len());
        let directions: Map<String, Value> = (inputs.iter().map(|(port, _)| (port, "input")))
            .chain(outputs.iter().map(|(port, _)| (port, "output")))
            .map(|(port, direction)| ((*port).to_owned(), json!(direction)))
            .collect();
        let connections: Map<String, Value> = (inputs.iter().chain(outputs))
            .map(|(port, bits)| ((*port).to_owned(), json!(bits)))
            .collect();
        let cell = json!({
            "type": kind,
            "parameters": parameters,
            "port_directions": directions,
            "connections": connections,
        });
        self.cells.insert(name, cell);
        self
    }

    fn flip_flop(self, d: u64, q: u64) -> Self {
        self.cell(
            "FDRE",
            json!({}),
            &[("C", &[CLOCK]), ("D", &[d])],
            &[("Q", &[q])],
        )
    }

    fn lut(self, inputs: &[u64], output: u64) -> Self {
        const PORTS: [&str; 6] = ["I0", "I1", "I2", "I3", "I4", "I5"];
        let inputs: Vec<(&str, &[u64])> = (PORTS.iter().zip(inputs))
            .map(|(port, net)| (*port, std::slice::from_ref(net)))
            .collect();
        let kind = format!("LUT{}", inputs.len());
        self.cell(&kind, json!({}), &inputs, &[("O", &[output])])
    }

    fn netlist(self) -> Netlist {
        let module = json!({"ports": self.ports, "cells": self.cells, "netnames": self.names});
        let document = json!({"modules": {"top": module}});
        Netlist::parse(&document.to_string(), "top").expect("as yosys writes it")
    }

    /// The analysis of the constant and of the fanout model.
    fn analyse(self) -> (Analysis, Analysis) {
        let netlist = self.netlist();
        let graph = Graph::new(&netlist).expect("a sound netlist");
        let analyse = |model| graph.analyse(Grade::Two, model, 10);
        (analyse(NetModel::Constant), analyse(NetModel::Fanout))
    }

    /// The worst delays of the constant and of the fanout model.
    fn worst(self) -> (Ps, Ps) {
        let (constant, fanout) = self.analyse();
        let delay = |analysis: &Analysis| analysis.worst().expect("a path").delay;
        (delay(&constant), delay(&fanout))
    }
}

#[test]
fn a_lut_between_two_registers() {
    let build = Build::new().flip_flop(3, 4).lut(&[4], 5).flip_flop(5, 6);
    let (constant, fanout) = build.name("first_q", &[4]).name("second_q", &[6]).analyse();
    let path = constant.worst().expect("a path");
    assert_eq!(path.delay, 77 + 208 + 92 + 208 + 60);
    let path = fanout.worst().expect("a path");
    assert_eq!(path.delay, 77 + 208 + 35 + 208 + 60);
    assert_eq!((path.period, path.levels), (4000, 1));
    assert_eq!(
        (path.launch.as_str(), path.capture.as_str()),
        ("first_q", "second_q")
    );
    let cells: Vec<&str> = path.steps.iter().map(|step| step.cell.as_str()).collect();
    assert_eq!(cells, ["FDRE", "LUT1"]);
}

#[test]
fn loads_lengthen_a_net_and_the_last_input_gets_the_fastest_pin() {
    // Net 4 has three loads, net 14 one.
    let build = Build::new()
        .flip_flop(3, 4)
        .flip_flop(13, 14)
        .lut(&[4, 14], 5)
        .flip_flop(4, 20)
        .flip_flop(4, 21)
        .flip_flop(5, 6);
    let first: Ps = 77 + 260 + 35;
    assert!(first > 77 + 208 + 58);
    assert_eq!(build.worst(), (77 + 208 + 92 + 208 + 60, first + 208 + 60));
}

#[test]
fn four_flip_flops_share_a_control_pin() {
    let mut build = Build::new().flip_flop(3, 4);
    for index in 0..8 {
        let (d, q) = ([100 + index], [200 + index]);
        build = build.cell(
            "FDRE",
            json!({}),
            &[("C", &[CLOCK]), ("CE", &[4]), ("D", &d)],
            &[("Q", &q)],
        );
    }
    // Two loads: 208 * (3 + 1.5) / 4.
    assert_eq!(build.worst(), (77 + 208 + 60, 77 + 234 + 60));
}

#[test]
fn a_carry_chain_is_entered_once_and_passed_quickly() {
    for (kind, bits, hop) in [("CARRY4", 4, 12), ("CARRY8", 8, 24)] {
        let first: Vec<u64> = (30..30 + bits).collect();
        let second: Vec<u64> = (50..50 + bits).collect();
        let build = Build::new()
            .flip_flop(3, 4)
            .lut(&[4], 5)
            .cell(kind, json!({}), &[("S", &[5])], &[("CO", &first)])
            .cell(
                kind,
                json!({}),
                &[("CI", &[first[bits as usize - 1]])],
                &[("O", &second)],
            )
            .flip_flop(second[3], 6);
        let (constant, fanout) = build.analyse();
        let rest = 12 + 204 + hop + 125 + 208 + 60;
        let path = constant.worst().expect("a path");
        assert_eq!(
            (path.delay, path.levels),
            (77 + 208 + 92 + rest, 2),
            "{kind}"
        );
        let path = fanout.worst().expect("a path");
        assert_eq!(path.delay, 77 + 208 + 35 + rest, "{kind}");
    }
}

#[test]
fn a_carry_input_without_a_lut_before_it_takes_one_to_pass() {
    let build = Build::new()
        .flip_flop(3, 4)
        .cell("CARRY4", json!({}), &[("S", &[4])], &[("O", &[5])])
        .flip_flop(5, 6);
    assert_eq!(
        build.worst(),
        (
            77 + 208 + 92 + 204 + 208 + 60,
            77 + 208 + 35 + 204 + 208 + 60
        )
    );
}

fn block_ram(registered: &str) -> Build {
    let parameters = json!({"DOA_REG": registered, "READ_WIDTH_A": "100100"});
    Build::new().flip_flop(3, 4).cell(
        "RAMB36E2",
        parameters,
        &[("CLKARDCLK", &[CLOCK]), ("ADDRARDADDR", &[4])],
        &[("DOUTADOUT", &[5])],
    )
}

#[test]
fn block_ram_output_registers_shorten_the_way_out() {
    let delay = 1003 + 208 + 60;
    assert_eq!(block_ram("0").flip_flop(5, 6).worst(), (delay, delay));
    // With the register the address is the longer path.
    let delay = 77 + 208 + 350;
    assert_eq!(block_ram("1").flip_flop(5, 6).worst(), (delay, delay));
    let (_, fanout) = block_ram("1").flip_flop(5, 6).analyse();
    assert_eq!(fanout.paths[1].delay, 229 + 208 + 60);
}

#[test]
fn lut_ram_is_read_through_its_slowest_pin() {
    let build = Build::new().flip_flop(3, 4).cell(
        "RAM64M8",
        json!({}),
        &[("WCLK", &[CLOCK]), ("ADDRA", &[4]), ("WE", &[4])],
        &[("DOA", &[5])],
    );
    // Two loads on net 4.
    assert_eq!(
        build.flip_flop(5, 6).worst(),
        (650 + 208 + 60, 650 + 208 + 60)
    );
    let build = Build::new()
        .port("address", "input", &[4])
        .cell("RAM256X1D", json!({}), &[("DPRA", &[4])], &[("DPO", &[5])])
        .flip_flop(5, 6);
    let muxes = 2 * 60;
    assert_eq!(
        build.worst(),
        (
            77 + 208 + 92 + muxes + 208 + 60,
            77 + 208 + 150 + muxes + 208 + 60
        )
    );
}

#[test]
fn a_wide_multiplexer_sits_beside_its_luts() {
    let build = Build::new()
        .flip_flop(3, 4)
        .lut(&[4], 5)
        .cell("MUXF7", json!({}), &[("I0", &[5])], &[("O", &[7])])
        .flip_flop(7, 8);
    assert_eq!(
        build.worst(),
        (77 + 208 + 92 + 60 + 208 + 60, 77 + 208 + 35 + 60 + 208 + 60)
    );
}

#[test]
fn inverters_are_absorbed_where_the_load_inverts() {
    let inverter = |build: Build| build.cell("INV", json!({}), &[("I", &[4])], &[("O", &[5])]);
    let build = inverter(Build::new().flip_flop(3, 4)).flip_flop(5, 6);
    assert_eq!(build.worst(), (77 + 208 + 60, 77 + 208 + 60));
    let netlist = inverter(Build::new().flip_flop(3, 4))
        .cell(
            "FDRE",
            json!({}),
            &[("C", &[CLOCK]), ("CE", &[5])],
            &[("Q", &[6])],
        )
        .netlist();
    let graph = Graph::new(&netlist).expect("a sound netlist");
    assert_eq!(graph.inverters, 1);
    let analysis = graph.analyse(Grade::Two, NetModel::Constant, 1);
    let path = analysis.worst().expect("a path");
    assert_eq!(path.delay, 77 + 208 + 92 + 208 + 60);
}

#[test]
fn inputs_and_outputs_count_as_registers_of_the_neighbours() {
    let build = Build::new()
        .port("valid", "input", &[3])
        .port("ready", "output", &[5])
        .lut(&[3], 5);
    let (_, fanout) = build.analyse();
    let path = fanout.worst().expect("a path");
    assert_eq!(path.delay, 77 + 208 + 35 + 208 + 60);
    assert_eq!(path.capture, "output ready");
    let pair = ("valid".to_owned(), "ready".to_owned());
    assert_eq!(fanout.combinational, BTreeSet::from([pair]));
}

#[test]
fn a_register_cuts_the_way_from_input_to_output() {
    let build = Build::new()
        .port("valid", "input", &[3])
        .port("ready", "output", &[4])
        .flip_flop(3, 4);
    assert!(build.analyse().0.combinational.is_empty());
}

#[test]
fn each_clock_has_its_budget_and_crossings_are_only_counted() {
    let mac: &[u64] = &[9];
    let build = Build::new()
        .port("mac_clock", "input", mac)
        .flip_flop(3, 4)
        .cell(
            "FDRE",
            json!({}),
            &[("C", mac), ("D", &[4])],
            &[("Q", &[5])],
        )
        .cell(
            "FDRE",
            json!({}),
            &[("C", mac), ("D", &[5])],
            &[("Q", &[6])],
        )
        .name("last_q", &[6]);
    let (_, fanout) = build.analyse();
    assert_eq!(fanout.crossings, 1);
    let path = fanout.worst().expect("a path");
    assert_eq!((path.period, path.capture.as_str()), (3103, "last_q"));
}

#[test]
fn a_cell_without_a_model_is_named() {
    let build = Build::new().cell("LDCE", json!({}), &[("G", &[3])], &[("Q", &[4])]);
    let netlist = build.netlist();
    let error = Graph::new(&netlist).err().expect("a latch has no model");
    let text = error.to_string();
    assert!(text.starts_with("cell $cell0 is a LDCE"), "{text}");
}

#[test]
fn a_falling_edge_is_refused() {
    let build = Build::new().cell(
        "FDRE",
        json!({"IS_C_INVERTED": "1"}),
        &[("C", &[CLOCK])],
        &[("Q", &[4])],
    );
    let netlist = build.netlist();
    let error = Graph::new(&netlist).err().expect("not supported");
    assert!(error.to_string().contains("falling edge"));
}

#[test]
fn a_loop_is_named() {
    let build = Build::new().lut(&[4], 5).lut(&[5], 4).name("again", &[4]);
    let netlist = build.netlist();
    let error = Graph::new(&netlist).err().expect("a loop");
    assert!(error.to_string().contains("loop through again"));
}
