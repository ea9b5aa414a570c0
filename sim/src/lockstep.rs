//! # Lockstep
//! Runs the driver's own code on simulated cores. Each core has one task; the executor polls it
//! only when the operation it waits for has completed, and simulated time stands still while it
//! runs. What software costs between operations is a parameter. One thread, no clock but the
//! simulation's: the same input gives the same trace.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use lauberhorn_coherence::{LineAddress, Placement};
use lauberhorn_driver::lines::{Lines, LinesError, Registers, RegistersError, STORE_BYTES};
use lauberhorn_interface::line::RxHeader;

use crate::csr::{CsrMaster, RegisterAccess, Ticket};
use crate::host::{CoreEvent, CoreOp, CoreReply, Host, LineBytes};
use crate::system::SoftwareCost;

/// Bytes of the register window.
const REGISTER_BYTES: usize = 1 << 16;

#[derive(Debug)]
enum Request {
    Core(CoreOp),
    Register(RegisterAccess),
}

#[derive(Debug)]
enum Completion {
    Start,
    Core(CoreReply),
    Register(u32),
}

#[derive(Debug, Default)]
struct Mailbox {
    request: Option<Request>,
    completion: Option<Completion>,
    prefetches: Vec<(u32, bool)>,
    cycle: u64,
    gone: Option<String>,
    /// A message has come whose overflow lines were not loaded yet.
    overflow_follows: bool,
    /// Bytes of it that no line has brought yet.
    bytes_left: usize,
}

/// A task's view of its core: lines, registers and time.
#[derive(Clone, Debug)]
pub struct SimCore {
    mailbox: Rc<RefCell<Mailbox>>,
    line_bytes: usize,
    line_count: usize,
    coherent: bool,
    cost: SoftwareCost,
}

/// Completes when the executor has put a completion into the mailbox.
struct Wait<'a> {
    mailbox: &'a RefCell<Mailbox>,
    request: Option<Request>,
}

impl Future for Wait<'_> {
    type Output = Completion;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Completion> {
        let request = self.request.take();
        let mut mailbox = self.mailbox.borrow_mut();
        if request.is_some() {
            mailbox.request = request;
            mailbox.completion = None;
            return Poll::Pending;
        }
        match mailbox.completion.take() {
            Some(completion) => Poll::Ready(completion),
            None => Poll::Pending,
        }
    }
}

impl SimCore {
    fn wait(&self, request: Request) -> Wait<'_> {
        Wait {
            mailbox: &self.mailbox,
            request: Some(request),
        }
    }

    async fn core(&self, op: CoreOp) -> Result<Vec<LineBytes>, LinesError> {
        self.alive().map_err(|reason| LinesError::Gone { reason })?;
        match self.wait(Request::Core(op)).await {
            Completion::Core(reply) => Ok(reply.lines),
            other => unreachable!("a core operation completed as {other:?}"),
        }
    }

    fn alive(&self) -> Result<(), String> {
        match &self.mailbox.borrow().gone {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// The present cycle.
    pub fn cycle(&self) -> u64 {
        self.mailbox.borrow().cycle
    }

    /// Lets `cycles` pass on this core, as work outside the model does.
    pub async fn delay(&self, cycles: u64) {
        if cycles > 0 {
            self.wait(Request::Core(CoreOp::Delay(cycles))).await;
        }
    }

    fn check_line(&self, line: LineAddress) -> Result<u32, LinesError> {
        let lines = self.line_count;
        if (line.0 as usize) < lines {
            return Ok(line.0);
        }
        Err(LinesError::OutOfRange { line, lines })
    }

    fn check_shape(&self, offset: usize, len: usize) -> Result<(), LinesError> {
        let line_bytes = self.line_bytes;
        let whole = offset % STORE_BYTES == 0 && len % STORE_BYTES == 0;
        if whole && offset + len <= line_bytes {
            return Ok(());
        }
        Err(LinesError::Shape {
            offset,
            len,
            line_bytes,
        })
    }

    async fn load_lines(&self, lines: &[LineAddress], data: &mut [u8]) -> Result<(), LinesError> {
        if data.len() != lines.len() * self.line_bytes {
            let line_bytes = self.line_bytes;
            return Err(LinesError::Shape {
                offset: 0,
                len: data.len(),
                line_bytes,
            });
        }
        let addresses = lines.iter().map(|&line| self.check_line(line));
        let op = CoreOp::Load(addresses.collect::<Result<_, _>>()?);
        let loaded = self.core(op).await?;
        for (chunk, line) in data.chunks_exact_mut(self.line_bytes).zip(&loaded) {
            chunk.copy_from_slice(&line[..self.line_bytes]);
        }
        Ok(())
    }

    /// Loads a line again for each further piece of it that the software reads alone.
    async fn load_pieces(
        &self,
        line: LineAddress,
        is_control: bool,
        bytes: usize,
        data: &mut [u8],
    ) -> Result<(), LinesError> {
        for _ in 0..self.cost.further_loads(is_control, bytes) {
            self.load_lines(&[line], data).await?;
        }
        Ok(())
    }

    async fn register(&self, access: RegisterAccess) -> Result<u32, RegistersError> {
        self.alive()
            .map_err(|reason| RegistersError::Gone { reason })?;
        if access.address % 4 != 0 {
            let bytes = REGISTER_BYTES;
            return Err(RegistersError::BadAddress {
                address: access.address,
                bytes,
            });
        }
        match self.wait(Request::Register(access)).await {
            Completion::Register(value) => Ok(value),
            other => unreachable!("a register access completed as {other:?}"),
        }
    }
}

impl Lines for SimCore {
    fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn are_cached(&self) -> bool {
        self.coherent
    }

    async fn load(&self, line: LineAddress, data: &mut [u8]) -> Result<(), LinesError> {
        self.load_lines(&[line], data).await?;
        // What the driver loads alone is a control line; bit 0 says that it brought a message.
        if data.first().is_some_and(|first| first & 1 == 1) {
            self.delay(self.cost.control_cycles).await;
            let header = data.first_chunk().map(RxHeader::decode);
            let Some(Ok(header)) = header else {
                return Ok(());
            };
            self.mailbox.borrow_mut().overflow_follows = true;
            let end = header.end_bytes();
            let body = end.min(data.len()) - header.kind.body_offset();
            self.load_pieces(line, true, body, data).await?;
            self.mailbox.borrow_mut().bytes_left = end.saturating_sub(data.len());
        }
        Ok(())
    }

    async fn load_many(&self, lines: &[LineAddress], data: &mut [u8]) -> Result<(), LinesError> {
        if std::mem::take(&mut self.mailbox.borrow_mut().overflow_follows) {
            self.delay(self.cost.overflow_cycles).await;
        }
        self.load_lines(lines, data).await?;
        for (&line, data) in lines.iter().zip(data.chunks_exact_mut(self.line_bytes)) {
            let left = self.mailbox.borrow().bytes_left;
            let bytes = left.min(data.len());
            self.mailbox.borrow_mut().bytes_left = left - bytes;
            self.load_pieces(line, false, bytes, data).await?;
        }
        Ok(())
    }

    async fn load_exclusive(&self, line: LineAddress) -> Result<(), LinesError> {
        let op = CoreOp::LoadExclusive(self.check_line(line)?);
        self.core(op).await.map(|_| ())
    }

    async fn store(&self, line: LineAddress, offset: usize, data: &[u8]) -> Result<(), LinesError> {
        self.check_shape(offset, data.len())?;
        let line = self.check_line(line)?;
        let data = data.to_vec();
        self.core(CoreOp::Store { line, offset, data })
            .await
            .map(|_| ())
    }

    async fn compare_exchange(
        &self,
        line: LineAddress,
        expected: u64,
        new: u64,
    ) -> Result<u64, LinesError> {
        let address = self.check_line(line)?;
        if !self.coherent {
            return Err(LinesError::NotCached { line });
        }
        let op = CoreOp::CompareExchange {
            line: address,
            expected,
            new,
        };
        let found = self.core(op).await?;
        let word = found[0][..STORE_BYTES].try_into().expect("a word");
        Ok(u64::from_le_bytes(word))
    }

    async fn write_back(&self, line: LineAddress) -> Result<(), LinesError> {
        let op = CoreOp::WriteBack(self.check_line(line)?);
        self.core(op).await.map(|_| ())
    }

    async fn fence(&self) -> Result<(), LinesError> {
        self.core(CoreOp::Fence).await.map(|_| ())
    }

    fn prefetch(&self, line: LineAddress, exclusive: bool) {
        if self.check_line(line).is_ok() {
            self.mailbox
                .borrow_mut()
                .prefetches
                .push((line.0, exclusive));
        }
    }
}

impl Registers for SimCore {
    async fn read32(&self, address: u16) -> Result<u32, RegistersError> {
        self.register(RegisterAccess {
            address,
            write: None,
        })
        .await
    }

    async fn write32(&self, address: u16, value: u32) -> Result<(), RegistersError> {
        let access = RegisterAccess {
            address,
            write: Some(value),
        };
        self.register(access).await.map(|_| ())
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Slot {
    mailbox: Rc<RefCell<Mailbox>>,
    task: Option<Task>,
    /// What the task waited for, and when it may be handed over.
    wake: Option<(u64, Completion)>,
    paused_until: u64,
    /// Ticket of the register access the task waits for.
    ticket: Option<Ticket>,
}

/// The executor: one task per core.
pub struct Lockstep {
    slots: Vec<Slot>,
    line_bytes: usize,
    line_count: usize,
    coherent: bool,
    cost: SoftwareCost,
    next_ticket: Ticket,
}

impl Lockstep {
    /// Whether cores cache the card's lines.
    pub fn is_coherent(&self) -> bool {
        self.coherent
    }

    /// No tasks yet; cores that are `coherent` cache the card's lines.
    pub fn new(
        core_count: usize,
        placement: &dyn Placement,
        coherent: bool,
        cost: SoftwareCost,
    ) -> Lockstep {
        Lockstep {
            slots: (0..core_count).map(|_| Slot::default()).collect(),
            line_bytes: placement.line_bytes(),
            line_count: placement.aperture_lines(),
            coherent,
            cost,
            next_ticket: 0,
        }
    }

    /// Starts a task on a core; it is polled first in the next cycle that is run.
    ///
    /// # Panics
    /// When the core has a task.
    pub fn spawn<F>(&mut self, core_idx: usize, task: impl FnOnce(SimCore) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let slot = &mut self.slots[core_idx];
        assert!(slot.task.is_none(), "core {core_idx} has a task already");
        slot.mailbox = Rc::default();
        let core = SimCore {
            mailbox: slot.mailbox.clone(),
            line_bytes: self.line_bytes,
            line_count: self.line_count,
            coherent: self.coherent,
            cost: self.cost,
        };
        slot.task = Some(Box::pin(task(core)));
        slot.wake = Some((0, Completion::Start));
        slot.paused_until = 0;
    }

    /// The core's task has ended, or there is none.
    pub fn is_finished(&self, core_idx: usize) -> bool {
        self.slots[core_idx].task.is_none()
    }

    /// Ends a core's task wherever it is; loads it has issued still complete.
    pub fn kill(&mut self, core_idx: usize, host: &mut Host) {
        let slot = &mut self.slots[core_idx];
        slot.task = None;
        slot.wake = None;
        slot.ticket = None;
        host.core_mut(core_idx).abandon();
    }

    /// Keeps a core's task from running before `cycle`, as an interrupt or another thread would.
    pub fn pause(&mut self, core_idx: usize, cycle: u64) {
        self.slots[core_idx].paused_until = cycle;
    }

    /// Tells all tasks that the card is gone: their next operation fails.
    pub fn card_is_gone(&mut self, reason: &str) {
        for slot in &self.slots {
            slot.mailbox.borrow_mut().gone = Some(reason.to_string());
        }
    }

    /// A register access has completed.
    pub fn register_done(&mut self, cycle: u64, ticket: Ticket, value: u32) {
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| slot.ticket == Some(ticket));
        if let Some(slot) = slot {
            slot.ticket = None;
            slot.wake = Some((cycle, Completion::Register(value)));
        }
    }

    /// Runs the tasks whose operation has completed.
    ///
    /// # Panics
    /// When a task waits for something that is not simulated: it would wait for ever.
    pub fn run(
        &mut self,
        cycle: u64,
        events: &mut Vec<CoreEvent>,
        host: &mut Host,
        registers: &mut CsrMaster,
    ) {
        for event in events.drain(..) {
            let slot = &mut self.slots[event.core_idx];
            if slot.task.is_some() {
                slot.wake = Some((cycle, Completion::Core(event.reply)));
            }
        }
        for core_idx in 0..self.slots.len() {
            let slot = &mut self.slots[core_idx];
            let due = slot.paused_until;
            let Some((_, completion)) = slot
                .wake
                .take_if(|(wake_cycle, _)| cycle >= due.max(*wake_cycle))
            else {
                continue;
            };
            self.poll(core_idx, cycle, completion, host, registers);
        }
    }

    fn poll(
        &mut self,
        core_idx: usize,
        cycle: u64,
        completion: Completion,
        host: &mut Host,
        registers: &mut CsrMaster,
    ) {
        let slot = &mut self.slots[core_idx];
        let Some(task) = &mut slot.task else {
            return;
        };
        {
            let mut mailbox = slot.mailbox.borrow_mut();
            mailbox.cycle = cycle;
            mailbox.completion = Some(completion);
        }
        let finished = task
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready();
        let mut mailbox = slot.mailbox.borrow_mut();
        for (line, exclusive) in mailbox.prefetches.drain(..) {
            host.core_mut(core_idx).prefetch(line, exclusive);
        }
        let request = mailbox.request.take();
        drop(mailbox);
        if finished {
            slot.task = None;
            return;
        }
        match request {
            Some(Request::Core(op)) => {
                host.core_mut(core_idx)
                    .submit(op, cycle + self.cost.op_cycles);
            }
            Some(Request::Register(access)) => {
                slot.ticket = Some(self.next_ticket);
                registers.push(self.next_ticket, access);
                self.next_ticket += 1;
            }
            None => panic!(
                "the task of core {core_idx} waits in cycle {cycle} for something that is not \
                 simulated; await only operations of its SimCore"
            ),
        }
    }
}
