//! The oracle against parsers that others wrote: etherparse for the datagram, onc-rpc for the
//! message.

use std::collections::BTreeMap;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use onc_rpc::auth::AuthFlavor;
use onc_rpc::{AcceptedStatus, AuthError, RejectedReply, ReplyBody, RpcMessage};

use super::*;
use crate::seed::Seed;
use crate::workload::{Auth, CallSpec, Calls, HostileFrames, Route, udp_frame};

pub(super) const ROUTE: Route = Route::EXAMPLE;

pub(super) fn key(version: u32, procedure: u32) -> ServiceKey {
    ServiceKey {
        program: 0x2000_0001,
        version,
        procedure,
        port: 2049,
    }
}

pub(super) fn rules() -> Rules {
    let service = |version, procedure| ServiceRule {
        key: key(version, procedure),
        function: 0x1000 + u64::from(procedure),
        service_id: 7,
        answered_by_card: procedure == 0,
    };
    Rules {
        mac: ROUTE.card_mac,
        ipv4: ROUTE.card_ipv4,
        mtu_bytes: 1500,
        promiscuous: false,
        rpc_ports: vec![111, 2049],
        services: vec![service(2, 0), service(2, 1), service(4, 1)],
        programs: vec![ProgramRule {
            key: ProgramKey {
                program: 0x2000_0001,
                port: 2049,
            },
            low: 2,
            high: 4,
            version_mask: 0b101,
        }],
    }
}

fn call(version: u32, procedure: u32) -> CallSpec {
    CallSpec::new(0xabcd_1234, key(version, procedure), vec![0, 0, 0, 5])
}

fn counter(frame: &[u8]) -> Counter {
    rules().decide(frame, false).counter()
}

/// onc-rpc reads messages with the TCP record mark.
fn with_record_mark(message: &[u8]) -> Vec<u8> {
    let mut record = (message.len() as u32 | 0x8000_0000).to_be_bytes().to_vec();
    record.extend(message);
    record
}

fn answer(call: &CallSpec) -> (Counter, Vec<u8>) {
    match rules().decide(&call.frame(&ROUTE), false) {
        Decision::Answer(counter, reply) => (counter, reply.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dispatches_a_good_call_with_its_arguments() {
    let mut spec = call(4, 1);
    spec.credential = Auth::sys("client", 1000, &[1, 2, 3]);
    let Decision::Dispatch(seen) = rules().decide(&spec.frame(&ROUTE), false) else {
        panic!()
    };
    assert_eq!(seen.id.ipv4, ROUTE.client_ipv4);
    assert_eq!(
        (seen.id.port, seen.id.local_port, seen.id.xid),
        (700, 2049, 0xabcd_1234)
    );
    assert_eq!(
        (seen.procedure, seen.function, seen.service_id),
        (1, 0x1001, 7)
    );
    assert_eq!(seen.body, [0, 0, 0, 5]);
}

#[test]
fn answers_are_what_onc_rpc_reads() {
    let accepted = |call: &CallSpec| {
        let (counter, message) = answer(call);
        let record = with_record_mark(&message);
        let parsed = RpcMessage::try_from(&record[..]).unwrap();
        assert_eq!(parsed.xid(), call.xid);
        match parsed.reply_body() {
            Some(ReplyBody::Accepted(reply)) => {
                assert_eq!(*reply.auth_verifier(), AuthFlavor::AuthNone(None));
                let status = match reply.status() {
                    AcceptedStatus::Success(payload) => format!("Success {}", payload.len()),
                    other => format!("{other:?}"),
                };
                (counter, status)
            }
            Some(ReplyBody::Denied(reply)) => (counter, format!("{reply:?}")),
            None => panic!("not a reply"),
        }
    };
    let mut bad = call(2, 1);
    assert_eq!(
        accepted(&call(2, 0)),
        (Counter::RxNullAnswered, "Success 0".into())
    );
    bad.key.program += 1;
    let unavailable = format!("{:?}", AcceptedStatus::<&[u8]>::ProgramUnavailable);
    assert_eq!(accepted(&bad), (Counter::RxProgUnavail, unavailable));
    let mismatch = format!(
        "{:?}",
        AcceptedStatus::<&[u8]>::ProgramMismatch { low: 2, high: 4 }
    );
    for version in [0, 1, 3, 5, u32::MAX] {
        assert_eq!(
            accepted(&call(version, 1)),
            (Counter::RxProgMismatch, mismatch.clone())
        );
    }
    let no_procedure = format!("{:?}", AcceptedStatus::<&[u8]>::ProcedureUnavailable);
    assert_eq!(
        accepted(&call(4, 0)),
        (Counter::RxProcUnavail, no_procedure)
    );
    let mut bad = call(2, 1);
    bad.rpc_version = 3;
    let denied = format!(
        "{:?}",
        RejectedReply::RpcVersionMismatch { low: 2, high: 2 }
    );
    assert_eq!(accepted(&bad), (Counter::RxRpcMismatch, denied));
    let mut bad = call(2, 1);
    bad.credential = Auth {
        flavour: 1,
        body: vec![0; 401],
    };
    let denied = format!("{:?}", RejectedReply::AuthError(AuthError::BadCredentials));
    assert_eq!(accepted(&bad), (Counter::RxAuthError, denied));
    let mut bad = call(2, 1);
    bad.verifier = Auth {
        flavour: 0,
        body: vec![0; 4],
    };
    let denied = format!("{:?}", RejectedReply::AuthError(AuthError::BadVerifier));
    assert_eq!(accepted(&bad), (Counter::RxAuthError, denied));
}

#[test]
fn checks_follow_the_order_of_rfc_5531() {
    // Everything is wrong: the earliest check decides; each repair uncovers the next.
    let mut bad = call(9, 99);
    bad.key.program = 1;
    bad.rpc_version = 1;
    bad.credential.flavour = 6;
    let mut seen = vec![answer(&bad).0];
    bad.rpc_version = 2;
    seen.push(answer(&bad).0);
    bad.credential.flavour = 0;
    seen.push(answer(&bad).0);
    bad.key.program = 0x2000_0001;
    seen.push(answer(&bad).0);
    bad.key.version = 2;
    seen.push(answer(&bad).0);
    let expected = [
        Counter::RxRpcMismatch,
        Counter::RxAuthError,
        Counter::RxProgUnavail,
        Counter::RxProgMismatch,
        Counter::RxProcUnavail,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn drops_what_is_broken_and_bypasses_what_is_not_its_own() {
    let good = call(2, 1).frame(&ROUTE);
    assert_eq!(counter(&good), Counter::RxCallDispatched);
    assert_eq!(
        rules().decide(&good, true),
        Decision::Drop(Counter::RxDropMacError)
    );
    assert_eq!(counter(&good[..13]), Counter::RxDropRunt);
    let changed = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        counter(&frame)
    };
    assert_eq!(changed(5, 0x77), Counter::RxDropNotForUs);
    assert_eq!(changed(0, 0xff), Counter::RxBypass);
    assert_eq!(changed(14, 0x46), Counter::RxBypass);
    assert_eq!(changed(20, 0x20), Counter::RxBypass);
    assert_eq!(changed(20, 0x80), Counter::RxDropIpv4Header);
    assert_eq!(changed(37, 0x02), Counter::RxBypass);
    assert_eq!(changed(49, 0x01), Counter::RxBypass);
    assert_eq!(changed(24, !good[24]), Counter::RxDropIpv4Header);
    assert_eq!(changed(39, good[39] + 1), Counter::RxDropUdpLength);
    assert_eq!(changed(85, good[85] + 1), Counter::RxDropUdpChecksum);
    let mut long = good.clone();
    long.resize(1514, 0);
    assert_eq!(
        counter(&long),
        Counter::RxCallDispatched,
        "trailing bytes are not the datagram's"
    );
    long.push(0);
    assert_eq!(counter(&long), Counter::RxDropOversize);
    let mut promiscuous = rules();
    promiscuous.promiscuous = true;
    let mut other = good.clone();
    other[5] = 0x77;
    assert_eq!(promiscuous.decide(&other, false), Decision::Bypass);
}

#[test]
fn a_header_cut_anywhere_is_malformed() {
    let mut spec = call(2, 1);
    spec.credential = Auth::sys("x", 0, &[]);
    spec.arguments.clear();
    let message = spec.message();
    for length in 0..message.len() {
        let frame = udp_frame(&ROUTE, 2049, &message[..length]);
        assert_eq!(
            counter(&frame),
            Counter::RxDropRpcMalformed,
            "{length} bytes"
        );
    }
    assert_eq!(
        counter(&udp_frame(&ROUTE, 2049, &message)),
        Counter::RxCallDispatched
    );
}

#[test]
fn a_checksum_of_zero_is_not_checked() {
    let mut frame = call(2, 1).frame(&ROUTE);
    frame[40..42].fill(0);
    frame[85] ^= 0xff;
    assert_eq!(counter(&frame), Counter::RxCallDispatched);
}

/// A verified datagram as etherparse sees it.
fn etherparse_payload(frame: &[u8]) -> Result<Vec<u8>, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let Some(NetSlice::Ipv4(ip)) = packet.net else {
        return Err("no IPv4".into());
    };
    let header = ip.header().to_header();
    if header.calc_header_checksum() != header.header_checksum {
        return Err("IPv4 checksum".into());
    }
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return Err("no UDP".into());
    };
    let header_udp = udp.to_header();
    if header_udp.checksum != 0 {
        let computed = header_udp.calc_checksum_ipv4(&header, udp.payload());
        if computed.map_err(|error| error.to_string())? != header_udp.checksum {
            return Err("UDP checksum".into());
        }
    }
    Ok(udp.payload().to_vec())
}

#[test]
fn agrees_with_independent_parsers_on_hostile_frames() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed}");
    let keys = vec![key(2, 0), key(2, 1), key(4, 1)];
    let calls = Calls::new(ROUTE, keys, 1400);
    let hostile = HostileFrames::new(calls, 1500, seed.stream("hostile"));
    let mut outcomes: BTreeMap<Counter, usize> = BTreeMap::new();
    let mut parsed_calls = 0;
    for frame in hostile.take(20_000) {
        let decision = rules().decide(&frame.bytes, frame.mac_error);
        *outcomes.entry(decision.counter()).or_default() += 1;
        let context = || format!("{}, {:02x?}, {seed}", frame.kind, frame.bytes);
        if frame.bytes.get(20).is_some_and(|flags| flags & 0x80 != 0) {
            // etherparse forgets the reserved flag, and with it the right checksum.
            continue;
        }
        let datagram = etherparse_payload(&frame.bytes);
        match &decision {
            Decision::Dispatch(_) | Decision::Answer(..) => {
                assert!(datagram.is_ok(), "{datagram:?}: {}", context());
            }
            Decision::Drop(
                Counter::RxDropIpv4Header | Counter::RxDropUdpLength | Counter::RxDropUdpChecksum,
            ) => assert!(datagram.is_err(), "{}", context()),
            _ => {}
        }
        let Decision::Dispatch(expected) = &decision else {
            continue;
        };
        let record = with_record_mark(&datagram.unwrap());
        // onc-rpc holds authenticators to 200 bytes, the RFC to 400: it may refuse, not differ.
        if let Ok(message) = RpcMessage::try_from(&record[..]) {
            let body = message
                .call_body()
                .unwrap_or_else(|| panic!("{}", context()));
            parsed_calls += 1;
            assert_eq!(message.xid(), expected.id.xid);
            assert_eq!(body.rpc_version(), 2);
            assert_eq!(body.procedure(), expected.procedure);
            assert_eq!(*body.payload(), expected.body, "{}", context());
        }
    }
    assert!(parsed_calls > 500, "{parsed_calls}");
    // Every outcome that does not depend on load occurs.
    for counter in dispositions() {
        let by_load = matches!(
            counter,
            Counter::RxDropNoSlot
                | Counter::RxDropNoSession
                | Counter::RxDropBypassFull
                | Counter::RxDropReplyQueueFull
        );
        let count = outcomes.get(&counter).copied().unwrap_or(0);
        assert_eq!(
            count == 0,
            by_load,
            "{} occurred {count} times, {seed}",
            counter.name()
        );
    }
}

#[test]
fn reads_a_reply_and_names_what_is_wrong_with_it() {
    let back = Route {
        client_mac: ROUTE.card_mac,
        client_ipv4: ROUTE.card_ipv4,
        client_port: 2049,
        card_mac: ROUTE.client_mac,
        card_ipv4: ROUTE.client_ipv4,
    };
    let message = rpc::accepted(77, lauberhorn_interface::line::AcceptStat::Success, &[5]);
    let frame = udp_frame(&back, 700, &message);
    let reply = rules().read_reply(&frame).unwrap();
    assert_eq!(
        (reply.id.xid, reply.id.port, reply.id.local_port),
        (77, 700, 2049)
    );
    assert_eq!(reply.message, message);
    for at in 6..frame.len() {
        let mut bad = frame.clone();
        bad[at] ^= 0x10;
        assert!(
            rules().read_reply(&bad).is_err(),
            "a change of byte {at} went unnoticed"
        );
    }
    let mut long = frame.clone();
    long.push(0);
    assert!(matches!(
        rules().read_reply(&long),
        Err(ReplyCheckError::Trailer { .. })
    ));
}
