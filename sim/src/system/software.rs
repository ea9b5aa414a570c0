//! Charges simulated time for the driver's software, and notes when workers pass their stages.

use std::cell::RefCell;
use std::rc::Rc;

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_driver::worker::{self, Observer};
use lauberhorn_interface::line::RxHeader;

use super::timeline::Stage;
use crate::host::ns_to_cycles;
use crate::lockstep::SimCore;

/// What the software costs, in core clock cycles of the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftwareCost {
    /// Before each operation on a line or register.
    pub op_cycles: u64,
    /// After the load of a control line that brought a message.
    pub control_cycles: u64,
    /// Before the first overflow line of a message is loaded.
    pub overflow_cycles: u64,
    /// From the last load of a call to the handler.
    pub receive_cycles: u64,
    /// The handler.
    pub handler_cycles: u64,
    /// Bytes of a message that one load brings, where that is less than a line: the header takes one
    /// load, and each line of the body as many as its bytes need, one after the other.
    pub load_bytes: Option<usize>,
}

impl SoftwareCost {
    /// Further loads of a line, after the one that brought the header or the line's first bytes, for `bytes` of
    /// the body in it.
    pub(crate) fn further_loads(&self, is_control: bool, bytes: usize) -> usize {
        let Some(load_bytes) = self.load_bytes else {
            return 0;
        };
        let loads = bytes.div_ceil(load_bytes);
        if is_control {
            loads
        } else {
            loads.saturating_sub(1)
        }
    }

    /// What the profile says of software.
    pub fn from_profile(profile: &InterconnectProfile, clock_hz: u64) -> Self {
        Self {
            control_cycles: ns_to_cycles(profile.control_software_ns, clock_hz),
            overflow_cycles: ns_to_cycles(profile.overflow_software_ns, clock_hz),
            ..Self::default()
        }
    }
}

/// Worker stages not yet in the timeline: endpoint, stage, cycle.
pub(super) type StageLog = Rc<RefCell<Vec<(usize, Stage, u64)>>>;

/// Observes one worker.
#[derive(Clone, Debug)]
pub(super) struct WorkerObserver {
    pub core: SimCore,
    pub endpoint: usize,
    pub cost: SoftwareCost,
    pub log: StageLog,
}

impl WorkerObserver {
    fn note(&self, stage: Stage) {
        let entry = (self.endpoint, stage, self.core.cycle());
        self.log.borrow_mut().push(entry);
    }
}

impl Observer for WorkerObserver {
    async fn at(&self, stage: worker::Stage, _: &RxHeader) {
        match stage {
            worker::Stage::Received => {
                self.note(Stage::LoadComplete);
                self.core.delay(self.cost.receive_cycles).await;
                self.note(Stage::HandlerStart);
                self.core.delay(self.cost.handler_cycles).await;
            }
            worker::Stage::Handled => self.note(Stage::HandlerEnd),
            worker::Stage::Sent => {}
        }
    }
}
