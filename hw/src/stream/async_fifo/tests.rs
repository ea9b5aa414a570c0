//! Tests of the clock crossing.

use super::*;
use crate::rtl::{Dut, Interpreter};
use crate::testing::{Rng, Suite, random_value, rng, root_seed};
use rand::Rng as _;

/// Cycles of both clocks after which a FIFO has opened again.
const SETTLE_CYCLES: usize = 24;

fn dut(depth: usize) -> Interpreter {
    Interpreter::new(AsyncFifo::<Bits<24>>::new(depth).elaborate())
}

/// When the clocks tick.
#[derive(Clone, Copy, Debug)]
enum Clocks {
    /// Periods and the start of `tx_clock`, in any unit.
    Periods(u64, u64, u64),
    /// At random, in these shares of the steps.
    Shares(u8, u8),
}

/// From much faster to much slower, nearly equal, in phase and not, in random order.
const CLOCKS: [Clocks; 10] = [
    Clocks::Periods(4000, 4000, 0),
    Clocks::Periods(4000, 4000, 1),
    Clocks::Periods(4000, 3103, 700),
    Clocks::Periods(3103, 4000, 5),
    Clocks::Periods(4000, 4001, 0),
    Clocks::Periods(1000, 9700, 0),
    Clocks::Periods(9700, 1000, 0),
    Clocks::Shares(50, 50),
    Clocks::Shares(90, 10),
    Clocks::Shares(10, 90),
];

/// A source and a sink in domains of their own; items are numbers that count up.
struct Crossing {
    dut: Interpreter,
    rng: Rng,
    clocks: Clocks,
    next_edge: [u64; 2],
    /// Odds in percent that the source offers and the sink takes.
    odds: [u8; 2],
    resets: [bool; 2],
    sent: u64,
    received: Vec<u64>,
}

impl Crossing {
    fn new(clocks: Clocks, depth: usize, name: &str) -> Self {
        let mut dut = dut(depth);
        dut.reset();
        let next_edge = match clocks {
            Clocks::Periods(_, _, start) => [0, start],
            Clocks::Shares(..) => [0, 0],
        };
        Self {
            dut,
            rng: rng(root_seed(), &format!("{name} {clocks:?} {depth}")),
            clocks,
            next_edge,
            odds: [75, 75],
            resets: [false; 2],
            sent: 0,
            received: Vec::new(),
        }
    }

    /// Which of the two clocks tick next.
    fn edge(&mut self) -> [bool; 2] {
        match self.clocks {
            Clocks::Periods(rx, tx, _) => {
                let now = self.next_edge[0].min(self.next_edge[1]);
                let ticks = self.next_edge.map(|edge| edge == now);
                for (edge, period) in self.next_edge.iter_mut().zip([rx, tx]) {
                    if *edge == now {
                        *edge += period;
                    }
                }
                ticks
            }
            Clocks::Shares(rx, tx) => loop {
                let ticks = [rx, tx].map(|share| self.rng.random_range(0..100) < share);
                if ticks != [false; 2] {
                    return ticks;
                }
            },
        }
    }

    fn step(&mut self) -> [bool; 2] {
        let ticks = self.edge();
        let goes = self.odds.map(|odds| self.rng.random_range(0..100) < odds);
        let [offer, take] = [0, 1].map(|side| goes[side] && !self.resets[side]);
        self.dut.poke("rx_reset", u64::from(self.resets[0]));
        self.dut.poke("tx_reset", u64::from(self.resets[1]));
        self.dut.poke("rx$valid", u64::from(offer));
        self.dut.poke("rx$payload", self.sent);
        self.dut.poke("tx$ready", u64::from(take));
        if ticks[0] && offer && self.dut.peek("rx$ready") == 1 {
            self.sent += 1;
        }
        if ticks[1] && take && self.dut.peek("tx$valid") == 1 {
            let item = self.dut.peek("tx$payload");
            assert!(
                item < self.sent && self.received.last().is_none_or(|last| *last < item),
                "{:?}: item {item} after {:?}, {} were sent",
                self.clocks,
                self.received.last(),
                self.sent
            );
            self.received.push(item);
        }
        let names = ["rx_clock", "tx_clock"];
        let names: Vec<_> = names.into_iter().zip(ticks).collect();
        let names: Vec<_> = names.iter().filter(|(_, tick)| *tick).collect();
        let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        self.dut.step_clocks(&names).expect("no assertion fails");
        ticks
    }

    /// Steps until each clock has ticked `cycles` times.
    fn cycles(&mut self, cycles: usize) {
        let mut counts = [0; 2];
        while counts.iter().any(|count| *count < cycles) {
            for (count, tick) in counts.iter_mut().zip(self.step()) {
                *count += usize::from(tick);
            }
        }
    }

    /// Lets the sink take everything.
    fn drain(&mut self, cycles: usize) {
        self.odds = [0, 100];
        self.cycles(cycles);
    }
}

#[test]
fn keeps_its_contract_with_clocks_that_tick_together() {
    Suite {
        name: "async_fifo",
        make: &|| Box::new(dut(8)),
        inputs: &["rx"],
        outputs: &["tx"],
        items: &|rng, count| vec![(0..count).map(|_| random_value(rng, 24)).collect()],
        model: &<[_]>::to_vec,
        latency_cycles: 4,
        cycles_per_100_items: 100,
    }
    .run();
}

#[test]
fn loses_and_repeats_nothing_at_any_clock_ratio() {
    for clocks in CLOCKS {
        for depth in [4, 16] {
            let mut crossing = Crossing::new(clocks, depth, "async_fifo_ratio");
            for odds in [[75, 75], [100, 20], [20, 100], [100, 100]] {
                crossing.odds = odds;
                crossing.cycles(150);
            }
            crossing.drain(SETTLE_CYCLES + 2 * depth);
            let all: Vec<_> = (0..crossing.sent).collect();
            assert_eq!(crossing.received, all, "{clocks:?}, depth {depth}");
            assert!(crossing.sent > 100, "{clocks:?}: {}", crossing.sent);
        }
    }
}

#[test]
fn fills_to_its_depth_and_empties() {
    for clocks in CLOCKS {
        for depth in [4, 16] {
            let mut crossing = Crossing::new(clocks, depth, "async_fifo_full");
            for _ in 0..3 {
                let before = crossing.sent;
                crossing.odds = [100, 0];
                crossing.cycles(SETTLE_CYCLES + 2 * depth);
                // One more waits in the output register.
                assert_eq!(crossing.sent - before, depth as u64 + 1, "{clocks:?}");
                assert_eq!(crossing.dut.peek("rx$ready"), 0);
                crossing.drain(SETTLE_CYCLES + 2 * depth);
                assert_eq!(crossing.received.len() as u64, crossing.sent);
                assert_eq!(crossing.dut.peek("tx$valid"), 0);
            }
        }
    }
}

#[test]
fn keeps_the_rate_of_the_slower_clock() {
    for clocks in CLOCKS {
        let Clocks::Periods(rx, tx, _) = clocks else {
            continue;
        };
        let mut crossing = Crossing::new(clocks, 8, "async_fifo_rate");
        crossing.odds = [100, 100];
        crossing.cycles(SETTLE_CYCLES);
        let (sent, time) = (crossing.received.len(), crossing.next_edge[0]);
        crossing.cycles(200);
        let slower_cycles = (crossing.next_edge[0] - time) / rx.max(tx);
        let moved = (crossing.received.len() - sent) as u64;
        assert!(
            moved + 2 >= slower_cycles,
            "{clocks:?}: {moved} items in {slower_cycles} cycles of the slower clock"
        );
    }
}

/// Resets one side in mid-stream, over and over, and sometimes again while the first still works.
#[test]
fn a_reset_of_either_side_empties_both_and_breaks_nothing() {
    for clocks in CLOCKS {
        let mut crossing = Crossing::new(clocks, 8, "async_fifo_reset");
        crossing.cycles(SETTLE_CYCLES);
        for round in 0..30 {
            crossing.odds = [80, [20, 90][round % 2]];
            let cycles = crossing.rng.random_range(0..30);
            crossing.cycles(cycles);
            let before = crossing.received.len();
            let mut sides = vec![crossing.rng.random_range(0..2)];
            if crossing.rng.random_ratio(1, 2) {
                sides.push(crossing.rng.random_range(0..2));
            }
            let mut first_after = 0;
            for side in &sides {
                crossing.resets[*side] = true;
                for _ in 0..crossing.rng.random_range(1..4) {
                    while !crossing.step()[*side] {}
                }
                crossing.resets[*side] = false;
                first_after = crossing.sent;
                let port = ["rx$ready", "tx$valid"][*side];
                assert_eq!(
                    crossing.dut.peek(port),
                    0,
                    "{clocks:?}: {port} after a reset"
                );
                let pause = crossing.rng.random_range(0..12);
                for _ in 0..pause {
                    crossing.step();
                }
            }
            crossing.odds = [80, 80];
            crossing.cycles(SETTLE_CYCLES);
            // Whatever is sent from here on arrives, whole and in order.
            let settled = crossing.sent;
            crossing.cycles(20);
            crossing.drain(SETTLE_CYCLES + 16);
            let received = &crossing.received[before..];
            let all: Vec<_> = (settled..crossing.sent).collect();
            assert!(received.ends_with(&all), "{clocks:?}: after the reset");
            // The writer's own reset loses nothing that it takes afterwards.
            if sides == [0] {
                let all: Vec<_> = (first_after..crossing.sent).collect();
                assert!(
                    received.ends_with(&all),
                    "{clocks:?}: right after the reset"
                );
            }
        }
    }
}

#[test]
fn an_edge_of_one_clock_leaves_the_outputs_of_the_other_domain() {
    let mut dut = dut(4);
    dut.reset();
    for _ in 0..SETTLE_CYCLES {
        dut.step().expect("no assertion fails");
    }
    dut.poke("rx$valid", 1);
    for _ in 0..10 {
        dut.step_clocks(&["rx_clock"]).expect("no assertion fails");
        assert_eq!(dut.peek("tx$valid"), 0);
    }
    assert_eq!(dut.peek("rx$ready"), 0, "full");
    dut.poke("rx$valid", 0);
    dut.poke("tx$ready", 1);
    for _ in 0..10 {
        dut.step_clocks(&["tx_clock"]).expect("no assertion fails");
        assert_eq!(dut.peek("rx$ready"), 0);
    }
}

#[test]
fn constraints_cover_every_first_flip_flop_of_the_verilog() {
    let verilog = AsyncFifo::<Bits<24>>::new(4).elaborate().verilog();
    let Constraints { xdc, sdc } = constraints("top/fifo", 4.0, 3.103);
    let declared = |line: &&str| line.contains("ASYNC_REG = \"TRUE\"") && line.contains("sync0");
    let firsts: Vec<_> = verilog.lines().filter(declared).collect();
    assert_eq!(firsts.len(), 6, "{verilog}");
    for line in firsts {
        let name = line
            .trim_end_matches(';')
            .rsplit(' ')
            .next()
            .expect("a name");
        assert!(
            xdc.contains(&format!("-to [get_cells top/fifo/{name}_reg*] 3.103")),
            "{xdc}"
        );
        assert!(
            sdc.contains(&format!("-to [get_registers {{top|fifo|{name}*}}] 3.103")),
            "{sdc}"
        );
    }
    for (from, to, _) in CROSSINGS {
        for name in [from, to] {
            assert!(verilog.contains(name), "{name} is missing in\n{verilog}");
        }
    }
    assert!(verilog.contains("(* ASYNC_REG = \"TRUE\" *) reg [2:0] write_sync0_q;"));
    assert_eq!(xdc.matches("set_bus_skew").count(), 2);
    assert_eq!(sdc.matches("set_max_skew").count(), 2);
}

#[test]
#[should_panic(expected = "AsyncFifo: depth 2 is below 4")]
fn refuses_a_depth_below_four() {
    dut(2);
}
