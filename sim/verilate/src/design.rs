//! What a build script asks for.

use crate::Error;

/// Waveform format that a model is able to write. Idle tracing costs nothing at run time; it
/// lengthens the C++ build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// No waveforms.
    None,
    /// Value change dump: text, for small designs.
    Vcd,
    /// Compressed, for whole cards.
    Fst,
}

impl Trace {
    /// Verilator's switch for it.
    pub(crate) fn flag(self) -> Option<&'static str> {
        match self {
            Trace::None => None,
            Trace::Vcd => Some("--trace"),
            Trace::Fst => Some("--trace-fst"),
        }
    }
}

/// One design to verilate.
#[derive(Clone, Debug)]
pub struct Design {
    /// Name of the model: letters, digits and `_`, unique among the designs of a build.
    pub name: String,
    /// Top module in `verilog`.
    pub top: String,
    /// The whole text, every module included.
    pub verilog: String,
    /// Waveform format compiled in.
    pub trace: Trace,
    /// Compile for speed; else for a short build.
    pub fast: bool,
}

impl Design {
    /// The C++ optimisation level.
    pub(crate) fn level(&self) -> &'static str {
        if self.fast { "-O2" } else { "-O1" }
    }

    /// Refuses names that could not be a C identifier or a file name.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut letters = self.name.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        if first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            Ok(())
        } else {
            Err(Error::Name {
                name: self.name.clone(),
            })
        }
    }
}
