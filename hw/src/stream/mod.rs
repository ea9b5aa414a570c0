//! Stream plumbing: buffers, arbitration, splitting and joining, width and alignment, clock crossing.
//!
//! | block | function | latency in cycles |
//! |---|---|---|
//! | [`arbiter::Arbiter`] | N streams into one, round robin, packet-atomic if asked | 1 |
//! | [`fifo::Fifo`] | LUT RAM FIFO, first word falls through | 1 |
//! | [`free_list::FreeList`] | hands out ids, takes them back on two ports | 2 |

pub mod arbiter;
pub mod fifo;
pub mod free_list;

use crate::design::Design;

/// Every stream block in a few configurations.
pub fn designs() -> Vec<Design> {
    let mut designs = Vec::new();
    designs.extend(arbiter::designs());
    designs.extend(fifo::designs());
    designs.extend(free_list::designs());
    designs
}

/// Panics unless `depth` is a power of two above 1, as an address needs it.
#[track_caller]
fn check_depth(block: &str, depth: usize) {
    assert!(
        depth.is_power_of_two() && depth > 1,
        "{block}: depth {depth} is not a power of two above 1; build it with {block}::new(depth)"
    );
}
