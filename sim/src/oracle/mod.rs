//! # Oracle
//! What the card must do with a frame, as an untimed function written from RFC 791, RFC 768 and
//! RFC 5531 and independent of the hardware. It knows nothing of load: a call that it dispatches
//! may also be dropped for want of a slot or session, which [`Decision::may_end_as`] allows.
//!
//! | step | looks at | outcome |
//! |---|---|---|
//! | MAC | error flag, then length | dropped: MAC error, runt, oversize |
//! | address | destination MAC | dropped: not for us; group addresses to the bypass |
//! | class | the *frame's* bytes at the fixed header positions | bypass unless all match; a frame that ends before them is not the card's |
//! | IPv4, UDP | lengths and checksums | dropped: IPv4 header, UDP length, UDP checksum |
//! | RPC | the *datagram's* bytes | dropped: malformed; answered; dispatched |
//!
//! RPC_MISMATCH needs the first three words only: the header of another RPC version may look
//! different after them.

mod reply;
pub(crate) mod rpc;

use lauberhorn_driver::bringup::Settings;
use lauberhorn_driver::service::Services;
use lauberhorn_interface::counters::{Counter, CounterClass};
use lauberhorn_interface::table_hash::{ProgramKey, ServiceKey};

pub use reply::{ReplyCheckError, ReplyFrame, internet_checksum};

/// Ethernet header without VLAN tag.
const ETHERNET_BYTES: usize = 14;
/// IPv4 header without options.
const IPV4_BYTES: usize = 20;
/// UDP header.
const UDP_BYTES: usize = 8;
/// First byte of the RPC message in a frame of the card's class.
const RPC_START: usize = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;

/// One entry of the service table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRule {
    /// What a call must name.
    pub key: ServiceKey,
    /// Function handle that goes with the call.
    pub function: u64,
    /// Service id that goes with the call.
    pub service_id: u16,
    /// The card answers with SUCCESS and no results.
    pub answered_by_card: bool,
}

/// One entry of the program table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramRule {
    /// Program and port.
    pub key: ProgramKey,
    /// Lowest version.
    pub low: u32,
    /// Highest version.
    pub high: u32,
    /// Bit `v - low`: version `v` is there.
    pub version_mask: u32,
}

/// The card's configuration as the oracle sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Own MAC address.
    pub mac: [u8; 6],
    /// Own IPv4 address.
    pub ipv4: [u8; 4],
    /// Largest IPv4 datagram.
    pub mtu_bytes: usize,
    /// Frames to other unicast addresses go to the bypass.
    pub promiscuous: bool,
    /// UDP ports on which RPC is expected.
    pub rpc_ports: Vec<u16>,
    /// Service table.
    pub services: Vec<ServiceRule>,
    /// Program table.
    pub programs: Vec<ProgramRule>,
}

/// Who called: what a reply needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    /// Caller's MAC address.
    pub mac: [u8; 6],
    /// Caller's IPv4 address.
    pub ipv4: [u8; 4],
    /// Caller's UDP port.
    pub port: u16,
    /// The UDP port that was called.
    pub local_port: u16,
    /// Transaction id.
    pub xid: u32,
}

/// A call as a worker must find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedCall {
    /// Who called.
    pub id: CallId,
    /// Procedure number.
    pub procedure: u32,
    /// Function handle.
    pub function: u64,
    /// Service id.
    pub service_id: u16,
    /// XDR arguments.
    pub body: Vec<u8>,
}

/// A reply that the card must make itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedReply {
    /// Whose call is answered.
    pub id: CallId,
    /// The whole RPC message.
    pub message: Vec<u8>,
}

/// What the card must do with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Drop and count.
    Drop(Counter),
    /// Hand the whole frame to the bypass endpoint.
    Bypass,
    /// Answer without software and count.
    Answer(Counter, ExpectedReply),
    /// Hand the call to a worker.
    Dispatch(ExpectedCall),
}

impl Decision {
    /// The disposition counter in an unloaded card.
    pub fn counter(&self) -> Counter {
        match self {
            Decision::Drop(counter) | Decision::Answer(counter, _) => *counter,
            Decision::Bypass => Counter::RxBypass,
            Decision::Dispatch(_) => Counter::RxCallDispatched,
        }
    }

    /// Whether a loaded card may end the frame in `counter`.
    pub fn may_end_as(&self, counter: Counter) -> bool {
        counter == self.counter()
            || match self {
                Decision::Drop(_) => false,
                Decision::Bypass => counter == Counter::RxDropBypassFull,
                Decision::Answer(..) => counter == Counter::RxDropReplyQueueFull,
                Decision::Dispatch(_) => {
                    matches!(counter, Counter::RxDropNoSlot | Counter::RxDropNoSession)
                }
            }
    }
}

/// All disposition counters, in index order.
pub fn dispositions() -> impl Iterator<Item = Counter> {
    let all = Counter::ALL.iter().copied();
    all.filter(|counter| counter.class() == CounterClass::Disposition)
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

impl Rules {
    /// What a card does that serves `services` after the driver's bring-up.
    pub fn new(settings: &Settings, services: &Services, mtu_bytes: usize) -> Rules {
        let mut rules = Rules {
            mac: settings.mac,
            ipv4: settings.address.octets(),
            mtu_bytes,
            promiscuous: settings.promiscuous,
            ..Rules::default()
        };
        for entry in services.entries() {
            let ServiceKey {
                program,
                version,
                port,
                ..
            } = entry.key;
            rules.services.push(ServiceRule {
                key: entry.key,
                function: entry.function,
                // The driver uses the handle's low half as service id.
                service_id: entry.function as u16,
                answered_by_card: entry.answered_by_card,
            });
            if !rules.rpc_ports.contains(&port) {
                rules.rpc_ports.push(port);
            }
            rules.add_version(ProgramKey { program, port }, version);
        }
        rules
    }

    fn add_version(&mut self, key: ProgramKey, version: u32) {
        let Some(rule) = self.programs.iter_mut().find(|rule| rule.key == key) else {
            let (low, high, version_mask) = (version, version, 1);
            self.programs.push(ProgramRule {
                key,
                low,
                high,
                version_mask,
            });
            return;
        };
        if version < rule.low {
            rule.version_mask = rule.version_mask << (rule.low - version) | 1;
            rule.low = version;
        } else {
            rule.version_mask |= 1 << (version - rule.low);
            rule.high = rule.high.max(version);
        }
    }

    /// Decides about a frame (without FCS); `mac_error` is the MAC's verdict.
    pub fn decide(&self, frame: &[u8], mac_error: bool) -> Decision {
        if mac_error {
            return Decision::Drop(Counter::RxDropMacError);
        }
        if frame.len() < ETHERNET_BYTES {
            return Decision::Drop(Counter::RxDropRunt);
        }
        if frame.len() > ETHERNET_BYTES + self.mtu_bytes {
            return Decision::Drop(Counter::RxDropOversize);
        }
        let ours = frame[..6] == self.mac;
        let group = frame[0] & 1 == 1;
        if !ours && !group && !self.promiscuous {
            return Decision::Drop(Counter::RxDropNotForUs);
        }
        if !ours || !self.is_rpc_call(frame) {
            return Decision::Bypass;
        }
        let datagram = match self.verify(frame) {
            Ok(datagram) => datagram,
            Err(counter) => return Decision::Drop(counter),
        };
        let mut id = CallId {
            port: be16(frame, 34),
            local_port: be16(frame, 36),
            ..CallId::default()
        };
        id.mac.copy_from_slice(&frame[6..12]);
        id.ipv4.copy_from_slice(&frame[26..30]);
        self.decide_rpc(id, datagram)
    }

    /// The class test: header fields at their positions in an option-free frame.
    fn is_rpc_call(&self, frame: &[u8]) -> bool {
        frame.len() >= RPC_START + 8
            && be16(frame, 12) == 0x0800
            && frame[14] == 0x45
            // More fragments, or an offset; DF and the reserved bit do not matter.
            && be16(frame, 20) & 0x3fff == 0
            && frame[23] == 17
            && frame[30..34] == self.ipv4
            && self.rpc_ports.contains(&be16(frame, 36))
            && frame[RPC_START + 4..RPC_START + 8] == [0; 4]
    }

    /// Lengths and checksums of IPv4 and UDP; the RPC message.
    fn verify<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], Counter> {
        let total_bytes = usize::from(be16(frame, 16));
        let header = &frame[ETHERNET_BYTES..ETHERNET_BYTES + IPV4_BYTES];
        if total_bytes < IPV4_BYTES
            || ETHERNET_BYTES + total_bytes > frame.len()
            || internet_checksum(&[header]) != 0
        {
            return Err(Counter::RxDropIpv4Header);
        }
        let udp = &frame[ETHERNET_BYTES + IPV4_BYTES..];
        let udp_bytes = usize::from(be16(udp, 4));
        if udp_bytes < UDP_BYTES || udp_bytes > total_bytes - IPV4_BYTES {
            return Err(Counter::RxDropUdpLength);
        }
        let udp = &udp[..udp_bytes];
        if be16(udp, 6) != 0 {
            let length = (udp_bytes as u16).to_be_bytes();
            let pseudo = [0, 17, length[0], length[1]];
            if internet_checksum(&[&header[12..20], &pseudo, udp]) != 0 {
                return Err(Counter::RxDropUdpChecksum);
            }
        }
        Ok(&udp[UDP_BYTES..])
    }
}

#[cfg(test)]
mod second_opinion;
#[cfg(test)]
mod tests;
