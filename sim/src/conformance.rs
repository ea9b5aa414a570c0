//! # Conformance
//! A short run of the Verilated card, some of whose workers are killed or asked for their core, that meets
//! as many pairs of state and message of the lines' homes as a host with the driver's software can bring
//! about. The monitor compares every message with what the homes would have done; what it met is the result.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_coherence::conform::Coverage;
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::lines::Registers;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::registers::address;

use crate::nic_model::NicModel;
use crate::seed::Seed;
use crate::stand::StandError;
use crate::system::System;
use crate::ways::Way;
use crate::workload::{CallSpec, Route};

/// Longest arguments of a call.
const ARGUMENT_BYTES: usize = 1400;
const GROUP_CALLS: u32 = 8;
/// Calls between two kills.
const KILL_EVERY: u32 = 32;
/// A worker that is asked for its core, every other group; and reads of the register while it yields.
const ASKED: usize = 2;
const YIELD_READS: usize = 10_000;
const LIMIT_CYCLES: u64 = 1_000_000;
const WRITE_LIMIT_CYCLES: u64 = 10_000;

/// The systems of [`run`].
const SYSTEMS: [Way; 3] = [
    direct(InterconnectProfile::ECI, Mode::RECALL.preemptible()),
    direct(InterconnectProfile::CXL, Mode::EAGER.preemptible()),
    direct(InterconnectProfile::ECI, Mode::CONSUME.preemptible()),
];

const fn direct(profile: InterconnectProfile, mode: Mode) -> Way {
    Way {
        profile,
        mode,
        adapter: false,
    }
}

/// Runs `calls` calls through each of three systems that differ in interconnect and mode.
///
/// # Errors
/// When the card does what the protocol does not allow, or anything else fails.
pub fn run(seed: Seed, calls: u32) -> Result<Coverage, StandError> {
    let mut coverage = Coverage::default();
    for way in SYSTEMS {
        coverage.merge(&run_in(way, seed, calls)?);
    }
    Ok(coverage)
}

/// Runs `calls` calls through a system, while caches evict and channels stall at random, and cores
/// prefetch where that is safe; now and then a worker is killed and replaced, and one is asked for its core
/// where it may be. Then the workers retire.
///
/// # Errors
/// As of [`run`].
pub fn run_in(way: Way, seed: Seed, calls: u32) -> Result<Coverage, StandError> {
    let stand = way.stand(seed.child("conformance"));
    let block_cycles = u64::from(stand.block_time_cycles);
    let key = examples(stand.address)?.key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start()?;
    for first in (0..calls).step_by(GROUP_CALLS as usize) {
        for call in first..calls.min(first + GROUP_CALLS) {
            let bytes = call as usize * 97 % ARGUMENT_BYTES;
            let mut arguments = (bytes as u32).to_be_bytes().to_vec();
            arguments.resize(4 + bytes.next_multiple_of(4), 0x5a);
            let frame = CallSpec::new(call, key, arguments).frame(&Route::EXAMPLE);
            running.system.push_frame(frame, false, 0);
        }
        if first % KILL_EVERY == 0 {
            let cycles = u64::from(first) * 5 % 1500;
            let start = running.system.cycle();
            let soon = move |system: &System<NicModel>| system.cycle() >= start + cycles;
            running.system.run_until("a while", LIMIT_CYCLES, soon)?;
            running.kill_worker(1)?;
            running.replace_worker(1)?;
        }
        if way.mode.preemption {
            match first / GROUP_CALLS % 2 {
                0 => running.preempt_worker(ASKED, YIELD_READS)?,
                _ => running.allow_worker(ASKED)?,
            }
        }
        running.finish_calls(LIMIT_CYCLES)?;
        // Some waits end without a call.
        running.settle(block_cycles, LIMIT_CYCLES)?;
    }
    running
        .system
        .control("retirement", WRITE_LIMIT_CYCLES, |core| async move {
            core.write32(address::WORKER_ENABLE, 0).await
        })??;
    running.settle(2 * block_cycles, LIMIT_CYCLES)?;
    let faults = running.account()?;
    if !faults.is_empty() {
        return Err(StandError::Faults(faults));
    }
    Ok(running.system.monitor().coverage().clone())
}
