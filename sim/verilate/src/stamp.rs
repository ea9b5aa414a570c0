//! Content stamps: what a library was made from, so that it is not made twice.

use std::fmt;

/// Everything that goes into one library, each part as its own hash, so that a rebuild can say
/// what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    parts: Vec<(String, u64)>,
}

impl Stamp {
    /// A stamp of named parts; names hold no space.
    pub fn new(parts: &[(&str, &str)]) -> Self {
        let parts = parts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), hash(text.as_bytes())))
            .collect();
        Stamp { parts }
    }

    /// Reads what `Display` wrote; unknown lines make a stamp that matches nothing.
    pub fn parse(text: &str) -> Self {
        let parts = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, value)| {
                let value = u64::from_str_radix(value, 16).ok()?;
                Some((name.to_owned(), value))
            })
            .collect();
        Stamp { parts }
    }

    /// Short name for a folder.
    pub fn digest(&self) -> String {
        format!("{:016x}", hash(self.to_string().as_bytes()))
    }

    /// Names of the parts that differ from an older stamp.
    pub fn changes(&self, older: &Stamp) -> String {
        let changed: Vec<_> = self
            .parts
            .iter()
            .filter(|part| !older.parts.contains(part))
            .map(|(name, _)| name.as_str())
            .collect();
        changed.join(", ")
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.parts {
            writeln!(f, "{name} {value:016x}")?;
        }
        Ok(())
    }
}

/// FNV-1a with a final mix: stable across compilers, unlike the standard library's hasher.
fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0xd6e8_feb8_6659_fd93);
    state ^ (state >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_file_and_names_what_changed() {
        let old = Stamp::new(&[("Verilog", "a"), ("flags", "-O3")]);
        let new = Stamp::new(&[("Verilog", "b"), ("flags", "-O3")]);
        assert_eq!(Stamp::parse(&old.to_string()), old);
        assert_eq!(new.changes(&old), "Verilog");
        assert_eq!(new.changes(&new), "");
        assert_ne!(old.digest(), new.digest());
    }
}
