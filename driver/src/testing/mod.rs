//! A card made of scripts, and the poll loop that runs the driver against it.
//!
//! [`MockCard`] is the home side of one endpoint, written from the protocol's text and not from the
//! driver: it defers loads, repeats answers, recalls lines, and sees through a cache of the host's
//! that keeps a line until it is recalled. A driver that loads a line it still holds gets stale
//! bytes here, as on hardware.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use lauberhorn_coherence::{EndpointLayout, LineAddress, LineRole, Parity};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{HEADER_BYTES, PreemptWord, RxHeader, RxKind, TxHeader};

use crate::lines::{Lines, LinesError, STORE_BYTES};

mod registers;
pub mod seed;
pub use registers::MockRegisters;

/// A line image that the card answers a load with.
pub type Image = Vec<u8>;

/// The line image of an answer.
pub fn image(header: RxHeader, body: &[u8]) -> Image {
    let header = RxHeader {
        length_bytes: body.len() as u16,
        ..header
    };
    let mut image = header.encode().to_vec();
    image.resize(header.kind.body_offset(), 0);
    image.extend_from_slice(body);
    image
}

/// The line image of an answer without a body.
pub fn plain(kind: RxKind) -> Image {
    image(
        RxHeader {
            kind,
            ..RxHeader::default()
        },
        &[],
    )
}

/// A body whose bytes tell their place.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 256) as u8).collect()
}

struct Cached {
    data: Vec<u8>,
    exclusive: bool,
    dirty: bool,
}

/// What the card and the host's cache hold.
pub struct Card {
    layout: EndpointLayout,
    endpoint: usize,
    cache: BTreeMap<LineAddress, Cached>,
    /// Answers not yet given.
    pub answers: VecDeque<Image>,
    rx: Parity,
    answered: Option<Image>,
    /// Another core's load waits at the endpoint.
    pub taken: bool,
    tx: Parity,
    unfenced_stores: bool,
    /// Control lines that are written back are sent.
    pub eager: bool,
    /// The driver is told that its cache holds lines.
    pub cached: bool,
    given_back: BTreeMap<LineAddress, Vec<u8>>,
    /// Messages taken from the endpoint: header and body.
    pub sent: Vec<(TxHeader, Vec<u8>)>,
    /// Roles of the lines filled, in order.
    pub fills: Vec<LineRole>,
    /// Loads that the cache answered.
    pub hits: usize,
    /// Completed messages that the host has acknowledged.
    pub acknowledged: usize,
    /// Loads for writing that the driver waited for.
    pub exclusive_loads: usize,
    /// What the card says on the preemption line.
    pub word: PreemptWord,
    /// The card is gone: every load fails.
    pub gone: bool,
}

impl Card {
    fn line(&self, role: LineRole) -> LineAddress {
        self.layout
            .address(self.endpoint, role)
            .expect("a line of the endpoint")
    }

    fn role(&self, line: LineAddress) -> LineRole {
        let (endpoint, role) = self.layout.locate(line).expect("a line with a role");
        assert_eq!(
            endpoint, self.endpoint,
            "the driver touches another endpoint"
        );
        role
    }

    /// The card starts with the other RX line.
    pub fn swap_rx(&mut self) {
        self.rx = self.rx.other();
    }

    /// The card starts with the other TX line.
    pub fn swap_tx(&mut self) {
        self.tx = self.tx.other();
    }

    fn fill(&mut self, line: LineAddress, exclusive: bool, mut data: Vec<u8>) {
        data.resize(self.layout.line_bytes(), 0);
        self.fills.push(self.role(line));
        self.cache.insert(
            line,
            Cached {
                data,
                exclusive,
                dirty: false,
            },
        );
    }

    fn recall_rx(&mut self) {
        let lines: Vec<_> = self
            .cache
            .keys()
            .copied()
            .filter(|&l| self.role(l).is_rx())
            .collect();
        for line in lines {
            let cached = self.cache.remove(&line).expect("just listed");
            assert!(!cached.dirty, "the driver wrote to {}", self.role(line));
        }
    }

    fn part(&self, n: usize) -> Vec<u8> {
        let line_bytes = self.layout.line_bytes();
        let bytes = self.answered.iter().flatten().copied();
        bytes.skip(n * line_bytes).take(line_bytes).collect()
    }

    /// Fills `line` if the protocol has an answer for it now. `parked`: this load waits already.
    fn load(&mut self, line: LineAddress, parked: &mut bool) -> bool {
        if self.cache.contains_key(&line) {
            return true;
        }
        match self.role(line) {
            LineRole::RxControl(parity) => {
                if self.answered.is_some() && parity != self.rx {
                    self.recall_rx();
                    self.answered = None;
                    self.acknowledged += 1;
                    self.rx = parity;
                }
                if self.answered.is_none() && (parity != self.rx || (self.taken && !*parked)) {
                    self.fill(line, false, plain(RxKind::Empty));
                    return true;
                }
                if self.answered.is_none() {
                    let Some(answer) = self.answers.pop_front() else {
                        *parked = true;
                        return false;
                    };
                    self.recall_rx();
                    self.answered = Some(answer);
                }
                self.fill(line, false, self.part(0));
            }
            LineRole::RxOverflow(n) => self.fill(line, false, self.part(n + 1)),
            LineRole::TxControl(Parity::One) if self.eager => panic!("T1 is not used"),
            LineRole::TxControl(parity) if parity != self.tx => self.recall_message(line),
            LineRole::TxControl(_) | LineRole::TxOverflow(_) => self.fill(line, true, Vec::new()),
            LineRole::Preemption => {
                self.fill(line, true, u64::from(self.word).to_le_bytes().to_vec());
            }
        }
        true
    }

    fn recall_message(&mut self, line: LineAddress) {
        let recalled = self.cache.remove(&self.line(LineRole::TxControl(self.tx)));
        let bytes = recalled
            .filter(|cached| cached.dirty)
            .map_or(vec![], |cached| cached.data);
        self.take_message(bytes);
        self.tx = self.tx.other();
        self.fill(line, true, Vec::new());
    }

    /// The scheduler wants the core, or gives it back.
    pub fn set_ready(&mut self, ready: bool) {
        self.word.ready = ready;
        let line = self.line(LineRole::Preemption);
        if let Some(cached) = self.cache.remove(&line) {
            self.take_word(&cached);
        }
    }

    fn take_word(&mut self, cached: &Cached) {
        let bytes = cached.data[..STORE_BYTES].try_into().expect("a line");
        let word = PreemptWord::from(u64::from_le_bytes(bytes));
        if cached.dirty {
            self.word.busy = word.busy;
        }
    }

    fn give_back(&mut self, line: LineAddress) {
        if self.role(line) == LineRole::Preemption {
            let cached = self.cache.remove(&line).expect("a line that is held");
            return self.take_word(&cached);
        }
        assert!(self.eager, "recall mode writes nothing back, but {line}");
        let cached = self.cache.remove(&line).expect("a line that is held");
        assert!(cached.dirty, "{line} was written");
        match self.role(line) {
            LineRole::TxControl(Parity::Zero) => {
                self.take_message(cached.data);
                self.given_back.clear();
            }
            LineRole::TxOverflow(_) => {
                self.given_back.insert(line, cached.data);
            }
            role => panic!("the driver gave {role} back"),
        }
    }

    fn take_message(&mut self, mut bytes: Vec<u8>) {
        if bytes.first().is_some_and(|&first| first & 1 == 1) {
            let header: [u8; HEADER_BYTES] = bytes[..HEADER_BYTES].try_into().expect("a line");
            let header = TxHeader::decode(&header).expect("a legal header");
            for n in 1..header.end_bytes().div_ceil(self.layout.line_bytes()) {
                let line = self.line(LineRole::TxOverflow(n - 1));
                let overflow = match self.eager {
                    true => self.given_back.remove(&line),
                    false => self
                        .cache
                        .remove(&line)
                        .filter(|cached| cached.dirty)
                        .map(|cached| cached.data),
                };
                let overflow = overflow.expect("an overflow line that the length names");
                bytes.extend(overflow);
            }
            assert!(
                bytes[header.end_bytes()..].iter().all(|&byte| byte == 0),
                "padding"
            );
            let body = bytes[header.kind.body_offset()..header.end_bytes()].to_vec();
            self.sent.push((header, body));
        }
    }
}

/// A handle on the card, for the script and for the driver.
#[derive(Clone)]
pub struct MockCard(Rc<RefCell<Card>>);

impl MockCard {
    /// A card just reset, seen from `endpoint`.
    pub fn new(config: &NicConfig, endpoint: usize) -> Self {
        Self(Rc::new(RefCell::new(Card {
            layout: EndpointLayout::contiguous(config),
            endpoint,
            cache: BTreeMap::new(),
            answers: VecDeque::new(),
            rx: Parity::Zero,
            answered: None,
            taken: false,
            tx: Parity::Zero,
            unfenced_stores: false,
            eager: false,
            cached: true,
            given_back: BTreeMap::new(),
            sent: Vec::new(),
            fills: Vec::new(),
            hits: 0,
            acknowledged: 0,
            exclusive_loads: 0,
            word: PreemptWord {
                ready: true,
                busy: false,
            },
            gone: false,
        })))
    }

    /// The layout the driver must use.
    pub fn layout(&self) -> EndpointLayout {
        self.0.borrow().layout.clone()
    }

    /// Lets the script change the card.
    pub fn with<T>(&self, change: impl FnOnce(&mut Card) -> T) -> T {
        change(&mut self.0.borrow_mut())
    }

    /// Looks at the card.
    pub fn get(&self) -> Ref<'_, Card> {
        self.0.borrow()
    }

    /// Gives the card one more answer.
    pub fn answer(&self, image: Image) {
        self.with(|card| card.answers.push_back(image));
    }

    fn count_hit(&self, line: LineAddress) {
        self.with(|card| card.hits += usize::from(card.cache.contains_key(&line)));
    }

    async fn hold(&self, line: LineAddress) -> Result<(), LinesError> {
        let mut parked = false;
        poll_fn(|_| {
            let mut card = self.0.borrow_mut();
            if card.gone {
                return Poll::Ready(Err(LinesError::Gone {
                    reason: "as the test wants".into(),
                }));
            }
            match card.load(line, &mut parked) {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        })
        .await
    }

    async fn hold_exclusive(&self, line: LineAddress) -> Result<(), LinesError> {
        if self
            .get()
            .cache
            .get(&line)
            .is_some_and(|cached| !cached.exclusive)
        {
            self.with(|card| card.cache.remove(&line));
        }
        self.hold(line).await
    }
}

impl Lines for MockCard {
    fn line_bytes(&self) -> usize {
        self.get().layout.line_bytes()
    }

    fn are_cached(&self) -> bool {
        self.get().cached
    }

    async fn load(&self, line: LineAddress, data: &mut [u8]) -> Result<(), LinesError> {
        self.count_hit(line);
        self.hold(line).await?;
        data.copy_from_slice(&self.get().cache[&line].data);
        Ok(())
    }

    async fn load_many(&self, lines: &[LineAddress], data: &mut [u8]) -> Result<(), LinesError> {
        assert_eq!(data.len(), lines.len() * self.line_bytes());
        for (&line, data) in lines.iter().zip(data.chunks_mut(self.line_bytes())) {
            self.load(line, data).await?;
        }
        Ok(())
    }

    async fn load_exclusive(&self, line: LineAddress) -> Result<(), LinesError> {
        assert!(
            !self.get().unfenced_stores,
            "a load may overtake the stores before it"
        );
        self.count_hit(line);
        self.with(|card| card.exclusive_loads += 1);
        self.hold_exclusive(line).await
    }

    async fn store(&self, line: LineAddress, at: usize, data: &[u8]) -> Result<(), LinesError> {
        assert!(
            (at % STORE_BYTES, data.len() % STORE_BYTES) == (0, 0),
            "whole words"
        );
        self.hold_exclusive(line).await?;
        self.with(|card| {
            card.unfenced_stores = true;
            let cached = card.cache.get_mut(&line).expect("just filled");
            cached.data[at..at + data.len()].copy_from_slice(data);
            cached.dirty = true;
        });
        Ok(())
    }

    async fn compare_exchange(
        &self,
        line: LineAddress,
        expected: u64,
        new: u64,
    ) -> Result<u64, LinesError> {
        self.count_hit(line);
        self.hold_exclusive(line).await?;
        Ok(self.with(|card| {
            card.unfenced_stores = false;
            let cached = card.cache.get_mut(&line).expect("just filled");
            let word = &mut cached.data[..STORE_BYTES];
            let found = u64::from_le_bytes((&*word).try_into().expect("a word"));
            if found == expected {
                word.copy_from_slice(&new.to_le_bytes());
                cached.dirty = true;
            }
            found
        }))
    }

    async fn write_back(&self, line: LineAddress) -> Result<(), LinesError> {
        self.with(|card| {
            card.unfenced_stores = false;
            card.give_back(line);
        });
        Ok(())
    }

    async fn fence(&self) -> Result<(), LinesError> {
        self.with(|card| card.unfenced_stores = false);
        Ok(())
    }

    fn prefetch(&self, line: LineAddress, _: bool) {
        // A prefetch of an RX control line could acknowledge.
        self.with(|card| assert!(!matches!(card.role(line), LineRole::RxControl(_))));
    }
}

/// A future that the script polls when it likes.
pub struct Task<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Task<'a, T> {
    /// A task that was not polled yet.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(future))
    }

    /// Runs as far as possible; the output when it is done.
    pub fn poll(&mut self) -> Option<T> {
        match self
            .0
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

/// Runs a future that needs nothing more from the script.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    crate::lines::block_on_ready(future).expect("the script has an answer for every load")
}
