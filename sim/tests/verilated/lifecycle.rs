//! Workers that wait in vain, are interrupted, retire and come back: whatever happens to some of them, the
//! calls are answered.

use lauberhorn_driver::bringup::reset_endpoint;
use lauberhorn_driver::endpoint::Acknowledge;
use lauberhorn_driver::lines::Registers;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::registers::address;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::Running;
use lauberhorn_sim::ways::Way;
use lauberhorn_sim::workload::{CallSpec, Route};

use crate::ways::in_every_way;

const CALLS: u32 = 6;
const PAUSE_CYCLES: u64 = 30_000;
const LIMIT_CYCLES: u64 = 200_000;

in_every_way!(calls_are_answered_by_those_who_are_there);

fn calls_are_answered_by_those_who_are_there(way: Way, seed: Seed) {
    let stand = way.stand(seed);
    let workers = stand.workers;
    let block_cycles = u64::from(stand.block_time_cycles);
    // A wait that has ended is followed by the next, a few crossings later.
    let longest_wait = 2 * block_cycles;
    let key = examples(stand.address)
        .unwrap()
        .key(echo::PROGRAM, echo::VERSION, echo::ECHO);
    let mut running = stand.start().unwrap();
    let mut xid = 0;
    // The endpoints that answer the next calls.
    let mut serve = |running: &mut Running| {
        running.system.timeline_mut().take_finished();
        for _ in 0..CALLS {
            xid += 1;
            let bytes = 60 * (xid as usize % 20);
            let mut arguments = (bytes as u32).to_be_bytes().to_vec();
            arguments.resize(4 + bytes, xid as u8);
            let call = CallSpec::new(xid, key, arguments).frame(&Route::EXAMPLE);
            running.system.push_frame(call, false, 0);
        }
        running.finish_calls(LIMIT_CYCLES).unwrap();
        let served = running.system.timeline_mut().take_finished();
        let mut endpoints: Vec<_> = served.iter().filter_map(|times| times.endpoint).collect();
        assert_eq!(endpoints.len(), CALLS as usize);
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints
    };

    // Everybody waits in vain, then serves.
    running.run_for(2 * longest_wait).unwrap();
    let tries = running.counters().unwrap()[Counter::EndpointTryAgain.index()].1;
    assert!(tries >= 2 * workers as u64, "{tries}");
    serve(&mut running);

    // All but the last are interrupted while they wait, and do not wait again. Where answers are
    // acknowledged by store, a prefetch looks like a wait, and a call may meet it.
    for endpoint in 1..workers {
        running.system.pause(endpoint, PAUSE_CYCLES);
    }
    running.run_for(longest_wait).unwrap();
    let endpoints = serve(&mut running);
    if way.mode.acknowledge == Acknowledge::Load || !way.profile.coherent {
        assert_eq!(endpoints, [workers]);
    }
    running.run_for(PAUSE_CYCLES).unwrap();
    serve(&mut running);

    // The first two retire; a new worker takes the place of each.
    enable(&mut running, (1 << workers) - 4);
    running.run_for(longest_wait).unwrap();
    for retired in [1, 2] {
        assert!(running.system.is_finished(retired), "{retired}");
        assert!(!serve(&mut running).contains(&retired));
    }
    for endpoint in [1, 2] {
        running
            .system
            .control("a reset", LIMIT_CYCLES, move |core| async move {
                reset_endpoint(&core, endpoint).await
            })
            .unwrap()
            .unwrap();
        running.replace_worker(endpoint).unwrap();
    }
    serve(&mut running);

    // All retire: a call waits for the first that comes back.
    enable(&mut running, 0);
    running.run_for(longest_wait).unwrap();
    for endpoint in 1..=workers {
        assert!(running.system.is_finished(endpoint), "{endpoint}");
        running
            .system
            .control("a reset", LIMIT_CYCLES, move |core| async move {
                reset_endpoint(&core, endpoint).await
            })
            .unwrap()
            .unwrap();
    }
    running.replace_worker(workers).unwrap();
    assert_eq!(serve(&mut running), [workers]);
    running.settle(longest_wait, LIMIT_CYCLES).unwrap();
    assert_eq!(running.account().unwrap(), Vec::<String>::new());
}

/// Lets these workers be given calls; all others retire.
fn enable(running: &mut Running, mask: u32) {
    running
        .system
        .control("a register", LIMIT_CYCLES, move |core| async move {
            core.write32(address::WORKER_ENABLE, mask).await
        })
        .unwrap()
        .unwrap();
}
