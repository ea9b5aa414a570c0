//! One test for each rule of the TX side.

use super::*;
use LineRole::{TxControl, TxOverflow};
use Parity::{One, Zero};

const T0: LineRole = TxControl(Zero);
const T1: LineRole = TxControl(One);

/// A line: zeros, a valid control line with its overflow lines, or some other content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Line {
    #[default]
    Zeros,
    Control(usize),
    Numbered(u32, usize),
    Body(u32),
}
use Line::{Body, Control, Numbered, Zeros};

impl TxContent for Line {
    fn overflow_lines(&self) -> Option<usize> {
        match self {
            Control(n) | Numbered(_, n) => Some(*n),
            _ => None,
        }
    }

    fn sequence(&self) -> u32 {
        match self {
            Numbered(sequence, _) => *sequence,
            _ => 0,
        }
    }
}

type Home = TxHome<Line>;

fn load(line: LineRole, id: u8) -> TxEvent<Line> {
    TxEvent::Load(WaitingLoad { line, id })
}

fn fill(line: LineRole, id: u8, data: Line) -> TxAction<Line> {
    TxAction::Fill {
        load: WaitingLoad { line, id },
        data,
    }
}

fn ack(line: LineRole, data: impl Into<Option<Line>>) -> TxEvent<Line> {
    TxEvent::RecallAck(line, data.into())
}

fn run(home: &mut Home, event: TxEvent<Line>) -> Vec<TxAction<Line>> {
    let (next, actions) = home.step(event).unwrap();
    *home = next;
    actions
}

#[test]
fn current_and_overflow_lines_are_filled_at_once_with_zeros() {
    let mut home = Home::new(4);
    for line in [T0, TxOverflow(0), TxOverflow(3)] {
        assert_eq!(run(&mut home, load(line, 5)), [fill(line, 5, Zeros)]);
    }
    assert!(home.is_idle());
}

#[test]
fn short_message_needs_only_the_control_line() {
    let mut home = Home::new(4);
    run(&mut home, load(T0, 1));
    assert_eq!(run(&mut home, load(T1, 2)), [TxAction::Recall(T0)]);
    let complete = TxMessage::Complete {
        control: Control(0),
        overflow: vec![],
    };
    assert_eq!(
        run(&mut home, ack(T0, Control(0))),
        [TxAction::Offer(complete)]
    );
    assert_eq!(home.current(), Zero, "not before the message is taken");
    assert_eq!(run(&mut home, TxEvent::Taken), [fill(T1, 2, Zeros)]);
    assert_eq!(home.current(), One);
}

#[test]
fn long_message_recalls_the_lines_its_length_needs() {
    let mut home = Home::new(4);
    run(&mut home, load(T1, 1));
    assert_eq!(
        run(&mut home, ack(T0, Control(2))),
        [
            TxAction::Recall(TxOverflow(0)),
            TxAction::Recall(TxOverflow(1))
        ]
    );
    assert_eq!(run(&mut home, ack(TxOverflow(1), Body(11))), []);
    let complete = TxMessage::Complete {
        control: Control(2),
        overflow: vec![Body(10), Body(11)],
    };
    assert_eq!(
        run(&mut home, ack(TxOverflow(0), Body(10))),
        [TxAction::Offer(complete)]
    );
}

#[test]
fn written_back_lines_count_when_the_recall_finds_them_gone() {
    let mut home = Home::new(4);
    run(&mut home, TxEvent::Writeback(TxOverflow(0), Some(Body(10))));
    run(&mut home, TxEvent::Writeback(T0, Some(Control(1))));
    let again = run(&mut home, load(T0, 1));
    assert_eq!(
        again,
        [fill(T0, 1, Control(1))],
        "the host gets back what it wrote"
    );
    run(&mut home, TxEvent::Writeback(T0, None));
    run(&mut home, load(T1, 2));
    run(&mut home, ack(T0, None));
    let complete = TxMessage::Complete {
        control: Control(1),
        overflow: vec![Body(10)],
    };
    assert_eq!(
        run(&mut home, ack(TxOverflow(0), None)),
        [TxAction::Offer(complete)]
    );
    run(&mut home, TxEvent::Taken);
    let next = run(&mut home, load(TxOverflow(0), 3));
    assert_eq!(
        next,
        [fill(TxOverflow(0), 3, Zeros)],
        "nothing stays for the next message"
    );
}

#[test]
fn writeback_that_crosses_the_recall_counts() {
    let mut home = Home::new(4);
    run(&mut home, load(T1, 1));
    run(&mut home, TxEvent::Writeback(T0, Some(Control(0))));
    let complete = TxMessage::Complete {
        control: Control(0),
        overflow: vec![],
    };
    assert_eq!(run(&mut home, ack(T0, None)), [TxAction::Offer(complete)]);
}

#[test]
fn missing_overflow_line_makes_the_message_incomplete() {
    let mut home = Home::new(2);
    run(&mut home, load(T1, 1));
    run(&mut home, ack(T0, Control(2)));
    run(&mut home, ack(TxOverflow(0), Body(10)));
    let incomplete = TxMessage::Incomplete {
        control: Control(2),
        missing: 1,
    };
    assert_eq!(
        run(&mut home, ack(TxOverflow(1), None)),
        [TxAction::Offer(incomplete)]
    );
    assert_eq!(run(&mut home, TxEvent::Taken), [fill(T1, 1, Zeros)]);
}

#[test]
fn message_longer_than_the_endpoint_is_incomplete() {
    let mut home = Home::new(1);
    run(&mut home, load(T1, 1));
    let recalls = run(&mut home, ack(T0, Control(9)));
    assert_eq!(recalls, [TxAction::Recall(TxOverflow(0))]);
    let incomplete = TxMessage::Incomplete {
        control: Control(9),
        missing: 1,
    };
    assert_eq!(
        run(&mut home, ack(TxOverflow(0), Body(1))),
        [TxAction::Offer(incomplete)]
    );
}

#[test]
fn invalid_control_line_sends_nothing_and_turns() {
    for data in [None, Some(Zeros), Some(Body(3))] {
        let mut home = Home::new(4);
        run(&mut home, load(T1, 1));
        assert_eq!(run(&mut home, ack(T0, data)), [fill(T1, 1, Zeros)]);
        assert_eq!(home.current(), One);
    }
}

#[test]
fn loads_wait_in_order_while_a_message_is_under_way() {
    let mut home = Home::new(4);
    run(&mut home, load(T1, 1));
    assert_eq!(run(&mut home, load(TxOverflow(0), 2)), []);
    run(&mut home, ack(T0, Control(0)));
    assert_eq!(run(&mut home, load(TxOverflow(1), 3)), []);
    assert_eq!(
        run(&mut home, TxEvent::Taken),
        [
            fill(T1, 1, Zeros),
            fill(TxOverflow(0), 2, Zeros),
            fill(TxOverflow(1), 3, Zeros),
        ]
    );
}

#[test]
fn refuses_what_must_not_happen() {
    let home = Home::new(4);
    let refused = |event| home.step(event).unwrap_err();
    let line = LineRole::RxOverflow(0);
    assert_eq!(refused(load(line, 1)), HomeViolation::ForeignLine { line });
    let line = TxOverflow(4);
    assert_eq!(
        refused(TxEvent::Writeback(line, None)),
        HomeViolation::ForeignLine { line }
    );
    assert_eq!(
        refused(ack(T0, None)),
        HomeViolation::UnexpectedAck { line: T0 }
    );
    assert_eq!(refused(TxEvent::Taken), HomeViolation::NothingOffered);
}

fn eager() -> Home {
    Home::with(HomeConfig {
        eager: true,
        ..HomeConfig::new(2)
    })
}

fn writeback(line: LineRole, data: Line) -> TxEvent<Line> {
    TxEvent::Writeback(line, Some(data))
}

#[test]
fn eager_control_line_sends_without_a_recall() {
    let mut home = eager();
    run(&mut home, load(T0, 1));
    run(&mut home, load(TxOverflow(0), 2));
    run(&mut home, writeback(TxOverflow(0), Body(5)));
    let complete = TxMessage::Complete {
        control: Numbered(0, 1),
        overflow: vec![Body(5)],
    };
    let sent = run(&mut home, writeback(T0, Numbered(0, 1)));
    assert_eq!(sent, [TxAction::Offer(complete)]);
    assert_eq!(run(&mut home, load(T0, 3)), [], "it says when it is taken");
    assert_eq!(run(&mut home, TxEvent::Taken), [fill(T0, 3, Zeros)]);
    assert_eq!((home.sequence(), home.current()), (1, Zero));
}

#[test]
fn eager_overflow_line_that_is_still_held_is_waited_for() {
    let mut home = eager();
    run(&mut home, load(TxOverflow(0), 1));
    run(&mut home, writeback(TxOverflow(0), Body(1)));
    run(&mut home, load(TxOverflow(0), 2));
    let recall = [TxAction::Recall(TxOverflow(0))];
    assert_eq!(run(&mut home, writeback(T0, Numbered(0, 1))), recall);
    assert_eq!(run(&mut home, writeback(TxOverflow(0), Body(2))), []);
    let complete = TxMessage::Complete {
        control: Numbered(0, 1),
        overflow: vec![Body(2)],
    };
    let sent = run(&mut home, ack(TxOverflow(0), None));
    assert_eq!(sent, [TxAction::Offer(complete)]);
}

#[test]
fn eager_control_line_out_of_sequence_is_kept_and_not_sent() {
    let mut home = eager();
    assert_eq!(run(&mut home, writeback(T0, Numbered(1, 0))), []);
    let kept = run(&mut home, load(T0, 1));
    assert_eq!(kept, [fill(T0, 1, Numbered(1, 0))]);
    assert_eq!(run(&mut home, writeback(T0, Zeros)), []);
    assert_eq!(
        run(&mut home, load(LineRole::TxControl(One), 2)),
        [fill(T1, 2, Zeros)]
    );
    assert!(home.is_idle());
}

#[test]
fn reset_drops_what_was_not_sent_and_the_parity() {
    let mut home = Home::new(1);
    run(&mut home, load(T1, 1));
    run(&mut home, ack(T0, None));
    assert_eq!(home.current(), One);
    run(&mut home, load(T1, 2));
    let all = [T0, T1, TxOverflow(0)];
    assert_eq!(run(&mut home, TxEvent::Reset), all.map(TxAction::Recall));
    assert_eq!(home.step(TxEvent::Reset), Err(HomeViolation::InReset));
    run(&mut home, ack(T1, Control(0)));
    run(&mut home, ack(TxOverflow(0), Body(1)));
    assert_eq!(run(&mut home, ack(T0, None)), [TxAction::ResetDone]);
    assert_eq!((home.current(), home.held().is_empty()), (Zero, true));
    assert_eq!(run(&mut home, load(T0, 3)), [fill(T0, 3, Zeros)]);
}

#[test]
fn reset_lets_the_message_that_is_read_finish() {
    let mut home = Home::new(0);
    run(&mut home, load(T1, 1));
    run(&mut home, ack(T0, Control(0)));
    assert_eq!(run(&mut home, TxEvent::Reset), []);
    let all = [T0, T1].map(TxAction::Recall);
    assert_eq!(run(&mut home, TxEvent::Taken), all);
    run(&mut home, ack(T0, None));
    let answers = [fill(T1, 1, Zeros), TxAction::Recall(T1)];
    assert_eq!(run(&mut home, ack(T1, None)), answers);
    assert_eq!(run(&mut home, ack(T1, None)), [TxAction::ResetDone]);
}
