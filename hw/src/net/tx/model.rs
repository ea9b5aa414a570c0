//! What the transmit path sends, byte by byte from the specifications, without any timing.
//!
//! Spec: Ethernet II, RFC 791, RFC 768, RFC 1071, RFC 5531 section 9.

/// Both ends of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// Destination MAC.
    pub peer_mac: [u8; 6],
    /// Destination address.
    pub peer_ipv4: [u8; 4],
    /// Destination port.
    pub peer_port: u16,
    /// Own MAC.
    pub local_mac: [u8; 6],
    /// Own address.
    pub local_ipv4: [u8; 4],
    /// Own port.
    pub local_port: u16,
}

/// The `reply_body` of RFC 5531.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Accepted, SUCCESS, with the results.
    Success(Vec<u8>),
    /// Accepted, with a status that stands alone.
    Status(u32),
    /// Accepted, PROG_MISMATCH with lowest and highest version.
    ProgMismatch(u32, u32),
    /// Denied, RPC_MISMATCH with lowest and highest version.
    RpcMismatch(u32, u32),
    /// Denied, AUTH_ERROR with the auth_stat.
    AuthError(u32),
}

/// The RPC message: xid, REPLY, `reply_body`.
pub fn rpc_message(xid: u32, reply: &Reply) -> Vec<u8> {
    let words = match reply {
        // MSG_ACCEPTED, verifier AUTH_NONE of length 0, accept_stat.
        Reply::Success(_) => vec![0, 0, 0, 0],
        Reply::Status(status) => vec![0, 0, 0, *status],
        Reply::ProgMismatch(low, high) => vec![0, 0, 0, 2, *low, *high],
        // MSG_DENIED, reject_stat.
        Reply::RpcMismatch(low, high) => vec![1, 0, *low, *high],
        Reply::AuthError(stat) => vec![1, 1, *stat],
    };
    let words = [xid, 1].into_iter().chain(words);
    let mut message: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
    if let Reply::Success(results) = reply {
        message.extend(results);
    }
    message
}

/// Complement of the one's complement sum (RFC 1071), an odd byte padded with zero.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The frame that carries `reply`, without FCS.
pub fn reply_frame(to: &Addresses, xid: u32, reply: &Reply) -> Vec<u8> {
    let message = rpc_message(xid, reply);
    let udp_length = (8 + message.len()) as u16;
    let mut udp = [to.local_port, to.peer_port, udp_length, 0]
        .map(u16::to_be_bytes)
        .concat();
    let pseudo = [
        0,
        17,
        udp_length.to_be_bytes()[0],
        udp_length.to_be_bytes()[1],
    ];
    let sum = checksum(&[&to.local_ipv4, &to.peer_ipv4, &pseudo, &udp, &message]);
    let sum = if sum == 0 { 0xffff } else { sum };
    udp[6..].copy_from_slice(&sum.to_be_bytes());

    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_length).to_be_bytes());
    // Identification 0, DF, TTL 64, UDP, checksum.
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(to.local_ipv4);
    ip.extend(to.peer_ipv4);
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());

    let mut frame = [to.peer_mac, to.local_mac].concat();
    frame.extend([0x08, 0x00]);
    frame.extend(ip);
    frame.extend(udp);
    frame.extend(message);
    padded(frame)
}

/// A frame padded with zeros to the shortest that Ethernet allows.
pub fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(60), 0);
    frame
}
