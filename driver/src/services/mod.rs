//! # Example services
//! Each registers its procedures with [`Services`]; programs 0x2000_0000 to 0x3fff_ffff are the
//! range that RFC 5531 leaves to users.

use std::net::Ipv4Addr;

use crate::service::{ServiceError, Services};

pub mod adder;
pub mod echo;
pub mod rpcbind;

/// The UDP port that the example services listen on unless told otherwise.
pub const EXAMPLE_PORT: u16 = 20_101;

/// The adder, the echo and the rpcbind that lists them, reachable at `address`.
pub fn examples(address: Ipv4Addr) -> Result<Services, ServiceError> {
    let mut services = Services::new(EXAMPLE_PORT);
    adder::register(&mut services)?;
    echo::register(&mut services)?;
    rpcbind::register(&mut services, address)?;
    Ok(services)
}

#[cfg(test)]
mod testing {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use lauberhorn_interface::table_hash::ServiceKey;

    use super::EXAMPLE_PORT;
    use crate::service::Call;

    /// A call from a made-up peer.
    pub fn call(program: u32, version: u32, procedure: u32) -> Call {
        Call {
            key: ServiceKey {
                program,
                version,
                procedure,
                port: EXAMPLE_PORT,
            },
            xid: 1,
            peer: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 700),
        }
    }
}
