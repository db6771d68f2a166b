//! The missions of a project: the built-in ones, and what it overrides or adds.
//!
//! Overrides stand in `.kittify/missions/<type>/` and `.kittify/overrides/missions/<type>/`,
//! file by file; the latter wins. A broken one is a fault, and keeps the last good
//! definition in force, so that a typing error never turns a feature's requirements off.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::beneath::{Beneath, BeneathError};
use crate::dossier::Digest;
use crate::dossier::definition::{Labelled, MissionDefinition};
use crate::dossier::strict::is_name;
use crate::dossier::yaml::{MAX_DEFINITION_BYTES, printable};

/// Where overrides stand, relative to the project root; later ones win.
const DIRECTORIES: [&str; 2] = [".kittify/missions", ".kittify/overrides/missions"];
const MISSION_FILE: &str = "mission.yaml";
const MANIFEST_FILE: &str = "expected-artifacts.yaml";
/// More mission types of one directory are not read.
const MAX_TYPES: usize = 64;

/// What is wrong with an override, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct MissionFault {
    /// The mission type that keeps its last good definition.
    pub mission_type: String,
    /// Relative to the project root.
    pub file: String,
    /// Counted from 1.
    pub line: u64,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// All mission types that a project has. Equal catalogues say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissionCatalog {
    definitions: BTreeMap<String, Arc<MissionDefinition>>,
    faults: Vec<MissionFault>,
    /// What became of each override, so that unchanged texts are not parsed again.
    overrides: BTreeMap<String, Outcome>,
}

/// What an override's texts came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// Of the labels and texts.
    digest: Digest,
    /// `None` if they define the mission type.
    fault: Option<MissionFault>,
}

/// One file of an override: its label and text, or why there is none.
type Source = Result<(String, String), MissionFault>;

#[derive(Default)]
struct Override {
    mission: Option<Source>,
    manifest: Option<Source>,
}

impl Override {
    /// Of everything that the outcome depends on; NUL stands between the parts, and in
    /// front of what is missing or could not be read.
    fn digest(&self) -> Digest {
        let part = |source: &Option<Source>| match source {
            None => "\0".to_owned(),
            Some(Ok((label, text))) => format!("{label}\0{}", Digest::sha256(text)),
            Some(Err(fault)) => format!("\0\0{fault}"),
        };
        Digest::sha256(format!("{}\0{}", part(&self.mission), part(&self.manifest)))
    }
}

impl MissionCatalog {
    /// The built-in missions alone.
    pub fn builtin() -> MissionCatalog {
        let definitions = MissionDefinition::builtin_types()
            .filter_map(|name| Some((name.to_owned(), MissionDefinition::builtin(name)?)))
            .collect();
        MissionCatalog { definitions, faults: Vec::new(), overrides: BTreeMap::new() }
    }

    /// The built-in missions, and what the project overrides or adds. `previous` is the
    /// project's last catalogue, from which broken overrides take their last good state.
    pub fn load(project_root: Option<&Path>, previous: Option<&MissionCatalog>) -> MissionCatalog {
        let mut catalog = MissionCatalog::builtin();
        let Some(root) = project_root else { return catalog };
        let beneath = match Beneath::open(root) {
            Ok(beneath) => beneath,
            Err(error) => {
                catalog.keep_all(previous);
                catalog.faults.push(fault("", ".", &error));
                return catalog;
            }
        };
        for (mission_type, files) in catalog.find_overrides(&beneath, previous) {
            catalog.apply(mission_type, files, previous);
        }
        catalog
    }

    /// Where overrides can't be listed, all that was known stays in force.
    fn keep_all(&mut self, previous: Option<&MissionCatalog>) {
        if let Some(previous) = previous {
            self.definitions.clone_from(&previous.definitions);
            self.overrides.clone_from(&previous.overrides);
        }
    }

    /// Puts an override in force, or, if it is broken, the last good definition.
    fn apply(&mut self, mission_type: String, files: Override, previous: Option<&MissionCatalog>) {
        let digest = files.digest();
        let last_good = previous.and_then(|p| p.definitions.get(&mission_type)).cloned();
        let last = previous.and_then(|p| p.overrides.get(&mission_type));
        let (definition, fault) = match last.filter(|last| last.digest == digest) {
            Some(last) => (last_good, last.fault.clone()),
            None => match define(&mission_type, files) {
                Ok(definition) => (Some(Arc::new(definition)), None),
                Err(fault) => (last_good, Some(fault)),
            },
        };
        if let Some(definition) = definition {
            self.definitions.insert(mission_type.clone(), definition);
        }
        self.faults.extend(fault.clone());
        self.overrides.insert(mission_type, Outcome { digest, fault });
    }

    /// The definition in force for a mission type.
    pub fn get(&self, mission_type: &str) -> Option<Arc<MissionDefinition>> {
        self.definitions.get(mission_type).cloned()
    }

    /// All mission types, sorted.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// What is wrong with overrides, in the order of mission types.
    pub fn faults(&self) -> &[MissionFault] {
        &self.faults
    }

    fn find_overrides(
        &mut self,
        beneath: &Beneath,
        previous: Option<&MissionCatalog>,
    ) -> BTreeMap<String, Override> {
        let mut found: BTreeMap<String, Override> = BTreeMap::new();
        for directory in DIRECTORIES {
            let names = match beneath.directories(Path::new(directory)) {
                Ok(names) => names.unwrap_or_default(),
                Err(error) => {
                    self.keep_all(previous);
                    self.faults.push(fault("", directory, &error));
                    continue;
                }
            };
            for mission_type in self.mission_types(directory, names) {
                let read = |file: &str| read_source(beneath, directory, &mission_type, file);
                let (mission, manifest) = (read(MISSION_FILE), read(MANIFEST_FILE));
                if mission.is_none() && manifest.is_none() {
                    continue;
                }
                let files = found.entry(mission_type).or_default();
                files.mission = mission.or(files.mission.take());
                files.manifest = manifest.or(files.manifest.take());
            }
        }
        found
    }

    /// The names that are mission types; the others, and those too many, are faults.
    fn mission_types(&mut self, directory: &str, names: Vec<Vec<u8>>) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        for name in names {
            let shown = printable(&String::from_utf8_lossy(&name));
            let message = if !is_name(&shown) {
                "is no mission type; allowed are letters, digits, `.`, `_` and `-`".to_owned()
            } else if types.len() == MAX_TYPES {
                format!("is one too many: at most {MAX_TYPES} mission types are read")
            } else {
                types.insert(shown);
                continue;
            };
            let too_many = types.len() == MAX_TYPES;
            let file = format!("{directory}/{shown}");
            self.faults.push(MissionFault { mission_type: shown, file, line: 1, message });
            if too_many {
                break;
            }
        }
        types
    }
}

fn read_source(
    beneath: &Beneath,
    directory: &str,
    mission_type: &str,
    file: &str,
) -> Option<Source> {
    let label = format!("{directory}/{mission_type}/{file}");
    let bytes = match beneath.read(Path::new(&label), MAX_DEFINITION_BYTES) {
        Ok(bytes) => bytes?,
        Err(error) => return Some(Err(fault(mission_type, &label, &error))),
    };
    Some(match String::from_utf8(bytes) {
        Ok(text) => Ok((label, text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|b| **b == b'\n').count() as u64;
            let message = "the file is not UTF-8".to_owned();
            Err(MissionFault { mission_type: mission_type.to_owned(), file: label, line, message })
        }
    })
}

fn define(mission_type: &str, files: Override) -> Result<MissionDefinition, MissionFault> {
    let mission = files.mission.transpose()?;
    let manifest = files.manifest.transpose()?;
    fn labelled(file: &Option<(String, String)>) -> Option<Labelled<'_>> {
        file.as_ref().map(|(label, text)| Labelled { label, text })
    }
    MissionDefinition::from_override(mission_type, labelled(&mission), labelled(&manifest)).map_err(
        |e| MissionFault {
            mission_type: mission_type.to_owned(),
            file: e.file,
            line: e.line,
            message: e.message,
        },
    )
}

fn fault(mission_type: &str, file: &str, error: &BeneathError) -> MissionFault {
    MissionFault {
        mission_type: mission_type.to_owned(),
        file: file.to_owned(),
        line: 1,
        message: printable(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::definition::Origin;
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
        assert_eq!(
            catalog.types().collect::<Vec<_>>(),
            ["documentation", "research", "software-dev"]
        );
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
}
