//! The search for sessions, in a table that the test plays.

use crate::net::tx::orphans::Orphans;
use crate::rtl::{Dut, Interpreter, Leaf};

const SESSIONS: usize = 8;
const SEARCHED: u64 = 3;

#[test]
fn every_session_of_the_endpoint_is_found_once() {
    let mut dut = Interpreter::new(Orphans::new(SESSIONS).elaborate());
    dut.reset();
    // Endpoint and generation of each session that is bound.
    let mut table = [None; SESSIONS];
    for (index, endpoint) in [(0, 3), (1, 2), (4, 3), (5, 3), (7, 3)] {
        table[index] = Some((endpoint, 40 + index as u64));
    }
    let mut answers = [None; 2];
    let mut found = Vec::new();
    let mut stay = 0;
    dut.poke("sweep$valid", 1);
    dut.poke("sweep$payload", SEARCHED);
    for cycle in 0..500u64 {
        let [answer, _] = answers;
        dut.poke_field("probed", "bound", u64::from(answer.is_some()));
        let (endpoint, generation) = answer.unwrap_or((SEARCHED, 0));
        dut.poke_field("probed", "endpoint", endpoint);
        dut.poke_field("probed", "generation", generation);
        let probe = dut.peek("probe") as usize;
        answers = [answers[1], table[probe]];
        let ready = cycle % 5 == 0;
        dut.poke("orphan$ready", u64::from(ready));
        if dut.peek("orphan$valid") == 1 && ready {
            let index = dut.peek_field("orphan$payload", "index");
            found.push((index, dut.peek_field("orphan$payload", "generation")));
            // It stays the endpoint's until its answer has been checked.
            stay = 9;
        }
        if stay > 0 {
            stay -= 1;
            if stay == 0 {
                table[found.last().expect("one was found").0 as usize] = None;
            }
        }
        let swept = dut.peek("swept") == 1;
        dut.step().unwrap_or_else(|failed| panic!("{failed}"));
        dut.poke("sweep$valid", 0);
        if swept {
            assert_eq!(found, [(0, 40), (4, 44), (5, 45), (7, 47)]);
            assert_eq!(table.iter().flatten().count(), 1);
            return;
        }
    }
    panic!("the search does not end; found {found:?}");
}

#[test]
fn a_session_of_another_takes_3_cycles() {
    let mut dut = Interpreter::new(Orphans::new(SESSIONS).elaborate());
    dut.reset();
    dut.poke("sweep$valid", 1);
    dut.step().expect("assertions hold");
    dut.poke("sweep$valid", 0);
    let mut cycles = 0;
    while dut.peek("swept") == 0 {
        dut.step().expect("assertions hold");
        cycles += 1;
    }
    assert_eq!(cycles, 3 * SESSIONS);
}
