//! Stream plumbing: buffers, arbitration, splitting and joining, width and alignment, clock crossing.
//!
//! | block | function | latency in cycles |
//! |---|---|---|
//! | [`arbiter::Arbiter`] | N streams into one, round robin, packet-atomic if asked | 1 |
//! | [`async_fifo::AsyncFifo`] | from one clock domain to another, Gray-coded pointers | 4 |
//! | [`block_fifo::BlockFifo`] | block RAM FIFO | 3 |
//! | [`fifo::Fifo`] | LUT RAM FIFO, first word falls through | 1 |
//! | [`fork::Fork`] | one stream into N copies | 1 |
//! | [`free_list::FreeList`] | hands out ids, takes them back on two ports | 2 |
//! | [`join::Join`] | pairs the items of two streams | 1 |
//! | [`packet_fifo::PacketFifo`] | stores frames that cannot wait, forwards the good ones | 3 |
//! | [`shift::Shift`] | moves a packet up by an offset of its own | 2 |
//! | [`skid::Skid`] | cuts combinational paths | 1 |
//! | [`width::WidthDown`] | wide beats into narrow ones | 1 |
//! | [`width::WidthUp`] | narrow beats into wide ones | 1 |

pub mod arbiter;
pub mod async_fifo;
pub mod block_fifo;
pub mod fifo;
pub mod fork;
pub mod free_list;
pub mod join;
pub mod packet_fifo;
pub mod shift;
pub mod skid;
pub mod width;

use crate::design::Design;

/// Every stream block in a few configurations.
pub fn designs() -> Vec<Design> {
    let mut designs = Vec::new();
    designs.extend(arbiter::designs());
    designs.extend(async_fifo::designs());
    designs.extend(block_fifo::designs());
    designs.extend(fifo::designs());
    designs.extend(fork::designs());
    designs.extend(free_list::designs());
    designs.extend(join::designs());
    designs.extend(packet_fifo::designs());
    designs.extend(shift::designs());
    designs.extend(skid::designs());
    designs.extend(width::designs());
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
