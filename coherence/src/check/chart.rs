//! A way to a state, as a message chart.

use std::fmt::Write as _;

use super::config::Config;
use super::data::{LINES, ToCard, ToHost};
use super::explore::{Graph, path};
use super::step::Action;
use super::system::{Endpoint, State};

const CORE: usize = 34;
const WIRE: usize = 30;

/// Everything on the way to state `number`, a line each: core, message, card.
pub fn chart(config: &Config, graph: &Graph, number: u32) -> String {
    let mut text = format!("{:>4}  {:<CORE$}{:^WIRE$}  card\n", "", "core", "line");
    let mut before = State::new(config);
    for (n, (action, after)) in path(config, graph, number).into_iter().enumerate() {
        let (core, wire, card) = describe(&before, action, &after);
        let row = format!("{:>4}  {core:<CORE$}{wire:^WIRE$}  {card}", n + 1);
        let _ = writeln!(text, "{}", row.trim_end());
        before = after;
    }
    if let Some(fault) = before.fault {
        let _ = writeln!(text, "      broken: {fault:?}");
    }
    text
}

fn describe(before: &State, action: Action, after: &State) -> (String, String, String) {
    let none = String::new();
    let line = |n: u8| LINES[usize::from(n)];
    let of = |e: u8| &*before.endpoints[usize::from(e)];
    match action {
        Action::ToCard(e, n) => {
            let message = match of(e).lines[usize::from(n)].to_card[0] {
                ToCard::Load => "load".to_owned(),
                ToCard::Writeback(None) => "clean writeback".to_owned(),
                ToCard::Writeback(Some(data)) => format!("writeback {data:?}"),
                ToCard::Ack(None) => "acknowledge, clean".to_owned(),
                ToCard::Ack(Some(data)) => format!("acknowledge {data:?}"),
            };
            let wire = format!("── {} ──▶", line(n));
            (message, wire, format!("endpoint {e}"))
        }
        Action::ToHost(e, n) => {
            let message = match of(e).lines[usize::from(n)].to_host[0] {
                ToHost::Recall => "recall".to_owned(),
                ToHost::Fill(data) => format!("fill {data:?}"),
            };
            let step = changed(of(e), &after.endpoints[usize::from(e)]);
            let wire = format!("◀── {} ──", line(n));
            (step, wire, format!("endpoint {e}: {message}"))
        }
        Action::Run(e) => {
            let step = of(e).worker.step;
            (format!("core {e}: {step:?}"), none.clone(), none)
        }
        Action::Evict(..)
        | Action::Prefetch(..)
        | Action::Kill(_)
        | Action::Start(..)
        | Action::Resume(_)
        | Action::Suspend(_) => (action.to_string(), none.clone(), none),
        _ => (none.clone(), none, action.to_string()),
    }
}

fn changed(before: &Endpoint, after: &Endpoint) -> String {
    let (old, new) = (before.worker.step, after.worker.step);
    if old == new {
        String::new()
    } else {
        format!("now {new:?}")
    }
}
