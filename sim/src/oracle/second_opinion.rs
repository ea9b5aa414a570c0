//! The oracle against the model that the receive path is tested with. Both were written from the
//! specifications, apart from each other: where they differ, one of them reads them wrong.

use lauberhorn_hw::net::rx::model::{Caller, Outcome, Settings as Model};
use lauberhorn_hw::net::tx::model::{Reply, rpc_message};
use lauberhorn_hw::types::{ProgramEntry, ServiceEntry};
use rand::Rng;

use super::tests::{ROUTE, key, rules};
use super::*;
use crate::seed::Seed;
use crate::workload::{CallSpec, Calls, HostileFrames};

/// Hostile frames per setting.
const FRAMES: usize = 60_000;

fn model(rules: &Rules) -> Model {
    let service = |rule: &ServiceRule| ServiceEntry {
        valid: true,
        program: u64::from(rule.key.program).into(),
        version: u64::from(rule.key.version).into(),
        procedure: u64::from(rule.key.procedure).into(),
        port: u64::from(rule.key.port).into(),
        function: rule.function.into(),
        service: u64::from(rule.service_id).into(),
        process: 0u64.into(),
        flags: u64::from(rule.answered_by_card).into(),
    };
    let program = |rule: &ProgramRule| ProgramEntry {
        valid: true,
        program: u64::from(rule.key.program).into(),
        port: u64::from(rule.key.port).into(),
        low: u64::from(rule.low).into(),
        high: u64::from(rule.high).into(),
        versions: u64::from(rule.version_mask).into(),
    };
    Model {
        enable: true,
        promiscuous: rules.promiscuous,
        mac: rules.mac,
        ipv4: rules.ipv4,
        rpc_ports: rules.rpc_ports.clone(),
        mtu_bytes: rules.mtu_bytes,
        services: rules.services.iter().map(service).collect(),
        programs: rules.programs.iter().map(program).collect(),
    }
}

fn id(caller: Caller) -> CallId {
    CallId {
        mac: caller.mac,
        ipv4: caller.ipv4,
        port: caller.port,
        local_port: caller.local_port,
        xid: caller.xid,
    }
}

/// The RPC message of an answer of the card.
fn message(xid: u32, (kind, low, high): (u8, u32, u32)) -> Vec<u8> {
    let reply = match kind {
        0 => Reply::Success(Vec::new()),
        2 => Reply::ProgMismatch(low, high),
        8 => Reply::RpcMismatch(low, high),
        9 => Reply::AuthError(low),
        status => Reply::Status(status.into()),
    };
    rpc_message(xid, &reply)
}

/// The model's outcome in the oracle's words; a bypassed frame is looked at here.
fn translated(outcome: Outcome, frame: &[u8]) -> Decision {
    match outcome {
        Outcome::Drop(counter) => Decision::Drop(counter),
        Outcome::Bypass(whole) => {
            assert_eq!(whole.body, frame, "a bypass frame is the whole frame");
            Decision::Bypass
        }
        Outcome::Answer {
            counter,
            caller,
            reply,
        } => Decision::Answer(
            counter,
            ExpectedReply {
                id: id(caller),
                message: message(caller.xid, reply),
            },
        ),
        Outcome::Dispatch(caller, call) => {
            let header = call.header;
            assert_eq!(header.xid, caller.xid);
            assert_eq!(header.peer_ipv4.to_be_bytes(), caller.ipv4);
            assert_eq!(header.peer_port, caller.port);
            assert_eq!(usize::from(header.length_bytes), call.body.len());
            Decision::Dispatch(ExpectedCall {
                id: id(caller),
                procedure: header.procedure,
                function: header.function,
                service_id: header.service_id,
                body: call.body,
            })
        }
    }
}

#[track_caller]
fn agree(rules: &Rules, model: &Model, frame: &[u8], mac_error: bool, what: &str) {
    let oracle = rules.decide(frame, mac_error);
    let other = translated(model.receive(frame, mac_error), frame);
    assert_eq!(oracle, other, "{what}: {frame:02x?}");
}

#[test]
fn the_receive_model_decides_alike_on_hostile_frames() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed}");
    for promiscuous in [false, true] {
        let rules = Rules {
            promiscuous,
            ..rules()
        };
        let model = model(&rules);
        let keys = vec![key(2, 0), key(2, 1), key(4, 1)];
        let stream = seed.stream(&format!("second opinion {promiscuous}"));
        let hostile = HostileFrames::new(Calls::new(ROUTE, keys, 1400), 1500, stream);
        for frame in hostile.take(FRAMES) {
            let what = format!("{}, {seed}", frame.kind);
            agree(&rules, &model, &frame.bytes, frame.mac_error, &what);
        }
    }
}

#[test]
fn the_receive_model_decides_alike_on_good_frames_with_random_bits_flipped() {
    let seed = Seed::from_environment();
    println!("reproduce with {seed}");
    let mut rng = seed.stream("second opinion flips");
    let (rules, mut calls) = (rules(), Calls::new(ROUTE, vec![key(2, 1)], 200));
    let model = model(&rules);
    for _ in 0..FRAMES / 2 {
        let (route, call) = calls.draw(&mut rng);
        let mut frame = call.frame(&route);
        // Without a checksum the flips reach the RPC message.
        frame[40..42].fill(0);
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..frame.len().min(140));
            frame[at] ^= 1 << rng.random_range(0..8);
        }
        agree(&rules, &model, &frame, false, &format!("flipped, {seed}"));
    }
}

#[test]
fn the_receive_model_decides_alike_at_every_cut_and_length() {
    let (rules, arguments) = (rules(), vec![7; 24]);
    let model = model(&rules);
    let whole = CallSpec::new(9, key(2, 1), arguments).frame(&ROUTE);
    for end in 1..=whole.len() {
        agree(&rules, &model, &whole[..end], false, "cut");
    }
    for bytes in 1..=1600 {
        let mut frame = whole.clone();
        frame.resize(bytes, 0);
        agree(&rules, &model, &frame, false, "resized");
    }
    // Every value of the lengths of packet and datagram around the true ones.
    for at in [16, 38] {
        for value in 0..200u16 {
            let mut frame = whole.clone();
            frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
            frame[40..42].fill(0);
            crate::workload::fix_ipv4_checksum(&mut frame);
            agree(&rules, &model, &frame, false, "length");
        }
    }
}
