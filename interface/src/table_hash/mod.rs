//! The hash functions that place entries in the service and program tables.
//!
//! Both tables have two banks with a hash function each: a key is looked for at one index per bank,
//! and the driver puts it at either. Index bit *i* is the parity of the key under mask *i*, so the
//! hardware needs one XOR tree per index bit. The masks come from splitmix64 with a fixed seed per
//! table and bank; draws that are far from half dense are thrown away.

/// Widest index: the largest bank has 1024 entries.
pub const MAX_INDEX_BITS: usize = 10;
/// Banks of each hashed table.
pub const BANKS: usize = 2;
/// Bits of a service key.
pub const SERVICE_KEY_BITS: usize = 112;
/// Bits of a program key.
pub const PROGRAM_KEY_BITS: usize = 48;

/// Masks of the service table: bank, then index bit.
pub const SERVICE_MASKS: [[u128; MAX_INDEX_BITS]; BANKS] = [
    masks(0x5345_5256_4943_4530, SERVICE_KEY_BITS),
    masks(0x5345_5256_4943_4531, SERVICE_KEY_BITS),
];
/// Masks of the program table: bank, then index bit.
pub const PROGRAM_MASKS: [[u128; MAX_INDEX_BITS]; BANKS] = [
    masks(0x5052_4f47_5241_4d30, PROGRAM_KEY_BITS),
    masks(0x5052_4f47_5241_4d31, PROGRAM_KEY_BITS),
];

/// What the service table is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Program number.
    pub program: u32,
    /// Version number.
    pub version: u32,
    /// Procedure number.
    pub procedure: u32,
    /// UDP port the call was sent to.
    pub port: u16,
}

impl ServiceKey {
    /// The key as a number: program in bits 111:80, version 79:48, procedure 47:16, port 15:0.
    pub const fn to_bits(self) -> u128 {
        (self.program as u128) << 80
            | (self.version as u128) << 48
            | (self.procedure as u128) << 16
            | self.port as u128
    }

    /// The index of the key in `bank` of a table with `entries` entries per bank.
    ///
    /// # Panics
    /// When `bank` is not below [`BANKS`] or `entries` is not a power of two up to 1024.
    pub const fn index(self, bank: usize, entries: usize) -> usize {
        index(self.to_bits(), &SERVICE_MASKS[bank], entries)
    }
}

/// What the program table is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramKey {
    /// Program number.
    pub program: u32,
    /// UDP port the call was sent to.
    pub port: u16,
}

impl ProgramKey {
    /// The key as a number: program in bits 47:16, port in bits 15:0.
    pub const fn to_bits(self) -> u128 {
        (self.program as u128) << 16 | self.port as u128
    }

    /// The index of the key in `bank` of a table with `entries` entries per bank.
    ///
    /// # Panics
    /// When `bank` is not below [`BANKS`] or `entries` is not a power of two up to 1024.
    pub const fn index(self, bank: usize, entries: usize) -> usize {
        index(self.to_bits(), &PROGRAM_MASKS[bank], entries)
    }
}

/// The index of `key` under `masks` in a bank of `entries` entries.
///
/// # Panics
/// When `entries` is not a power of two or needs more masks than there are.
pub const fn index(key: u128, masks: &[u128], entries: usize) -> usize {
    assert!(entries.is_power_of_two());
    let bits = entries.trailing_zeros() as usize;
    let mut index = 0;
    let mut bit = 0;
    while bit < bits {
        index |= ((key & masks[bit]).count_ones() as usize & 1) << bit;
        bit += 1;
    }
    index
}

/// One step of splitmix64: the new state and the output.
const fn splitmix64(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, z ^ (z >> 31))
}

const fn masks(seed: u64, key_bits: usize) -> [u128; MAX_INDEX_BITS] {
    let mut state = seed;
    let mut masks = [0; MAX_INDEX_BITS];
    let mut i = 0;
    while i < MAX_INDEX_BITS {
        let (next, low) = splitmix64(state);
        let (next, high) = splitmix64(next);
        state = next;
        let mask = ((high as u128) << 64 | low as u128) & ((1 << key_bits) - 1);
        let ones = mask.count_ones() as usize;
        if ones * 8 >= key_bits * 3 && ones * 8 <= key_bits * 5 {
            masks[i] = mask;
            i += 1;
        }
    }
    masks
}

#[cfg(test)]
mod tests;
