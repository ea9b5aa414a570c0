//! The lauberhorn command.
fn main() {}
