//! One root seed for all randomised tests: `LAUBERHORN_SEED` (decimal or 0x hexadecimal), else a
//! constant.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const DEFAULT: u64 = 0x6c61_7562;

/// A random stream of its own for `test`, and how to get the same one again.
pub fn stream(test: &str) -> (ChaCha8Rng, String) {
    let seed = match std::env::var("LAUBERHORN_SEED") {
        Ok(text) => {
            let parsed = match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => text.parse(),
            };
            parsed.unwrap_or_else(|_| panic!("LAUBERHORN_SEED={text:?} is not a number"))
        }
        Err(_) => DEFAULT,
    };
    let again = format!("LAUBERHORN_SEED={seed:#x} cargo test -p lauberhorn-driver {test}");
    let salt = lauberhorn_interface::hash::fnv1a(test.as_bytes());
    (ChaCha8Rng::seed_from_u64(seed ^ salt), again)
}
