//! # TAP
//! Frames from and to the machine's own kernel, without blocking. Attaching to a device that
//! exists needs only its ownership; creating one needs the right to administer the network.

use std::io::ErrorKind;
use std::path::Path;

use thiserror::Error;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// Shortest Ethernet frame without FCS: the kernel hands over unpadded frames, a MAC would not.
const MIN_FRAME_BYTES: usize = 60;
/// Longest interface name Linux accepts.
const MAX_NAME_BYTES: usize = 15;
/// Room for the largest frame.
const BUFFER_BYTES: usize = 65_536;

/// A TAP device could not be used.
#[derive(Debug, Error)]
pub enum TapError {
    /// Linux does not accept the name.
    #[error("{name:?} is not an interface name: use 1 to {MAX_NAME_BYTES} bytes without '/'")]
    Name {
        /// The name.
        name: String,
    },
    /// Opening or creating failed.
    #[error(
        "TAP device {name}: {action} failed; create it for this user with \
         `ip tuntap add dev {name} mode tap user $USER` or run with CAP_NET_ADMIN"
    )]
    Open {
        /// The device.
        name: String,
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Reading or writing failed.
    #[error("TAP device {name}: {action} failed; is the device still there and up?")]
    Transfer {
        /// The device.
        name: String,
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An open TAP device.
pub struct Tap {
    name: String,
    device: SyncDevice,
    buffer: Vec<u8>,
}

impl Tap {
    /// Attaches to the device if it exists (its up/down state is left alone), else creates it and
    /// brings it up.
    ///
    /// # Errors
    /// When the name is not acceptable or the kernel refuses.
    pub fn open(name: &str) -> Result<Tap, TapError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('/') {
            return Err(TapError::Name {
                name: name.to_string(),
            });
        }
        let exists = Path::new("/sys/class/net").join(name).exists();
        let builder = DeviceBuilder::new().name(name).layer(Layer::L2);
        let (builder, action) = if exists {
            (builder.inherit_enable_state(), "attach")
        } else {
            (builder.enable(true), "create")
        };
        let opened = builder.build_sync().and_then(|device| {
            device.set_nonblocking(true)?;
            Ok(device)
        });
        let device = opened.map_err(|source| TapError::Open {
            name: name.to_string(),
            action,
            source,
        })?;
        Ok(Tap {
            name: name.to_string(),
            device,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next frame the kernel sent, padded to the Ethernet minimum, or `None` if there is none.
    ///
    /// # Errors
    /// When the device fails.
    pub fn receive(&mut self) -> Result<Option<Vec<u8>>, TapError> {
        match self.device.recv(&mut self.buffer) {
            Ok(length) => {
                let mut frame = self.buffer[..length].to_vec();
                frame.resize(length.max(MIN_FRAME_BYTES), 0);
                Ok(Some(frame))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(source) => Err(self.transfer_error("read", source)),
        }
    }

    /// Hands a frame to the kernel. `false`: the kernel's queue is full, the frame was not taken.
    ///
    /// # Errors
    /// When the device fails.
    pub fn send(&mut self, frame: &[u8]) -> Result<bool, TapError> {
        match self.device.send(frame) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(source) => Err(self.transfer_error("write", source)),
        }
    }

    fn transfer_error(&self, action: &'static str, source: std::io::Error) -> TapError {
        TapError::Transfer {
            name: self.name.clone(),
            action,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_linux_would_refuse() {
        for name in ["", "a/b", "sixteen-bytes-xx"] {
            assert!(
                matches!(Tap::open(name), Err(TapError::Name { .. })),
                "{name:?}"
            );
        }
    }

    /// Needs the right to administer the network; says so when it is missing.
    #[test]
    fn exchanges_frames_with_the_kernel() {
        let name = format!("lh{}", std::process::id());
        let mut tap = match Tap::open(&name) {
            Ok(tap) => tap,
            Err(error) => {
                println!("SKIPPED: {error}");
                return;
            }
        };
        // The kernel announces itself on a new interface (IPv6 multicast), or is silent; either
        // way reading does not block and what is read is a padded frame.
        if let Some(frame) = tap.receive().unwrap() {
            assert!(frame.len() >= MIN_FRAME_BYTES);
        }
        let mut frame = vec![0xff; 12];
        frame.extend([0x88, 0xb5]);
        frame.resize(60, 0);
        assert!(tap.send(&frame).unwrap());
        let counter = format!("/sys/class/net/{name}/statistics/rx_packets");
        if let Ok(packets) = std::fs::read_to_string(counter) {
            assert_eq!(packets.trim(), "1");
        }
    }
}
