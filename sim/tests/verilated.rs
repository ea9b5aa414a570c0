//! The emitted Verilog through the whole flow: build, binding, waveforms, lint, and every body
//! against its own Verilog. One binary, so that the models are linked once.

#[path = "verilated/adapters.rs"]
mod adapters;
#[path = "verilated/capture.rs"]
mod capture;
#[path = "verilated/chart.rs"]
mod chart;
#[path = "verilated/conformance.rs"]
mod conformance;
#[path = "verilated/designs.rs"]
mod designs;
#[path = "verilated/kill.rs"]
mod kill;
#[path = "verilated/lifecycle.rs"]
mod lifecycle;
#[path = "verilated/loopback.rs"]
mod loopback;
#[path = "verilated/model.rs"]
mod model;
#[path = "verilated/preempt.rs"]
mod preempt;
#[path = "verilated/services.rs"]
mod services;
#[path = "verilated/speed.rs"]
mod speed;
#[path = "verilated/units.rs"]
mod units;
#[path = "verilated/waves.rs"]
mod waves;
#[path = "verilated/ways.rs"]
mod ways;
