//! # Workload
//! Frames for the card: well-formed RPC calls with any credentials and arguments, and hostile
//! ones. Everything is drawn from named streams of one root seed.

mod hostile;

use etherparse::{PacketBuilder, checksum};
use lauberhorn_interface::table_hash::ServiceKey;
use rand::Rng;

pub use hostile::{Hostile, HostileFrames};

/// Shortest frame without FCS.
pub const MIN_FRAME_BYTES: usize = 60;

/// The two ends of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Caller's MAC address.
    pub client_mac: [u8; 6],
    /// Caller's IPv4 address.
    pub client_ipv4: [u8; 4],
    /// Caller's UDP port.
    pub client_port: u16,
    /// The card's MAC address.
    pub card_mac: [u8; 6],
    /// The card's IPv4 address.
    pub card_ipv4: [u8; 4],
}

impl Route {
    /// Between two addresses that are set aside for examples (RFC 5737, TEST-NET-1).
    pub const EXAMPLE: Self = Self {
        client_mac: [2, 0, 0, 0, 0, 9],
        client_ipv4: [192, 0, 2, 9],
        client_port: 700,
        card_mac: [2, 0, 0, 0, 0, 1],
        card_ipv4: [192, 0, 2, 1],
    };
}

/// An RPC authenticator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Flavour: 0 AUTH_NONE, 1 AUTH_SYS.
    pub flavour: u32,
    /// Opaque body, without padding.
    pub body: Vec<u8>,
}

impl Auth {
    /// AUTH_SYS (RFC 5531 appendix A): stamp, machine name, user, groups.
    pub fn sys(machine: &str, user: u32, groups: &[u32]) -> Auth {
        let mut body = Vec::new();
        let mut word = |word: u32, text: &[u8]| {
            body.extend(word.to_be_bytes());
            body.extend(text);
            body.resize(body.len().next_multiple_of(4), 0);
        };
        word(0x5ea1, &[]);
        word(machine.len() as u32, machine.as_bytes());
        word(user, &[]);
        word(user, &[]);
        word(groups.len() as u32, &[]);
        for group in groups {
            word(*group, &[]);
        }
        Auth { flavour: 1, body }
    }

    /// AUTH_SYS of a random legal size.
    pub fn random_sys(rng: &mut impl Rng) -> Auth {
        let name: String = (0..rng.random_range(0..=255)).map(|_| 'n').collect();
        let groups: Vec<u32> = (0..rng.random_range(0..=16))
            .map(|_| rng.random())
            .collect();
        Auth::sys(&name, rng.random(), &groups)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.flavour.to_be_bytes());
        out.extend((self.body.len() as u32).to_be_bytes());
        out.extend(&self.body);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// One RPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSpec {
    /// Transaction id.
    pub xid: u32,
    /// Program, version, procedure and UDP port.
    pub key: ServiceKey,
    /// RPC version; 2 unless it is meant to be refused.
    pub rpc_version: u32,
    /// Credential.
    pub credential: Auth,
    /// Verifier.
    pub verifier: Auth,
    /// XDR arguments.
    pub arguments: Vec<u8>,
}

impl CallSpec {
    /// A call with AUTH_NONE.
    pub fn new(xid: u32, key: ServiceKey, arguments: Vec<u8>) -> CallSpec {
        CallSpec {
            xid,
            key,
            rpc_version: 2,
            credential: Auth::default(),
            verifier: Auth::default(),
            arguments,
        }
    }

    /// The RPC message.
    pub fn message(&self) -> Vec<u8> {
        let key = self.key;
        let words = [
            self.xid,
            0,
            self.rpc_version,
            key.program,
            key.version,
            key.procedure,
        ];
        let mut message: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        self.credential.write(&mut message);
        self.verifier.write(&mut message);
        message.extend(&self.arguments);
        message
    }

    /// The whole frame, padded to the Ethernet minimum.
    pub fn frame(&self, route: &Route) -> Vec<u8> {
        udp_frame(route, self.key.port, &self.message())
    }
}

/// A UDP datagram to the card in a frame padded to the Ethernet minimum.
///
/// # Panics
/// When the payload does not fit a datagram.
pub fn udp_frame(route: &Route, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(route.client_mac, route.card_mac)
        .ipv4(route.client_ipv4, route.card_ipv4, 64)
        .udp(route.client_port, port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("the payload fits a datagram");
    frame.resize(frame.len().max(MIN_FRAME_BYTES), 0);
    frame
}

/// Corrects the IPv4 header checksum after a change of the header.
pub fn fix_ipv4_checksum(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let header_end = 14 + 4 * usize::from(frame[14] & 15);
    let sum = checksum::Sum16BitWords::new().add_slice(&frame[14..header_end]);
    let value = sum.ones_complement().to_be_bytes();
    frame[24..26].copy_from_slice(&value);
}

/// Draws good calls to a set of services.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Where calls come from and go to.
    pub route: Route,
    /// Procedures to call.
    pub keys: Vec<ServiceKey>,
    /// Largest argument size in bytes; sizes are multiples of 4.
    pub max_argument_bytes: usize,
    next_xid: u32,
}

impl Calls {
    /// A generator whose xids count up from 1.
    ///
    /// # Panics
    /// When there is nothing to call.
    pub fn new(route: Route, keys: Vec<ServiceKey>, max_argument_bytes: usize) -> Calls {
        assert!(
            !keys.is_empty(),
            "a workload needs at least one procedure to call"
        );
        Calls {
            route,
            keys,
            max_argument_bytes,
            next_xid: 1,
        }
    }

    /// The next call; half of them carry AUTH_SYS, and every client has its own address and port.
    pub fn draw(&mut self, rng: &mut impl Rng) -> (Route, CallSpec) {
        let key = self.keys[rng.random_range(0..self.keys.len())];
        let words = rng.random_range(0..=self.max_argument_bytes / 4);
        let mut arguments = vec![0; 4 * words];
        rng.fill(&mut arguments[..]);
        let mut call = CallSpec::new(self.next_xid, key, arguments);
        self.next_xid = self.next_xid.wrapping_add(1);
        if rng.random() {
            call.credential = Auth::random_sys(rng);
            // A long credential leaves less room for arguments.
            let room = self
                .max_argument_bytes
                .saturating_sub(call.credential.body.len());
            call.arguments.truncate(room / 4 * 4);
        }
        let mut route = self.route;
        route.client_mac[5] = rng.random();
        route.client_ipv4[3] = rng.random_range(2..=254);
        route.client_port = rng.random_range(1024..=65535);
        (route, call)
    }
}
