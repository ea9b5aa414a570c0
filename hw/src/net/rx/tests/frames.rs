//! Frames, good and hostile.

use crate::testing::Rng;
use rand::{Rng as _, RngCore, seq::IndexedRandom};

/// A call to be put into a frame, every field free to be wrong.
#[derive(Clone, Debug)]
pub struct Call {
    pub to_mac: [u8; 6],
    pub from_mac: [u8; 6],
    pub to_ipv4: [u8; 4],
    pub from_ipv4: [u8; 4],
    pub from_port: u16,
    pub to_port: u16,
    pub xid: u32,
    pub message_type: u32,
    pub rpc_version: u32,
    pub program: u32,
    pub version: u32,
    pub procedure: u32,
    pub credential: (u32, u32),
    pub credential_body: Vec<u8>,
    pub verifier: (u32, u32),
    pub arguments: Vec<u8>,
    /// Bytes of the RPC message that are kept.
    pub message_bytes: usize,
    /// Bytes behind the IPv4 packet.
    pub trailer: Vec<u8>,
    /// Bytes of the packet behind the datagram.
    pub packet_rest: usize,
    pub with_checksum: bool,
}

/// Ones' complement sum of all bytes, as transmitted.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u64::from(u16::from_be_bytes([word[0], low]))
    });
    (!(words.fold(0, |sum, word| (sum + word) % 0xffff)) as u16).to_be_bytes()
}

impl Call {
    /// A good call of `program` (its port, version and procedure with it).
    pub fn new((program, version, procedure, port): (u32, u32, u32, u16)) -> Self {
        Self {
            to_mac: super::MAC,
            from_mac: [0x02, 0, 0, 0, 0, 7],
            to_ipv4: super::IPV4,
            from_ipv4: [10, 0, 0, 9],
            from_port: 901,
            to_port: port,
            xid: 0x1234_5678,
            message_type: 0,
            rpc_version: 2,
            program,
            version,
            procedure,
            credential: (0, 0),
            credential_body: vec![],
            verifier: (0, 0),
            arguments: vec![],
            message_bytes: usize::MAX,
            trailer: vec![],
            packet_rest: 0,
            with_checksum: true,
        }
    }

    /// AUTH_SYS with a body of `bytes` bytes.
    pub fn with_credential(mut self, bytes: usize) -> Self {
        self.credential = (1, bytes as u32);
        self.credential_body = (0..bytes.next_multiple_of(4))
            .map(|i| i as u8 | 0x80)
            .collect();
        self
    }

    /// Arguments that count up.
    pub fn with_arguments(mut self, bytes: usize) -> Self {
        self.arguments = (0..bytes).map(|i| (i * 7 + 1) as u8).collect();
        self
    }

    /// The Ethernet frame, not padded beyond `trailer`.
    pub fn frame(&self) -> Vec<u8> {
        let mut message = Vec::new();
        let words = [
            self.xid,
            self.message_type,
            self.rpc_version,
            self.program,
            self.version,
            self.procedure,
            self.credential.0,
            self.credential.1,
        ];
        message.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        message.extend(&self.credential_body);
        message.extend(self.verifier.0.to_be_bytes());
        message.extend(self.verifier.1.to_be_bytes());
        message.extend(&self.arguments);
        message.truncate(self.message_bytes);

        let udp_bytes = (message.len() + 8) as u16;
        let packet_bytes = udp_bytes + 20 + self.packet_rest as u16;
        let mut frame = [self.to_mac, self.from_mac].concat();
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(packet_bytes.to_be_bytes());
        frame.extend([0x12, 0x34, 0x40, 0, 64, 17, 0, 0]);
        frame.extend([self.from_ipv4, self.to_ipv4].concat());
        let sum = checksum(&frame[14..]);
        frame[24..26].copy_from_slice(&sum);
        for half in [self.from_port, self.to_port, udp_bytes, 0] {
            frame.extend(half.to_be_bytes());
        }
        frame.extend(message);
        if self.with_checksum {
            fix_udp_checksum(&mut frame);
        }
        frame.extend(vec![0xa5; self.packet_rest]);
        frame.extend(&self.trailer);
        frame
    }
}

/// Sets the UDP checksum of a frame that ends with its datagram.
fn fix_udp_checksum(frame: &mut [u8]) {
    frame[40..42].fill(0);
    let mut covered = frame[26..34].to_vec();
    covered.extend([0, 17]);
    covered.extend(&frame[38..40]);
    covered.extend(&frame[34..]);
    let sum = match checksum(&covered) {
        [0, 0] => [0xff, 0xff],
        sum => sum,
    };
    frame[40..42].copy_from_slice(&sum);
}

/// A random frame and whether the MAC reports it bad.
pub fn hostile(rng: &mut Rng, max_frame_bytes: usize) -> (Vec<u8>, bool) {
    let known = *super::KNOWN.choose(rng).expect("not empty");
    let mut call = Call::new(known);
    call.xid = rng.next_u32();
    call.from_port = rng.random();
    rng.fill_bytes(&mut call.from_ipv4);
    rng.fill_bytes(&mut call.from_mac);
    if rng.random_ratio(1, 2) {
        call = call.with_credential(rng.random_range(0..=400));
    }
    let arguments = match rng.random_range(0..4) {
        0 => 0,
        1 => rng.random_range(0..64),
        2 => rng.random_range(0..400),
        _ => rng.random_range(0..max_frame_bytes - 490),
    };
    call = call.with_arguments(arguments);
    call.with_checksum = rng.random_ratio(3, 4);
    if rng.random_ratio(1, 4) {
        call.trailer = vec![rng.random(); rng.random_range(0..80)];
    }
    if rng.random_ratio(1, 8) {
        call.packet_rest = rng.random_range(0..9);
    }
    let odd = [
        0,
        1,
        2,
        3,
        5,
        399,
        400,
        401,
        404,
        511,
        512,
        0xffff,
        0x1_0000,
        0xffff_fffd,
        u32::MAX,
    ];
    let strange = *odd.choose(rng).expect("not empty");
    match rng.random_range(0..28) {
        0 => call.message_type = strange,
        1 => call.rpc_version = strange,
        2 => call.program ^= strange,
        3 => call.version = call.version.wrapping_add(strange),
        4 => call.procedure ^= strange,
        5 => call.credential.0 = strange,
        6 => call.credential.1 = strange,
        7 => call.verifier.0 = strange << rng.random_range(0..32),
        8 => call.verifier.1 = strange << rng.random_range(0..32),
        9 => call.message_bytes = rng.random_range(0..120),
        10 => call.message_bytes = rng.random_range(0..500),
        11 => call.to_port ^= 1 << rng.random_range(0..16),
        12 => call.to_mac = [0xff; 6],
        13 => call.to_mac[rng.random_range(0..6)] ^= 1 << rng.random_range(0..8),
        14 => call.to_ipv4[rng.random_range(0..4)] ^= 1 << rng.random_range(0..8),
        _ => {}
    }
    let mut frame = call.frame();
    let mut mac_error = false;
    match rng.random_range(0..28) {
        0 => frame.truncate(rng.random_range(1..=frame.len())),
        1 => frame.truncate(rng.random_range(1..100.min(frame.len()))),
        2 => {
            let at = rng.random_range(0..frame.len());
            frame[at] ^= 1 << rng.random_range(0..8);
        }
        3 => {
            let at = rng.random_range(12..42);
            frame[at] ^= 1 << rng.random_range(0..8);
        }
        4 => frame[16..18].copy_from_slice(&(strange as u16).to_be_bytes()),
        5 => frame[38..40].copy_from_slice(&(strange as u16).to_be_bytes()),
        6 => {
            // A UDP length off by a little, everything else right.
            let length = u16::from_be_bytes([frame[38], frame[39]]);
            let wrong = length.wrapping_add(rng.random_range(0..9)).wrapping_sub(4);
            frame[38..40].copy_from_slice(&wrong.to_be_bytes());
            frame[40..42].fill(0);
        }
        7 => {
            frame[20] ^= [0x20, 0x40, 0x80, 0x01][rng.random_range(0..4)];
            let sum = {
                frame[24..26].fill(0);
                checksum(&frame[14..34])
            };
            frame[24..26].copy_from_slice(&sum);
        }
        8 => {
            frame = (0..rng.random_range(1..300))
                .map(|_| rng.random())
                .collect()
        }
        9 => frame.resize(max_frame_bytes + rng.random_range(0..200), 0x5a),
        10 => mac_error = true,
        11 => {
            frame[12..14].copy_from_slice(&[0x08, 0x06]);
            frame.truncate(rng.random_range(60..82));
        }
        _ => {}
    }
    (frame, mac_error)
}
