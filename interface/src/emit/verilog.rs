//! The Verilog parameters.

use alloc::format;
use alloc::string::String;

use super::{banner, constants};

/// Verilog-2001 `localparam`s, to be included inside a module.
pub fn verilog() -> String {
    let mut out = format!("// {}\n", banner());
    for group in constants() {
        out += &format!("\n// {}\n", group.title);
        for constant in group.constants {
            let comment = match constant.doc {
                "" => String::new(),
                doc => format!(" // {doc}"),
            };
            let (name, bits, value) = (constant.name, constant.bits, constant.value);
            out += &format!(
                "localparam [{}:0] {name} = {bits}'h{value:x};{comment}\n",
                bits - 1
            );
        }
    }
    out
}
