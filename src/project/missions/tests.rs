//! Catalogues of projects with good, broken and hostile overrides.

use super::*;
use crate::dossier::definition::Origin;
use crate::dossier::yaml::MAX_DEFINITION_BYTES;
use std::fs;
use std::os::unix::fs::symlink;

const MANIFEST: &str = "schema_version: '1.0'\nmission_type: research\nmanifest_version: '9'\n";
const LOW: &str = ".kittify/missions/research/expected-artifacts.yaml";
const HIGH: &str = ".kittify/overrides/missions/research/expected-artifacts.yaml";

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("has one")).expect("made");
    fs::write(path, text).expect("written");
}

fn version(catalog: &MissionCatalog, mission_type: &str) -> String {
    catalog.get(mission_type).expect("defined").manifest.manifest_version().to_owned()
}

#[test]
fn without_overrides_the_built_in_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let catalog = MissionCatalog::load(Some(dir.path()), None);
    assert_eq!(catalog, MissionCatalog::load(None, None));
    assert_eq!(catalog.types().collect::<Vec<_>>(), ["documentation", "research", "software-dev"]);
    assert!(catalog.faults().is_empty() && catalog.get("other").is_none());
}

#[test]
fn the_overrides_directory_wins_file_by_file() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), LOW, MANIFEST);
    let low = MissionCatalog::load(Some(dir.path()), None);
    assert_eq!(version(&low, "research"), "9");
    write(dir.path(), HIGH, &MANIFEST.replace("'9'", "'10'"));
    let high = MissionCatalog::load(Some(dir.path()), Some(&low));
    assert_eq!(version(&high, "research"), "10");
    assert_ne!(low, high);
    let origin = Origin::Override { mission: None, manifest: Some(HIGH.to_owned()) };
    assert_eq!(high.get("research").expect("defined").origin, origin);
    let again = MissionCatalog::load(Some(dir.path()), Some(&high));
    assert_eq!(again, high);
    assert!(Arc::ptr_eq(
        &again.get("research").expect("defined"),
        &high.get("research").expect("defined")
    ));
}

#[test]
fn a_new_type_needs_both_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = ".kittify/missions/baking";
    write(dir.path(), &format!("{folder}/mission.yaml"), "initial: mix\nstates: [mix, bake]\n");
    let half = MissionCatalog::load(Some(dir.path()), None);
    assert!(half.get("baking").is_none());
    assert!(half.faults()[0].message.contains("expected-artifacts.yaml is missing"));
    let manifest = MANIFEST.replace("research", "baking");
    write(dir.path(), &format!("{folder}/expected-artifacts.yaml"), &manifest);
    let whole = MissionCatalog::load(Some(dir.path()), Some(&half));
    assert!(whole.faults().is_empty());
    assert_eq!(whole.get("baking").expect("defined").mission.steps(), ["mix", "bake"]);
}

#[test]
fn a_broken_override_keeps_the_last_good_one() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), LOW, MANIFEST);
    let good = MissionCatalog::load(Some(dir.path()), None);
    write(dir.path(), LOW, &format!("{MANIFEST}required_by_step:\n  gatherin: []\n"));
    let kept = MissionCatalog::load(Some(dir.path()), Some(&good));
    assert_eq!(version(&kept, "research"), "9");
    let [fault] = kept.faults() else { panic!("one fault: {:?}", kept.faults()) };
    assert_eq!(
        (fault.mission_type.as_str(), fault.file.as_str(), fault.line),
        ("research", LOW, 5)
    );
    assert!(fault.message.contains("allowed are scoping, methodology"), "{fault}");
    assert_eq!(MissionCatalog::load(Some(dir.path()), Some(&kept)), kept);
    let fresh = MissionCatalog::load(Some(dir.path()), None);
    assert_eq!(version(&fresh, "research"), "1", "the built-in one without a last good one");
    fs::remove_file(dir.path().join(LOW)).expect("removed");
    assert_eq!(MissionCatalog::load(Some(dir.path()), Some(&kept)), MissionCatalog::builtin());
}

fn check_fault(prepare: impl Fn(&Path), needle: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    prepare(dir.path());
    let catalog = MissionCatalog::load(Some(dir.path()), None);
    assert!(
        catalog.faults().iter().any(|f| f.message.contains(needle)),
        "{needle}: {:?}",
        catalog.faults()
    );
    assert_eq!(version(&catalog, "research"), "1");
}

#[test]
fn hostile_overrides_are_faults() {
    let folder = |root: &Path| {
        let folder = root.join(".kittify/missions/research");
        fs::create_dir_all(&folder).expect("made");
        folder
    };
    check_fault(
        |root| symlink("/etc/passwd", folder(root).join(MANIFEST_FILE)).expect("linked"),
        "cannot read",
    );
    check_fault(
        |root| fs::create_dir(folder(root).join(MANIFEST_FILE)).expect("made"),
        "not a regular file",
    );
    check_fault(
        |root| {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            let fifo = folder(root).join(MISSION_FILE);
            mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).expect("a fifo");
        },
        "not a regular file",
    );
    check_fault(|root| write(root, LOW, &"#".repeat(MAX_DEFINITION_BYTES + 1)), "larger than");
    check_fault(|root| write(root, LOW, &"[".repeat(40_000)), "");
    check_fault(
        |root| fs::write(folder(root).join(MANIFEST_FILE), b"a: 1\n\xff").expect("written"),
        "not UTF-8",
    );
    check_fault(
        |root| fs::create_dir_all(root.join(".kittify/missions/a b")).expect("made"),
        "no mission type",
    );
    check_fault(
        |root| {
            for n in 0..70 {
                fs::create_dir_all(root.join(format!(".kittify/missions/t{n}"))).expect("made");
            }
        },
        "at most 64",
    );
}

#[test]
fn a_root_that_is_gone_keeps_what_was_known() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), LOW, MANIFEST);
    let good = MissionCatalog::load(Some(dir.path()), None);
    let gone = MissionCatalog::load(Some(&dir.path().join("gone")), Some(&good));
    assert_eq!((version(&gone, "research").as_str(), gone.faults().len()), ("9", 1));
    fs::rename(dir.path().join(".kittify/missions"), dir.path().join("away")).expect("moved");
    symlink("/etc", dir.path().join(".kittify/missions")).expect("linked");
    let hidden = MissionCatalog::load(Some(dir.path()), Some(&good));
    assert_eq!((version(&hidden, "research").as_str(), hidden.faults().len()), ("9", 1));
}

#[test]
fn half_of_an_override_does_not_stand_for_all_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = ".kittify/missions/baking";
    write(dir.path(), &format!("{folder}/mission.yaml"), "initial: mix\nstates: [mix, bake]\n");
    let manifest = MANIFEST.replace("research", "baking");
    let high = HIGH.replace("research", "baking");
    write(dir.path(), &high, &manifest);
    let whole = MissionCatalog::load(Some(dir.path()), None);
    assert_eq!(version(&whole, "baking"), "9");
    fs::remove_dir_all(dir.path().join(".kittify/missions")).expect("removed");
    symlink("/etc", dir.path().join(".kittify/missions")).expect("linked");
    let half = MissionCatalog::load(Some(dir.path()), Some(&whole));
    assert_eq!((version(&half, "baking").as_str(), half.faults().len()), ("9", 1));
    assert!(half.good_overrides().eq(whole.good_overrides()));
}

#[test]
fn a_catalogue_is_restored_from_its_good_overrides() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), HIGH, MANIFEST);
    let good = MissionCatalog::load(Some(dir.path()), None);
    let texts = |catalog: &MissionCatalog| {
        let pairs = catalog.good_overrides();
        pairs.map(|(name, texts)| (name.clone(), texts.as_ref().clone())).collect::<Vec<_>>()
    };
    let restored = MissionCatalog::restored(texts(&good));
    assert_eq!(restored, good);
    write(dir.path(), HIGH, "broken");
    let kept = MissionCatalog::load(Some(dir.path()), Some(&restored));
    assert_eq!((version(&kept, "research").as_str(), kept.faults().len()), ("9", 1));
    assert_eq!(texts(&kept), texts(&good));
    // What an earlier release took, and this one does not, is as if it had never been.
    let mut bad = texts(&good);
    bad[0].1.manifest.as_mut().expect("has one").text = "broken".to_owned();
    assert_eq!(MissionCatalog::restored(bad), MissionCatalog::builtin());
}
