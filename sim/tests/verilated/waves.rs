//! Waveform files.

use lauberhorn_sim::model::{Model, ModelError};

fn run(model: &mut Model, cycles: u64) {
    for _ in 0..cycles {
        model.step().expect("no assertion");
    }
}

#[test]
fn fst_holds_the_steps_since_it_was_opened() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut counter = Model::open("toy_counter").expect("built");
    run(&mut counter, 10);
    for name in ["first.fst", "second.fst"] {
        let path = folder.path().join(name);
        counter.waves_to(&path).expect("a writable folder");
        run(&mut counter, 1000);
        counter.end_waves();
        let bytes = std::fs::read(&path).expect("the file is complete");
        // Block type 0 (header), its length 329, then start and end time, all big endian.
        assert_eq!(bytes[0], 0);
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8"));
        assert_eq!(number(1), 329);
        assert_eq!(number(17) - number(9), 1_000_000 * 4 - 2000);
    }
}

#[test]
fn vcd_of_a_leaf_is_written_through_the_verilated_crate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("memory.vcd");
    let mut memory = Model::open("toy_memory").expect("built");
    memory.waves_to(&path).expect("a writable folder");
    let mask = memory.port("write$mask").expect("a port of the toy");
    memory.set(mask, 0xa5a5);
    run(&mut memory, 3);
    drop(memory);
    let text = std::fs::read_to_string(&path).expect("the file is complete");
    assert!(text.contains("write$mask"), "{text}");
    assert!(text.contains("b1010010110100101 "), "{text}");
    assert!(text.contains("#12000"), "{text}");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("no/such/folder/x");
    for name in ["toy_counter", "toy_memory", "toy_two_clocks"] {
        let mut model = Model::open(name).expect("built");
        let error = model.waves_to(&path).expect_err("no such folder");
        assert!(matches!(error, ModelError::Waves { .. }), "{error}");
        model.step().expect("the model goes on without waveforms");
    }
}
