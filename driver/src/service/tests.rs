use std::net::Ipv4Addr;

use super::*;
use crate::xdr::{Reader, Writer};

const PROGRAM: u32 = 0x2000_0009;

fn request(function: u64) -> Request {
    Request {
        function,
        xid: 0x1234,
        peer: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 700),
    }
}

fn services() -> Services {
    let mut services = Services::new(900);
    let double = |_: &Call, arguments: &[u8], results: &mut Vec<u8>| {
        let mut reader = Reader::new(arguments);
        let value = reader.u32()?;
        reader.end()?;
        Writer::new(results).u32(2 * value);
        Ok(())
    };
    services.register(PROGRAM, 1, 1, double).unwrap();
    let panics = |_: &Call, _: &[u8], results: &mut Vec<u8>| {
        results.push(1);
        panic!("a handler that panics, as this test wants");
    };
    services.register(PROGRAM, 1, 2, panics).unwrap();
    let fails = |_: &Call, _: &[u8], results: &mut Vec<u8>| {
        results.push(1);
        Err(AcceptError::SystemErr)
    };
    services.register(PROGRAM, 1, 3, fails).unwrap();
    let one_way = services.key(PROGRAM, 1, 4);
    services.register_one_way(one_way, fails).unwrap();
    services.register_null(PROGRAM, 1).unwrap();
    services
}

#[test]
fn handler_sees_the_call_and_its_results_are_the_reply() {
    let mut services = Services::new(900);
    let (sender, receiver) = std::sync::mpsc::channel();
    let handler = move |call: &Call, _: &[u8], _: &mut Vec<u8>| {
        sender.send(*call).unwrap();
        Ok(())
    };
    services
        .register_on(
            ServiceKey {
                program: 7,
                version: 8,
                procedure: 9,
                port: 10,
            },
            handler,
        )
        .unwrap();
    let entry = services.entries().next().unwrap();
    let mut results = vec![1, 2, 3];
    let outcome = services.serve(request(entry.function), &[], &mut results);
    assert_eq!((outcome, results.len()), (Outcome::Reply, 0));
    let call = receiver.try_recv().unwrap();
    assert_eq!(
        (call.key, call.xid, call.peer),
        (entry.key, 0x1234, request(0).peer)
    );
}

#[test]
fn replies_with_results_or_with_the_handlers_error() {
    let mut services = services();
    let mut results = Vec::new();
    let mut serve = |function, arguments: &[u8]| {
        let outcome = services.serve(request(function), arguments, &mut results);
        (outcome, results.clone())
    };
    let garbage = (Outcome::Error(AcceptError::GarbageArgs), vec![]);
    let system = (Outcome::Error(AcceptError::SystemErr), vec![]);
    assert_eq!(
        serve(1, &[0, 0, 0, 21]),
        (Outcome::Reply, vec![0, 0, 0, 42])
    );
    assert_eq!(serve(1, &[0, 0, 0]), garbage);
    assert_eq!(serve(1, &[0; 5]), garbage);
    assert_eq!(serve(2, &[]), system, "panic");
    assert_eq!(
        serve(1, &[0, 0, 0, 1]),
        (Outcome::Reply, vec![0, 0, 0, 2]),
        "after the panic"
    );
    assert_eq!(serve(3, &[]), system);
    assert_eq!(serve(4, &[]), (Outcome::Release, vec![]));
    assert_eq!(serve(5, &[]), (Outcome::Reply, vec![]), "NULL");
    for unknown in [0, 6, u64::MAX] {
        assert_eq!(serve(unknown, &[]), system, "handle {unknown}");
    }
}

#[test]
fn refuses_a_second_handler_for_a_procedure() {
    let mut services = services();
    let error = services
        .register(PROGRAM, 1, 1, |_, _, _| Ok(()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "procedure 1 of program 0x20000009 version 1 on port 900 is registered already"
    );
    assert_eq!(services.register_null(PROGRAM, 2), Ok(()));
}

#[test]
fn entries_and_registry_describe_what_is_registered() {
    let mut services = services();
    let registry = services.registry();
    services.register_null_on(111, 100_000, 2).unwrap();
    let entries: Vec<_> = services.entries().collect();
    assert_eq!(entries.len(), 6);
    assert!(
        entries
            .iter()
            .enumerate()
            .all(|(i, e)| e.function == i as u64 + 1)
    );
    let by_card: Vec<_> = entries.iter().map(|e| e.answered_by_card).collect();
    assert_eq!(by_card, [false, false, false, false, true, true]);
    let expected = [
        Mapping {
            program: 100_000,
            version: 2,
            port: 111,
        },
        Mapping {
            program: PROGRAM,
            version: 1,
            port: 900,
        },
    ];
    assert_eq!(*registry.read().unwrap(), expected);
}

#[test]
fn shared_services_survive_a_panicking_handler() {
    let single = RefCell::new(services());
    let threads = Mutex::new(services());
    let shared: [&dyn Serve; 2] = [&single, &threads];
    for services in shared {
        let mut results = Vec::new();
        let outcome = services.serve(request(2), &[], &mut results);
        assert_eq!(outcome, Outcome::Error(AcceptError::SystemErr));
        assert_eq!(
            services.serve(request(1), &[0, 0, 0, 1], &mut results),
            Outcome::Reply
        );
        assert_eq!(results, [0, 0, 0, 2]);
    }
}
