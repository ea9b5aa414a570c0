//! Table windows: committing an entry, and reading one back into the window's field registers.

use super::{Map, RegisterFile};
use crate::rtl::{Body, Expr, Reg};
use crate::types::{
    NeighbourEntry, NeighbourWrite, ProgramEntry, ProgramWrite, RxConfig, ServiceEntry,
    ServiceWrite, TableIndex,
};
use lauberhorn_interface::registers::{BitField, address, bits};

/// Cycles the request side waits while an entry is fetched: index register, table latency, capture.
pub(super) const FETCH_CYCLES: u128 = 7;
/// Cycles from the decoded command to the entry being stable at the input.
const CAPTURE_CYCLES: usize = 5;
/// Entries of the RPC port table.
const RPC_PORTS: usize = 16;

/// One commit command, decoded.
struct Command<'b> {
    store: Expr<'b>,
    fetch: Expr<'b>,
    index: Expr<'b>,
    valid: Expr<'b>,
}

pub(super) fn bits_of<'b>(data: Expr<'b>, field: &BitField) -> Expr<'b> {
    data.slice(field.lsb, field.width_bits)
}

impl RegisterFile {
    /// Builds all windows; returns the bit that an entry is being fetched.
    pub(super) fn add_windows<'b>(
        &self,
        b: &'b Body,
        map: &Map<'b>,
        writes: &dyn Fn(u16) -> Expr<'b>,
        data: Expr<'b>,
    ) -> Expr<'b> {
        let command = |commit: u16| {
            let hit = writes(commit);
            let read = bits_of(data, &bits::service_commit::READ);
            Command {
                store: hit & !read,
                fetch: hit & read,
                index: bits_of(data, &bits::service_commit::INDEX),
                valid: bits_of(data, &bits::service_commit::VALID),
            }
        };
        let bank = bits_of(data, &bits::service_commit::BANK);
        let fetches = [
            self.rpc_port_window(b, map, &command(address::RPC_PORT_COMMIT)),
            self.service_window(b, map, &command(address::SERVICE_COMMIT), bank),
            self.program_window(b, map, &command(address::PROGRAM_COMMIT), bank),
            self.neighbour_window(b, map, &command(address::NEIGHBOUR_COMMIT)),
        ];
        b.tree(&fetches, |a, b| a | b)
    }

    fn rpc_port_window<'b>(&self, b: &'b Body, map: &Map<'b>, command: &Command<'b>) -> Expr<'b> {
        let ports: Vec<Reg<'b>> = (0..RPC_PORTS)
            .map(|_| b.reg("rpc_port_entry_q", 16))
            .collect();
        let valids: Vec<Reg<'b>> = (0..RPC_PORTS)
            .map(|_| b.reg("rpc_port_valid_q", 1))
            .collect();
        let index = command.index.trunc(4);
        let in_range = !command.index.slice(4, 6).any();
        for (entry, (port, valid)) in ports.iter().zip(&valids).enumerate() {
            b.when(
                command.store & in_range & index.eq_lit(entry as u128),
                || {
                    port.set(map.q(address::RPC_PORT_PORT));
                    valid.set(command.valid);
                },
            );
        }
        let chosen = b.reg_data("rpc_port_chosen_q", 4);
        chosen.set(command.fetch.mux(index, chosen.q()));
        let values = |regs: &[Reg<'b>]| regs.iter().map(Reg::q).collect::<Vec<_>>();
        let port = b.select(&values(&ports), chosen.q());
        let valid = b.select(&values(&valids), chosen.q());
        capture(
            b,
            map,
            command.fetch,
            &[(address::RPC_PORT_PORT, port)],
            (address::RPC_PORT_COMMIT, valid),
        );
        let own = |name| map.q(name).swap_bytes();
        let mac = map
            .number(address::OWN_MAC_LO, address::OWN_MAC_HI)
            .swap_bytes();
        let control = map.q(address::CONTROL);
        b.drive(
            &self.rx,
            b.pack::<RxConfig>(&[
                ("enable", bits_of(control, &bits::control::ENABLE)),
                ("promiscuous", bits_of(control, &bits::control::PROMISCUOUS)),
                ("mac", mac),
                ("ipv4", own(address::OWN_IPV4)),
                ("rpc_ports", b.cat_le(&values(&ports))),
                ("rpc_port_valid", b.cat_le(&values(&valids))),
            ]),
        );
        command.fetch
    }

    fn service_window<'b>(
        &self,
        b: &'b Body,
        map: &Map<'b>,
        command: &Command<'b>,
        bank: Expr<'b>,
    ) -> Expr<'b> {
        let at = b.pack::<TableIndex>(&[("bank", bank), ("index", command.index)]);
        let ids = map.q(address::SERVICE_IDS);
        let entry = b.pack::<ServiceEntry>(&[
            ("valid", command.valid),
            ("program", map.q(address::SERVICE_PROGRAM)),
            ("version", map.q(address::SERVICE_VERSION)),
            ("procedure", map.q(address::SERVICE_PROCEDURE)),
            ("port", map.q(address::SERVICE_PORT)),
            (
                "function",
                map.number(address::SERVICE_FUNCTION_LO, address::SERVICE_FUNCTION_HI),
            ),
            ("service", bits_of(ids, &bits::service_ids::SERVICE_ID)),
            ("process", bits_of(ids, &bits::service_ids::PROCESS_ID)),
            ("flags", map.q(address::SERVICE_FLAGS)),
        ]);
        let store = b.reg("service_store_q", 1);
        let fetch = b.reg("service_fetch_q", 1);
        let payload = b.reg_of::<ServiceWrite>("service_write_q");
        store.set(command.store);
        fetch.set(command.fetch);
        payload.set(b.pack::<ServiceWrite>(&[("at", at), ("entry", entry)]));
        b.drive(&self.services.payload, payload.q());
        b.drive(&self.services.valid, store.q());
        b.drive(&self.service_read.payload, payload.q().field("at"));
        b.drive(&self.service_read.valid, fetch.q());
        let found = b.read(&self.service_entry);
        let function = found.field("function");
        capture(
            b,
            map,
            command.fetch,
            &[
                (address::SERVICE_PROGRAM, found.field("program")),
                (address::SERVICE_VERSION, found.field("version")),
                (address::SERVICE_PROCEDURE, found.field("procedure")),
                (address::SERVICE_PORT, found.field("port")),
                (address::SERVICE_FUNCTION_LO, function.slice(0, 32)),
                (address::SERVICE_FUNCTION_HI, function.slice(32, 32)),
                (
                    address::SERVICE_IDS,
                    b.cat(&[found.field("process"), found.field("service")]),
                ),
                (address::SERVICE_FLAGS, found.field("flags")),
            ],
            (address::SERVICE_COMMIT, found.field("valid")),
        );
        command.fetch
    }

    fn program_window<'b>(
        &self,
        b: &'b Body,
        map: &Map<'b>,
        command: &Command<'b>,
        bank: Expr<'b>,
    ) -> Expr<'b> {
        let at = b.pack::<TableIndex>(&[("bank", bank), ("index", command.index)]);
        let fields = [
            ("program", address::PROGRAM_PROGRAM),
            ("port", address::PROGRAM_PORT),
            ("low", address::PROGRAM_LOW),
            ("high", address::PROGRAM_HIGH),
            ("versions", address::PROGRAM_VERSION_MASK),
        ];
        let mut values = vec![("valid", command.valid)];
        values.extend(fields.map(|(name, address)| (name, map.q(address))));
        let entry = b.pack::<ProgramEntry>(&values);
        let store = b.reg("program_store_q", 1);
        let fetch = b.reg("program_fetch_q", 1);
        let payload = b.reg_of::<ProgramWrite>("program_write_q");
        store.set(command.store);
        fetch.set(command.fetch);
        payload.set(b.pack::<ProgramWrite>(&[("at", at), ("entry", entry)]));
        b.drive(&self.programs.payload, payload.q());
        b.drive(&self.programs.valid, store.q());
        b.drive(&self.program_read.payload, payload.q().field("at"));
        b.drive(&self.program_read.valid, fetch.q());
        let found = b.read(&self.program_entry);
        let back = fields.map(|(name, address)| (address, found.field(name)));
        let valid = (address::PROGRAM_COMMIT, found.field("valid"));
        capture(b, map, command.fetch, &back, valid);
        command.fetch
    }

    fn neighbour_window<'b>(&self, b: &'b Body, map: &Map<'b>, command: &Command<'b>) -> Expr<'b> {
        let mac = map
            .number(address::NEIGHBOUR_MAC_LO, address::NEIGHBOUR_MAC_HI)
            .swap_bytes();
        let entry = b.pack::<NeighbourEntry>(&[
            ("valid", command.valid),
            ("ipv4", map.q(address::NEIGHBOUR_IPV4).swap_bytes()),
            ("mac", mac),
        ]);
        let in_range = !command.index.slice(8, 2).any();
        let store = b.reg("neighbour_store_q", 1);
        let fetch = b.reg("neighbour_fetch_q", 1);
        let payload = b.reg_of::<NeighbourWrite>("neighbour_write_q");
        store.set(command.store & in_range);
        fetch.set(command.fetch);
        payload
            .set(b.pack::<NeighbourWrite>(&[("index", command.index.trunc(8)), ("entry", entry)]));
        b.drive(&self.neighbours.payload, payload.q());
        b.drive(&self.neighbours.valid, store.q());
        b.drive(&self.neighbour_read.payload, payload.q().field("index"));
        b.drive(&self.neighbour_read.valid, fetch.q());
        let found = b.read(&self.neighbour_entry);
        let mac = found.field("mac").swap_bytes();
        capture(
            b,
            map,
            command.fetch,
            &[
                (address::NEIGHBOUR_IPV4, found.field("ipv4").swap_bytes()),
                (address::NEIGHBOUR_MAC_LO, mac.slice(0, 32)),
                (address::NEIGHBOUR_MAC_HI, mac.slice(32, 16)),
            ],
            (address::NEIGHBOUR_COMMIT, found.field("valid")),
        );
        command.fetch
    }
}

/// Loads a fetched entry into the field registers and its valid bit into the commit register.
fn capture<'b>(
    b: &'b Body,
    map: &Map<'b>,
    fetch: Expr<'b>,
    fields: &[(u16, Expr<'b>)],
    (commit, valid): (u16, Expr<'b>),
) {
    let mut arrived = fetch;
    for _ in 0..CAPTURE_CYCLES {
        let stage = b.reg("fetch_stage_q", 1);
        stage.set(arrived);
        arrived = stage.q();
    }
    b.when(arrived, || {
        for (address, value) in fields {
            map.written[address].set(*value);
        }
        let (stored, lsb) = (map.written[&commit], bits::service_commit::VALID.lsb);
        stored.set(b.cat(&[valid, stored.q().trunc(lsb)]));
    });
}
