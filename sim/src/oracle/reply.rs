//! Frames that the card sends as replies: whether they are well formed, and what they say.

use thiserror::Error;

use super::{CallId, ETHERNET_BYTES, IPV4_BYTES, RPC_START, Rules, UDP_BYTES, be16};

/// Shortest frame without FCS.
const MIN_FRAME_BYTES: usize = 60;

/// RFC 1071 checksum of the concatenation; every part but the last has an even length. Zero when
/// the parts include a correct checksum.
pub fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    !(sum as u16)
}

/// A reply as found in a sent frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyFrame {
    /// Whose call it answers.
    pub id: CallId,
    /// The whole RPC message.
    pub message: Vec<u8>,
}

/// A sent frame is not the well-formed reply it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplyCheckError {
    /// The frame is shorter than Ethernet allows, or ends inside the headers.
    #[error("a frame of {length_bytes} bytes; at least {MIN_FRAME_BYTES} are needed")]
    Short {
        /// What it has.
        length_bytes: usize,
    },
    /// A field has a value that a reply cannot have.
    #[error("{field} is {found:#x}")]
    Field {
        /// Which.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Bytes after the datagram that are not Ethernet padding.
    #[error("a frame of {frame_bytes} bytes for a datagram that ends at byte {end_bytes}")]
    Trailer {
        /// Length of the frame.
        frame_bytes: usize,
        /// End of the datagram.
        end_bytes: usize,
    },
}

impl Rules {
    /// Reads a frame that the card sent as a UDP datagram of its own.
    ///
    /// # Errors
    /// When any field is not what a reply from this card has.
    pub fn read_reply(&self, frame: &[u8]) -> Result<ReplyFrame, ReplyCheckError> {
        let wrong = |field, found: u64| Err(ReplyCheckError::Field { field, found });
        let length_bytes = frame.len();
        if length_bytes < MIN_FRAME_BYTES {
            return Err(ReplyCheckError::Short { length_bytes });
        }
        if frame[6..12] != self.mac {
            return wrong("the first byte of the source MAC", frame[6].into());
        }
        if be16(frame, 12) != 0x0800 {
            return wrong("the Ethernet type", be16(frame, 12).into());
        }
        if frame[14] != 0x45 {
            return wrong("IPv4 version and header length", frame[14].into());
        }
        if be16(frame, 20) & 0xbfff != 0 {
            return wrong("IPv4 flags and fragment offset", be16(frame, 20).into());
        }
        if frame[22] == 0 {
            return wrong("the IPv4 time to live", 0);
        }
        if frame[23] != 17 {
            return wrong("the IPv4 protocol", frame[23].into());
        }
        if frame[26..30] != self.ipv4 {
            return wrong("the first byte of the source address", frame[26].into());
        }
        let header = &frame[ETHERNET_BYTES..ETHERNET_BYTES + IPV4_BYTES];
        if internet_checksum(&[header]) != 0 {
            return wrong("the IPv4 header checksum", be16(frame, 24).into());
        }
        let total_bytes = usize::from(be16(frame, 16));
        let end_bytes = ETHERNET_BYTES + total_bytes;
        if total_bytes < IPV4_BYTES + UDP_BYTES || end_bytes > length_bytes {
            return wrong("the IPv4 total length", total_bytes as u64);
        }
        if length_bytes != end_bytes.max(MIN_FRAME_BYTES) {
            let frame_bytes = length_bytes;
            return Err(ReplyCheckError::Trailer {
                frame_bytes,
                end_bytes,
            });
        }
        let udp = &frame[ETHERNET_BYTES + IPV4_BYTES..end_bytes];
        let udp_length = be16(udp, 4);
        if usize::from(udp_length) != udp.len() {
            return wrong("the UDP length", udp_length.into());
        }
        let length = udp_length.to_be_bytes();
        let pseudo = [0, 17, length[0], length[1]];
        let checksum = be16(udp, 6);
        if checksum == 0 || internet_checksum(&[&header[12..20], &pseudo, udp]) != 0 {
            return wrong("the UDP checksum", checksum.into());
        }
        let mut id = CallId {
            port: be16(udp, 2),
            local_port: be16(udp, 0),
            ..CallId::default()
        };
        id.mac.copy_from_slice(&frame[..6]);
        id.ipv4.copy_from_slice(&frame[30..34]);
        let message = frame[RPC_START..end_bytes].to_vec();
        match message.first_chunk::<8>() {
            Some([xid @ .., 0, 0, 0, 1]) => id.xid = u32::from_be_bytes(*xid),
            _ => {
                return wrong(
                    "the length of an RPC message that is no reply",
                    message.len() as u64,
                );
            }
        }
        Ok(ReplyFrame { id, message })
    }
}
