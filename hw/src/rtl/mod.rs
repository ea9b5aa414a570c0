//! Body builder: what the logic inside a block is written with.
//!
//! rust-hdl gives a block its typed ports and its wiring; the body comes from here. From one
//! description follow the Verilog text ([`Elaborated::verilog`]) and a levelised interpreter
//! ([`Interpreter`]), so that two judges run the same body.
//!
//! ```
//! use lauberhorn_hw::leaf;
//! use lauberhorn_hw::rtl::{Body, Dut, Interpreter, Leaf};
//! use rust_hdl::prelude::*;
//!
//! #[derive(LogicBlock, Default)]
//! pub struct Counter {
//!     pub clock: Signal<In, Clock>,
//!     pub reset: Signal<In, Bit>,
//!     pub enable: Signal<In, Bit>,
//!     pub count: Signal<Out, Bits<8>>,
//! }
//!
//! impl Leaf for Counter {
//!     fn body(&self, b: &Body) {
//!         let count = b.reg("count_q", 8);
//!         b.when(b.read(&self.enable), || count.set(count.q().inc()));
//!         b.drive(&self.count, count.q());
//!     }
//! }
//! leaf!(impl[] Counter { count });
//!
//! let mut counter = Interpreter::new(Counter::default().elaborate());
//! counter.reset();
//! counter.poke("enable", 1);
//! counter.step().unwrap();
//! assert_eq!(counter.peek("count"), 1);
//! ```

mod body;
mod combinational;
pub mod dut;
mod expr;
mod graph;
mod interpreter;
mod names;
mod ports;
pub mod random;
mod state;
mod value;
mod verilog;

pub use body::{Body, ClockDomain, Elaborated, Leaf, Otherwise, Switch};
pub use dut::{AssertionFailed, Dut};
pub use expr::Expr;
pub use graph::MemoryStyle;
pub use interpreter::Interpreter;
pub use ports::{Direction, Layout, PortInfo};
pub use state::{Memory, Reg, Var};
pub use value::Value;

use crate::types::{FlowIn, FlowOut, StreamIn, StreamOut};
use rust_hdl::core::ast::Verilog;
use rust_hdl::core::direction::{In, Out};
use rust_hdl::core::logic::Logic;
use rust_hdl::core::signal::Signal;
use rust_hdl::core::synth::Synth;

/// Verilog of a leaf, in the form rust-hdl places into its module.
pub fn custom_verilog<L: Leaf>(leaf: &L) -> Verilog {
    Verilog::Custom(leaf.elaborate().verilog())
}

/// Tells rust-hdl's wiring check which signals of a port or bundle the block itself drives.
pub trait MarkDriven {
    /// Marks them.
    fn mark_driven(&mut self);
}

impl<T: Synth> MarkDriven for Signal<Out, T> {
    fn mark_driven(&mut self) {
        self.connect();
    }
}

impl<T: Synth> MarkDriven for Signal<In, T> {
    fn mark_driven(&mut self) {}
}

impl<T: Synth> MarkDriven for StreamOut<T> {
    fn mark_driven(&mut self) {
        self.payload.connect();
        self.valid.connect();
    }
}

impl<T: Synth> MarkDriven for StreamIn<T> {
    fn mark_driven(&mut self) {
        self.ready.connect();
    }
}

impl<T: Synth> MarkDriven for FlowOut<T> {
    fn mark_driven(&mut self) {
        self.payload.connect();
        self.valid.connect();
    }
}

impl<T: Synth> MarkDriven for FlowIn<T> {
    fn mark_driven(&mut self) {}
}

impl<M: MarkDriven> MarkDriven for Vec<M> {
    fn mark_driven(&mut self) {
        self.iter_mut().for_each(MarkDriven::mark_driven);
    }
}

/// Makes a [`Leaf`] a rust-hdl block: `leaf!(impl[T: Synth] Skid<T> { rx, tx });` where the braces
/// list every port or bundle with outputs.
#[macro_export]
macro_rules! leaf {
    (impl[$($generics:tt)*] $block:ty { $($driven:ident),* $(,)? }) => {
        impl<$($generics)*> $crate::rust_hdl::prelude::Logic for $block {
            fn update(&mut self) {}
            fn connect(&mut self) {
                $($crate::rtl::MarkDriven::mark_driven(&mut self.$driven);)*
            }
            fn hdl(&self) -> $crate::rust_hdl::prelude::Verilog {
                $crate::rtl::custom_verilog(self)
            }
        }
    };
}
