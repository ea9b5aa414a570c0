//! # A stack inside the process
//! smoltcp with one Ethernet interface: answers ARP requests for our address and ICMP echo
//! requests, and tells senders to closed UDP ports so. Its time comes from outside, so that a
//! simulation stays deterministic.

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::HostStack;

/// How much time has passed since some fixed moment.
pub type Clock = Box<dyn Fn() -> Duration>;

/// The in-process stack.
pub struct SmoltcpStack {
    interface: Interface,
    sockets: SocketSet<'static>,
    frames: Frames,
    clock: Clock,
}

impl fmt::Debug for SmoltcpStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = (self.frames.received.len(), self.frames.to_send.len());
        f.debug_struct("SmoltcpStack")
            .field("frames", &frames)
            .finish_non_exhaustive()
    }
}

impl SmoltcpStack {
    /// A stack at `mac` and `address` in a network of `prefix_bits`, for IP datagrams of up to
    /// `mtu_bytes`.
    pub fn new(
        mac: [u8; 6],
        address: Ipv4Addr,
        prefix_bits: u8,
        mtu_bytes: usize,
        clock: Clock,
    ) -> Self {
        let mut frames = Frames {
            received: VecDeque::new(),
            to_send: VecDeque::new(),
            mtu_bytes,
        };
        let config = Config::new(EthernetAddress(mac).into());
        let mut interface = Interface::new(config, &mut frames, instant(&clock));
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(address.into(), prefix_bits))
                .expect("smoltcp has room for one address");
        });
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            frames,
            clock,
        }
    }
}

fn instant(clock: &Clock) -> Instant {
    Instant::from_micros(i64::try_from(clock().as_micros()).unwrap_or(i64::MAX))
}

impl HostStack for SmoltcpStack {
    fn receive(&mut self, frame: &[u8]) {
        self.frames.received.push_back(frame.to_vec());
        let now = instant(&self.clock);
        self.interface
            .poll(now, &mut self.frames, &mut self.sockets);
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        self.frames.to_send.pop_front()
    }
}

/// The frames on their way in and out.
struct Frames {
    received: VecDeque<Vec<u8>>,
    to_send: VecDeque<Vec<u8>>,
    mtu_bytes: usize,
}

/// A received frame on its way into the stack.
struct Received(Vec<u8>);

/// Room for a frame that the stack sends.
struct Sender<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl phy::Device for Frames {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sender<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sender(&mut self.to_send)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender<'_>> {
        Some(Sender(&mut self.to_send))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        // smoltcp counts the Ethernet header in.
        capabilities.max_transmission_unit =
            self.mtu_bytes + lauberhorn_interface::line::ETHERNET_HEADER_BYTES;
        capabilities
    }
}

#[cfg(test)]
mod tests;
