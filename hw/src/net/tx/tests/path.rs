//! The whole transmit path against its untimed model.

use super::rig::{Handle, Message, RAW_ENDPOINT, Rig, nic_reply, random_peer};
use crate::net::tx::model::{Addresses, Reply, padded, reply_frame};
use lauberhorn_interface::NicConfig;
use rand::Rng as _;

const REPLY: u8 = 1;
const ERROR_REPLY: u8 = 2;
pub const FRAME: u8 = 3;
const RELEASE: u8 = 4;
pub const NO_HANDLE: Handle = Handle {
    index: 0,
    generation: 0,
};

pub fn message(endpoint: u8, kind: u8, handle: Handle, body: Vec<u8>) -> Message {
    Message {
        endpoint,
        kind,
        status: 0,
        handle,
        body,
        length: None,
    }
}

fn error_reply(endpoint: u8, handle: Handle, status: u16) -> Message {
    Message {
        status,
        ..message(endpoint, ERROR_REPLY, handle, vec![])
    }
}

/// An independent opinion on lengths and checksums.
fn check_with_etherparse(frame: &[u8]) {
    let sliced = etherparse::SlicedPacket::from_ethernet(frame).expect("a well-formed frame");
    let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else {
        panic!("no IPv4 packet in {frame:02x?}")
    };
    let header = ip.header().to_header();
    assert_eq!(header.calc_header_checksum(), header.header_checksum);
    let Some(etherparse::TransportSlice::Udp(udp)) = sliced.transport else {
        panic!("no UDP datagram in {frame:02x?}")
    };
    let expected = udp
        .to_header()
        .calc_checksum_ipv4(&header, udp.payload())
        .expect("the length fits");
    assert_eq!(udp.checksum(), expected);
    assert_ne!(udp.checksum(), 0, "0 means that there is no checksum");
    assert_eq!(usize::from(udp.length()), 8 + udp.payload().len());
}

/// Feeds a reply with a random body from endpoint 1 to 4 in turn; returns the frame it must give.
pub fn feed_reply(rig: &mut Rig, turn: usize, bytes: usize) -> Vec<u8> {
    let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
    let endpoint = 1 + (turn % 4) as u8;
    let handle = rig.open(endpoint, &to, xid);
    let body: Vec<u8> = (0..bytes).map(|_| rig.rng.random()).collect();
    let expected = reply_frame(&to, xid, &Reply::Success(body.clone()));
    rig.messages
        .push_back(message(endpoint, REPLY, handle, body));
    expected
}

pub fn expect(rig: &Rig, expected: &[Vec<u8>]) {
    for (index, (expected, (frame, _, _))) in expected.iter().zip(&rig.frames).enumerate() {
        assert_eq!(frame, expected, "frame {index}");
    }
    assert_eq!(rig.frames.len(), expected.len(), "number of frames");
}

#[test]
fn every_small_reply_is_what_the_specifications_say() {
    let mut rig = Rig::new(&NicConfig::eci(), "small");
    let mut expected = Vec::new();
    for bytes in 0..=200 {
        expected.push(feed_reply(&mut rig, bytes, bytes));
        if bytes % 16 == 15 {
            rig.run();
        }
    }
    rig.run();
    expect(&rig, &expected);
    expected
        .iter()
        .for_each(|frame| check_with_etherparse(frame));
    assert_eq!(rig.count("tx_replies"), 201);
    assert_eq!(rig.count("tx_frames"), 201);
    assert_eq!(rig.count("tx_neighbour_miss"), 201);
    assert_eq!(rig.dut_free_sessions(), 128);
}

#[test]
fn replies_around_every_beat_boundary_up_to_the_mtu() {
    for config in [NicConfig::cxl(), NicConfig::eci_16_jumbo()] {
        let mut rig = Rig::new(&config, "boundaries");
        let most = config.mtu_bytes() - 52;
        let image = (64..32 + most)
            .step_by(64)
            .flat_map(|end| [end - 33, end - 32, end - 31]);
        let frame = (128..66 + most)
            .step_by(64)
            .flat_map(|end| [end - 67, end - 66, end - 65]);
        let mut sizes: Vec<usize> = image.chain(frame).chain([most - 1, most]).collect();
        sizes.retain(|size| *size <= most);
        for (turn, bytes) in sizes.into_iter().enumerate() {
            let expected = feed_reply(&mut rig, turn, bytes);
            rig.run();
            let (frame, _, _) = rig.frames.pop().expect("a frame");
            assert_eq!(frame, expected, "{bytes} bytes");
            check_with_etherparse(&frame);
        }
    }
}

#[test]
fn bypass_frames_go_out_as_they_are() {
    let config = NicConfig::eci_16_jumbo();
    let mut rig = Rig::new(&config, "frames");
    let most = config.max_frame_bytes();
    let sizes = (14..=260)
        .chain((264..most).step_by(997))
        .chain([most - 1, most]);
    for (bytes, endpoint) in sizes.zip([0, RAW_ENDPOINT].into_iter().cycle()) {
        let body: Vec<u8> = (0..bytes).map(|_| rig.rng.random()).collect();
        rig.messages
            .push_back(message(endpoint, FRAME, NO_HANDLE, body.clone()));
        rig.run();
        let (frame, _, _) = rig.frames.pop().expect("a frame");
        assert_eq!(frame, padded(body), "{bytes} bytes");
    }
    assert_eq!(rig.count("tx_bypass"), rig.count("tx_frames"));
    assert_eq!(rig.count("tx_neighbour_miss"), 0);
}

#[test]
fn nic_replies_have_every_form_of_rfc_5531() {
    let mut rig = Rig::new(&NicConfig::eci(), "forms");
    let mut expected = Vec::new();
    for _ in 0..20 {
        let (low, high): (u32, u32) = rig.rng.random();
        for (kind, reply) in [
            (0, Reply::Success(vec![])),
            (1, Reply::Status(1)),
            (2, Reply::ProgMismatch(low, high)),
            (3, Reply::Status(3)),
            (4, Reply::Status(4)),
            (5, Reply::Status(5)),
            (8, Reply::RpcMismatch(low, high)),
            (9, Reply::AuthError(low)),
        ] {
            let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
            rig.replies.push_back(nic_reply(&to, xid, kind, low, high));
            expected.push(reply_frame(&to, xid, &reply));
        }
    }
    rig.run();
    expect(&rig, &expected);
    expected
        .iter()
        .for_each(|frame| check_with_etherparse(frame));
    assert_eq!(rig.count("tx_nic_replies"), 160);
    assert_eq!(rig.count("tx_replies"), 0);
}

#[test]
fn a_checksum_of_zero_is_sent_as_all_ones() {
    let mut rig = Rig::new(&NicConfig::eci(), "zero checksum");
    let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
    let at_zero = reply_frame(&to, xid, &Reply::Success(vec![0; 4]));
    // Adding the checksum itself to the sum makes it 0xffff, whose complement is 0.
    let body = vec![0, 0, at_zero[40], at_zero[41]];
    let handle = rig.open(2, &to, xid);
    rig.messages
        .push_back(message(2, REPLY, handle, body.clone()));
    rig.run();
    let frame = &rig.frames[0].0;
    assert_eq!(frame[40..42], [0xff, 0xff]);
    assert_eq!(*frame, reply_frame(&to, xid, &Reply::Success(body)));
    check_with_etherparse(frame);
}

#[test]
fn error_replies_carry_their_status() {
    let mut rig = Rig::new(&NicConfig::eci(), "errors");
    let mut expected = Vec::new();
    for status in [1, 3, 4, 5] {
        let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
        let handle = rig.open(3, &to, xid);
        rig.messages.push_back(error_reply(3, handle, status));
        expected.push(reply_frame(&to, xid, &Reply::Status(status.into())));
    }
    rig.run();
    expect(&rig, &expected);
    assert_eq!(rig.count("tx_replies"), 4);
    assert_eq!(rig.count("tx_drop_malformed"), 0);
}

#[test]
fn malformed_messages_are_counted_and_answered_with_system_err() {
    let config = NicConfig::eci();
    let mut rig = Rig::new(&config, "malformed");
    let reply_limit = (config.mtu_bytes() - 52) as u16;
    let mut expected = Vec::new();
    let mut bad = Vec::new();
    for kind in [0, 5, 6, 7, FRAME] {
        bad.push((kind, 0, 100));
    }
    for status in [0, 2, 6, 0x801, 0xfff] {
        bad.push((ERROR_REPLY, status, 0));
    }
    for length in [reply_limit + 1, 1664, u16::MAX] {
        bad.push((REPLY, 0, length));
    }
    for (kind, status, length) in bad.iter().copied() {
        let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
        let handle = rig.open(1, &to, xid);
        rig.messages.push_back(Message {
            status,
            length: Some(length),
            ..message(1, kind, handle, vec![])
        });
        // The same again: by now the session is free and nobody is there to answer.
        rig.messages.push_back(Message {
            length: Some(length),
            status,
            ..message(1, kind, handle, vec![])
        });
        expected.push(reply_frame(&to, xid, &Reply::Status(5)));
    }
    for (kind, length) in [(FRAME, 13), (FRAME, 1515), (FRAME, u16::MAX), (6, 0)] {
        rig.messages.push_back(Message {
            length: Some(length),
            ..message(0, kind, NO_HANDLE, vec![])
        });
    }
    rig.run();
    expect(&rig, &expected);
    assert_eq!(rig.count("tx_drop_malformed"), 2 * bad.len() as u64 + 4);
    assert_eq!(rig.count("tx_drop_bad_session"), 0);
    assert_eq!(rig.taken.len(), 2 * bad.len() + 4);
}

#[test]
fn a_handle_counts_once_for_its_owner_and_generation() {
    let mut rig = Rig::new(&NicConfig::eci(), "handles");
    let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
    let handle = rig.open(2, &to, xid);
    let next = Handle {
        generation: handle.generation + 1,
        ..handle
    };
    let beyond = Handle {
        index: handle.index + 128,
        ..handle
    };
    let body = || vec![1, 2, 3, 4];
    rig.messages.extend([
        message(3, REPLY, handle, body()),
        message(2, REPLY, next, body()),
        message(2, REPLY, beyond, body()),
        message(1, RELEASE, handle, vec![]),
        message(0, REPLY, handle, body()),
        error_reply(4, handle, 5),
        message(2, REPLY, handle, body()),
        message(2, REPLY, handle, body()),
        message(2, RELEASE, handle, vec![]),
    ]);
    rig.run();
    expect(&rig, &[reply_frame(&to, xid, &Reply::Success(body()))]);
    assert_eq!(rig.count("tx_drop_bad_session"), 8);
    assert_eq!(rig.taken, [3, 2, 2, 1, 0, 4, 2, 2, 2]);
    assert_eq!(rig.dut_free_sessions(), 128);
}

#[test]
fn release_frees_without_a_frame() {
    let mut rig = Rig::new(&NicConfig::eci(), "release");
    let to = random_peer(&mut rig.rng);
    let handle = rig.open(1, &to, 7);
    assert_eq!(rig.dut_free_sessions(), 127);
    rig.messages.push_back(message(1, RELEASE, handle, vec![]));
    rig.run();
    expect(&rig, &[]);
    assert_eq!(rig.count("tx_released"), 1);
    assert_eq!(rig.dut_free_sessions(), 128);
}

#[test]
fn the_neighbour_table_gives_the_destination_and_the_call_does_on_a_miss() {
    let mut rig = Rig::new(&NicConfig::eci(), "neighbours");
    let (to, xid): (Addresses, u32) = (random_peer(&mut rig.rng), rig.rng.random());
    let mac = [2, 7, 7, 7, 7, 7];
    rig.neighbour(31, true, to.peer_ipv4, mac);
    rig.neighbour(3, true, [9, 9, 9, 9], [1; 6]);
    assert_eq!(
        rig.neighbour_entry(31),
        (true, [&to.peer_ipv4[..], &mac[..]].concat())
    );
    assert_eq!(rig.neighbour_entry(30), (false, vec![0; 10]));
    assert_eq!(rig.neighbour_entry(63), (false, vec![0; 10]));
    rig.replies.push_back(nic_reply(&to, xid, 0, 0, 0));
    rig.run();
    let known = Addresses {
        peer_mac: mac,
        ..to
    };
    assert_eq!(rig.count("tx_neighbour_miss"), 0);
    rig.neighbour(31, false, to.peer_ipv4, mac);
    rig.replies.push_back(nic_reply(&to, xid, 0, 0, 0));
    rig.run();
    assert_eq!(rig.count("tx_neighbour_miss"), 1);
    let success = Reply::Success(vec![]);
    expect(
        &rig,
        &[
            reply_frame(&known, xid, &success),
            reply_frame(&to, xid, &success),
        ],
    );
}

#[test]
fn first_beat_follows_the_message_by_six_cycles_and_one_per_beat() {
    for (config, bytes, cycles) in [
        (NicConfig::cxl(), 0, 7),
        (NicConfig::cxl(), 32, 7),
        (NicConfig::eci(), 96, 8),
        (NicConfig::eci(), 97, 9),
        (NicConfig::eci(), 1448, 6 + 24),
    ] {
        let mut rig = Rig::new(&config, "latency");
        feed_reply(&mut rig, 0, bytes);
        rig.run();
        assert_eq!(rig.frames[0].1 - rig.offered_at[0], cycles, "{bytes} bytes");
    }
}

#[test]
fn short_replies_leave_every_three_cycles_and_long_ones_at_full_rate() {
    for (bytes, cycles) in [(0, 3), (32, 3), (96, 3), (160, 4), (1024, 18), (1448, 25)] {
        let mut rig = Rig::new(&NicConfig::eci(), "throughput");
        let expected: Vec<_> = (0..40)
            .map(|turn| {
                let frame = feed_reply(&mut rig, turn, bytes);
                // Held back until all sessions are open.
                rig.hold();
                frame
            })
            .collect();
        rig.unhold();
        rig.run();
        expect(&rig, &expected);
        let span = rig.frames[39].2 - rig.frames[0].2;
        assert_eq!(span, 39 * cycles, "{bytes} bytes");
    }
}

#[test]
fn messages_and_nic_replies_alternate_when_both_wait() {
    let mut rig = Rig::new(&NicConfig::eci(), "fair");
    for turn in 0..40 {
        feed_reply(&mut rig, turn, 8);
        rig.hold();
    }
    let to = random_peer(&mut rig.rng);
    for xid in 0..40 {
        rig.replies.push_back(nic_reply(&to, xid, 1, 0, 0));
    }
    rig.unhold();
    rig.run();
    let nic: Vec<bool> = rig
        .frames
        .iter()
        .map(|(frame, _, _)| frame[30..34] == to.peer_ipv4)
        .collect();
    let pairs = nic.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(nic.len(), 80);
    assert!(pairs <= 2, "not in turn: {nic:?}");
}

#[test]
fn stalls_change_nothing_but_the_time() {
    for (index, (mac, offer)) in [(100, 30), (60, 100), (25, 100), (25, 25), (90, 90)]
        .into_iter()
        .enumerate()
    {
        let mut rig = Rig::new(&NicConfig::eci(), &format!("stalls {index}"));
        (rig.mac_percent, rig.offer_percent) = (mac, offer);
        let mut replies = Vec::new();
        let mut from_nic = Vec::new();
        for turn in 0..120 {
            let bytes = match rig.rng.random_range(0..4) {
                0 => 0,
                1 => rig.rng.random_range(0..200),
                _ => rig.rng.random_range(0..=1448),
            };
            replies.push(feed_reply(&mut rig, turn, bytes));
            if turn % 3 == 0 {
                let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
                rig.replies.push_back(nic_reply(&to, xid, 8, 2, 2));
                from_nic.push(reply_frame(&to, xid, &Reply::RpcMismatch(2, 2)));
            }
            if turn % 5 == 0 {
                let bytes = rig.rng.random_range(14..=1514);
                let body: Vec<u8> = (0..bytes).map(|_| rig.rng.random()).collect();
                rig.messages
                    .push_back(message(0, FRAME, NO_HANDLE, body.clone()));
                replies.push(padded(body));
            }
            if turn % 7 == 0 {
                rig.messages.push_back(message(
                    5,
                    REPLY,
                    Handle {
                        index: 1,
                        generation: 0x1234,
                    },
                    vec![0; 500],
                ));
            }
        }
        rig.run();
        // Messages keep their order, and so do NIC replies.
        let (mut next, mut next_nic) = (0, 0);
        for (frame, _, _) in &rig.frames {
            match replies.get(next) == Some(frame) {
                true => next += 1,
                false => {
                    assert_eq!(Some(frame), from_nic.get(next_nic));
                    next_nic += 1;
                }
            }
        }
        assert_eq!((next, next_nic), (replies.len(), from_nic.len()));
        assert_eq!(rig.count("tx_drop_bad_session"), 18);
    }
}

#[test]
fn generations_move_on_through_many_uses() {
    let config = NicConfig::builder().sessions(2).build().expect("legal");
    let mut rig = Rig::new(&config, "generations");
    let to = random_peer(&mut rig.rng);
    for turn in 0..20u32 {
        let handle = rig.open(1, &to, turn);
        assert_eq!(u32::from(handle.generation), turn / 2);
        let stale = Handle {
            generation: handle.generation.wrapping_sub(1),
            ..handle
        };
        rig.messages.push_back(message(1, REPLY, stale, vec![]));
        rig.messages.push_back(message(1, REPLY, handle, vec![]));
        rig.run();
    }
    assert_eq!(rig.count("tx_replies"), 20);
    assert_eq!(rig.count("tx_drop_bad_session"), 20);
}

#[test]
fn a_reset_in_mid_packet_leaves_nothing_behind() {
    let mut rig = Rig::new(&NicConfig::eci(), "reset");
    rig.mac_percent = 60;
    for round in 0..25 {
        for turn in 0..12 {
            let bytes = rig.rng.random_range(0..=1448);
            feed_reply(&mut rig, turn, bytes);
            let (to, xid) = (random_peer(&mut rig.rng), rig.rng.random());
            rig.replies.push_back(nic_reply(&to, xid, 1, 0, 0));
        }
        let cycles = rig.rng.random_range(1..250);
        rig.steps(cycles);
        rig.reset();
        assert_eq!(rig.dut_free_sessions(), 128, "round {round}");
        let expected: Vec<_> = (0..10)
            .map(|turn| {
                let bytes = rig.rng.random_range(0..400);
                feed_reply(&mut rig, turn, bytes)
            })
            .collect();
        rig.run();
        expect(&rig, &expected);
        assert_eq!(rig.count("tx_replies"), 10, "round {round}");
        assert_eq!(rig.count("tx_frames"), 10, "round {round}");
        assert_eq!(rig.dut_free_sessions(), 128, "round {round}");
        rig.reset();
    }
}
