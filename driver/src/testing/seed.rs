//! One root seed for all randomised tests: `LAUBERHORN_SEED`, else a constant.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const DEFAULT: u64 = 0x4c42_484e;

/// A random stream of its own for `test`, and how to get the same one again.
pub fn stream(test: &str) -> (ChaCha8Rng, String) {
    let seed = match std::env::var("LAUBERHORN_SEED") {
        Ok(text) => text.parse().expect("LAUBERHORN_SEED is a decimal number"),
        Err(_) => DEFAULT,
    };
    let again = format!("LAUBERHORN_SEED={seed} cargo test -p lauberhorn-driver {test}");
    let salt = lauberhorn_interface::hash::fnv1a(test.as_bytes());
    (ChaCha8Rng::seed_from_u64(seed ^ salt), again)
}
