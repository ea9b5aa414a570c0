//! Home side of the preemption line P.

use super::HomeViolation;
use crate::layout::LineRole;

pub use lauberhorn_interface::line::PreemptWord;

/// What happens to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreemptEvent {
    /// The host loads it; it always gets the right to write.
    Load,
    /// The host gave it back unasked, with the new word when it had stored to it.
    Writeback(Option<PreemptWord>),
    /// The host acknowledged the recall.
    RecallAck(Option<PreemptWord>),
    /// The scheduler wants the core: READY is cleared.
    Ask,
    /// The worker may go on: READY is set.
    Allow,
    /// As after reset, once the line is back.
    Reset,
}

/// What the card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreemptAction {
    /// Answer the load.
    Fill(PreemptWord),
    /// Ask for the line back.
    Recall,
    /// The reset is complete.
    ResetDone,
}

/// The home side of an endpoint's preemption line.
///
/// The worker begins by changing the word from READY to READY and BUSY in one atomic operation on
/// the line it holds, and ends by clearing BUSY; both are hits in its cache as long as nobody wants
/// the core. [`PreemptEvent::Ask`] clears READY and recalls the line, so that the two cannot cross:
/// either the acknowledgement says BUSY, or the worker finds READY clear before it begins. A worker
/// that ends and finds READY clear gives the line back. From then on [`is_yielded`] holds until
/// [`PreemptEvent::Allow`], and the kernel may take the core.
///
/// [`is_yielded`]: Self::is_yielded
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreemptHome {
    ready: bool,
    busy: bool,
    held: bool,
    recalled: bool,
    waiting: bool,
    reset: bool,
}

impl Default for PreemptHome {
    fn default() -> Self {
        Self {
            ready: true,
            busy: false,
            held: false,
            recalled: false,
            waiting: false,
            reset: false,
        }
    }
}

impl PreemptHome {
    /// READY as the card has it.
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Whether the home believes that the host holds the line.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether a reset has begun and not ended.
    pub fn is_resetting(&self) -> bool {
        self.reset
    }

    /// What it is at, for people.
    pub fn state(&self) -> &'static str {
        match (self.reset, self.recalled, self.held) {
            (true, _, _) => "reset",
            (_, true, _) => "recalled",
            (_, _, true) => "held",
            _ => "home",
        }
    }

    /// The worker has seen that READY is clear, or will before it begins, and is not in between.
    pub fn is_yielded(&self) -> bool {
        !self.ready && !self.busy && !self.recalled && !self.reset
    }

    /// The next state and the actions, in order.
    pub fn step(&self, event: PreemptEvent) -> Result<(Self, Vec<PreemptAction>), HomeViolation> {
        let mut next = self.clone();
        let mut actions = vec![];
        match event {
            PreemptEvent::Load => next.waiting = true,
            PreemptEvent::Writeback(word) => next.came_back(word),
            PreemptEvent::RecallAck(word) => {
                if !next.recalled {
                    let line = LineRole::Preemption;
                    return Err(HomeViolation::UnexpectedAck { line });
                }
                next.recalled = false;
                next.came_back(word);
                if next.reset {
                    actions.push(PreemptAction::ResetDone);
                    next = Self {
                        waiting: next.waiting,
                        ..Self::default()
                    };
                }
            }
            PreemptEvent::Ask => next.set_ready(false, &mut actions),
            PreemptEvent::Allow => next.set_ready(true, &mut actions),
            PreemptEvent::Reset if next.reset => return Err(HomeViolation::InReset),
            PreemptEvent::Reset => {
                next.reset = true;
                next.recall(&mut actions);
            }
        }
        if next.waiting && !next.recalled {
            next.waiting = false;
            next.held = true;
            actions.push(PreemptAction::Fill(PreemptWord {
                ready: next.ready,
                busy: next.busy,
            }));
        }
        Ok((next, actions))
    }

    fn came_back(&mut self, word: Option<PreemptWord>) {
        self.held = false;
        if let Some(word) = word {
            self.busy = word.busy;
        }
    }

    fn set_ready(&mut self, ready: bool, actions: &mut Vec<PreemptAction>) {
        self.ready = ready;
        if self.held {
            self.recall(actions);
        }
    }

    fn recall(&mut self, actions: &mut Vec<PreemptAction>) {
        if !self.recalled {
            self.recalled = true;
            actions.push(PreemptAction::Recall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(home: &mut PreemptHome, event: PreemptEvent) -> Vec<PreemptAction> {
        let (next, actions) = home.step(event).unwrap();
        *home = next;
        actions
    }

    fn word(ready: bool, busy: bool) -> PreemptWord {
        PreemptWord { ready, busy }
    }

    #[test]
    fn worker_in_between_is_waited_for() {
        let mut home = PreemptHome::default();
        let first = PreemptAction::Fill(word(true, false));
        assert_eq!(run(&mut home, PreemptEvent::Load), [first]);
        assert_eq!(run(&mut home, PreemptEvent::Ask), [PreemptAction::Recall]);
        assert!(!home.is_yielded(), "the worker may have begun");
        run(&mut home, PreemptEvent::RecallAck(Some(word(true, true))));
        assert!(!home.is_yielded());
        let again = PreemptAction::Fill(word(false, true));
        assert_eq!(run(&mut home, PreemptEvent::Load), [again]);
        run(&mut home, PreemptEvent::Writeback(Some(word(false, false))));
        assert!(home.is_yielded());
        assert_eq!(run(&mut home, PreemptEvent::Allow), []);
        assert!(!home.is_yielded());
    }

    #[test]
    fn worker_that_has_not_begun_finds_ready_clear() {
        let mut home = PreemptHome::default();
        run(&mut home, PreemptEvent::Load);
        run(&mut home, PreemptEvent::Ask);
        assert_eq!(run(&mut home, PreemptEvent::Load), [], "waits for the line");
        let fill = PreemptAction::Fill(word(false, false));
        assert_eq!(run(&mut home, PreemptEvent::RecallAck(None)), [fill]);
        assert!(home.is_yielded());
        assert_eq!(run(&mut home, PreemptEvent::Allow), [PreemptAction::Recall]);
    }

    #[test]
    fn reset_forgets_a_dead_worker() {
        let mut home = PreemptHome::default();
        run(&mut home, PreemptEvent::Load);
        run(&mut home, PreemptEvent::Ask);
        assert_eq!(run(&mut home, PreemptEvent::Reset), [], "already recalled");
        assert_eq!(home.step(PreemptEvent::Reset), Err(HomeViolation::InReset));
        let ack = PreemptEvent::RecallAck(Some(word(true, true)));
        assert_eq!(run(&mut home, ack), [PreemptAction::ResetDone]);
        assert_eq!(home, PreemptHome::default());
        let line = LineRole::Preemption;
        let stray = home.step(PreemptEvent::RecallAck(None));
        assert_eq!(stray, Err(HomeViolation::UnexpectedAck { line }));
    }
}
