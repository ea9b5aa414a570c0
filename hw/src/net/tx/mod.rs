//! # Transmit path
//!
//! From complete messages in the transmit lines, and replies that the card gives itself, to frames
//! at the MAC.
//!
//! ```text
//! message ─▶ admit ─▶ gather (body, checksum) ─────────────▶ emit ─▶ mac
//! reply  ──▶   │ └──▶ header builder ─────────────────────────▲
//!              └ sessions (check and free) ─▶ neighbours ──────┘
//! sweep ─▶ orphans ─▶ orphan
//! ```
//!
//! Timing, in cycles from `message.valid` of a message of `n` beats, nothing else under way:
//!
//! | cycle | what |
//! |---|---|
//! | 0 | taken; first beat asked for; handle looked up |
//! | 1 | first beat there; handle compared |
//! | 2 | verdict; the session is free; peer known, neighbour looked up |
//! | n + 1 | last beat cleared of what is not body |
//! | n + 2 | 32 words added to 5 |
//! | n + 3 | and to the header's |
//! | n + 4 | checksum; the frame is queued |
//! | n + 6 | first beat on `mac` |
//!
//! The next job is taken `max(3, n + 1)` cycles after this one, and a reply of `n` body beats takes
//! at most `n + 1` beats on `mac`: long messages leave at full rate. A frame from the bypass
//! endpoint takes one cycle more.
//!
//! NIC replies and messages alternate when both wait. The destination MAC comes from the neighbour
//! table, or, when it has none, is the one the call came from.

pub mod admit;
mod checksum;
pub mod emit;
pub mod gather;
pub mod header;
pub mod model;
pub mod neighbours;
pub mod orphans;
pub mod sessions;
pub mod types;

#[cfg(test)]
mod tests;

use crate::design::Design;
use crate::types::{
    Beat, FlowIn, FlowOut, NeighbourEntry, NeighbourWrite, NicReply, SessionHandle, SessionOpen,
    SessionOwner, StreamIn, StreamOut, TxConfig, TxEvents, TxMessage,
};
use admit::Admit;
use emit::Emit;
use gather::Gather;
use header::HeaderBuilder;
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::TxKind;
use neighbours::NeighbourTable;
use orphans::Orphans;
use rust_hdl::prelude::*;
use sessions::SessionTable;

/// Where the body of a reply starts in the line image.
const BODY_AT: usize = TxKind::Reply.body_offset();
/// Where a whole frame starts in the line image.
const FRAME_AT: usize = TxKind::Frame.body_offset();

/// See the module text.
#[derive(LogicBlock, Default)]
pub struct TxPath {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Complete messages in the transmit lines.
    pub message: StreamIn<TxMessage>,
    /// Beat address: endpoint times beats per slot, plus beat.
    pub lines_read: FlowOut<Bits<16>>,
    /// The word, one cycle after it was asked for.
    pub lines_data: Signal<In, Bits<512>>,
    /// Endpoint whose lines have been read.
    pub taken: FlowOut<Bits<5>>,
    /// Replies of the receive path.
    pub reply: StreamIn<NicReply>,
    /// Opens a session.
    pub session_open: FlowIn<SessionOpen>,
    /// Binds a session to an endpoint.
    pub session_owner: FlowIn<SessionOwner>,
    /// Free sessions.
    pub session: StreamOut<SessionHandle>,
    /// Endpoint whose worker is gone.
    pub sweep: FlowIn<Bits<5>>,
    /// Sessions that it left behind.
    pub orphan: StreamOut<SessionHandle>,
    /// There are no more of them.
    pub swept: Signal<Out, Bit>,
    /// Writes the neighbour table.
    pub neighbours: FlowIn<NeighbourWrite>,
    /// Reads an entry of the neighbour table.
    pub neighbour_read: FlowIn<Bits<8>>,
    /// The entry read, from 2 cycles later on.
    pub neighbour_entry: Signal<Out, NeighbourEntry>,
    /// Own addresses.
    pub settings: Signal<In, TxConfig>,
    /// To the MAC.
    pub mac: StreamOut<Beat>,
    /// Free sessions left.
    pub free_sessions: Signal<Out, Bits<16>>,
    /// Counter pulses.
    pub events: Signal<Out, TxEvents>,
    admit: Admit,
    session_table: SessionTable,
    orphans: Orphans,
    neighbour_table: NeighbourTable,
    gather: Gather,
    header: HeaderBuilder,
    emit: Emit,
}

impl TxPath {
    /// The transmit path of a card.
    pub fn new(config: &NicConfig) -> Self {
        Self {
            admit: Admit::new(config),
            session_table: SessionTable::new(config.sessions()),
            orphans: Orphans::new(config.sessions()),
            neighbour_table: NeighbourTable::new(config.neighbour_entries()),
            gather: Gather::new(config),
            ..Self::default()
        }
    }
}

impl Logic for TxPath {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            admit,
            session_table,
            orphans,
            neighbour_table,
            gather,
            header,
            emit
        );
        self.admit.reset.next = self.reset.val();
        self.session_table.reset.next = self.reset.val();
        self.orphans.reset.next = self.reset.val();
        self.neighbour_table.reset.next = self.reset.val();
        self.gather.reset.next = self.reset.val();
        self.header.reset.next = self.reset.val();
        self.emit.reset.next = self.reset.val();

        StreamIn::<TxMessage>::link(&mut self.message, &mut self.admit.message);
        StreamIn::<NicReply>::link(&mut self.reply, &mut self.admit.reply);
        FlowOut::<Bits<16>>::link(&mut self.lines_read, &mut self.admit.lines_read);
        FlowOut::<Bits<5>>::link(&mut self.taken, &mut self.admit.taken);
        self.admit.settings.next = self.settings.val();
        self.admit.room.next = self.gather.room.val();
        self.admit.queue_room.next = self.emit.room.val();

        FlowIn::<SessionOpen>::link(&mut self.session_open, &mut self.session_table.open);
        FlowIn::<SessionOwner>::link(&mut self.session_owner, &mut self.session_table.owner);
        StreamOut::<SessionHandle>::link(&mut self.session, &mut self.session_table.session);
        FlowIn::<Bits<5>>::link(&mut self.sweep, &mut self.orphans.sweep);
        self.session_table.probe.next = self.orphans.probe.val();
        self.orphans.probed.next = self.session_table.probed.val();
        StreamOut::<SessionHandle>::link(&mut self.orphan, &mut self.orphans.orphan);
        self.swept.next = self.orphans.swept.val();
        self.free_sessions.next = self.session_table.free_sessions.val();
        FlowOut::<types::SessionCheck>::join(&mut self.admit.check, &mut self.session_table.check);
        self.admit.verdict.next = self.session_table.verdict.val();

        FlowIn::<NeighbourWrite>::link(&mut self.neighbours, &mut self.neighbour_table.write);
        FlowIn::<Bits<8>>::link(&mut self.neighbour_read, &mut self.neighbour_table.read);
        self.neighbour_entry.next = self.neighbour_table.entry.val();
        self.neighbour_table.lookup.payload.next = self.admit.peer.payload.val();
        self.neighbour_table.lookup.valid.next = self.admit.peer.valid.val();

        self.header.settings.next = self.settings.val();
        FlowOut::<types::FrameForm>::join(&mut self.admit.form, &mut self.header.form);
        self.header.peer.payload.next = self.admit.peer.payload.val();
        self.header.peer.valid.next = self.admit.peer.valid.val();

        self.gather.lines_data.next = self.lines_data.val();
        FlowOut::<types::GatherBeat>::join(&mut self.admit.beat, &mut self.gather.beat);
        self.gather.seed.next = self.header.seed.val();
        self.gather.keep.next = self.admit.keep.val();

        self.emit.settings.next = self.settings.val();
        self.emit.head.next = self.header.head.val();
        self.emit.neighbour.next = self.neighbour_table.result.val();
        FlowOut::<Bits<16>>::join(&mut self.gather.checksum, &mut self.emit.checksum);
        StreamOut::<Bits<512>>::join(&mut self.gather.body, &mut self.emit.body);
        self.emit.admit_events.next = self.admit.events.val();
        StreamOut::<Beat>::link(&mut self.mac, &mut self.emit.mac);
        self.events.next = self.emit.events.val();
    }
}

/// All designs of the transmit path: every leaf, and the composite.
pub fn designs() -> Vec<Design> {
    let eci = NicConfig::eci();
    let jumbo = NicConfig::eci_16_jumbo();
    vec![
        Design::leaf("tx_sessions", SessionTable::new(eci.sessions())),
        Design::leaf("tx_orphans", Orphans::new(eci.sessions())),
        Design::leaf("tx_sessions_1024", SessionTable::new(1024)),
        Design::leaf(
            "tx_neighbours",
            NeighbourTable::new(eci.neighbour_entries()),
        ),
        Design::leaf("tx_neighbours_256", NeighbourTable::new(256)),
        Design::leaf("tx_admit", Admit::new(&eci)),
        Design::leaf("tx_admit_jumbo", Admit::new(&jumbo)),
        Design::leaf("tx_gather", Gather::new(&eci)),
        Design::leaf("tx_gather_jumbo", Gather::new(&jumbo)),
        Design::leaf("tx_header", HeaderBuilder::default()),
        Design::leaf("tx_emit", Emit::default()),
        Design::composite("tx_path", TxPath::new(&eci)),
        Design::composite("tx_path_jumbo", TxPath::new(&jumbo)),
    ]
}
