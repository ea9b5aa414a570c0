//! What is known of each line, in memories with registered reads: a look-up shows what was written before
//! its cycle, and whoever uses it in the next has to mind what was written meanwhile.

use crate::host::adapter::flags::Sweep;
use crate::rtl::{Body, Expr, Memory, MemoryStyle, Reg};

/// A word for each line, zero after the sweep.
pub(super) struct Table<'s, 'b> {
    b: &'b Body,
    memory: Memory<'b>,
    sweep: &'s Sweep<'b>,
}

impl<'s, 'b> Table<'s, 'b> {
    pub(super) fn new(
        b: &'b Body,
        name: &str,
        (lines_log2, width): (usize, usize),
        sweep: &'s Sweep<'b>,
    ) -> Self {
        let memory = b.memory(name, 1 << lines_log2, width, MemoryStyle::Block);
        Self { b, memory, sweep }
    }

    /// The word of a line, one cycle later.
    pub(super) fn look(&self, line: Expr<'b>) -> Expr<'b> {
        self.memory.read(self.b.bit(true), line)
    }

    /// Writes the word of a line. Once per table.
    pub(super) fn write(&self, when: Expr<'b>, line: Expr<'b>, word: Expr<'b>) {
        let word = word & (!self.sweep.on).repeat(word.width());
        self.b.when(when | self.sweep.on, || {
            self.memory.write(self.sweep.line_or(line), word);
        });
    }
}

/// The line that was written about in the last cycle, if any.
pub(super) struct Recent<'b> {
    valid: Reg<'b>,
    line: Reg<'b>,
}

impl<'b> Recent<'b> {
    pub(super) fn new(b: &'b Body, name: &str, index_bits: usize) -> Self {
        Self {
            valid: b.reg(&format!("{name}_q"), 1),
            line: b.reg_data(&format!("{name}_line_q"), index_bits),
        }
    }

    /// Notes the line of this cycle. Once.
    pub(super) fn note(&self, when: Expr<'b>, line: Expr<'b>) {
        self.valid.set(when);
        self.line.set(line);
    }

    /// It was this line.
    pub(super) fn is(&self, line: Expr<'b>) -> Expr<'b> {
        self.valid.q() & self.line.q().eq(line)
    }
}

/// The id of an acknowledgement that waits for its turn.
pub(super) struct Held<'b> {
    b: &'b Body,
    pub(super) valid: Reg<'b>,
    pub(super) id: Reg<'b>,
}

impl<'b> Held<'b> {
    pub(super) fn new(b: &'b Body, name: &str, id_bits: usize) -> Self {
        let valid = b.reg(&format!("{name}_q"), 1);
        let id = b.reg_data(&format!("{name}_id_q"), id_bits);
        Self { b, valid, id }
    }

    /// Takes an id, while it has none, and gives it. Once.
    pub(super) fn turn(&self, takes: Expr<'b>, id: Expr<'b>, gives: Expr<'b>) {
        self.b.when(takes | gives, || self.valid.set(takes));
        self.b.when(!self.valid.q(), || self.id.set(id));
    }
}
