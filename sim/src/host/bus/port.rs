//! The cores' side of a bus: whole line messages instead of beats.

use std::collections::VecDeque;

use crate::host::{
    FillBeat, LineBytes, LinePortIn, LinePortOut, Load, MAX_LINE_BYTES, Recall, ToHost, line_beat,
    set_line_beat,
};

/// A line message of the cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromHost {
    Load(Load),
    /// Line given back: its content if modified, else a notice.
    Writeback(u32, Option<Box<LineBytes>>),
    /// Answer to the recall of this line.
    Acknowledge(u32, Option<Box<LineBytes>>),
}

/// Lines being put together from beats, and messages being taken apart into beats.
#[derive(Debug)]
pub(super) struct HostPort {
    beats: usize,
    writeback: Vec<[u64; 8]>,
    ack: Vec<[u64; 8]>,
    messages: VecDeque<ToHost>,
    beat_idx: usize,
}

fn line(beats: &mut Vec<[u64; 8]>, dirty: bool) -> Option<Box<LineBytes>> {
    let mut data = Box::new([0; MAX_LINE_BYTES]);
    for (index, beat) in beats.drain(..).enumerate() {
        set_line_beat(&mut data, index, &beat);
    }
    dirty.then_some(data)
}

impl HostPort {
    pub(super) fn new(line_bytes: usize) -> HostPort {
        HostPort {
            beats: line_bytes / 64,
            writeback: Vec::new(),
            ack: Vec::new(),
            messages: VecDeque::new(),
            beat_idx: 0,
        }
    }

    /// The messages that the cores complete in this cycle, a load last: it is behind the others.
    pub(super) fn receive(&mut self, host: &LinePortIn) -> Vec<FromHost> {
        let mut messages = Vec::new();
        if let Some(beat) = &host.writeback {
            self.writeback.push(beat.data);
            if beat.last {
                let data = line(&mut self.writeback, beat.dirty);
                messages.push(FromHost::Writeback(beat.address, data));
            }
        }
        if let Some(beat) = &host.recall_ack {
            self.ack.push(beat.data);
            if beat.last {
                let data = line(&mut self.ack, beat.dirty);
                messages.push(FromHost::Acknowledge(beat.id.into(), data));
            }
        }
        messages.extend(host.load.map(FromHost::Load));
        messages
    }

    /// Gives the cores a line.
    pub(super) fn fill(&mut self, id: u8, exclusive: bool, data: Box<LineBytes>) {
        let fill = ToHost::Fill {
            id,
            exclusive,
            data,
        };
        self.messages.push_back(fill);
    }

    /// Asks the cores for a line; its number is the id.
    pub(super) fn recall(&mut self, line: u32) {
        let id = line as u16;
        self.messages
            .push_back(ToHost::Recall { address: line, id });
    }

    /// What the cores see in this cycle. Messages leave one after the other, so that a recall never
    /// overtakes the line it is about.
    pub(super) fn exchange(&mut self, host: &LinePortIn) -> LinePortOut {
        let mut out = LinePortOut {
            load_ready: true,
            writeback_ready: true,
            recall_ack_ready: true,
            ..LinePortOut::default()
        };
        let mut done = false;
        match self.messages.front() {
            Some(ToHost::Fill {
                id,
                exclusive,
                data,
            }) => {
                let last = self.beat_idx + 1 == self.beats;
                out.fill = Some(FillBeat {
                    id: *id,
                    exclusive: *exclusive,
                    data: line_beat(data, self.beat_idx),
                    last,
                });
                done = host.fill_ready && last;
                self.beat_idx += usize::from(host.fill_ready);
            }
            Some(ToHost::Recall { address, id }) => {
                out.recall = Some(Recall {
                    address: *address,
                    id: *id,
                });
                done = host.recall_ready;
            }
            None => {}
        }
        if done {
            self.messages.pop_front();
            self.beat_idx = 0;
        }
        out
    }
}
