//! One test for each interconnect, without and with its adapter, that goes through all modes.

use lauberhorn_coherence::InterconnectProfile;
use lauberhorn_sim::seed::Seed;
use lauberhorn_sim::ways::Way;

/// Runs a scenario in every mode. `module` is where the test is: what it draws depends on it, and the
/// command that repeats it names it.
pub fn run(
    module: &str,
    profile: InterconnectProfile,
    adapter: bool,
    scenario: impl Fn(Way, Seed),
) {
    let root = Seed::from_environment();
    let (binary, filter) = module.split_once("::").unwrap_or((module, ""));
    println!("reproduce with {root} cargo test -p lauberhorn-sim --test {binary} {filter}");
    for way in Way::of(profile, adapter) {
        println!("{way}");
        scenario(way, root.child(module));
    }
}

/// Makes the tests of a scenario, a `fn(Way, Seed)`.
macro_rules! in_every_way {
    ($scenario:path) => {
        $crate::ways::in_every_way! {
            $scenario,
            eci ECI false, eci_through_its_adapter ECI true,
            cxl CXL false, cxl_through_its_adapter CXL true,
            pcie PCIE false, pcie_through_its_adapter PCIE true,
        }
    };
    ($scenario:path, $($name:ident $profile:ident $adapter:literal),+ $(,)?) => { $(
        #[test]
        fn $name() {
            let profile = lauberhorn_coherence::InterconnectProfile::$profile;
            $crate::ways::run(module_path!(), profile, $adapter, $scenario);
        }
    )+ };
}
pub(crate) use in_every_way;
