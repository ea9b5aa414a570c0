//! Bytes worked out by hand from RFC 1833 and RFC 4506.

use std::net::SocketAddrV4;

use super::*;
use crate::service::{AcceptError, Outcome, Request};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Program 0x20000101 in versions 1 and 3, ports 700 (2.188) and 800 (3.32), beside rpcbind.
fn services() -> Services {
    let mut services = Services::new(700);
    services.register_null(0x2000_0101, 1).unwrap();
    services.register_null_on(800, 0x2000_0101, 3).unwrap();
    register(&mut services, OWN).unwrap();
    services
}

fn ask(version: u32, procedure: u32, arguments: &[u8]) -> (Outcome, Vec<u8>) {
    let mut services = services();
    let key = ServiceKey {
        program: PROGRAM,
        version,
        procedure,
        port: PORT,
    };
    let entry = services
        .entries()
        .find(|entry| entry.key == key)
        .expect("registered");
    assert!(!entry.answered_by_card);
    let peer = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 999);
    let request = Request {
        function: entry.function,
        xid: 1,
        peer,
    };
    let mut results = Vec::new();
    (services.serve(request, arguments, &mut results), results)
}

fn answer(version: u32, procedure: u32, arguments: &[u8]) -> Vec<u8> {
    let (outcome, results) = ask(version, procedure, arguments);
    assert_eq!(outcome, Outcome::Reply);
    results
}

#[test]
fn getport_of_version_2() {
    #[rustfmt::skip]
    let mut arguments = [
        0x20, 0, 0x01, 0x01, // program
        0, 0, 0, 1,          // version
        0, 0, 0, 17,         // UDP
        0, 0, 0, 0,          // port
    ];
    assert_eq!(answer(2, 3, &arguments), [0, 0, 0x02, 0xbc], "port 700");
    arguments[7] = 3;
    assert_eq!(answer(2, 3, &arguments), [0, 0, 0x03, 0x20], "port 800");
    arguments[7] = 0;
    assert_eq!(
        answer(2, 3, &arguments),
        [0, 0, 0x03, 0x20],
        "version 0: any version's port"
    );
    arguments[11] = 6;
    assert_eq!(answer(2, 3, &arguments), [0, 0, 0, 0], "TCP is not served");
    arguments[11] = 17;
    arguments[3] = 9;
    assert_eq!(answer(2, 3, &arguments), [0, 0, 0, 0], "unknown program");
}

#[test]
fn getaddr_of_versions_3_and_4() {
    #[rustfmt::skip]
    let mut arguments = vec![
        0x20, 0, 0x01, 0x01,                                       // program
        0, 0, 0, 1,                                                // version
        0, 0, 0, 3, b'u', b'd', b'p', 0,                           // network id
        0, 0, 0, 5, b'1', b'.', b'2', b'.', b'3', 0, 0, 0,         // address
        0, 0, 0, 0,                                                // owner
    ];
    #[rustfmt::skip]
    let at_700 = [
        0, 0, 0, 14,
        b'1', b'0', b'.', b'0', b'.', b'0', b'.', b'2', b'.', b'2', b'.', b'1', b'8', b'8', 0, 0,
    ];
    assert_eq!(answer(3, 3, &arguments), at_700);
    assert_eq!(answer(4, 3, &arguments), at_700);
    arguments[12] = b't';
    assert_eq!(
        answer(4, 3, &arguments),
        at_700,
        "the transport of the request counts"
    );
    arguments[3] = 9;
    assert_eq!(
        answer(4, 3, &arguments),
        [0, 0, 0, 0],
        "unknown program: empty string"
    );
}

#[test]
fn getaddr_finds_rpcbind_itself() {
    let arguments = [&[0, 1, 0x86, 0xa0, 0, 0, 0, 4][..], &[0; 12]].concat();
    let text = b"\0\0\0\x0e10.0.0.2.0.111\0\0";
    assert_eq!(answer(4, 3, &arguments), text);
}

#[test]
fn dump_of_version_2() {
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 1,  0, 1, 0x86, 0xa0,    0, 0, 0, 2,  0, 0, 0, 17,  0, 0, 0, 111,
        0, 0, 0, 1,  0, 1, 0x86, 0xa0,    0, 0, 0, 3,  0, 0, 0, 17,  0, 0, 0, 111,
        0, 0, 0, 1,  0, 1, 0x86, 0xa0,    0, 0, 0, 4,  0, 0, 0, 17,  0, 0, 0, 111,
        0, 0, 0, 1,  0x20, 0, 0x01, 0x01, 0, 0, 0, 1,  0, 0, 0, 17,  0, 0, 0x02, 0xbc,
        0, 0, 0, 1,  0x20, 0, 0x01, 0x01, 0, 0, 0, 3,  0, 0, 0, 17,  0, 0, 0x03, 0x20,
        0, 0, 0, 0,
    ];
    assert_eq!(answer(2, 4, &[]), expected);
}

#[test]
fn dump_of_versions_3_and_4() {
    let entry = |program: [u8; 4], version: u8, address: &[u8]| {
        let owner = b"\0\0\0\x0alauberhorn\0\0";
        let fixed = [
            &[0, 0, 0, 1],
            &program[..],
            &[0, 0, 0, version],
            b"\0\0\0\x03udp\0",
        ];
        [&fixed.concat(), address, &owner[..]].concat()
    };
    let rpcbind = b"\0\0\0\x0e10.0.0.2.0.111\0\0";
    let expected = [
        entry([0, 1, 0x86, 0xa0], 2, rpcbind),
        entry([0, 1, 0x86, 0xa0], 3, rpcbind),
        entry([0, 1, 0x86, 0xa0], 4, rpcbind),
        entry([0x20, 0, 1, 1], 1, b"\0\0\0\x0e10.0.0.2.2.188\0\0"),
        entry([0x20, 0, 1, 1], 3, b"\0\0\0\x0d10.0.0.2.3.32\0\0\0"),
        vec![0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(answer(3, 4, &[]), expected);
    assert_eq!(answer(4, 4, &[]), expected);
}

#[test]
fn null_is_the_cards_in_every_version() {
    let entries: Vec<_> = services().entries().collect();
    for version in [2, 3, 4] {
        let key = ServiceKey {
            program: PROGRAM,
            version,
            procedure: 0,
            port: PORT,
        };
        assert!(
            entries
                .iter()
                .any(|entry| entry.key == key && entry.answered_by_card)
        );
    }
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.key.program == PROGRAM)
            .count(),
        9
    );
}

#[test]
fn refuses_truncated_arguments_everywhere() {
    let getaddr = [
        &[0x20, 0, 1, 1, 0, 0, 0, 1][..],
        b"\0\0\0\x03udp\0",
        &[0; 8],
    ]
    .concat();
    let garbage = (Outcome::Error(AcceptError::GarbageArgs), vec![]);
    for end in 0..getaddr.len() {
        assert_eq!(ask(4, 3, &getaddr[..end]), garbage, "GETADDR cut at {end}");
        if end != 16 {
            assert_eq!(
                ask(2, 3, &getaddr[..end]),
                garbage,
                "GETPORT of {end} bytes"
            );
        }
    }
    assert_eq!(ask(4, 4, &[0; 4]), garbage, "DUMP takes nothing");
}
