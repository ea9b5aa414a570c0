//! # The card's tables
//! [`Tables`] knows what lies where in the service, program, RPC port and neighbour tables and
//! writes the changes. A change is planned before the first register is written, so that a refused
//! one leaves the card as it was; entries come into use from the service table outwards and go out
//! of use in the opposite order, so that a call never meets half an entry.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::registers::bits;
use lauberhorn_interface::table_hash::{BANKS, ProgramKey, ServiceKey};

use crate::lines::Registers;
use crate::service::{ServiceEntry, Services};

pub mod cuckoo;
mod error;
mod window;

use cuckoo::{Cuckoo, Place};
pub use error::TablesError;
use window::Window;

/// Versions that one program table entry can tell apart.
pub const VERSION_SPAN: u32 = 32;

/// What a service table entry says about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Service {
    function: u64,
    answered_by_card: bool,
}

/// What a program table entry says about versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions {
    low: u32,
    high: u32,
    mask: u32,
}

impl Versions {
    fn of(versions: &BTreeSet<u32>) -> Option<Self> {
        let (&low, &high) = (versions.first()?, versions.last()?);
        let bit = |&version: &u32| 1u32.checked_shl(version - low).unwrap_or(0);
        let mask = versions.iter().map(bit).fold(0, |mask, bit| mask | bit);
        Some(Self { low, high, mask })
    }
}

/// The card's tables and what the driver put into them.
#[derive(Clone, Debug)]
pub struct Tables {
    services: Cuckoo<ServiceKey, Service>,
    programs: Cuckoo<ProgramKey, Versions>,
    ports: Vec<Option<u16>>,
    neighbours: Vec<Option<(Ipv4Addr, [u8; 6])>>,
    service_window: Window,
    program_window: Window,
    port_window: Window,
    neighbour_window: Window,
}

impl Tables {
    /// The tables of a card whose tables are all empty.
    pub fn new(config: &NicConfig) -> Self {
        Self {
            services: Cuckoo::new(config.service_entries()),
            programs: Cuckoo::new(config.program_entries()),
            ports: vec![None; config.rpc_ports()],
            neighbours: vec![None; config.neighbour_entries()],
            service_window: Window::of("service"),
            program_window: Window::of("program"),
            port_window: Window::of("rpc_port"),
            neighbour_window: Window::of("neighbour"),
        }
    }

    /// Takes every entry of every table out of use.
    pub async fn clear(&mut self, registers: &impl Registers) -> Result<(), TablesError> {
        let banks = |capacity: usize| {
            (0..BANKS)
                .flat_map(move |bank| (0..capacity / BANKS).map(move |index| Place { bank, index }))
        };
        for index in 0..self.ports.len() {
            self.port_window
                .clear(registers, Place { bank: 0, index })
                .await?;
        }
        for place in banks(self.programs.capacity()) {
            self.program_window.clear(registers, place).await?;
        }
        for place in banks(self.services.capacity()) {
            self.service_window.clear(registers, place).await?;
        }
        for index in 0..self.neighbours.len() {
            self.neighbour_window
                .clear(registers, Place { bank: 0, index })
                .await?;
        }
        self.services = Cuckoo::new(self.services.capacity() / BANKS);
        self.programs = Cuckoo::new(self.programs.capacity() / BANKS);
        self.ports.fill(None);
        self.neighbours.fill(None);
        Ok(())
    }

    /// Makes the card serve all of `services`.
    pub async fn install(
        &mut self,
        registers: &impl Registers,
        services: &Services,
    ) -> Result<(), TablesError> {
        for entry in services.entries() {
            self.add_service(registers, &entry).await?;
        }
        Ok(())
    }

    /// Makes the card serve one procedure: its service, its program and version, its port.
    pub async fn add_service(
        &mut self,
        registers: &impl Registers,
        entry: &ServiceEntry,
    ) -> Result<(), TablesError> {
        let key = entry.key;
        let program = ProgramKey {
            program: key.program,
            port: key.port,
        };
        let mut versions = self.versions(program);
        versions.insert(key.version);
        let versions = Versions::of(&versions).expect("there is one version at least");
        if versions.high - versions.low >= VERSION_SPAN {
            let (low, high) = (versions.low, versions.high);
            return Err(TablesError::VersionSpan {
                key: program,
                low,
                high,
            });
        }
        if !self.programs.has_room(program) {
            let (used, capacity) = (self.programs.len(), self.programs.capacity());
            return Err(TablesError::ProgramTableFull {
                key: program,
                used,
                capacity,
            });
        }
        if !self.ports.contains(&Some(key.port)) && !self.ports.contains(&None) {
            let capacity = self.ports.len();
            return Err(TablesError::PortTableFull {
                port: key.port,
                capacity,
            });
        }
        let service = Service {
            function: entry.function,
            answered_by_card: entry.answered_by_card,
        };
        let Some(places) = self.services.insert(key, service) else {
            let (used, capacity) = (self.services.len(), self.services.capacity());
            return Err(TablesError::ServiceTableFull {
                key,
                used,
                capacity,
            });
        };

        for place in places {
            self.write_service(registers, place).await?;
        }
        self.write_versions(registers, program, versions).await?;
        self.add_port(registers, key.port).await
    }

    /// Makes the card forget one procedure, and its version, program and port if it was the last.
    pub async fn remove_service(
        &mut self,
        registers: &impl Registers,
        key: ServiceKey,
    ) -> Result<(), TablesError> {
        let missing = TablesError::Missing {
            table: "service",
            entry: format!("{key:?}"),
        };
        let place = self.services.remove(key).ok_or(missing)?;
        let program = ProgramKey {
            program: key.program,
            port: key.port,
        };
        if !self
            .services
            .iter()
            .any(|(other, _)| other.port == key.port)
        {
            self.remove_port(registers, key.port).await?;
        }
        match Versions::of(&self.versions(program)) {
            Some(versions) => self.write_versions(registers, program, versions).await?,
            None => {
                if let Some(place) = self.programs.remove(program) {
                    self.program_window.write(registers, place, None).await?;
                }
            }
        }
        self.service_window.write(registers, place, None).await
    }

    /// Tells the card the MAC address of a neighbour.
    pub async fn set_neighbour(
        &mut self,
        registers: &impl Registers,
        address: Ipv4Addr,
        mac: [u8; 6],
    ) -> Result<(), TablesError> {
        let at = |entry: &Option<(Ipv4Addr, _)>| entry.is_some_and(|(other, _)| other == address);
        let known = self.neighbours.iter().position(at);
        let index = known.or_else(|| self.neighbours.iter().position(Option::is_none));
        let capacity = self.neighbours.len();
        let index = index.ok_or(TablesError::NeighbourTableFull { address, capacity })?;
        self.neighbours[index] = Some((address, mac));
        let values = neighbour_values(address, mac);
        self.neighbour_window
            .write(registers, Place { bank: 0, index }, Some(&values))
            .await
    }

    /// Makes the card forget a neighbour.
    pub async fn remove_neighbour(
        &mut self,
        registers: &impl Registers,
        address: Ipv4Addr,
    ) -> Result<(), TablesError> {
        let at = |entry: &Option<(Ipv4Addr, _)>| entry.is_some_and(|(other, _)| other == address);
        let missing = TablesError::Missing {
            table: "neighbour",
            entry: address.to_string(),
        };
        let index = self.neighbours.iter().position(at).ok_or(missing)?;
        self.neighbours[index] = None;
        self.neighbour_window
            .write(registers, Place { bank: 0, index }, None)
            .await
    }

    /// Checks every entry of every table against what the driver put there.
    pub async fn verify(&self, registers: &impl Registers) -> Result<(), TablesError> {
        for bank in 0..BANKS {
            for index in 0..self.services.capacity() / BANKS {
                let place = Place { bank, index };
                let values = self.services.at(place).map(service_values);
                self.service_window
                    .check(registers, place, as_slice(&values))
                    .await?;
            }
            for index in 0..self.programs.capacity() / BANKS {
                let place = Place { bank, index };
                let values = self.programs.at(place).map(program_values);
                self.program_window
                    .check(registers, place, as_slice(&values))
                    .await?;
            }
        }
        for (index, port) in self.ports.iter().enumerate() {
            let values = port.map(|port| [port.into()]);
            self.port_window
                .check(registers, Place { bank: 0, index }, as_slice(&values))
                .await?;
        }
        for (index, neighbour) in self.neighbours.iter().enumerate() {
            let values = neighbour.map(|(address, mac)| neighbour_values(address, mac));
            let place = Place { bank: 0, index };
            self.neighbour_window
                .check(registers, place, as_slice(&values))
                .await?;
        }
        Ok(())
    }

    /// The versions of a program that have a procedure.
    fn versions(&self, program: ProgramKey) -> BTreeSet<u32> {
        let of_program =
            |key: &&ServiceKey| (key.program, key.port) == (program.program, program.port);
        let keys = self.services.iter().map(|(key, _)| key);
        keys.filter(of_program).map(|key| key.version).collect()
    }

    async fn write_service(
        &self,
        registers: &impl Registers,
        place: Place,
    ) -> Result<(), TablesError> {
        let values = self.services.at(place).map(service_values);
        self.service_window
            .write(registers, place, as_slice(&values))
            .await
    }

    async fn write_versions(
        &mut self,
        registers: &impl Registers,
        program: ProgramKey,
        versions: Versions,
    ) -> Result<(), TablesError> {
        if self.programs.get(program) == Some(&versions) {
            return Ok(());
        }
        let places = self.programs.insert(program, versions);
        for place in places.expect("room was checked") {
            let values = self.programs.at(place).map(program_values);
            self.program_window
                .write(registers, place, as_slice(&values))
                .await?;
        }
        Ok(())
    }

    async fn add_port(&mut self, registers: &impl Registers, port: u16) -> Result<(), TablesError> {
        if self.ports.contains(&Some(port)) {
            return Ok(());
        }
        let index = self
            .ports
            .iter()
            .position(Option::is_none)
            .expect("room was checked");
        self.ports[index] = Some(port);
        let place = Place { bank: 0, index };
        self.port_window
            .write(registers, place, Some(&[port.into()]))
            .await
    }

    async fn remove_port(
        &mut self,
        registers: &impl Registers,
        port: u16,
    ) -> Result<(), TablesError> {
        if let Some(index) = self.ports.iter().position(|&other| other == Some(port)) {
            self.ports[index] = None;
            self.port_window
                .write(registers, Place { bank: 0, index }, None)
                .await?;
        }
        Ok(())
    }
}

fn as_slice<const N: usize>(values: &Option<[u32; N]>) -> Option<&[u32]> {
    values.as_ref().map(|values| &values[..])
}

/// In the order of the table's field registers.
fn service_values((key, service): &(ServiceKey, Service)) -> [u32; 8] {
    let ids = bits::service_ids::SERVICE_ID.set(0, service.function as u32);
    let flags = bits::service_flags::NULL_BY_NIC.set(0, service.answered_by_card.into());
    let function = [service.function as u32, (service.function >> 32) as u32];
    let ServiceKey {
        program,
        version,
        procedure,
        port,
    } = *key;
    [
        program,
        version,
        procedure,
        port.into(),
        function[0],
        function[1],
        ids,
        flags,
    ]
}

/// In the order of the table's field registers.
fn program_values((key, versions): &(ProgramKey, Versions)) -> [u32; 5] {
    [
        key.program,
        key.port.into(),
        versions.low,
        versions.high,
        versions.mask,
    ]
}

/// In the order of the table's field registers.
fn neighbour_values(address: Ipv4Addr, mac: [u8; 6]) -> [u32; 3] {
    let [low, high] = mac_words(mac);
    [address.into(), low, high]
}

/// A MAC address as registers hold it: bits 31:0 and bits 47:32 of the 48-bit number.
pub fn mac_words(mac: [u8; 6]) -> [u32; 2] {
    let [a, b, c, d, e, f] = mac;
    [
        u32::from_be_bytes([c, d, e, f]),
        u32::from_be_bytes([0, 0, a, b]),
    ]
}

#[cfg(test)]
mod tests;
