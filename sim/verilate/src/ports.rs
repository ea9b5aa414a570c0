//! Ports of a model, read from the header that Verilator writes.

use crate::Error;

/// Which side drives a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Driven from outside.
    Input,
    /// Driven by the model.
    Output,
}

/// One port of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name in the Verilog text.
    pub name: String,
    /// Name of the C++ member.
    pub member: String,
    /// Width in bits.
    pub width_bits: usize,
    /// Which side drives it.
    pub direction: Direction,
}

impl Port {
    /// Bytes that the member takes: the least C++ integer that holds the port, or 32-bit words.
    pub fn storage_bytes(&self) -> usize {
        match self.width_bits {
            0..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            33..=64 => 8,
            bits => bits.div_ceil(32) * 4,
        }
    }

    /// A clock is a one-bit input called `clock`, or one whose name ends in `_clock` or `$clock`.
    pub fn is_clock(&self) -> bool {
        let named =
            self.name == "clock" || self.name.ends_with("_clock") || self.name.ends_with("$clock");
        named && self.width_bits == 1 && self.direction == Direction::Input
    }
}

/// All ports declared in the text of `V<top>.h`, in its order.
pub(crate) fn parse(design: &str, header: &str) -> Result<Vec<Port>, Error> {
    let mut ports = Vec::new();
    for line in header.lines().map(str::trim) {
        let (direction, rest) = if let Some(rest) = line.strip_prefix("VL_INOUT") {
            // Nothing in a card's core is driven from both sides.
            (None, rest)
        } else if let Some(rest) = line.strip_prefix("VL_IN") {
            (Some(Direction::Input), rest)
        } else if let Some(rest) = line.strip_prefix("VL_OUT") {
            (Some(Direction::Output), rest)
        } else {
            continue;
        };
        let port = direction.and_then(|direction| declaration(direction, rest));
        ports.push(port.ok_or_else(|| Error::Port {
            design: design.to_owned(),
            line: line.to_owned(),
        })?);
    }
    Ok(ports)
}

/// Reads what follows `VL_IN`: `8(&name,msb,lsb);` or `W(&name,msb,lsb,words);`.
fn declaration(direction: Direction, rest: &str) -> Option<Port> {
    let (_storage, rest) = rest.split_once('(')?;
    let inner = rest.strip_suffix(");")?;
    let mut fields = inner.split(',').map(str::trim);
    let member = fields.next()?.trim_start_matches('&').to_owned();
    let msb: usize = fields.next()?.parse().ok()?;
    let lsb: usize = fields.next()?.parse().ok()?;
    Some(Port {
        name: decode(&member),
        member,
        width_bits: msb.checked_sub(lsb)? + 1,
        direction,
    })
}

/// Undoes Verilator's spelling of characters that C++ does not take: `__0` and two hex digits.
fn decode(member: &str) -> String {
    let mut name = String::new();
    let mut rest = member;
    while let Some(at) = rest.find("__0") {
        let code = rest
            .get(at + 3..at + 5)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(code) = code else { break };
        name.push_str(&rest[..at]);
        name.push(char::from(code));
        rest = &rest[at + 5..];
    }
    name + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_storage_and_decodes_names() {
        let header = "
            VL_IN8(&clock,0,0);
            VL_OUT8(&a___05Fb,7,0);
            VL_IN16(&h,15,0);
            VL_INW(&rx__024payload,576,0,19);
            VL_OUT64(&w,33,0);
            VL_OUT(&x,31,0);";
        let ports = parse("toy", header).expect("all forms are known");
        let seen: Vec<_> = ports
            .iter()
            .map(|p| (p.name.as_str(), p.width_bits, p.storage_bytes()))
            .collect();
        assert_eq!(
            seen,
            [
                ("clock", 1, 1),
                ("a__b", 8, 1),
                ("h", 16, 2),
                ("rx$payload", 577, 76),
                ("w", 34, 8),
                ("x", 32, 4),
            ]
        );
        assert!(ports[0].is_clock());
        assert_eq!(ports[3].direction, Direction::Input);
        assert_eq!(ports[4].direction, Direction::Output);
    }

    #[test]
    fn refuses_ports_driven_from_both_sides() {
        let error = parse("toy", "VL_INOUT8(&pad,0,0);").expect_err("no such port is built");
        assert!(error.to_string().contains("pad"), "{error}");
    }
}
