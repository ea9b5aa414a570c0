//! Eager mode: what is written back is sent.

use super::card::{Card, Return};
use super::*;
use crate::rtl::Dut;

const ENDPOINT: usize = 1;
const T0: LineRole = LineRole::TxControl(Parity::Zero);

fn eager_card(line_bytes: usize) -> Card {
    let mut card = Card::new(&small(line_bytes));
    card.dut.poke_field("settings", "eager_tx", 1);
    card
}

/// A reply that spans `lines` lines, as the lines' contents.
fn reply(line_bytes: usize, lines: usize, sequence: u32) -> Vec<Vec<u8>> {
    let length = line_bytes * lines - 32;
    let header = TxHeader {
        kind: TxKind::Reply,
        length_bytes: length as u16,
        session: SessionHandle {
            index: 9,
            generation: 2,
        },
        sequence,
        ..TxHeader::default()
    };
    let mut image = header.encode().to_vec();
    image.extend((0..length).map(|i| (i * 5 + sequence as usize) as u8));
    image.chunks(line_bytes).map(<[u8]>::to_vec).collect()
}

fn give_back(card: &mut Card, role: LineRole, data: Vec<u8>) -> u64 {
    let tag = card.address(ENDPOINT, role);
    card.writebacks.push_back(Return {
        tag,
        data: Some(data),
    });
    let mut cycles = 0;
    while !card.writebacks.is_empty() {
        card.step();
        cycles += 1;
        assert!(cycles < 40, "the card takes no line");
    }
    card.cycle - 1
}

#[test]
fn written_back_control_line_to_message_takes_4_cycles() {
    for line_bytes in [64, 128] {
        let mut card = eager_card(line_bytes);
        for sequence in 0..300 {
            let mut lines = reply(line_bytes, 1, sequence);
            let last = give_back(&mut card, T0, lines.remove(0));
            // The next message's line is asked for at once, and filled when this one was read.
            card.load(ENDPOINT, T0, 3);
            let message = card.wait_message(30);
            assert_eq!(message.cycle - last, 4, "last beat of the line to message");
            assert_eq!((message.endpoint, message.session), (1, 9));
            card.run(10);
            assert!(card.fills.is_empty(), "the message was not read yet");
            card.taken(ENDPOINT as u64);
            let fill = card.wait_fill(30);
            assert!(fill.exclusive && fill.data.iter().all(|byte| *byte == 0));
        }
        assert!(card.recalls.is_empty(), "nothing is recalled");
    }
}

#[test]
fn a_message_waits_for_the_overflow_lines_that_are_still_under_way() {
    let line_bytes = 64;
    let count = 6;
    // Bit n: overflow line n comes back before the control line, else it is recalled.
    for (sequence, early) in (0..1u32 << (count - 1)).enumerate().take(32) {
        let mut card = eager_card(line_bytes);
        let lines = reply(line_bytes, count, 0);
        for (n, line) in lines.iter().enumerate().skip(1) {
            if early >> (n - 1) & 1 == 1 {
                give_back(&mut card, LineRole::TxOverflow(n - 1), line.clone());
            }
        }
        give_back(&mut card, T0, lines[0].clone());
        let late: Vec<_> = (1..count).filter(|n| early >> (n - 1) & 1 == 0).collect();
        for n in late {
            assert!(card.messages.is_empty());
            let recall = card.wait_recall(40);
            let role = LineRole::TxOverflow(n - 1);
            assert_eq!(recall.address, card.address(ENDPOINT, role), "{sequence}");
            // Alternately with the acknowledgement, or as a writeback before a clean one.
            if n % 2 == 0 {
                card.acknowledge(recall.id, Some(lines[n].clone()));
            } else {
                give_back(&mut card, role, lines[n].clone());
                card.acknowledge(recall.id, None);
            }
        }
        let message = card.wait_message(40);
        assert_eq!(message.length_bytes, line_bytes * count - 32);
        assert_eq!(card.read_image(1, line_bytes * count), lines.concat());
        assert!(card.recalls.is_empty() && card.events[4] == 0);
    }
}

#[test]
fn a_line_that_was_taken_back_and_fetched_again_is_waited_for() {
    let mut card = eager_card(64);
    let lines = reply(64, 2, 0);
    let overflow = LineRole::TxOverflow(0);
    // An eviction between two stores gave the card half of it; the core fetched it again.
    let mut half = lines[1].clone();
    half[32..].fill(0);
    give_back(&mut card, overflow, half.clone());
    card.load(ENDPOINT, overflow, 4);
    assert_eq!(card.wait_fill(30).data, half);
    give_back(&mut card, T0, lines[0].clone());
    let recall = card.wait_recall(40);
    give_back(&mut card, overflow, lines[1].clone());
    card.acknowledge(recall.id, None);
    card.wait_message(40);
    assert_eq!(card.read_image(1, 128), lines.concat());
}

#[test]
fn a_needed_line_that_was_never_written_makes_an_error_reply() {
    let mut card = eager_card(128);
    let lines = reply(128, 2, 0);
    give_back(&mut card, T0, lines[0].clone());
    let recall = card.wait_recall(40);
    card.acknowledge(recall.id, None);
    let message = card.wait_message(40);
    assert_eq!(
        (message.kind, message.status),
        (TxKind::ErrorReply as u64, 5)
    );
    assert_eq!(card.events[4], 1);
}

#[test]
fn neither_an_invalid_line_nor_a_wrong_sequence_number_sends() {
    let mut card = eager_card(128);
    let mut invalid = reply(128, 1, 0).remove(0);
    invalid[0] &= !1;
    give_back(&mut card, T0, invalid);
    give_back(&mut card, T0, reply(128, 1, 1).remove(0));
    let other = LineRole::TxControl(Parity::One);
    give_back(&mut card, other, reply(128, 1, 0).remove(0));
    card.run(40);
    assert!(card.messages.is_empty());
    give_back(&mut card, T0, reply(128, 1, 0).remove(0));
    card.wait_message(20);
}

#[test]
fn nothing_is_given_to_an_endpoint_that_sends() {
    let mut card = eager_card(128);
    card.load(ENDPOINT, LineRole::RxControl(Parity::Zero), 1);
    give_back(&mut card, T0, reply(128, 1, 0).remove(0));
    card.wait_message(20);
    let (header, body) = super::call(2, 8);
    card.write_message(2, &header, &body);
    card.give(1, 2, 102, 8);
    card.run(40);
    assert!(card.fills.is_empty());
    card.taken(ENDPOINT as u64);
    let fill = card.wait_fill(30);
    assert_eq!(fill.data[..32], header.encode());
}

#[test]
fn raw_workers_get_the_frames_and_the_bypass_endpoint_none() {
    let mut card = Card::new(&small(128));
    card.dut.poke_field("settings", "raw_worker", 0b10);
    for endpoint in 0..3 {
        card.load(
            endpoint,
            LineRole::RxControl(Parity::Zero),
            10 + endpoint as u8,
        );
    }
    card.run(20);
    let header = RxHeader {
        kind: RxKind::Frame,
        length_bytes: 300,
        ..RxHeader::default()
    };
    let frame: Vec<u8> = (0..300).map(|i| (i * 3) as u8).collect();
    card.write_message(9, &header, &frame);
    card.give(0, 9, 0, 300);
    let fill = card.wait_fill(30);
    assert_eq!(fill.id, 12, "the raw worker");
    assert_eq!(fill.data[34..], frame[..94]);
    // Its last line holds the end of the frame and nothing behind it.
    card.load(2, LineRole::RxOverflow(1), 20);
    let last = card.wait_fill(30);
    assert_eq!(last.data[..78], frame[222..]);
    let (header, body) = super::call(1, 8);
    card.write_message(1, &header, &body);
    card.give(1, 1, 101, 8);
    assert_eq!(card.wait_fill(30).id, 11, "calls go to the other worker");
}
