//! Frames written out by hand from RFC 826, 791, 792 and 768.

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 9];

fn stack() -> SmoltcpStack {
    let own = Ipv4Addr::new(10, 0, 0, 2);
    SmoltcpStack::new(MAC, own, 24, 1500, Box::new(|| Duration::from_millis(7)))
}

fn arp_request(target: u8) -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &PEER, &[0x08, 0x06]].concat();
    let arp = [0, 1, 0x08, 0, 6, 4, 0, 1];
    let sender = [&PEER[..], &[10, 0, 0, 1]].concat();
    let target = [0, 0, 0, 0, 0, 0, 10, 0, 0, target];
    [&ethernet[..], &arp, &sender, &target].concat()
}

/// The Internet checksum, computed the slow way.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&b| b.into()));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes()
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = ((20 + payload.len()) as u16).to_be_bytes();
    let mut header = [&[0x45, 0][..], &total, &[0, 1, 0, 0, 64, protocol, 0, 0]].concat();
    header.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [&MAC[..], &PEER, &[0x08, 0x00], &header, payload].concat()
}

fn echo_request(data: &[u8]) -> Vec<u8> {
    let mut icmp = [&[8, 0, 0, 0, 0x12, 0x34, 0, 1][..], data].concat();
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    ipv4(1, &icmp)
}

#[test]
fn answers_arp_for_its_own_address_only() {
    let mut stack = stack();
    stack.receive(&arp_request(3));
    assert_eq!(stack.transmit(), None);
    stack.receive(&arp_request(2));
    let expected = [
        &PEER[..],
        &MAC,
        &[0x08, 0x06],
        &[0, 1, 0x08, 0, 6, 4, 0, 2],
        &MAC,
        &[10, 0, 0, 2],
        &PEER,
        &[10, 0, 0, 1],
    ]
    .concat();
    assert_eq!(stack.transmit(), Some(expected));
    assert_eq!(stack.transmit(), None);
}

#[test]
fn answers_ping_up_to_the_mtu() {
    let mut stack = stack();
    stack.receive(&arp_request(2));
    stack.transmit();
    for length in [0, 1, 56, 1472] {
        let data: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let request = echo_request(&data);
        stack.receive(&request);
        let reply = stack.transmit().expect("an echo reply");
        assert_eq!(reply.len(), request.len());
        assert_eq!((&reply[..6], &reply[6..12]), (&PEER[..], &MAC[..]));
        assert_eq!(
            (&reply[26..30], &reply[30..34]),
            (&[10, 0, 0, 2][..], &[10, 0, 0, 1][..])
        );
        assert_eq!(
            (&reply[34..36], &reply[38..]),
            (&[0, 0][..], &request[38..])
        );
        assert_eq!(checksum(&reply[14..34]), [0, 0], "IPv4 header checksum");
        assert_eq!(checksum(&reply[34..]), [0, 0], "ICMP checksum");
    }
}

#[test]
fn ignores_frames_that_are_damaged() {
    let mut stack = stack();
    let request = echo_request(b"damaged");
    for end in 0..request.len() {
        stack.receive(&request[..end]);
        assert_eq!(stack.transmit(), None, "cut at {end}");
    }
    let mut wrong_checksum = request;
    wrong_checksum[24] ^= 1;
    stack.receive(&wrong_checksum);
    assert_eq!(stack.transmit(), None);
}
