//! Every example service with bodies of every size, every error that the card answers alone, and the host
//! stack behind the bypass. The scoreboard compares each reply with what the handler or the RFC says.

use lauberhorn_driver::services::{adder, echo, examples, rpcbind};
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::table_hash::ServiceKey;
use lauberhorn_sim::oracle::internet_checksum;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::ways::Way;
use lauberhorn_sim::workload::{Auth, CallSpec, Route, udp_frame};

use crate::ways::in_every_way;

const ROUTE: Route = Route::EXAMPLE;
/// Around the end of the inline part, of lines of 64 and 128 bytes, and up to a datagram of 1500.
const ECHO_BYTES: [usize; 15] = [
    0, 1, 3, 20, 28, 32, 64, 92, 96, 128, 300, 1000, 1400, 1425, 1428,
];
const PING_BYTES: [usize; 4] = [0, 56, 700, 1472];
/// A port that nobody listens on.
const CLOSED_PORT: u16 = 9;
/// What does not fit the card's slots would be refused.
const OPEN_CALLS: u64 = 8;
const LIMIT_CYCLES: u64 = 400_000;
const QUIET_CYCLES: u64 = 4_000;

in_every_way!(everything_is_answered);

fn everything_is_answered(way: Way, seed: Seed) {
    let stand = way.stand(seed);
    let services = examples(stand.address).unwrap();
    let mut running = stand.start().unwrap();
    // The stack learns where the client is.
    running.system.push_frame(arp_request(), false, 0);
    running.settle(QUIET_CYCLES, LIMIT_CYCLES).unwrap();
    let mut pings = PING_BYTES.iter().map(|&bytes| ping(bytes));
    let key = |program, version, procedure| services.key(program, version, procedure);
    let calls = served(key).into_iter().chain(refused(key));
    let calls: Vec<CallSpec> = calls.collect();
    for call in &calls {
        running.system.push_frame(call.frame(&ROUTE), false, 0);
        if call.xid % 8 == 0 {
            if let Some(ping) = pings.next() {
                running.system.push_frame(ping, false, 0);
            }
        }
        running
            .system
            .run_until("room for a call", LIMIT_CYCLES, |system| {
                system.pending_frames() == 0 && system.scoreboard().open_calls() < OPEN_CALLS
            })
            .unwrap();
    }
    let closed = udp_frame(&ROUTE, CLOSED_PORT, &[0; 32]);
    running.system.push_frame(closed, false, 0);
    running.finish_calls(LIMIT_CYCLES).unwrap();
    running.settle(QUIET_CYCLES, LIMIT_CYCLES).unwrap();
    assert_eq!(running.account().unwrap(), Vec::<String>::new());
    assert_eq!(running.system.scoreboard().replies(), calls.len() as u64);
    let counters = running.counters().unwrap();
    let read = |counter: Counter| counters[counter.index()].1;
    for counter in [
        Counter::RxNullAnswered,
        Counter::RxProgUnavail,
        Counter::RxProgMismatch,
        Counter::RxProcUnavail,
        Counter::RxRpcMismatch,
        Counter::RxAuthError,
    ] {
        assert!(read(counter) > 0, "{counter:?}");
    }
    // ARP, pings, and that the port is closed.
    let bypass = PING_BYTES.len() as u64 + 2;
    assert_eq!(read(Counter::RxBypass), bypass);
    let sent = running.system.take_sent();
    let echoed = |bytes: &usize| {
        let answer = echo_reply(*bytes);
        sent.iter()
            .any(|frame| icmp(&frame.bytes) == Some(&answer[..]))
    };
    assert!(PING_BYTES.iter().all(echoed));
    assert_eq!(running.system.scoreboard().other_frames_out(), bypass);
}

/// Calls that a handler answers, some of them with GARBAGE_ARGS.
fn served(key: impl Fn(u32, u32, u32) -> ServiceKey) -> Vec<CallSpec> {
    let echo_key = key(echo::PROGRAM, echo::VERSION, echo::ECHO);
    let adder_key = key(adder::PROGRAM, adder::VERSION, adder::ADD);
    let rpcbind_key = |version, procedure| ServiceKey {
        program: rpcbind::PROGRAM,
        version,
        procedure,
        port: rpcbind::PORT,
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let opaque = |bytes: usize| {
        let mut argument = (bytes as u32).to_be_bytes().to_vec();
        argument.extend((0..bytes).map(|byte| (byte * 7) as u8));
        argument.resize(argument.len().next_multiple_of(4), 0);
        argument
    };
    let mut calls: Vec<(ServiceKey, Vec<u8>)> = ECHO_BYTES
        .iter()
        .map(|&bytes| (echo_key, opaque(bytes)))
        .collect();
    calls.extend([
        (key(echo::PROGRAM, echo::VERSION, echo::NULL), Vec::new()),
        (echo_key, words(&[u32::MAX, 1])),
        (adder_key, words(&[40, 2])),
        (adder_key, words(&[u32::MAX, 2])),
        (adder_key, words(&[1])),
    ]);
    for program in [echo::PROGRAM, adder::PROGRAM, 77] {
        let port = words(&[program, 1, 17, 0]);
        calls.push((rpcbind_key(2, rpcbind::LOOK_UP), port));
        let address = words(&[program, 1, 0, 0, 0]);
        calls.push((rpcbind_key(4, rpcbind::LOOK_UP), address));
    }
    calls.extend([2, 3, 4].map(|version| (rpcbind_key(version, rpcbind::DUMP), Vec::new())));
    (1..)
        .zip(calls)
        .map(|(xid, (key, arguments))| {
            let mut call = CallSpec::new(xid, key, arguments);
            if xid % 3 == 0 && call.arguments.len() <= 1000 {
                call.credential = Auth::sys("client", 1000, &[1, 2, 3]);
            }
            call
        })
        .collect()
}

/// Calls that the card answers alone.
fn refused(key: impl Fn(u32, u32, u32) -> ServiceKey) -> Vec<CallSpec> {
    let good = key(echo::PROGRAM, echo::VERSION, echo::ECHO);
    let null = key(adder::PROGRAM, adder::VERSION, 0);
    let call = |xid, key| CallSpec::new(xid, key, vec![0; 4]);
    let other = |program, version, procedure| ServiceKey {
        program,
        version,
        procedure,
        ..good
    };
    let mut calls = vec![
        CallSpec::new(1000, null, Vec::new()),
        call(1001, other(99, 1, 1)),
        call(1002, other(echo::PROGRAM, 9, 1)),
        call(1003, other(echo::PROGRAM, echo::VERSION, 9)),
        call(1004, good),
        call(1005, good),
    ];
    calls[4].rpc_version = 3;
    calls[5].credential.flavour = 6;
    calls
}

fn arp_request() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(ROUTE.client_mac);
    // Ethernet type, hardware and protocol, lengths, request (RFC 826).
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(ROUTE.client_mac);
    frame.extend(ROUTE.client_ipv4);
    frame.extend([0; 6]);
    frame.extend(ROUTE.card_ipv4);
    frame.resize(60, 0);
    frame
}

/// An ICMP message of this type with so many bytes of data (RFC 792).
fn echo_message(kind: u8, bytes: usize) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, bytes as u8];
    message.extend((0..bytes).map(|byte| byte as u8));
    let checksum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

fn echo_reply(bytes: usize) -> Vec<u8> {
    echo_message(0, bytes)
}

fn ping(bytes: usize) -> Vec<u8> {
    let message = echo_message(8, bytes);
    let builder = etherparse::PacketBuilder::ethernet2(ROUTE.client_mac, ROUTE.card_mac).ipv4(
        ROUTE.client_ipv4,
        ROUTE.card_ipv4,
        64,
    );
    let mut frame = Vec::new();
    builder
        .write(&mut frame, etherparse::IpNumber::ICMP, &message)
        .expect("it fits a datagram");
    frame.resize(frame.len().max(60), 0);
    frame
}

/// The ICMP message of a frame that has one.
fn icmp(frame: &[u8]) -> Option<&[u8]> {
    if frame.len() < 34 || frame[12..15] != [8, 0, 0x45] || frame[23] != 1 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    frame.get(34..14 + total)
}
