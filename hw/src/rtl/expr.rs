//! Width-checked expressions.

use super::body::Body;
use super::graph::{NodeId, Op};
use super::value::Value;
use std::ops::{Add, BitAnd, BitOr, BitXor, Not, Sub};

/// A value of fixed width in a body. Arithmetic wraps at that width; operands of different widths
/// panic at elaboration, naming the caller.
#[derive(Clone, Copy)]
pub struct Expr<'b> {
    pub(crate) body: &'b Body,
    pub(crate) id: NodeId,
}

impl<'b> Expr<'b> {
    /// Width in bits.
    pub fn width(self) -> usize {
        self.body.graph.borrow().width(self.id)
    }

    fn constant(self) -> Option<Value> {
        self.body.graph.borrow().literal(self.id).cloned()
    }

    #[track_caller]
    fn same_width(self, other: Expr<'b>, what: &str) {
        let (a, b) = (self.width(), other.width());
        assert!(a == b, "{what} of {a} and {b} bits");
    }

    #[track_caller]
    fn one_bit(self, what: &str) {
        assert!(
            self.width() == 1,
            "{what} has one bit, given {}",
            self.width()
        );
    }

    /// One bit: equal.
    #[track_caller]
    pub fn eq(self, other: Expr<'b>) -> Expr<'b> {
        self.same_width(other, "comparison");
        self.body.node(Op::Equal(self.id, other.id), 1)
    }

    /// One bit: different.
    #[track_caller]
    pub fn ne(self, other: Expr<'b>) -> Expr<'b> {
        !self.eq(other)
    }

    /// One bit: equals a constant.
    #[track_caller]
    pub fn eq_lit(self, literal: u128) -> Expr<'b> {
        self.eq(self.body.lit(self.width(), literal))
    }

    /// One bit: unsigned less than.
    #[track_caller]
    pub fn lt(self, other: Expr<'b>) -> Expr<'b> {
        self.same_width(other, "comparison");
        // Nothing is below zero or above all ones; lint calls such a comparison a mistake.
        if is_zero(other) || is_ones(self) {
            return self.body.bit(false);
        }
        self.body.node(Op::Less(self.id, other.id), 1)
    }

    /// One bit: unsigned less than or equal.
    #[track_caller]
    pub fn le(self, other: Expr<'b>) -> Expr<'b> {
        !other.lt(self)
    }

    /// One bit: unsigned greater than.
    #[track_caller]
    pub fn gt(self, other: Expr<'b>) -> Expr<'b> {
        other.lt(self)
    }

    /// One bit: unsigned greater than or equal.
    #[track_caller]
    pub fn ge(self, other: Expr<'b>) -> Expr<'b> {
        !self.lt(other)
    }

    /// This bit chooses: `a` when set, else `b`.
    #[track_caller]
    pub fn mux(self, a: Expr<'b>, b: Expr<'b>) -> Expr<'b> {
        self.one_bit("a selector");
        a.same_width(b, "choice");
        if a.id == b.id {
            return a;
        }
        if let Some(chosen) = self.constant() {
            return if chosen.bit(0) { a } else { b };
        }
        let chosen = self.body.node(Op::Mux(self.id, a.id, b.id), a.width());
        let layout = self.body.layout_of(a.id);
        self.body.expr(self.body.with_layout(chosen, layout))
    }

    /// `width` bits from bit `low` on.
    #[track_caller]
    pub fn slice(self, low: usize, width: usize) -> Expr<'b> {
        let total = self.width();
        assert!(
            width > 0 && low + width <= total,
            "bits {low}..{} of a {total}-bit value",
            low + width
        );
        if width == total {
            return self;
        }
        let op = self.body.graph.borrow().nodes[self.id as usize].op.clone();
        match op {
            Op::Slice(base, base_low) => self.body.node(Op::Slice(base, base_low + low), width),
            Op::Literal(value) => self.body.value(value.slice(low, width)),
            Op::Cat(parts) => {
                let mut part_low = 0;
                for part in parts.iter().rev() {
                    let part = self.body.expr(*part);
                    let part_end = part_low + part.width();
                    if low >= part_low && low + width <= part_end {
                        return part.slice(low - part_low, width);
                    }
                    part_low = part_end;
                }
                self.body.node(Op::Slice(self.id, low), width)
            }
            _ => self.body.node(Op::Slice(self.id, low), width),
        }
    }

    /// One bit at a constant position.
    #[track_caller]
    pub fn bit(self, index: usize) -> Expr<'b> {
        self.slice(index, 1)
    }

    /// `bytes` bytes from byte `first` on (byte 0 is least significant).
    #[track_caller]
    pub fn bytes(self, first: usize, bytes: usize) -> Expr<'b> {
        self.slice(8 * first, 8 * bytes)
    }

    /// The same bytes in opposite order.
    #[track_caller]
    pub fn swap_bytes(self) -> Expr<'b> {
        assert!(
            self.width() % 8 == 0,
            "{} bits are no whole number of bytes",
            self.width()
        );
        let bytes: Vec<_> = (0..self.width() / 8).map(|i| self.bytes(i, 1)).collect();
        self.body.cat(&bytes)
    }

    /// A field of a struct; the path may be dotted.
    #[track_caller]
    pub fn field(self, path: &str) -> Expr<'b> {
        let layout = self
            .body
            .layout_of(self.id)
            .unwrap_or_else(|| panic!("no struct to take field {path} of"));
        let (low, width, inner) = layout
            .find(path)
            .unwrap_or_else(|| panic!("no field {path}; there are {:?}", layout.names()));
        let field = self.slice(low, width);
        self.body.expr(self.body.with_layout(field, inner))
    }

    /// Zero-extends to `width` bits.
    #[track_caller]
    pub fn zext(self, width: usize) -> Expr<'b> {
        let own = self.width();
        assert!(width >= own, "cannot extend {own} bits to {width}");
        if width == own {
            return self;
        }
        self.body.cat(&[self.body.zero(width - own), self])
    }

    /// Sign-extends to `width` bits.
    #[track_caller]
    pub fn sext(self, width: usize) -> Expr<'b> {
        let own = self.width();
        assert!(width >= own, "cannot extend {own} bits to {width}");
        if width == own {
            return self;
        }
        self.body
            .cat(&[self.bit(own - 1).repeat(width - own), self])
    }

    /// The low `width` bits.
    #[track_caller]
    pub fn trunc(self, width: usize) -> Expr<'b> {
        self.slice(0, width)
    }

    /// The value `count` times side by side.
    #[track_caller]
    pub fn repeat(self, count: usize) -> Expr<'b> {
        assert!(count > 0, "a repetition has at least one copy");
        if count == 1 {
            return self;
        }
        self.body
            .node(Op::Repeat(self.id, count), self.width() * count)
    }

    /// One bit: any bit is set.
    pub fn any(self) -> Expr<'b> {
        match self.width() {
            1 => self,
            _ => self.body.node(Op::ReduceOr(self.id), 1),
        }
    }

    /// One bit: all bits are set.
    pub fn all(self) -> Expr<'b> {
        match self.width() {
            1 => self,
            _ => self.body.node(Op::ReduceAnd(self.id), 1),
        }
    }

    /// One bit: exclusive or of all bits.
    pub fn parity(self) -> Expr<'b> {
        match self.width() {
            1 => self,
            _ => self.body.node(Op::ReduceXor(self.id), 1),
        }
    }

    /// Number of set bits, `width` bits wide, from a balanced adder tree.
    #[track_caller]
    pub fn count_ones(self, width: usize) -> Expr<'b> {
        let ones: Vec<_> = (0..self.width())
            .map(|index| self.bit(index).zext(width))
            .collect();
        self.body.tree(&ones, |a, b| a + b)
    }

    /// Shifts left by a variable amount; zeros come in, the width stays.
    pub fn shift_left(self, amount: Expr<'b>) -> Expr<'b> {
        self.body
            .node(Op::ShiftLeft(self.id, amount.id), self.width())
    }

    /// Shifts right by a variable amount; zeros come in, the width stays.
    pub fn shift_right(self, amount: Expr<'b>) -> Expr<'b> {
        self.body
            .node(Op::ShiftRight(self.id, amount.id), self.width())
    }

    /// Wrapping increment.
    pub fn inc(self) -> Expr<'b> {
        self + self.body.lit(self.width(), 1)
    }

    /// Wrapping decrement.
    pub fn dec(self) -> Expr<'b> {
        self - self.body.lit(self.width(), 1)
    }
}

impl<'b> Not for Expr<'b> {
    type Output = Expr<'b>;
    fn not(self) -> Expr<'b> {
        let inner = match self.body.graph.borrow().nodes[self.id as usize].op {
            Op::Not(inner) => Some(inner),
            _ => None,
        };
        if let (None, Some(value)) = (inner, self.constant()) {
            let inverted: Vec<u64> = value.limbs().iter().map(|limb| !limb).collect();
            return self.body.value(Value::from_limbs(value.width(), &inverted));
        }
        match inner {
            Some(inner) => self.body.expr(inner),
            None => self.body.node(Op::Not(self.id), self.width()),
        }
    }
}

macro_rules! binary {
    ($trait:ident, $method:ident, $op:ident, $what:literal, $fold:expr) => {
        impl<'b> $trait for Expr<'b> {
            type Output = Expr<'b>;
            #[track_caller]
            fn $method(self, other: Expr<'b>) -> Expr<'b> {
                self.same_width(other, $what);
                let fold: fn(Expr<'b>, Expr<'b>) -> Option<Expr<'b>> = $fold;
                if let Some(simpler) = fold(self, other).or_else(|| fold(other, self)) {
                    return simpler;
                }
                self.body.node(Op::$op(self.id, other.id), self.width())
            }
        }
    };
}

fn is_zero(expr: Expr<'_>) -> bool {
    expr.constant()
        .is_some_and(|value| value == Value::zero(value.width()))
}

fn is_ones(expr: Expr<'_>) -> bool {
    expr.constant()
        .is_some_and(|value| value == Value::ones(value.width()))
}

binary!(BitAnd, bitand, And, "and", |a, b| {
    if is_zero(a) {
        Some(a)
    } else if is_ones(a) {
        Some(b)
    } else {
        None
    }
});
binary!(BitOr, bitor, Or, "or", |a, b| {
    if is_zero(a) {
        Some(b)
    } else if is_ones(a) {
        Some(a)
    } else {
        None
    }
});
binary!(BitXor, bitxor, Xor, "exclusive or", |a, b| is_zero(a)
    .then_some(b));
binary!(Add, add, Add, "sum", |a, b| is_zero(a).then_some(b));

impl<'b> Sub for Expr<'b> {
    type Output = Expr<'b>;
    #[track_caller]
    fn sub(self, other: Expr<'b>) -> Expr<'b> {
        self.same_width(other, "difference");
        if is_zero(other) {
            return self;
        }
        self.body.node(Op::Sub(self.id, other.id), self.width())
    }
}
