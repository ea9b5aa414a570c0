//! The cache side: one line in a host's cache.
//!
//! A pure transition function like those of [`home`](crate::home). The line may have one load
//! without an answer; further loads of the same line merge with it. A recall that meets a pending
//! load is acknowledged clean at once: with messages of one line in order, the load reaches the
//! home after the recall left it, so its fill is still to come and is not affected.

use thiserror::Error;

/// What the cache holds of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Held<D> {
    /// Nothing.
    Invalid,
    /// A copy to read.
    Shared(D),
    /// The only copy, as the home gave it.
    Exclusive(D),
    /// The only copy, changed since.
    Modified(D),
}

/// One line of a host's cache; not held and without a load by default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheLine<D> {
    /// What is held.
    pub held: Held<D>,
    /// The pending load, if any: whether it asked to write.
    pub pending: Option<bool>,
}

/// What happens to the line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CacheEvent<D> {
    /// The core loads the line, perhaps to write it.
    Load {
        /// The core wants to write.
        exclusive: bool,
    },
    /// The core replaces the content.
    Store(D),
    /// The home answered the load.
    Fill {
        /// The content.
        data: D,
        /// The host may write.
        exclusive: bool,
    },
    /// The home wants the line back.
    Recall,
    /// The cache needs the place, or software asked to clean and invalidate the line.
    Evict,
}

/// What the cache does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CacheAction<D> {
    /// Send a load.
    Load {
        /// The core wants to write.
        exclusive: bool,
    },
    /// Give the line back unasked: new content, or none when clean.
    Writeback(Option<D>),
    /// Acknowledge the recall: new content, or none when clean or not held.
    RecallAck(Option<D>),
    /// The core's load has its content.
    Loaded(D),
}

/// An event that must not happen in the state it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CacheViolation {
    /// The core stores to a line it may not write.
    #[error("store to a line that is not held exclusively")]
    StoreWithoutOwnership,
    /// A fill came without a load.
    #[error("fill of a line that has no pending load")]
    UnexpectedFill,
    /// A fill came that does not allow what the load asked for.
    #[error("fill without the right to write, which the load asked for")]
    WeakFill,
}

impl<D> Default for CacheLine<D> {
    fn default() -> Self {
        Self {
            held: Held::Invalid,
            pending: None,
        }
    }
}

impl<D: Clone> CacheLine<D> {
    /// The content, if the line is held.
    pub fn data(&self) -> Option<&D> {
        match &self.held {
            Held::Invalid => None,
            Held::Shared(data) | Held::Exclusive(data) | Held::Modified(data) => Some(data),
        }
    }

    /// The next state and the actions, in order.
    pub fn step(
        &self,
        event: CacheEvent<D>,
    ) -> Result<(Self, Vec<CacheAction<D>>), CacheViolation> {
        let mut next = self.clone();
        let actions = match event {
            CacheEvent::Load { exclusive } => next.load(exclusive),
            CacheEvent::Store(data) => {
                if !matches!(self.held, Held::Exclusive(_) | Held::Modified(_)) {
                    return Err(CacheViolation::StoreWithoutOwnership);
                }
                next.held = Held::Modified(data);
                vec![]
            }
            CacheEvent::Fill { data, exclusive } => {
                let Some(wanted) = next.pending.take() else {
                    return Err(CacheViolation::UnexpectedFill);
                };
                if wanted && !exclusive {
                    return Err(CacheViolation::WeakFill);
                }
                next.held = match exclusive {
                    true => Held::Exclusive(data.clone()),
                    false => Held::Shared(data.clone()),
                };
                vec![CacheAction::Loaded(data)]
            }
            CacheEvent::Recall => vec![CacheAction::RecallAck(next.drop_line())],
            CacheEvent::Evict => match next.held {
                Held::Invalid => vec![],
                _ => vec![CacheAction::Writeback(next.drop_line())],
            },
        };
        Ok((next, actions))
    }

    fn load(&mut self, exclusive: bool) -> Vec<CacheAction<D>> {
        if self.pending.is_some() {
            return vec![];
        }
        let mut actions = vec![];
        match &self.held {
            Held::Exclusive(data) | Held::Modified(data) => {
                return vec![CacheAction::Loaded(data.clone())];
            }
            Held::Shared(data) if !exclusive => return vec![CacheAction::Loaded(data.clone())],
            // The line port has no upgrade: give the copy back, then ask for the right to write.
            Held::Shared(_) => actions.push(CacheAction::Writeback(self.drop_line())),
            Held::Invalid => {}
        }
        self.pending = Some(exclusive);
        actions.push(CacheAction::Load { exclusive });
        actions
    }

    /// Forgets the line; the content when it was changed.
    fn drop_line(&mut self) -> Option<D> {
        match std::mem::replace(&mut self.held, Held::Invalid) {
            Held::Modified(data) => Some(data),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = CacheLine<u32>;

    fn run(line: &mut Line, event: CacheEvent<u32>) -> Vec<CacheAction<u32>> {
        let (next, actions) = line.step(event).unwrap();
        *line = next;
        actions
    }

    #[test]
    fn load_misses_fills_and_then_hits() {
        let mut line = Line::default();
        let load = CacheEvent::Load { exclusive: false };
        let sent = run(&mut line, load.clone());
        assert_eq!(sent, [CacheAction::Load { exclusive: false }]);
        assert_eq!(run(&mut line, load.clone()), [], "a second load merges");
        let fill = CacheEvent::Fill {
            data: 7,
            exclusive: false,
        };
        assert_eq!(run(&mut line, fill), [CacheAction::Loaded(7)]);
        assert_eq!(run(&mut line, load), [CacheAction::Loaded(7)]);
        assert_eq!(line.held, Held::Shared(7));
    }

    #[test]
    fn recall_returns_changes_and_only_changes() {
        let exclusive = Line {
            held: Held::Exclusive(1),
            pending: None,
        };
        let mut clean = exclusive.clone();
        assert_eq!(
            run(&mut clean, CacheEvent::Recall),
            [CacheAction::RecallAck(None)]
        );
        let mut dirty = exclusive;
        assert_eq!(run(&mut dirty, CacheEvent::Store(2)), []);
        assert_eq!(
            run(&mut dirty, CacheEvent::Recall),
            [CacheAction::RecallAck(Some(2))]
        );
        assert_eq!((&clean, &dirty), (&Line::default(), &Line::default()));
        assert_eq!(
            run(&mut clean, CacheEvent::Recall),
            [CacheAction::RecallAck(None)]
        );
    }

    #[test]
    fn recall_that_crosses_a_load_leaves_the_load_pending() {
        let mut line = Line {
            held: Held::Invalid,
            pending: Some(true),
        };
        assert_eq!(
            run(&mut line, CacheEvent::Recall),
            [CacheAction::RecallAck(None)]
        );
        assert_eq!(line.pending, Some(true));
        let fill = CacheEvent::Fill {
            data: 3,
            exclusive: true,
        };
        assert_eq!(run(&mut line, fill), [CacheAction::Loaded(3)]);
    }

    #[test]
    fn eviction_tells_the_home() {
        let mut line = Line {
            held: Held::Modified(5),
            pending: None,
        };
        assert_eq!(
            run(&mut line, CacheEvent::Evict),
            [CacheAction::Writeback(Some(5))]
        );
        assert_eq!(run(&mut line, CacheEvent::Evict), []);
        let mut line = Line {
            held: Held::Shared(5),
            pending: None,
        };
        let actions = run(&mut line, CacheEvent::Load { exclusive: true });
        assert_eq!(
            actions,
            [
                CacheAction::Writeback(None),
                CacheAction::Load { exclusive: true }
            ]
        );
    }

    #[test]
    fn refuses_what_must_not_happen() {
        let shared = Line {
            held: Held::Shared(5),
            pending: None,
        };
        let store = shared.step(CacheEvent::Store(6));
        assert_eq!(store, Err(CacheViolation::StoreWithoutOwnership));
        let fill = CacheEvent::Fill {
            data: 1,
            exclusive: false,
        };
        assert_eq!(
            shared.step(fill.clone()),
            Err(CacheViolation::UnexpectedFill)
        );
        let pending = Line {
            held: Held::Invalid,
            pending: Some(true),
        };
        assert_eq!(pending.step(fill), Err(CacheViolation::WeakFill));
    }
}
