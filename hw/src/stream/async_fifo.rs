//! # Asynchronous FIFO
//! Carries items from one clock domain to another. Gray-coded pointers cross through two flip-flops
//! each; the items wait in LUT RAM and are read only after their pointer has crossed. What a build
//! has to tell the tools about the crossing comes from [`constraints`].
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | `rx_clock`, `rx_reset` | in | 1 bit | writing domain |
//! | `tx_clock`, `tx_reset` | in | 1 bit | reading domain |
//! | `rx` | in | stream of `T` | items in, in the writing domain |
//! | `tx` | out | stream of `T` | the same items in the same order, in the reading domain |
//!
//! Latency: 4 cycles when both clocks tick together: 1 of `rx_clock`, then 3 of `tx_clock` (two
//! synchronising flip-flops and the output register); up to one `tx_clock` cycle more otherwise.
//! Throughput: 1 item per cycle of the slower clock, given `depth` of 8 or more.
//! Backpressure: lossless; `rx.ready` falls when `depth` items wait (freed room is seen late). All
//! outputs are registered; no combinational path between the domains.
//! Ordering: first in, first out.
//! Reset: each is synchronous to its own clock; one cycle of either empties both sides. The side that
//! was not reset learns of it late: it may give a few items more, take back the one it offers, and
//! accept some that are lost. Items accepted after `rx_reset` are never lost to it. Both clocks have
//! to tick for the FIFO to open again. After power-up hold both resets together for 16 cycles of the
//! slower clock: the handshake between the sides has no reset of its own.
//! Errors: none. Counters: none.

use crate::design::Design;
use crate::leaf;
use crate::rtl::{Body, ClockDomain, Expr, Leaf, MemoryStyle, Reg, Value};
use crate::types::{StreamIn, StreamOut};
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// The block.
#[derive(LogicBlock, Default)]
pub struct AsyncFifo<T: Synth> {
    /// Clock of the writing domain.
    pub rx_clock: Signal<In, Clock>,
    /// Reset, synchronous to `rx_clock`.
    pub rx_reset: Signal<In, Bit>,
    /// Clock of the reading domain.
    pub tx_clock: Signal<In, Clock>,
    /// Reset, synchronous to `tx_clock`.
    pub tx_reset: Signal<In, Bit>,
    /// Items in.
    pub rx: StreamIn<T>,
    /// Items out.
    pub tx: StreamOut<T>,
    _depth: usize,
}

impl<T: Synth> AsyncFifo<T> {
    /// A FIFO for `depth` waiting items, a power of two from 4 on.
    pub fn new(depth: usize) -> Self {
        Self {
            _depth: depth,
            ..Self::default()
        }
    }
}

/// `binary` in Gray code: successive values differ in one bit.
fn gray<'b>(b: &'b Body, binary: Expr<'b>) -> Expr<'b> {
    let width = binary.width();
    binary ^ b.cat(&[b.bit(false), binary.slice(1, width - 1)])
}

/// `from`, a register of the other domain, through two flip-flops in `domain`. They have no reset: a
/// reset must not make a handshake look finished.
fn synchronise<'b>(b: &'b Body, domain: ClockDomain, name: &str, from: Expr<'b>) -> Expr<'b> {
    let stage = |stage: usize| {
        let name = format!("{name}_sync{stage}_q");
        b.reg_in(domain, &name, from.width(), None).asynchronous()
    };
    let (first, second) = (stage(0), stage(1));
    first.set(from);
    second.set(first.q());
    second.q()
}

/// One side of the mutual reset.
struct Side<'b> {
    name: &'static str,
    domain: ClockDomain,
    /// This side was reset and the other has not yet confirmed.
    pending: Reg<'b>,
    /// Asks the other side to clear itself.
    request: Reg<'b>,
    /// Confirms that this side is clear.
    cleared: Reg<'b>,
}

impl<'b> Side<'b> {
    fn new(b: &'b Body, name: &'static str, domain: ClockDomain) -> Self {
        let reg = |what: &str, reset| b.reg_in(domain, &format!("{name}_{what}_q"), 1, reset);
        Self {
            name,
            domain,
            pending: reg("pending", Some(Value::ones(1))),
            // Not reset: they take turns, and a reset in between must not break the order. From any
            // state at power-up they find it again.
            request: reg("request", None),
            cleared: reg("cleared", None),
        }
    }

    /// Four-phase handshake with the other side. Each pointer goes to zero only while the side that
    /// compares with it is known to stand still.
    fn clear(&self, b: &'b Body, other: &Self) -> Clear<'b> {
        let seen = |what: &str, from: Reg<'b>| {
            synchronise(b, self.domain, &format!("{}_{what}", other.name), from.q())
        };
        let asked = seen("request", other.request);
        let confirmed = seen("cleared", other.cleared);
        // One cycle later, so that the zero pointer is on its way before the request falls.
        let done = b.reg_in(self.domain, &format!("{}_done_q", self.name), 1, None);
        done.set(confirmed);
        let (pending, request) = (self.pending.q(), self.request.q());
        let rise = pending & !confirmed;
        self.request.set((request | rise) & !done.q());
        b.when(request & done.q(), || self.pending.set(b.bit(false)));
        self.cleared.set(asked);
        let zero = b.wire(&format!("{}_zero", self.name), asked | confirmed);
        let hold = pending | request | done.q() | zero;
        Clear {
            hold: b.wire(&format!("{}_hold", self.name), hold),
            zero,
        }
    }
}

/// What the mutual reset tells one side.
struct Clear<'b> {
    /// Neither give nor take.
    hold: Expr<'b>,
    /// Set the pointer to zero; only while `hold`.
    zero: Expr<'b>,
}

impl<T: Synth> Leaf for AsyncFifo<T> {
    fn body(&self, b: &Body) {
        super::check_depth("AsyncFifo", self._depth);
        assert!(
            self._depth >= 4,
            "AsyncFifo: depth {} is below 4",
            self._depth
        );
        let bits = self._depth.ilog2() as usize;
        let rx = b.domain(&self.rx_clock, &self.rx_reset);
        let tx = b.domain(&self.tx_clock, &self.tx_reset);
        let words = b.memory("words", self._depth, T::BITS, MemoryStyle::Distributed);
        let zero = b.zero(bits + 1);
        // Not reset: a pointer that jumps to zero would look to the other side like items or room.
        let pointer = |domain, name: &str| b.reg_in(domain, name, bits + 1, None);
        let (write, write_gray) = (pointer(rx, "write_q"), pointer(rx, "write_gray_q"));
        let (read, read_gray) = (pointer(tx, "read_q"), pointer(tx, "read_gray_q"));
        let seen_write = synchronise(b, tx, "write", write_gray.q());
        let seen_read = synchronise(b, rx, "read", read_gray.q());
        let (rx_side, tx_side) = (Side::new(b, "rx", rx), Side::new(b, "tx", tx));
        let rx_clear = rx_side.clear(b, &tx_side);
        let tx_clear = tx_side.clear(b, &rx_side);

        // Starts closed, so that nothing is taken while in reset.
        let open = b.reg_in(rx, "open_q", 1, Some(Value::zero(1)));
        let push = b.wire("push", b.read(&self.rx.valid) & open.q());
        let next_write = b.wire("next_write", write.q() + push.zext(bits + 1));
        let next_write_gray = b.wire("next_write_gray", gray(b, next_write));
        b.when(push, || {
            words.write_in(rx, write.q().trunc(bits), b.read(&self.rx.payload));
        });
        // A full round ahead: in Gray code the two top bits differ, the others are equal.
        let full = b.cat(&[!seen_read.slice(bits - 1, 2), seen_read.slice(0, bits - 1)]);
        write.set(rx_clear.zero.mux(zero, next_write));
        write_gray.set(rx_clear.zero.mux(zero, next_write_gray));
        open.set(next_write_gray.ne(full) & !rx_clear.hold);

        let valid = b.reg_in(tx, "valid_q", 1, Some(Value::zero(1)));
        let free = b.wire("free", !valid.q() | b.read(&self.tx.ready));
        let pop = b.wire("pop", free & seen_write.ne(read_gray.q()) & !tx_clear.hold);
        let word = words.read_in(tx, pop, read.q().trunc(bits));
        let next_read = b.wire("next_read", read.q() + pop.zext(bits + 1));
        read.set(tx_clear.zero.mux(zero, next_read));
        read_gray.set(tx_clear.zero.mux(zero, gray(b, next_read)));
        b.when(free, || valid.set(pop));
        b.when(tx_clear.hold, || valid.set(b.bit(false)));

        b.drive(&self.rx.ready, open.q());
        b.drive(&self.tx.valid, valid.q());
        b.drive(&self.tx.payload, word);
    }
}
leaf!(impl[T: Synth] AsyncFifo<T> { rx, tx });

/// Register pairs at the crossing: from, to, and whether several bits cross together.
const CROSSINGS: [(&str, &str, bool); 7] = [
    ("write_gray_q", "write_sync0_q", true),
    ("read_gray_q", "read_sync0_q", true),
    ("rx_request_q", "rx_request_sync0_q", false),
    ("rx_cleared_q", "rx_cleared_sync0_q", false),
    ("tx_request_q", "tx_request_sync0_q", false),
    ("tx_cleared_q", "tx_cleared_sync0_q", false),
    ("words", "words_rdata", false),
];

/// Timing constraints of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// For Vivado.
    pub xdc: String,
    /// For Quartus.
    pub sdc: String,
}

/// Timing constraints of the FIFO at the hierarchical path `instance` (with `/`) between clocks of
/// the given periods. Every crossing is bound by the shorter one: the bits of a pointer then spread
/// over less than a cycle, and an item has arrived long before its pointer.
pub fn constraints(instance: &str, rx_period_ns: f64, tx_period_ns: f64) -> Constraints {
    let bound = format!("{:.3}", rx_period_ns.min(tx_period_ns));
    let title = format!("# {instance}: pointers cross in Gray code, items after their pointer\n");
    let (mut xdc, mut sdc) = (title.clone(), title);
    let quartus = instance.replace('/', "|");
    for (from, to, bus) in CROSSINGS {
        let cells = |name: &str| format!("[get_cells {instance}/{name}_reg*]");
        let between = format!("-from {} -to {}", cells(from), cells(to));
        let mut line = |command: &str| {
            writeln!(xdc, "{command} {between} {bound}").expect("writing to a string");
        };
        line("set_max_delay -datapath_only");
        if bus {
            line("set_bus_skew");
        }
        let registers = |name: &str| format!("[get_registers {{{quartus}|{name}*}}]");
        let between = format!("-from {} -to {}", registers(from), registers(to));
        let mut line = |text: String| {
            writeln!(sdc, "{text}").expect("writing to a string");
        };
        line(format!("set_max_delay {between} {bound}"));
        line(format!("set_false_path -hold {between}"));
        if bus {
            line(format!("set_max_skew {between} {bound}"));
        }
    }
    Constraints { xdc, sdc }
}

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<Design> {
    vec![
        Design::leaf("stream_async_fifo_4x24", AsyncFifo::<Bits<24>>::new(4)),
        Design::leaf("stream_async_fifo_16x64", AsyncFifo::<Bits<64>>::new(16)),
    ]
}

#[cfg(test)]
mod tests;
