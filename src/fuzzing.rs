//! Doors for the fuzz targets below `fuzz/`, to readers of hostile bytes that are private.
//!
//! Compiled with the feature `fuzzing` and for unit tests only; the program has none of it. What
//! the targets check is in `fuzz/checks/`, written against this crate as its users see it. The
//! unit tests hold the same checks against all inputs that are kept, so that no finding comes
//! back, whether or not a fuzzer is at hand.

pub use crate::api::fuzzing::served_line;
pub use crate::server::fuzzing::converse;
pub use crate::sync::fuzzing::{Told, keep_dead_letters, keep_place, results_of};

#[cfg(test)]
#[path = "../fuzz/checks/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod checks;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::checks::ALL;

    /// The inputs of a target, in the order of their names; none where there is no directory.
    fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
        let entries = std::fs::read_dir(dir).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn every_input_that_is_kept_passes_its_check() {
        for (target, check) in ALL {
            let seeds = inputs("corpus", target);
            assert!(!seeds.is_empty(), "fuzz/corpus/{target} has no seeds");
            check(b"");
            for path in seeds.into_iter().chain(inputs("regressions", target)) {
                let bytes = std::fs::read(&path).unwrap();
                let checked = std::panic::catch_unwind(|| check(&bytes));
                assert!(checked.is_ok(), "{} does not pass", path.display());
            }
        }
    }

    #[test]
    fn every_check_is_a_target_and_nothing_else_is() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let known: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        let stems = |dir: &str| -> BTreeSet<String> {
            let entries = std::fs::read_dir(fuzz.join(dir)).unwrap();
            let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
            entries.map(|entry| stem(entry.unwrap().path())).collect()
        };
        assert_eq!(stems("fuzz_targets"), known);
        assert_eq!(stems("corpus"), known);
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let named = |line: &str| Some(line.strip_prefix("path = \"fuzz_targets/")?.to_owned());
        let built = manifest.lines().filter_map(named);
        let built: BTreeSet<String> =
            built.map(|rest| rest.trim_end_matches(".rs\"").to_owned()).collect();
        assert_eq!(built, known, "the binaries of fuzz/Cargo.toml");
    }
}
