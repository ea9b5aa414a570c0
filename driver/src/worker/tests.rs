use std::cell::RefCell;

use lauberhorn_coherence::LineRole;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{PreemptWord, SessionHandle};

use super::*;
use crate::service::Services;
use crate::services::{adder, echo, examples};
use crate::testing::{MockCard, Task, image, pattern, plain, run};

const ENDPOINT: usize = 1;

struct Bench {
    card: MockCard,
    services: RefCell<Services>,
    mtu_bytes: usize,
}

impl Bench {
    fn new() -> Self {
        let config = NicConfig::eci();
        let mut services = examples(Ipv4Addr::new(10, 0, 0, 2)).unwrap();
        let panics = |_: &crate::service::Call, _: &[u8], results: &mut Vec<u8>| {
            results.extend([1, 2, 3, 4]);
            panic!("a handler that panics, as this test wants");
        };
        services
            .register(adder::PROGRAM, adder::VERSION, 2, panics)
            .unwrap();
        let big = |_: &crate::service::Call, arguments: &[u8], results: &mut Vec<u8>| {
            results.resize(
                u32::from_be_bytes(arguments.try_into().unwrap()) as usize,
                7,
            );
            Ok(())
        };
        services
            .register(adder::PROGRAM, adder::VERSION, 3, big)
            .unwrap();
        let one_way = services.key(adder::PROGRAM, adder::VERSION, 4);
        services
            .register_one_way(one_way, |_, _, _| Ok(()))
            .unwrap();
        Self {
            card: MockCard::new(&config, ENDPOINT),
            services: RefCell::new(services),
            mtu_bytes: config.mtu_bytes(),
        }
    }

    fn worker(&self) -> Worker<MockCard> {
        self.worker_with((), Mode::RECALL)
    }

    fn worker_with<O: Observer>(&self, observer: O, mode: Mode) -> Worker<MockCard, O> {
        let (card, layout) = (self.card.clone(), self.card.layout());
        Worker::new(card, observer, &layout, ENDPOINT, self.mtu_bytes, mode).unwrap()
    }

    fn call(&self, program: u32, procedure: u32, index: u16, arguments: &[u8]) {
        let services = self.services.borrow();
        let key = services.key(program, 1, procedure);
        let entry = services
            .entries()
            .find(|entry| entry.key == key)
            .expect("registered");
        self.answer_call(entry.function, index, arguments);
    }

    fn answer_call(&self, function: u64, index: u16, arguments: &[u8]) {
        let header = RxHeader {
            kind: RxKind::Call,
            function,
            session: SessionHandle {
                index,
                generation: 3,
            },
            ..RxHeader::default()
        };
        self.card.answer(image(header, arguments));
    }

    /// Kind, status, session index and body of all that was sent.
    fn sent(&self) -> Vec<(TxKind, u16, u16, Vec<u8>)> {
        let card = self.card.get();
        card.sent
            .iter()
            .map(|(h, b)| (h.kind, h.status, h.session.index, b.clone()))
            .collect()
    }
}

#[test]
fn serves_calls_until_it_is_retired() {
    let bench = Bench::new();
    bench.call(adder::PROGRAM, adder::ADD, 1, &[0, 0, 0, 2, 0, 0, 0, 3]);
    bench.card.answer(plain(RxKind::TryAgain));
    bench.call(echo::PROGRAM, echo::NULL, 2, &[]);
    let long = [&1400u32.to_be_bytes()[..], &pattern(1400)].concat();
    bench.call(echo::PROGRAM, echo::ECHO, 3, &long);
    bench.card.answer(plain(RxKind::Retire));
    let mut worker = bench.worker();
    run(worker.run(&bench.services, |_| true)).unwrap();
    let expected = [
        (TxKind::Reply, 0, 1, vec![0, 0, 0, 5]),
        (TxKind::Reply, 0, 2, vec![]),
        (TxKind::Reply, 0, 3, long),
    ];
    assert_eq!(bench.sent(), expected);
    let stats = WorkerStats {
        replies: 3,
        try_again: 1,
        ..WorkerStats::default()
    };
    assert_eq!(worker.stats(), stats);
}

#[test]
fn every_failure_is_answered() {
    let bench = Bench::new();
    bench.call(adder::PROGRAM, adder::ADD, 1, &[0, 0, 0, 2]);
    bench.call(adder::PROGRAM, 2, 2, &[]);
    bench.answer_call(0xdead_beef, 3, &[]);
    bench.call(adder::PROGRAM, 4, 4, &[]);
    bench.call(adder::PROGRAM, adder::ADD, 5, &[0, 0, 0, 2, 0, 0, 0, 3]);
    let mut worker = bench.worker();
    run(worker.run(&bench.services, |stats| stats.replies == 0)).unwrap();
    let expected = [
        (TxKind::ErrorReply, 4, 1, vec![]),
        (TxKind::ErrorReply, 5, 2, vec![]),
        (TxKind::ErrorReply, 5, 3, vec![]),
        (TxKind::Release, 0, 4, vec![]),
        (TxKind::Reply, 0, 5, vec![0, 0, 0, 5]),
    ];
    assert_eq!(bench.sent(), expected);
    let stats = WorkerStats {
        replies: 1,
        errors: 3,
        released: 1,
        try_again: 0,
    };
    assert_eq!(worker.stats(), stats);
}

#[test]
fn results_up_to_the_mtu_are_sent_and_no_longer_ones() {
    let bench = Bench::new();
    let limit = 1500 - 20 - 8 - 24u32;
    bench.call(adder::PROGRAM, 3, 1, &limit.to_be_bytes());
    bench.call(adder::PROGRAM, 3, 2, &(limit + 1).to_be_bytes());
    bench.call(adder::PROGRAM, 3, 3, &100_000u32.to_be_bytes());
    bench.call(adder::PROGRAM, 3, 4, &1u32.to_be_bytes());
    let mut worker = bench.worker();
    for _ in 0..4 {
        run(worker.step(&bench.services)).unwrap();
    }
    let expected = [
        (TxKind::Reply, 0, 1, vec![7; limit as usize]),
        (TxKind::ErrorReply, 5, 2, vec![]),
        (TxKind::ErrorReply, 5, 3, vec![]),
        (TxKind::Reply, 0, 4, vec![7]),
    ];
    assert_eq!(bench.sent(), expected);
}

/// The stages seen, and whether the worker may go on.
struct Log(RefCell<Vec<(Stage, u16)>>, RefCell<bool>);

impl Observer for &Log {
    async fn at(&self, stage: Stage, call: &RxHeader) {
        self.0.borrow_mut().push((stage, call.session.index));
        std::future::poll_fn(|_| match *self.1.borrow() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        })
        .await;
    }
}

#[test]
fn observer_sees_the_stages_of_each_call_and_may_wait() {
    let bench = Bench::new();
    let log = Log(RefCell::default(), RefCell::new(false));
    let mut worker = bench.worker_with(&log, Mode::RECALL);
    bench.call(echo::PROGRAM, echo::NULL, 6, &[]);
    let mut step = Task::new(worker.step(&bench.services));
    assert_eq!(step.poll(), None);
    assert!(bench.sent().is_empty());
    *log.1.borrow_mut() = true;
    assert_eq!(step.poll(), Some(Ok(Step::Served(Outcome::Reply))));
    let stages = [(Stage::Received, 6), (Stage::Handled, 6), (Stage::Sent, 6)];
    assert_eq!(*log.0.borrow(), stages);
}

#[test]
fn refuses_a_frame() {
    let bench = Bench::new();
    bench.card.answer(image(
        RxHeader {
            kind: RxKind::Frame,
            ..RxHeader::default()
        },
        &[0; 60],
    ));
    let error = run(bench.worker().step(&bench.services)).unwrap_err();
    assert_eq!(
        error,
        EndpointError::WrongKind {
            endpoint: ENDPOINT,
            kind: "FRAME"
        }
    );
}

#[test]
fn begins_nothing_while_the_scheduler_has_the_core() {
    let bench = Bench::new();
    let mut worker = bench.worker_with((), Mode::RECALL.preemptible());
    bench.call(echo::PROGRAM, echo::NULL, 1, &[]);
    bench.call(echo::PROGRAM, echo::NULL, 2, &[]);
    let served = Ok(Step::Served(Outcome::Reply));
    assert_eq!(run(worker.step(&bench.services)), served);
    bench.card.with(|card| card.set_ready(false));
    let before = bench.card.get().fills.len();
    let mut attempts = 0;
    let go_on = |_: &WorkerStats| {
        attempts += 1;
        attempts < 5
    };
    run(worker.run(&bench.services, go_on)).unwrap();
    let fills = bench.card.get().fills[before..].to_vec();
    assert_eq!(fills, [LineRole::Preemption], "it waits in its cache");
    bench.card.with(|card| card.set_ready(true));
    assert_eq!(run(worker.step(&bench.services)), served);
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn the_preemption_line_stays_in_the_cache_while_nobody_wants_the_core() {
    let bench = Bench::new();
    let mut worker = bench.worker_with((), Mode::RECALL.preemptible());
    for index in 0..5 {
        bench.call(echo::PROGRAM, echo::NULL, index, &[]);
        run(worker.step(&bench.services)).unwrap();
    }
    let card = bench.card.get();
    let loads = card
        .fills
        .iter()
        .filter(|role| **role == LineRole::Preemption);
    assert_eq!(loads.count(), 1);
}

#[test]
fn a_worker_that_is_asked_in_a_handler_ends_its_call_and_gives_the_line_back() {
    let bench = Bench::new();
    let log = Log(RefCell::default(), RefCell::new(false));
    let mut worker = bench.worker_with(&log, Mode::RECALL.preemptible());
    bench.call(echo::PROGRAM, echo::NULL, 6, &[]);
    let mut step = Task::new(worker.step(&bench.services));
    assert_eq!(step.poll(), None);
    bench.card.with(|card| card.set_ready(false));
    let word = |ready, busy| PreemptWord { ready, busy };
    assert_eq!(bench.card.get().word, word(false, true));
    *log.1.borrow_mut() = true;
    assert_eq!(step.poll(), Some(Ok(Step::Served(Outcome::Reply))));
    drop(step);
    assert_eq!(bench.card.get().word, word(false, false));
    assert_eq!(run(worker.step(&bench.services)), Ok(Step::Preempted));
}

#[test]
fn refuses_a_preemption_line_that_another_worker_left_busy() {
    let bench = Bench::new();
    bench.card.with(|card| card.word.busy = true);
    let mut worker = bench.worker_with((), Mode::RECALL.preemptible());
    let error = run(worker.step(&bench.services)).unwrap_err();
    assert_eq!(error, EndpointError::Busy { endpoint: ENDPOINT });
}
