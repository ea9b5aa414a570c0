//! # Timeline
//! When each RPC passed each stage, from the last bit of the call on the wire to the first bit of
//! the reply.

use std::collections::{BTreeMap, VecDeque};

use lauberhorn_interface::line::{RxHeader, RxKind};

use crate::monitor::LineEvent;
use crate::oracle::CallId;

/// A point that an RPC passes, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// First beat of the call at the MAC port.
    WireInFirst,
    /// Last beat of the call at the MAC port.
    WireInLast,
    /// First fill beat of the control line at the line port.
    FillFirst,
    /// The worker has the whole call.
    LoadComplete,
    /// The handler starts.
    HandlerStart,
    /// The handler has returned.
    HandlerEnd,
    /// The reply's control line is at the line port.
    ControlLine,
    /// First beat of the reply at the MAC port.
    WireOutFirst,
    /// Last beat of the reply at the MAC port.
    WireOutLast,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 9] = [
        Stage::WireInFirst,
        Stage::WireInLast,
        Stage::FillFirst,
        Stage::LoadComplete,
        Stage::HandlerStart,
        Stage::HandlerEnd,
        Stage::ControlLine,
        Stage::WireOutFirst,
        Stage::WireOutLast,
    ];

    /// Name for tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stage::WireInFirst => "wire_in_first",
            Stage::WireInLast => "wire_in_last",
            Stage::FillFirst => "fill_first",
            Stage::LoadComplete => "load_complete",
            Stage::HandlerStart => "handler_start",
            Stage::HandlerEnd => "handler_end",
            Stage::ControlLine => "control_line",
            Stage::WireOutFirst => "wire_out_first",
            Stage::WireOutLast => "wire_out_last",
        }
    }
}

/// One RPC's cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcTimes {
    /// Which.
    pub id: CallId,
    /// Endpoint that served it.
    pub endpoint: Option<usize>,
    cycles: [Option<u64>; Stage::ALL.len()],
}

impl RpcTimes {
    /// Cycle in which the stage was passed.
    pub fn cycle(&self, stage: Stage) -> Option<u64> {
        self.cycles[stage as usize]
    }

    /// Cycles between two stages.
    pub fn between(&self, from: Stage, to: Stage) -> Option<u64> {
        self.cycle(to)?.checked_sub(self.cycle(from)?)
    }

    fn set(&mut self, stage: Stage, cycle: u64) {
        self.cycles[stage as usize].get_or_insert(cycle);
    }
}

/// Follows all RPCs of a run.
#[derive(Debug, Default)]
pub struct Timeline {
    active: BTreeMap<CallId, VecDeque<RpcTimes>>,
    /// The call that each endpoint was given last.
    serving: BTreeMap<usize, CallId>,
    finished: Vec<RpcTimes>,
}

impl Timeline {
    /// A call was played in completely.
    pub fn call_in(&mut self, id: CallId, first_beat_cycle: u64, last_beat_cycle: u64) {
        let cycles = [None; Stage::ALL.len()];
        let mut times = RpcTimes {
            id,
            endpoint: None,
            cycles,
        };
        times.set(Stage::WireInFirst, first_beat_cycle);
        times.set(Stage::WireInLast, last_beat_cycle);
        self.active.entry(id).or_default().push_back(times);
    }

    /// Something happened at the line port.
    pub fn line_event(&mut self, event: &LineEvent) {
        match event {
            LineEvent::Answered {
                endpoint,
                header,
                first_beat_cycle,
                ..
            } => {
                if header.kind == RxKind::Call {
                    self.delivered(*endpoint, header, *first_beat_cycle);
                }
            }
            LineEvent::Control {
                endpoint,
                first_beat_cycle,
                ..
            } => {
                self.at(*endpoint, Stage::ControlLine, *first_beat_cycle);
            }
        }
    }

    fn delivered(&mut self, endpoint: usize, header: &RxHeader, cycle: u64) {
        let peer = header.peer_ipv4.to_be_bytes();
        // The header does not name the MAC address and the local port.
        let found = self.active.iter_mut().find_map(|(id, calls)| {
            let same = (id.xid, id.ipv4, id.port) == (header.xid, peer, header.peer_port);
            let waiting = calls.iter_mut().find(|times| times.endpoint.is_none());
            waiting.filter(|_| same)
        });
        if let Some(times) = found {
            times.endpoint = Some(endpoint);
            times.set(Stage::FillFirst, cycle);
            self.serving.insert(endpoint, times.id);
        }
    }

    /// The call that `endpoint` serves has passed a stage.
    pub fn at(&mut self, endpoint: usize, stage: Stage, cycle: u64) {
        let Some(id) = self.serving.get(&endpoint) else {
            return;
        };
        let calls = self.active.get_mut(id).into_iter().flatten();
        for times in calls.filter(|times| times.endpoint == Some(endpoint)) {
            times.set(stage, cycle);
        }
    }

    /// The reply to a call was sent.
    pub fn reply_out(&mut self, id: CallId, first_beat_cycle: u64, last_beat_cycle: u64) {
        let Some(calls) = self.active.get_mut(&id) else {
            return;
        };
        // Of repeated calls, the one that was served first.
        let served = calls.iter().position(|times| times.endpoint.is_some());
        if let Some(mut times) = calls.remove(served.unwrap_or(0)) {
            times.set(Stage::WireOutFirst, first_beat_cycle);
            times.set(Stage::WireOutLast, last_beat_cycle);
            self.finished.push(times);
        }
        if calls.is_empty() {
            self.active.remove(&id);
        }
    }

    /// RPCs with a reply, in the order of their replies.
    pub fn finished(&self) -> &[RpcTimes] {
        &self.finished
    }

    /// Takes the finished RPCs out, so that long runs do not collect them.
    pub fn take_finished(&mut self) -> Vec<RpcTimes> {
        std::mem::take(&mut self.finished)
    }
}
