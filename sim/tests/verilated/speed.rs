//! The bare loop that `bench sim-speed` compares with.

use lauberhorn_sim::model::{Model, Start};
use lauberhorn_sim::seed::Seed;
use rand::Rng;

const ROWS: usize = 256;
const CYCLES: u64 = 10_000;

/// Both give the same inputs and must arrive at the same outputs, or the comparison means nothing.
#[test]
fn stepping_from_rust_does_what_the_bare_loop_does() {
    let mut rng = Seed::from_environment().stream("speed");
    let start = Start::Random(Seed(1));
    let mut bare = Model::open_with("toy_skid_577", start).expect("built");
    let mut rust = Model::open_with("toy_skid_577", start).expect("built");
    let port = |name| rust.port(name).expect("a port of the toy");
    let (payload, valid) = (port("rx$payload"), port("rx$valid"));
    let (ready, reset, out) = (port("tx$ready"), port("reset"), port("tx$payload"));

    let rows: Vec<[u64; 13]> = (0..ROWS)
        .map(|row| {
            let mut limbs: [u64; 13] = std::array::from_fn(|_| rng.random());
            limbs[9] &= 1;
            limbs[10] &= 1;
            limbs[11] &= 1;
            limbs[12] = u64::from(row == 0);
            limbs
        })
        .collect();
    let apply = |model: &mut Model, row: &[u64; 13]| {
        model.set_limbs(payload, &row[..10]);
        model.set(valid, row[10]);
        model.set(ready, row[11]);
        model.set(reset, row[12]);
    };
    let mut recording = Vec::new();
    for row in &rows {
        apply(&mut bare, row);
        bare.record(&mut recording);
    }

    bare.replay(&recording, CYCLES).expect("no assertion");
    for row in rows.iter().cycle().take(CYCLES as usize) {
        apply(&mut rust, row);
        rust.step().expect("no assertion");
    }
    assert_eq!(bare.words(out), rust.words(out));
}
