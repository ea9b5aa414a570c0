//! Latency and throughput of every block of the receive path, measured inside the running path.

use super::bench::{Bench, World};
use super::frames::Call;
use super::{KNOWN, bench, roomy};
use crate::rtl::Dut;
use crate::testing::Stopwatch;

/// What is waited for at a bundle.
#[derive(Clone, Copy)]
enum Event {
    /// Any item.
    Item(&'static str),
    /// The last beat of a frame.
    End(&'static str),
}

use Event::{End, Item};

/// Block, event at its input, event at its output, cycles from one to the other.
const PROMISES: &[(&str, Event, Event, u64)] = &[
    ("ethernet", Item("mac"), Item("beat"), 1),
    ("ipv4", Item("rx"), Item("beat"), 1),
    ("udp", Item("rx"), Item("beat"), 1),
    ("oncrpc", Item("rx"), Item("beat"), 1),
    ("oncrpc", End("rx"), Item("key"), 1),
    ("oncrpc", End("rx"), Item("program_key"), 1),
    ("oncrpc", End("rx"), Item("verdict"), 3),
    ("checksum", End("rx"), Item("verdict"), 5),
    ("service_table", Item("key"), Item("found"), 2),
    ("program_table", Item("key"), Item("found"), 2),
    ("slot_writer", End("rx"), Item("slot"), 2),
    ("verdict", Item("header"), Item("decision"), 1),
];

fn happens(bench: &mut Bench, block: &str, event: Event) -> bool {
    let block = bench.dut.block(block);
    match event {
        Item(bundle) => block.peek(&format!("{bundle}$valid")) == 1,
        End(bundle) => {
            let last = block.peek_field(&format!("{bundle}$payload"), "frame.last");
            block.peek(&format!("{bundle}$valid")) == 1 && last == 1
        }
    }
}

/// Runs `frames` back to back with a watch on every event pair.
fn watch(
    bench: &mut Bench,
    frames: &[Vec<u8>],
    pairs: &[(&'static str, Event, Event, u64)],
) -> Vec<Stopwatch> {
    let named = |(block, _, _, cycles): &(&str, Event, Event, u64)| Stopwatch::new(block, *cycles);
    let mut watches: Vec<_> = pairs.iter().map(named).collect();
    for frame in frames {
        bench.send(frame, false);
    }
    let beats: usize = frames.iter().map(|frame| frame.len().div_ceil(64)).sum();
    for _ in 0..beats as u64 + 40 {
        let cycle = bench.cycle;
        bench.step_with(|bench| {
            for ((block, start, end, _), watch) in pairs.iter().zip(&mut watches) {
                let start = happens(bench, block, *start);
                watch.look(cycle, start, happens(bench, block, *end));
            }
        });
    }
    watches
}

#[test]
fn every_block_of_the_path_keeps_its_latency_at_line_rate() {
    // Calls of all lengths, and frames of one beat: a beat in every cycle, items in a row.
    let mut frames = Vec::new();
    for n in 0..60 {
        frames.push(Call::new(KNOWN[1]).with_arguments(4 * (n % 40)).frame());
    }
    let mut short = Call::new(KNOWN[1]);
    short.message_bytes = 12;
    frames.extend((0..60).map(|_| short.frame()));
    let beats: usize = frames.iter().map(|frame| frame.len().div_ceil(64)).sum();
    let mut bench = bench(&roomy(), World::GENEROUS);
    let watches = watch(&mut bench, &frames, PROMISES);
    for ((_, start, _, _), watch) in PROMISES.iter().zip(&watches) {
        watch.check(frames.len());
        let in_a_row = match start {
            Item("mac" | "rx") => beats,
            _ => 60,
        };
        assert!(watch.longest_run() >= in_a_row, "{watch:?}");
    }
}

#[test]
fn every_decision_about_a_call_is_carried_out_a_cycle_later() {
    let frames: Vec<_> = (0..60)
        .map(|n| Call::new(KNOWN[1]).with_arguments(4 * (n % 40)).frame())
        .collect();
    let mut bench = bench(&roomy(), World::GENEROUS);
    let pairs = [
        ("commit", Item("decision"), Item("call"), 1),
        ("commit", Item("decision"), Item("descriptor"), 1),
        ("commit", Item("decision"), Item("session_open"), 1),
    ];
    let watches = watch(&mut bench, &frames, &pairs);
    watches.iter().for_each(|watch| watch.check(60));
}

#[test]
fn commit_takes_a_decision_in_every_cycle() {
    // Frames of one beat whose answers are dropped when the queue is full: each is decided at once.
    let mut short = Call::new(KNOWN[1]);
    (short.message_bytes, short.rpc_version) = (12, 3);
    let frames = vec![short.frame(); 100];
    let mut bench = bench(&roomy(), World::GENEROUS);
    let pairs = [("commit", Item("decision"), Item("reply"), 1)];
    let watches = watch(&mut bench, &frames, &pairs);
    watches[0].check(100);
    assert_eq!(watches[0].longest_run(), 100);
}

#[test]
fn a_call_is_written_two_and_three_cycles_after_its_beats() {
    // 122 bytes in two beats; the image's second beat needs the end of the last one.
    let frames = vec![Call::new(KNOWN[1]).with_arguments(40).frame(); 50];
    let mut bench = bench(&roomy(), World::GENEROUS);
    for frame in &frames {
        assert_eq!(frame.len(), 122);
        bench.send(frame, false);
    }
    let (mut ends, mut writes) = (Vec::new(), Vec::new());
    for _ in 0..140 {
        let cycle = bench.cycle;
        bench.step_with(|bench| {
            ends.extend(happens(bench, "slot_writer", End("rx")).then_some(cycle));
            writes.extend(happens(bench, "slot_writer", Item("buffer")).then_some(cycle));
        });
    }
    assert_eq!((ends.len(), writes.len()), (50, 100));
    for (end, pair) in ends.iter().zip(writes.chunks(2)) {
        assert_eq!([pair[0] - end, pair[1] - end], [2, 3]);
    }
}

#[test]
fn a_bypass_frame_is_written_from_three_cycles_after_its_end_beat_by_beat() {
    let mut group = Call::new(KNOWN[1]).with_arguments(800);
    group.to_mac = [0xff; 6];
    let mut bench = bench(&roomy(), World::GENEROUS);
    let frame = group.frame();
    let beats = frame.len().div_ceil(64);
    bench.send(&frame, false);
    let (mut end, mut writes) = (None, Vec::new());
    for _ in 0..60 {
        let cycle = bench.cycle;
        bench.step_with(|bench| {
            end = end.or(happens(bench, "bypass_queue", End("rx")).then_some(cycle));
            writes.extend(happens(bench, "bypass_queue", Item("write")).then_some(cycle));
        });
    }
    let end = end.expect("the frame has an end");
    let expected: Vec<_> = (0..beats as u64).map(|n| end + 3 + n).collect();
    assert_eq!(writes, expected);
}

#[test]
fn bypass_frames_of_one_beat_are_written_and_handed_on_one_per_cycle() {
    // 60 bytes at image byte 34: two beats of the image.
    let mut bench = bench(&roomy(), World::GENEROUS);
    for _ in 0..200 {
        bench.send(&[0xff; 60], false);
    }
    let (mut writes, mut spills) = (Vec::new(), 0);
    for _ in 0..240 {
        let cycle = bench.cycle;
        bench.step_with(|bench| {
            if happens(bench, "bypass_queue", Item("write")) {
                writes.push(cycle);
                let queue = bench.dut.block("bypass_queue");
                spills += queue.peek_field("write$payload", "spills");
            }
        });
    }
    assert_eq!((writes.len(), spills), (200, 200));
    assert_eq!(writes[199] - writes[0], 199);
    let delivered: Vec<_> = bench.frames.iter().map(|(cycle, _)| *cycle).collect();
    assert_eq!(delivered.len(), 200);
    assert_eq!(delivered[199] - delivered[0], 199);
}
