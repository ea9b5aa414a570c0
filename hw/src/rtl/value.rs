//! Two-state values of any width.

use std::fmt;

/// A bit vector; bits above `width` are always zero.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value {
    width: usize,
    limbs: Vec<u64>,
}

/// 64-bit limbs that hold `width` bits.
pub(crate) const fn limb_count(width: usize) -> usize {
    width.div_ceil(64)
}

/// Mask of the valid bits in the top limb of a `width`-bit value.
pub(crate) const fn top_mask(width: usize) -> u64 {
    match width % 64 {
        0 => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

impl Value {
    /// All zeros.
    pub fn zero(width: usize) -> Self {
        assert!(width > 0, "a value has at least one bit");
        Self {
            width,
            limbs: vec![0; limb_count(width)],
        }
    }

    /// All ones.
    pub fn ones(width: usize) -> Self {
        Self::from_limbs(width, &vec![u64::MAX; limb_count(width)])
    }

    /// `value`, which must fit.
    #[track_caller]
    pub fn new(width: usize, value: u128) -> Self {
        assert!(
            width >= 128 || value >> width == 0,
            "{value:#x} does not fit {width} bits"
        );
        Self::from_limbs(width, &[value as u64, (value >> 64) as u64])
    }

    /// The low `width` bits of `limbs` (least significant first, missing limbs are zero).
    pub fn from_limbs(width: usize, limbs: &[u64]) -> Self {
        let mut value = Self::zero(width);
        for (to, from) in value.limbs.iter_mut().zip(limbs) {
            *to = *from;
        }
        value.trim();
        value
    }

    /// Bytes, first byte least significant; missing bytes are zero, excess bits are cut.
    pub fn from_bytes(width: usize, bytes: &[u8]) -> Self {
        let mut value = Self::zero(width);
        for (index, byte) in bytes.iter().enumerate().take(width.div_ceil(8)) {
            value.limbs[index / 8] |= u64::from(*byte) << (8 * (index % 8));
        }
        value.trim();
        value
    }

    fn trim(&mut self) {
        if let Some(top) = self.limbs.last_mut() {
            *top &= top_mask(self.width);
        }
    }

    /// Width in bits.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Limbs, least significant first.
    pub fn limbs(&self) -> &[u64] {
        &self.limbs
    }

    /// The value as an integer; panics when bits above 63 are set.
    #[track_caller]
    pub fn to_u64(&self) -> u64 {
        assert!(
            self.limbs[1..].iter().all(|limb| *limb == 0),
            "{self:?} does not fit 64 bits"
        );
        self.limbs[0]
    }

    /// Bytes, first byte least significant.
    pub fn to_bytes(&self) -> Vec<u8> {
        (0..self.width.div_ceil(8))
            .map(|index| (self.limbs[index / 8] >> (8 * (index % 8))) as u8)
            .collect()
    }

    /// One bit.
    #[track_caller]
    pub fn bit(&self, index: usize) -> bool {
        assert!(index < self.width, "bit {index} of {} bits", self.width);
        self.limbs[index / 64] >> (index % 64) & 1 == 1
    }

    /// `width` bits from bit `low` on.
    #[track_caller]
    pub fn slice(&self, low: usize, width: usize) -> Self {
        assert!(
            low + width <= self.width,
            "bits {low}..{} of a {}-bit value",
            low + width,
            self.width
        );
        let mut out = Self::zero(width);
        for index in 0..out.limbs.len() {
            let (limb, shift) = ((low + 64 * index) / 64, (low + 64 * index) % 64);
            let mut word = self.limbs[limb] >> shift;
            if shift > 0 && limb + 1 < self.limbs.len() {
                word |= self.limbs[limb + 1] << (64 - shift);
            }
            out.limbs[index] = word;
        }
        out.trim();
        out
    }

    /// Replaces the bits from `low` on by `part`.
    #[track_caller]
    pub fn set_slice(&mut self, low: usize, part: &Value) {
        assert!(
            low + part.width <= self.width,
            "bits {low}..{} of a {}-bit value",
            low + part.width,
            self.width
        );
        for index in 0..part.width {
            let bit = u64::from(part.bit(index));
            let to = &mut self.limbs[(low + index) / 64];
            let shift = (low + index) % 64;
            *to = *to & !(1 << shift) | bit << shift;
        }
    }

    /// Hexadecimal digits without prefix, at least one.
    pub fn hex(&self) -> String {
        let digits: String = self
            .limbs
            .iter()
            .rev()
            .map(|limb| format!("{limb:016x}"))
            .collect();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() { "0" } else { digits }.to_string()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'h{}", self.width, self.hex())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
