//! # Message chart
//! One call as it passes wire and line port, cycle by cycle, from the load that waits for it to the last
//! message that it causes. Everything in it was seen at the ports of the Verilated card.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_coherence::conform::PortMessage;
use lauberhorn_coherence::layout::{EndpointLayout, LineRole};
use lauberhorn_coherence::message::{LineAddress, ToCard, ToHost};
use lauberhorn_driver::endpoint::Mode;
use lauberhorn_driver::services::{echo, examples};
use lauberhorn_interface::line::{RxHeader, TxHeader, TxKind};

use crate::stand::{Stand, StandError};
use crate::system::{RpcTimes, Stage};
use crate::workload::{CallSpec, Route};

const CORE_COLUMNS: usize = 34;
const LINE_COLUMNS: usize = 12;
const LIMIT_CYCLES: u64 = 1_000_000;
/// Longer than any crossing, shorter than the block time.
const QUIET_CYCLES: u64 = 2_000;
/// The endpoint of the only worker.
const ENDPOINT: usize = 1;

/// What happened in a cycle, and on which side.
enum Row {
    /// The core sent this about a line.
    ToCard(LineRole, String),
    /// The card sent this about a line.
    ToHost(LineRole, String),
    /// On the core.
    Core(&'static str),
    /// On the wire.
    Wire(&'static str),
}

/// The chart of an echo call of `bytes` bytes to a single waiting worker. Cycles count from the last beat
/// of the call, and messages of the core from their arrival at the card.
///
/// # Errors
/// When the stand cannot be brought up or does not answer.
pub fn of_call(
    profile: InterconnectProfile,
    mode: Mode,
    bytes: usize,
) -> Result<String, StandError> {
    let mut stand = Stand::new(profile);
    stand.mode = mode;
    stand.workers = 1;
    let key = examples(stand.address)?.key(echo::PROGRAM, echo::VERSION, 1);
    let mut running = stand.start()?;
    running.system.monitor_mut().record_messages();
    running.settle(QUIET_CYCLES, LIMIT_CYCLES)?;
    let mut arguments = (bytes as u32).to_be_bytes().to_vec();
    arguments.resize(4 + bytes.next_multiple_of(4), 0x5a);
    let frame = CallSpec::new(1, key, arguments).frame(&Route::EXAMPLE);
    running.system.push_frame(frame, false, 0);
    running.finish_calls(LIMIT_CYCLES)?;
    running.settle(QUIET_CYCLES, LIMIT_CYCLES)?;
    let messages = running.system.monitor_mut().take_messages();
    let times = running.system.timeline().finished();
    let layout = EndpointLayout::contiguous(running.system.config());
    Ok(draw(&rows(&layout, &messages, &times[0])))
}

/// The rows, by cycle from the last beat of the call.
fn rows(
    layout: &EndpointLayout,
    messages: &[(u64, PortMessage)],
    times: &RpcTimes,
) -> Vec<(i64, Row)> {
    let begin = times.cycle(Stage::WireInLast).unwrap_or_default();
    let relative = |cycle: u64| cycle as i64 - begin as i64;
    let mut rows = Vec::new();
    let (mut loads, mut recalls) = (BTreeMap::new(), BTreeMap::new());
    for (cycle, message) in messages {
        let (address, row): (LineAddress, fn(LineRole, String) -> Row) = match message {
            PortMessage::ToCard(ToCard::Load(load)) => {
                loads.insert(load.id, load.address);
                (load.address, Row::ToCard)
            }
            PortMessage::ToCard(ToCard::Writeback(writeback)) => (writeback.address, Row::ToCard),
            PortMessage::ToCard(ToCard::RecallAck(ack)) => (recalls[&ack.id], Row::ToCard),
            PortMessage::ToHost(ToHost::Fill(fill)) => (loads[&fill.id], Row::ToHost),
            PortMessage::ToHost(ToHost::Recall(recall)) => {
                recalls.insert(recall.id, recall.address);
                (recall.address, Row::ToHost)
            }
        };
        if let Some((ENDPOINT, line)) = layout.locate(address) {
            // But for the load that waits, all that was before the call belongs to the bring-up.
            if relative(*cycle) < 0 {
                let is_load = matches!(message, PortMessage::ToCard(ToCard::Load(_)));
                if !is_load || !matches!(line, LineRole::RxControl(_)) {
                    continue;
                }
                rows.clear();
            }
            rows.push((relative(*cycle), row(line, text(line, message))));
        }
    }
    for (stage, row) in [
        (Stage::WireInLast, Row::Wire("last beat of the call")),
        (Stage::HandlerStart, Row::Core("handler begins")),
        (Stage::HandlerEnd, Row::Core("handler ends")),
        (Stage::WireOutFirst, Row::Wire("first beat of the reply")),
    ] {
        if let Some(cycle) = times.cycle(stage) {
            rows.push((relative(cycle), row));
        }
    }
    rows.sort_by_key(|(cycle, _)| *cycle);
    rows
}

/// A message in words.
fn text(line: LineRole, message: &PortMessage) -> String {
    let with = |what: &str, image: Option<&[u8]>| match image.map(|image| content(line, image)) {
        Some(Some(content)) => format!("{what}: {content}"),
        _ => what.to_owned(),
    };
    match message {
        PortMessage::ToCard(ToCard::Load(load)) if load.exclusive => "load to write".to_owned(),
        PortMessage::ToCard(ToCard::Load(_)) => "load".to_owned(),
        PortMessage::ToCard(ToCard::Writeback(message)) => match &message.data {
            Some(data) => with("write back", Some(data)),
            None => "give back, clean".to_owned(),
        },
        PortMessage::ToCard(ToCard::RecallAck(message)) => match &message.data {
            Some(data) => with("acknowledge", Some(data)),
            None => "acknowledge, clean".to_owned(),
        },
        PortMessage::ToHost(ToHost::Fill(fill)) => with("fill", Some(&fill.data)),
        PortMessage::ToHost(ToHost::Recall(_)) => "recall".to_owned(),
    }
}

/// What a control line says.
fn content(line: LineRole, image: &[u8]) -> Option<String> {
    let (kind, bytes) = match line {
        LineRole::RxControl(_) => {
            let header = RxHeader::decode(image.first_chunk()?).ok()?;
            (format!("{:?}", header.kind), header.length_bytes)
        }
        LineRole::TxControl(_) => {
            let header = TxHeader::decode(image.first_chunk()?).ok()?;
            if header.kind == TxKind::Empty {
                return None;
            }
            (format!("{:?}", header.kind), header.length_bytes)
        }
        _ => return None,
    };
    Some(format!("{kind}, {bytes} bytes"))
}

fn draw(rows: &[(i64, Row)]) -> String {
    let mut text = format!(
        "{:>6}  {:<CORE_COLUMNS$}{:^LINE_COLUMNS$}  card\n",
        "cycle", "core", "line"
    );
    for (cycle, row) in rows {
        let (core, line, card) = match row {
            Row::ToCard(line, what) => (what.as_str(), format!("── {line} ─▶"), ""),
            Row::ToHost(line, what) => ("", format!("◀─ {line} ──"), what.as_str()),
            Row::Core(what) => (*what, String::new(), ""),
            Row::Wire(what) => ("", String::new(), *what),
        };
        let row = format!("{cycle:>6}  {core:<CORE_COLUMNS$}{line:^LINE_COLUMNS$}  {card}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}
