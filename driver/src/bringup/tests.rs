use super::*;
use crate::services::{adder, echo, examples, rpcbind};
use crate::testing::{MockRegisters, run};

fn settings() -> Settings {
    Settings {
        mac: [0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
        address: Ipv4Addr::new(192, 0, 2, 1),
        block_time_cycles: 5000,
        promiscuous: false,
        raw_workers: 0b10,
        mode: Mode::RECALL,
        clear_tables: true,
    }
}

#[test]
fn brings_up_every_named_configuration() {
    for name in NicConfig::NAMES {
        let config = NicConfig::named(name).unwrap();
        let registers = MockRegisters::new(&config);
        let settings = settings();
        let services = examples(settings.address).unwrap();
        let card = run(bring_up(&registers, &settings, &services)).unwrap();
        assert_eq!(card.config, config);
        let values = [
            "own_mac_lo",
            "own_mac_hi",
            "own_ipv4",
            "block_time_cycles",
            "control",
        ]
        .map(|name| registers.value(name));
        assert_eq!(values, [0x2233_4455, 0x0211, 0xc000_0201, 5000, 1]);
        assert_eq!(
            registers.value("worker_enable").count_ones() as usize,
            config.workers()
        );
        assert_eq!(registers.table("service").len(), services.entries().count());
        let programs: std::collections::BTreeSet<_> = registers
            .table("program")
            .into_values()
            .map(|values| values[0])
            .collect();
        assert_eq!(
            programs,
            [rpcbind::PROGRAM, adder::PROGRAM, echo::PROGRAM].into()
        );
        run(card.tables.verify(&registers)).unwrap();
    }
}

#[test]
fn comes_up_again_over_what_another_driver_left() {
    let registers = MockRegisters::new(&NicConfig::eci());
    let services = examples(Ipv4Addr::LOCALHOST).unwrap();
    run(bring_up(&registers, &settings(), &services)).unwrap();
    let few = Services::new(1);
    let settings = Settings {
        promiscuous: true,
        mode: Mode::EAGER,
        ..settings()
    };
    let card = run(bring_up(&registers, &settings, &few)).unwrap();
    assert_eq!(registers.value("control"), 7);
    assert_eq!(registers.value("raw_worker"), 0b10);
    assert!(registers.table("service").is_empty());
    run(card.tables.verify(&registers)).unwrap();
    run(stop(&registers)).unwrap();
    assert_eq!(
        (registers.value("control"), registers.value("worker_enable")),
        (0, 0)
    );
}

#[test]
fn resets_an_endpoint_that_was_disabled_and_waits_for_its_end() {
    let registers = MockRegisters::new(&NicConfig::eci());
    let services = Services::new(1);
    run(bring_up(&registers, &settings(), &services)).unwrap();
    run(reset_endpoint(&registers, 2)).unwrap();
    assert_eq!(registers.value("worker_enable"), 0b1101);
    assert_eq!(registers.value("endpoint_reset"), 0);
    run(enable_worker(&registers, 2)).unwrap();
    assert_eq!(registers.value("worker_enable"), 0b1111);
    registers.stick("endpoint_reset", 0b100);
    run(reset_endpoint(&registers, 1)).unwrap();
    let error = run(reset_endpoint(&registers, 2)).unwrap_err();
    assert_eq!(error, BringUpError::Reset { endpoint: 2 });
    let error = run(enable_worker(&registers, 0)).unwrap_err();
    assert_eq!(error, BringUpError::NotAWorker { endpoint: 0 });
}

#[test]
fn asks_a_worker_for_its_core_and_gives_it_back() {
    let registers = MockRegisters::new(&NicConfig::eci());
    run(bring_up(&registers, &settings(), &Services::new(1))).unwrap();
    registers.stick("yielded", 0b0010);
    run(preempt(&registers, 2, 1)).unwrap();
    let error = run(preempt(&registers, 4, 7)).unwrap_err();
    let (endpoint, reads) = (4, 7);
    assert_eq!(error, BringUpError::NotYielded { endpoint, reads });
    assert_eq!(registers.value("preempt"), 0b1010);
    run(allow(&registers, 2)).unwrap();
    assert_eq!(registers.value("preempt"), 0b1000);
    for outcome in [run(preempt(&registers, 0, 1)), run(allow(&registers, 0))] {
        assert_eq!(outcome, Err(BringUpError::NotAWorker { endpoint: 0 }));
    }
    run(bring_up(&registers, &settings(), &Services::new(1))).unwrap();
    assert_eq!(registers.value("preempt"), 0);
}

#[test]
fn refuses_a_device_that_is_not_a_card_and_leaves_it_alone() {
    let registers = MockRegisters::new(&NicConfig::eci());
    registers.stick("id", 0x8086_1234);
    let services = Services::new(1);
    let error = run(bring_up(&registers, &settings(), &services)).unwrap_err();
    let text = "the device identifies itself as 0x80861234, a Lauberhorn card as 0x4c42484e";
    assert_eq!(error.to_string(), text);
    registers.stick("id", u32::MAX);
    let error = run(bring_up(&registers, &settings(), &services)).unwrap_err();
    assert_eq!(error, BringUpError::AllOnes);
    assert_eq!(registers.writes(), 0);
}

#[test]
fn refuses_another_interface_and_names_both() {
    let registers = MockRegisters::new(&NicConfig::eci());
    registers.stick("hash_lo", 0x89ab_cdef);
    registers.stick("hash_hi", 0x0123_4567);
    let error = run(identify(&registers)).unwrap_err().to_string();
    assert!(error.contains("0x0123456789abcdef"), "{error}");
    assert!(
        error.contains(&format!("{:#018x}", content_hash())),
        "{error}"
    );
    assert_eq!(registers.writes(), 0);
}

#[test]
fn refuses_an_illegal_configuration() {
    let registers = MockRegisters::new(&NicConfig::eci());
    registers.stick("config_workers", 99);
    let error = run(identify(&registers)).unwrap_err();
    assert!(matches!(error, BringUpError::Config(_)), "{error}");
}

#[test]
fn notices_registers_that_do_not_hold() {
    for name in [
        "control",
        "raw_worker",
        "preempt",
        "worker_enable",
        "own_mac_lo",
        "own_mac_hi",
        "own_ipv4",
        "block_time_cycles",
    ] {
        let registers = MockRegisters::new(&NicConfig::eci());
        registers.stick(name, 0x7777_7777);
        let services = Services::new(1);
        let error = run(bring_up(&registers, &settings(), &services)).unwrap_err();
        assert!(
            matches!(error, BringUpError::Readback { name: n, .. } if n == name),
            "{error}"
        );
    }
}
