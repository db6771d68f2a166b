//! The stored index: round trip, tampering, and never being believed for itself.

use std::fs;

use super::*;

fn filled() -> Kit {
    let mut kit = Kit::new();
    kit.index.file_clock = ahead;
    kit.write("spec.md", "s");
    kit.write("tasks/WP01.md", "w");
    kit.write("bad.md", b"\xff");
    kit.link("spec.md", "link.md");
    kit.link("nowhere", "dangling");
    mkfifo(&kit.at("pipe"));
    kit.full();
    kit
}

fn stored(kit: &Kit) -> Vec<u8> {
    kit.index.to_cache(Vec::new()).to_bytes().expect("encodes")
}

#[test]
fn a_restored_index_reads_nothing_and_changes_nothing() {
    let kit = filled();
    let cache = IndexCache::from_bytes(&stored(&kit)).expect("sound");
    assert_eq!(cache, kit.index.to_cache(Vec::new()));
    assert_eq!(cache.len(), 6);
    let mut index = fresh_index(&kit.root, Some(cache));
    assert_eq!(index.table(), kit.index.table());
    let outcome = index.scan(&ScanRequest::Touched(Vec::new()), &kit.watcher, &settings());
    assert!(outcome.full, "the first scan looks at everything");
    assert_eq!((outcome.stats.read, outcome.stats.trusted_stats), (0, 4));
    assert!(outcome.changed.is_empty() && outcome.removed.is_empty(), "{outcome:?}");
    assert_eq!(index.table(), kit.index.table(), "times included");
}

#[test]
fn what_changed_meanwhile_is_found() {
    if !stamps_are_fine() {
        return;
    }
    let kit = filled();
    let cache = IndexCache::from_bytes(&stored(&kit));
    kit.write("spec.md", "S");
    fs::remove_file(kit.at("bad.md")).expect("removed");
    kit.write("new/plan.md", "p");
    let mut index = fresh_index(&kit.root, cache);
    let outcome = index.scan(&ScanRequest::Full, &kit.watcher, &settings());
    assert_eq!(names(&outcome.changed), "link.md new/plan.md spec.md");
    assert_eq!(names(&outcome.removed), "bad.md");
    let restored = Kit { index, ..kit };
    restored.check_against_fresh("restored");
}

#[test]
fn a_directory_that_went_meanwhile_takes_its_rows_along() {
    let spoils: [fn(&Kit); 5] = [
        |kit| fs::remove_dir_all(kit.at("tasks")).expect("removed"),
        |kit| fs::rename(kit.at("tasks"), kit.at("moved")).expect("renamed"),
        |kit| {
            fs::remove_dir_all(kit.at("tasks")).expect("removed");
            kit.write("tasks", "a file by now");
        },
        |kit| {
            fs::remove_dir_all(kit.at("tasks")).expect("removed");
            kit.link("spec.md", "tasks");
        },
        |kit| kit.write(".dossierignore", "tasks/\n"),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let kit = filled();
        kit.write("tasks/deep/er.md", "d");
        let mut kit = kit;
        kit.full();
        let cache = IndexCache::from_bytes(&stored(&kit));
        spoil(&kit);
        let mut index = fresh_index(&kit.root, cache);
        index.scan(&ScanRequest::Full, &kit.watcher, &settings());
        Kit { index, ..kit }.check_against_fresh(&format!("directory, {number}"));
    }
}

#[test]
fn damage_makes_it_no_cache() {
    let bytes = stored(&filled());
    assert!(IndexCache::from_bytes(&bytes).is_some());
    for length in 0..bytes.len() {
        assert!(IndexCache::from_bytes(&bytes[..length]).is_none(), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(IndexCache::from_bytes(&bytes).is_none(), "changed at {at}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(IndexCache::from_bytes(&longer).is_none());
}

#[test]
fn a_cache_of_another_directory_is_not_used() {
    let kit = filled();
    let cache = IndexCache::from_bytes(&stored(&kit));
    let other = Kit::new();
    assert!(fresh_index(&other.root, cache).table().is_empty());
}

#[test]
fn a_sound_cache_that_lies_is_found_out() {
    let kit = filled();
    // Rows that speak of another device, as after a move of the disk: nothing is trusted.
    let moved = super::super::index_cache::IndexCache::new(
        &kit.root,
        Some(u64::MAX),
        Vec::new(),
        kit.index.to_cache(Vec::new()).into_rows(),
    );
    let mut index = fresh_index(&kit.root, Some(moved));
    let outcome = index.scan(&ScanRequest::Full, &kit.watcher, &settings());
    assert_eq!((outcome.stats.read, outcome.stats.trusted_stats), (4, 0));
    assert!(outcome.changed.is_empty() && outcome.removed.is_empty());
    // Rows of files that are not there, or are something else by now.
    for name in ["spec.md", "tasks/WP01.md", "link.md"] {
        fs::remove_file(kit.at(name)).expect("removed");
    }
    kit.write("spec.md/now-a-directory.md", "x");
    mkfifo(&kit.at("link.md"));
    let mut index = fresh_index(&kit.root, Some(kit.index.to_cache(Vec::new())));
    index.scan(&ScanRequest::Full, &kit.watcher, &settings());
    Kit { index, ..kit }.check_against_fresh("a lying cache");
}
