//! The whole host side in the interpreter, against hosts that behave and hosts that do not.

mod blocks;
mod card;
mod eager;
mod preempt;
mod reset;
mod rx_half;
mod tx_half;

use super::Shape;

use card::Card;

use lauberhorn_coherence::layout::{EndpointLayout, LineRole, Parity};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{RxHeader, RxKind, SessionHandle, TxHeader, TxKind};

/// Two workers, short messages: everything there is, quick to run.
fn small(line_bytes: usize) -> Shape {
    let config = NicConfig::builder()
        .line_bytes(line_bytes)
        .workers(2)
        .mtu_bytes(576)
        .call_slots(8)
        .bypass_slots(4)
        .build()
        .expect("legal");
    Shape::new(&config, &EndpointLayout::contiguous(&config))
}

fn call(slot: u16, length: usize) -> (RxHeader, Vec<u8>) {
    let header = RxHeader {
        kind: RxKind::Call,
        length_bytes: length as u16,
        session: SessionHandle {
            index: slot + 100,
            generation: 7,
        },
        function: 0x1122_3344_5566_7788,
        xid: 0x99,
        ..RxHeader::default()
    };
    (header, (0..length).map(|i| (i * 7 + 3) as u8 | 1).collect())
}

#[test]
fn call_to_a_waiting_core_takes_6_cycles() {
    for line_bytes in [64, 128] {
        let mut card = Card::new(&small(line_bytes));
        card.load(1, LineRole::RxControl(Parity::Zero), 5);
        card.run(20);
        let (header, body) = call(3, 40);
        card.write_message(3, &header, &body);
        card.run(5);
        let start = card.give(1, 3, 103, 40);
        let fill = card.wait_fill(30);
        assert_eq!(fill.first_cycle - start, 6, "call to first fill beat");
        assert_eq!((fill.id, fill.exclusive), (5, false));
        assert_eq!(fill.data[..32], header.encode());
        let in_line = (line_bytes - 32).min(40);
        assert_eq!(fill.data[32..32 + in_line], body[..in_line]);
        assert!(fill.data[32 + in_line..].iter().all(|byte| *byte == 0));
        assert_eq!(card.owners, [(103, 1)]);
    }
}

#[test]
fn control_line_to_message_takes_4_cycles() {
    for line_bytes in [64, 128] {
        let mut card = Card::new(&small(line_bytes));
        card.load(2, LineRole::TxControl(Parity::Zero), 1);
        let zeros = card.wait_fill(30);
        assert!(zeros.exclusive && zeros.data.iter().all(|byte| *byte == 0));
        card.load(2, LineRole::TxControl(Parity::One), 2);
        let recall = card.wait_recall(30);
        assert_eq!(
            recall.address,
            card.address(2, LineRole::TxControl(Parity::Zero))
        );
        let header = TxHeader {
            kind: TxKind::Reply,
            length_bytes: 8,
            session: SessionHandle {
                index: 17,
                generation: 3,
            },
            ..TxHeader::default()
        };
        let mut line = vec![0x5a; line_bytes];
        line[..32].copy_from_slice(&header.encode());
        let last = card.acknowledge(recall.id, Some(line.clone()));
        let message = card.wait_message(30);
        assert_eq!(message.cycle - last, 4, "last beat of the line to message");
        assert_eq!((message.endpoint, message.kind), (2, TxKind::Reply as u64));
        assert_eq!((message.session, message.generation), (17, 3));
        assert_eq!((message.status, message.length_bytes), (0, 8));
        assert_eq!(card.read_image(2, line_bytes), line);
        card.taken(2);
        let turned = card.wait_fill(30);
        assert_eq!(turned.id, 2);
        assert!(turned.exclusive && turned.data.iter().all(|byte| *byte == 0));
    }
}
