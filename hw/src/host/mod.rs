//! # Host side
//! The card's half of the line protocol: endpoints whose lines the host loads, stores and gives back.
//! It waits for a message with a load in hand, gives the message's lines out, takes them back, and
//! gathers what the host wrote into messages for the transmit path. It knows no interconnect: the
//! line port is five channels.
//!
//! ```text
//!  call ──▶ Dispatcher ──assign──▶ ┌────────────┐ ──fill───▶ arbiters ─▶ FillEngine ──▶ fill
//! frame ──▶ Dispatcher ──────────▶ │ RxHalf[e]  │ ──recall─▶ arbiters ─▶ RecallPort ──▶ recall
//!  load ──▶ LineRouter ──queues──▶ │ TxHalf[e]  │ ──message▶ arbiter ──────────────────▶ message
//! writeback, recall_ack ─▶ Intake ─▶└────────────┘ ──free───▶ arbiter ──────────────────▶ slots
//!            buffer, descriptor ─▶ PacketBuffer, TransmitLines ◀─ lines_read
//! ```
//!
//! | block | function | latency in cycles |
//! |---|---|---|
//! | [`router::LineRouter`] | loads to the queue of their endpoint half | 1 |
//! | [`rx::RxHalf`] | answers loads of RX lines, recalls them | 1 |
//! | [`tx::TxHalf`] | answers loads of TX lines, gathers messages | 1 |
//! | [`intake::Intake`] | lines that come back: data to the buffer, news to the endpoints | 2 |
//! | [`fill::FillEngine`] | lines that go out | 2 |
//! | [`recall::RecallPort`] | recalls that go out | 1 |
//! | [`buffers`] | received messages, transmit lines | 1 |
//! | [`tally`] | event counts, returned slots | 1, 0 |
//! | [`reset::ResetControl`] | takes endpoints from their workers | |
//! | [`preempt::PreemptionLines`] | answers loads of preemption lines, recalls them | 3 and more |
//!
//! A fill passes two arbiters (all RX and all TX halves; these, the zeros and the preemption lines), so `call` to `fill` is
//! 1 + 1 + 2 + 2 = 6 cycles with a load parked; the last beat of a control line to `message` is
//! 2 + 1 + 1 = 4.

pub mod adapter;
pub mod buffers;
pub mod fill;
pub mod gather;
pub mod intake;
pub mod preempt;
pub mod recall;
pub mod reset;
pub mod router;
pub mod rx;
pub mod shape;
pub mod tally;
pub mod tx;
pub mod types;

mod composite;

pub use composite::Host;
pub use shape::Shape;

use crate::design::Design;

/// Every block of the host side in a few configurations, and the whole.
pub fn designs() -> Vec<Design> {
    let mut designs = Vec::new();
    for (suffix, name) in [("eci", "eci"), ("cxl", "cxl"), ("16_jumbo", "eci-16-jumbo")] {
        let shape = Shape::named(name);
        let at = |block: &str| format!("host_{block}_{suffix}");
        designs.push(Design::leaf(&at("router"), router::LineRouter::new(&shape)));
        designs.push(Design::leaf(&at("rx"), rx::RxHalf::new(&shape, 1)));
        designs.push(Design::leaf(&at("tx"), tx::TxHalf::new(&shape, 1)));
        designs.push(Design::leaf(&at("intake"), intake::Intake::new(&shape)));
        designs.push(Design::leaf(&at("fill"), fill::FillEngine::new(&shape)));
        designs.push(Design::leaf(&at("recall"), recall::RecallPort::new(&shape)));
        designs.push(Design::leaf(
            &at("packet_buffer"),
            buffers::PacketBuffer::new(&shape),
        ));
        designs.push(Design::leaf(
            &at("transmit_lines"),
            buffers::TransmitLines::new(&shape),
        ));
        designs.push(Design::leaf(&at("reset"), reset::ResetControl::new(&shape)));
        designs.push(Design::leaf(
            &at("preempt"),
            preempt::PreemptionLines::new(&shape),
        ));
        designs.push(Design::leaf(&at("tally"), tally::Tally::new(&shape)));
    }
    let eci = Shape::named("eci");
    designs.push(Design::leaf("host_rx_bypass", rx::RxHalf::new(&eci, 0)));
    designs.push(Design::leaf("host_tx_bypass", tx::TxHalf::new(&eci, 0)));
    designs.push(Design::leaf(
        "host_slot_return",
        tally::SlotReturn::new(&eci),
    ));
    designs.push(Design::leaf(
        "host_gather",
        gather::Gather::<types::FillRequest>::new(),
    ));
    designs.push(Design::composite("host_eci", Host::<5>::new(&eci)));
    designs.push(Design::composite(
        "host_cxl",
        Host::<5>::new(&Shape::named("cxl")),
    ));
    designs.push(Design::composite(
        "host_16_jumbo",
        Host::<17>::new(&Shape::named("eci-16-jumbo")),
    ));
    designs
}

#[cfg(test)]
mod tests;
