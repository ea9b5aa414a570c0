//! One test for each rule of the RX side.

use super::*;
use LineRole::{RxControl, RxOverflow};
use Parity::{One, Zero};

type Home = RxHome<u32>;

const R0: LineRole = RxControl(Zero);
const R1: LineRole = RxControl(One);

fn load(line: LineRole, id: u8) -> RxEvent<u32> {
    RxEvent::Load(WaitingLoad { line, id })
}

fn clean(line: LineRole) -> RxEvent<u32> {
    RxEvent::Writeback { line, dirty: false }
}

fn assign(request: u32, overflow_lines: usize) -> RxEvent<u32> {
    RxEvent::Assign {
        request,
        overflow_lines,
    }
}

fn fill(line: LineRole, id: u8, content: RxContent<u32>) -> RxAction<u32> {
    RxAction::Fill {
        load: WaitingLoad { line, id },
        content,
    }
}

fn run(home: &mut Home, event: RxEvent<u32>) -> Vec<RxAction<u32>> {
    let (next, actions) = home.step(event).unwrap();
    *home = next;
    actions
}

/// A home with R0 filled with request 7 of two overflow lines.
fn delivered() -> Home {
    let mut home = Home::new(4);
    run(&mut home, load(R0, 1));
    assert_eq!(
        run(&mut home, assign(7, 2)),
        [fill(R0, 1, RxContent::Request(7))]
    );
    home
}

#[test]
fn first_load_is_parked_until_a_request_comes() {
    let mut home = Home::new(4);
    assert!(!home.is_waiting());
    assert_eq!(run(&mut home, load(R0, 1)), []);
    assert!(home.is_waiting());
    assert_eq!(
        run(&mut home, assign(7, 0)),
        [fill(R0, 1, RxContent::Request(7))]
    );
    assert!(!home.is_waiting());
}

#[test]
fn timeout_and_retire_answer_and_complete_the_line() {
    for (event, content) in [
        (RxEvent::Timeout, RxContent::TryAgain),
        (RxEvent::Retire, RxContent::Retire),
    ] {
        let mut home = Home::new(4);
        run(&mut home, load(R0, 1));
        assert_eq!(run(&mut home, event), [fill(R0, 1, content.clone())]);
        let again = run(&mut home, load(R0, 2));
        assert_eq!(
            again,
            [fill(R0, 2, content)],
            "a repeated load repeats the answer"
        );
        assert_eq!(run(&mut home, load(R1, 3)), [RxAction::Recall(R0)]);
        assert_eq!(
            run(&mut home, RxEvent::RecallAck(R0)),
            [],
            "nothing to free"
        );
        assert_eq!(home.current(), One);
        assert!(home.is_waiting());
    }
}

#[test]
fn repeated_load_after_an_eviction_repeats_the_request() {
    let mut home = delivered();
    assert_eq!(run(&mut home, clean(R0)), []);
    assert!(home.held().is_empty());
    assert_eq!(
        run(&mut home, load(R0, 2)),
        [fill(R0, 2, RxContent::Request(7))]
    );
}

#[test]
fn overflow_lines_are_the_requests_within_it_and_zeros_elsewhere() {
    let mut home = Home::new(4);
    let zeros = run(&mut home, load(RxOverflow(0), 9));
    assert_eq!(
        zeros,
        [fill(RxOverflow(0), 9, RxContent::Zeros)],
        "nothing assigned"
    );
    let mut home = delivered();
    assert_eq!(
        run(&mut home, load(RxOverflow(1), 2)),
        [fill(RxOverflow(1), 2, RxContent::Overflow(7, 1))]
    );
    assert_eq!(
        run(&mut home, load(RxOverflow(2), 3)),
        [fill(RxOverflow(2), 3, RxContent::Zeros)]
    );
}

#[test]
fn loading_the_other_line_recalls_all_frees_and_parks() {
    let mut home = delivered();
    run(&mut home, load(RxOverflow(1), 2));
    assert_eq!(
        run(&mut home, load(R1, 3)),
        [RxAction::Recall(R0), RxAction::Recall(RxOverflow(1))]
    );
    assert_eq!(run(&mut home, RxEvent::RecallAck(RxOverflow(1))), []);
    assert_eq!(home.current(), Zero, "not before every line is back");
    assert_eq!(run(&mut home, RxEvent::RecallAck(R0)), [RxAction::Free(7)]);
    assert_eq!(home.current(), One);
    assert_eq!(
        run(&mut home, assign(8, 0)),
        [fill(R1, 3, RxContent::Request(8))]
    );
}

#[test]
fn evicted_lines_are_not_recalled() {
    let mut home = delivered();
    run(&mut home, clean(R0));
    assert_eq!(run(&mut home, load(R1, 2)), [RxAction::Free(7)]);
    assert!(home.is_waiting());
}

#[test]
fn eviction_that_crosses_the_recall_is_harmless() {
    let mut home = delivered();
    assert_eq!(run(&mut home, load(R1, 2)), [RxAction::Recall(R0)]);
    assert_eq!(run(&mut home, clean(R0)), []);
    assert_eq!(run(&mut home, RxEvent::RecallAck(R0)), [RxAction::Free(7)]);
}

#[test]
fn early_and_second_loads_are_empty_and_recalled_before_the_fill() {
    let mut home = Home::new(4);
    let early = run(&mut home, load(R1, 1));
    assert_eq!(
        early,
        [fill(R1, 1, RxContent::Empty)],
        "before R0 was loaded"
    );
    run(&mut home, load(R0, 2));
    run(&mut home, load(RxOverflow(3), 3));
    assert_eq!(run(&mut home, load(R0, 4)), [fill(R0, 4, RxContent::Empty)]);
    assert_eq!(
        run(&mut home, assign(7, 1)),
        [R0, R1, RxOverflow(3)].map(RxAction::Recall)
    );
    assert!(!home.is_waiting(), "no second answer may be given");
    assert_eq!(run(&mut home, RxEvent::RecallAck(R1)), []);
    assert_eq!(run(&mut home, RxEvent::RecallAck(R0)), []);
    assert_eq!(
        run(&mut home, RxEvent::RecallAck(RxOverflow(3))),
        [fill(R0, 2, RxContent::Request(7))]
    );
    assert_eq!(home.held().rx_lines().count(), 1);
}

#[test]
fn loads_wait_in_order_while_recalls_are_outstanding() {
    let mut home = delivered();
    run(&mut home, load(R1, 2));
    // The host evicted R0 and loads it again before it sees the recall.
    assert_eq!(run(&mut home, clean(R0)), []);
    assert_eq!(run(&mut home, load(R0, 3)), []);
    assert_eq!(run(&mut home, load(RxOverflow(0), 4)), []);
    assert_eq!(
        run(&mut home, RxEvent::RecallAck(R0)),
        [
            RxAction::Free(7),
            fill(R0, 3, RxContent::Empty),
            fill(RxOverflow(0), 4, RxContent::Zeros),
        ]
    );
}

#[test]
fn refuses_what_must_not_happen() {
    let home = Home::new(4);
    let refused = |home: &Home, event| home.step(event).unwrap_err();
    assert_eq!(refused(&home, RxEvent::Timeout), HomeViolation::NotWaiting);
    assert_eq!(refused(&home, assign(1, 0)), HomeViolation::NotWaiting);
    assert_eq!(
        refused(&delivered(), RxEvent::Retire),
        HomeViolation::NotWaiting
    );
    assert_eq!(
        refused(&home, assign(1, 5)),
        HomeViolation::TooLong {
            needed: 5,
            available: 4
        }
    );
    let line = RxOverflow(4);
    assert_eq!(
        refused(&home, load(line, 1)),
        HomeViolation::ForeignLine { line }
    );
    assert_eq!(
        refused(&home, RxEvent::RecallAck(R0)),
        HomeViolation::UnexpectedAck { line: R0 }
    );
}

fn dirty(line: LineRole) -> RxEvent<u32> {
    RxEvent::Writeback { line, dirty: true }
}

/// As `delivered`, acknowledged by a store.
fn delivered_to_consume() -> Home {
    let mut home = Home::with(HomeConfig {
        consume: true,
        ..HomeConfig::new(4)
    });
    run(&mut home, load(R0, 1));
    run(&mut home, assign(7, 2));
    home
}

#[test]
fn store_acknowledges_and_a_load_of_the_other_line_does_not() {
    let mut home = delivered_to_consume();
    run(&mut home, load(RxOverflow(0), 2));
    assert_eq!(run(&mut home, load(R1, 3)), [], "it waits");
    assert!(home.is_ahead() && !home.is_waiting());
    let rest = [fill(RxOverflow(1), 4, RxContent::Overflow(7, 1))];
    assert_eq!(run(&mut home, load(RxOverflow(1), 4)), rest);
    let recalls = [RxOverflow(0), RxOverflow(1)].map(RxAction::Recall);
    assert_eq!(run(&mut home, dirty(R0)), recalls);
    assert_eq!(run(&mut home, RxEvent::RecallAck(RxOverflow(1))), []);
    let last = run(&mut home, RxEvent::RecallAck(RxOverflow(0)));
    assert_eq!(last, [RxAction::Free(7)]);
    assert_eq!(home.current(), One);
    assert!(home.is_waiting(), "with the load that came ahead");
}

#[test]
fn load_that_waits_for_the_acknowledgement_is_answered_empty_in_time() {
    let mut home = delivered_to_consume();
    run(&mut home, load(R1, 3));
    let empty = [fill(R1, 3, RxContent::Empty)];
    assert_eq!(run(&mut home, RxEvent::Timeout), empty);
    assert_eq!(run(&mut home, dirty(R0)), [RxAction::Recall(R1)]);
    let free = [RxAction::Free(7)];
    assert_eq!(run(&mut home, RxEvent::RecallAck(R1)), free);
    assert!(!home.is_waiting());
}

#[test]
fn stores_to_other_lines_and_before_the_answer_acknowledge_nothing() {
    let mut home = delivered_to_consume();
    for line in [R1, RxOverflow(0)] {
        assert_eq!(run(&mut home, dirty(line)), []);
    }
    assert_eq!(run(&mut home, clean(R0)), []);
    let again = run(&mut home, load(R0, 5));
    assert_eq!(again, [fill(R0, 5, RxContent::Request(7))]);
}

#[test]
fn reset_recalls_every_line_twice_if_need_be_and_begins_anew() {
    let all = [
        R0,
        R1,
        RxOverflow(0),
        RxOverflow(1),
        RxOverflow(2),
        RxOverflow(3),
    ];
    let mut home = delivered_to_consume();
    run(&mut home, load(R1, 3));
    assert_eq!(run(&mut home, RxEvent::Reset), all.map(RxAction::Recall));
    assert_eq!(home.step(RxEvent::Reset), Err(HomeViolation::InReset));
    run(&mut home, load(RxOverflow(0), 4));
    for line in &all[1..] {
        assert_eq!(run(&mut home, RxEvent::RecallAck(*line)), []);
    }
    let answers = [
        fill(R1, 3, RxContent::Empty),
        fill(RxOverflow(0), 4, RxContent::Empty),
        RxAction::Recall(R1),
        RxAction::Recall(RxOverflow(0)),
    ];
    assert_eq!(run(&mut home, RxEvent::RecallAck(R0)), answers);
    run(&mut home, RxEvent::RecallAck(R1));
    let done = run(&mut home, RxEvent::RecallAck(RxOverflow(0)));
    assert_eq!(done, [RxAction::Free(7), RxAction::ResetDone]);
    assert_eq!(home.current(), Zero);
    assert!(home.is_idle() && home.held().is_empty());
}
