//! Every leaf states its contract at the top of its file and is among the designs that are simulated
//! and linted.

#[path = "contracts/promises.rs"]
mod promises;

use promises::PROMISES;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a contract says at least.
const LINES: [&str; 4] = ["Latency:", "Throughput:", "Backpressure:", "Reset:"];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// All non-test sources with their text.
fn crate_sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    files.sort();
    files.retain(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| !name.contains("tests"))
    });
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        // Blocks that only tests use need no contract.
        let shipped = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        (path, shipped.to_owned())
    };
    files.into_iter().map(read).collect()
}

fn header(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Names of the blocks that `leaf!` is called for.
fn leaves(text: &str) -> Vec<String> {
    let code: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let calls = code.split("leaf!(").skip(1);
    let calls = calls.filter_map(|call| call.trim_start().strip_prefix("impl["));
    let name = |call: &str| {
        let mut depth = 1;
        let end = call.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        let block = &call[end.expect("the bracket is closed") + 1..];
        let block = block.trim_start();
        let length = block.find(|c: char| !c.is_alphanumeric() && c != '_');
        block[..length.unwrap_or(block.len())].to_owned()
    };
    calls.map(name).collect()
}

#[test]
fn every_leaf_states_its_contract() {
    let sources = crate_sources();
    let mut found = 0;
    let mut missing = Vec::new();
    for (path, text) in &sources {
        let names = leaves(text);
        if names.is_empty() {
            continue;
        }
        found += names.len();
        let own = header(text);
        for line in LINES.into_iter().filter(|line| !own.contains(line)) {
            missing.push(format!(
                "{}: {} has no line {line}",
                path.display(),
                names.join(", ")
            ));
        }
    }
    assert!(found > 7, "the walk found {found} leaves");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The header as one line of words.
fn words(text: &str) -> String {
    let lines = header(text).replace("//!", " ");
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_promise_of_a_header_is_measured() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: &str| {
        let path = source.join(file);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    };
    let mut known = BTreeSet::new();
    for promise in PROMISES {
        let (block, file) = (promise.block, promise.file);
        known.insert((file.to_owned(), block.to_owned()));
        let words = words(&read(file));
        for line in [
            format!("Latency: {}", promise.latency),
            format!("Throughput: {}", promise.throughput),
        ] {
            assert!(words.contains(&line), "{file}: {block} does not say {line}");
        }
        assert!(!promise.tests.is_empty(), "{block}: no test");
        for test in promise.tests {
            let (file, name) = test.split_once("::").expect("file::test");
            let found = read(file).contains(&format!("fn {name}()"));
            assert!(found, "{block}: {file} has no test {name}");
        }
    }
    let leaves = crate_sources().into_iter().flat_map(|(path, text)| {
        let file = path.strip_prefix(&source).expect("below src").to_owned();
        let file = file.to_string_lossy().into_owned();
        leaves(&text)
            .into_iter()
            .map(move |name| (file.clone(), name))
    });
    for (file, name) in leaves {
        // The random machines promise nothing.
        let promised = name != "RandomMachine";
        let listed = known.contains(&(file.clone(), name.clone()));
        assert_eq!(listed, promised, "{file}: {name} and the table of promises");
    }
}

#[test]
fn every_leaf_is_among_the_designs() {
    let sources = crate_sources();
    let designs: String = sources
        .iter()
        .flat_map(|(_, text)| text.split("fn designs()").skip(1))
        .map(|text| text.split("\n}").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let has_word = |text: &str, name: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == name)
    };
    // A block with parameters may be named by an alias: `type ServiceTable = HashTable<..>;`.
    let aliases = sources
        .iter()
        .flat_map(|(_, text)| text.split("type ").skip(1))
        .filter_map(|text| text.split(';').next()?.split_once('='));
    let aliases: Vec<_> = aliases.collect();
    for (path, text) in &sources {
        for name in leaves(text) {
            let named = has_word(&designs, &name)
                || aliases.iter().any(|(alias, block)| {
                    has_word(block, &name) && has_word(&designs, alias.trim())
                });
            assert!(named, "{}: no design of {name}", path.display());
        }
    }
}

#[test]
fn designs_have_names_of_their_own() {
    let mut names: Vec<_> = lauberhorn_hw::design::designs()
        .into_iter()
        .map(|design| design.name)
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn finds_leaves_with_and_without_parameters() {
    let text = "crate::leaf!(\n    impl[] Plain { y }\n);\nleaf!(impl[T: Synth] Typed<T> { rx });\n//! leaf!(impl[] No { y });\nleaf!(impl[const N: usize, U: Into<[u8; 2]>] Odd<N> { y });";
    assert_eq!(leaves(text), ["Plain", "Typed", "Odd"]);
}
