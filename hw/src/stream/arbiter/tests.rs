//! Fairness, packet integrity, throughput.

use super::*;
use crate::rtl::{Interpreter, Value};
use crate::testing::{Bench, Pace, SinkId, Suite, random_value, rng, root_seed};
use rand::Rng as _;

/// A small packet item: `last` and where it came from.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct Word {
    pub way: Bits<8>,
    pub sequence: Bits<16>,
    pub last: Bit,
}

fn word(way: usize, sequence: usize, last: bool) -> Value {
    let packed = way | sequence << 8 | usize::from(last) << 24;
    Value::new(25, packed as u128)
}

fn items(ways: usize) -> Interpreter {
    Interpreter::new(Arbiter::<Word>::items(ways).elaborate())
}

fn packets(ways: usize) -> Interpreter {
    Interpreter::new(Arbiter::<Word>::packets(ways).elaborate())
}

fn ways_of(bench: &Bench<'_>, sink: SinkId) -> Vec<u64> {
    let received = bench.received(sink);
    received.iter().map(|word| word.to_u64() & 0xff).collect()
}

#[test]
fn one_input_passes_through_unchanged() {
    Suite {
        name: "arbiter",
        make: &|| Box::new(packets(1)),
        inputs: &["rx$0"],
        outputs: &["tx"],
        items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 25)).collect()],
        model: &<[_]>::to_vec,
        latency_cycles: 1,
        cycles_per_100_items: 100,
    }
    .run();
}

#[test]
fn busy_inputs_take_turns() {
    for ways in [2, 5, 17] {
        let mut dut = items(ways);
        let mut bench = Bench::new(&mut dut, 1);
        for way in 0..ways {
            let words = (0..10).map(|i| word(way, i, false)).collect();
            bench.source(&format!("rx${way}"), words, Pace::Full);
        }
        let sink = bench.sink("tx", Pace::Full);
        bench.run_until(sink, 10 * ways);
        let expected: Vec<_> = (0..10 * ways).map(|i| (i % ways) as u64).collect();
        assert_eq!(ways_of(&bench, sink), expected);
        let cycles = bench.receive_cycles(sink);
        assert_eq!(cycles[10 * ways - 1] - cycles[0], 10 * ways as u64 - 1);
    }
}

#[test]
fn a_lone_input_gets_every_cycle() {
    let mut dut = items(4);
    let mut bench = Bench::new(&mut dut, 1);
    let words = (0..50).map(|i| word(2, i, true)).collect();
    let source = bench.source("rx$2", words, Pace::Full);
    let sink = bench.sink("tx", Pace::Full);
    bench.run_until(sink, 50);
    assert_eq!(
        bench.accept_cycles(source)[0] + 1,
        bench.receive_cycles(sink)[0]
    );
    assert_eq!(
        bench.receive_cycles(sink)[49] - bench.receive_cycles(sink)[0],
        49
    );
}

#[test]
fn every_item_arrives_once_in_order_under_random_stalls() {
    let mut rng = rng(root_seed(), "arbiter_items");
    let paces = [
        Pace::Full,
        Pace::Percent(60),
        Pace::Percent(15),
        Pace::Bursts,
    ];
    for ways in [1, 2, 5, 17] {
        for (input, output) in paces.into_iter().flat_map(|i| paces.map(|o| (i, o))) {
            let mut dut = items(ways);
            let mut bench = Bench::new(&mut dut, rng.random());
            for way in 0..ways {
                let words = (0..30).map(|i| word(way, i, rng.random())).collect();
                bench.source(&format!("rx${way}"), words, input);
            }
            let sink = bench.sink("tx", output);
            bench.run_until(sink, 30 * ways);
            let mut next = vec![0; ways];
            for item in bench.received(sink) {
                let (way, sequence) = (item.to_u64() & 0xff, item.to_u64() >> 8 & 0xffff);
                let expected = &mut next[way as usize];
                assert_eq!(sequence, *expected, "order of input {way}");
                *expected += 1;
            }
            assert_eq!(next, vec![30; ways]);
        }
    }
}

/// Packets of `lengths` words of one input.
fn packet_words(way: usize, lengths: &[usize]) -> Vec<Value> {
    let mut words = Vec::new();
    for length in lengths {
        for index in 0..*length {
            words.push(word(way, words.len(), index + 1 == *length));
        }
    }
    words
}

#[test]
fn packets_stay_whole_under_random_stalls() {
    let mut rng = rng(root_seed(), "arbiter_packets");
    let paces = [
        Pace::Full,
        Pace::Percent(60),
        Pace::Percent(15),
        Pace::Bursts,
    ];
    for ways in [2, 3, 9] {
        for (input, output) in paces.into_iter().flat_map(|i| paces.map(|o| (i, o))) {
            let mut dut = packets(ways);
            let mut bench = Bench::new(&mut dut, rng.random());
            let mut sent = Vec::new();
            for way in 0..ways {
                let lengths: Vec<_> = (0..12).map(|_| rng.random_range(1..6)).collect();
                sent.push(packet_words(way, &lengths));
                bench.source(&format!("rx${way}"), sent[way].clone(), input);
            }
            let sink = bench.sink("tx", output);
            bench.run_until(sink, sent.iter().map(Vec::len).sum());
            let received = bench.received(sink);
            for (way, sent) in sent.iter().enumerate() {
                let own = received.iter().filter(|w| w.to_u64() & 0xff == way as u64);
                assert!(own.eq(sent), "order of input {way}");
            }
            for pair in received.windows(2) {
                let (a, b) = (pair[0].to_u64(), pair[1].to_u64());
                assert!(a >> 24 == 1 || a & 0xff == b & 0xff, "mixed packets");
            }
        }
    }
}

#[test]
fn long_packets_wait_for_one_packet_of_each_other() {
    let mut dut = packets(3);
    let mut bench = Bench::new(&mut dut, 1);
    for (way, lengths) in [vec![4; 6], vec![1; 6], vec![2; 6]].into_iter().enumerate() {
        bench.source(
            &format!("rx${way}"),
            packet_words(way, &lengths),
            Pace::Full,
        );
    }
    let sink = bench.sink("tx", Pace::Full);
    bench.run_until(sink, 42);
    assert_eq!(
        ways_of(&bench, sink)[..14],
        [0, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 1, 2, 2]
    );
    assert_eq!(
        bench.receive_cycles(sink)[41] - bench.receive_cycles(sink)[0],
        41
    );
}

#[test]
fn names_the_input_and_forgets_an_unfinished_packet_on_reset() {
    let mut dut = packets(3);
    let mut bench = Bench::new(&mut dut, 1);
    let two = bench.source("rx$2", vec![word(2, 0, false)], Pace::Full);
    let one = bench.source("rx$1", vec![], Pace::Full);
    let sink = bench.sink("tx", Pace::Full);
    bench.run_until(sink, 1);
    bench.feed(one, [word(1, 0, true)]);
    bench.steps(10);
    assert_eq!(
        bench.accept_cycles(one).len(),
        0,
        "input 2 holds the output"
    );
    bench.feed(two, [word(2, 1, true)]);
    while bench.dut.peek("from") != 1 {
        bench.step();
    }
    bench.reset();
    bench.feed(two, [word(2, 0, false)]);
    bench.run_until(sink, 1);
    bench.reset();
    bench.feed(one, [word(1, 0, true)]);
    bench.run_until(sink, 1);
    assert_eq!(ways_of(&bench, sink), [1]);
}

#[test]
#[should_panic(expected = "Arbiter: 0 inputs")]
fn refuses_no_inputs() {
    items(0);
}
