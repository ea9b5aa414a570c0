//! Test bench for stream blocks: seeded sources and sinks around any [`Dut`](crate::rtl::Dut), and the suite that
//! every stream block passes.
//!
//! ```
//! use lauberhorn_hw::rtl::{Interpreter, Leaf, Value};
//! use lauberhorn_hw::stream::fifo::Fifo;
//! use lauberhorn_hw::testing::{Bench, Pace};
//! use rust_hdl::prelude::Bits;
//!
//! let items: Vec<_> = (0..20).map(|item| Value::new(8, item)).collect();
//! let mut dut = Interpreter::new(Fifo::<Bits<8>>::new(4).elaborate());
//! let mut bench = Bench::new(&mut dut, 1);
//! bench.source("rx", items.clone(), Pace::Full);
//! let sink = bench.sink("tx", Pace::Percent(50));
//! bench.run_until(sink, 20);
//! assert_eq!(bench.received(sink), items);
//! ```

mod bench;
mod network;
mod packets;
mod stopwatch;
mod suite;

pub use bench::{Bench, Pace, PulseId, SinkId, SourceId, random_value};
pub use network::Network;
pub use packets::{beat, beat_parts, packet_beats};
pub use stopwatch::Stopwatch;
pub use suite::{Make, PortItems, Suite};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random stream of all hardware tests: the same on every machine.
pub type Rng = ChaCha8Rng;

/// Root seed of this run: `LAUBERHORN_SEED` (decimal or 0x hexadecimal), else 1. Prints how to
/// reproduce, so that a failing test's output starts with it.
#[track_caller]
pub fn root_seed() -> u64 {
    let text = std::env::var("LAUBERHORN_SEED").unwrap_or_else(|_| "1".into());
    let seed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let seed = seed.unwrap_or_else(|error| {
        panic!("LAUBERHORN_SEED={text} is no decimal or 0x hexadecimal number: {error}")
    });
    println!("reproduce with LAUBERHORN_SEED={seed} cargo test -p lauberhorn-hw");
    seed
}

/// A random stream of its own for test `name`.
pub fn rng(root: u64, name: &str) -> Rng {
    // FNV-1a keeps the streams of different tests apart.
    let start = root ^ 0xcbf2_9ce4_8422_2325;
    let seed = name.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Rng::seed_from_u64(seed)
}
