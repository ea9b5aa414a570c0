//! The homes as the replay drives them: events that the port shows, events that it does not.

use std::hash::Hash;
use std::sync::Arc;

use lauberhorn_interface::line::{HEADER_BYTES, RxHeader, RxKind, TxKind};

use crate::home::{
    HomeConfig, PreemptAction, PreemptEvent, PreemptHome, PreemptWord, RxAction, RxContent,
    RxEvent, RxHome, TxAction, TxContent, TxEvent, TxHome, WaitingLoad,
};
use crate::layout::LineRole;

/// The bytes of a line.
pub type Image = Arc<[u8]>;

/// What happens to a home.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Load(WaitingLoad),
    /// The line came back unasked, with data when it was dirty.
    Back(LineRole, Option<Image>),
    Ack(LineRole, Option<Image>),
    Assign,
    Timeout,
    Retire,
    Taken,
    Ask,
    Allow,
    Reset,
}

/// What a home does that the port shows, or that the replay must answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Output<C> {
    Fill(WaitingLoad, C),
    Recall(LineRole),
    Offer,
}

/// A home under replay.
pub(super) trait Home: Clone + Eq + Hash {
    /// The half's name.
    const NAME: &'static str;
    /// What a fill carries, as far as the home knows.
    type Content: Clone + Eq + Hash;

    /// The next state and what it does; none when the event must not happen here.
    fn step(&self, step: &Step) -> Option<(Self, Vec<Output<Self::Content>>)>;
    /// What may happen next without the port showing it, resets apart.
    fn hidden(&self) -> Vec<Step>;
    /// What the scheduler wants of the home and it has not been told.
    fn wish(&self) -> Option<Step> {
        None
    }
    /// Whether that a line came back starts something.
    fn is_trigger(&self, line: LineRole, dirty: bool) -> bool;
    /// Whether a line that came back by itself, just before its recall, need not be recalled.
    fn may_omit(&self, line: LineRole) -> bool;
    /// Whether the line carries what it should; may learn what a message is from it.
    fn accepts(&mut self, content: &Self::Content, line: LineRole, image: &Image) -> bool;
    /// Whether every fill must grant the right to write.
    fn grants_all(&self) -> bool;
    fn is_resetting(&self) -> bool;
    fn configure(&mut self, config: HomeConfig);
    fn state(&self) -> &'static str;
    fn message(&self, step: &Step) -> &'static str;
}

fn is_zero(image: &Image) -> bool {
    image.iter().all(|byte| *byte == 0)
}

/// The receiving home. The port shows a message only when its control line is filled.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Receive {
    home: RxHome<()>,
    config: HomeConfig,
    /// The control line of the message that is being read.
    control: Option<Image>,
}

impl Receive {
    pub fn new(config: HomeConfig) -> Self {
        Self {
            home: RxHome::with(config),
            config,
            control: None,
        }
    }
}

fn rx_header(image: &Image) -> Option<RxHeader> {
    let header: [u8; HEADER_BYTES] = image.get(..HEADER_BYTES)?.try_into().ok()?;
    RxHeader::decode(&header).ok()
}

/// A control line without message.
fn is_plain(image: &Image, kind: RxKind) -> bool {
    let header = RxHeader {
        kind,
        ..RxHeader::default()
    };
    image[..HEADER_BYTES] == header.encode() && image[HEADER_BYTES..].iter().all(|byte| *byte == 0)
}

impl Home for Receive {
    const NAME: &'static str = "receive";
    type Content = RxContent<()>;

    fn step(&self, step: &Step) -> Option<(Self, Vec<Output<Self::Content>>)> {
        let event = match step {
            Step::Load(load) => RxEvent::Load(*load),
            Step::Back(line, data) => RxEvent::Writeback {
                line: *line,
                dirty: data.is_some(),
            },
            Step::Ack(line, _) => RxEvent::RecallAck(*line),
            // How long the message is, its control line says later.
            Step::Assign => RxEvent::Assign {
                request: (),
                overflow_lines: self.config.overflow_lines,
            },
            Step::Timeout => RxEvent::Timeout,
            Step::Retire => RxEvent::Retire,
            Step::Reset => RxEvent::Reset,
            Step::Taken | Step::Ask | Step::Allow => return None,
        };
        let (home, actions) = self.home.step(event).ok()?;
        let mut next = self.clone();
        next.home = home;
        let mut outputs = Vec::new();
        for action in actions {
            match action {
                RxAction::Fill { load, content } => outputs.push(Output::Fill(load, content)),
                RxAction::Recall(line) => outputs.push(Output::Recall(line)),
                RxAction::Free(()) => next.control = None,
                RxAction::ResetDone => {}
            }
        }
        Some((next, outputs))
    }

    fn hidden(&self) -> Vec<Step> {
        if self.home.is_waiting() {
            vec![Step::Assign, Step::Timeout, Step::Retire]
        } else if self.home.is_ahead() {
            vec![Step::Timeout]
        } else {
            vec![]
        }
    }

    fn is_trigger(&self, line: LineRole, dirty: bool) -> bool {
        self.config.consume && dirty && line == LineRole::RxControl(self.home.current())
    }

    fn may_omit(&self, _: LineRole) -> bool {
        !self.home.recalls_every_line()
    }

    fn accepts(&mut self, content: &RxContent<()>, _: LineRole, image: &Image) -> bool {
        match content {
            RxContent::Empty | RxContent::Zeros => is_zero(image),
            RxContent::TryAgain => is_plain(image, RxKind::TryAgain),
            RxContent::Retire => is_plain(image, RxKind::Retire),
            RxContent::Request(()) => match &self.control {
                Some(control) => control == image,
                None => {
                    self.control = Some(image.clone());
                    rx_header(image).is_some_and(|header| header.kind.is_valid())
                }
            },
            RxContent::Overflow((), n) => {
                let header = self.control.as_ref().and_then(rx_header);
                header.is_some_and(|header| {
                    header.end_bytes() > (n + 1) * image.len() || is_zero(image)
                })
            }
        }
    }

    fn grants_all(&self) -> bool {
        self.config.consume
    }

    fn is_resetting(&self) -> bool {
        self.home.is_resetting()
    }

    fn configure(&mut self, config: HomeConfig) {
        self.config = config;
        self.home = self.home.clone().configured(config);
    }

    fn state(&self) -> &'static str {
        self.home.state()
    }

    fn message(&self, step: &Step) -> &'static str {
        let current = LineRole::RxControl(self.home.current());
        match step {
            Step::Load(load) if load.line == current => "load R[p]",
            Step::Load(load) if load.line.is_control() => "load R[1-p]",
            Step::Load(_) => "load RO",
            Step::Back(line, Some(_)) if *line == current => "dirty R[p]",
            Step::Back(_, Some(_)) => "dirty other",
            Step::Back(_, None) => "clean notice",
            Step::Ack(..) => "acknowledgement",
            Step::Assign => "assign",
            Step::Timeout => "timeout",
            Step::Retire => "retire",
            Step::Taken => "taken",
            Step::Ask => "ask",
            Step::Allow => "allow",
            Step::Reset => "reset",
        }
    }
}

/// A transmit line as it was written, or zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Written(Option<Image>);

impl Written {
    fn word(&self, at: usize) -> u32 {
        let bytes = self.0.as_ref().and_then(|image| image.get(at..at + 4));
        bytes.map_or(0, |bytes| {
            u32::from_le_bytes(bytes.try_into().expect("four bytes"))
        })
    }
}

impl TxContent for Written {
    fn overflow_lines(&self) -> Option<usize> {
        let line_bytes = self.0.as_ref()?.len();
        let control = self.word(0);
        if control & 1 == 0 {
            return None;
        }
        // As the hardware sees it: kinds that mean nothing have no body.
        let length = (control >> 16) as usize;
        let end = match TxKind::try_from((control >> 1) as u8 & 7) {
            Ok(kind @ (TxKind::Reply | TxKind::Frame)) => kind.body_offset() + length,
            _ => 0,
        };
        Some(end.div_ceil(line_bytes).max(1) - 1)
    }

    fn sequence(&self) -> u32 {
        self.word(8)
    }
}

/// The sending home.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Send {
    home: TxHome<Written>,
    config: HomeConfig,
}

impl Send {
    pub fn new(config: HomeConfig) -> Self {
        Self {
            home: TxHome::with(config),
            config,
        }
    }
}

impl Home for Send {
    const NAME: &'static str = "transmit";
    type Content = Written;

    fn step(&self, step: &Step) -> Option<(Self, Vec<Output<Written>>)> {
        let written = |data: &Option<Image>| data.clone().map(|image| Written(Some(image)));
        let event = match step {
            Step::Load(load) => TxEvent::Load(*load),
            Step::Back(line, data) => TxEvent::Writeback(*line, written(data)),
            Step::Ack(line, data) => TxEvent::RecallAck(*line, written(data)),
            Step::Taken => TxEvent::Taken,
            Step::Reset => TxEvent::Reset,
            Step::Assign | Step::Timeout | Step::Retire | Step::Ask | Step::Allow => return None,
        };
        let (home, actions) = self.home.step(event).ok()?;
        let config = self.config;
        let mut outputs = Vec::new();
        for action in actions {
            match action {
                TxAction::Fill { load, data } => outputs.push(Output::Fill(load, data)),
                TxAction::Recall(line) => outputs.push(Output::Recall(line)),
                TxAction::Offer(_) => outputs.push(Output::Offer),
                TxAction::ResetDone => {}
            }
        }
        Some((Self { home, config }, outputs))
    }

    fn hidden(&self) -> Vec<Step> {
        vec![]
    }

    fn is_trigger(&self, line: LineRole, dirty: bool) -> bool {
        self.config.eager && dirty && line.is_control()
    }

    fn may_omit(&self, line: LineRole) -> bool {
        match self.home.is_resetting() {
            true => !self.home.recalls_every_line(),
            false => self.config.eager && !line.is_control(),
        }
    }

    fn accepts(&mut self, content: &Written, _: LineRole, image: &Image) -> bool {
        match &content.0 {
            Some(written) => written == image,
            None => is_zero(image),
        }
    }

    fn grants_all(&self) -> bool {
        true
    }

    fn is_resetting(&self) -> bool {
        self.home.is_resetting()
    }

    fn configure(&mut self, config: HomeConfig) {
        self.config = config;
        self.home = self.home.clone().configured(config);
    }

    fn state(&self) -> &'static str {
        self.home.state()
    }

    fn message(&self, step: &Step) -> &'static str {
        let current = LineRole::TxControl(self.home.current());
        match step {
            Step::Load(load) if load.line == current => "load T[q]",
            Step::Load(load) if load.line.is_control() => "load T[1-q]",
            Step::Load(_) => "load TO",
            Step::Back(line, Some(_)) if line.is_control() => "dirty T",
            Step::Back(_, Some(_)) => "dirty TO",
            Step::Back(_, None) => "clean notice",
            Step::Ack(_, Some(_)) => "dirty acknowledgement",
            Step::Ack(_, None) => "clean acknowledgement",
            Step::Assign => "assign",
            Step::Timeout => "timeout",
            Step::Retire => "retire",
            Step::Taken => "taken",
            Step::Ask => "ask",
            Step::Allow => "allow",
            Step::Reset => "reset",
        }
    }
}

/// The home of the preemption line.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Preempt {
    home: PreemptHome,
    /// The scheduler wants the core.
    asked: bool,
    waiting: Option<WaitingLoad>,
}

impl Preempt {
    pub fn ask(&mut self, asked: bool) {
        self.asked = asked;
    }

    pub fn is_yielded(&self) -> bool {
        self.home.is_yielded()
    }
}

fn preempt_word(data: &Option<Image>) -> Option<PreemptWord> {
    let bytes = data.as_ref()?.get(..8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes).into())
}

impl Home for Preempt {
    const NAME: &'static str = "preemption";
    type Content = PreemptWord;

    fn step(&self, step: &Step) -> Option<(Self, Vec<Output<PreemptWord>>)> {
        let mut next = self.clone();
        let event = match step {
            // There is one line, so that a second load is the host's fault.
            Step::Load(_) if self.waiting.is_some() => return None,
            Step::Load(load) => {
                next.waiting = Some(*load);
                PreemptEvent::Load
            }
            Step::Back(_, data) => PreemptEvent::Writeback(preempt_word(data)),
            Step::Ack(_, data) => PreemptEvent::RecallAck(preempt_word(data)),
            Step::Ask => PreemptEvent::Ask,
            Step::Allow => PreemptEvent::Allow,
            Step::Reset => PreemptEvent::Reset,
            Step::Assign | Step::Timeout | Step::Retire | Step::Taken => return None,
        };
        let (home, actions) = self.home.step(event).ok()?;
        next.home = home;
        let mut outputs = Vec::new();
        for action in actions {
            match action {
                PreemptAction::Fill(word) => outputs.push(Output::Fill(next.waiting.take()?, word)),
                PreemptAction::Recall => outputs.push(Output::Recall(LineRole::Preemption)),
                PreemptAction::ResetDone => {}
            }
        }
        Some((next, outputs))
    }

    fn hidden(&self) -> Vec<Step> {
        self.wish().into_iter().collect()
    }

    fn wish(&self) -> Option<Step> {
        let step = if self.asked { Step::Ask } else { Step::Allow };
        (self.home.ready() == self.asked).then_some(step)
    }

    fn is_trigger(&self, _: LineRole, _: bool) -> bool {
        false
    }

    fn may_omit(&self, _: LineRole) -> bool {
        false
    }

    fn accepts(&mut self, word: &PreemptWord, _: LineRole, image: &Image) -> bool {
        let (first, rest) = image.split_at(8);
        first == u64::from(*word).to_le_bytes() && rest.iter().all(|byte| *byte == 0)
    }

    fn grants_all(&self) -> bool {
        true
    }

    fn is_resetting(&self) -> bool {
        self.home.is_resetting()
    }

    fn configure(&mut self, _: HomeConfig) {}

    fn state(&self) -> &'static str {
        self.home.state()
    }

    fn message(&self, step: &Step) -> &'static str {
        match step {
            Step::Load(_) => "load",
            Step::Back(_, Some(_)) => "dirty writeback",
            Step::Back(_, None) => "clean notice",
            Step::Ack(_, Some(_)) => "dirty acknowledgement",
            Step::Ack(_, None) => "clean acknowledgement",
            Step::Ask => "ask",
            Step::Allow => "allow",
            Step::Reset => "reset",
            Step::Assign | Step::Timeout | Step::Retire | Step::Taken => "none",
        }
    }
}
