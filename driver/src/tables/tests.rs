use lauberhorn_interface::registers;
use rand::Rng;

use super::*;
use crate::testing::{MockRegisters, run, seed};

const PROGRAM: u32 = 0x2000_0001;

fn key(program: u32, version: u32, procedure: u32, port: u16) -> ServiceKey {
    ServiceKey {
        program,
        version,
        procedure,
        port,
    }
}

fn entry(key: ServiceKey, function: u64) -> ServiceEntry {
    ServiceEntry {
        key,
        function,
        answered_by_card: key.procedure == 0,
    }
}

fn bench() -> (MockRegisters, Tables) {
    let config = NicConfig::eci();
    (MockRegisters::new(&config), Tables::new(&config))
}

fn random_key(rng: &mut impl Rng) -> ServiceKey {
    key(
        rng.random_range(0..0x4000_0000),
        rng.random_range(1..10),
        rng.random_range(0..32),
        rng.random(),
    )
}

/// Whether all `keys` can be arranged at all, found by another way than the table's: a graph whose
/// nodes are places and whose edges are keys can be arranged if no component has more edges than
/// nodes.
fn can_be_arranged(keys: &[ServiceKey], entries: usize) -> bool {
    let mut component: Vec<usize> = (0..2 * entries).collect();
    for key in keys {
        let [a, b] = [0, 1].map(|bank| component[bank * entries + key.index(bank, entries)]);
        component
            .iter_mut()
            .filter(|c| **c == b)
            .for_each(|c| *c = a);
    }
    (0..2 * entries).all(|root| {
        let nodes = component.iter().filter(|&&c| c == root).count();
        let edges = keys
            .iter()
            .filter(|key| component[key.index(0, entries)] == root)
            .count();
        edges <= nodes
    })
}

/// Puts `keys` into a table of the usual size; whether they all fit. A refusal must be necessary.
fn fits(keys: &[ServiceKey], again: &str) -> bool {
    let mut table = Cuckoo::new(128);
    for (n, &key) in keys.iter().enumerate() {
        if table.insert(key, n).is_none() {
            assert!(
                !can_be_arranged(&keys[..=n], 128),
                "refused needlessly: {again}"
            );
            return false;
        }
    }
    keys.iter()
        .enumerate()
        .all(|(n, &key)| table.get(key) == Some(&n))
}

/// 64 keys have no arrangement in 0.1 % of the draws (3 keys with equal places, for instance), so
/// that a few refusals are as it should be.
#[test]
fn random_services_fit_unless_they_cannot() {
    let (mut rng, again) = seed::stream("random_services_fit_unless_they_cannot");
    let mut draw = |_: &i32| {
        fits(
            &(0..64).map(|_| random_key(&mut rng)).collect::<Vec<_>>(),
            &again,
        )
    };
    let refused = (0..1000).filter(|n| !draw(n)).count();
    assert!(refused <= 8, "{refused} of 1000 refused: {again}");
}

/// The hash functions are linear, which makes neighbouring keys special: they must fit as well.
#[test]
fn programs_with_many_procedures_fit() {
    let (mut rng, again) = seed::stream("programs_with_many_procedures_fit");
    for procedures in [16, 32, 64] {
        let mut refused = 0;
        for _ in 0..1000 {
            let (program, port) = (rng.random_range(0x2000_0000..0x4000_0000), rng.random());
            let keys: Vec<_> = (0..64)
                .map(|n| key(program + n / procedures, 1, n % procedures, port))
                .collect();
            refused += usize::from(!fits(&keys, &again));
        }
        assert_eq!(refused, 0, "{procedures} procedures: {again}");
    }
}

#[test]
fn moves_never_leave_a_moment_without_an_entry() {
    let (mut rng, again) = seed::stream("moves_never_leave_a_moment_without_an_entry");
    let mut table = Cuckoo::new(64);
    // What the card would hold: written place by place.
    let mut card = std::collections::BTreeMap::new();
    let mut longest = 0;
    for n in 0..120 {
        let before: Vec<_> = table.iter().copied().collect();
        let Some(places) = table.insert(random_key(&mut rng), n) else {
            continue;
        };
        longest = longest.max(places.len());
        for place in places {
            card.insert(place, *table.at(place).expect("a changed place is in use"));
            for (key, value) in &before {
                let held = (0..BANKS).map(|bank| Place {
                    bank,
                    index: key.index(bank, 64),
                });
                let values: Vec<_> = held
                    .filter_map(|p| card.get(&p))
                    .filter(|e| e.0 == *key)
                    .collect();
                assert!(
                    values.iter().any(|e| e.1 == *value),
                    "entry {value} is gone: {again}"
                );
            }
        }
    }
    assert!(longest > 1, "some entry had to move: {again}");
}

/// Tries to add all keys to a small card; the refusals, none of which may write anything.
fn refusals(config: &NicConfig, keys: impl Iterator<Item = ServiceKey>) -> Vec<TablesError> {
    let (registers, mut tables) = (MockRegisters::new(config), Tables::new(config));
    let mut refused = Vec::new();
    for key in keys {
        let writes = registers.writes();
        if let Err(error) = run(tables.add_service(&registers, &entry(key, 1))) {
            assert_eq!(
                registers.writes(),
                writes,
                "a refused change writes nothing"
            );
            refused.push(error);
        }
    }
    run(tables.verify(&registers)).unwrap();
    refused
}

#[test]
fn full_service_table_refuses_with_a_reason() {
    let config = NicConfig::builder().service_entries(4).build().unwrap();
    let refused = refusals(
        &config,
        (0..32).map(|procedure| key(PROGRAM, 1, procedure, 700)),
    );
    assert!(
        refused.len() >= 24,
        "there are 8 places, {} were refused",
        refused.len()
    );
    let text = refused.last().unwrap().to_string();
    let start =
        "no place in the service table for program 0x20000001 version 1 procedure 31 on port 700: ";
    assert!(
        text.starts_with(start) && text.contains("of 8 entries are used"),
        "{text}"
    );
}

#[test]
fn full_program_table_refuses_with_a_reason() {
    let config = NicConfig::builder().program_entries(2).build().unwrap();
    let refused = refusals(
        &config,
        (0..32).map(|program| key(PROGRAM + program, 1, 1, 700)),
    );
    assert!(
        refused.len() >= 28,
        "there are 4 places, {} were refused",
        refused.len()
    );
    let text = refused.last().unwrap().to_string();
    let start = "no place in the program table for program 0x20000020 on port 700: ";
    assert!(
        text.starts_with(start) && text.contains("of 4 entries are used"),
        "{text}"
    );
}

#[test]
fn port_and_neighbour_tables_refuse_when_full() {
    let config = NicConfig::builder()
        .rpc_ports(2)
        .neighbour_entries(2)
        .build()
        .unwrap();
    let (registers, mut tables) = (MockRegisters::new(&config), Tables::new(&config));
    for port in [1, 2] {
        run(tables.add_service(&registers, &entry(key(PROGRAM, 1, 1, port), 1))).unwrap();
    }
    let error = run(tables.add_service(&registers, &entry(key(PROGRAM, 1, 1, 3), 1))).unwrap_err();
    assert_eq!(error.to_string(), "no place for RPC port 3: all 2 are used");
    let address = |n| Ipv4Addr::new(10, 0, 0, n);
    for n in [1, 2, 1] {
        run(tables.set_neighbour(&registers, address(n), [n; 6])).unwrap();
    }
    let error = run(tables.set_neighbour(&registers, address(3), [3; 6])).unwrap_err();
    let text = "no place for neighbour 10.0.0.3: all 2 are used; remove one first";
    assert_eq!(error.to_string(), text);
    run(tables.remove_neighbour(&registers, address(1))).unwrap();
    run(tables.set_neighbour(&registers, address(3), [3; 6])).unwrap();
    let error = run(tables.remove_neighbour(&registers, address(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no entry 10.0.0.1 to remove from the neighbour table"
    );
    run(tables.verify(&registers)).unwrap();
}

#[test]
fn entries_hold_the_fields_in_the_order_of_the_interface() {
    let (registers, mut tables) = bench();
    let key = key(PROGRAM, 7, 0, 0x1234);
    run(tables.add_service(&registers, &entry(key, 0x1_0000_0002))).unwrap();
    run(tables.set_neighbour(&registers, Ipv4Addr::new(10, 0, 0, 1), [2, 3, 4, 5, 6, 7])).unwrap();
    let entry = |name| registers.table(name).into_iter().next().expect("an entry");
    let (place, service) = entry("service");
    assert_eq!(service, [PROGRAM, 7, 0, 0x1234, 2, 1, 2, 1]);
    assert_eq!(place.1, key.index(place.0, 128));
    let (place, program) = entry("program");
    assert_eq!(program, [PROGRAM, 0x1234, 7, 7, 1]);
    assert_eq!(
        place.1,
        ProgramKey {
            program: PROGRAM,
            port: 0x1234
        }
        .index(place.0, 32)
    );
    assert_eq!(entry("rpc_port"), ((0, 0), vec![0x1234]));
    assert_eq!(
        entry("neighbour"),
        ((0, 0), vec![0x0a00_0001, 0x0405_0607, 0x0203])
    );
}

#[test]
fn versions_follow_what_is_served() {
    let (registers, mut tables) = bench();
    let versions = || {
        registers
            .table("program")
            .into_values()
            .map(|v| v[2..].to_vec())
            .next()
    };
    let add = |tables: &mut Tables, version, procedure| {
        run(tables.add_service(&registers, &entry(key(PROGRAM, version, procedure, 700), 1)))
    };
    let remove = |tables: &mut Tables, version, procedure| {
        run(tables.remove_service(&registers, key(PROGRAM, version, procedure, 700))).unwrap();
    };
    add(&mut tables, 4, 0).unwrap();
    add(&mut tables, 4, 3).unwrap();
    add(&mut tables, 2, 0).unwrap();
    assert_eq!(versions(), Some(vec![2, 4, 0b101]));
    add(&mut tables, 33, 0).unwrap();
    assert_eq!(versions(), Some(vec![2, 33, 0x8000_0005]));
    let error = add(&mut tables, 34, 0).unwrap_err();
    let text =
        "program 0x20000001 on port 700 would have versions 2 to 34, the card tells 32 apart";
    assert!(error.to_string().starts_with(text), "{error}");
    assert!(add(&mut tables, u32::MAX, 0).is_err());
    remove(&mut tables, 33, 0);
    remove(&mut tables, 2, 0);
    assert_eq!(versions(), Some(vec![4, 4, 1]));
    remove(&mut tables, 4, 0);
    assert_eq!(
        (versions(), registers.table("rpc_port").len()),
        (Some(vec![4, 4, 1]), 1)
    );
    remove(&mut tables, 4, 3);
    assert_eq!(versions(), None);
    assert!(registers.table("service").is_empty() && registers.table("rpc_port").is_empty());
    run(tables.verify(&registers)).unwrap();
    let error = run(tables.remove_service(&registers, key(1, 2, 3, 4))).unwrap_err();
    assert!(matches!(
        error,
        TablesError::Missing {
            table: "service",
            ..
        }
    ));
}

#[test]
fn what_was_written_is_read_back() {
    let (registers, mut tables) = bench();
    registers.stick("service_function_lo", 0x55);
    let service = entry(key(PROGRAM, 1, 1, 700), 0xaa);
    let error = run(tables.add_service(&registers, &service)).unwrap_err();
    let TablesError::Readback {
        table,
        field,
        expected,
        found,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((table, field), ("service", "service_function_lo"));
    assert_eq!((expected, found), (0xaa, 0x55));
}

#[test]
fn verify_finds_every_field_that_differs() {
    for table in registers::TABLES {
        for field in 0..table.registers.len() {
            let (registers, mut tables) = bench();
            run(tables.add_service(&registers, &entry(key(PROGRAM, 1, 1, 700), 1))).unwrap();
            run(tables.set_neighbour(&registers, Ipv4Addr::LOCALHOST, [1; 6])).unwrap();
            run(tables.verify(&registers)).unwrap();
            let place = *registers.table(table.name).keys().next().unwrap();
            registers.corrupt(table.name, place, field);
            let error = run(tables.verify(&registers)).unwrap_err();
            assert!(
                error.to_string().contains(table.registers[field]),
                "{error}"
            );
        }
    }
}

#[test]
fn clear_takes_everything_out_of_use() {
    let (registers, mut tables) = bench();
    run(tables.add_service(&registers, &entry(key(PROGRAM, 1, 1, 700), 1))).unwrap();
    run(tables.set_neighbour(&registers, Ipv4Addr::LOCALHOST, [1; 6])).unwrap();
    // As after a crash: the new driver does not know what the old one wrote.
    let mut tables = Tables::new(&NicConfig::eci());
    assert!(run(tables.verify(&registers)).is_err());
    run(tables.clear(&registers)).unwrap();
    run(tables.verify(&registers)).unwrap();
    assert!(
        registers::TABLES
            .iter()
            .all(|table| registers.table(table.name).is_empty())
    );
}
