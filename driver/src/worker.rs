//! # Worker: receive, call the handler, send
//! One worker runs on one core and owns one worker endpoint. It waits inside a load; everything
//! between the fill and the next load is the handler and two copies.

use std::net::{Ipv4Addr, SocketAddrV4};

use lauberhorn_coherence::Placement;
use lauberhorn_interface::line::{RxHeader, RxKind, TxKind};

use crate::endpoint::tx::TxMessage;
use crate::endpoint::{EndpointError, Mode, PreemptionLine, RxEndpoint, RxEvent, TxEndpoint};
use crate::lines::Lines;
use crate::service::{AcceptError, Outcome, Request, Serve};

/// Bytes of IPv4, UDP and accepted-reply headers before the results of a reply.
pub const REPLY_OVERHEAD_BYTES: usize = 20 + 8 + 24;

/// Where in the handling of a call a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The whole call is there.
    Received,
    /// The handler has returned.
    Handled,
    /// The card has taken the reply.
    Sent,
}

/// Is told where workers are: to take times, or to charge simulated time for software.
pub trait Observer {
    /// The worker goes on when the future is ready.
    fn at(&self, stage: Stage, call: &RxHeader) -> impl Future<Output = ()>;
}

/// Observes nothing.
impl Observer for () {
    async fn at(&self, _: Stage, _: &RxHeader) {}
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Calls answered with results.
    pub replies: u64,
    /// Calls answered with an error.
    pub errors: u64,
    /// Calls that get no answer.
    pub released: u64,
    /// Waits that ended without a call.
    pub try_again: u64,
}

/// What one step of a worker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call was served.
    Served(Outcome),
    /// No call came within the block time.
    Idle,
    /// The scheduler has the core: nothing was begun.
    Preempted,
    /// The card wants the core back.
    Retired,
}

/// One worker and its endpoint.
#[derive(Debug)]
pub struct Worker<L, O = ()> {
    lines: L,
    observer: O,
    preemption: Option<PreemptionLine>,
    rx: RxEndpoint,
    tx: TxEndpoint,
    results: Vec<u8>,
    results_limit_bytes: usize,
    stats: WorkerStats,
}

impl<L: Lines, O: Observer> Worker<L, O> {
    /// A worker on `endpoint` of a card that was just reset; replies fit into `mtu_bytes`.
    pub fn new(
        lines: L,
        observer: O,
        layout: &dyn Placement,
        endpoint: usize,
        mtu_bytes: usize,
        mode: Mode,
    ) -> Result<Self, EndpointError> {
        let tx = TxEndpoint::new(layout, endpoint, mode.tx)?;
        let preemption = match mode.preemption {
            true => Some(PreemptionLine::new(layout, endpoint)?),
            false => None,
        };
        let in_mtu = mtu_bytes.saturating_sub(REPLY_OVERHEAD_BYTES);
        Ok(Self {
            lines,
            observer,
            preemption,
            rx: RxEndpoint::new(layout, endpoint, mode)?,
            results: Vec::new(),
            results_limit_bytes: tx.limit_bytes(TxKind::Reply).min(in_mtu),
            tx,
            stats: WorkerStats::default(),
        })
    }

    /// What was done so far.
    pub fn stats(&self) -> WorkerStats {
        self.stats
    }

    /// Serves calls until the card wants the core back, or `go_on` says no after a call, a wait or an
    /// attempt to begin while the scheduler has the core.
    pub async fn run(
        &mut self,
        services: &impl Serve,
        mut go_on: impl FnMut(&WorkerStats) -> bool,
    ) -> Result<(), EndpointError> {
        while self.step(services).await? != Step::Retired {
            if !go_on(&self.stats) {
                break;
            }
        }
        Ok(())
    }

    /// Waits once, and serves the call if there is one.
    pub async fn step(&mut self, services: &impl Serve) -> Result<Step, EndpointError> {
        if let Some(line) = &self.preemption {
            if !line.begin(&self.lines).await? {
                return Ok(Step::Preempted);
            }
        }
        let step = self.receive(services).await?;
        if let Some(line) = &self.preemption {
            line.end(&self.lines).await?;
        }
        Ok(step)
    }

    async fn receive(&mut self, services: &impl Serve) -> Result<Step, EndpointError> {
        self.tx.prepare(&self.lines);
        match self.rx.receive(&self.lines).await? {
            RxEvent::Message(header) => self.serve(services, &header).await.map(Step::Served),
            RxEvent::TryAgain => {
                self.stats.try_again += 1;
                Ok(Step::Idle)
            }
            RxEvent::Retire => Ok(Step::Retired),
        }
    }

    async fn serve(
        &mut self,
        services: &impl Serve,
        header: &RxHeader,
    ) -> Result<Outcome, EndpointError> {
        if header.kind != RxKind::Call {
            let endpoint = self.rx.endpoint();
            return Err(EndpointError::WrongKind {
                endpoint,
                kind: "FRAME",
            });
        }
        self.tx.settled();
        self.observer.at(Stage::Received, header).await;
        let request = Request {
            function: header.function,
            xid: header.xid,
            peer: SocketAddrV4::new(Ipv4Addr::from(header.peer_ipv4), header.peer_port),
        };
        let mut outcome = services.serve(request, self.rx.body(), &mut self.results);
        let (length, limit) = (self.results.len(), self.results_limit_bytes);
        if length > limit {
            tracing::error!(?request, length, limit, "results do not fit one datagram");
            self.results.clear();
            outcome = Outcome::Error(AcceptError::SystemErr);
        }
        self.observer.at(Stage::Handled, header).await;

        let (kind, status, count) = match outcome {
            Outcome::Reply => (TxKind::Reply, 0, &mut self.stats.replies),
            Outcome::Error(error) => (
                TxKind::ErrorReply,
                error.status() as u16,
                &mut self.stats.errors,
            ),
            Outcome::Release => (TxKind::Release, 0, &mut self.stats.released),
        };
        *count += 1;
        let message = TxMessage {
            kind,
            status,
            session: header.session,
        };
        self.tx.send(&self.lines, message, &self.results).await?;
        self.observer.at(Stage::Sent, header).await;
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
