//! A register file made from the interface's description, with faults on request.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::registers::{self, Access, Register, TABLES, Table, bits};

use crate::lines::{Registers, RegistersError};

type Entries = BTreeMap<(usize, usize), Vec<u32>>;

#[derive(Default)]
struct State {
    values: BTreeMap<u16, u32>,
    tables: BTreeMap<&'static str, Entries>,
    stuck: BTreeMap<u16, u32>,
    writes: Vec<u16>,
}

/// The registers of a card that does nothing else.
pub struct MockRegisters(RefCell<State>);

impl MockRegisters {
    /// The registers after reset.
    pub fn new(config: &NicConfig) -> Self {
        let values = registers::registers()
            .map(|r| (r.address, r.reset.value(config)))
            .collect();
        Self(RefCell::new(State {
            values,
            ..State::default()
        }))
    }

    /// From now on the register reads as `value`.
    pub fn stick(&self, name: &str, value: u32) {
        self.0.borrow_mut().stuck.insert(named(name).address, value);
    }

    /// What the register holds.
    pub fn value(&self, name: &str) -> u32 {
        self.0.borrow().values[&named(name).address]
    }

    /// The entries in use: field values by bank and index.
    pub fn table(&self, name: &'static str) -> Entries {
        self.0
            .borrow()
            .tables
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    /// Changes one field of an entry behind the driver's back.
    pub fn corrupt(&self, name: &'static str, at: (usize, usize), field: usize) {
        let mut state = self.0.borrow_mut();
        let entry = state
            .tables
            .get_mut(name)
            .and_then(|entries| entries.get_mut(&at));
        entry.expect("an entry in use")[field] ^= 1;
    }

    /// How many registers were written.
    pub fn writes(&self) -> usize {
        self.0.borrow().writes.len()
    }
}

fn named(name: &str) -> Register {
    registers::register(name).expect("a register")
}

impl State {
    fn commit(&mut self, table: &Table, word: u32) {
        use bits::service_commit::{BANK, INDEX, READ, VALID};
        let at = (BANK.get(word) as usize, INDEX.get(word) as usize);
        assert!(at.0 < table.banks, "{}: bank {}", table.name, at.0);
        let fields: Vec<_> = table
            .registers
            .iter()
            .map(|&name| named(name).address)
            .collect();
        let entries = self.tables.entry(table.name).or_default();
        let commit = named(table.commit).address;
        if READ.get(word) == 1 {
            let entry = entries.get(&at);
            self.values.insert(
                commit,
                VALID.set(word, entry.is_some().into()) & !READ.mask(),
            );
            for (field, value) in fields.iter().zip(entry.into_iter().flatten()) {
                self.values.insert(*field, *value);
            }
        } else if VALID.get(word) == 1 {
            entries.insert(at, fields.iter().map(|field| self.values[field]).collect());
        } else {
            entries.remove(&at);
        }
    }
}

impl Registers for MockRegisters {
    async fn read32(&self, address: u16) -> Result<u32, RegistersError> {
        let state = self.0.borrow();
        let stuck = state.stuck.get(&address).copied();
        Ok(stuck.unwrap_or_else(|| state.values.get(&address).copied().unwrap_or(0)))
    }

    async fn write32(&self, address: u16, value: u32) -> Result<(), RegistersError> {
        let register = registers::registers().find(|r| r.address == address);
        let register = register.expect("the driver writes to registers only");
        assert_ne!(register.access, Access::ReadOnly, "{}", register.name);
        let mut state = self.0.borrow_mut();
        state.writes.push(address);
        let mask = register
            .fields
            .iter()
            .fold(0, |mask, field| mask | field.mask());
        // What a command starts ends at once.
        if register.access != Access::Command {
            state.values.insert(address, value & mask);
        }
        let table = TABLES.iter().find(|table| table.commit == register.name);
        if let Some(table) = table {
            state.commit(table, value);
        }
        Ok(())
    }
}
