//! # Free list
//! Hands out the ids `first..first + count`, each to one holder at a time, and takes them back on two
//! ports. After reset all are free: a counter hands each out once, then recycled ids follow.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `release_a`, `release_b` | in | flow of ids | ids given back; only ids that are held |
//! | `tx` | out | stream of ids | a free id; taking it makes the taker its holder |
//! | `free` | out | 16 bits | ids that nobody holds, the one offered on `tx` included |
//!
//! Latency: 2 cycles from a release to the offer when no other id is free.
//! Throughput: 1 id/cycle out, 2 ids/cycle in.
//! Backpressure: lossless; `tx` waits for ready, releases always fit.
//! Ordering: none promised.
//! Reset: all ids are free.
//! Errors: releasing an id that is not held is a fault of the holder; the assertions
//! `release_a_is_held`, `release_b_is_held` and `releases_differ` find it in simulation.
//! Counters: none; `free` is the gauge.

use super::fifo::LEVEL_BITS;
use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, Expr, Leaf, MemoryStyle, Value};
use crate::types::{FlowIn, StreamOut};
use rust_hdl::prelude::*;

const ID_BITS: usize = 10;

/// The block.
#[derive(LogicBlock, Default)]
pub struct FreeList {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Ids given back.
    pub release_a: FlowIn<Bits<10>>,
    /// Ids given back.
    pub release_b: FlowIn<Bits<10>>,
    /// A free id.
    pub tx: StreamOut<Bits<10>>,
    /// Number of free ids.
    pub free: Signal<Out, Bits<16>>,
    _first: usize,
    _count: usize,
}

impl FreeList {
    /// Ids `first..first + count`, all below 1024.
    pub fn new(first: usize, count: usize) -> Self {
        Self {
            _first: first,
            _count: count,
            ..Self::default()
        }
    }
}

/// Ids that came back on one port: `(offer, id)`; `take` is asked for with the offer in hand.
struct Returned<'b> {
    offer: Expr<'b>,
    id: Expr<'b>,
    take: Box<dyn FnOnce(Expr<'b>) + 'b>,
}

fn returned<'b>(
    b: &'b Body,
    name: &str,
    depth: usize,
    valid: Expr<'b>,
    id: Expr<'b>,
) -> Returned<'b> {
    // As deep as there are ids, and only held ids come back: it cannot overflow. One pointer bit
    // more than the address tells full from empty.
    let bits = depth.ilog2() as usize;
    let words = b.memory(name, depth, ID_BITS, MemoryStyle::Distributed);
    let write = b.reg(&format!("{name}_write_q"), bits + 1);
    let read = b.reg(&format!("{name}_read_q"), bits + 1);
    b.when(valid, || {
        words.write(write.q().trunc(bits), id);
        write.set(write.q().inc());
    });
    Returned {
        offer: write.q().ne(read.q()),
        id: words.read_now(read.q().trunc(bits)),
        take: Box::new(move |take| {
            b.when(take, || read.set(read.q().inc()));
        }),
    }
}

impl Leaf for FreeList {
    fn body(&self, b: &Body) {
        let (first, count) = (self._first, self._count);
        assert!(
            count > 0 && first + count <= 1 << ID_BITS,
            "FreeList: ids {first}..{} are none or beyond 1023; build it with FreeList::new(first, count)",
            first + count
        );
        let depth = count.next_power_of_two().max(2);
        let releases = [
            (
                b.read(&self.release_a.valid),
                b.read(&self.release_a.payload),
            ),
            (
                b.read(&self.release_b.valid),
                b.read(&self.release_b.payload),
            ),
        ];
        let [(valid_a, id_a), (valid_b, id_b)] = releases;
        let a = returned(b, "returned_a", depth, valid_a, id_a);
        let c = returned(b, "returned_b", depth, valid_b, id_b);

        let valid = b.reg("valid_q", 1);
        let id = b.reg_data("id_q", ID_BITS);
        let fresh_bits = ID_BITS + 1;
        let fresh = b.reg_init("fresh_q", Value::new(fresh_bits, first as u128));
        let end = b.lit(fresh_bits, (first + count) as u128);
        let pop = b.wire("pop", valid.q() & b.read(&self.tx.ready));
        let refill = b.wire("refill", pop | !valid.q());
        let is_fresh = b.wire("is_fresh", fresh.q().ne(end));

        b.when(refill, || {
            valid.set(is_fresh | a.offer | c.offer);
            let recycled = a.offer.mux(a.id, c.id);
            id.set(is_fresh.mux(fresh.q().trunc(ID_BITS), recycled));
        });
        b.when(refill & is_fresh, || fresh.set(fresh.q().inc()));
        (a.take)(refill & !is_fresh & a.offer);
        (c.take)(refill & !is_fresh & !a.offer & c.offer);

        let free = b.reg_init("free_q", Value::new(LEVEL_BITS, count as u128));
        let change = valid_a.zext(LEVEL_BITS) + valid_b.zext(LEVEL_BITS);
        free.set(free.q() + change - pop.zext(LEVEL_BITS));

        self.check_holders(b, pop, id.q(), releases);
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, id.q());
        b.drive(&self.free, free.q());
    }
}

impl FreeList {
    /// Who holds what, for the assertions only: synthesis finds no use of it and drops it.
    fn check_holders<'b>(
        &self,
        b: &'b Body,
        pop: Expr<'b>,
        id: Expr<'b>,
        releases: [(Expr<'b>, Expr<'b>); 2],
    ) {
        let held = b.reg("held_q", self._count);
        let one = b.lit(1, 1).zext(self._count.max(2)).trunc(self._count);
        let place = |valid: Expr<'b>, id: Expr<'b>| {
            let offset = id - b.lit(ID_BITS, self._first as u128);
            valid.repeat(self._count) & one.shift_left(offset)
        };
        let [(valid_a, id_a), (valid_b, id_b)] = releases;
        let (back_a, back_b) = (place(valid_a, id_a), place(valid_b, id_b));
        held.set((held.q() | place(pop, id)) & !(back_a | back_b));
        b.assert("release_a_is_held", !valid_a | (held.q() & back_a).any());
        b.assert("release_b_is_held", !valid_b | (held.q() & back_b).any());
        b.assert("releases_differ", !(valid_a & valid_b & id_a.eq(id_b)));
    }
}
leaf!(impl[] FreeList { tx, free });

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_free_list_1", FreeList::new(3, 1)),
        Design::leaf("stream_free_list_16", FreeList::new(64, 16)),
        Design::leaf("stream_free_list_80", FreeList::new(944, 80)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::{Dut, Interpreter};
    use crate::testing::{rng, root_seed};
    use rand::Rng as _;
    use std::collections::BTreeSet;

    fn dut(first: usize, count: usize) -> Interpreter {
        let mut dut = Interpreter::new(FreeList::new(first, count).elaborate());
        dut.reset();
        dut
    }

    /// Releases `ids` on the two ports in this cycle.
    fn release(dut: &mut Interpreter, ids: [Option<u64>; 2]) {
        for (port, id) in ["release_a", "release_b"].into_iter().zip(ids) {
            dut.poke(&format!("{port}$valid"), u64::from(id.is_some()));
            dut.poke(&format!("{port}$payload"), id.unwrap_or(0));
        }
    }

    #[test]
    fn no_id_has_two_holders_and_none_is_lost() {
        let root = root_seed();
        for (first, count, keen) in [(0, 1, 50), (5, 7, 50), (64, 16, 90), (944, 80, 20)] {
            let mut rng = rng(root, &format!("free_list_{count}"));
            let mut dut = dut(first, count);
            let mut held: BTreeSet<u64> = BTreeSet::new();
            let mut seen = BTreeSet::new();
            for cycle in 0..6_000u32 {
                let free = dut.peek("free");
                assert_eq!(free, (count - held.len()) as u64, "gauge, cycle {cycle}");
                let mut back = [None, None];
                for slot in &mut back {
                    if rng.random_range(0..100) < 35 && !held.is_empty() {
                        let nth = rng.random_range(0..held.len());
                        let id = *held.iter().nth(nth).expect("within the length");
                        held.remove(&id);
                        *slot = Some(id);
                    }
                }
                release(&mut dut, back);
                let take = rng.random_range(0..100) < keen;
                dut.poke("tx$ready", u64::from(take));
                if take && dut.peek("tx$valid") == 1 {
                    let id = dut.peek("tx$payload");
                    assert!((first..first + count).contains(&(id as usize)), "id {id}");
                    assert!(held.insert(id), "id {id} is handed out twice");
                    seen.insert(id);
                }
                dut.step().unwrap();
            }
            assert_eq!(seen.len(), count, "every id is used");
            // Give all back: all are offered again.
            dut.poke("tx$ready", 0);
            while let Some(id) = held.pop_first() {
                release(&mut dut, [Some(id), held.pop_last()]);
                dut.step().unwrap();
            }
            release(&mut dut, [None, None]);
            dut.step().unwrap();
            dut.step().unwrap();
            dut.poke("tx$ready", 1);
            let mut all = BTreeSet::new();
            for _ in 0..count {
                assert_eq!(dut.peek("tx$valid"), 1, "one id in each cycle");
                assert!(all.insert(dut.peek("tx$payload")));
                dut.step().unwrap();
            }
            assert_eq!(dut.peek("tx$valid"), 0);
            assert_eq!(dut.peek("free"), 0);
        }
    }

    #[test]
    fn a_released_id_is_offered_again_after_two_cycles() {
        let mut dut = dut(3, 1);
        dut.poke("tx$ready", 1);
        dut.step().unwrap();
        dut.step().unwrap();
        assert_eq!(dut.peek("tx$valid"), 0);
        release(&mut dut, [None, Some(3)]);
        dut.step().unwrap();
        release(&mut dut, [None, None]);
        assert_eq!(dut.peek("tx$valid"), 0);
        dut.step().unwrap();
        assert_eq!((dut.peek("tx$valid"), dut.peek("tx$payload")), (1, 3));
    }

    #[test]
    fn a_reset_frees_every_id() {
        let mut dut = dut(64, 16);
        dut.poke("tx$ready", 1);
        for _ in 0..20 {
            dut.step().unwrap();
        }
        assert_eq!(dut.peek("free"), 0);
        dut.reset();
        assert_eq!(dut.peek("free"), 16);
    }

    #[test]
    fn a_double_release_is_caught() {
        let mut dut = dut(64, 16);
        release(&mut dut, [Some(70), None]);
        assert_eq!(dut.step().unwrap_err().name, "release_a_is_held");
        release(&mut dut, [None, Some(63)]);
        assert_eq!(dut.step().unwrap_err().name, "release_b_is_held");
    }

    #[test]
    fn the_same_id_on_both_ports_is_caught() {
        let mut dut = dut(64, 16);
        dut.poke("tx$ready", 1);
        dut.step().unwrap();
        dut.step().unwrap();
        release(&mut dut, [Some(64), Some(64)]);
        assert_eq!(dut.step().unwrap_err().name, "releases_differ");
    }

    #[test]
    #[should_panic(expected = "FreeList: ids 1000..1100 are none or beyond 1023")]
    fn refuses_ids_that_do_not_fit() {
        dut(1000, 100);
    }
}
