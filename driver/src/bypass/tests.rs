use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::RxHeader;

use super::*;
use crate::stack::channel;
use crate::testing::{MockCard, image, pattern, plain, run};

fn frame(length: usize) -> Vec<u8> {
    image(
        RxHeader {
            kind: RxKind::Frame,
            ..RxHeader::default()
        },
        &pattern(length),
    )
}

#[test]
fn carries_frames_both_ways() {
    let config = NicConfig::eci();
    let card = MockCard::new(&config, BYPASS_ENDPOINT);
    let (stack, mut peer) = channel::pair(8);
    let mut bypass = Bypass::new(
        card.clone(),
        stack,
        &card.layout(),
        BYPASS_ENDPOINT,
        config.max_frame_bytes(),
        Mode::RECALL,
    )
    .unwrap();
    card.answer(frame(60));
    card.answer(frame(1514));
    card.answer(plain(RxKind::TryAgain));
    card.answer(plain(RxKind::Retire));
    assert!(run(bypass.step()).unwrap());
    peer.send(pattern(1514));
    peer.send(pattern(1515));
    peer.send(pattern(42));
    assert!(run(bypass.step()).unwrap());
    peer.send(pattern(43));
    run(bypass.run(|_| true)).unwrap();
    assert_eq!(
        (peer.receive(), peer.receive()),
        (Some(pattern(60)), Some(pattern(1514)))
    );
    let sent: Vec<_> = card
        .get()
        .sent
        .iter()
        .map(|(h, b)| (h.kind, b.clone()))
        .collect();
    let expected = [1514, 42, 43].map(|length| (TxKind::Frame, pattern(length)));
    assert_eq!(sent, expected);
    assert_eq!(
        bypass.stats(),
        BypassStats {
            received: 2,
            sent: 3,
            too_long: 1
        }
    );
}

#[test]
fn refuses_a_call() {
    let config = NicConfig::eci();
    let card = MockCard::new(&config, BYPASS_ENDPOINT);
    let (stack, _peer) = channel::pair(1);
    let mut bypass = Bypass::new(
        card.clone(),
        stack,
        &card.layout(),
        BYPASS_ENDPOINT,
        1514,
        Mode::RECALL,
    )
    .unwrap();
    card.answer(image(
        RxHeader {
            kind: RxKind::Call,
            ..RxHeader::default()
        },
        &[],
    ));
    let error = run(bypass.step()).unwrap_err();
    assert_eq!(
        error,
        EndpointError::WrongKind {
            endpoint: 0,
            kind: "CALL"
        }
    );
}
