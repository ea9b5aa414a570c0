//! What can go wrong in a build.

use std::path::PathBuf;

/// Why a design was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tool is not installed, or not where the environment says.
    #[error(
        "cannot run {}: {reason}. Install Verilator 5.006 or newer (Debian: apt install verilator \
         g++ zlib1g-dev), or point VERILATOR_BIN (and VERILATOR_ROOT) at one",
        program.display()
    )]
    Missing {
        /// What was tried.
        program: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// The tool runs but did not tell what was asked.
    #[error("{} {argument} printed {output:?}: not a Verilator", program.display())]
    NotVerilator {
        /// What was run.
        program: PathBuf,
        /// The question.
        argument: String,
        /// The answer.
        output: String,
    },
    /// A design name that is no identifier.
    #[error("design name {name:?} must start with a letter and hold only letters, digits and _")]
    Name {
        /// The name.
        name: String,
    },
    /// Two designs of one name.
    #[error("two designs are named {name:?}: give each its own name")]
    Twice {
        /// The name.
        name: String,
    },
    /// Designs of one library that cannot be compiled alike.
    #[error(
        "the designs of library {library} differ in waveforms or speed: give them all the same"
    )]
    Unlike {
        /// The library.
        library: String,
    },
    /// Verilator wrote a wide constant in the way that it gets wrong.
    #[error(
        "verilator writes wide constants of design {design} in place (VL_CONSTHI_W), which leaves \
         stale upper words; verilate with optimisation"
    )]
    WideConstant {
        /// The design.
        design: String,
    },
    /// Verilator refused the text.
    #[error("verilator refuses design {design} (its text: {}):\n{output}", text.display())]
    Verilog {
        /// The design.
        design: String,
        /// The text that was refused.
        text: PathBuf,
        /// The tool's messages.
        output: String,
    },
    /// A port in a form this crate does not know.
    #[error("design {design}: cannot read this port of the generated header: {line:?}")]
    Port {
        /// The design.
        design: String,
        /// The line in the header.
        line: String,
    },
    /// The C++ compiler or the archiver failed.
    #[error("{program} fails on design {design}, {file}:\n{output}")]
    Compile {
        /// The design.
        design: String,
        /// Compiler or archiver.
        program: String,
        /// What it worked on.
        file: String,
        /// Its messages.
        output: String,
    },
    /// No C++ compiler or archiver.
    #[error("no C++ compiler: {reason}. Install one (Debian: apt install g++) or set CXX")]
    Compiler {
        /// What the search answered.
        reason: String,
    },
    /// A file could not be written or read.
    #[error("cannot {action} {}", path.display())]
    File {
        /// "write", "read", ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Adds the file to an input or output error.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::File {
            action,
            path,
            source,
        }
    }
}
