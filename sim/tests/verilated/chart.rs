//! The message charts of the book are those of the card.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_sim::chart::of_call;

const BYTES: usize = 64;

#[test]
fn the_charts_of_the_book_show_what_the_card_does() {
    for (name, mode, printed) in [
        (
            "recall",
            Mode::RECALL,
            include_str!("../../../docs/src/charts/recall.txt"),
        ),
        (
            "eager",
            Mode::EAGER,
            include_str!("../../../docs/src/charts/eager.txt"),
        ),
    ] {
        let chart = of_call(InterconnectProfile::ECI, mode, BYTES).unwrap();
        assert_eq!(
            chart, printed,
            "./run chart --tx {name} --bytes {BYTES} > docs/src/charts/{name}.txt"
        );
    }
}
