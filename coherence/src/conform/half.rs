//! One half of an endpoint under replay: every way in which the home can have come this far.
//!
//! The card is a pipeline and decides things that the port does not show, so what crossed the port
//! has more than one explanation until more has crossed. Each is a [`Way`]. What the card sends
//! must follow from at least one of them; the others end there.

use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use super::Coverage;
use super::homes::{Home, Image, Output, Preempt, Step};
use crate::home::{HomeConfig, WaitingLoad};
use crate::layout::LineRole;
use crate::lines::LineSet;
use crate::message::Fill;

/// More ways than this at once are a fault of the replay, not of the card.
const MAX_WAYS: usize = 4096;

/// One explanation of what crossed the port. Two that differ only in how they came about are one.
#[derive(Clone)]
struct Way<H: Home> {
    home: H,
    /// Loads that crossed the port and that the home has not taken yet.
    loads: VecDeque<WaitingLoad>,
    /// Acknowledgements that the home has not taken yet: in a reset it counts which loads came
    /// before the last one.
    acks: VecDeque<(LineRole, Option<Image>)>,
    /// Fills and recalls that the home has asked for and that have not crossed yet.
    fills: VecDeque<(WaitingLoad, H::Content)>,
    recalls: VecDeque<LineRole>,
    /// Lines recalled, without acknowledgement yet.
    out: LineSet,
    /// Of these: the line had left the host when the home decided what to recall, but the card
    /// decided before it knew. Nothing is filled until they are acknowledged.
    late: LineSet,
    /// Lines that came back unasked since they were last filled.
    back: LineSet,
    /// A reset that was asked for may start.
    reset_due: bool,
    /// Pairs of state and message on the way here, since there was only one way.
    pairs: Vec<(&'static str, &'static str)>,
}

impl<H: Home> Way<H> {
    #[allow(clippy::type_complexity, reason = "every field but one, once")]
    fn identity(
        &self,
    ) -> (
        &H,
        &VecDeque<WaitingLoad>,
        &VecDeque<(LineRole, Option<Image>)>,
        &VecDeque<(WaitingLoad, H::Content)>,
        &VecDeque<LineRole>,
        [LineSet; 3],
        bool,
    ) {
        let sets = [self.out, self.late, self.back];
        (
            &self.home,
            &self.loads,
            &self.acks,
            &self.fills,
            &self.recalls,
            sets,
            self.reset_due,
        )
    }
}

impl<H: Home> PartialEq for Way<H> {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl<H: Home> Eq for Way<H> {}

impl<H: Home> Hash for Way<H> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.identity().hash(state);
    }
}

/// What the card sends, to be explained.
enum Sent<'a> {
    Fill(LineRole, &'a Fill<Image>),
    Recall(LineRole),
}

impl<H: Home> Way<H> {
    /// The home takes a step; what it does is owed.
    fn step(&self, step: &Step) -> Option<Self> {
        let (home, outputs) = self.home.step(step)?;
        let mut next = self.clone();
        next.pairs
            .push((self.home.state(), self.home.message(step)));
        next.home = home;
        let mut offered = false;
        for output in outputs {
            match output {
                Output::Fill(load, content) => next.fills.push_back((load, content)),
                Output::Recall(line) => next.recalls.push_back(line),
                Output::Offer => offered = true,
            }
        }
        // The transmit path is not seen here. That it reads at once makes no difference: nothing
        // of the next message comes before the host knows that it did.
        if offered {
            return next.step(&Step::Taken);
        }
        Some(next)
    }

    fn take_load(&self) -> Option<Self> {
        let mut next = self.clone();
        let load = next.loads.pop_front()?;
        next.step(&Step::Load(load))
    }

    /// This way, and those on which some of the loads that are on their way came first, each also
    /// with what the card may then have done by itself.
    fn before_trigger(&self) -> Vec<Self> {
        let mut ways = vec![self.clone()];
        let mut last = self.clone();
        while let Some(next) = last.take_load() {
            ways.push(next.clone());
            last = next;
        }
        let alone = |way: &Self| {
            let hidden = way.home.hidden();
            hidden
                .iter()
                .filter_map(|step| way.step(step))
                .collect::<Vec<_>>()
        };
        let alone: Vec<_> = ways.iter().flat_map(alone).collect();
        ways.extend(alone);
        ways
    }

    fn take_ack(&self) -> Option<Self> {
        let mut next = self.clone();
        let (line, data) = next.acks.pop_front()?;
        next.step(&Step::Ack(line, data))
    }

    fn start_reset(&self) -> Option<Self> {
        let mut next = self.clone();
        if !std::mem::take(&mut next.reset_due) {
            return None;
        }
        next.step(&Step::Reset)
    }

    /// The card has not recalled the first line that is owed, as it came back just before.
    fn omit(&self) -> Option<Self> {
        let line = *self.recalls.front()?;
        if !self.back.contains(line) || !self.home.may_omit(line) {
            return None;
        }
        let mut next = self.clone();
        next.recalls.pop_front();
        next.step(&Step::Ack(line, None))
    }

    /// This way with what crossed, if it was owed; nothing when something else must come first.
    fn cross(&self, sent: &Sent<'_>) -> Option<Self> {
        let mut next = self.clone();
        match sent {
            Sent::Fill(line, fill) => {
                let (load, content) = next.fills.pop_front()?;
                let granted = fill.exclusive || !next.home.grants_all();
                let due = load.id == fill.id && next.late.is_empty() && granted;
                if !due || !next.home.accepts(&content, *line, &fill.data) {
                    return None;
                }
                next.back.remove(*line);
            }
            Sent::Recall(line) => {
                let due = next.recalls.pop_front()? == *line;
                if !due || self.fills.iter().any(|(load, _)| load.line == *line) {
                    return None;
                }
                next.out.insert(*line);
            }
        }
        Some(next)
    }
}

/// No way explains what happened.
pub(super) struct Unexplained;

/// Every way in which the home can have come this far, each once.
#[derive(Clone)]
pub(super) struct Half<H: Home> {
    ways: Vec<Way<H>>,
}

impl<H: Home> Half<H> {
    pub fn new(home: H) -> Self {
        let way = Way {
            home,
            loads: VecDeque::new(),
            acks: VecDeque::new(),
            fills: VecDeque::new(),
            recalls: VecDeque::new(),
            out: LineSet::default(),
            late: LineSet::default(),
            back: LineSet::default(),
            reset_due: false,
            pairs: Vec::new(),
        };
        Self { ways: vec![way] }
    }

    pub fn configure(&mut self, config: HomeConfig) {
        for way in &mut self.ways {
            way.home.configure(config);
        }
    }

    /// The states that it may be in.
    pub fn states(&self) -> Vec<&'static str> {
        let mut states: Vec<_> = self.ways.iter().map(|way| way.home.state()).collect();
        states.sort_unstable();
        states.dedup();
        states
    }

    /// A reset was asked for.
    pub fn reset(&mut self) {
        for way in &mut self.ways {
            way.reset_due = true;
        }
    }

    /// A load is on its way.
    pub fn load(&mut self, load: WaitingLoad) {
        for way in &mut self.ways {
            way.loads.push_back(load);
        }
    }

    /// A line came back unasked.
    pub fn back(
        &mut self,
        line: LineRole,
        data: Option<Image>,
        coverage: &mut Coverage,
    ) -> Result<(), Unexplained> {
        let mut found = Vec::new();
        for way in &self.ways {
            let mut before = match way.home.is_trigger(line, data.is_some()) {
                true => way.before_trigger(),
                false => vec![way.clone()],
            };
            let in_reset: Vec<_> = before.iter().filter_map(Way::start_reset).collect();
            before.extend(in_reset);
            let wish = way.home.wish();
            before.extend(wish.and_then(|wish| way.step(&wish)));
            found.extend(before.iter().filter_map(|way| {
                let mut next = way.step(&Step::Back(line, data.clone()))?;
                next.back.insert(line);
                Some(next)
            }));
        }
        self.keep(found, coverage)
    }

    /// A recall was acknowledged.
    pub fn acknowledged(
        &mut self,
        line: LineRole,
        data: Option<Image>,
        coverage: &mut Coverage,
    ) -> Result<(), Unexplained> {
        let mut found = Vec::new();
        for way in self.ways.iter().filter(|way| way.out.contains(line)) {
            let mut way = way.clone();
            way.out.remove(line);
            if way.late.remove(line) {
                found.push(way);
                continue;
            }
            way.acks.push_back((line, data.clone()));
            found.extend(way.start_reset());
            if way.home.is_resetting() {
                found.push(way);
            } else {
                found.extend(way.take_ack());
            }
        }
        self.keep(found, coverage)
    }

    /// The card answered a load.
    pub fn filled(
        &mut self,
        line: LineRole,
        fill: &Fill<Image>,
        coverage: &mut Coverage,
    ) -> Result<(), Unexplained> {
        let found = self.explain(&Sent::Fill(line, fill));
        self.keep(found, coverage)
    }

    /// The card asked for a line.
    pub fn recalled(&mut self, line: LineRole, coverage: &mut Coverage) -> Result<(), Unexplained> {
        let mut found = self.explain(&Sent::Recall(line));
        for way in &self.ways {
            let owed = way.fills.iter().any(|(load, _)| load.line == line);
            if way.back.contains(line) && !way.out.contains(line) && !owed {
                let mut way = way.clone();
                way.out.insert(line);
                way.late.insert(line);
                found.push(way);
            }
        }
        self.keep(found, coverage)
    }

    /// All ways on which the card may have sent this. Only steps that are needed are taken: the
    /// others can be taken later.
    fn explain(&self, sent: &Sent<'_>) -> Vec<Way<H>> {
        let mut found = Vec::new();
        let mut open = self.ways.clone();
        let mut seen: HashSet<_> = open.iter().cloned().collect();
        while let Some(way) = open.pop() {
            found.extend(way.cross(sent));
            let mut next: Vec<_> = way.omit().into_iter().collect();
            // What is owed in the same channel comes first.
            let owed = match sent {
                Sent::Fill(..) => !way.fills.is_empty(),
                Sent::Recall(_) => !way.recalls.is_empty(),
            };
            if !owed {
                next.extend(way.take_load());
                next.extend(way.take_ack());
                next.extend(way.home.hidden().iter().filter_map(|step| way.step(step)));
                next.extend(way.start_reset());
            }
            open.extend(next.into_iter().filter(|next| seen.insert(next.clone())));
        }
        found
    }

    fn keep(&mut self, found: Vec<Way<H>>, coverage: &mut Coverage) -> Result<(), Unexplained> {
        let mut seen = HashSet::new();
        let ways: Vec<_> = found
            .into_iter()
            .filter(|way| seen.insert(way.clone()))
            .collect();
        if ways.is_empty() || ways.len() > MAX_WAYS {
            return Err(Unexplained);
        }
        self.ways = ways;
        if let [way] = &mut self.ways[..] {
            coverage.count(H::NAME, &way.pairs);
            way.pairs.clear();
        }
        Ok(())
    }
}

impl Half<Preempt> {
    /// The scheduler wants the core, or not any more. The card may have followed a wish of before, or
    /// not seen it, before or after anything that is on its way.
    pub fn ask(&mut self, asked: bool) {
        let mut open = std::mem::take(&mut self.ways);
        let mut seen: HashSet<_> = open.iter().cloned().collect();
        while let Some(mut way) = open.pop() {
            let wish = way.home.wish();
            let followed = wish.and_then(|wish| way.step(&wish));
            let next = [way.take_load(), way.take_ack(), followed];
            let next = next.into_iter().flatten();
            open.extend(next.filter(|next| seen.insert(next.clone())));
            way.home.ask(asked);
            self.ways.push(way);
        }
    }

    /// Whether the worker may have yielded, once the card follows what the scheduler wants.
    pub fn may_have_yielded(&self) -> bool {
        self.ways.iter().any(|way| {
            let mut way = way.clone();
            while let Some(next) = way.take_ack() {
                way = next;
            }
            let followed = way.home.wish().and_then(|wish| way.step(&wish));
            followed.unwrap_or(way).home.is_yielded()
        })
    }
}
