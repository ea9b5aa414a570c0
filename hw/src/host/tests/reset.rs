//! The order of a reset, with halves and a session table that the test plays; and a whole endpoint
//! taken from its worker.

use super::card::{Card, Return};
use super::{call, small};
use crate::host::reset::ResetControl;
use crate::rtl::{Dut, Interpreter, Leaf};
use lauberhorn_coherence::layout::LineRole;
use lauberhorn_coherence::layout::Parity::{One, Zero};

fn steps(dut: &mut Interpreter, count: usize) {
    for _ in 0..count {
        dut.step().unwrap_or_else(|failed| panic!("{failed}"));
    }
}

#[test]
fn sessions_are_searched_for_when_both_halves_rest() {
    let mut dut = Interpreter::new(ResetControl::new(&small(64)).elaborate());
    dut.reset();
    dut.poke("start$valid", 1);
    dut.poke("start$payload", 0b110);
    steps(&mut dut, 1);
    dut.poke("start$valid", 0);
    assert_eq!(dut.peek("running"), 0b110);
    assert_eq!((dut.peek("resetting$0"), dut.peek("resetting$1")), (0, 1));
    dut.poke("tx_cleared$1", 1);
    steps(&mut dut, 5);
    assert_eq!(dut.peek("sweep$valid"), 0, "the RX half does not rest");
    dut.poke("rx_cleared$1", 1);
    steps(&mut dut, 5);
    assert_eq!(
        dut.peek("sweep$valid"),
        0,
        "the preemption line is not back"
    );
    dut.poke("preemption_cleared$1", 1);
    steps(&mut dut, 1);
    assert_eq!(dut.peek("sweep$valid"), 0);
    steps(&mut dut, 1);
    assert_eq!(dut.peek("sweep$valid"), 1, "2 cycles later");
    assert_eq!(dut.peek("sweep$payload"), 1);

    dut.poke("orphan$valid", 1);
    dut.poke_field("orphan$payload", "index", 5);
    dut.poke_field("orphan$payload", "generation", 9);
    assert_eq!(dut.peek("orphan$ready"), 1);
    steps(&mut dut, 1);
    assert_eq!(dut.peek("give$valid"), 1, "1 cycle later");
    let given = ["endpoint", "session", "generation"];
    let given = given.map(|field| dut.peek_field("give$payload", field));
    assert_eq!(given, [1, 5, 9]);
    assert_eq!(dut.peek("orphan$ready"), 0, "the half has not answered");
    steps(&mut dut, 1);
    assert_eq!(dut.peek("give$valid"), 0);
    // The search ends before the answer has left.
    dut.poke("orphan$valid", 0);
    dut.poke("tx_cleared$1", 0);
    dut.poke("swept", 1);
    steps(&mut dut, 1);
    dut.poke("swept", 0);
    steps(&mut dut, 5);
    assert_eq!(dut.peek("running"), 0b110);
    dut.poke("tx_cleared$1", 1);
    steps(&mut dut, 1);
    assert_eq!(dut.peek("running"), 0b100);
    assert_eq!(dut.peek("resetting$1"), 0);
}

#[test]
fn an_endpoint_with_a_call_gives_everything_back() {
    let mut card = Card::new(&small(64));
    card.load(1, LineRole::RxControl(Zero), 1);
    card.run(20);
    let (header, body) = call(3, 100);
    card.write_message(3, &header, &body);
    card.give(1, 3, 103, 100);
    card.wait_fill(30);
    card.load(1, LineRole::TxOverflow(0), 2);
    card.wait_fill(30);
    card.dut.poke("reset_start$valid", 1);
    card.dut.poke("reset_start$payload", 0b010);
    card.step();
    card.dut.poke("reset_start$valid", 0);
    // A load that was under way is answered, and its line taken back once more.
    card.load(1, LineRole::RxControl(One), 3);
    let lines = 2 * (2 + card.shape.overflow_lines()) + 1;
    let mut recalls = 0;
    let mut swept = false;
    for _ in 0..400 {
        card.step();
        while let Some(recall) = card.recalls.pop_front() {
            recalls += 1;
            card.acknowledgements.push_back(Return {
                tag: recall.id.into(),
                data: None,
            });
        }
        if card.dut.peek("sweep$valid") == 1 {
            assert_eq!(card.dut.peek("sweep$payload"), 1);
            swept = true;
            card.dut.poke("swept", 1);
            card.step();
            card.dut.poke("swept", 0);
        }
    }
    assert!(swept, "the sessions were not searched for");
    assert_eq!(card.dut.peek("reset_running"), 0);
    assert_eq!(recalls, lines + 1);
    assert_eq!(card.freed, [3]);
    let answer = card.wait_fill(1);
    assert!(answer.id == 3 && answer.data.iter().all(|byte| *byte == 0));
    // It starts with R0.
    card.load(1, LineRole::RxControl(Zero), 4);
    card.run(20);
    let (header, body) = call(4, 10);
    card.write_message(4, &header, &body);
    card.give(1, 4, 104, 10);
    assert_eq!(card.wait_fill(30).id, 4);
}
