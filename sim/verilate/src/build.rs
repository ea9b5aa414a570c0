//! The whole way from designs to libraries and a Rust table.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, fs};

use crate::compile::{Compiler, Unit, parallel, units};
use crate::stamp::Stamp;
use crate::{Design, Error, Port, Verilator, ports, shim, table};

/// Name of the library that holds what all models share.
const RUNTIME: &str = "lauberhorn_runtime";

/// Libraries of one design that are kept for a return to an older text.
const KEPT_VERSIONS: usize = 4;

/// Verilator's switches that all designs share. Unknown values are drawn from a seed, so that a
/// design that depends on one is found.
const FLAGS: &[&str] = &[
    "--cc",
    "--no-timing",
    "--assert",
    // Not -O0: see `refuse_wide_constants`.
    "-O3",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    // The lint test is strict; here a warning must not hide what was to be tried.
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "--output-split",
    "5000",
];

/// A build of several designs.
#[derive(Debug)]
pub struct Build {
    groups: Vec<Group>,
    with_runtime: bool,
    out_folder: PathBuf,
    cache_folder: PathBuf,
    jobs: usize,
}

/// Designs that share a library.
#[derive(Debug)]
struct Group {
    library: String,
    designs: Vec<Design>,
}

/// What a build did.
#[derive(Debug)]
pub struct Report {
    /// Libraries that were compiled in this run.
    pub built: Vec<Built>,
    /// Names of all libraries, in link order.
    pub libraries: Vec<String>,
    /// The generated Rust table.
    pub table: PathBuf,
    out_folder: PathBuf,
}

/// A library that was compiled.
#[derive(Debug)]
pub struct Built {
    /// Its name: the design's, or that of several designs or the runtime.
    pub name: String,
    /// Why: what changed since the last build.
    pub reason: String,
    /// Number of compiler runs it took.
    pub units: usize,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.units == 1 { "" } else { "s" };
        let Built {
            name,
            reason,
            units,
        } = self;
        write!(f, "{name} ({reason}, {units} unit{plural})")
    }
}

/// One library on its way.
struct Library<'a> {
    name: String,
    /// None for the runtime.
    designs: &'a [Design],
    stamp: Stamp,
    reason: String,
    folder: PathBuf,
}

/// A library whose C++ is being compiled.
struct Pending<'a> {
    library: &'a Library<'a>,
    folder: PathBuf,
    units: Vec<Unit>,
    /// Units that have not succeeded yet.
    open: AtomicUsize,
}

impl Pending<'_> {
    fn complete(&self, compiler: &Compiler) -> Result<Built, Error> {
        let Library { name, reason, .. } = self.library;
        let file = self.folder.join(library_file(name));
        compiler.archive(name, &file, &self.units)?;
        keep(&self.folder, self.library)?;
        Ok(Built {
            name: name.clone(),
            reason: reason.clone(),
            units: self.units.len(),
        })
    }
}

impl Build {
    /// A build into `out_folder`, which keeps finished libraries in `cache_folder`.
    pub fn new(out_folder: impl Into<PathBuf>, cache_folder: impl Into<PathBuf>) -> Self {
        Build {
            groups: Vec::new(),
            with_runtime: true,
            out_folder: out_folder.into(),
            cache_folder: cache_folder.into(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// A build as cargo asks for it: into `OUT_DIR`, with `NUM_JOBS` compilers, and with finished
    /// libraries beside the profile folders, since they are the same for all profiles.
    /// `LAUBERHORN_MODEL_CACHE` names another folder for them, which several checkouts may share.
    ///
    /// # Panics
    /// Outside a build script.
    pub fn from_cargo() -> Self {
        let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        // target/<profile>/build/<package>/out
        let beside = || out.ancestors().nth(4).unwrap_or(&out).join("verilated");
        let cache = std::env::var_os("LAUBERHORN_MODEL_CACHE").map_or_else(beside, PathBuf::from);
        let mut build = Build::new(out, cache);
        let jobs = std::env::var("NUM_JOBS").ok();
        build.jobs = jobs.and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
        build
    }

    /// Adds a design, with a library of its own.
    #[must_use]
    pub fn design(self, design: Design) -> Self {
        self.library(design.name.clone(), vec![design])
    }

    /// Adds designs that are compiled together into one library: many small ones cost far less
    /// than one by one, and are all compiled again when one changes.
    #[must_use]
    pub fn library(mut self, name: impl Into<String>, designs: Vec<Design>) -> Self {
        self.groups.push(Group {
            library: name.into(),
            designs,
        });
        self
    }

    /// Leaves the runtime out: the program gets it with the models of another crate.
    #[must_use]
    pub fn without_runtime(mut self) -> Self {
        self.with_runtime = false;
        self
    }

    fn designs(&self) -> impl Iterator<Item = &Design> {
        self.groups.iter().flat_map(|group| &group.designs)
    }

    /// For a build script: [`Build::run`] and [`Report::tell_cargo`]; a failure ends the process
    /// with its message.
    pub fn run_for_cargo(&self) {
        let start = Instant::now();
        match self.run() {
            Ok(report) => report.tell_cargo(start.elapsed()),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
    }

    /// Builds what has no library yet. Libraries that succeed are kept even if another fails.
    pub fn run(&self) -> Result<Report, Error> {
        let mut names = HashSet::new();
        for design in self.designs() {
            design.check()?;
            if !names.insert(&design.name) {
                return Err(Error::Twice {
                    name: design.name.clone(),
                });
            }
        }
        for group in &self.groups {
            let kind = |design: &Design| (design.trace, design.fast);
            if !group
                .designs
                .windows(2)
                .all(|pair| kind(&pair[0]) == kind(&pair[1]))
            {
                return Err(Error::Unlike {
                    library: group.library.clone(),
                });
            }
        }
        let verilator = Verilator::find()?;
        let shim_folder = self.out_folder.join("shim");
        create(&shim_folder)?;
        for (name, text) in shim::FILES {
            write_if_changed(&shim_folder.join(name), text)?;
        }
        let compiler = Compiler::find(&verilator, &shim_folder)?;
        for design in self.designs() {
            let text = self.out_folder.join(format!("{}.v", design.name));
            write_if_changed(&text, &design.verilog)?;
        }

        let libraries = self.libraries(&verilator, &compiler);
        let stale: Vec<_> = libraries
            .iter()
            .filter(|library| !library.folder.is_dir())
            .collect();
        let built = self.compile(&stale, &verilator, &compiler, &shim_folder)?;

        let mut models = Vec::new();
        for library in &libraries {
            let file = library_file(&library.name);
            let from = library.folder.join(&file);
            let to = self.out_folder.join(&file);
            let stamp = self.stamp_file(&library.name);
            let text = library.stamp.to_string();
            if fs::read_to_string(&stamp).ok().as_deref() != Some(&text) || !to.is_file() {
                fs::copy(&from, &to).map_err(Error::file("copy to", &to))?;
                fs::write(&stamp, text).map_err(Error::file("write", &stamp))?;
            }
            for design in library.designs {
                models.push((design, read_ports(design, &library.folder)?));
            }
            self.forget_old(&library.name, &library.folder);
        }
        let table = self.out_folder.join("models.rs");
        write_if_changed(&table, &table::text(&models))?;
        Ok(Report {
            built,
            libraries: libraries.into_iter().map(|library| library.name).collect(),
            table,
            out_folder: self.out_folder.clone(),
        })
    }

    /// All libraries with their stamps, models first since they call the runtime.
    fn libraries(&self, verilator: &Verilator, compiler: &Compiler) -> Vec<Library<'_>> {
        let shim_text: String = shim::FILES.iter().map(|(_, text)| *text).collect();
        let compiler = compiler.identity();
        let flags = FLAGS.join(" ");
        let join = |part: &dyn Fn(&Design) -> &str, designs: &[Design]| {
            designs.iter().map(part).collect::<Vec<_>>().join("\n")
        };
        let library = |name: &str, designs: &'_ [Design]| {
            let first = designs.first();
            let level = first.map_or("-O2", Design::level);
            let trace = first.and_then(|design| design.trace.flag());
            // The generated part of the shim depends on nothing but the ports.
            let generated = designs.iter().map(|design| shim::text(design, &[]));
            let shim: String = [shim_text.clone()].into_iter().chain(generated).collect();
            let stamp = Stamp::new(&[
                ("Verilog", &join(&|design| &design.verilog, designs)),
                ("top", &join(&|design| &design.top, designs)),
                ("flags", &flags),
                ("optimisation", level),
                ("waveforms", trace.unwrap_or("none")),
                ("Verilator", verilator.version()),
                ("compiler", &compiler),
                ("shim", &shim),
            ]);
            let older = fs::read_to_string(self.stamp_file(name)).ok();
            let reason = match older.map(|text| stamp.changes(&Stamp::parse(&text))) {
                None => "first build".to_owned(),
                Some(changes) if changes.is_empty() => "its library was removed".to_owned(),
                Some(changes) => format!("{changes} changed"),
            };
            let folder = self.cache_folder.join(format!("{name}-{}", stamp.digest()));
            (name.to_owned(), stamp, reason, folder)
        };
        let groups = self.groups.iter();
        let groups = groups.map(|group| (group.library.as_str(), group.designs.as_slice()));
        let runtime = self.with_runtime.then_some((RUNTIME, [].as_slice()));
        groups
            .chain(runtime)
            .map(|(name, designs)| {
                let (name, stamp, reason, folder) = library(name, designs);
                Library {
                    name,
                    designs,
                    stamp,
                    reason,
                    folder,
                }
            })
            .collect()
    }

    /// Verilates and compiles libraries in folders of their own, which get their final names only
    /// when they are complete: a folder with a stamp's name is always whole.
    fn compile(
        &self,
        stale: &[&Library<'_>],
        verilator: &Verilator,
        compiler: &Compiler,
        shim_folder: &Path,
    ) -> Result<Vec<Built>, Error> {
        let work = |library: &Library<'_>| {
            library
                .folder
                .with_extension(format!("part{}", std::process::id()))
        };
        let prepared = parallel(stale, self.jobs, |library| {
            let folder = work(library);
            create(&folder)?;
            match library.designs {
                [] => runtime_units(verilator, shim_folder, &folder),
                designs => verilate(designs, verilator, &self.out_folder, &folder),
            }
        });
        let mut first_error = None;
        let mut pending = Vec::new();
        for (library, units) in stale.iter().zip(prepared) {
            match units {
                Ok(units) => pending.push(Pending {
                    library,
                    folder: work(library),
                    open: AtomicUsize::new(units.len()),
                    units,
                }),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        // The longest first, so that no core is left alone with it at the end.
        pending.sort_by_key(|pending| std::cmp::Reverse(pending.units.len()));
        let runs: Vec<_> = pending
            .iter()
            .flat_map(|pending| pending.units.iter().map(move |unit| (pending, unit)))
            .collect();
        let results = parallel(&runs, self.jobs, |(pending, unit)| {
            compiler.compile(&pending.library.name, unit)?;
            match pending.open.fetch_sub(1, Ordering::AcqRel) {
                // The last one completes the library, so that an interrupted build keeps it.
                1 => pending.complete(compiler).map(Some),
                _ => Ok(None),
            }
        });
        let mut built = Vec::new();
        for result in results {
            match result {
                Ok(library) => built.extend(library),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        for library in stale {
            // What is still there belongs to a design that failed.
            fs::remove_dir_all(work(library)).ok();
        }
        match first_error {
            Some(error) => Err(error),
            None => Ok(built),
        }
    }

    fn stamp_file(&self, name: &str) -> PathBuf {
        self.out_folder.join(format!("{name}.stamp"))
    }

    /// Removes all but the newest libraries of a name. Best effort: the cache may be shared.
    fn forget_old(&self, name: &str, current: &Path) {
        let Ok(entries) = fs::read_dir(&self.cache_folder) else {
            return;
        };
        let mut versions: Vec<_> = entries
            .flatten()
            .filter(|entry| {
                let file = entry.file_name().to_string_lossy().into_owned();
                let digest = file
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('-'));
                digest.is_some_and(|digest| digest.len() == 16) && entry.path() != current
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        versions.sort();
        let surplus = versions.len().saturating_sub(KEPT_VERSIONS - 1);
        for (_, folder) in versions.into_iter().take(surplus) {
            fs::remove_dir_all(folder).ok();
        }
    }
}

impl Report {
    /// Tells cargo what to link, when to come back, and the person what was rebuilt and why.
    /// Cargo repeats that line in builds that rebuild nothing, hence the time of day in it.
    pub fn tell_cargo(&self, took: Duration) {
        println!(
            "cargo:rustc-link-search=native={}",
            self.out_folder.display()
        );
        for library in &self.libraries {
            println!("cargo:rustc-link-lib=static={library}");
        }
        println!("cargo:rustc-link-lib=z");
        for variable in [
            "VERILATOR_BIN",
            "VERILATOR_ROOT",
            "CXX",
            "LAUBERHORN_MODEL_CACHE",
        ] {
            println!("cargo:rerun-if-env-changed={variable}");
        }
        if self.built.is_empty() {
            return;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let second = now.map_or(0, |now| now.as_secs() % 86_400);
        let (hours, minutes, second) = (second / 3600, second / 60 % 60, second % 60);
        let built: Vec<_> = self.built.iter().map(Built::to_string).collect();
        println!(
            "cargo:warning=verilated at {hours:02}:{minutes:02}:{second:02} UTC in {:.1} s: {}",
            took.as_secs_f32(),
            built.join("; ")
        );
    }
}

/// Runs Verilator on texts that are already in `texts`; generated C++ goes to `folder`.
fn verilate(
    designs: &[Design],
    verilator: &Verilator,
    texts: &Path,
    folder: &Path,
) -> Result<Vec<Unit>, Error> {
    let generated = folder.join("cpp");
    let mut flags = vec![format!("-I{}", generated.display())];
    for design in designs {
        let class = shim::class(&design.name);
        let into = generated.display().to_string();
        let mut arguments = FLAGS.to_vec();
        arguments.extend(["--prefix", &class, "--top-module", &design.top]);
        arguments.extend(["--Mdir", &into]);
        arguments.extend(design.trace.flag());
        verilator.run(design, texts, &arguments)?;
        refuse_wide_constants(design, &generated)?;
        let ports = read_ports(design, folder)?;
        let shim = generated.join(format!("{class}_shim.cpp"));
        fs::write(&shim, shim::text(design, &ports)).map_err(Error::file("write", &shim))?;
    }
    flags.extend(shim::trace_define(designs[0].trace).map(str::to_owned));
    units(&generated, &flags, designs[0].level())
}

/// Verilator without optimisation writes wide constants to a variable in place, by functions that
/// (in 5.006) do not clear the words above the constant's highest and clear memory beyond the
/// variable instead. With optimisation constants stand in a table; this holds it to that.
fn refuse_wide_constants(design: &Design, generated: &Path) -> Result<(), Error> {
    let class = shim::class(&design.name);
    for entry in fs::read_dir(generated).map_err(Error::file("list", generated))? {
        let path = entry.map_err(Error::file("list", generated))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&class) && name.ends_with(".cpp") {
            let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
            if text.contains("VL_CONSTHI_W_") {
                return Err(Error::WideConstant {
                    design: design.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn read_ports(design: &Design, folder: &Path) -> Result<Vec<Port>, Error> {
    let header = folder.join(format!("cpp/{}.h", shim::class(&design.name)));
    let text = fs::read_to_string(&header).map_err(Error::file("read", &header))?;
    ports::parse(&design.name, &text)
}

/// What the `verilated` crate leaves out of the runtime, and our part of it.
fn runtime_units(
    verilator: &Verilator,
    shim_folder: &Path,
    folder: &Path,
) -> Result<Vec<Unit>, Error> {
    let include = verilator.include();
    let sources = [
        include.join("verilated_threads.cpp"),
        include.join("verilated_fst_c.cpp"),
        shim_folder.join("runtime.cpp"),
    ];
    let mut units = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let unit = folder.join(format!("unit_{index}.cc"));
        let text = format!("#include \"{}\"\n", source.display());
        fs::write(&unit, text).map_err(Error::file("write", &unit))?;
        units.push(Unit {
            source: unit,
            flags: vec!["-O2".to_owned()],
        });
    }
    Ok(units)
}

/// Drops what only the compiler needed and gives the folder its final name.
fn keep(folder: &Path, library: &Library<'_>) -> Result<(), Error> {
    let header = |design: &Design| format!("{}.h", shim::class(&design.name));
    let headers: HashSet<_> = library.designs.iter().map(header).collect();
    for sub in [folder.to_owned(), folder.join("cpp")] {
        for entry in fs::read_dir(&sub).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let wanted = headers.contains(&name) || name.ends_with(".a") || name == "cpp";
            if !wanted {
                fs::remove_file(entry.path()).map_err(Error::file("remove", entry.path()))?;
            }
        }
    }
    if let Err(error) = fs::rename(folder, &library.folder) {
        // Another cargo built the same at the same time.
        fs::remove_dir_all(folder).ok();
        if !library.folder.is_dir() {
            return Err(Error::file("create", &library.folder)(error));
        }
    }
    Ok(())
}

fn library_file(name: &str) -> String {
    format!("lib{name}.a")
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))
}

fn write_if_changed(file: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(file).ok().as_deref() == Some(text) {
        return Ok(());
    }
    fs::write(file, text).map_err(Error::file("write", file))
}
