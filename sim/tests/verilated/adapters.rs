//! What an adapter costs an RPC, from end to end.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_sim::host::bus::BusSettings;
use lauberhorn_sim::stand::Stand;
use lauberhorn_sim::system::Stage;
use lauberhorn_sim::workload::{CallSpec, Route};

const LIMIT_CYCLES: u64 = 200_000;
/// Between two calls, so that every worker waits again.
const PAUSE_CYCLES: u64 = 4_000;

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

/// Each crossing of the adapter takes two cycles: of an eager reply fill and writeback; of one by recall fill,
/// load, recall, write, its answer and acknowledgement; on ECI recall and acknowledgement take three. Lines of two
/// beats are gathered once more on the bus. On PCIe what is written takes a third cycle, and a recall ends in the
/// adapter instead of crossing the link.
#[test]
fn an_adapter_adds_its_crossings_and_no_more() {
    for (profile, beats, written_cycles, recall_cycles) in [
        (InterconnectProfile::ECI, 2, 2, 3),
        (InterconnectProfile::CXL, 1, 2, 2),
        (InterconnectProfile::PCIE, 1, 3, 2),
    ] {
        for (mode, crossings) in [
            (Mode::EAGER, 2 + written_cycles),
            (Mode::RECALL, 3 * 2 + written_cycles + 2 * recall_cycles),
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
