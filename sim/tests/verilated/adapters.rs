//! What an adapter costs an RPC, from end to end, and that what it refuses is counted.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::lines::Registers;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::counters::CounterClass;
use lauberhorn_interface::registers::address;
use lauberhorn_sim::host::bus::BusSettings;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::stand::{Running, Stand};
use lauberhorn_sim::system::Stage;
use lauberhorn_sim::ways::{PROFILES, Way};
use lauberhorn_sim::workload::{CallSpec, Route};

const LIMIT_CYCLES: u64 = 200_000;
/// Between two calls, so that every worker waits again.
const PAUSE_CYCLES: u64 = 4_000;
/// Enough for some forbidden transactions of each kind.
const PROVOKED_CYCLES: u64 = 12_000;

/// Cycles from the last beat of an empty call to the first of its answer, settled.
fn overhead(profile: InterconnectProfile, mode: Mode, bus: Option<BusSettings>) -> u64 {
    let mut stand = Stand::new(profile);
    stand.mode = mode;
    stand.workers = 1;
    stand.bus = bus;
    let services = examples(stand.address).expect("they do not clash");
    let key = services.key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start().expect("the card comes up");
    let mut last = 0;
    for xid in 1..=3 {
        let call = CallSpec::new(xid, key, vec![0; 4]).frame(&Route::EXAMPLE);
        let not_before = running.system.cycle() + PAUSE_CYCLES;
        running.system.push_frame(call, false, not_before);
        running.finish_calls(LIMIT_CYCLES).expect("it is answered");
        let times = running.system.timeline_mut().take_finished();
        let times = times.last().expect("one more has finished");
        let at = |stage| times.cycle(stage).expect("it has passed all stages");
        last = at(Stage::WireOutFirst) - at(Stage::WireInLast);
    }
    last
}

/// Each crossing of the adapter takes two cycles, on PCIe three: of an eager reply fill and writeback; of one by
/// recall fill, load, recall, write, its answer and acknowledgement; on ECI recall and acknowledgement take three.
/// Lines of two beats are gathered once more on the bus. On PCIe a recall ends in the adapter instead of crossing
/// the link.
#[test]
fn an_adapter_adds_its_crossings_and_no_more() {
    for (profile, beats, cycles, recall_cycles) in [
        (InterconnectProfile::ECI, 2, 2, 3),
        (InterconnectProfile::CXL, 1, 2, 2),
        (InterconnectProfile::PCIE, 1, 3, 3),
    ] {
        for (mode, crossings) in [
            (Mode::EAGER, 2 * cycles),
            (Mode::RECALL, 4 * cycles + 2 * recall_cycles),
        ] {
            let direct = overhead(profile, mode, None);
            let through = overhead(profile, mode, Some(BusSettings::default()));
            let what = format!(
                "{} {:?}: {direct} cycles, {through} through the adapter",
                profile.name, mode.tx
            );
            println!("{what}");
            if !profile.coherent && mode == Mode::RECALL {
                assert!(through < direct, "{what}");
                continue;
            }
            let least = direct + crossings;
            let most = least + 2 * (beats - 1);
            assert!(
                (least..=most).contains(&through),
                "{what}, not {least} to {most}"
            );
        }
    }
}

/// Through the register file: as many as the bus model did wrong, and none after they were cleared.
#[test]
fn what_an_adapter_refuses_is_counted_in_registers() {
    let root = Seed::from_environment();
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test verilated adapters");
    for profile in PROFILES {
        let way = Way {
            profile,
            mode: Mode::EAGER,
            adapter: true,
        };
        let mut running = way.stand(root).start().expect("the card comes up");
        running.run_for(PROVOKED_CYCLES).expect("nothing breaks");
        assert_eq!(running.account().expect("counters"), Vec::<String>::new());
        let refused = |running: &mut Running| {
            let counters = running.counters().expect("counters");
            let bus = counters.into_iter();
            let bus = bus.filter(|(counter, _)| counter.class() == CounterClass::Bus);
            bus.map(|(_, count)| count).collect::<Vec<_>>()
        };
        let counts = refused(&mut running);
        println!("{way}: {counts:?}");
        // PCIe has no responses that could be dropped.
        let kinds = if profile.coherent { 3 } else { 2 };
        assert!(counts[..kinds].iter().all(|count| *count > 0), "{counts:?}");
        running
            .system
            .control("a register", LIMIT_CYCLES, |core| async move {
                core.write32(address::COUNTERS_CLEAR, 0).await
            })
            .expect("nothing breaks")
            .expect("it is written");
        assert_eq!(refused(&mut running), [0; 3]);
    }
}
