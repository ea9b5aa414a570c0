//! The C header.

use alloc::format;
use alloc::string::String;

use super::{banner, constants};
use crate::line::{self, Field, HEADER_BYTES};

/// A C11 (or later, or C++11) header: every constant with the prefix `LBH_`, and the line headers
/// as structs whose layout is asserted. The structs assume a little-endian host.
pub fn c() -> String {
    let mut out = format!(
        "/* {} */\n#ifndef LAUBERHORN_H\n#define LAUBERHORN_H\n\n#include <stddef.h>\n\
         #include <stdint.h>\n\n#ifdef __cplusplus\n#define LBH_ASSERT(x) static_assert(x, #x)\n\
         #else\n#define LBH_ASSERT(x) _Static_assert(x, #x)\n#endif\n",
        banner()
    );
    for group in constants() {
        out += &format!("\n/* {} */\n", group.title);
        for constant in group.constants {
            let comment = match constant.doc {
                "" => String::new(),
                doc => format!(" /* {doc} */"),
            };
            let (name, value) = (&constant.name, constant.value);
            out += &match constant.bits {
                32 => format!("#define LBH_{name} {value:#x}u{comment}\n"),
                64 => format!("#define LBH_{name} {value:#x}ull{comment}\n"),
                _ => format!(
                    "#define LBH_{name}_LO {:#x}ull\n#define LBH_{name}_HI {:#x}ull\n",
                    value as u64,
                    value >> 64
                ),
            };
        }
    }
    out += &header_struct("rx", "What the card fills.", line::rx::FIELDS);
    out += &header_struct("tx", "What the host writes.", line::tx::FIELDS);
    out += "\n#endif /* LAUBERHORN_H */\n";
    out
}

/// A struct with a member for each word, reserved members for the gaps, and its assertions.
fn header_struct(direction: &str, doc: &str, fields: &[Field]) -> String {
    let mut members = String::new();
    let mut asserts = String::new();
    let mut end = 0;
    for field in fields {
        if field.word_byte < end {
            continue;
        }
        members += &reserved(end, field.word_byte);
        let (word, bits) = (field.word, field.word_bytes * 8);
        members += &format!("    uint{bits}_t {word};\n");
        asserts += &format!(
            "LBH_ASSERT(offsetof(struct lbh_{direction}_header, {word}) == {});\n",
            field.word_byte
        );
        end = field.word_byte + field.word_bytes;
    }
    members += &reserved(end, HEADER_BYTES);
    format!(
        "\n/* {doc} Little-endian words; fields of a word by the masks above. */\n\
         struct lbh_{direction}_header {{\n{members}}};\n{asserts}\
         LBH_ASSERT(sizeof(struct lbh_{direction}_header) == LBH_HEADER_BYTES);\n"
    )
}

fn reserved(from: usize, to: usize) -> String {
    match to - from {
        0 => String::new(),
        bytes => format!("    uint8_t reserved_{from}[{bytes}];\n"),
    }
}
