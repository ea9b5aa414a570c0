//! # Preemption line: who has the core
//! The card clears READY when the scheduler wants the core, the worker sets BUSY while it must not be
//! interrupted. The worker changes its bit in an atomic operation on the line that it holds, so that
//! it cannot miss the card's; as long as nobody wants the core both hit in its cache.

use lauberhorn_coherence::{LineAddress, LineRole, Placement};
use lauberhorn_interface::line::PreemptWord;

use super::EndpointError;
use crate::lines::{Lines, LinesError};

/// The preemption line of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct PreemptionLine {
    endpoint: usize,
    line: LineAddress,
}

impl PreemptionLine {
    /// The preemption line of `endpoint`.
    pub fn new(layout: &dyn Placement, endpoint: usize) -> Result<Self, EndpointError> {
        let line = layout.address(endpoint, LineRole::Preemption);
        let line = line.ok_or(EndpointError::NoEndpoint {
            endpoint,
            endpoints: layout.endpoints(),
        })?;
        Ok(Self { endpoint, line })
    }

    /// The worker begins, if the scheduler lets it; whether it does.
    pub async fn begin(&self, lines: &impl Lines) -> Result<bool, EndpointError> {
        let idle = PreemptWord {
            ready: true,
            busy: false,
        };
        let begun = PreemptWord { busy: true, ..idle };
        let found = self.change(lines, idle, begun).await?;
        match found.busy {
            true => Err(EndpointError::Busy {
                endpoint: self.endpoint,
            }),
            false => Ok(found == idle),
        }
    }

    /// The worker has ended; gives the line back when the scheduler wants the core.
    pub async fn end(&self, lines: &impl Lines) -> Result<(), EndpointError> {
        let mut word = PreemptWord {
            ready: true,
            busy: true,
        };
        // Another word is there when READY has changed: once for each change.
        loop {
            let ended = PreemptWord {
                busy: false,
                ..word
            };
            let found = self.change(lines, word, ended).await?;
            if found == word {
                break;
            }
            word = found;
        }
        if !word.ready {
            let written = lines.write_back(self.line).await;
            written.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Changes the word if it is as expected; what it was.
    async fn change(
        &self,
        lines: &impl Lines,
        expected: PreemptWord,
        new: PreemptWord,
    ) -> Result<PreemptWord, EndpointError> {
        let changed = lines.compare_exchange(self.line, expected.into(), new.into());
        let found = changed.await.map_err(|source| self.failed(source))?;
        Ok(found.into())
    }

    fn failed(&self, source: LinesError) -> EndpointError {
        let endpoint = self.endpoint;
        EndpointError::Lines { endpoint, source }
    }
}
