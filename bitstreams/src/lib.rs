//! # Estimates
//! Resources and a pre-layout timing proxy of every block, made with open tools: yosys maps the
//! emitted Verilog to UltraScale+ cells, a small static timing analysis of our own finds the longest
//! paths. It is the gate that keeps every block buildable at its clock; it is no promise of a clock.
//!
//! | module | function |
//! |---|---|
//! | [`tool`] | finds yosys, maps a design |
//! | [`hierarchy`] | takes a design apart into leaves and wires |
//! | [`netlist`] | reads the mapped netlist |
//! | [`cells`] | what each cell is |
//! | [`delay`] | what each step costs |
//! | [`sta`] | longest paths, levels, combinational paths |
//! | [`model`] | a leaf as the blocks around it see it |
//! | [`assembly`] | composites, from the models of their leaves |
//! | [`resources`] | what it takes |
//! | [`block`] | the figures of one block, cached |
//! | [`table`] | the committed table, and the comparison with it |

pub mod assembly;
pub mod block;
pub mod cells;
pub mod delay;
pub mod error;
pub mod hierarchy;
pub mod model;
pub mod netlist;
pub mod resources;
pub mod sta;
pub mod table;
pub mod tool;
