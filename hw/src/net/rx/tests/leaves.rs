//! What each decoder says about a frame, against plain functions of the frame's bytes; and the verdict
//! against its table, on random findings.

use super::bench::{Bench, World, hostile_frames};
use super::{IPV4, MAC, roomy, settings};
use crate::net::rx::model;
use crate::net::rx::verdict::Verdict;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use crate::testing::{Rng, random_value, rng, root_seed};
use lauberhorn_interface::counters::{Counter, CounterClass};
use rand::Rng as _;

/// The bytes of a frame, zero beyond its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn be(&self, at: usize, count: usize) -> u64 {
        let byte = |at: usize| self.0.get(at).copied().unwrap_or(0);
        (at..at + count).fold(0, |value, at| value << 8 | u64::from(byte(at)))
    }

    /// First byte least significant.
    fn wire(&self, at: usize, count: usize) -> u64 {
        let byte = |at: usize| self.0.get(at).copied().unwrap_or(0);
        (at..at + count)
            .rev()
            .fold(0, |value, at| value << 8 | u64::from(byte(at)))
    }
}

fn wire(bytes: &[u8]) -> u64 {
    Bytes(bytes).wire(0, bytes.len())
}

/// A finding: what it is, what the block says, what the bytes say.
type Finding = (&'static str, u64, u64);

#[track_caller]
fn same(findings: &[Finding], frame: &[u8]) {
    for (name, seen, expected) in findings {
        assert_eq!(seen, expected, "{name} of {frame:02x?}");
    }
}

/// Whether this cycle has a beat at `port` of `block`, and the last one.
fn beat(bench: &mut Bench, block: &str, port: &str) -> Option<bool> {
    let block = bench.dut.block(block);
    let valid = block.peek(&format!("{port}$valid")) == 1;
    let last = block.peek_field(&format!("{port}$payload"), "frame.last") == 1;
    valid.then_some(last)
}

/// Where the decoders are, each its own frame.
#[derive(Default)]
struct Progress {
    ethernet: usize,
    beat_idx: usize,
    ipv4: usize,
    udp: usize,
    key: usize,
    verdict: usize,
    checksum: usize,
}

fn check(bench: &mut Bench, frames: &[(Vec<u8>, bool)], at: &mut Progress) {
    let limit = 14 + bench.settings.mtu_bytes;
    let promiscuous = bench.settings.promiscuous;
    let rpc_ports = bench.settings.rpc_ports.clone();
    let plain_udp = |bytes: &Bytes<'_>| {
        bytes.wire(0, 6) == wire(&MAC)
            && bytes.be(12, 2) == 0x0800
            && bytes.be(14, 1) == 0x45
            && bytes.be(20, 2) & 0x3fff == 0
            && bytes.be(23, 1) == 17
            && bytes.wire(30, 4) == wire(&IPV4)
    };
    let packet_bad = |frame: &[u8]| {
        let total = Bytes(frame).be(16, 2) as usize;
        total < 20 || 14 + total > frame.len()
    };
    let length_bad = |bytes: &Bytes<'_>| {
        let length = bytes.be(38, 2);
        length < 8 || length + 20 > bytes.be(16, 2)
    };

    if let Some(last) = beat(bench, "ethernet", "beat") {
        let (frame, mac_error) = &frames[at.ethernet];
        let bytes = Bytes(frame);
        let block = bench.dut.block("ethernet");
        let mut field = |name: &str| block.peek_field("beat$payload", name);
        let own = bytes.wire(0, 6) == wire(&MAC);
        let group = bytes.be(0, 1) & 1 == 1;
        assert_eq!(field("frame.index"), at.beat_idx.min(255) as u64);
        // A runt's header means nothing.
        if frame.len() >= 14 {
            let strange = !own && !group && !promiscuous;
            let findings = [
                ("own", field("ethernet.own"), own.into()),
                (
                    "ipv4",
                    field("ethernet.ipv4"),
                    (bytes.be(12, 2) == 0x0800).into(),
                ),
                ("peer MAC", field("ethernet.peer_mac"), bytes.wire(6, 6)),
                ("not for us", field("ethernet.not_for_us"), strange.into()),
            ];
            same(&findings, frame);
        }
        if last {
            same(
                &[
                    ("length", field("frame.length_bytes"), frame.len() as u64),
                    (
                        "MAC error",
                        field("frame.fault.mac_error"),
                        (*mac_error).into(),
                    ),
                    ("runt", field("frame.fault.runt"), (frame.len() < 14).into()),
                    (
                        "oversize",
                        field("frame.fault.oversize"),
                        (frame.len() > limit).into(),
                    ),
                ],
                frame,
            );
        }
        let mut expected = frame[64 * at.beat_idx..].to_vec();
        expected.resize(64, 0);
        let data = block.get_field("beat$payload", "frame.data").to_bytes();
        assert_eq!(
            data, expected,
            "bytes of beat {} of {frame:02x?}",
            at.beat_idx
        );
        at.beat_idx = if last { 0 } else { at.beat_idx + 1 };
        at.ethernet += usize::from(last);
    }
    if beat(bench, "ipv4", "beat") == Some(true) {
        let frame = &frames[at.ipv4].0;
        let bytes = Bytes(frame);
        let block = bench.dut.block("ipv4");
        let mut field = |name: &str| block.peek_field("beat$payload", name);
        same(
            &[
                (
                    "plain UDP",
                    field("ipv4.plain_udp"),
                    plain_udp(&bytes).into(),
                ),
                ("source", field("ipv4.source"), bytes.wire(26, 4)),
                (
                    "end of the packet",
                    field("ipv4.end_bytes"),
                    bytes.be(16, 2) + 14,
                ),
            ],
            frame,
        );
        at.ipv4 += 1;
    }
    if beat(bench, "udp", "beat") == Some(true) {
        let frame = &frames[at.udp].0;
        let bytes = Bytes(frame);
        let known = rpc_ports
            .iter()
            .any(|port| u64::from(*port) == bytes.be(36, 2));
        let block = bench.dut.block("udp");
        let mut field = |name: &str| block.peek_field("beat$payload", name);
        same(
            &[
                (
                    "RPC port",
                    field("udp.rpc_port"),
                    (plain_udp(&bytes) && known).into(),
                ),
                ("source port", field("udp.source_port"), bytes.be(34, 2)),
                ("local port", field("udp.local_port"), bytes.be(36, 2)),
                (
                    "datagram length",
                    field("udp.length_bytes"),
                    bytes.be(38, 2),
                ),
                (
                    "bad datagram length",
                    field("udp.length_bad"),
                    length_bad(&bytes).into(),
                ),
                (
                    "bad packet length",
                    field("udp.packet_bad"),
                    packet_bad(frame).into(),
                ),
            ],
            frame,
        );
        at.udp += 1;
    }
    if bench.dut.block("oncrpc").peek("key$valid") == 1 {
        let frame = &frames[at.key].0;
        let bytes = Bytes(frame);
        let block = bench.dut.block("oncrpc");
        // The key is made of whatever the frame has; it means something in calls of two beats.
        if frame.len() > 66 {
            let mut field = |name: &str| block.peek_field("key$payload", name);
            let service = [
                ("port", field("port"), bytes.be(36, 2)),
                ("program", field("program"), bytes.be(54, 4)),
                ("version", field("version"), bytes.be(58, 4)),
                ("procedure", field("procedure"), bytes.be(62, 4)),
            ];
            same(&service, frame);
            let mut field = |name: &str| block.peek_field("program_key$payload", name);
            let program = [
                ("port", field("port"), bytes.be(36, 2)),
                ("program", field("program"), bytes.be(54, 4)),
            ];
            same(&program, frame);
        }
        at.key += 1;
    }
    if bench.dut.block("oncrpc").peek("verdict$valid") == 1 {
        let (frame, mac_error) = &frames[at.verdict];
        let bytes = Bytes(frame);
        let known = rpc_ports
            .iter()
            .any(|port| u64::from(*port) == bytes.be(36, 2));
        let call = plain_udp(&bytes) && known && frame.len() >= 50 && bytes.be(46, 4) == 0;
        let block = bench.dut.block("oncrpc");
        let mut field = |name: &str| block.peek_field("verdict$payload", name);
        let strange = field("not_for_us") == 1;
        let mut findings = vec![
            ("MAC error", field("fault.mac_error"), u64::from(*mac_error)),
            ("bypass", field("bypass"), (!call && !strange).into()),
        ];
        if call {
            findings.extend([
                ("bad packet", field("packet_bad"), packet_bad(frame).into()),
                (
                    "bad datagram",
                    field("datagram_bad"),
                    length_bad(&bytes).into(),
                ),
                ("peer MAC", field("peer.mac"), bytes.wire(6, 6)),
                ("peer address", field("peer.ipv4"), bytes.wire(26, 4)),
                ("peer port", field("peer.port"), bytes.be(34, 2)),
                ("own port", field("peer.local_port"), bytes.be(36, 2)),
                ("xid", field("peer.xid"), bytes.wire(42, 4)),
            ]);
        }
        same(&findings, frame);
        at.verdict += 1;
    }
    if bench.dut.block("checksum").peek("verdict$valid") == 1 {
        let frame = &frames[at.checksum].0;
        let bytes = Bytes(frame);
        let whole = frame.len() >= 42 && !packet_bad(frame) && !length_bad(&bytes);
        if plain_udp(&bytes) && whole {
            let (ipv4, udp) = model::checksums(frame);
            let block = bench.dut.block("checksum");
            let mut field = |name: &str| block.peek_field("verdict$payload", name);
            let findings = [
                ("good IPv4 checksum", field("ipv4_good"), ipv4.into()),
                ("good UDP checksum", field("udp_good"), udp.into()),
            ];
            same(&findings, frame);
        }
        at.checksum += 1;
    }
}

#[test]
fn every_decoder_says_what_the_bytes_say() {
    let mut rng = rng(root_seed(), "decoders");
    let config = roomy();
    for promiscuous in [false, true] {
        let mut settings = settings(&config);
        settings.promiscuous = promiscuous;
        let world = World {
            mac_percent: 80,
            ..World::GENEROUS
        };
        let frames = hostile_frames(&mut rng, &config, 1200);
        let mut bench = Bench::new(&config, settings, world, rng.random());
        for (frame, mac_error) in &frames {
            bench.send(frame, *mac_error);
        }
        let mut at = Progress::default();
        let beats: usize = frames
            .iter()
            .map(|(frame, _)| frame.len().div_ceil(64))
            .sum();
        let limit = 2 * beats as u64 + 1000;
        while at.checksum < frames.len() {
            assert!(bench.cycle < limit, "not through after {limit} cycles");
            bench.step_with(|bench| check(bench, &frames, &mut at));
        }
        let all = [
            at.ethernet,
            at.ipv4,
            at.udp,
            at.key,
            at.verdict,
            at.checksum,
        ];
        assert_eq!(all, [frames.len(); 6]);
    }
}

/// Sets a field to a number.
fn put(dut: &mut Interpreter, port: &str, field: &str, value: u64) -> u64 {
    dut.poke_field(&format!("{port}$payload"), field, value);
    value
}

/// Sets a flag that is rare.
fn flag(dut: &mut Interpreter, rng: &mut Rng, port: &str, field: &str, one_in: u32) -> bool {
    put(dut, port, field, rng.random_ratio(1, one_in).into()) == 1
}

#[test]
fn the_first_line_of_the_verdict_s_table_that_applies_counts() {
    let mut rng = rng(root_seed(), "verdict");
    let mut dut = Interpreter::new(Verdict::default().elaborate());
    dut.reset();
    let mut expected: Option<(Counter, u64, u64, u64)> = None;
    let mut met = std::collections::BTreeSet::new();
    let ports = ["header", "checksum", "slot", "service", "program"];
    for _ in 0..20_000 {
        assert_eq!(
            dut.peek("decision$valid"),
            u64::from(expected.is_some()),
            "1 cycle"
        );
        if let Some((counter, kind, low, high)) = expected.take() {
            let mut field = |name: &str| dut.peek_field("decision$payload", name);
            let bypass = counter == Counter::RxBypass;
            for other in Counter::ALL {
                if other.class() == CounterClass::Disposition {
                    // The bypass queue counts its frames itself.
                    let pulse = u64::from(*other == counter && !bypass);
                    let seen = field(&format!("events.{}", other.name()));
                    assert_eq!(seen, pulse, "{} for {}", other.name(), counter.name());
                }
            }
            assert_eq!(field("events.rx_frames"), 1);
            let dispatch = counter == Counter::RxCallDispatched;
            assert_eq!(field("dispatch"), u64::from(dispatch));
            assert_eq!(field("answer"), u64::from(kind < 16), "{}", counter.name());
            if kind < 16 {
                let reply = (field("reply.kind"), field("reply.low"), field("reply.high"));
                assert_eq!(reply, (kind, low, high), "{}", counter.name());
            }
            met.insert(counter);
        }
        let valid = rng.random_ratio(4, 5);
        for port in ports {
            let payload = format!("{port}$payload");
            let width = dut.port(&payload).width;
            dut.set(&payload, &random_value(&mut rng, width));
            dut.set(&format!("{port}$valid"), &Value::new(1, valid.into()));
        }
        if !valid {
            dut.step().expect("assertions hold");
            continue;
        }
        let mut is =
            |port: &str, field: &str, one_in| flag(&mut dut, &mut rng, port, field, one_in);
        let drops = [
            (is("header", "fault.mac_error", 16), Counter::RxDropMacError),
            (is("header", "fault.runt", 16), Counter::RxDropRunt),
            (is("header", "fault.oversize", 16), Counter::RxDropOversize),
            (is("header", "not_for_us", 16), Counter::RxDropNotForUs),
            (is("header", "bypass", 16), Counter::RxBypass),
        ];
        let packet_bad = is("header", "packet_bad", 16);
        let datagram_bad = is("header", "datagram_bad", 16);
        let ipv4_bad = rng.random_ratio(1, 16);
        let udp_bad = rng.random_ratio(1, 16);
        put(&mut dut, "checksum", "ipv4_good", (!ipv4_bad).into());
        put(&mut dut, "checksum", "udp_good", (!udp_bad).into());
        let mut is =
            |port: &str, field: &str, one_in| flag(&mut dut, &mut rng, port, field, one_in);
        let malformed = is("header", "malformed", 16);
        let rpc_mismatch = is("header", "rpc_mismatch", 16);
        let bad_credential = is("header", "bad_credential", 16);
        let bad_verifier = is("header", "bad_verifier", 16);
        let has_program = !is("program", "valid", 2);
        let has_service = !is("service", "valid", 2);
        put(&mut dut, "program", "valid", has_program.into());
        put(&mut dut, "service", "valid", has_service.into());
        let low: u32 = [0, 1, 100, u32::MAX - 40][rng.random_range(0..4)];
        let high = low + rng.random_range(0..36);
        let versions: u32 = rng.random();
        let version = low.wrapping_add(rng.random_range(0..40)).wrapping_sub(2);
        put(&mut dut, "program", "low", low.into());
        put(&mut dut, "program", "high", high.into());
        put(&mut dut, "program", "versions", versions.into());
        put(&mut dut, "header", "version", version.into());
        let step = u64::from(version)
            .checked_sub(low.into())
            .filter(|step| *step < 32);
        let offered = step.is_some_and(|step| versions >> step & 1 == 1) && version <= high;
        let null = put(&mut dut, "service", "flags", rng.random_range(0..256)) & 1 == 1;

        const NONE: u64 = 16;
        let auth = if bad_credential { 1 } else { 3 };
        let lines = drops.map(|(applies, counter)| (applies, counter, NONE, 0, 0));
        let rest = [
            (
                packet_bad || ipv4_bad,
                Counter::RxDropIpv4Header,
                NONE,
                0,
                0,
            ),
            (datagram_bad, Counter::RxDropUdpLength, NONE, 0, 0),
            (udp_bad, Counter::RxDropUdpChecksum, NONE, 0, 0),
            (malformed, Counter::RxDropRpcMalformed, NONE, 0, 0),
            (rpc_mismatch, Counter::RxRpcMismatch, 8, 2, 2),
            (
                bad_credential || bad_verifier,
                Counter::RxAuthError,
                9,
                auth,
                0,
            ),
            (!has_program, Counter::RxProgUnavail, 1, 0, 0),
            (
                !offered,
                Counter::RxProgMismatch,
                2,
                low.into(),
                high.into(),
            ),
            (!has_service, Counter::RxProcUnavail, 3, 0, 0),
            (null, Counter::RxNullAnswered, 0, 0, 0),
            (true, Counter::RxCallDispatched, NONE, 0, 0),
        ];
        let first = lines.into_iter().chain(rest).find(|line| line.0);
        let (_, counter, kind, low, high) = first.expect("the last line always applies");
        expected = Some((counter, kind, low, high));
        dut.step().expect("assertions hold");
    }
    assert_eq!(met.len(), 16, "{met:?}");
}
