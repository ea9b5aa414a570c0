//! The emitted forms agree with the Rust constants, and their compilers accept them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::registers::{address, bits};
use lauberhorn_interface::table_hash::{PROGRAM_MASKS, SERVICE_MASKS};
use lauberhorn_interface::{NicConfig, emit, hash, line, registers};

/// A file in the test's own directory.
fn write(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Whether the program can be started; says so when not.
fn there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn number(text: &str) -> u128 {
    let digits = text.trim_end_matches(['u', 'l', ';']);
    let digits = digits.rsplit(['x', 'h']).next().unwrap();
    u128::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{text} is not a number"))
}

/// Reads `NAME = VALUE` or `NAME VALUE` after `prefix` from every line that starts with it.
fn definitions(text: &str, prefix: &str) -> BTreeMap<String, u128> {
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut found = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(prefix)) {
        let mut words = line.split_whitespace().filter(|&word| word != "=");
        if let (Some(name), Some(value)) = (words.next(), words.next()) {
            if name.chars().all(capital) && value.contains(['x', 'h']) {
                found.insert(name.to_owned(), number(value));
            }
        }
    }
    found
}

/// Every mask of the table hash functions with the name it is emitted under.
fn masks() -> impl Iterator<Item = (String, u128)> {
    let tables = [("SERVICE", SERVICE_MASKS), ("PROGRAM", PROGRAM_MASKS)];
    tables.into_iter().flat_map(|(table, banks)| {
        banks
            .into_iter()
            .enumerate()
            .flat_map(move |(bank, masks)| {
                let name = move |(i, mask)| (format!("{table}_MASK_{bank}_{i}"), mask);
                masks.into_iter().enumerate().map(name)
            })
    })
}

/// Checks names and values against the Rust constants, without the emitters' own list.
fn agrees(found: &BTreeMap<String, u128>) {
    let expect = |name: &str, value: u128| {
        assert_eq!(found.get(name), Some(&value), "{name}");
    };
    expect("CONTENT_HASH", hash::content_hash().into());
    expect("REG_ID", address::ID.into());
    expect("REG_ID_RESET", 0x4c42_484e);
    expect("REG_SERVICE_COMMIT", address::SERVICE_COMMIT.into());
    expect(
        "REG_SERVICE_COMMIT_BANK_MASK",
        bits::service_commit::BANK.mask().into(),
    );
    expect("REG_CONTROL_PROMISCUOUS_LSB", 1);
    expect("RX_KIND_TRY_AGAIN", 1);
    expect("RX_KIND_RETIRE", line::RxKind::Retire as u128);
    expect("TX_KIND_RELEASE", line::TxKind::Release as u128);
    expect("ACCEPT_SYSTEM_ERR", 5);
    expect("FRAME_BODY_OFFSET", 34);
    expect("ECI_16_JUMBO_OVERFLOW_LINES", 70);
    expect("CXL_LINE_BYTES", 64);
    for register in registers::registers() {
        let name = format!("REG_{}", register.name.to_uppercase());
        expect(&name, register.address.into());
        for field in register.fields {
            let field_name = field.name.to_uppercase();
            expect(&format!("{name}_{field_name}_MASK"), field.mask().into());
            expect(&format!("{name}_{field_name}_LSB"), field.lsb as u128);
        }
    }
    let layouts = [
        ("RX", line::rx::FIELDS),
        ("TX", line::tx::FIELDS),
        ("PREEMPTION", line::preemption::FIELDS),
    ];
    for (prefix, fields) in layouts {
        for field in fields {
            let name = format!("{prefix}_{}", field.name.to_uppercase());
            expect(&format!("{name}_BYTE"), field.word_byte as u128);
            expect(&format!("{name}_LSB"), field.lsb as u128);
            expect(&format!("{name}_BITS"), field.width_bits as u128);
        }
    }
}

#[test]
fn c_header_agrees_and_compiles() {
    let text = emit::c();
    let found = definitions(&text, "#define LBH_");
    agrees(&found);
    for (name, mask) in masks() {
        let (low, high) = (found[&format!("{name}_LO")], found[&format!("{name}_HI")]);
        assert_eq!(high << 64 | low, mask, "{name}");
    }
    let header = write("lauberhorn.h", &text);
    let source = write(
        "lauberhorn.c",
        "#include \"lauberhorn.h\"\nint main(void) { struct lbh_rx_header h = {0}; return (int)h.xid; }\n",
    );
    if there("cc") {
        let mut cc = Command::new("cc");
        cc.args([
            "-std=c11",
            "-fsyntax-only",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
        ]);
        succeeds(cc.arg("-I").arg(header.parent().unwrap()).arg(source));
    }
}

#[test]
fn python_module_agrees_and_runs() {
    let text = emit::python();
    let found = definitions(&text, "");
    agrees(&found);
    assert!(masks().all(|(name, mask)| found[&name] == mask));
    let module = write("lauberhorn_interface.py", &text);
    if there("python3") {
        let script = "import json, runpy, sys\n\
                      m = runpy.run_path(sys.argv[1])\n\
                      print(json.dumps([m['REGISTERS'], m['COUNTERS'], m['RX_FIELDS'], m['CONTENT_HASH']]))";
        let printed = succeeds(Command::new("python3").args(["-c", script]).arg(module));
        let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            value[0].as_object().unwrap().len(),
            registers::registers().count()
        );
        assert_eq!(value[0]["control"], address::CONTROL);
        assert_eq!(value[1]["rx_frames"], Counter::RxFrames.address());
        assert_eq!(value[2]["function"], serde_json::json!([64, 64]));
        assert_eq!(value[3], hash::content_hash());
    }
}

#[test]
fn verilog_parameters_agree_and_lint() {
    let text = emit::verilog();
    let plain: String = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("localparam [")
                .and_then(|l| l.split_once("] "))
        })
        .map(|(_, rest)| format!("{rest}\n"))
        .collect();
    let found = definitions(&plain, "");
    agrees(&found);
    assert!(masks().all(|(name, mask)| found[&name] == mask));
    // A module that uses each of them, so that nothing needs to be waived.
    let uses: String = found
        .keys()
        .map(|name| format!("    $display(\"%h\", {name});\n"))
        .collect();
    let module = write(
        "constants.v",
        &format!("module constants;\n{text}initial begin\n{uses}end\nendmodule\n"),
    );
    if there("verilator") {
        let mut lint = Command::new("verilator");
        succeeds(lint.args(["--lint-only", "-Wall"]).arg(module));
    }
}

#[test]
fn json_parses_and_agrees() {
    let document: serde_json::Value = serde_json::from_str(&emit::json()).unwrap();
    assert_eq!(
        document["content_hash"],
        format!("{:016x}", hash::content_hash())
    );
    let listed = document["registers"].as_array().unwrap();
    assert_eq!(listed.len(), registers::registers().count());
    for (json, register) in listed.iter().zip(registers::registers()) {
        assert_eq!(json["name"], register.name);
        assert_eq!(json["address"], register.address);
        assert_eq!(json["access"], register.access.short());
        assert_eq!(
            json["fields"].as_array().unwrap().len(),
            register.fields.len()
        );
    }
    let jumbo = &document["configurations"]["eci-16-jumbo"];
    assert_eq!(jumbo["workers"], NicConfig::eci_16_jumbo().workers());
    assert_eq!(jumbo["slot_beats"], 256);
    assert_eq!(document["line"]["rx"]["kinds"][2]["name"], "CALL");
    assert_eq!(document["line"]["accept_stat"]["GARBAGE_ARGS"], 4);
}

#[test]
fn committed_register_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/registers.md");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == emit::markdown(),
        "docs/src/registers.md is stale; regenerate it with: {}",
        emit::MARKDOWN_COMMAND
    );
}
