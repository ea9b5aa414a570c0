//! # rpcbind (RFC 1833), for clients that ask where a program listens
//! Program 100000 on UDP port 111. Version 2 (port mapper): NULL, GETPORT, DUMP; versions 3 and 4:
//! NULL, GETADDR, DUMP. It answers from the services registered with this driver and nothing can
//! be set from outside; procedures that are not served here get PROC_UNAVAIL from the card.
//!
//! As the RFC says, GETADDR takes the transport from the request, not from its argument. A program
//! that is registered in other versions only is found too: the client then learns the versions
//! from PROG_MISMATCH.

use std::net::Ipv4Addr;
use std::sync::PoisonError;

use lauberhorn_interface::table_hash::ServiceKey;

use crate::service::{HandlerResult, Mapping, Registry, ServiceError, Services};
use crate::xdr::{Reader, Writer};

/// RPC program number.
pub const PROGRAM: u32 = 100_000;
/// UDP port that clients expect it on.
pub const PORT: u16 = 111;
/// Version of the port mapper protocol.
pub const PORT_MAPPER: u32 = 2;
/// Procedure that finds one program: GETPORT of version 2, GETADDR of versions 3 and 4.
pub const LOOK_UP: u32 = 3;
/// Procedure that lists all programs.
pub const DUMP: u32 = 4;

/// Name of UDP over IPv4 as a transport.
const NETID: &str = "udp";
/// IP protocol number of UDP, which version 2 uses instead.
const UDP: u32 = 17;
/// What DUMP names as the owner of every entry.
const OWNER: &str = "lauberhorn";
/// Longest string accepted in an argument; universal addresses are far shorter.
const STRING_LIMIT: usize = 256;

/// Registers all versions; addresses in replies are `address`.
pub fn register(services: &mut Services, address: Ipv4Addr) -> Result<(), ServiceError> {
    let key = |version, procedure| ServiceKey {
        program: PROGRAM,
        version,
        procedure,
        port: PORT,
    };
    for version in [PORT_MAPPER, 3, 4] {
        services.register_null_on(PORT, PROGRAM, version)?;
    }
    let registry = services.registry();
    services.register_on(key(PORT_MAPPER, LOOK_UP), move |_, arguments, results| {
        get_port(&registry, arguments, results)
    })?;
    let registry = services.registry();
    services.register_on(key(PORT_MAPPER, DUMP), move |_, arguments, results| {
        dump(&registry, arguments, results, |writer, mapping| {
            writer.u32(mapping.program).u32(mapping.version);
            writer.u32(UDP).u32(mapping.port.into());
        })
    })?;
    for version in [3, 4] {
        let registry = services.registry();
        services.register_on(key(version, LOOK_UP), move |_, arguments, results| {
            get_addr(&registry, address, arguments, results)
        })?;
        let registry = services.registry();
        services.register_on(key(version, DUMP), move |_, arguments, results| {
            dump(&registry, arguments, results, |writer, mapping| {
                writer
                    .u32(mapping.program)
                    .u32(mapping.version)
                    .string(NETID);
                writer
                    .string(&universal_address(address, mapping.port))
                    .string(OWNER);
            })
        })?;
    }
    Ok(())
}

/// The universal address of a UDP port: `a.b.c.d.p1.p2`.
pub fn universal_address(address: Ipv4Addr, port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    format!("{address}.{high}.{low}")
}

/// The port of a program: that of `version`, else of its highest version.
fn find(registry: &Registry, program: u32, version: u32) -> Option<u16> {
    let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
    let of_program = || {
        registry
            .iter()
            .filter(move |mapping| mapping.program == program)
    };
    let exact = of_program().find(|mapping| mapping.version == version);
    exact
        .or_else(|| of_program().next_back())
        .map(|mapping| mapping.port)
}

fn get_port(registry: &Registry, arguments: &[u8], results: &mut Vec<u8>) -> HandlerResult {
    let mut reader = Reader::new(arguments);
    let (program, version, protocol) = (reader.u32()?, reader.u32()?, reader.u32()?);
    // The port of the argument has no meaning in a question.
    reader.u32()?;
    reader.end()?;
    let found = find(registry, program, version).filter(|_| protocol == UDP);
    Writer::new(results).u32(found.unwrap_or(0).into());
    Ok(())
}

fn get_addr(
    registry: &Registry,
    address: Ipv4Addr,
    arguments: &[u8],
    results: &mut Vec<u8>,
) -> HandlerResult {
    let mut reader = Reader::new(arguments);
    let (program, version) = (reader.u32()?, reader.u32()?);
    // Network id, address and owner have no meaning in a question, but must be there.
    for _ in 0..3 {
        reader.opaque(STRING_LIMIT)?;
    }
    reader.end()?;
    let found = find(registry, program, version);
    let text = found
        .map(|port| universal_address(address, port))
        .unwrap_or_default();
    Writer::new(results).string(&text);
    Ok(())
}

fn dump(
    registry: &Registry,
    arguments: &[u8],
    results: &mut Vec<u8>,
    write: impl Fn(&mut Writer<'_>, &Mapping),
) -> HandlerResult {
    Reader::new(arguments).end()?;
    let mut writer = Writer::new(results);
    for mapping in registry
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
    {
        writer.bool(true);
        write(&mut writer, mapping);
    }
    writer.bool(false);
    Ok(())
}

#[cfg(test)]
mod tests;
