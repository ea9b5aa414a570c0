//! The register file against the register map it is made from.

use super::RegisterFile;
use crate::rtl::{Dut, Interpreter, Leaf, Value};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::counters::{Counter, CounterClass};
use lauberhorn_interface::registers::{Access, address, bits, registers};

fn register_file() -> Interpreter {
    let mut dut = Interpreter::new(RegisterFile::new(&NicConfig::eci()).elaborate());
    dut.reset();
    dut
}

/// One access; returns the response and the cycles from acceptance to it.
fn access(dut: &mut Interpreter, at: u16, write: Option<u32>) -> (u32, usize) {
    dut.poke("request$valid", 1);
    dut.poke_field("request$payload", "address", u64::from(at));
    dut.poke_field("request$payload", "write", u64::from(write.is_some()));
    dut.poke_field(
        "request$payload",
        "write_data",
        u64::from(write.unwrap_or(0)),
    );
    let mut waited = 0;
    while dut.peek("request$ready") == 0 {
        dut.step().unwrap();
        waited += 1;
        assert!(waited < 20, "request at {at:#06x} is never taken");
    }
    dut.step().unwrap();
    dut.poke("request$valid", 0);
    for cycle in 1..10 {
        if dut.peek("response$valid") == 1 {
            let data = dut.peek("response$payload") as u32;
            dut.step().unwrap();
            return (data, cycle);
        }
        dut.step().unwrap();
    }
    panic!("no response for {at:#06x}");
}

fn read(dut: &mut Interpreter, at: u16) -> u32 {
    access(dut, at, None).0
}

fn write(dut: &mut Interpreter, at: u16, data: u32) {
    access(dut, at, Some(data));
}

#[test]
fn every_register_resets_to_its_value_and_answers_in_three_cycles() {
    let config = NicConfig::eci();
    let mut dut = register_file();
    dut.poke("free_call_slots", config.call_slots() as u64);
    dut.poke("free_bypass_slots", config.bypass_slots() as u64);
    dut.poke("free_sessions", config.sessions() as u64);
    for register in registers() {
        let (data, cycles) = access(&mut dut, register.address, None);
        assert_eq!(data, register.reset.value(&config), "{}", register.name);
        assert_eq!(cycles, 3, "{}", register.name);
    }
    assert_eq!(read(&mut dut, 0x0ffc), 0);
}

#[test]
fn written_registers_keep_their_fields_only_and_read_only_ones_ignore_writes() {
    let mut dut = register_file();
    for register in registers().filter(|register| !register.name.ends_with("_commit")) {
        let before = read(&mut dut, register.address);
        write(&mut dut, register.address, u32::MAX);
        let expected = match register.access {
            Access::ReadWrite => register.fields.iter().fold(0, |m, f| m | f.mask()),
            _ => before,
        };
        assert_eq!(
            read(&mut dut, register.address),
            expected,
            "{}",
            register.name
        );
    }
}

#[test]
fn a_worker_that_is_asked_for_its_core_is_given_no_calls() {
    let mut dut = register_file();
    write(&mut dut, address::WORKER_ENABLE, 0b0111);
    write(&mut dut, address::PREEMPT, 0b1010);
    let mut field = |name: &str| dut.peek_field("host", name);
    assert_eq!(field("worker_enable"), 0b0101);
    assert_eq!(field("worker_retire"), 0xfff8);
    assert_eq!(field("worker_preempt"), 0b1010);
    dut.poke("yielded", 0b1000);
    assert_eq!(read(&mut dut, address::YIELDED), 0b1000);
}

#[test]
fn accepts_one_request_per_cycle() {
    let mut dut = register_file();
    dut.poke("request$valid", 1);
    dut.poke_field("request$payload", "address", u64::from(address::ID));
    let mut responses = 0;
    for _ in 0..20 {
        assert_eq!(dut.peek("request$ready"), 1);
        responses += dut.peek("response$valid");
        dut.step().unwrap();
    }
    assert_eq!(responses, 17);
}

#[test]
fn events_count_once_each_and_survive_a_clear_in_their_cycle() {
    let mut dut = register_file();
    let counters = || {
        Counter::ALL
            .iter()
            .filter(|c| c.class() != CounterClass::Gauge)
    };
    for (port, prefix) in [
        ("rx_events", "rx_"),
        ("tx_events", "tx_"),
        ("bus_events", "bus_"),
    ] {
        for counter in counters().filter(|c| c.name().starts_with(prefix)) {
            dut.poke_field(port, counter.name(), 1);
            dut.step().unwrap();
            dut.poke_field(port, counter.name(), 0);
            dut.step().unwrap();
            assert_eq!(read(&mut dut, counter.address()), 1, "{}", counter.name());
        }
    }
    let endpoint = Counter::EndpointDelivered;
    dut.poke_field("host_events", endpoint.name(), 17);
    dut.step().unwrap();
    dut.poke_field("host_events", endpoint.name(), 0);
    dut.step().unwrap();
    assert_eq!(read(&mut dut, endpoint.address()), 17);

    dut.poke_field("rx_events", "rx_frames", 1);
    write(&mut dut, address::COUNTERS_CLEAR, 0);
    dut.poke_field("rx_events", "rx_frames", 0);
    assert_eq!(read(&mut dut, endpoint.address()), 0);
    let frames = read(&mut dut, Counter::RxFrames.address());
    assert!((1..=4).contains(&frames), "{frames} frames after the clear");

    // A gauge is no count.
    let gauge = Counter::BusIncomplete;
    dut.poke_field("bus_events", gauge.name(), 3);
    write(&mut dut, address::COUNTERS_CLEAR, 0);
    assert_eq!(read(&mut dut, gauge.address()), 3);
}

#[test]
fn every_counter_has_an_event_of_its_name() {
    let dut = register_file();
    for counter in Counter::ALL {
        let port = match counter.class() {
            CounterClass::Gauge => continue,
            CounterClass::Endpoint => "host_events",
            CounterClass::Bus => "bus_events",
            _ if counter.name().starts_with("tx_") => "tx_events",
            _ => "rx_events",
        };
        let (_, width) = dut.field(port, counter.name());
        assert!(width == 1 || port == "host_events");
    }
}

#[test]
fn a_committed_service_goes_out_once_and_reads_back() {
    let mut dut = register_file();
    let fields = [
        (address::SERVICE_PROGRAM, 0x2000_0001),
        (address::SERVICE_VERSION, 3),
        (address::SERVICE_PROCEDURE, 7),
        (address::SERVICE_PORT, 111),
        (address::SERVICE_FUNCTION_LO, 0x89ab_cdef),
        (address::SERVICE_FUNCTION_HI, 0x0123_4567),
        (address::SERVICE_IDS, 0x0005_0009),
        (address::SERVICE_FLAGS, 1),
    ];
    for (at, data) in fields {
        write(&mut dut, at, data);
    }
    let commit = bits::service_commit::INDEX.set(bits::service_commit::VALID.mask(), 42);
    let commit = bits::service_commit::BANK.set(commit, 1);
    dut.poke("request$valid", 1);
    dut.poke_field(
        "request$payload",
        "address",
        u64::from(address::SERVICE_COMMIT),
    );
    dut.poke_field("request$payload", "write", 1);
    dut.poke_field("request$payload", "write_data", u64::from(commit));
    dut.step().unwrap();
    dut.poke("request$valid", 0);
    let mut written = Vec::new();
    for _ in 0..8 {
        if dut.peek("services$valid") == 1 {
            written.push(dut.get("services$payload"));
        }
        dut.step().unwrap();
    }
    assert_eq!(written.len(), 1);
    let field = |path: &str| {
        let (low, width) = dut.field("services$payload", path);
        written[0].slice(low, width).to_u64()
    };
    assert_eq!(field("at.bank"), 1);
    assert_eq!(field("at.index"), 42);
    assert_eq!(field("entry.valid"), 1);
    assert_eq!(field("entry.program"), 0x2000_0001);
    assert_eq!(field("entry.function"), 0x0123_4567_89ab_cdef);
    assert_eq!(field("entry.service"), 9);
    assert_eq!(field("entry.process"), 5);
    assert_eq!(field("entry.flags"), 1);
}

#[test]
fn a_fetch_loads_the_window_before_the_next_request_is_taken() {
    let mut dut = register_file();
    dut.poke_field("program_entry", "valid", 1);
    dut.poke_field("program_entry", "program", 100_000);
    dut.poke_field("program_entry", "low", 2);
    dut.poke_field("program_entry", "high", 4);
    let read_bit = bits::program_commit::READ.mask();
    write(&mut dut, address::PROGRAM_COMMIT, read_bit | 3);
    assert_eq!(read(&mut dut, address::PROGRAM_PROGRAM), 100_000);
    assert_eq!(read(&mut dut, address::PROGRAM_LOW), 2);
    assert_eq!(read(&mut dut, address::PROGRAM_HIGH), 4);
    let commit = read(&mut dut, address::PROGRAM_COMMIT);
    assert_eq!(bits::program_commit::VALID.get(commit), 1);
}

#[test]
fn the_request_behind_a_fetch_is_taken_nine_cycles_after_it() {
    for commit in [
        address::PROGRAM_COMMIT,
        address::SERVICE_COMMIT,
        address::NEIGHBOUR_COMMIT,
    ] {
        let mut dut = register_file();
        dut.poke("request$valid", 1);
        dut.poke_field("request$payload", "address", u64::from(commit));
        dut.poke_field("request$payload", "write", 1);
        let read_bit = bits::program_commit::READ.mask();
        dut.poke_field("request$payload", "write_data", u64::from(read_bit));
        assert_eq!(dut.peek("request$ready"), 1);
        dut.step().unwrap();
        dut.poke_field("request$payload", "address", u64::from(address::ID));
        dut.poke_field("request$payload", "write", 0);
        let mut cycles = 1;
        while dut.peek("request$ready") == 0 {
            dut.step().unwrap();
            cycles += 1;
        }
        assert_eq!(cycles, 9, "{commit:#06x}");
    }
}

#[test]
fn rpc_ports_reach_the_receive_path_and_read_back() {
    let mut dut = register_file();
    for (index, port) in [(0u32, 111u32), (15, 2049)] {
        write(&mut dut, address::RPC_PORT_PORT, port);
        let commit = bits::rpc_port_commit::VALID.mask() | index;
        write(&mut dut, address::RPC_PORT_COMMIT, commit);
    }
    write(&mut dut, address::RPC_PORT_PORT, 9);
    write(
        &mut dut,
        address::RPC_PORT_COMMIT,
        bits::rpc_port_commit::VALID.mask() | 16,
    );
    assert_eq!(dut.peek_field("rx", "rpc_port_valid"), 1 << 15 | 1);
    let ports = dut.get_field("rx", "rpc_ports");
    assert_eq!(ports.slice(0, 16), Value::new(16, 111));
    assert_eq!(ports.slice(240, 16), Value::new(16, 2049));
    let read_bit = bits::rpc_port_commit::READ.mask();
    write(&mut dut, address::RPC_PORT_COMMIT, read_bit | 15);
    assert_eq!(read(&mut dut, address::RPC_PORT_PORT), 2049);
}

#[test]
fn addresses_leave_in_wire_order() {
    let mut dut = register_file();
    write(&mut dut, address::OWN_MAC_HI, 0x0200);
    write(&mut dut, address::OWN_MAC_LO, 0x0000_0a01);
    write(&mut dut, address::OWN_IPV4, 0xc000_0201);
    let mac = dut.get_field("tx", "mac").to_bytes();
    assert_eq!(mac, [0x02, 0x00, 0x00, 0x00, 0x0a, 0x01]);
    assert_eq!(dut.get_field("rx", "ipv4").to_bytes(), [192, 0, 2, 1]);
}
