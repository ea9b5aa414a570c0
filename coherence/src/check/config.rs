//! What is modelled: sizes, features, and how the protocol is broken on purpose.

use crate::home::HomeConfig;

/// A way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Twin {
    /// RX lines are taken for returned without being recalled.
    ForgetRecall,
    /// A load that comes out of turn is answered TRY_AGAIN.
    AnswerBoth,
    /// A load of the other RX line acknowledges an answer, as published.
    AcknowledgeByLoad,
    /// A message is offered before overflow lines that the host holds are back.
    TakeEarly,
    /// The sequence number is not looked at.
    IgnoreSequence,
    /// A worker starts on an endpoint that was not reset.
    NoReset,
    /// An endpoint gets requests between its reset and the start of its next worker.
    EnableEarly,
    /// A fill overtakes the recall of the same line.
    Overtake,
    /// A slot is freed twice.
    FreeTwice,
    /// A slot is never freed.
    KeepSlot,
    /// The block timer does not run.
    NoTimer,
    /// The transmit path does not say that it has read a message.
    LoseTaken,
    /// The dispatcher never finds a waiting endpoint.
    LoseWaiting,
    /// READY stays clear when the worker gets its core back.
    ForgetAllow,
    /// The kernel takes the core as soon as READY is clear.
    IgnoreBusy,
}

/// What is modelled. Everything that is on may happen at any time, any number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Endpoints, each with its core.
    pub endpoints: usize,
    /// Processes; endpoint n starts with process n modulo this.
    pub processes: usize,
    /// Requests that exist at the same time.
    pub requests: usize,
    /// Eager replies; else the card recalls them.
    pub eager: bool,
    /// Every other request, with its reply, has an overflow line.
    pub overflow: bool,
    /// The host evicts any line, but this many at a time.
    pub evict: u8,
    /// The host loads any line by itself, but this many at a time; in recall mode none of the TX
    /// control lines.
    pub prefetch: u8,
    /// The scheduler retires waiting workers.
    pub retire: bool,
    /// Cores die.
    pub kill: bool,
    /// A worker that has left is replaced by one of any process.
    pub rebind: bool,
    /// The preemption line is used.
    pub preempt: bool,
    /// States that differ only in numbering count once.
    pub symmetry: bool,
    /// Orders that make no difference are visited once; safety only.
    pub reduce: bool,
    /// What is broken.
    pub twin: Option<Twin>,
}

impl Config {
    /// One endpoint, one process, one request, nothing on.
    pub const fn plain() -> Self {
        Self {
            endpoints: 1,
            processes: 1,
            requests: 1,
            eager: false,
            overflow: false,
            evict: 0,
            prefetch: 0,
            retire: false,
            kill: false,
            rebind: false,
            preempt: false,
            symmetry: true,
            reduce: true,
            twin: None,
        }
    }

    /// The card's part of it.
    pub fn home(&self) -> HomeConfig {
        HomeConfig {
            overflow_lines: self.overflow.into(),
            consume: self.twin != Some(Twin::AcknowledgeByLoad),
            eager: self.eager,
            sequence_mask: u32::from(self.twin != Some(Twin::IgnoreSequence)),
        }
    }

    /// What is on, in words.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "{} endpoint{} {} process{} {} request{}: {}",
            self.endpoints,
            if self.endpoints == 1 { "," } else { "s," },
            self.processes,
            if self.processes == 1 { "," } else { "es," },
            self.requests,
            if self.requests == 1 { "" } else { "s" },
            if self.eager { "eager" } else { "recall" },
        );
        let features = [
            (self.overflow, "overflow".to_owned()),
            (self.evict > 0, format!("evict {}", self.evict)),
            (self.prefetch > 0, format!("prefetch {}", self.prefetch)),
            (self.retire, "retire".to_owned()),
            (self.kill, "kill".to_owned()),
            (self.rebind, "rebind".to_owned()),
            (self.preempt, "preempt".to_owned()),
        ];
        for (_, name) in features.into_iter().filter(|(on, _)| *on) {
            text += ", ";
            text += &name;
        }
        text
    }
}
