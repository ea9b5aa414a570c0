//! The small blocks of the host side under random traffic with random stalls, each against what it
//! promises, with its latency and throughput.

mod arriving;
mod leaving;
mod stores;

use crate::host::shape::Shape;
use crate::rtl::{Dut, Interpreter, Leaf};
use crate::testing::Rng;
use lauberhorn_coherence::layout::{LineRole, Parity};
use rand::Rng as _;

const CYCLES: u64 = 6_000;

fn start<L: Leaf>(block: &L) -> Interpreter {
    let mut dut = Interpreter::new(block.elaborate());
    if dut.ports().iter().any(|port| port.clock) {
        dut.reset();
    }
    dut
}

fn step(dut: &mut Interpreter) {
    dut.step().unwrap_or_else(|failed| panic!("{failed}"));
}

fn valid(dut: &mut Interpreter, bundle: &str) -> bool {
    dut.peek(&format!("{bundle}$valid")) == 1
}

fn moves(dut: &mut Interpreter, bundle: &str) -> bool {
    valid(dut, bundle) && dut.peek(&format!("{bundle}$ready")) == 1
}

fn random_role(rng: &mut Rng, shape: &Shape) -> LineRole {
    let parity = Parity::BOTH[rng.random_range(0..2)];
    let overflow = rng.random_range(0..shape.overflow_lines());
    match rng.random_range(0..4) {
        0 => LineRole::RxControl(parity),
        1 => LineRole::TxControl(parity),
        2 => LineRole::RxOverflow(overflow),
        _ => LineRole::TxOverflow(overflow),
    }
}

/// Half, control and index of a line, as loads and events carry them.
fn half(role: LineRole) -> (bool, u64, u64) {
    let (control, index) = super::rx_half::named(role);
    (role.is_tx(), control, index)
}
