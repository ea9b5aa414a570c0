//! # Services: which handler answers which procedure
//! A handler is a plain function from the XDR bytes of the arguments to the XDR bytes of the
//! results. [`Services`] gives every registered procedure a function handle, which the card's
//! service table returns with each call; the handle is an index that is checked, never an address.
//!
//! A handler that returns an error, panics or is not found makes an error reply: the caller always
//! gets an answer, unless the procedure was registered as one-way.

use std::cell::RefCell;
use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lauberhorn_interface::line::AcceptStat;
use lauberhorn_interface::table_hash::ServiceKey;
use thiserror::Error;

use crate::xdr::XdrError;

/// What the handler learns about the call it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The procedure that is called.
    pub key: ServiceKey,
    /// Transaction id that the caller chose.
    pub xid: u32,
    /// Address and UDP port of the caller.
    pub peer: SocketAddrV4,
}

/// The identity of a call as the card delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Function handle from the service table.
    pub function: u64,
    /// Transaction id that the caller chose.
    pub xid: u32,
    /// Address and UDP port of the caller.
    pub peer: SocketAddrV4,
}

/// Why a call that was accepted cannot be answered with results (`accept_stat` of RFC 5531).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// The arguments cannot be decoded.
    #[error("GARBAGE_ARGS: the arguments cannot be decoded")]
    GarbageArgs,
    /// The service failed.
    #[error("SYSTEM_ERR: the service failed")]
    SystemErr,
}

impl AcceptError {
    /// The status as it goes on the wire.
    pub const fn status(self) -> AcceptStat {
        match self {
            Self::GarbageArgs => AcceptStat::GarbageArgs,
            Self::SystemErr => AcceptStat::SystemErr,
        }
    }
}

impl From<XdrError> for AcceptError {
    fn from(_: XdrError) -> Self {
        Self::GarbageArgs
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The results are in the buffer.
    Reply,
    /// An error reply with this status.
    Error(AcceptError),
    /// No reply; the card may forget the call.
    Release,
}

/// What a procedure's code returns; results are appended to its last argument.
pub type HandlerResult = Result<(), AcceptError>;

/// A procedure's code: reads the argument bytes, appends the result bytes.
type Handler = Box<dyn FnMut(&Call, &[u8], &mut Vec<u8>) -> HandlerResult + Send>;

/// Why a procedure was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The procedure has an entry.
    #[error(
        "procedure {} of program {:#x} version {} on port {} is registered already",
        .0.procedure, .0.program, .0.version, .0.port
    )]
    Duplicate(ServiceKey),
}

/// Where a program version listens, for rpcbind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// RPC program number.
    pub program: u32,
    /// Version of the program.
    pub version: u32,
    /// UDP port.
    pub port: u16,
}

/// All mappings, in order; shared with the rpcbind service, which answers from it.
pub type Registry = Arc<RwLock<Vec<Mapping>>>;

/// One entry of the card's service table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// What a call must name.
    pub key: ServiceKey,
    /// The handle that comes with the call.
    pub function: u64,
    /// The card answers by itself (NULL only).
    pub answered_by_card: bool,
}

enum Code {
    Replies(Handler),
    OneWay(Handler),
    Card,
}

/// The registered procedures.
pub struct Services {
    port: u16,
    entries: Vec<(ServiceKey, Code)>,
    registry: Registry,
}

impl Services {
    /// No services yet; those registered without a port listen on `port`.
    pub fn new(port: u16) -> Self {
        Self {
            port,
            entries: Vec::new(),
            registry: Registry::default(),
        }
    }

    /// Serves a procedure with `handler`, on the default port.
    pub fn register(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        handler: impl FnMut(&Call, &[u8], &mut Vec<u8>) -> HandlerResult + Send + 'static,
    ) -> Result<(), ServiceError> {
        self.register_on(self.key(program, version, procedure), handler)
    }

    /// Serves the procedure `key` with `handler`.
    pub fn register_on(
        &mut self,
        key: ServiceKey,
        handler: impl FnMut(&Call, &[u8], &mut Vec<u8>) -> HandlerResult + Send + 'static,
    ) -> Result<(), ServiceError> {
        self.add(key, Code::Replies(Box::new(handler)))
    }

    /// Serves the procedure `key` with `handler` and never replies: the caller does not wait.
    pub fn register_one_way(
        &mut self,
        key: ServiceKey,
        handler: impl FnMut(&Call, &[u8], &mut Vec<u8>) -> HandlerResult + Send + 'static,
    ) -> Result<(), ServiceError> {
        self.add(key, Code::OneWay(Box::new(handler)))
    }

    /// Lets the card answer NULL of a program version, on the default port.
    pub fn register_null(&mut self, program: u32, version: u32) -> Result<(), ServiceError> {
        self.register_null_on(self.port, program, version)
    }

    /// Lets the card answer NULL of a program version on `port`.
    pub fn register_null_on(
        &mut self,
        port: u16,
        program: u32,
        version: u32,
    ) -> Result<(), ServiceError> {
        let key = ServiceKey {
            program,
            version,
            procedure: 0,
            port,
        };
        self.add(key, Code::Card)
    }

    /// A procedure on the default port.
    pub fn key(&self, program: u32, version: u32, procedure: u32) -> ServiceKey {
        ServiceKey {
            program,
            version,
            procedure,
            port: self.port,
        }
    }

    fn add(&mut self, key: ServiceKey, code: Code) -> Result<(), ServiceError> {
        if self.entries.iter().any(|(other, _)| *other == key) {
            return Err(ServiceError::Duplicate(key));
        }
        self.entries.push((key, code));
        let ServiceKey {
            program,
            version,
            port,
            ..
        } = key;
        let mapping = Mapping {
            program,
            version,
            port,
        };
        let mut registry = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Err(place) = registry.binary_search(&mapping) {
            registry.insert(place, mapping);
        }
        Ok(())
    }

    /// Where each program version listens; follows later registrations.
    pub fn registry(&self) -> Registry {
        Arc::clone(&self.registry)
    }

    /// What the card's service table must hold.
    pub fn entries(&self) -> impl Iterator<Item = ServiceEntry> + '_ {
        (1u64..)
            .zip(&self.entries)
            .map(|(function, (key, code))| ServiceEntry {
                key: *key,
                function,
                answered_by_card: matches!(code, Code::Card),
            })
    }

    /// Runs the handler of one call; `results` holds the results if it replies, else nothing.
    pub fn serve(&mut self, request: Request, arguments: &[u8], results: &mut Vec<u8>) -> Outcome {
        results.clear();
        let entry = usize::try_from(request.function)
            .ok()
            .and_then(|handle| handle.checked_sub(1))
            .and_then(|index| self.entries.get_mut(index));
        let Some((key, code)) = entry else {
            tracing::warn!(request.function, "call with an unknown function handle");
            return Outcome::Error(AcceptError::SystemErr);
        };
        let call = Call {
            key: *key,
            xid: request.xid,
            peer: request.peer,
        };
        let (handler, one_way) = match code {
            Code::Replies(handler) => (handler, false),
            Code::OneWay(handler) => (handler, true),
            // NULL takes and gives nothing, whoever answers it.
            Code::Card => return Outcome::Reply,
        };
        let returned = catch_unwind(AssertUnwindSafe(|| handler(&call, arguments, results)));
        let result = returned.unwrap_or_else(|_| {
            tracing::error!(?call, "handler panicked");
            Err(AcceptError::SystemErr)
        });
        match result {
            Ok(()) if !one_way => Outcome::Reply,
            Err(error) if !one_way => {
                results.clear();
                Outcome::Error(error)
            }
            _ => {
                results.clear();
                Outcome::Release
            }
        }
    }
}

/// Services that workers share: between tasks of one thread, or between threads.
pub trait Serve {
    /// As [`Services::serve`].
    fn serve(&self, request: Request, arguments: &[u8], results: &mut Vec<u8>) -> Outcome;
}

impl Serve for RefCell<Services> {
    fn serve(&self, request: Request, arguments: &[u8], results: &mut Vec<u8>) -> Outcome {
        self.borrow_mut().serve(request, arguments, results)
    }
}

impl Serve for Mutex<Services> {
    fn serve(&self, request: Request, arguments: &[u8], results: &mut Vec<u8>) -> Outcome {
        let mut services = self.lock().unwrap_or_else(PoisonError::into_inner);
        services.serve(request, arguments, results)
    }
}

#[cfg(test)]
mod tests;
