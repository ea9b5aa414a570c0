//! # Host stacks: who is behind the bypass
//! | module | what |
//! |---|---|
//! | [`smoltcp`] | a stack inside the process: answers ARP and ICMP echo |
//! | [`channel`] | hands frames to someone else, such as a TAP device |

pub mod channel;
pub mod smoltcp;

/// A network stack that takes and gives whole Ethernet frames without FCS.
pub trait HostStack {
    /// Takes a frame from the wire.
    fn receive(&mut self, frame: &[u8]);

    /// The next frame to send, if any.
    fn transmit(&mut self) -> Option<Vec<u8>>;
}
