//! Packets as beats of any width: data, then one keep bit per byte, then the last flag.

use super::Rng;
use crate::rtl::Value;
use rand::RngCore;

/// One beat: `data` is as long as the beat, its first `valid_bytes` bytes count.
pub fn beat(data: &[u8], valid_bytes: usize, last: bool) -> Value {
    let bytes = data.len();
    let mut beat = Value::from_bytes(9 * bytes + 1, data);
    for byte in 0..valid_bytes.min(bytes) {
        beat.set_slice(8 * bytes + byte, &Value::ones(1));
    }
    beat.set_slice(9 * bytes, &Value::new(1, u128::from(last)));
    beat
}

/// Data, number of valid bytes and last flag of a beat.
pub fn beat_parts(beat: &Value) -> (Vec<u8>, usize, bool) {
    let bytes = (beat.width() - 1) / 9;
    let valid = (0..bytes).filter(|byte| beat.bit(8 * bytes + byte)).count();
    let data = beat.slice(0, 8 * bytes).to_bytes();
    (data, valid, beat.bit(9 * bytes))
}

/// A packet of `length_bytes` random bytes in beats of `beat_bytes`; what lies beyond its end in the
/// last beat is random too.
pub fn packet_beats(rng: &mut Rng, length_bytes: usize, beat_bytes: usize) -> Vec<Value> {
    let count = length_bytes.div_ceil(beat_bytes).max(1);
    let mut data = vec![0; beat_bytes];
    let beats = (0..count).map(|index| {
        rng.fill_bytes(&mut data);
        let rest = length_bytes - index * beat_bytes;
        beat(&data, rest, index + 1 == count)
    });
    beats.collect()
}
