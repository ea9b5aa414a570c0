//! # Register file
//! Serves the register map of `lauberhorn-interface`: identity, configuration, tables, counters and
//! gauges. The body is made from that map; nothing here repeats an address. Not a bus bridge: board
//! shells put AXI-Lite or ECI I/O in front of it.
//!
//! | port | dir | type | contract |
//! |---|---|---|---|
//! | request | in | `CsrRequest` stream | one 32-bit access |
//! | response | out | 32-bit flow | one per request, in order; zero for writes and unknown addresses |
//! | rx, tx, host | out | configuration structs | stable from the cycle after the response to a write |
//! | reset_start, reset_running | out / in | endpoint mask flow, mask | a write of `endpoint_reset`, and what it reads |
//! | yielded | in | mask | what `yielded` reads |
//! | services, programs, neighbours | out | table write flows | one entry per commit |
//! | …_read / …_entry | out / in | index flow, entry | entry valid 3 cycles after the index |
//! | rx_events, tx_events, host_events, bus_events | in | event structs | counted every cycle |
//! | gauges | in | 16 bits each | shown as they are |
//!
//! Latency: 3 cycles from request to response.
//! Throughput: 1 request per cycle; a command that fetches a table entry takes 9.
//! Backpressure: `request.ready` is low while a table entry is fetched.
//! Ordering: requests act, and are answered, in order.
//! Reset: the map's reset values, all tables' RPC ports invalid, counters zero.
//! Errors: unknown addresses read as zero and ignore writes. Counters: all of them live here; they
//! wrap at 32 bits. An event in the cycle of `counters_clear` is not lost.
//! Spec: `docs/src/registers.md`.

#[cfg(test)]
mod tests;
mod windows;

use crate::rtl::{Body, Expr, Leaf, Reg, Value};
use crate::types::{
    BusEvents, CsrRequest, FlowOut, HostConfig, HostEvents, NeighbourEntry, NeighbourWrite,
    ProgramEntry, ProgramWrite, RxConfig, RxEvents, ServiceEntry, ServiceWrite, StreamIn,
    TableIndex, TxConfig, TxEvents,
};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::counters::{Counter, CounterClass};
use lauberhorn_interface::registers::{Access, Register, Reset, address, bits, registers};
use rust_hdl::prelude::*;
use std::collections::BTreeMap;
use windows::bits_of;

/// The register file. See the [module text](self).
#[derive(LogicBlock, Default)]
pub struct RegisterFile {
    /// Core clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Accesses.
    pub request: StreamIn<CsrRequest>,
    /// Their results.
    pub response: FlowOut<Bits<32>>,
    /// Configuration of the receive path.
    pub rx: Signal<Out, RxConfig>,
    /// Configuration of the transmit path.
    pub tx: Signal<Out, TxConfig>,
    /// Configuration of the endpoints.
    pub host: Signal<Out, HostConfig>,
    /// Endpoints to be taken from their workers.
    pub reset_start: FlowOut<Bits<17>>,
    /// Those for which that has not ended.
    pub reset_running: Signal<In, Bits<17>>,
    /// Workers that have yielded their core.
    pub yielded: Signal<In, Bits<16>>,
    /// Entries for the service table.
    pub services: FlowOut<ServiceWrite>,
    /// Service table entry to read back.
    pub service_read: FlowOut<TableIndex>,
    /// The entry read back.
    pub service_entry: Signal<In, ServiceEntry>,
    /// Entries for the program table.
    pub programs: FlowOut<ProgramWrite>,
    /// Program table entry to read back.
    pub program_read: FlowOut<TableIndex>,
    /// The entry read back.
    pub program_entry: Signal<In, ProgramEntry>,
    /// Entries for the neighbour table.
    pub neighbours: FlowOut<NeighbourWrite>,
    /// Neighbour table entry to read back.
    pub neighbour_read: FlowOut<Bits<8>>,
    /// The entry read back.
    pub neighbour_entry: Signal<In, NeighbourEntry>,
    /// Events of the receive path.
    pub rx_events: Signal<In, RxEvents>,
    /// Events of the transmit path.
    pub tx_events: Signal<In, TxEvents>,
    /// Events of the endpoints.
    pub host_events: Signal<In, HostEvents>,
    /// Events of the adapter, with its gauge; zero without an adapter.
    pub bus_events: Signal<In, BusEvents>,
    /// Free call slots.
    pub free_call_slots: Signal<In, Bits<16>>,
    /// Free bypass slots.
    pub free_bypass_slots: Signal<In, Bits<16>>,
    /// Free sessions.
    pub free_sessions: Signal<In, Bits<16>>,
    /// Calls that wait for an endpoint.
    pub queued_calls: Signal<In, Bits<16>>,
    /// Value of every register after reset, by address.
    _reset_values: BTreeMap<u16, u32>,
}

impl RegisterFile {
    /// The register file of a card of this configuration.
    pub fn new(config: &NicConfig) -> Self {
        Self {
            _reset_values: registers()
                .map(|register| (register.address, register.reset.value(config)))
                .collect(),
            ..Self::default()
        }
    }

    fn event<'b>(&self, b: &'b Body, counter: Counter) -> Expr<'b> {
        let name = counter.name();
        match counter {
            Counter::FreeCallSlots => b.read(&self.free_call_slots),
            Counter::FreeBypassSlots => b.read(&self.free_bypass_slots),
            Counter::FreeSessions => b.read(&self.free_sessions),
            Counter::QueuedCalls => b.read(&self.queued_calls),
            _ if name.starts_with("bus_") => b.read(&self.bus_events).field(name),
            _ if counter.class() == CounterClass::Endpoint => b.read(&self.host_events).field(name),
            _ if name.starts_with("tx_") => b.read(&self.tx_events).field(name),
            _ => b.read(&self.rx_events).field(name),
        }
    }
}

/// The registers software writes, as hardware registers, by address; and every value that can be read.
struct Map<'b> {
    b: &'b Body,
    written: BTreeMap<u16, Reg<'b>>,
    readable: Vec<(u16, Expr<'b>)>,
}

impl<'b> Map<'b> {
    fn q(&self, address: u16) -> Expr<'b> {
        self.written[&address].q()
    }

    /// The bits of a software-written register that hold what is written.
    fn stored_bits(register: &Register) -> u32 {
        let stored = register.fields.iter().filter(|field| field.name != "read");
        stored.fold(0, |mask, field| mask | field.mask())
    }

    fn number(&self, low: u16, high: u16) -> Expr<'b> {
        self.b.cat(&[self.q(high), self.q(low)])
    }
}

impl Leaf for RegisterFile {
    fn body(&self, b: &Body) {
        let write = b.reg("write_q", 1);
        let read = b.reg("read_q", 1);
        let target = b.reg_data("address_q", 16);
        let data = b.reg_data("write_data_q", 32);
        let writes = |address: u16| write.q() & target.q().eq_lit(u128::from(address));
        let mut map = Map {
            b,
            written: BTreeMap::new(),
            readable: Vec::new(),
        };
        for register in registers() {
            self.add_register(b, &mut map, &register, &writes, data.q());
        }
        self.add_counters(b, &mut map, writes(address::COUNTERS_CLEAR));
        let fetch = b.wire("fetch", self.add_windows(b, &map, &writes, data.q()));

        let busy = b.reg("busy_q", 4);
        busy.set(busy.q().any().mux(busy.q().dec(), busy.q()));
        b.when(fetch, || busy.set(b.lit(4, windows::FETCH_CYCLES)));
        let ready = !busy.q().any() & !fetch;
        let accept = b.wire("accept", b.read(&self.request.valid) & ready);
        b.drive(&self.request.ready, ready);
        let request = b.read(&self.request.payload);
        write.set(accept & request.field("write"));
        read.set(accept & !request.field("write"));
        target.set(request.field("address"));
        data.set(request.field("write_data"));

        let hits: Vec<_> = map
            .readable
            .iter()
            .map(|(address, value)| {
                let hit = b.reg("hit_q", 1);
                hit.set(read.q() & target.q().eq_lit(u128::from(*address)));
                (hit.q(), value.zext(32))
            })
            .collect();
        let answer = b.reg_data("answer_q", 32);
        answer.set(b.one_hot(&hits));
        let (second, third) = (b.reg("second_q", 1), b.reg("third_q", 1));
        second.set(write.q() | read.q());
        third.set(second.q());
        b.drive(&self.response.payload, answer.q());
        b.drive(&self.response.valid, third.q());
        self.drive_configuration(b, &map);
    }
}

impl RegisterFile {
    fn add_register<'b>(
        &self,
        b: &'b Body,
        map: &mut Map<'b>,
        register: &Register,
        writes: &dyn Fn(u16) -> Expr<'b>,
        data: Expr<'b>,
    ) {
        let reset = self._reset_values[&register.address];
        if register.address == address::ENDPOINT_RESET {
            let start = b.reg("reset_start_valid_q", 1);
            let mask = b.reg_data("reset_start_q", 17);
            start.set(writes(register.address));
            mask.set(data.trunc(17));
            b.drive(&self.reset_start.valid, start.q());
            b.drive(&self.reset_start.payload, mask.q());
            let running = b.read(&self.reset_running);
            map.readable.push((register.address, running));
            return;
        }
        if register.address == address::YIELDED {
            map.readable.push((register.address, b.read(&self.yielded)));
            return;
        }
        match (register.access, register.reset) {
            (Access::ReadWrite, _) => {
                let mask = Map::stored_bits(register);
                let width = 32 - mask.leading_zeros() as usize;
                let value = Value::new(width, u128::from(reset));
                let stored = b.reg_init(&format!("{}_q", register.name), value);
                let kept = data.trunc(width) & b.lit(width, u128::from(mask));
                b.when(writes(register.address), || stored.set(kept));
                map.written.insert(register.address, stored);
                map.readable.push((register.address, stored.q()));
            }
            (Access::ReadOnly, Reset::Counter(_)) | (Access::Command, _) => {}
            (Access::ReadOnly, _) => {
                let constant = b.lit(32, u128::from(reset));
                map.readable.push((register.address, constant));
            }
        }
    }

    fn add_counters<'b>(&self, b: &'b Body, map: &mut Map<'b>, clear: Expr<'b>) {
        for counter in Counter::ALL {
            let event = self.event(b, *counter);
            if counter.class() == CounterClass::Gauge {
                map.readable.push((counter.address(), event));
                continue;
            }
            let seen = b.reg(&format!("{}_event_q", counter.name()), event.width());
            seen.set(event);
            let count = b.reg(&format!("{}_q", counter.name()), 32);
            let base = (!clear).repeat(32) & count.q();
            count.set(base + seen.q().zext(32));
            map.readable.push((counter.address(), count.q()));
        }
    }

    fn drive_configuration(&self, b: &Body, map: &Map<'_>) {
        let mac = map
            .number(address::OWN_MAC_LO, address::OWN_MAC_HI)
            .swap_bytes();
        let ipv4 = map.q(address::OWN_IPV4).swap_bytes();
        let raw = map.q(address::RAW_WORKER);
        b.drive(
            &self.tx,
            b.pack::<TxConfig>(&[("mac", mac), ("ipv4", ipv4), ("raw_worker", raw)]),
        );
        let enabled = map.q(address::WORKER_ENABLE);
        let preempt = map.q(address::PREEMPT);
        let given_calls = b.reg("worker_given_calls_q", 16);
        given_calls.set(enabled & !preempt);
        b.drive(
            &self.host,
            b.pack::<HostConfig>(&[
                ("worker_enable", given_calls.q()),
                ("worker_retire", !enabled),
                ("worker_preempt", preempt),
                ("raw_worker", raw),
                (
                    "eager_tx",
                    bits_of(map.q(address::CONTROL), &bits::control::EAGER_TX),
                ),
                (
                    "store_acknowledge",
                    bits_of(map.q(address::CONTROL), &bits::control::STORE_ACKNOWLEDGE),
                ),
                ("block_time_cycles", map.q(address::BLOCK_TIME_CYCLES)),
            ]),
        );
    }
}

crate::leaf!(impl[] RegisterFile {
    request, response, rx, tx, host, reset_start, services, service_read, programs, program_read, neighbours,
    neighbour_read,
});

/// Configurations that are emitted and checked.
pub fn designs() -> Vec<crate::design::Design> {
    use crate::design::Design;
    vec![
        Design::leaf("csr_eci", RegisterFile::new(&NicConfig::eci())),
        Design::leaf(
            "csr_eci_16_jumbo",
            RegisterFile::new(&NicConfig::eci_16_jumbo()),
        ),
    ]
}
