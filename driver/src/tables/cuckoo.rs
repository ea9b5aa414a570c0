//! # Placement in a table with two banks
//! Every key has one place in each bank. When both are taken, the entry in one of them may move to
//! its own other place, and so on; a breadth-first search finds the shortest such chain, and finds
//! one whenever any arrangement of all entries exists.

use std::collections::VecDeque;

use lauberhorn_interface::table_hash::{BANKS, ProgramKey, ServiceKey};

/// A key with one possible index per bank.
pub trait HashedKey: Copy + Eq {
    /// The index in `bank`, of `entries` per bank.
    fn index(self, bank: usize, entries: usize) -> usize;
}

impl HashedKey for ServiceKey {
    fn index(self, bank: usize, entries: usize) -> usize {
        ServiceKey::index(self, bank, entries)
    }
}

impl HashedKey for ProgramKey {
    fn index(self, bank: usize, entries: usize) -> usize {
        ProgramKey::index(self, bank, entries)
    }
}

/// One place of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Bank; zero in tables with one.
    pub bank: usize,
    /// Index in the bank.
    pub index: usize,
}

/// What lies where in a table with two banks.
#[derive(Clone, Debug)]
pub struct Cuckoo<K, V> {
    banks: [Vec<Option<(K, V)>>; BANKS],
}

impl<K: HashedKey, V: Clone> Cuckoo<K, V> {
    /// An empty table; `entries` is a power of two.
    pub fn new(entries: usize) -> Self {
        Self {
            banks: [vec![None; entries], vec![None; entries]],
        }
    }

    /// Places of the table.
    pub fn capacity(&self) -> usize {
        self.banks.iter().map(Vec::len).sum()
    }

    /// Entries in use.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no entry is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content of a place.
    pub fn at(&self, place: Place) -> Option<&(K, V)> {
        self.banks[place.bank][place.index].as_ref()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.banks.iter().flatten().flatten()
    }

    /// Where `key` lies.
    pub fn find(&self, key: K) -> Option<Place> {
        let mut places = (0..BANKS).map(|bank| self.place(key, bank));
        places.find(|&place| self.at(place).is_some_and(|(other, _)| *other == key))
    }

    /// The value of `key`.
    pub fn get(&self, key: K) -> Option<&V> {
        self.at(self.find(key)?).map(|(_, value)| value)
    }

    /// Puts `key` in, or gives it a new value. Returns the places that changed: written to the card
    /// in this order, no entry is missing there at any time. `None` when there is no room.
    pub fn insert(&mut self, key: K, value: V) -> Option<Vec<Place>> {
        if let Some(place) = self.find(key) {
            *self.slot(place) = Some((key, value));
            return Some(vec![place]);
        }
        let path = self.path_to_room(key)?;
        for pair in path.windows(2) {
            let moved = self.slot(pair[1]).take();
            *self.slot(pair[0]) = moved;
        }
        *self.slot(*path.last()?) = Some((key, value));
        Some(path)
    }

    /// Whether `key` is in or can be put in.
    pub fn has_room(&self, key: K) -> bool {
        self.find(key).is_some() || self.path_to_room(key).is_some()
    }

    /// Takes `key` out and returns where it was.
    pub fn remove(&mut self, key: K) -> Option<Place> {
        let place = self.find(key)?;
        *self.slot(place) = None;
        Some(place)
    }

    fn place(&self, key: K, bank: usize) -> Place {
        Place {
            bank,
            index: key.index(bank, self.banks[bank].len()),
        }
    }

    fn slot(&mut self, place: Place) -> &mut Option<(K, V)> {
        &mut self.banks[place.bank][place.index]
    }

    /// A free place, the place whose entry may move there, and so on to a place of `key`.
    fn path_to_room(&self, key: K) -> Option<Vec<Place>> {
        let mut queue: VecDeque<_> = (0..BANKS)
            .map(|bank| (self.place(key, bank), None))
            .collect();
        let mut seen: Vec<(Place, Option<usize>)> = Vec::new();
        while let Some((place, before)) = queue.pop_front() {
            if seen.iter().any(|&(other, _)| other == place) {
                continue;
            }
            seen.push((place, before));
            match self.at(place) {
                Some(&(occupant, _)) => {
                    let other = self.place(occupant, BANKS - 1 - place.bank);
                    queue.push_back((other, Some(seen.len() - 1)));
                }
                None => {
                    let chain = std::iter::successors(seen.last(), |(_, before)| {
                        before.map(|index| &seen[index])
                    });
                    return Some(chain.map(|&(place, _)| place).collect());
                }
            }
        }
        None
    }
}
