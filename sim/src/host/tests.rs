//! The host model against a home that keeps plain memory and a directory of holders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// Home of all lines: answers a load when no other load of the line is being served and nobody
/// else holds it; recalls it from the holder before.
struct MemoryHome {
    beat_count: usize,
    latency_cycles: u64,
    cycle: u64,
    memory: BTreeMap<u32, LineBytes>,
    held: BTreeSet<u32>,
    loads: VecDeque<(u64, Load)>,
    recalling: BTreeMap<u32, u16>,
    fill: VecDeque<FillBeat>,
    recall: VecDeque<Recall>,
    writeback_beats: Vec<BeatData>,
    ack_beats: Vec<BeatData>,
    next_recall: u16,
    recall_held: bool,
}

impl MemoryHome {
    fn new(line_bytes: usize, recall_held: bool) -> MemoryHome {
        MemoryHome {
            beat_count: line_bytes / BEAT_BYTES,
            latency_cycles: 5,
            cycle: 0,
            memory: BTreeMap::new(),
            held: BTreeSet::new(),
            loads: VecDeque::new(),
            recalling: BTreeMap::new(),
            fill: VecDeque::new(),
            recall: VecDeque::new(),
            writeback_beats: Vec::new(),
            ack_beats: Vec::new(),
            next_recall: 0,
            recall_held,
        }
    }

    fn store_line(memory: &mut BTreeMap<u32, LineBytes>, address: u32, beats: &[BeatData]) {
        let line = memory.entry(address).or_insert([0; MAX_LINE_BYTES]);
        for (beat_idx, beat) in beats.iter().enumerate() {
            set_line_beat(line, beat_idx, beat);
        }
    }

    fn serve(&mut self) {
        let Some(&(due, load)) = self.loads.front() else {
            return;
        };
        if due > self.cycle || self.recalling.contains_key(&load.address) {
            return;
        }
        if self.recall_held && self.held.contains(&load.address) {
            let id = self.next_recall;
            self.next_recall += 1;
            self.recalling.insert(load.address, id);
            self.recall.push_back(Recall {
                address: load.address,
                id,
            });
            return;
        }
        self.loads.pop_front();
        self.held.insert(load.address);
        let line = self
            .memory
            .entry(load.address)
            .or_insert([0; MAX_LINE_BYTES]);
        for beat_idx in 0..self.beat_count {
            self.fill.push_back(FillBeat {
                id: load.id,
                exclusive: load.exclusive,
                data: line_beat(line, beat_idx),
                last: beat_idx + 1 == self.beat_count,
            });
        }
    }
}

impl LinePort for MemoryHome {
    fn cycle(&mut self, inputs: &LinePortIn) -> LinePortOut {
        // The recall of a line follows its fill, as on a link that keeps order per line.
        let recall = if self.fill.is_empty() {
            self.recall.front().copied()
        } else {
            None
        };
        let outputs = LinePortOut {
            load_ready: true,
            fill: self.fill.front().copied(),
            writeback_ready: true,
            recall,
            recall_ack_ready: true,
        };
        if outputs.fill.is_some() && inputs.fill_ready {
            self.fill.pop_front();
        }
        if recall.is_some() && inputs.recall_ready {
            self.recall.pop_front();
        }
        if let Some(load) = inputs.load {
            self.loads
                .push_back((self.cycle + self.latency_cycles, load));
        }
        if let Some(beat) = &inputs.writeback {
            self.writeback_beats.push(beat.data);
            if beat.last {
                let beats = std::mem::take(&mut self.writeback_beats);
                if beat.dirty {
                    Self::store_line(&mut self.memory, beat.address, &beats);
                }
                self.held.remove(&beat.address);
            }
        }
        if let Some(beat) = &inputs.recall_ack {
            self.ack_beats.push(beat.data);
            if beat.last {
                let beats = std::mem::take(&mut self.ack_beats);
                let found = self.recalling.iter().find(|(_, id)| **id == beat.id);
                let address = *found.expect("an acknowledgement answers a recall").0;
                if beat.dirty {
                    Self::store_line(&mut self.memory, address, &beats);
                }
                self.recalling.remove(&address);
                self.held.remove(&address);
            }
        }
        self.serve();
        self.cycle += 1;
        outputs
    }
}

fn config(line_bytes: usize, coherent: bool) -> HostConfig {
    let link = |latency_cycles| LinkTiming {
        latency_cycles,
        message_occupancy_cycles: 1,
        line_occupancy_cycles: 3,
    };
    HostConfig {
        core_count: 3,
        line_bytes,
        core: CoreTiming {
            miss_cycles: 0,
            load_issue_cycles: 2,
            fill_to_use_cycles: 4,
            hit_cycles: 1,
            store_cycles: 1,
            flush_cycles: 3,
            snoop_cycles: 6,
            max_outstanding_loads: 4,
            store_buffer_entries: 4,
            coherent,
        },
        to_card: link(20),
        to_host: link(30),
        strict_order: !coherent,
        stalls: PortStalls::default(),
        eviction_chance_65536: 0,
        eviction_notice_256: 128,
    }
}

struct Bench {
    host: Host,
    home: MemoryHome,
    cycle: u64,
}

impl Bench {
    fn new(config: HostConfig, seed: Seed) -> Bench {
        let home = MemoryHome::new(config.line_bytes, config.core.coherent);
        Bench {
            host: Host::new(config, seed),
            home,
            cycle: 0,
        }
    }

    fn step(&mut self) -> Vec<CoreEvent> {
        let inputs = self.host.drive(self.cycle);
        let outputs = self.home.cycle(&inputs);
        let mut events = Vec::new();
        self.host
            .sample(self.cycle, &inputs, &outputs, &mut events)
            .unwrap();
        self.cycle += 1;
        events
    }

    fn run(&mut self, core_idx: usize, op: CoreOp) -> CoreReply {
        self.host.core_mut(core_idx).submit(op, self.cycle);
        for _ in 0..10_000 {
            if let Some(event) = self.step().pop() {
                assert_eq!(event.core_idx, core_idx);
                return event.reply;
            }
        }
        panic!("the operation of core {core_idx} did not complete in 10000 cycles");
    }
}

fn store(line: u32, offset: usize, value: u64) -> CoreOp {
    CoreOp::Store {
        line,
        offset,
        data: value.to_le_bytes().to_vec(),
    }
}

fn word(line: &LineBytes, offset: usize) -> u64 {
    u64::from_le_bytes(line[offset..offset + 8].try_into().unwrap())
}

#[test]
fn a_load_takes_the_sum_of_its_parts() {
    let mut bench = Bench::new(config(128, true), Seed(1));
    let first = bench.run(0, CoreOp::Load(vec![7]));
    // 20 to the card, 5 there, 2 beats, 30 back, 4 to use; a cycle each to be taken in by the home
    // and to show the first beat.
    let exact = 20 + 5 + 2 + 30 + 4;
    assert!(
        first.cycle.abs_diff(exact) <= 2,
        "{} vs {exact}",
        first.cycle
    );
    let start = bench.cycle;
    let hit = bench.run(0, CoreOp::Load(vec![7]));
    assert_eq!(hit.cycle - start, 1);
}

#[test]
fn parallel_loads_overlap_and_serial_loads_do_not() {
    let mut bench = Bench::new(config(64, true), Seed(1));
    let parallel = bench.run(0, CoreOp::Load(vec![1, 2, 3, 4])).cycle;
    let start = bench.cycle;
    for line in 11..15 {
        bench.run(0, CoreOp::Load(vec![line]));
    }
    assert!(
        bench.cycle - start > 3 * parallel,
        "{} vs {parallel}",
        bench.cycle - start
    );
}

#[test]
fn a_line_travels_between_cores_through_recalls() {
    let mut bench = Bench::new(config(128, true), Seed(1));
    bench.run(0, store(9, 120, 0x1122));
    bench.run(0, CoreOp::Fence);
    assert_eq!(bench.host.core(0).held(9), Some(Held::Modified));
    let seen = bench.run(1, CoreOp::Load(vec![9]));
    assert_eq!(word(&seen.lines[0], 120), 0x1122);
    assert_eq!(bench.host.core(0).held(9), None);
    assert_eq!(bench.host.core(1).held(9), Some(Held::Shared));
}

#[test]
fn loads_pass_unfenced_stores_of_other_lines() {
    let mut bench = Bench::new(config(64, true), Seed(1));
    bench.run(0, CoreOp::Load(vec![5]));
    bench.run(0, store(4, 0, 1));
    let start = bench.cycle;
    bench.run(0, CoreOp::Load(vec![5]));
    assert!(bench.cycle - start < 5);
    assert_eq!(
        bench.host.core(0).held(4),
        None,
        "the store still waits for its line"
    );
    // A load of the stored line does wait.
    assert_eq!(word(&bench.run(0, CoreOp::Load(vec![4])).lines[0], 0), 1);
}

#[test]
fn write_back_gives_the_line_to_the_home() {
    let mut bench = Bench::new(config(128, true), Seed(1));
    bench.run(2, store(3, 64, 0xabcd));
    bench.run(2, CoreOp::WriteBack(3));
    for _ in 0..100 {
        bench.step();
    }
    assert_eq!(word(&bench.home.memory[&3], 64), 0xabcd);
    assert!(bench.home.held.is_empty() && bench.host.is_idle());
}

#[test]
fn pcie_loads_are_messages_and_stores_are_combined() {
    let mut bench = Bench::new(config(64, false), Seed(1));
    for offset in [0, 8, 56] {
        bench.run(0, store(6, offset, 7 + offset as u64));
    }
    let cold = bench.run(0, CoreOp::Load(vec![6]));
    assert_eq!(
        word(&cold.lines[0], 56),
        63,
        "the load pushed the combined line ahead of itself"
    );
    let start = bench.cycle;
    bench.run(0, CoreOp::Load(vec![6]));
    assert!(bench.cycle - start > 50, "nothing is cached");
}

#[test]
fn a_killed_load_still_fills_the_cache_and_frees_its_id() {
    let mut bench = Bench::new(config(64, true), Seed(1));
    bench.host.core_mut(0).submit(CoreOp::Load(vec![1]), 0);
    for _ in 0..5 {
        bench.step();
    }
    bench.host.core_mut(0).abandon();
    for _ in 0..200 {
        assert!(bench.step().is_empty());
    }
    assert!(bench.host.is_idle());
    assert_eq!(bench.host.core(0).held(1), Some(Held::Shared));
}

/// Every core owns one word of each shared line and must always read back what it last stored,
/// whatever recalls, evictions and stalls do to the lines in between.
#[test]
fn every_core_sees_its_own_stores_under_stalls_and_evictions() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed}");
    for (case, line_bytes, coherent) in [("128", 128, true), ("64", 64, true)] {
        let mut config = config(line_bytes, coherent);
        config.stalls = PortStalls::uniform(100);
        config.eviction_chance_65536 = 3000;
        let mut bench = Bench::new(config, seed.child(case));
        let mut rng = seed.stream(case);
        let mut expected = BTreeMap::new();
        let mut checks: [Option<(u32, u64)>; 3] = [None; 3];
        let mut completed = 0;
        while completed < 3000 {
            for (core_idx, check) in checks.iter_mut().enumerate() {
                if bench.host.core(core_idx).is_busy() {
                    continue;
                }
                let line = rng.random_range(0..4);
                let op = match rng.random_range(0..8) {
                    0 => CoreOp::Fence,
                    1 => CoreOp::WriteBack(line),
                    2 => CoreOp::LoadExclusive(line),
                    3 => CoreOp::Delay(rng.random_range(0..20)),
                    4 => {
                        bench.host.core_mut(core_idx).prefetch(line, rng.random());
                        CoreOp::Delay(1)
                    }
                    5 => {
                        let value = rng.random();
                        expected.insert((core_idx, line), value);
                        store(line, 8 * core_idx, value)
                    }
                    _ => {
                        let value = expected.get(&(core_idx, line)).copied().unwrap_or(0);
                        *check = Some((line, value));
                        CoreOp::Load(vec![line])
                    }
                };
                bench.host.core_mut(core_idx).submit(op, bench.cycle);
            }
            for event in bench.step() {
                completed += 1;
                if let Some((line, value)) = checks[event.core_idx].take() {
                    let seen = word(&event.reply.lines[0], 8 * event.core_idx);
                    assert_eq!(seen, value, "core {} line {line}, {seed}", event.core_idx);
                }
            }
            assert!(
                bench.cycle < 1_000_000,
                "{completed} operations in 1000000 cycles, {seed}"
            );
        }
    }
}

fn exchange(line: u32, expected: u64, new: u64) -> CoreOp {
    CoreOp::CompareExchange {
        line,
        expected,
        new,
    }
}

#[test]
fn an_atomic_operation_follows_the_stores_before_it_and_hits_in_the_cache() {
    let mut bench = Bench::new(config(128, true), Seed(1));
    bench.run(0, store(3, 0, 5));
    let stored = bench.run(0, exchange(3, 5, 6));
    assert_eq!(word(&stored.lines[0], 0), 5);
    assert_eq!(bench.host.core(0).held(3), Some(Held::Modified));
    let start = bench.cycle;
    let missed = bench.run(0, exchange(3, 5, 7));
    assert_eq!((word(&missed.lines[0], 0), missed.cycle - start), (6, 1));
}

/// All cores count in one word; what each has added is there in the end.
#[test]
fn atomic_operations_of_many_cores_lose_nothing_under_stalls_and_evictions() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed}");
    let mut config = config(64, true);
    config.stalls = PortStalls::uniform(100);
    config.eviction_chance_65536 = 3000;
    let mut bench = Bench::new(config, seed.child("atomic"));
    let mut seen = [0; 3];
    let mut added = 0;
    while added < 300 {
        for (core_idx, seen) in seen.iter().enumerate() {
            if !bench.host.core(core_idx).is_busy() {
                let op = exchange(2, *seen, *seen + 1);
                bench.host.core_mut(core_idx).submit(op, bench.cycle);
            }
        }
        for event in bench.step() {
            let expected = seen[event.core_idx];
            let found = word(&event.reply.lines[0], 0);
            assert!(found <= added, "{found} of {added}, {seed}");
            seen[event.core_idx] = found;
            if found == expected {
                assert_eq!(found, added, "somebody else has counted, {seed}");
                added += 1;
                seen[event.core_idx] += 1;
            }
        }
        assert!(bench.cycle < 1_000_000, "{added} added, {seed}");
    }
}

#[test]
fn profiles_give_the_published_bare_round_trip() {
    use lauberhorn_coherence::InterconnectProfile as Profile;
    for (profile, line_bytes) in [(Profile::ECI, 128), (Profile::CXL, 64), (Profile::PCIE, 64)] {
        let config = HostConfig::from_profile(&profile, line_bytes, 1, 250_000_000);
        let mut bench = Bench::new(config, Seed(1));
        bench.home.latency_cycles = 0;
        let cycles = bench.run(0, CoreOp::Load(vec![1])).cycle;
        let bare = u64::from(profile.load_ns()).div_ceil(4);
        let home = 2 + line_bytes as u64 / 64;
        assert!(
            cycles >= bare && cycles <= bare + home + 1,
            "{}: {cycles} vs {bare}",
            profile.name
        );
    }
}
