//! The adapters in the interpreter, wired as their Verilog says, against what the buses' specifications
//! say: random traffic, legal and not, with random stalls.

mod cxl;
mod eci;
mod eci_recall;
mod pcie;

use super::types::{AxiAddress, AxiReadData, AxiWriteData, AxiWriteResponse};
use crate::design::Design;
use crate::rtl::{Interpreter, Layout, Leaf, Value};
use crate::stream::skid::Skid;
use crate::testing::{Bench, Network, SinkId, SourceId};
use crate::types::{LineFill, LineLoad, LineWriteback};
use rust_hdl::prelude::Synth;

/// A payload of the given fields; the others are zero.
fn pack<T: Synth>(fields: &[(&str, u64)]) -> Value {
    let layout = Layout::of(&T::descriptor()).expect("a struct");
    let mut value = Value::zero(T::BITS);
    for (name, field) in fields {
        let (low, width, _) = layout
            .find(name)
            .unwrap_or_else(|| panic!("no field {name}"));
        value.set_slice(low, &Value::new(width, u128::from(*field)));
    }
    value
}

/// A payload with 64 bytes of data; data stands first in every payload.
fn pack_data<T: Synth>(data: &Value, fields: &[(&str, u64)]) -> Value {
    let mut value = pack::<T>(fields);
    value.set_slice(0, data);
    value
}

fn field<T: Synth>(value: &Value, name: &str) -> u64 {
    let layout = Layout::of(&T::descriptor()).expect("a struct");
    let (low, width, _) = layout
        .find(name)
        .unwrap_or_else(|| panic!("no field {name}"));
    value.slice(low, width).to_u64()
}

fn data(value: &Value) -> Value {
    value.slice(0, 512)
}

/// The content of a beat of a line, different for each.
fn content(line: u64, beat: u64) -> Value {
    let limbs: Vec<u64> = (1..=8)
        .map(|limb| (line << 20 | beat << 8 | limb).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    Value::from_limbs(512, &limbs)
}

/// Items of a sink that have not been looked at.
struct Arrivals {
    sink: SinkId,
    seen: usize,
}

impl Arrivals {
    fn new(sink: SinkId) -> Self {
        Self { sink, seen: 0 }
    }

    fn take(&mut self, bench: &Bench<'_>) -> Vec<Value> {
        let new = bench.received(self.sink).split_off(self.seen);
        self.seen += new.len();
        new
    }
}

/// Cycles from `from` to the first item of `to`.
fn latency(bench: &mut Bench<'_>, from: SourceId, to: SinkId, items: &[Value]) -> u64 {
    let (sent, received) = (bench.accept_cycles(from).len(), bench.received(to).len());
    bench.feed(from, items.iter().cloned());
    bench.run_until(to, received + 1);
    bench.receive_cycles(to)[received] - bench.accept_cycles(from)[sent]
}

fn skid<T: Synth>() -> Interpreter {
    Interpreter::new(Skid::<T>::default().elaborate())
}

/// An adapter from its designs, the last of which is the whole: the names that the leaves before it have in it,
/// and its skid buffers.
fn network(
    mut designs: Vec<Design>,
    names: &[&str],
    mut blocks: Vec<(String, Interpreter)>,
) -> Network {
    let whole = designs.pop().expect("the adapter is the last design");
    for (name, design) in names.iter().zip(designs) {
        if let (false, Some(leaf)) = (name.is_empty(), design.leaf) {
            blocks.push(((*name).into(), Interpreter::new(leaf)));
        }
    }
    let (names, blocks): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    let named = names.iter().map(String::as_str).zip(blocks);
    Network::new(&whole.verilog, named.collect())
}
