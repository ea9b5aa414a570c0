//! Bare frames through a raw worker: unchanged whatever the host does, and as fast as was measured on Enzian.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_coherence::published::{LoopbackMedian, PublishedSoftware, loopback_medians};
use lauberhorn_driver::endpoint::{Mode, TxMode};
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::loopback::{RawTimes, measure};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::ways::Way;

use crate::ways::in_every_way;

/// Largest relative error of a calibrated profile, over all sizes and at any one.
const MEDIAN_ERROR: f64 = 0.10;
const ANY_ERROR: f64 = 0.20;

/// The smallest, one that fills its line, and the largest.
const FRAME_BYTES: [usize; 5] = [60, 64, 112, 700, 1514];

fn frames(mode: Mode, sizes: &[usize]) -> Vec<RawTimes> {
    let mut stand = Stand::new(InterconnectProfile::ECI);
    stand.card = "eci-16-jumbo".to_string();
    stand.mode = mode;
    measure(stand, sizes).unwrap_or_else(|error| panic!("{error}"))
}

in_every_way!(bare_frames_come_back_unchanged);

fn bare_frames_come_back_unchanged(way: Way, seed: Seed) {
    measure(way.stand(seed), &FRAME_BYTES).unwrap_or_else(|error| panic!("{error}"));
}

fn ns(cycles: u64) -> f64 {
    cycles as f64 * 1e9 / CORE_CLOCK_HZ as f64
}

/// Compares what the experiment takes here with what was published, `shift_ns` added to ours.
fn compare(times: &[RawTimes], published: &[LoopbackMedian], shift_ns: f64) {
    type Direction = (
        &'static str,
        fn(&RawTimes) -> u64,
        fn(&LoopbackMedian) -> u32,
    );
    let directions: [Direction; 2] = [
        ("receive", |raw| raw.rx_cycles, |median| median.rx_ns),
        ("send", |raw| raw.tx_cycles, |median| median.tx_ns),
    ];
    for (direction, cycles, median_ns) in directions {
        let mut errors = Vec::new();
        for (raw, median) in times.iter().zip(published) {
            let measured = f64::from(median_ns(median));
            let ours = ns(cycles(raw)) + shift_ns;
            let error = (ours - measured) / measured;
            println!(
                "{direction} {:>5} bytes: published {measured:>5.0} ns, simulated {ours:>5.0} ns, {:+.1} %",
                median.frame_bytes,
                error * 100.0
            );
            errors.push(error.abs());
        }
        errors.sort_by(f64::total_cmp);
        let (middle, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        println!("{direction}: median error {middle:.3}, worst {worst:.3}");
        assert!(
            middle <= MEDIAN_ERROR && worst <= ANY_ERROR,
            "{direction}: median error {middle:.3}, worst {worst:.3}"
        );
    }
}

#[test]
fn recall_mode_takes_as_long_as_the_published_system() {
    let published = loopback_medians("eci");
    let sizes: Vec<usize> = published.iter().map(|median| median.frame_bytes).collect();
    compare(&frames(Mode::PUBLISHED, &sizes), &published, 0.0);
}

/// With loads as short as the published software's, and the time stamp counted as it was.
#[test]
fn pcie_takes_as_long_as_the_published_system() {
    let software = PublishedSoftware::PCIE;
    let mut stand = Stand::new(InterconnectProfile::PCIE);
    // Stores through a write-combining buffer arrive without being asked for.
    stand.mode = Mode {
        tx: TxMode::Eager,
        ..Mode::PUBLISHED
    };
    stand.cost.load_bytes = Some(software.load_bytes);
    let longest = stand.profile.configuration().max_frame_bytes();
    let mut published = loopback_medians("pcie");
    published.retain(|median| median.frame_bytes <= longest);
    let sizes: Vec<usize> = published.iter().map(|median| median.frame_bytes).collect();
    let shift_ns = f64::from(stand.profile.load_ns()) / 2.0 - f64::from(software.time_stamp_ns);
    let times = measure(stand, &sizes).unwrap_or_else(|error| panic!("{error}"));
    compare(&times, &published, shift_ns);
}

#[test]
fn eager_mode_and_overlapped_loads_are_never_slower() {
    let sizes = [64, 128, 192, 512, 1024, 1472];
    let published = frames(Mode::PUBLISHED, &sizes);
    for (recall, eager) in published.iter().zip(frames(Mode::EAGER, &sizes)) {
        assert!(
            eager.rx_cycles <= recall.rx_cycles && eager.tx_cycles < recall.tx_cycles,
            "{recall:?} against {eager:?}"
        );
    }
    let longest = published.last().expect("a size").rx_cycles;
    println!("recall, 1472 bytes received: {} ns", ns(longest));
}
