//! Build-time helper: Verilog in, Verilator model and Rust port table out.
