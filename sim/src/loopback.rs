//! # Bare frames through a raw worker
//! The published experiment without its wire loop: a frame comes in, software on one core loads it,
//! and sends it back. No RPC, no other traffic. Both directions are measured between the points of
//! the published data: first beat in to the whole frame at the software, and software about to store
//! to last beat out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lauberhorn_driver::stack::HostStack;
use lauberhorn_driver::stack::channel;
use thiserror::Error;

use crate::stand::{Stand, StandError};

/// The endpoint that is made raw.
const RAW_ENDPOINT: usize = 1;
/// Frames of each size before the one that counts, so that both parities were used.
const WARM_UP_FRAMES: usize = 2;
const LIMIT_CYCLES: u64 = 200_000;
/// So long nothing happens between two frames.
const QUIET_CYCLES: u64 = 1_000;
/// An EtherType for experiments: for nobody but us.
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];

/// The experiment failed.
#[derive(Debug, Error)]
pub enum LoopbackError {
    /// The card could not be put to work, or broke a contract.
    #[error(transparent)]
    Stand(#[from] StandError),
    /// A frame did not come back as it was.
    #[error("a frame of {frame_bytes} bytes came back as {came_back} frames, or changed")]
    Changed {
        /// Its length.
        frame_bytes: usize,
        /// Frames that came back.
        came_back: usize,
    },
}

/// How long a bare frame took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTimes {
    /// Bytes without FCS.
    pub frame_bytes: usize,
    /// First beat in to the whole frame in the software's hands.
    pub rx_cycles: u64,
    /// Software about to store the frame to its last beat out.
    pub tx_cycles: u64,
}

/// Software that sends back what it gets, and notes when.
struct Mirror {
    now: Rc<Cell<u64>>,
    times: Rc<RefCell<(u64, u64)>>,
    frame: Option<Vec<u8>>,
}

impl HostStack for Mirror {
    fn receive(&mut self, frame: &[u8]) {
        self.times.borrow_mut().0 = self.now.get();
        self.frame = Some(frame.to_vec());
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        let frame = self.frame.take()?;
        self.times.borrow_mut().1 = self.now.get();
        Some(frame)
    }
}

/// Sends one frame of each size through `stand`, whose other workers stay idle.
///
/// # Errors
/// When a frame does not come back.
pub fn measure(mut stand: Stand, sizes: &[usize]) -> Result<Vec<RawTimes>, LoopbackError> {
    stand.workers = 0;
    stand.raw_workers = 1 << (RAW_ENDPOINT - 1);
    let (mac, mode) = (stand.mac, stand.mode);
    let now = Rc::new(Cell::new(0));
    // Nothing reaches the bypass endpoint while a worker is raw.
    let (idle, _peer) = channel::pair(1);
    let mut running = stand.start_with(idle, now.clone())?;
    let times = Rc::new(RefCell::new((0, 0)));
    let mirror = Mirror {
        now,
        times: times.clone(),
        frame: None,
    };
    running.system.spawn_bypass(mirror, RAW_ENDPOINT, mode);
    let mut results = Vec::new();
    for &frame_bytes in sizes {
        let mut frame = [&mac[..], &[2, 0, 0, 0, 0, 2], &ETHER_TYPE].concat();
        frame.extend((frame.len()..frame_bytes).map(|index| index as u8));
        let mut last = None;
        for _ in 0..=WARM_UP_FRAMES {
            running.system.push_frame(frame.clone(), false, 0);
            let mut sent = Vec::new();
            let limit = running.system.cycle() + LIMIT_CYCLES;
            while sent.is_empty() && running.system.cycle() < limit {
                running.step()?;
                sent = running.system.take_sent();
            }
            running.settle(QUIET_CYCLES, LIMIT_CYCLES)?;
            let came_back = sent.len();
            let changed = LoopbackError::Changed {
                frame_bytes,
                came_back,
            };
            let [back] = &sent[..] else {
                return Err(changed);
            };
            let played = running.system.last_played();
            let (Some(played), true) = (played, back.bytes == frame) else {
                return Err(changed);
            };
            let (received, sending) = *times.borrow();
            last = Some(RawTimes {
                frame_bytes,
                rx_cycles: received - played.first_beat_cycle,
                tx_cycles: back.last_beat_cycle - sending,
            });
        }
        results.extend(last);
    }
    let faults = running.account()?;
    if !faults.is_empty() {
        return Err(StandError::Faults(faults).into());
    }
    Ok(results)
}
