//! Untimed model of the receive path: what becomes of a whole frame in a card with room for
//! everything. Written from RFC 791, RFC 768, RFC 1071, RFC 5531 and the line image's definition.

use crate::types::{ProgramEntry, ServiceEntry};
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::line::{CALL_BODY_OFFSET, FRAME_BODY_OFFSET, RxHeader, RxKind};
use rust_hdl::prelude::Bits;

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const RPC_START: usize = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;
const MAX_CREDENTIAL_BYTES: usize = 400;

/// What the card is set to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Frames are received.
    pub enable: bool,
    /// Frames to other stations go to the bypass.
    pub promiscuous: bool,
    /// Own MAC address.
    pub mac: [u8; 6],
    /// Own IPv4 address.
    pub ipv4: [u8; 4],
    /// Valid entries of the RPC port table.
    pub rpc_ports: Vec<u16>,
    /// Largest IPv4 packet.
    pub mtu_bytes: usize,
    /// Service table.
    pub services: Vec<ServiceEntry>,
    /// Program table.
    pub programs: Vec<ProgramEntry>,
}

/// Who called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// MAC address.
    pub mac: [u8; 6],
    /// IPv4 address.
    pub ipv4: [u8; 4],
    /// UDP port.
    pub port: u16,
    /// UDP port called.
    pub local_port: u16,
    /// Transaction id.
    pub xid: u32,
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Dropped.
    Drop(Counter),
    /// Handed to the bypass.
    Bypass(Message),
    /// Answered.
    Answer {
        /// Disposition.
        counter: Counter,
        /// To whom.
        caller: Caller,
        /// Kind, low and high of the answer.
        reply: (u8, u32, u32),
    },
    /// Handed to a worker.
    Dispatch(Caller, Message),
}

/// A message as the host must find it; the session is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header, with session zero.
    pub header: RxHeader,
    /// The body; it starts at the kind's offset.
    pub body: Vec<u8>,
}

impl Message {
    /// Where the body starts in the line image.
    pub fn body_offset(&self) -> usize {
        self.header.kind.body_offset()
    }
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The ones' complement sum of 16-bit words, the last padded with zero.
fn ones_sum(parts: &[&[u8]]) -> u16 {
    let mut total = 0u64;
    for part in parts {
        for word in part.chunks(2) {
            total += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
        }
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// The checksums of a plain UDP frame: of the IPv4 header, of the UDP datagram (absent is good).
/// Lengths must fit the frame.
pub fn checksums(frame: &[u8]) -> (bool, bool) {
    let header = &frame[ETHERNET_BYTES..][..IPV4_BYTES];
    let udp_bytes = be16(frame, 38);
    let udp = &frame[ETHERNET_BYTES + IPV4_BYTES..][..usize::from(udp_bytes)];
    let length = udp_bytes.to_be_bytes();
    let pseudo = [header[12..].as_ref(), &[0, 17], &length, udp];
    let absent = be16(udp, 6) == 0;
    (
        ones_sum(&[header]) == 0xffff,
        absent || ones_sum(&pseudo) == 0xffff,
    )
}

struct Xdr<'a>(&'a [u8]);

impl Xdr<'_> {
    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes.next_multiple_of(4)..)?;
        Some(())
    }
}

impl Settings {
    /// What becomes of `frame`; `mac_error` is the MAC's verdict.
    pub fn receive(&self, frame: &[u8], mac_error: bool) -> Outcome {
        if mac_error {
            return Outcome::Drop(Counter::RxDropMacError);
        }
        if frame.len() < ETHERNET_BYTES {
            return Outcome::Drop(Counter::RxDropRunt);
        }
        if frame.len() > ETHERNET_BYTES + self.mtu_bytes {
            return Outcome::Drop(Counter::RxDropOversize);
        }
        let (own, group) = (frame[..6] == self.mac, frame[0] & 1 == 1);
        if !self.enable || !(own || group || self.promiscuous) {
            return Outcome::Drop(Counter::RxDropNotForUs);
        }
        if !own || !self.is_call(frame) {
            return Outcome::Bypass(Message {
                header: RxHeader {
                    kind: RxKind::Frame,
                    length_bytes: frame.len() as u16,
                    ..RxHeader::default()
                },
                body: frame.to_vec(),
            });
        }
        let packet_bytes = usize::from(be16(frame, 16));
        let header = &frame[ETHERNET_BYTES..][..IPV4_BYTES];
        let fits = packet_bytes >= IPV4_BYTES && packet_bytes + ETHERNET_BYTES <= frame.len();
        if !fits || ones_sum(&[header]) != 0xffff {
            return Outcome::Drop(Counter::RxDropIpv4Header);
        }
        let udp_bytes = usize::from(be16(frame, 38));
        if udp_bytes < UDP_BYTES || udp_bytes > packet_bytes - IPV4_BYTES {
            return Outcome::Drop(Counter::RxDropUdpLength);
        }
        if !checksums(frame).1 {
            return Outcome::Drop(Counter::RxDropUdpChecksum);
        }
        let caller = Caller {
            mac: frame[6..12].try_into().expect("six bytes"),
            ipv4: header[12..16].try_into().expect("four bytes"),
            port: be16(frame, 34),
            local_port: be16(frame, 36),
            xid: 0,
        };
        let message = Xdr(&frame[RPC_START..ETHERNET_BYTES + IPV4_BYTES + udp_bytes]);
        self.call(caller, message)
            .unwrap_or(Outcome::Drop(Counter::RxDropRpcMalformed))
    }

    fn is_call(&self, frame: &[u8]) -> bool {
        frame.len() >= RPC_START + 8
            && be16(frame, 12) == 0x0800
            && frame[14] == 0x45
            && be16(frame, 20) & 0x3fff == 0
            && frame[23] == 17
            && frame[30..34] == self.ipv4
            && self.rpc_ports.contains(&be16(frame, 36))
            && frame[RPC_START + 4..RPC_START + 8] == [0; 4]
    }

    /// `None` when the message ends too early.
    fn call(&self, mut caller: Caller, mut message: Xdr<'_>) -> Option<Outcome> {
        caller.xid = message.word()?;
        let answer = |counter, kind, low, high| {
            let reply = (kind, low, high);
            Some(Outcome::Answer {
                counter,
                caller,
                reply,
            })
        };
        message.word()?;
        if message.word()? != 2 {
            return answer(Counter::RxRpcMismatch, 8, 2, 2);
        }
        let (program, version) = (message.word()?, message.word()?);
        let procedure = message.word()?;
        let (flavour, length) = (message.word()?, message.word()? as usize);
        if flavour > 1 || length > MAX_CREDENTIAL_BYTES {
            return answer(Counter::RxAuthError, 9, 1, 0);
        }
        message.skip(length)?;
        if (message.word()?, message.word()?) != (0, 0) {
            return answer(Counter::RxAuthError, 9, 3, 0);
        }
        let number = |bits: Bits<32>| u64::from(bits) as u32;
        let port = |bits: Bits<16>| u64::from(bits) as u16 == caller.local_port;
        let mut programs = self.programs.iter();
        let Some(entry) =
            programs.find(|entry| number(entry.program) == program && port(entry.port))
        else {
            return answer(Counter::RxProgUnavail, 1, 0, 0);
        };
        let (low, high) = (number(entry.low), number(entry.high));
        let step = version.checked_sub(low).filter(|step| *step < 32);
        let offered = step.is_some_and(|step| number(entry.versions) >> step & 1 == 1);
        if !offered || version > high {
            return answer(Counter::RxProgMismatch, 2, low, high);
        }
        let Some(service) = self.services.iter().find(|entry| {
            number(entry.program) == program
                && number(entry.version) == version
                && number(entry.procedure) == procedure
                && port(entry.port)
        }) else {
            return answer(Counter::RxProcUnavail, 3, 0, 0);
        };
        if u64::from(service.flags) & 1 == 1 {
            return answer(Counter::RxNullAnswered, 0, 0, 0);
        }
        let header = RxHeader {
            kind: RxKind::Call,
            length_bytes: message.0.len() as u16,
            function: service.function.into(),
            xid: caller.xid,
            procedure,
            peer_ipv4: u32::from_be_bytes(caller.ipv4),
            peer_port: caller.port,
            service_id: u64::from(service.service) as u16,
            ..RxHeader::default()
        };
        let body = message.0.to_vec();
        Some(Outcome::Dispatch(caller, Message { header, body }))
    }
}

/// Body offsets are two bytes and whole words apart from their place in the frame, which is why one
/// rotation by words suffices.
const _: () = assert!((CALL_BODY_OFFSET + 4 - 82 % 4) % 4 == 2 && FRAME_BODY_OFFSET % 4 == 2);
