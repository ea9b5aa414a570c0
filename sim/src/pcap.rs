//! # Capture files
//! Reads classic pcap (both byte orders, microseconds and nanoseconds) and pcapng, writes classic
//! pcap with nanosecond timestamps derived from core cycles. Ethernet only.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapReader, PcapWriter, RawPcapPacket};
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError, TsResolution};
use thiserror::Error;

/// First four bytes of a pcapng file, in either byte order.
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Largest record the writer accepts.
const SNAPLEN_BYTES: u32 = 262_144;

/// One captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Since the epoch of the file.
    pub timestamp_ns: u64,
    /// The frame without FCS.
    pub bytes: Vec<u8>,
}

/// A capture file could not be read or written.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file could not be opened, read or written.
    #[error("{path}: {action} failed")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The contents are not a capture this reader understands.
    #[error("{path}: packet {packet_idx} is not readable as pcap or pcapng")]
    Format {
        /// The file.
        path: PathBuf,
        /// Packets read before.
        packet_idx: usize,
        /// Why.
        #[source]
        source: PcapError,
    },
    /// The capture is not of Ethernet frames.
    #[error("{path}: link type {link:?} is not Ethernet; capture on an Ethernet interface")]
    LinkType {
        /// The file.
        path: PathBuf,
        /// What it is.
        link: DataLink,
    },
    /// The capture cut a packet short.
    #[error(
        "{path}: packet {packet_idx} holds {captured_bytes} of {original_bytes} bytes; capture \
         again with a larger snapshot length"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Position in the file.
        packet_idx: usize,
        /// Bytes in the file.
        captured_bytes: u32,
        /// Bytes there were.
        original_bytes: u32,
    },
    /// A pcapng packet names an interface that the file does not describe.
    #[error("{path}: packet {packet_idx} names interface {interface_idx}, which is not described")]
    Interface {
        /// The file.
        path: PathBuf,
        /// Position in the file.
        packet_idx: usize,
        /// What it names.
        interface_idx: u32,
    },
}

/// Reads all frames of a capture file.
///
/// # Errors
/// When the file is unreadable, malformed, not Ethernet, or holds truncated packets.
pub fn read_capture(path: &Path) -> Result<Vec<CapturedFrame>, CaptureError> {
    let io = |action| {
        move |source| CaptureError::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    };
    let mut file = BufReader::new(File::open(path).map_err(io("open"))?);
    let mut magic = [0; 4];
    file.read_exact(&mut magic).map_err(io("read"))?;
    file.seek(SeekFrom::Start(0)).map_err(io("seek"))?;
    if magic == PCAPNG_MAGIC {
        read_pcapng(path, file)
    } else {
        read_classic(path, file)
    }
}

fn check_frame(
    path: &Path,
    packet_idx: usize,
    captured_bytes: usize,
    original_bytes: u32,
) -> Result<(), CaptureError> {
    if captured_bytes == original_bytes as usize {
        return Ok(());
    }
    Err(CaptureError::Truncated {
        path: path.to_path_buf(),
        packet_idx,
        captured_bytes: captured_bytes as u32,
        original_bytes,
    })
}

fn check_link(path: &Path, link: DataLink) -> Result<(), CaptureError> {
    if link == DataLink::ETHERNET {
        return Ok(());
    }
    Err(CaptureError::LinkType {
        path: path.to_path_buf(),
        link,
    })
}

fn read_classic(path: &Path, file: impl Read) -> Result<Vec<CapturedFrame>, CaptureError> {
    let format = |packet_idx| {
        move |source| CaptureError::Format {
            path: path.to_path_buf(),
            packet_idx,
            source,
        }
    };
    let mut reader = PcapReader::new(file).map_err(format(0))?;
    let header = reader.header();
    check_link(path, header.datalink)?;
    let fraction_ns = match header.ts_resolution {
        TsResolution::MicroSecond => 1000,
        TsResolution::NanoSecond => 1,
    };
    let mut frames = Vec::new();
    // Raw packets: the library's checked form refuses files whose snapshot length is zero.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.map_err(format(frames.len()))?;
        check_frame(path, frames.len(), packet.data.len(), packet.orig_len)?;
        frames.push(CapturedFrame {
            timestamp_ns: u64::from(packet.ts_sec) * 1_000_000_000
                + u64::from(packet.ts_frac) * fraction_ns,
            bytes: packet.data.into_owned(),
        });
    }
    Ok(frames)
}

/// Nanoseconds of `ticks` in the unit of an interface's `if_tsresol` (default microseconds).
fn pcapng_ns(ticks: u128, resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let nanoseconds = if resolution & 0x80 != 0 {
        // Negative power of two.
        (ticks * 1_000_000_000).checked_shr(exponent).unwrap_or(0)
    } else if exponent <= 9 {
        ticks * 10_u128.pow(9 - exponent)
    } else {
        ticks / 10_u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)
    };
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

fn read_pcapng(path: &Path, file: impl Read) -> Result<Vec<CapturedFrame>, CaptureError> {
    let format = |packet_idx| {
        move |source| CaptureError::Format {
            path: path.to_path_buf(),
            packet_idx,
            source,
        }
    };
    let mut reader = PcapNgReader::new(file).map_err(format(0))?;
    // Link type and timestamp resolution of each interface of the current section.
    let mut interfaces: Vec<(DataLink, u8)> = Vec::new();
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        let packet_idx = frames.len();
        let find = |interfaces: &[(DataLink, u8)], interface_idx: u32| {
            let found = interfaces.get(interface_idx as usize).copied();
            let (link, resolution) = found.ok_or_else(|| CaptureError::Interface {
                path: path.to_path_buf(),
                packet_idx,
                interface_idx,
            })?;
            check_link(path, link)?;
            Ok(resolution)
        };
        match block.map_err(format(packet_idx))? {
            Block::SectionHeader(_) => interfaces.clear(),
            Block::InterfaceDescription(interface) => {
                let resolution = interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfTsResol(value) => Some(*value),
                    _ => None,
                });
                interfaces.push((interface.linktype, resolution.unwrap_or(6)));
            }
            Block::EnhancedPacket(packet) => {
                let resolution = find(&interfaces, packet.interface_id)?;
                check_frame(path, packet_idx, packet.data.len(), packet.original_len)?;
                frames.push(CapturedFrame {
                    // The library hands the raw tick count over as if it were nanoseconds.
                    timestamp_ns: pcapng_ns(packet.timestamp.as_nanos(), resolution),
                    bytes: packet.data.into_owned(),
                });
            }
            Block::SimplePacket(packet) => {
                find(&interfaces, 0)?;
                let captured_bytes = packet.data.len().min(packet.original_len as usize);
                check_frame(path, packet_idx, captured_bytes, packet.original_len)?;
                // Simple packets have no timestamp; the data still carries its padding.
                frames.push(CapturedFrame {
                    timestamp_ns: 0,
                    bytes: packet.data[..captured_bytes].to_vec(),
                });
            }
            _ => {}
        }
    }
    Ok(frames)
}

/// Nanoseconds of a cycle count, rounded down.
pub fn cycles_to_ns(cycles: u64, clock_hz: u64) -> u64 {
    let ns = u128::from(cycles) * 1_000_000_000 / u128::from(clock_hz);
    u64::try_from(ns).expect("a simulation is shorter than 584 years")
}

/// Writes a classic capture file with nanosecond timestamps.
pub struct CaptureWriter {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
    clock_hz: u64,
    written_count: usize,
}

impl CaptureWriter {
    /// Creates the file, replacing one that exists.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, clock_hz: u64) -> Result<CaptureWriter, CaptureError> {
        let file = File::create(path).map_err(|source| CaptureError::Io {
            path: path.to_path_buf(),
            action: "create",
            source,
        })?;
        // Fixed byte order: the same run writes the same bytes on every machine.
        let header = PcapHeader {
            snaplen: SNAPLEN_BYTES,
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            endianness: pcap_file::Endianness::Little,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(BufWriter::new(file), header).map_err(|source| {
            CaptureError::Format {
                path: path.to_path_buf(),
                packet_idx: 0,
                source,
            }
        })?;
        Ok(CaptureWriter {
            path: path.to_path_buf(),
            writer,
            clock_hz,
            written_count: 0,
        })
    }

    /// Appends a frame seen in `cycle`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, cycle: u64, bytes: &[u8]) -> Result<(), CaptureError> {
        let time = Duration::from_nanos(cycles_to_ns(cycle, self.clock_hz));
        let length = bytes.len() as u32;
        let packet = RawPcapPacket {
            ts_sec: time.as_secs() as u32,
            ts_frac: time.subsec_nanos(),
            incl_len: length,
            orig_len: length,
            data: Cow::Borrowed(bytes),
        };
        let result = self.writer.write_raw_packet(&packet);
        result.map_err(|source| CaptureError::Format {
            path: self.path.clone(),
            packet_idx: self.written_count,
            source,
        })?;
        self.written_count += 1;
        Ok(())
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<(), CaptureError> {
        let path = self.path;
        let mut file = self.writer.into_writer();
        file.flush().map_err(|source| CaptureError::Io {
            path,
            action: "write",
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let mut path = std::env::temp_dir();
        path.push(format!("lauberhorn-{}-{name}", std::process::id()));
        path
    }

    #[test]
    fn writes_the_classic_nanosecond_format_and_reads_it_back() {
        let path = scratch("classic.pcap");
        let mut writer = CaptureWriter::create(&path, 250_000_000).unwrap();
        writer.write(1, &[1, 2, 3]).unwrap();
        writer.write(250_000_001, &[4; 60]).unwrap();
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        assert_eq!(
            bytes[24..40],
            [0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0]
        );
        let frames = read_capture(&path).unwrap();
        assert_eq!(
            frames[0],
            CapturedFrame {
                timestamp_ns: 4,
                bytes: vec![1, 2, 3]
            }
        );
        assert_eq!(frames[1].timestamp_ns, 1_000_000_004);
        std::fs::remove_file(&path).unwrap();
    }

    /// Hand-made pcapng: section, two interfaces (default µs, and ns), one packet on each.
    fn pcapng_bytes() -> Vec<u8> {
        let mut out = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let total = (12 + body.len()) as u32;
            out.extend(kind.to_le_bytes());
            out.extend(total.to_le_bytes());
            out.extend(body);
            out.extend(total.to_le_bytes());
        };
        let mut section = vec![0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
        section.extend([0xff; 8]);
        block(0x0a0d_0d0a, &section);
        block(1, &[1, 0, 0, 0, 0, 0, 0, 0]);
        block(
            1,
            &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0],
        );
        for interface in [0_u8, 1] {
            let mut body = vec![
                interface, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0,
            ];
            body.extend([0xaa, 0xbb, 0, 0]);
            block(6, &body);
        }
        out
    }

    #[test]
    fn reads_pcapng_with_the_resolution_of_each_interface() {
        let path = scratch("two.pcapng");
        std::fs::write(&path, pcapng_bytes()).unwrap();
        let frames = read_capture(&path).unwrap();
        let seen: Vec<_> = frames
            .iter()
            .map(|f| (f.timestamp_ns, f.bytes.len()))
            .collect();
        assert_eq!(seen, [(7000, 2), (7, 2)]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn names_the_truncated_packet() {
        let path = scratch("short.pcap");
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 8]);
        bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
        bytes.extend([0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0, 0, 0xee]);
        std::fs::write(&path, bytes).unwrap();
        let error = read_capture(&path).unwrap_err().to_string();
        assert!(error.contains("packet 0 holds 1 of 60 bytes"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn scales_every_pcapng_resolution() {
        assert_eq!(pcapng_ns(5, 6), 5000);
        assert_eq!(pcapng_ns(5000, 12), 5);
        assert_eq!(pcapng_ns(1, 0), 1_000_000_000);
        assert_eq!(pcapng_ns(1 << 10, 0x80 | 10), 1_000_000_000);
    }
}
