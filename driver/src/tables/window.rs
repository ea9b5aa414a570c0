//! # Register windows
//! How one entry of a table is written and read: its field registers, then its commit register.
//! Every write is read back.

use lauberhorn_interface::registers::{self, Register, TABLES, bits};

use super::TablesError;
use super::cuckoo::Place;
use crate::lines::{Registers, RegistersError};

/// The window of one table.
#[derive(Clone, Debug)]
pub(super) struct Window {
    table: &'static str,
    fields: Vec<Register>,
    commit: u16,
}

impl Window {
    /// The window of a table of the interface.
    pub(super) fn of(table: &'static str) -> Self {
        let described = TABLES.iter().find(|other| other.name == table);
        let described = described.expect("the interface describes every table used here");
        let register = |name| registers::register(name).expect("a table's registers exist");
        Self {
            table,
            fields: described
                .registers
                .iter()
                .map(|&name| register(name))
                .collect(),
            commit: register(described.commit).address,
        }
    }

    /// Writes an entry, or with no values takes it out of use, and checks that it is there.
    pub(super) async fn write(
        &self,
        registers: &impl Registers,
        place: Place,
        values: Option<&[u32]>,
    ) -> Result<(), TablesError> {
        for (field, &value) in self.fields.iter().zip(values.unwrap_or_default()) {
            registers.write32(field.address, value).await?;
        }
        self.commit(registers, place, values.is_some(), false)
            .await?;
        self.check(registers, place, values).await
    }

    /// Takes an entry out of use, unchecked: for clearing whole tables.
    pub(super) async fn clear(
        &self,
        registers: &impl Registers,
        place: Place,
    ) -> Result<(), TablesError> {
        Ok(self.commit(registers, place, false, false).await?)
    }

    /// Checks that the card holds these values in an entry.
    pub(super) async fn check(
        &self,
        registers: &impl Registers,
        place: Place,
        values: Option<&[u32]>,
    ) -> Result<(), TablesError> {
        let differs = |field, expected, found| TablesError::Readback {
            table: self.table,
            bank: place.bank,
            index: place.index,
            field,
            expected,
            found,
        };
        self.commit(registers, place, false, true).await?;
        let commit = registers.read32(self.commit).await?;
        let (expected, found) = (
            u32::from(values.is_some()),
            bits::service_commit::VALID.get(commit),
        );
        if expected != found {
            return Err(differs("valid", expected, found));
        }
        for (field, &expected) in self.fields.iter().zip(values.unwrap_or_default()) {
            let found = registers.read32(field.address).await?;
            if found != expected {
                return Err(differs(field.name, expected, found));
            }
        }
        Ok(())
    }

    async fn commit(
        &self,
        registers: &impl Registers,
        place: Place,
        valid: bool,
        read: bool,
    ) -> Result<(), RegistersError> {
        // All commit registers share these fields; a test holds them to it.
        use bits::service_commit::{BANK, INDEX, READ, VALID};
        let word = INDEX.set(0, place.index as u32);
        let word = BANK.set(word, place.bank as u32);
        let word = VALID.set(word, valid.into());
        registers
            .write32(self.commit, READ.set(word, read.into()))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_registers_share_their_fields() {
        for table in TABLES {
            let register = registers::register(table.commit).unwrap();
            for field in bits::service_commit::ALL {
                let own = register.fields.iter().find(|own| own.name == field.name);
                match own {
                    Some(own) => {
                        assert_eq!((own.lsb, own.width_bits), (field.lsb, field.width_bits))
                    }
                    None => assert_eq!((field.name, table.banks), ("bank", 1), "{}", table.name),
                }
            }
        }
    }
}
