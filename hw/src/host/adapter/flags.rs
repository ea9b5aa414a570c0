//! A bit for each line that several writers turn over.

use crate::rtl::{Body, Expr, Memory, MemoryStyle};

/// A counter that visits every line after reset, so that tables start empty.
pub(super) struct Sweep<'b> {
    /// Still visiting.
    pub(super) on: Expr<'b>,
    line: Expr<'b>,
}

impl<'b> Sweep<'b> {
    pub(super) fn new(b: &'b Body, index_bits: usize) -> Self {
        let sweep = b.reg("sweep_q", index_bits + 1);
        let on = b.wire("sweeping", !sweep.q().bit(index_bits));
        b.when(on, || sweep.set(sweep.q().inc()));
        let line = sweep.q().trunc(index_bits);
        Self { on, line }
    }

    /// The line to write: the one visited, or in normal times `line`.
    pub(super) fn line_or(&self, line: Expr<'b>) -> Expr<'b> {
        self.on.mux(self.line, line)
    }
}

/// A bit for each line. Each writer has a memory of its own, and the bit is the parity over all: memories
/// of LUTs have one write port.
pub(super) struct Flags<'b> {
    b: &'b Body,
    writers: Vec<Memory<'b>>,
}

impl<'b> Flags<'b> {
    pub(super) fn new(b: &'b Body, name: &str, writers: usize, index_bits: usize) -> Self {
        let memory = |writer| {
            let name = format!("{name}_{writer}");
            b.memory(&name, 1 << index_bits, 1, MemoryStyle::Distributed)
        };
        let writers = (0..writers).map(memory).collect();
        Self { b, writers }
    }

    /// The bit of a line.
    pub(super) fn get(&self, line: Expr<'b>) -> Expr<'b> {
        let parts: Vec<_> = self.writers.iter().map(|m| m.read_now(line)).collect();
        self.b.tree(&parts, |a, c| a ^ c)
    }

    /// Turns the bit of `line` over when `turn` is set; clears all bits in the sweep. Once per writer.
    pub(super) fn turn(&self, writer: usize, turn: Expr<'b>, line: Expr<'b>, sweep: &Sweep<'b>) {
        let memory = &self.writers[writer];
        let old = memory.read_now(line);
        self.b.when(turn | sweep.on, || {
            memory.write(sweep.line_or(line), !old & !sweep.on);
        });
    }
}
