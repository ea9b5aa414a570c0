//! What driving a model from Rust costs.

use std::time::{Duration, Instant};

use lauberhorn_sim::model::{Model, Start};
use lauberhorn_sim::seed::Seed;
use rand::Rng;

const ROWS: usize = 256;
const CYCLES: u64 = 100_000;

/// Both drivers give the same inputs and must arrive at the same outputs. The time is compared
/// with a wide margin only, since other programs share the machine; `bench sim-speed` measures.
#[test]
fn stepping_from_rust_is_nearly_as_fast_as_the_bare_loop() {
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

    let mut best = [Duration::MAX; 2];
    for _ in 0..3 {
        let start = Instant::now();
        bare.replay(&recording, CYCLES).expect("no assertion");
        best[0] = best[0].min(start.elapsed());
        let start = Instant::now();
        for row in rows.iter().cycle().take(CYCLES as usize) {
            apply(&mut rust, row);
            rust.step().expect("no assertion");
        }
        best[1] = best[1].min(start.elapsed());
        assert_eq!(bare.words(out), rust.words(out));
    }
    let ratio = best[0].as_secs_f64() / best[1].as_secs_f64();
    println!(
        "bare loop {:.2} M cycles/s, from Rust {:.2} M cycles/s, ratio {ratio:.2}",
        CYCLES as f64 / best[0].as_secs_f64() / 1e6,
        CYCLES as f64 / best[1].as_secs_f64() / 1e6,
    );
    assert!(
        ratio > 0.5,
        "driving from Rust costs too much: ratio {ratio:.2}"
    );
}
