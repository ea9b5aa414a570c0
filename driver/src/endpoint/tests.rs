use lauberhorn_coherence::EndpointLayout;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{RxHeader, RxKind, SessionHandle, TxKind};

use super::tx::TxMessage;
use super::*;
use crate::testing::{MockCard, Task, image, pattern, plain, run};

const ENDPOINT: usize = 2;

fn configs() -> [NicConfig; 3] {
    [
        NicConfig::eci(),
        NicConfig::cxl(),
        NicConfig::eci_16_jumbo(),
    ]
}

fn call() -> RxHeader {
    RxHeader {
        kind: RxKind::Call,
        session: SessionHandle {
            index: 5,
            generation: 9,
        },
        function: 0x1_0000_0003,
        xid: 0xaabb_ccdd,
        procedure: 1,
        peer_ipv4: 0x0a00_0001,
        peer_port: 999,
        ..RxHeader::default()
    }
}

fn receiver(config: &NicConfig) -> (MockCard, RxEndpoint) {
    let card = MockCard::new(config, ENDPOINT);
    let rx = RxEndpoint::new(&card.layout(), ENDPOINT, Mode::RECALL).unwrap();
    (card, rx)
}

fn sender(config: &NicConfig) -> (MockCard, TxEndpoint) {
    let card = MockCard::new(config, ENDPOINT);
    let tx = TxEndpoint::new(&card.layout(), ENDPOINT, TxMode::Recall).unwrap();
    (card, tx)
}

/// Body lengths around every place where one line more is needed.
fn boundary_lengths(config: &NicConfig, offset: usize) -> Vec<usize> {
    let lines = (1..=config.message_lines()).map(|n| n * config.line_bytes() - offset);
    let mut lengths: Vec<_> = lines.flat_map(|end| [end - 1, end, end + 1]).collect();
    lengths.extend([0, 1]);
    lengths.retain(|&length| length <= config.capacity_bytes() - offset);
    lengths
}

#[test]
fn receives_messages_of_every_length_around_line_boundaries() {
    for config in configs() {
        let (card, mut rx) = receiver(&config);
        for header in [
            call(),
            RxHeader {
                kind: RxKind::Frame,
                ..RxHeader::default()
            },
        ] {
            for length in boundary_lengths(&config, header.kind.body_offset()) {
                let body = pattern(length);
                card.answer(image(header, &body));
                card.with(|card| card.fills.clear());
                let expected = RxHeader {
                    length_bytes: length as u16,
                    ..header
                };
                assert_eq!(run(rx.receive(&card)), Ok(RxEvent::Message(expected)));
                assert_eq!(rx.body(), body);
                let lines = config.lines_for(expected.end_bytes());
                assert_eq!(card.get().fills.len(), lines, "{length} bytes");
            }
        }
        assert_eq!(card.get().hits, 0, "no line is loaded twice");
    }
}

#[test]
fn waits_in_the_load_until_a_call_comes() {
    let (card, mut rx) = receiver(&NicConfig::eci());
    {
        let mut receive = Task::new(rx.receive(&card));
        assert_eq!((receive.poll(), receive.poll()), (None, None));
        card.answer(image(call(), b"abcd"));
        let header = RxHeader {
            length_bytes: 4,
            ..call()
        };
        assert_eq!(receive.poll(), Some(Ok(RxEvent::Message(header))));
    }
    assert_eq!(rx.body(), b"abcd");
    assert_eq!(card.get().acknowledged, 0);
    assert_eq!(Task::new(rx.receive(&card)).poll(), None);
    assert_eq!(
        card.get().acknowledged,
        1,
        "the next load gives the first message back"
    );
}

#[test]
fn changes_lines_after_every_answer() {
    let (card, mut rx) = receiver(&NicConfig::cxl());
    let zero = LineRole::RxControl(Parity::Zero);
    let one = LineRole::RxControl(Parity::One);
    for kind in [
        RxKind::TryAgain,
        RxKind::TryAgain,
        RxKind::Retire,
        RxKind::TryAgain,
    ] {
        card.answer(plain(kind));
    }
    card.answer(image(call(), &[]));
    card.answer(plain(RxKind::Retire));
    let events: Vec<_> = (0..6).map(|_| run(rx.receive(&card)).unwrap()).collect();
    let expected = [
        RxEvent::TryAgain,
        RxEvent::TryAgain,
        RxEvent::Retire,
        RxEvent::TryAgain,
        RxEvent::Message(call()),
        RxEvent::Retire,
    ];
    assert_eq!(events, expected);
    assert_eq!(card.get().fills, [zero, one, zero, one, zero, one]);
    assert_eq!(card.get().hits, 0);
}

#[test]
fn body_is_empty_after_an_answer_without_one() {
    let (card, mut rx) = receiver(&NicConfig::cxl());
    card.answer(image(call(), b"abcd"));
    card.answer(plain(RxKind::TryAgain));
    run(rx.receive(&card)).unwrap();
    run(rx.receive(&card)).unwrap();
    assert_eq!(rx.body(), b"");
}

#[test]
fn finds_the_line_whose_turn_it_is() {
    let (card, mut rx) = receiver(&NicConfig::eci());
    card.with(|card| card.swap_rx());
    for _ in 0..3 {
        card.answer(image(call(), &[]));
        assert_eq!(run(rx.receive(&card)), Ok(RxEvent::Message(call())));
    }
    let fills = card.get().fills.clone();
    assert_eq!(fills.len(), 4, "one EMPTY, three calls");
    assert_eq!(card.get().hits, 0);
}

#[test]
fn refuses_to_share_an_endpoint() {
    let (card, mut rx) = receiver(&NicConfig::eci());
    card.with(|card| card.taken = true);
    let error = run(rx.receive(&card)).unwrap_err();
    assert_eq!(error, EndpointError::Contended { endpoint: ENDPOINT });
}

#[test]
fn bad_headers_are_errors_and_the_next_call_is_received() {
    let (card, mut rx) = receiver(&NicConfig::eci());
    let capacity = NicConfig::eci().capacity_bytes();
    let with_first = |first: u8| {
        let mut line = image(call(), &[]);
        line[0] = first;
        line
    };
    let oversize = |kind, length: usize| {
        let header = RxHeader {
            kind,
            length_bytes: length as u16,
            ..call()
        };
        header.encode().to_vec()
    };
    let bad = [
        (with_first(0x0f), "header"),
        (with_first(0x0c), "header"),
        (with_first(0x04), "header"),
        (with_first(0x03), "header"),
        (with_first(0x15), "header"),
        (vec![0xff; 128], "all ones"),
        (oversize(RxKind::Call, capacity - 31), "announces"),
        (oversize(RxKind::Call, 0xffff), "announces"),
        (oversize(RxKind::Frame, capacity - 33), "announces"),
        (oversize(RxKind::Retire, 0xffff), "announces"),
    ];
    for (line, message) in bad {
        card.answer(line.clone());
        card.answer(image(call(), b"next"));
        let error = run(rx.receive(&card)).unwrap_err();
        assert!(
            error.to_string().contains(message),
            "{error} for {:?}",
            &line[..4]
        );
        assert_eq!(rx.body(), b"");
        assert!(matches!(run(rx.receive(&card)), Ok(RxEvent::Message(_))));
        assert_eq!(rx.body(), b"next");
    }
}

#[test]
fn a_card_that_is_gone_is_an_error() {
    let (card, mut rx) = receiver(&NicConfig::eci());
    card.with(|card| card.gone = true);
    let error = run(rx.receive(&card)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "endpoint 2: the access to its lines failed"
    );
    let mut tx = TxEndpoint::new(&card.layout(), ENDPOINT, TxMode::Recall).unwrap();
    let error = run(tx.send(&card, TxMessage::default(), &[])).unwrap_err();
    assert!(matches!(
        error,
        EndpointError::Lines {
            endpoint: ENDPOINT,
            ..
        }
    ));
}

#[test]
fn refuses_an_endpoint_that_does_not_exist() {
    let layout = EndpointLayout::contiguous(&NicConfig::eci());
    let error = RxEndpoint::new(&layout, 5, Mode::RECALL).unwrap_err();
    assert_eq!(error.to_string(), "there is no endpoint 5: the card has 5");
    assert!(TxEndpoint::new(&layout, 5, TxMode::Recall).is_err());
}

#[test]
fn sends_messages_of_every_length_around_line_boundaries() {
    for config in configs() {
        let (card, mut tx) = sender(&config);
        let mut sequence = 0;
        for kind in [TxKind::Reply, TxKind::Frame] {
            let mut lengths = boundary_lengths(&config, kind.body_offset());
            assert_eq!(lengths.iter().max(), Some(&tx.limit_bytes(kind)));
            // Long before short: nothing of the long one may come with the short one.
            lengths.reverse();
            for length in lengths {
                let session = SessionHandle {
                    index: 7,
                    generation: 0x8001,
                };
                let message = TxMessage {
                    kind,
                    status: 0,
                    session,
                };
                let body = pattern(length);
                run(tx.send(&card, message, &body)).unwrap();
                let (header, sent) = card.get().sent.last().cloned().expect("sent");
                assert_eq!((header.kind, header.session), (kind, session));
                assert_eq!(header.sequence, sequence);
                assert_eq!(sent, body, "{length} bytes");
                sequence += 1;
            }
        }
        assert_eq!(card.get().sent.len(), sequence as usize);
    }
}

#[test]
fn each_short_message_costs_one_fill() {
    let (card, mut tx) = sender(&NicConfig::eci());
    let message = TxMessage {
        kind: TxKind::Reply,
        ..TxMessage::default()
    };
    for _ in 0..5 {
        run(tx.send(&card, message, b"short")).unwrap();
    }
    let [zero, one] = Parity::BOTH.map(LineRole::TxControl);
    assert_eq!(card.get().fills, [zero, one, zero, one, zero, one]);
    assert_eq!(card.get().hits, 0, "every load reaches the card");
}

#[test]
fn sends_error_replies_and_releases() {
    let (card, mut tx) = sender(&NicConfig::eci());
    let session = SessionHandle {
        index: 1,
        generation: 2,
    };
    let error = TxMessage {
        kind: TxKind::ErrorReply,
        status: 4,
        session,
    };
    let release = TxMessage {
        kind: TxKind::Release,
        status: 0,
        session,
    };
    run(tx.send(&card, error, &[])).unwrap();
    run(tx.send(&card, release, &[])).unwrap();
    let sent: Vec<_> = card
        .get()
        .sent
        .iter()
        .map(|(h, _)| (h.kind, h.status))
        .collect();
    assert_eq!(sent, [(TxKind::ErrorReply, 4), (TxKind::Release, 0)]);
}

#[test]
fn refuses_bodies_that_do_not_fit_and_sends_the_next() {
    for config in configs() {
        let (card, mut tx) = sender(&config);
        for kind in [TxKind::Reply, TxKind::Frame] {
            let message = TxMessage {
                kind,
                ..TxMessage::default()
            };
            for length in [tx.limit_bytes(kind) + 1, 0x1_0000] {
                let error = run(tx.send(&card, message, &vec![0; length])).unwrap_err();
                let limit_bytes = tx.limit_bytes(kind);
                let expected = EndpointError::BodyTooLong {
                    endpoint: ENDPOINT,
                    length_bytes: length,
                    limit_bytes,
                };
                assert_eq!(error, expected);
            }
            run(tx.send(&card, message, b"fits")).unwrap();
        }
        assert_eq!(card.get().sent.len(), 2);
    }
}

#[test]
fn finds_the_transmit_line_whose_turn_it_is() {
    let (card, mut tx) = sender(&NicConfig::eci());
    card.with(|card| card.swap_tx());
    let message = TxMessage {
        kind: TxKind::Reply,
        ..TxMessage::default()
    };
    for n in 1..4 {
        run(tx.send(&card, message, &pattern(n * 100))).unwrap();
        assert_eq!(
            card.get().sent.len(),
            n,
            "nothing is lost, nothing is sent twice"
        );
    }
}

fn eager_sender(config: &NicConfig) -> (MockCard, TxEndpoint) {
    let card = MockCard::new(config, ENDPOINT);
    card.with(|card| card.eager = true);
    let tx = TxEndpoint::new(&card.layout(), ENDPOINT, TxMode::Eager).unwrap();
    (card, tx)
}

#[test]
fn writes_back_messages_of_every_length_around_line_boundaries() {
    for config in configs() {
        let (card, mut tx) = eager_sender(&config);
        for kind in [TxKind::Reply, TxKind::Frame] {
            let mut lengths = boundary_lengths(&config, kind.body_offset());
            lengths.reverse();
            for length in lengths {
                let message = TxMessage {
                    kind,
                    ..TxMessage::default()
                };
                let body = pattern(length);
                tx.prepare(&card);
                run(tx.send(&card, message, &body)).unwrap();
                let (header, sent) = card.get().sent.last().cloned().expect("sent at once");
                assert_eq!((header.kind, &sent), (kind, &body), "{length} bytes");
                assert_eq!(header.sequence as usize + 1, card.get().sent.len());
            }
        }
        assert_eq!(card.get().hits, 0);
    }
}

#[test]
fn asks_for_the_control_line_unless_nothing_is_cached_and_a_message_came_since() {
    for cached in [false, true] {
        let (card, mut tx) = eager_sender(&NicConfig::eci());
        card.with(|card| card.cached = cached);
        let message = TxMessage {
            kind: TxKind::Frame,
            ..TxMessage::default()
        };
        let asked = |card: &MockCard| card.get().exclusive_loads;
        let first = usize::from(cached);
        run(tx.send(&card, message, b"first")).unwrap();
        assert_eq!(asked(&card), first, "after a reset the lines are free");
        run(tx.send(&card, message, b"second")).unwrap();
        assert_eq!(asked(&card), first + 1, "the first may be under way");
        tx.settled();
        run(tx.send(&card, message, b"third")).unwrap();
        let third = first + 1 + usize::from(cached);
        assert_eq!(asked(&card), third, "only a bus keeps the order");
    }
}
