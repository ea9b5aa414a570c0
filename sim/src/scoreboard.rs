//! # Scoreboard
//! Holds every frame that went in against everything that came out. During a run each sent frame
//! must be the right reply to an open call, or a frame of the host's own; at the end every frame
//! in is accounted for by exactly one disposition, nothing is left over and nothing has leaked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use lauberhorn_driver::service::{Outcome, Request, Serve, Services};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::line::AcceptStat;
use thiserror::Error;

use crate::oracle::rpc::accepted;
use crate::oracle::{
    CallId, Decision, ExpectedCall, ExpectedReply, ReplyCheckError, Rules, dispositions,
};

/// A sent frame that should not be, or totals that do not add up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum ScoreError {
    #[error("cycle {cycle}: a sent frame is not a well-formed reply: {source}")]
    Malformed { cycle: u64, source: ReplyCheckError },
    #[error("cycle {cycle}: a reply to {id:?}, which has no open call: a duplicate, or invented")]
    UnknownReply { cycle: u64, id: CallId },
    #[error("cycle {cycle}: a wrong reply to {id:?}: {found:02x?}, not {expected:02x?}")]
    WrongReply {
        cycle: u64,
        id: CallId,
        found: Vec<u8>,
        expected: Vec<u8>,
    },
    #[error("{counter} is {found}, expected {expected}")]
    Count {
        counter: &'static str,
        found: u64,
        expected: u64,
    },
    #[error("{what}: the card counted {found}, the frames that went in allow {expected}")]
    Group {
        what: &'static str,
        found: u64,
        expected: u64,
    },
    #[error(
        "{open} calls are open at the end, {allowed} were dropped or released; first {first:?}"
    )]
    Unanswered {
        open: u64,
        allowed: u64,
        first: Option<CallId>,
    },
}

/// What the handlers would answer: the whole RPC message, if it can be told.
pub type Handlers = Box<dyn Fn(&ExpectedCall) -> Option<Vec<u8>>>;

/// Handlers that answer as `services` does, from workers whose replies carry up to `limit_bytes`.
pub fn handlers_of(services: Services, limit_bytes: usize) -> Handlers {
    let services = RefCell::new(services);
    Box::new(move |call| {
        let peer = SocketAddrV4::new(call.id.ipv4.into(), call.id.port);
        let request = Request {
            function: call.function,
            xid: call.id.xid,
            peer,
        };
        let mut results = Vec::new();
        let (status, body) = match services.serve(request, &call.body, &mut results) {
            Outcome::Reply if results.len() <= limit_bytes => (AcceptStat::Success, results),
            Outcome::Reply => (AcceptStat::SystemErr, Vec::new()),
            Outcome::Error(error) => (error.status(), Vec::new()),
            Outcome::Release => return None,
        };
        let mut message = accepted(call.id.xid, status, &[]);
        message.extend(body);
        Some(message)
    })
}

#[derive(Clone, Debug)]
enum Open {
    Answer(ExpectedReply),
    Call(ExpectedCall),
}

/// Accounts for frames.
pub struct Scoreboard {
    rules: Rules,
    handlers: Handlers,
    open: BTreeMap<CallId, Vec<Open>>,
    decided: BTreeMap<Counter, u64>,
    frames_in: u64,
    replies: u64,
    other_frames_out: u64,
    /// Calls that may yet be answered SYSTEM_ERR, as their worker was killed.
    orphans: u64,
}

impl Scoreboard {
    /// An empty scoreboard.
    pub fn new(rules: Rules, handlers: Handlers) -> Scoreboard {
        Scoreboard {
            rules,
            handlers,
            open: BTreeMap::new(),
            decided: BTreeMap::new(),
            frames_in: 0,
            replies: 0,
            other_frames_out: 0,
            orphans: 0,
        }
    }

    /// What the card is configured to do.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A frame goes in; what must become of it.
    pub fn frame_in(&mut self, bytes: &[u8], mac_error: bool) -> Decision {
        let decision = self.rules.decide(bytes, mac_error);
        self.frames_in += 1;
        *self.decided.entry(decision.counter()).or_default() += 1;
        match &decision {
            Decision::Answer(_, reply) => self.push(reply.id, Open::Answer(reply.clone())),
            Decision::Dispatch(call) => self.push(call.id, Open::Call(call.clone())),
            Decision::Drop(_) | Decision::Bypass => {}
        }
        decision
    }

    /// A worker was killed: one call may be answered SYSTEM_ERR.
    pub fn worker_killed(&mut self) {
        self.orphans += 1;
    }

    fn push(&mut self, id: CallId, open: Open) {
        self.open.entry(id).or_default().push(open);
    }

    /// A frame came out. The call it answers, if it is a reply.
    ///
    /// # Errors
    /// When it is not a well-formed, right reply to an open call.
    pub fn frame_out(&mut self, cycle: u64, bytes: &[u8]) -> Result<Option<CallId>, ScoreError> {
        if !self.is_reply(bytes) {
            self.other_frames_out += 1;
            return Ok(None);
        }
        let reply = self.rules.read_reply(bytes);
        let reply = reply.map_err(|source| ScoreError::Malformed { cycle, source })?;
        let id = reply.id;
        let Some(calls) = self.open.get_mut(&id) else {
            return Err(ScoreError::UnknownReply { cycle, id });
        };
        let mut expected = Vec::new();
        let handlers = &self.handlers;
        let found = calls.iter().position(|open| {
            let message = match open {
                Open::Answer(reply) => Some(reply.message.clone()),
                Open::Call(call) => handlers(call),
            };
            // A handler whose answer is not known may say anything that is a reply.
            let right = message
                .as_ref()
                .is_none_or(|message| *message == reply.message);
            expected = message.unwrap_or_default();
            right
        });
        let failed = accepted(id.xid, AcceptStat::SystemErr, &[]) == reply.message;
        let orphan = calls
            .iter()
            .position(|open| matches!(open, Open::Call(_)))
            .filter(|_| failed && found.is_none() && self.orphans > 0);
        if orphan.is_some() {
            self.orphans -= 1;
        }
        let Some(position) = found.or(orphan) else {
            return Err(ScoreError::WrongReply {
                cycle,
                id,
                found: reply.message,
                expected,
            });
        };
        calls.remove(position);
        if calls.is_empty() {
            self.open.remove(&id);
        }
        self.replies += 1;
        Ok(Some(id))
    }

    /// A UDP datagram from one of the RPC ports; all else is the host stack's.
    fn is_reply(&self, bytes: &[u8]) -> bool {
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        bytes.len() >= 42
            && port(12) == 0x0800
            && bytes[14] == 0x45
            && bytes[23] == 17
            && self.rules.rpc_ports.contains(&port(34))
    }

    /// Frames that went in.
    pub fn frames_in(&self) -> u64 {
        self.frames_in
    }

    /// Right replies that came out.
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// Frames of the host's own that came out.
    pub fn other_frames_out(&self) -> u64 {
        self.other_frames_out
    }

    /// Calls without an answer so far.
    pub fn open_calls(&self) -> u64 {
        self.open.values().map(|calls| calls.len() as u64).sum()
    }

    /// Checks the card's counters after the last frame has been dealt with.
    ///
    /// # Errors
    /// One for each total that does not add up; empty when all is well.
    pub fn finish(&self, config: &NicConfig, read: impl Fn(Counter) -> u64) -> Vec<ScoreError> {
        let mut errors = Vec::new();
        let mut expect = |counter: Counter, expected: u64| {
            let found = read(counter);
            if found != expected {
                let counter = counter.name();
                errors.push(ScoreError::Count {
                    counter,
                    found,
                    expected,
                });
            }
        };
        let decided = |counter: Counter| self.decided.get(&counter).copied().unwrap_or(0);
        expect(Counter::RxFrames, self.frames_in);
        expect(Counter::TxFrames, self.replies + self.other_frames_out);
        expect(Counter::FreeCallSlots, config.call_slots() as u64);
        expect(Counter::FreeBypassSlots, config.bypass_slots() as u64);
        expect(Counter::FreeSessions, config.sessions() as u64);
        expect(Counter::QueuedCalls, 0);
        for counter in DROPS {
            expect(counter, decided(counter));
        }
        let mut group = |what, counters: &[Counter], lost: &[Counter]| {
            let found = counters
                .iter()
                .chain(lost)
                .map(|&counter| read(counter))
                .sum();
            let expected = counters.iter().map(|&counter| decided(counter)).sum();
            if found != expected {
                errors.push(ScoreError::Group {
                    what,
                    found,
                    expected,
                });
            }
        };
        let call_losses = [Counter::RxDropNoSlot, Counter::RxDropNoSession];
        group("accepted calls", &[Counter::RxCallDispatched], &call_losses);
        group(
            "bypass frames",
            &[Counter::RxBypass],
            &[Counter::RxDropBypassFull],
        );
        group(
            "answers of the card",
            &ANSWERS,
            &[Counter::RxDropReplyQueueFull],
        );
        let all: Vec<Counter> = dispositions().collect();
        let total = all.iter().map(|&counter| read(counter)).sum::<u64>();
        if total != self.frames_in {
            let what = "all dispositions together";
            errors.push(ScoreError::Group {
                what,
                found: total,
                expected: self.frames_in,
            });
        }
        let allowed = [
            Counter::RxDropNoSlot,
            Counter::RxDropNoSession,
            Counter::RxDropReplyQueueFull,
            Counter::TxReleased,
        ];
        let allowed = allowed.into_iter().map(&read).sum();
        let open = self.open_calls();
        if open != allowed {
            let first = self.open.keys().next().copied();
            errors.push(ScoreError::Unanswered {
                open,
                allowed,
                first,
            });
        }
        errors
    }
}

/// Drops that do not depend on load.
const DROPS: [Counter; 8] = [
    Counter::RxDropMacError,
    Counter::RxDropRunt,
    Counter::RxDropOversize,
    Counter::RxDropNotForUs,
    Counter::RxDropIpv4Header,
    Counter::RxDropUdpLength,
    Counter::RxDropUdpChecksum,
    Counter::RxDropRpcMalformed,
];

/// Calls that the card answers by itself.
const ANSWERS: [Counter; 6] = [
    Counter::RxNullAnswered,
    Counter::RxProgUnavail,
    Counter::RxProgMismatch,
    Counter::RxProcUnavail,
    Counter::RxRpcMismatch,
    Counter::RxAuthError,
];
