//! The names of lines on both sides of the adapter against the plan.

use super::*;
use crate::rtl::Dut as _;
use lauberhorn_coherence::EndpointLayout;
use lauberhorn_coherence::planner::slice_name;
use lauberhorn_interface::NicConfig;

/// An address with no line, whatever is below.
const BEYOND: u64 = 1 << 39;
const OTHER_FIELDS: u64 = 0xf5 << 40;

fn shapes() -> [Shape; 3] {
    let eight = NicConfig::builder()
        .workers(8)
        .build()
        .expect("it is legal");
    let layout = EndpointLayout::contiguous(&eight);
    [
        Shape::named("eci"),
        Shape::new(&eight, &layout),
        Shape::named("eci-16-jumbo"),
    ]
}

fn translated(dut: &mut Interpreter, address: u64) -> u64 {
    dut.poke_field("rx$payload", "word", address | OTHER_FIELDS);
    let word = dut.get_field("tx$payload", "word").to_u64();
    assert_eq!(word >> 40, OTHER_FIELDS >> 40);
    word & ((1 << 40) - 1)
}

#[test]
fn each_line_has_the_name_of_the_plan_both_ways() {
    for shape in shapes() {
        let names = Names::new(&shape);
        let mut locate = Interpreter::new(EciLocate::<EciMessage>::new(&shape).elaborate());
        let mut place = Interpreter::new(EciPlace::<EciMessage>::new(&shape).elaborate());
        let mut found = 0;
        for hashed in 0..2 * names.end {
            let byte = u64::from(hashed) << 7 | 5;
            let inside = translated(&mut locate, byte);
            let Some(&line) = names.card.get(&hashed) else {
                assert!(inside >= BEYOND, "{hashed:#x} became {inside:#x}");
                continue;
            };
            let named = u64::from(slice_name(line)) << 7;
            assert_eq!(inside, named | 5, "{hashed:#x}, line {line}");
            assert_eq!(translated(&mut place, inside), byte, "line {line}");
            assert_eq!(inside >> 7 & 1, u64::from(hashed) & 1, "one slice");
            found += 1;
        }
        assert_eq!(found, names.hashed.len());
        for bit in 1..=39_u64 {
            let high = u64::from(names.end) << (7 + bit);
            if high < 1 << 40 {
                assert!(translated(&mut locate, high) >= BEYOND, "bit {bit}");
            }
        }
    }
}

#[test]
fn items_and_stalls_pass_in_the_same_cycle() {
    let shape = Shape::named("eci");
    let mut dut = Interpreter::new(EciPlace::<EciMessage>::new(&shape).elaborate());
    for (valid, ready) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        dut.poke("rx$valid", valid);
        dut.poke("tx$ready", ready);
        assert_eq!((dut.peek("tx$valid"), dut.peek("rx$ready")), (valid, ready));
    }
}
