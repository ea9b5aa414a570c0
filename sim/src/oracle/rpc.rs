//! The RPC part of the decision: RFC 5531, checks in its order.

use lauberhorn_interface::counters::Counter;
use lauberhorn_interface::line::AcceptStat;

use super::{CallId, Decision, ExpectedCall, ExpectedReply, Rules};

const REPLY: u32 = 1;
const MSG_ACCEPTED: u32 = 0;
const MSG_DENIED: u32 = 1;
const RPC_MISMATCH: u32 = 0;
const AUTH_ERROR: u32 = 1;
const AUTH_BADCRED: u32 = 1;
const AUTH_BADVERF: u32 = 3;
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;
/// Longest opaque body of a credential.
const MAX_AUTH_BYTES: usize = 400;

fn message(xid: u32, rest: &[u32]) -> Vec<u8> {
    let words = [xid, REPLY].into_iter().chain(rest.iter().copied());
    words.flat_map(u32::to_be_bytes).collect()
}

/// An accepted reply with an empty AUTH_NONE verifier.
pub(crate) fn accepted(xid: u32, status: AcceptStat, rest: &[u32]) -> Vec<u8> {
    let mut words = vec![MSG_ACCEPTED, AUTH_NONE, 0, status as u32];
    words.extend(rest);
    message(xid, &words)
}

fn denied(xid: u32, rest: &[u32]) -> Vec<u8> {
    let mut words = vec![MSG_DENIED];
    words.extend(rest);
    message(xid, &words)
}

/// Reads words of a message, `None` past its end.
struct Words<'a> {
    bytes: &'a [u8],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_be_bytes(*word))
    }

    /// Skips opaque data with its padding.
    fn skip_opaque(&mut self, byte_count: usize) -> Option<()> {
        self.bytes = self.bytes.get(byte_count.next_multiple_of(4)..)?;
        Some(())
    }
}

impl Rules {
    pub(super) fn decide_rpc(&self, id: CallId, datagram: &[u8]) -> Decision {
        let decision = self.decide_call(id, Words { bytes: datagram });
        decision.unwrap_or(Decision::Drop(Counter::RxDropRpcMalformed))
    }

    /// `None`: the header runs past the datagram.
    fn decide_call(&self, mut id: CallId, mut words: Words) -> Option<Decision> {
        let xid = words.next()?;
        id.xid = xid;
        let answer =
            |counter, message| Some(Decision::Answer(counter, ExpectedReply { id, message }));
        let _message_type = words.next()?;
        if words.next()? != 2 {
            let reply = denied(xid, &[RPC_MISMATCH, 2, 2]);
            return answer(Counter::RxRpcMismatch, reply);
        }
        let (program, version, procedure) = (words.next()?, words.next()?, words.next()?);

        let (flavour, length) = (words.next()?, words.next()? as usize);
        if !matches!(flavour, AUTH_NONE | AUTH_SYS) || length > MAX_AUTH_BYTES {
            let reply = denied(xid, &[AUTH_ERROR, AUTH_BADCRED]);
            return answer(Counter::RxAuthError, reply);
        }
        words.skip_opaque(length)?;
        let (flavour, length) = (words.next()?, words.next()?);
        if flavour != AUTH_NONE || length != 0 {
            let reply = denied(xid, &[AUTH_ERROR, AUTH_BADVERF]);
            return answer(Counter::RxAuthError, reply);
        }

        let mut programs = self.programs.iter();
        let found =
            programs.find(|rule| rule.key.program == program && rule.key.port == id.local_port);
        let Some(rule) = found else {
            let reply = accepted(xid, AcceptStat::ProgUnavail, &[]);
            return answer(Counter::RxProgUnavail, reply);
        };
        let offered = version >= rule.low
            && version <= rule.high
            && version - rule.low < 32
            && rule.version_mask >> (version - rule.low) & 1 == 1;
        if !offered {
            let reply = accepted(xid, AcceptStat::ProgMismatch, &[rule.low, rule.high]);
            return answer(Counter::RxProgMismatch, reply);
        }

        let found = self.services.iter().find(|rule| {
            let key = rule.key;
            (key.program, key.version, key.procedure) == (program, version, procedure)
                && key.port == id.local_port
        });
        let Some(service) = found else {
            let reply = accepted(xid, AcceptStat::ProcUnavail, &[]);
            return answer(Counter::RxProcUnavail, reply);
        };
        if service.answered_by_card {
            let reply = accepted(xid, AcceptStat::Success, &[]);
            return answer(Counter::RxNullAnswered, reply);
        }
        Some(Decision::Dispatch(ExpectedCall {
            id,
            procedure,
            function: service.function,
            service_id: service.service_id,
            body: words.bytes.to_vec(),
        }))
    }
}
