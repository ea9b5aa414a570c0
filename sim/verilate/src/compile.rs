//! Running the C++ compiler on many files at once, and the archiver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::{Error, Verilator, shim};

/// Generated C++ up to this size becomes one compilation unit: reading the headers costs more
/// than compiling it. Bigger designs are cut into units of about this size, so that every core
/// has work.
const UNIT_BYTES: u64 = 250_000;

/// The compiler, the archiver and the flags that all files share.
pub(crate) struct Compiler {
    program: PathBuf,
    version: String,
    archiver: PathBuf,
    flags: Vec<String>,
}

/// One run of the compiler.
pub(crate) struct Unit {
    pub source: PathBuf,
    pub flags: Vec<String>,
}

impl Unit {
    fn object(&self) -> PathBuf {
        self.source.with_extension("o")
    }
}

impl Compiler {
    /// Finds compiler and archiver the way all of cargo's C++ does. `CXXFLAGS` is not taken: the
    /// header it names is named here too, and optimisation must not follow the cargo profile.
    pub fn find(verilator: &Verilator, shim_folder: &Path) -> Result<Self, Error> {
        let missing = |reason: cc::Error| Error::Compiler {
            reason: reason.to_string(),
        };
        let mut search = cc::Build::new();
        search.cpp(true).cargo_metadata(false).cargo_warnings(false);
        let program = search.try_get_compiler().map_err(missing)?;
        let program = program.path().to_owned();
        let archiver = search.try_get_archiver().map_err(missing)?;
        let archiver = PathBuf::from(archiver.get_program());
        let output = Command::new(&program)
            .arg("--version")
            .output()
            .map_err(|error| Error::Compiler {
                reason: format!("{}: {error}", program.display()),
            })?;
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.lines().next().unwrap_or_default().to_owned();
        let include = verilator.include();
        let flags = [
            "-std=gnu++17".to_owned(),
            "-fPIC".to_owned(),
            // Generated code: its warnings would not be about us.
            "-w".to_owned(),
            "-include".to_owned(),
            shim::FILES[0].0.to_owned(),
            format!("-I{}", shim_folder.display()),
            format!("-I{}", include.display()),
            format!("-I{}", include.join("vltstd").display()),
        ];
        Ok(Compiler {
            program,
            version,
            archiver,
            flags: flags.into(),
        })
    }

    /// Program and version, for the stamp.
    pub fn identity(&self) -> String {
        format!("{} {}", self.program.display(), self.version)
    }

    /// Compiles one unit.
    pub fn compile(&self, design: &str, unit: &Unit) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.flags).args(&unit.flags).arg("-c");
        command.arg(&unit.source).arg("-o").arg(unit.object());
        run(design, &unit.source, command)
    }

    /// Puts the objects of compiled units into a library.
    pub fn archive(&self, design: &str, library: &Path, units: &[Unit]) -> Result<(), Error> {
        let mut command = Command::new(&self.archiver);
        command
            .arg("crs")
            .arg(library)
            .args(units.iter().map(Unit::object));
        run(design, library, command)
    }
}

fn run(design: &str, file: &Path, mut command: Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |output: String| Error::Compile {
        design: design.to_owned(),
        program,
        file: file.display().to_string(),
        output,
    };
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Does `work` on every item, `jobs` at a time, results in the order of the items.
pub(crate) fn parallel<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = Mutex::new(0..items.len());
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let take = || next.lock().expect("no worker panics with the lock").next();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some(index) = take() {
                    let result = work(&items[index]);
                    let mut results = results.lock().expect("no worker panics with the lock");
                    results.push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all workers have ended");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Groups the C++ files of a folder into units. `level` is the optimisation; code that runs once
/// (Verilator calls it slow) gets none when there is much of it.
pub(crate) fn units(folder: &Path, flags: &[String], level: &str) -> Result<Vec<Unit>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let entry = entry.map_err(Error::file("list", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".cpp") {
            let bytes = entry.metadata().map_err(Error::file("read", folder))?.len();
            files.push((name, bytes));
        }
    }
    files.sort();
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let rare = |name: &str| total > UNIT_BYTES && name.ends_with("__Slow.cpp");
    let (slow, fast): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| rare(name));

    let mut units = Vec::new();
    for (files, level) in [(fast, level), (slow, "-O0")] {
        for names in groups(files) {
            let source = folder.join(format!("unit_{}.cc", units.len()));
            let text: String = names
                .iter()
                .map(|name| format!("#include \"{name}\"\n"))
                .collect();
            std::fs::write(&source, text).map_err(Error::file("write", &source))?;
            let mut flags = flags.to_vec();
            flags.push(level.to_owned());
            units.push(Unit { source, flags });
        }
    }
    Ok(units)
}

/// Neighbouring files together, up to the size of a unit.
fn groups(files: Vec<(String, u64)>) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for (name, size) in files {
        bytes += size;
        match groups.last_mut() {
            Some(group) if bytes <= UNIT_BYTES => group.push(name),
            _ => {
                bytes = size;
                groups.push(vec![name]);
            }
        }
    }
    groups
}
