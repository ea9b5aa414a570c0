//! Bare frames through a raw worker: unchanged whatever the host does, and as fast as was measured on Enzian.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_coherence::published::loopback_medians;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::loopback::{RawTimes, measure};
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::ways::Way;

use crate::ways::in_every_way;

/// Largest relative error of the calibrated profile, over all sizes and at any one.
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

#[test]
fn recall_mode_takes_as_long_as_the_published_system() {
    let published = loopback_medians("eci");
    let sizes: Vec<usize> = published.iter().map(|median| median.frame_bytes).collect();
    let times = frames(Mode::PUBLISHED, &sizes);
    for (direction, pairs) in [
        (
            "receive",
            published
                .iter()
                .zip(&times)
                .map(|(median, raw)| (f64::from(median.rx_ns), ns(raw.rx_cycles)))
                .collect::<Vec<_>>(),
        ),
        (
            "send",
            published
                .iter()
                .zip(&times)
                .map(|(median, raw)| (f64::from(median.tx_ns), ns(raw.tx_cycles)))
                .collect(),
        ),
    ] {
        let mut errors = Vec::new();
        for ((measured, ours), median) in pairs.into_iter().zip(&published) {
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
