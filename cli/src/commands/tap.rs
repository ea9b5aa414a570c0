//! `lauberhorn tap`: the simulated card behind a TAP device, for real clients.

use crate::options::CardOptions;
use clap::Args;
use lauberhorn_driver::stack::channel;
use lauberhorn_interface::config::CORE_CLOCK_HZ;
use lauberhorn_sim::stand::Running;
use lauberhorn_sim::tap::Tap;
use std::cell::Cell;
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The card is simulated in pieces of so many cycles between looks at the device.
const SLICE_CYCLES: u64 = 256;
/// Without activity for so long, the simulation rests until a frame comes.
const REST_AFTER_CYCLES: u64 = 4096;
/// How long a rest lasts before the device is looked at again.
const REST: Duration = Duration::from_micros(200);
/// Frames that wait for the second device.
const BYPASS_FRAMES: usize = 256;

/// Put the simulated card behind a TAP device; real clients on this machine can then call it.
#[derive(Args)]
pub struct TapCommand {
    #[command(flatten)]
    card: CardOptions,
    /// The TAP device that plays the wire; created when it does not exist.
    #[arg(long)]
    name: String,
    /// A second TAP device that gets the bypass traffic, so that this machine's kernel is the
    /// card's host stack; without it a stack in this process answers ARP and ICMP.
    #[arg(long)]
    host_name: Option<String>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

impl TapCommand {
    /// Serves until interrupted, or for the given time.
    pub fn run(self) -> anyhow::Result<()> {
        let mut wire = Tap::open(&self.name)?;
        let end = self
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut stand = self.card.stand();
        // Real time does not stand still with the simulation; long waits cost nothing but cycles. An
        // adapter may have a deadline for them.
        if !self.card.bus {
            stand.block_time_cycles = 100_000;
        }
        eprintln!(
            "card {} behind {}; stop with ctrl-c",
            stand.address,
            wire.name()
        );
        match &self.host_name {
            None => serve(&mut stand.start()?, &mut wire, None, end),
            Some(name) => {
                let mut host = Tap::open(name)?;
                let (stack, peer) = channel::pair(BYPASS_FRAMES);
                let mut running = stand.start_with(stack, Rc::new(Cell::new(0)))?;
                serve(&mut running, &mut wire, Some((&mut host, peer)), end)
            }
        }
    }
}

type HostDevice<'a> = (&'a mut Tap, channel::ChannelPeer);

fn serve(
    running: &mut Running,
    wire: &mut Tap,
    mut host: Option<HostDevice<'_>>,
    end: Option<Instant>,
) -> anyhow::Result<()> {
    while end.is_none_or(|end| Instant::now() < end) {
        let mut moved = false;
        while let Some(frame) = wire.receive()? {
            running.system.push_frame(frame, false, 0);
            moved = true;
        }
        if let Some((device, peer)) = &mut host {
            while let Some(frame) = device.receive()? {
                peer.send(frame);
                moved = true;
            }
        }
        for _ in 0..SLICE_CYCLES {
            running.step()?;
        }
        for frame in running.system.take_sent() {
            wire.send(&frame.bytes)?;
            moved = true;
        }
        if let Some((device, peer)) = &mut host {
            while let Some(frame) = peer.receive() {
                device.send(&frame)?;
                moved = true;
            }
        }
        running.system.timeline_mut().take_finished();
        if !moved && running.system.is_quiet_for(REST_AFTER_CYCLES) {
            sleep(REST);
        }
    }
    let seconds = running.system.cycle() as f64 / CORE_CLOCK_HZ as f64;
    eprintln!(
        "{} replies in {seconds:.6} s of the card's time",
        running.system.scoreboard().replies()
    );
    Ok(())
}
