//! The body builder on small designs: what it computes, what it refuses, what Verilog it writes.

use lauberhorn_hw::leaf;
use lauberhorn_hw::rtl::{Body, Dut, Interpreter, Leaf, MemoryStyle, Value};
use rust_hdl::prelude::*;

/// A bit of everything: memory with lanes, switch, conditional registers, assertion.
#[derive(LogicBlock, Default)]
struct Everything {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub select: Signal<In, Bits<2>>,
    pub data: Signal<In, Bits<32>>,
    pub mask: Signal<In, Bits<4>>,
    pub address: Signal<In, Bits<3>>,
    pub now: Signal<Out, Bits<32>>,
    pub later: Signal<Out, Bits<32>>,
    pub sum: Signal<Out, Bits<32>>,
}

impl Leaf for Everything {
    fn body(&self, b: &Body) {
        let (data, address) = (b.read(&self.data), b.read(&self.address));
        let memory = b.memory("words", 8, 32, MemoryStyle::Distributed);
        let sum = b.reg("sum_q", 32);
        b.switch(b.read(&self.select))
            .case(1, || {
                memory.write_masked(address, data, b.read(&self.mask));
            })
            .case(2, || sum.set(sum.q() + data))
            .default(|| {
                b.when(data.bit(0), || sum.set(b.zero(32)))
                    .otherwise(|| sum.set(sum.q()));
            });
        b.assert("sum_is_small", !sum.q().bit(31));
        b.drive(&self.now, memory.read_now(address));
        b.drive(&self.later, memory.read(b.bit(true), address));
        b.drive(&self.sum, sum.q());
    }
}
leaf!(impl[] Everything { now, later, sum });

fn everything() -> Interpreter {
    let mut dut = Interpreter::new(Everything::default().elaborate());
    dut.reset();
    dut
}

#[test]
fn masked_write_changes_its_lanes_only_and_the_registered_read_sees_the_old_word() {
    let mut dut = everything();
    dut.poke("address", 5);
    dut.poke("select", 1);
    dut.poke("data", 0x1122_3344);
    dut.poke("mask", 0b1111);
    dut.step().unwrap();
    dut.poke("data", 0xaabb_ccdd);
    dut.poke("mask", 0b0101);
    assert_eq!(dut.peek("now"), 0x1122_3344);
    dut.step().unwrap();
    assert_eq!(dut.peek("now"), 0x11bb_33dd);
    assert_eq!(dut.peek("later"), 0x1122_3344);
}

#[test]
fn last_assignment_wins_and_conditions_nest() {
    let mut dut = everything();
    dut.poke("select", 2);
    dut.poke("data", 40);
    dut.step().unwrap();
    dut.step().unwrap();
    assert_eq!(dut.peek("sum"), 80);
    dut.poke("select", 0);
    dut.step().unwrap();
    assert_eq!(dut.peek("sum"), 80);
    dut.poke("data", 1);
    dut.step().unwrap();
    assert_eq!(dut.peek("sum"), 0);
}

#[test]
fn a_broken_assertion_is_reported_with_name_and_cycle() {
    let mut dut = everything();
    dut.poke("select", 2);
    dut.poke("data", 0x8000_0000);
    dut.step().unwrap();
    let failed = dut.step().unwrap_err();
    assert_eq!(failed.name, "sum_is_small");
    assert_eq!(failed.cycle, 3);
}

#[test]
fn verilog_names_what_the_body_names() {
    let text = Everything::default().elaborate().verilog();
    for part in [
        "(* ram_style = \"distributed\" *) reg [31:0] words [0:7];",
        "words[address][7:0] <= data[7:0]",
        "sum_is_small_holds: assert",
        "sum_q <= 32'h0;",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

/// Uses one operand of the wrong width.
#[derive(LogicBlock, Default)]
struct Mismatch {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<9>>,
    pub y: Signal<Out, Bits<8>>,
}
impl Leaf for Mismatch {
    fn body(&self, b: &Body) {
        b.drive(&self.y, b.read(&self.a) + b.read(&self.b));
    }
}
leaf!(impl[] Mismatch { y });

#[test]
#[should_panic(expected = "sum of 8 and 9 bits")]
fn widths_that_differ_are_refused() {
    Mismatch::default().elaborate();
}

/// Leaves an output undriven.
#[derive(LogicBlock, Default)]
struct Undriven {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}
impl Leaf for Undriven {
    fn body(&self, b: &Body) {
        b.unused(b.read(&self.a));
    }
}
leaf!(impl[] Undriven { y });

#[test]
#[should_panic(expected = "port y is neither read, driven nor marked unused")]
fn undriven_outputs_are_refused() {
    Undriven::default().elaborate();
}

#[test]
fn values_slice_across_limbs() {
    let value = Value::from_bytes(200, &(0..25).collect::<Vec<u8>>());
    assert_eq!(value.slice(60, 72).to_bytes()[0], 0x80);
    assert_eq!(value.slice(64, 64).to_u64(), 0x0f0e_0d0c_0b0a_0908);
    assert_eq!(format!("{}", Value::new(9, 0x1ab)), "9'h1ab");
}

/// Slices of different widths from the same bit on.
#[derive(LogicBlock, Default)]
struct Slices {
    pub a: Signal<In, Bits<8>>,
    pub narrow: Signal<Out, Bits<2>>,
    pub wide: Signal<Out, Bits<5>>,
}
impl Leaf for Slices {
    fn body(&self, b: &Body) {
        let a = b.read(&self.a);
        b.drive(&self.narrow, a.trunc(2));
        b.drive(&self.wide, a.trunc(5));
        b.unused(a.slice(5, 3));
    }
}
leaf!(impl[] Slices { narrow, wide });

#[test]
fn slices_that_start_at_the_same_bit_keep_their_widths() {
    let mut dut = Interpreter::new(Slices::default().elaborate());
    dut.poke("a", 0xff);
    assert_eq!((dut.peek("narrow"), dut.peek("wide")), (3, 31));
}

/// Has a port whose name is a keyword of Verilog.
#[derive(LogicBlock, Default)]
struct Keyword {
    pub a: Signal<In, Bit>,
    pub wait: Signal<Out, Bit>,
}
impl Leaf for Keyword {
    fn body(&self, b: &Body) {
        b.drive(&self.wait, b.wire("end", b.read(&self.a)));
    }
}
leaf!(impl[] Keyword { wait });

#[test]
#[should_panic(expected = "port name wait is reserved in Verilog")]
fn ports_named_like_keywords_are_refused() {
    Keyword::default().elaborate();
}
