//! The C++ text between a Verilated class and `cpp/model.h`.

use std::fmt::Write;

use crate::{Design, Direction, Port, Trace};

/// Every file of ours that a model is compiled with: name, text.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "lauberhorn_verilated.h",
        include_str!("../cpp/lauberhorn_verilated.h"),
    ),
    ("model.h", include_str!("../cpp/model.h")),
    ("runtime.cpp", include_str!("../cpp/runtime.cpp")),
];

/// C symbol of a design's interface.
pub(crate) fn symbol(name: &str) -> String {
    format!("lauberhorn_model_{name}")
}

/// C++ class that Verilator is told to write.
pub(crate) fn class(name: &str) -> String {
    format!("V{name}")
}

/// The macro that selects the waveform format in `model.h`.
pub(crate) fn trace_define(trace: Trace) -> Option<&'static str> {
    match trace {
        Trace::None => None,
        Trace::Vcd => Some("-DLAUBERHORN_TRACE_VCD"),
        Trace::Fst => Some("-DLAUBERHORN_TRACE_FST"),
    }
}

/// The shim of one design.
pub(crate) fn text(design: &Design, ports: &[Port]) -> String {
    let class = class(&design.name);
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("#include \"{class}.h\""));
    line("#include <cstring>\n#include \"model.h\"\n\nnamespace {".into());
    // Several designs may share a compilation unit.
    line(format!("struct Ports_{class} {{"));

    line(format!("static void* port({class}& top, size_t index) {{"));
    line("switch (index) {".into());
    for (index, port) in ports.iter().enumerate() {
        line(format!("case {index}: return &top.{};", port.member));
    }
    line("default: return nullptr;\n}\n}".into());

    let mut offset = 0;
    line(format!(
        "static void load({class}& top, const uint8_t* row) {{"
    ));
    for port in replayed(ports) {
        let bytes = port.storage_bytes();
        let member = &port.member;
        line(format!(
            "std::memcpy(&top.{member}, row + {offset}, {bytes});"
        ));
        offset += bytes;
    }
    line(format!("}}\nstatic constexpr size_t row_bytes = {offset};"));

    let clocks: Vec<_> = ports.iter().filter(|port| port.is_clock()).collect();
    let clock = match clocks[..] {
        [clock] => format!("top.{} = level;", clock.member),
        _ => "(void)top, (void)level;".into(),
    };
    line(format!(
        "static void clock({class}& top, unsigned level) {{ {clock} }}"
    ));
    line("};\n}\n".into());

    let mut tail = String::new();
    write!(
        tail,
        "extern \"C\" const LauberhornModel {};\nextern \"C\" const LauberhornModel {} =\n    \
         LauberhornShim<{class}, Ports_{class}>::interface();",
        symbol(&design.name),
        symbol(&design.name),
    )
    .expect("writing to a string");
    line(tail);
    out
}

/// The ports that a recorded row holds, in its order.
fn replayed(ports: &[Port]) -> impl Iterator<Item = &Port> {
    ports
        .iter()
        .filter(|port| port.direction == Direction::Input && !port.is_clock())
}
