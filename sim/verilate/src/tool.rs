//! Finding and running Verilator.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Design, Error};

/// An installed Verilator. `VERILATOR_BIN` names the program and `VERILATOR_ROOT` its files when
/// the one on the search path is not meant.
#[derive(Clone, Debug)]
pub struct Verilator {
    program: PathBuf,
    root: PathBuf,
    version: String,
}

impl Verilator {
    /// Finds it and asks for its version and its files.
    pub fn find() -> Result<Self, Error> {
        let program = std::env::var_os("VERILATOR_BIN")
            .filter(|value| !value.is_empty())
            .map_or_else(|| PathBuf::from("verilator"), PathBuf::from);
        let version = ask(&program, &["--version"])?;
        if !version.starts_with("Verilator ") {
            return Err(Error::NotVerilator {
                program,
                argument: "--version".to_owned(),
                output: version,
            });
        }
        let root = match std::env::var_os("VERILATOR_ROOT").filter(|value| !value.is_empty()) {
            Some(root) => PathBuf::from(root),
            None => PathBuf::from(ask(&program, &["--getenv", "VERILATOR_ROOT"])?),
        };
        if !root.join("include/verilated.h").is_file() {
            return Err(Error::Missing {
                program,
                reason: format!("{} holds no include/verilated.h", root.display()),
            });
        }
        Ok(Verilator {
            program,
            root,
            version,
        })
    }

    /// The tool's own version line.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Folder of the runtime's headers and sources.
    pub(crate) fn include(&self) -> PathBuf {
        self.root.join("include")
    }

    /// Runs the lint of `-Wall` on a design; every message is an error. The text is written to
    /// `folder`.
    pub fn lint(&self, design: &Design, folder: &Path) -> Result<(), Error> {
        design.check()?;
        let arguments = [
            "--lint-only",
            "-Wall",
            "--no-timing",
            // The file is named after the design, of which several may have one top.
            "-Wno-DECLFILENAME",
            "--top-module",
            &design.top,
        ];
        let text = folder.join(format!("{}.v", design.name));
        std::fs::write(&text, &design.verilog).map_err(Error::file("write", &text))?;
        self.run(design, folder, &arguments)
    }

    /// Runs Verilator on the text of a design in `folder`, with `folder` as the working folder, so
    /// that its messages carry short and repeatable file names.
    pub(crate) fn run(
        &self,
        design: &Design,
        folder: &Path,
        arguments: &[&str],
    ) -> Result<(), Error> {
        let name = format!("{}.v", design.name);
        let output = Command::new(&self.program)
            .args(arguments)
            .arg(&name)
            .current_dir(folder)
            .output()
            .map_err(|error| Error::Missing {
                program: self.program.clone(),
                reason: error.to_string(),
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Verilog {
            design: design.name.clone(),
            text: folder.join(&name),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn ask(program: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| Error::Missing {
            program: program.to_owned(),
            reason: error.to_string(),
        })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !text.is_empty() {
        return Ok(text);
    }
    Err(Error::NotVerilator {
        program: program.to_owned(),
        argument: arguments.join(" "),
        output: text + &String::from_utf8_lossy(&output.stderr),
    })
}
