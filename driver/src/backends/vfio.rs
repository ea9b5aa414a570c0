//! # A card behind the kernel's VFIO
//! Opens a PCI device that is bound to `vfio-pci` and maps its BARs: BAR 0 holds the registers,
//! BAR 2 the lines. The device is in an IOMMU group of its own or the kernel refuses it; this
//! driver lets it do no DMA at all.
//!
//! Registers that a device server does not let us map are read and written through the device
//! file, one call each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lauberhorn_coherence::Placement;
use lauberhorn_interface::registers::address;
use thiserror::Error;
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR2_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_REGION_INFO_FLAG_MMAP,
};
use vfio_ioctls::{VfioContainer, VfioDevice, VfioError, VfioRegionInfoCap};

use super::mapped::{MappedLines, MappedRegisters, REGISTER_BYTES};
use super::mmio::Mmio;
use crate::lines::{Registers, RegistersError};

/// Offset of the command register in the PCI configuration space.
const PCI_COMMAND: u64 = 4;
/// Bit of the command register: the device answers to its BARs.
const PCI_COMMAND_MEMORY: u16 = 1 << 1;

/// Why a device was not opened.
#[derive(Debug, Error)]
pub enum VfioCardError {
    /// There is no such device.
    #[error("{} does not exist: give the PCI address as in 0000:3b:00.0", .path.display())]
    NoDevice {
        /// The device's folder in sysfs.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error(
        "VFIO refused {}: bind it and all of its IOMMU group to vfio-pci and give this user \
         access to /dev/vfio",
        .path.display()
    )]
    Open {
        /// The device's folder in sysfs.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: VfioError,
    },
    /// The device's configuration space reads as all ones.
    #[error("the configuration space of {} reads as all ones: the device is gone", .path.display())]
    AllOnes {
        /// The device's folder in sysfs.
        path: PathBuf,
    },
    /// A BAR is smaller than what it must hold.
    #[error("BAR {bar} has {size} bytes, {needed} are needed: is this the right device?")]
    BarTooSmall {
        /// Number of the BAR.
        bar: u32,
        /// Its size.
        size: u64,
        /// Bytes that are used.
        needed: usize,
    },
    /// A BAR cannot be mapped from its start.
    #[error("the first {needed} bytes of BAR {bar} cannot be mapped")]
    NotMappable {
        /// Number of the BAR.
        bar: u32,
        /// Bytes that are used.
        needed: usize,
    },
    /// Mapping a BAR failed.
    #[error("mapping BAR {bar} failed")]
    Map {
        /// Number of the BAR.
        bar: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A card that was opened.
pub struct VfioCard {
    device: Arc<VfioDevice>,
    registers: VfioRegisters,
}

impl VfioCard {
    /// Opens the device with a PCI address such as `0000:3b:00.0`.
    pub fn open(pci_address: &str) -> Result<Self, VfioCardError> {
        Self::open_path(&Path::new("/sys/bus/pci/devices").join(pci_address))
    }

    /// Opens the device with this folder in sysfs.
    pub fn open_path(path: &Path) -> Result<Self, VfioCardError> {
        let path = path.to_path_buf();
        if !path.exists() {
            return Err(VfioCardError::NoDevice { path });
        }
        let opened = VfioContainer::new(None)
            .and_then(|container| VfioDevice::new(&path, Arc::new(container), false));
        let device = match opened {
            Ok(device) => Arc::new(device),
            Err(source) => return Err(VfioCardError::Open { path, source }),
        };

        let vendor = config_read16(&device, 0);
        if vendor == u16::MAX {
            return Err(VfioCardError::AllOnes { path });
        }
        let command = config_read16(&device, PCI_COMMAND) | PCI_COMMAND_MEMORY;
        let bytes = command.to_le_bytes();
        device.region_write(VFIO_PCI_CONFIG_REGION_INDEX, &bytes, PCI_COMMAND);

        let registers = match map_bar(&device, VFIO_PCI_BAR0_REGION_INDEX, REGISTER_BYTES) {
            Ok(region) => VfioRegisters::Mapped(MappedRegisters::new(Arc::new(region))),
            Err(VfioCardError::NotMappable { .. }) => VfioRegisters::Called(Arc::clone(&device)),
            Err(error) => return Err(error),
        };
        Ok(Self { device, registers })
    }

    /// The card's registers.
    pub fn registers(&self) -> &VfioRegisters {
        &self.registers
    }

    /// Maps the card's lines.
    pub fn lines(&self, layout: &dyn Placement) -> Result<MappedLines, VfioCardError> {
        let bytes = layout.aperture_bytes();
        let region = map_bar(&self.device, VFIO_PCI_BAR2_REGION_INDEX, bytes)?;
        let registers = match &self.registers {
            VfioRegisters::Mapped(registers) => Some(registers.clone()),
            VfioRegisters::Called(_) => None,
        };
        Ok(MappedLines::new(Arc::new(region), layout, registers))
    }
}

/// The registers of a card behind VFIO.
pub enum VfioRegisters {
    /// Through the mapped BAR.
    Mapped(MappedRegisters),
    /// Through calls on the device file.
    Called(Arc<VfioDevice>),
}

impl Registers for VfioRegisters {
    async fn read32(&self, address: u16) -> Result<u32, RegistersError> {
        let device = match self {
            Self::Mapped(registers) => return registers.read32(address).await,
            Self::Called(device) => device,
        };
        check_aligned(address)?;
        let value = bar0_read32(device, address);
        if value == u32::MAX && bar0_read32(device, address::ID) == u32::MAX {
            let reason = format!("register {address:#06x} and the ID register read as all ones");
            return Err(RegistersError::Gone { reason });
        }
        Ok(value)
    }

    async fn write32(&self, address: u16, value: u32) -> Result<(), RegistersError> {
        match self {
            Self::Mapped(registers) => registers.write32(address, value).await,
            Self::Called(device) => {
                check_aligned(address)?;
                let bytes = value.to_le_bytes();
                device.region_write(VFIO_PCI_BAR0_REGION_INDEX, &bytes, address.into());
                Ok(())
            }
        }
    }
}

fn check_aligned(address: u16) -> Result<(), RegistersError> {
    let bytes = REGISTER_BYTES;
    match address % 4 {
        0 => Ok(()),
        _ => Err(RegistersError::BadAddress { address, bytes }),
    }
}

/// The library drops read errors: bytes that were not read stay all ones, as on a bus.
fn bar0_read32(device: &VfioDevice, address: u16) -> u32 {
    let mut bytes = [0xff; 4];
    device.region_read(VFIO_PCI_BAR0_REGION_INDEX, &mut bytes, address.into());
    u32::from_le_bytes(bytes)
}

/// As [`bar0_read32`], in the PCI configuration space.
fn config_read16(device: &VfioDevice, offset: u64) -> u16 {
    let mut bytes = [0xff; 2];
    device.region_read(VFIO_PCI_CONFIG_REGION_INDEX, &mut bytes, offset);
    u16::from_le_bytes(bytes)
}

fn map_bar(device: &VfioDevice, bar: u32, needed: usize) -> Result<Mmio, VfioCardError> {
    let (size, flags) = (device.get_region_size(bar), device.get_region_flags(bar));
    check_mappable(bar, size, flags, &device.get_region_caps(bar), needed)?;
    let offset = device.get_region_offset(bar);
    Mmio::map(device, offset, needed).map_err(|source| VfioCardError::Map { bar, source })
}

/// Whether the first `needed` bytes of a BAR can be mapped.
fn check_mappable(
    bar: u32,
    size: u64,
    flags: u32,
    caps: &[VfioRegionInfoCap],
    needed: usize,
) -> Result<(), VfioCardError> {
    if size < needed as u64 {
        return Err(VfioCardError::BarTooSmall { bar, size, needed });
    }
    // A device that lists the parts that can be mapped lets nothing else be.
    let mut lists = caps.iter().filter_map(|cap| match cap {
        VfioRegionInfoCap::SparseMmap(list) => Some(&list.areas),
        _ => None,
    });
    let from_start = |areas: &Vec<vfio_ioctls::VfioRegionSparseMmapArea>| {
        areas
            .iter()
            .any(|area| area.offset == 0 && area.size >= needed as u64)
    };
    match flags & VFIO_REGION_INFO_FLAG_MMAP != 0 && lists.all(from_start) {
        true => Ok(()),
        false => Err(VfioCardError::NotMappable { bar, needed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfio_ioctls::{VfioRegionInfoCapSparseMmap, VfioRegionSparseMmapArea};

    #[test]
    fn names_a_device_that_does_not_exist() {
        let error = VfioCard::open("ffff:ff:1f.7")
            .err()
            .expect("no such device");
        let text = "/sys/bus/pci/devices/ffff:ff:1f.7 does not exist: \
                    give the PCI address as in 0000:3b:00.0";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn maps_only_what_the_device_allows() {
        let areas = |list: &[(u64, u64)]| {
            let area = |&(offset, size)| VfioRegionSparseMmapArea { offset, size };
            let areas = list.iter().map(area).collect();
            vec![VfioRegionInfoCap::SparseMmap(VfioRegionInfoCapSparseMmap {
                areas,
            })]
        };
        let mmap = VFIO_REGION_INFO_FLAG_MMAP;
        let check = |size, flags, caps: &[_]| check_mappable(2, size, flags, caps, 0x2000);
        assert!(check(0x2000, mmap, &[]).is_ok());
        assert!(check(0x4000, mmap, &areas(&[(0x3000, 0x1000), (0, 0x2000)])).is_ok());
        assert!(check(0x4000, mmap, &[VfioRegionInfoCap::MsixMappable]).is_ok());
        let refused = [
            check(0x1fff, mmap, &[]).unwrap_err().to_string(),
            check(0x2000, 0, &[]).unwrap_err().to_string(),
            check(0x4000, mmap, &areas(&[(0, 0x1000)]))
                .unwrap_err()
                .to_string(),
            check(0x4000, mmap, &areas(&[(0x1000, 0x3000)]))
                .unwrap_err()
                .to_string(),
        ];
        let small = "BAR 2 has 8191 bytes, 8192 are needed: is this the right device?";
        let not_mappable = "the first 8192 bytes of BAR 2 cannot be mapped";
        assert_eq!(refused, [small, not_mappable, not_mappable, not_mappable]);
    }
}
