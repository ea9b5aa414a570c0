//! Frames that a card must survive. Each kind starts from a good call and breaks one thing.

use lauberhorn_interface::table_hash::ServiceKey;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{Auth, CallSpec, Calls, MIN_FRAME_BYTES, fix_ipv4_checksum, udp_frame};

/// Frames remembered to be sent again.
const HISTORY_FRAMES: usize = 64;

/// A generated frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostile {
    /// What was done to it.
    pub kind: &'static str,
    /// The frame.
    pub bytes: Vec<u8>,
    /// The MAC reports it as bad.
    pub mac_error: bool,
}

type Generator = fn(&mut HostileFrames) -> Vec<u8>;

/// An endless supply of hostile frames.
#[derive(Debug)]
pub struct HostileFrames {
    calls: Calls,
    rng: ChaCha8Rng,
    mtu_bytes: usize,
    /// Next places to cut a frame and a message: every byte is tried in turn.
    next_cut: usize,
    next_message_cut: usize,
    history: Vec<Vec<u8>>,
}

const GENERATORS: &[(&str, Generator)] = &[
    ("truncated frame", HostileFrames::truncated_frame),
    ("truncated message", HostileFrames::truncated_message),
    ("wrong IPv4 total length", HostileFrames::wrong_total_length),
    ("wrong UDP length", HostileFrames::wrong_udp_length),
    ("bad IPv4 checksum", HostileFrames::bad_ipv4_checksum),
    ("bad UDP checksum", HostileFrames::bad_udp_checksum),
    ("no UDP checksum", HostileFrames::no_udp_checksum),
    ("fragment", HostileFrames::fragment),
    ("IPv4 options", HostileFrames::ipv4_options),
    ("random RPC message", HostileFrames::random_message),
    (
        "random credential header",
        HostileFrames::random_credential_header,
    ),
    ("oversized credential", HostileFrames::oversized_credential),
    ("foreign credential flavour", HostileFrames::foreign_flavour),
    ("verifier", HostileFrames::with_verifier),
    ("wrong RPC version", HostileFrames::wrong_rpc_version),
    (
        "unknown program, version or procedure",
        HostileFrames::unknown_procedure,
    ),
    ("reply instead of call", HostileFrames::reply_message),
    ("repeated frame", HostileFrames::repeated),
    ("other destination", HostileFrames::other_destination),
    ("other protocol", HostileFrames::other_protocol),
    ("one byte changed", HostileFrames::one_byte_changed),
    ("random frame", HostileFrames::random_frame),
    ("oversize frame", HostileFrames::oversize_frame),
    ("MAC error", HostileFrames::good),
];

impl Iterator for HostileFrames {
    type Item = Hostile;

    /// The next frame; there always is one.
    fn next(&mut self) -> Option<Hostile> {
        let (kind, generator) = *GENERATORS.choose(&mut self.rng)?;
        let bytes = generator(self);
        Some(Hostile {
            kind,
            bytes,
            mac_error: kind == "MAC error",
        })
    }
}

impl HostileFrames {
    /// A supply that breaks frames of `calls`.
    pub fn new(calls: Calls, mtu_bytes: usize, rng: ChaCha8Rng) -> HostileFrames {
        HostileFrames {
            calls,
            rng,
            mtu_bytes,
            next_cut: 0,
            next_message_cut: 0,
            history: Vec::new(),
        }
    }

    /// The names of all kinds.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        GENERATORS.iter().map(|(kind, _)| *kind)
    }

    fn call(&mut self) -> CallSpec {
        self.calls.draw(&mut self.rng).1
    }

    fn frame_of(&mut self, call: &CallSpec) -> Vec<u8> {
        let (route, _) = self.calls.draw(&mut self.rng);
        call.frame(&route)
    }

    fn good(&mut self) -> Vec<u8> {
        let (route, call) = self.calls.draw(&mut self.rng);
        call.frame(&route)
    }

    fn message_frame(&mut self, message: &[u8]) -> Vec<u8> {
        let (route, call) = self.calls.draw(&mut self.rng);
        udp_frame(&route, call.key.port, message)
    }

    fn truncated_frame(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        self.next_cut = self.next_cut % (frame.len() - 1) + 1;
        frame.truncate(self.next_cut);
        frame
    }

    /// Cut in the message, with lengths and checksums that fit.
    fn truncated_message(&mut self) -> Vec<u8> {
        let mut message = self.call().message();
        self.next_message_cut = (self.next_message_cut + 1) % message.len();
        message.truncate(self.next_message_cut);
        self.message_frame(&message)
    }

    fn set_field(&mut self, at: usize) -> Vec<u8> {
        let mut frame = self.good();
        let good = u16::from_be_bytes([frame[at], frame[at + 1]]);
        let value = match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..64),
            1 => self.rng.random(),
            2 => good.wrapping_sub(self.rng.random_range(1..9)),
            _ => good.wrapping_add(self.rng.random_range(1..9)),
        };
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
        frame
    }

    fn wrong_total_length(&mut self) -> Vec<u8> {
        let mut frame = self.set_field(16);
        fix_ipv4_checksum(&mut frame);
        frame
    }

    fn wrong_udp_length(&mut self) -> Vec<u8> {
        let mut frame = self.set_field(38);
        if self.rng.random() {
            // Without a checksum only the length can tell.
            frame[40..42].fill(0);
        }
        frame
    }

    fn bad_ipv4_checksum(&mut self) -> Vec<u8> {
        self.set_field(24)
    }

    fn bad_udp_checksum(&mut self) -> Vec<u8> {
        self.set_field(40)
    }

    fn no_udp_checksum(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        frame[40..42].fill(0);
        frame
    }

    fn fragment(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        let flags: u16 = match self.rng.random_range(0..3) {
            0 => 0x2000,
            1 => self.rng.random_range(1..0x2000),
            _ => 0x2000 | self.rng.random_range(1..0x2000),
        };
        frame[20..22].copy_from_slice(&flags.to_be_bytes());
        fix_ipv4_checksum(&mut frame);
        frame
    }

    fn ipv4_options(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        let words: u8 = self.rng.random_range(1..=10);
        let options = vec![1; 4 * usize::from(words)];
        frame.splice(34..34, options);
        frame[14] = 0x45 + words;
        let total = u16::from_be_bytes([frame[16], frame[17]]) + 4 * u16::from(words);
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        fix_ipv4_checksum(&mut frame);
        frame.truncate(self.mtu_bytes + 14);
        frame
    }

    fn random_message(&mut self) -> Vec<u8> {
        let mut message = vec![0; self.rng.random_range(8..200)];
        self.rng.fill(&mut message[..]);
        message[4..8].fill(0);
        self.message_frame(&message)
    }

    /// Random words where the credential's flavour and length are.
    fn random_credential_header(&mut self) -> Vec<u8> {
        let mut message = self.call().message();
        let flavour = self.rng.random_range(0..2_u32);
        let length = match self.rng.random_range(0..3) {
            0 => self.rng.random_range(0..=400_u32),
            1 => self.rng.random_range(390..=410),
            _ => self.rng.random(),
        };
        message[24..28].copy_from_slice(&flavour.to_be_bytes());
        message[28..32].copy_from_slice(&length.to_be_bytes());
        self.message_frame(&message)
    }

    fn oversized_credential(&mut self) -> Vec<u8> {
        let mut call = self.call();
        call.credential = Auth {
            flavour: 1,
            body: vec![7; self.rng.random_range(401..=800)],
        };
        call.arguments.truncate(64);
        self.frame_of(&call)
    }

    fn foreign_flavour(&mut self) -> Vec<u8> {
        let mut call = self.call();
        call.credential.flavour = self.rng.random_range(2..10);
        self.frame_of(&call)
    }

    fn with_verifier(&mut self) -> Vec<u8> {
        let mut call = self.call();
        call.verifier.flavour = self.rng.random_range(0..3);
        call.verifier.body = vec![9; self.rng.random_range(0..16)];
        call.arguments.truncate(64);
        self.frame_of(&call)
    }

    fn wrong_rpc_version(&mut self) -> Vec<u8> {
        let mut call = self.call();
        call.rpc_version = if self.rng.random() {
            3
        } else {
            self.rng.random()
        };
        self.frame_of(&call)
    }

    fn unknown_procedure(&mut self) -> Vec<u8> {
        let mut call = self.call();
        let key = call.key;
        call.key = match self.rng.random_range(0..4) {
            0 => ServiceKey {
                program: self.rng.random(),
                ..key
            },
            1 => ServiceKey {
                version: self.rng.random(),
                ..key
            },
            2 => ServiceKey {
                version: key.version.wrapping_add(1),
                ..key
            },
            _ => ServiceKey {
                procedure: self.rng.random(),
                ..key
            },
        };
        self.frame_of(&call)
    }

    fn reply_message(&mut self) -> Vec<u8> {
        let mut message = self.call().message();
        let kind = if self.rng.random() {
            1
        } else {
            self.rng.random::<u32>()
        };
        message[4..8].copy_from_slice(&kind.to_be_bytes());
        self.message_frame(&message)
    }

    /// The same call again, perhaps while the first is still being served.
    fn repeated(&mut self) -> Vec<u8> {
        let fresh = self.good();
        if self.history.len() < HISTORY_FRAMES {
            self.history.push(fresh.clone());
            return fresh;
        }
        let idx = self.rng.random_range(0..HISTORY_FRAMES);
        std::mem::replace(&mut self.history[idx], fresh)
    }

    fn other_destination(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        match self.rng.random_range(0..4) {
            0 => frame[..6].fill(0xff),
            1 => frame[..6].copy_from_slice(&[0x01, 0, 0x5e, 0, 0, 1]),
            2 => frame[5] ^= 1 << self.rng.random_range(0..8),
            _ => {
                frame[33] ^= 0x40;
                fix_ipv4_checksum(&mut frame);
            }
        }
        frame
    }

    fn other_protocol(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        match self.rng.random_range(0..5) {
            0 => frame[12..14].copy_from_slice(&[0x08, 0x06]),
            1 => frame[12..14].copy_from_slice(&[0x86, 0xdd]),
            2 => {
                frame.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
                frame.truncate(self.mtu_bytes + 14);
            }
            3 => {
                frame[23] = if self.rng.random() { 1 } else { 6 };
                fix_ipv4_checksum(&mut frame);
            }
            _ => frame[36..38].copy_from_slice(&[0xfd, 0xe8]),
        }
        frame
    }

    fn one_byte_changed(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        // Most changes hit the headers: that is where the decisions are.
        let end = if self.rng.random_range(0..4) == 0 {
            frame.len()
        } else {
            90.min(frame.len())
        };
        let at = self.rng.random_range(0..end);
        frame[at] ^= self.rng.random_range(1..=255_u8);
        frame
    }

    fn random_frame(&mut self) -> Vec<u8> {
        let mut frame = vec![0; self.rng.random_range(1..=self.mtu_bytes + 14)];
        self.rng.fill(&mut frame[..]);
        if frame.len() >= MIN_FRAME_BYTES && self.rng.random() {
            let card_mac = self.calls.route.card_mac;
            frame[..6].copy_from_slice(&card_mac);
        }
        frame
    }

    fn oversize_frame(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        let extra = self.rng.random_range(1..=600);
        frame.resize(self.mtu_bytes + 14 + extra, 0xee);
        frame
    }
}
