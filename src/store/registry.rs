//! The registered roots: what the user asked the daemon to keep.
//!
//! The file is the user's word, so a broken one is never overwritten: loading and saving
//! both say where it is broken, and only [`RegistryFile::set_aside`] moves it away. Members
//! that this version does not know, of the file or of a root, are kept when it is written.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::atomic;
use super::document;
use super::error::{At, StoreError};
use crate::dossier::LosslessPath;
use crate::dossier::Timestamp;

const VERSION: u64 = 1;
const KIND: &str = "registry";
/// 256 roots with a thousand steps each stay far below.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootKind {
    /// A project root: each directory in its `kitty-specs` is a feature.
    Project,
    /// One feature directory.
    Feature,
}

/// One registered root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredRoot {
    /// Opaque, unique in the registry.
    pub id: String,
    /// Where it is; absolute.
    pub path: LosslessPath,
    /// What it is.
    pub kind: RootKind,
    /// The mission type that registration stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission_type: Option<String>,
    /// Steps that were set explicitly, by feature slug.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, String>,
    /// When it was registered.
    pub added_at: Timestamp,
}

/// All registered roots, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// The roots.
    pub roots: Vec<RegisteredRoot>,
}

#[derive(Deserialize)]
struct ReadFile {
    roots: Vec<RegisteredRoot>,
}

#[derive(Serialize)]
struct WriteFile<'a> {
    schema_version: u64,
    roots: Vec<WriteRoot<'a>>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize)]
struct WriteRoot<'a> {
    #[serde(flatten)]
    root: &'a RegisteredRoot,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl<'a> WriteFile<'a> {
    /// The roots, each with what a later version has added to it in the document before.
    fn new(roots: &'a [RegisteredRoot], before: &Value) -> Self {
        let of = |root: &RegisteredRoot| {
            let mut former = before["roots"].as_array().into_iter().flatten();
            former.find(|former| former["id"] == root.id.as_str())
        };
        let of = |root| of(root).map(|former| unknown(former, &OF_ROOT)).unwrap_or_default();
        let roots = roots.iter().map(|root| WriteRoot { root, unknown: of(root) }).collect();
        Self { schema_version: VERSION, roots, unknown: unknown(before, &OF_FILE) }
    }
}

/// Members of the file that this version knows.
const OF_FILE: [&str; 2] = ["schema_version", "roots"];
/// Members of a root that this version knows.
const OF_ROOT: [&str; 6] = ["id", "path", "kind", "mission_type", "steps", "added_at"];

/// What a later version has added to a document, or to a part of it.
fn unknown(document: &Value, known: &[&str]) -> Map<String, Value> {
    let members = document.as_object().into_iter().flatten();
    let others = members.filter(|(name, _)| !known.contains(&name.as_str()));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The registry's file.
#[derive(Debug, Clone)]
pub struct RegistryFile {
    path: PathBuf,
}

impl RegistryFile {
    /// The registry at `path` ([`super::Home::registry_file`]).
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads it; without a file there are no roots.
    pub fn load(&self) -> Result<Registry, StoreError> {
        let (dir, name) = match atomic::open_parent(&self.path) {
            Ok(found) => found,
            Err(error) if error.is_gone() => return Ok(Registry::default()),
            Err(error) => return Err(error),
        };
        let Some(bytes) = document::read_in(&dir, &name, LIMIT)? else {
            return Ok(Registry::default());
        };
        let file: ReadFile = document::parse(&bytes, &self.path, KIND, VERSION)?;
        self.check(&file.roots)?;
        Ok(Registry { roots: file.roots })
    }

    /// Writes it, atomically; durable when this returns. Refuses what could not be loaded
    /// again, and to overwrite a file that cannot be loaded now.
    pub fn save(&self, registry: &Registry) -> Result<(), StoreError> {
        self.check(&registry.roots)?;
        self.load()?;
        let file = WriteFile::new(&registry.roots, &self.as_it_is()?);
        atomic::replace(&self.path, &document::render(&file, &self.path)?, 0o600)
    }

    /// The document that [`Self::load`] has understood; null if there is none.
    fn as_it_is(&self) -> Result<Value, StoreError> {
        let bytes = document::read(&self.path, LIMIT)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Moves the file, broken or not, to `registry.json.broken-N` beside it, and says
    /// where; for a user who asks for it. `None` if there is no file.
    pub fn set_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let (dir, name) = atomic::open_parent(&self.path)?;
        if dir.facts(&name).at("look at", &self.path)?.is_none() {
            return Ok(None);
        }
        let mut number = 1u32;
        let aside = loop {
            let mut aside = name.clone();
            aside.push(format!(".broken-{number}"));
            if dir.facts(&aside).at("look at", &self.path)?.is_none() {
                break aside;
            }
            number += 1;
        };
        dir.rename(&name, &aside).at("move away", &self.path)?;
        dir.sync().at("sync the directory of", &self.path)?;
        Ok(Some(dir.path().join(aside)))
    }

    fn check(&self, roots: &[RegisteredRoot]) -> Result<(), StoreError> {
        let invalid =
            |problem| Err(StoreError::Invalid { path: self.path.clone(), kind: KIND, problem });
        let (mut ids, mut paths) = (HashSet::new(), HashSet::new());
        for RegisteredRoot { id, path: LosslessPath(path), .. } in roots {
            if id.is_empty() || !ids.insert(id) {
                return invalid(format!("the id {id:?} is empty or given twice"));
            }
            if !path.is_absolute() {
                return invalid(format!("the path {} of {id:?} is not absolute", path.display()));
            }
            if !paths.insert(path) {
                return invalid(format!("the path {} is registered twice", path.display()));
            }
        }
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn root(id: &str, path: impl Into<PathBuf>) -> RegisteredRoot {
        RegisteredRoot {
            id: id.to_owned(),
            path: LosslessPath(path.into()),
            kind: RootKind::Project,
            mission_type: None,
            steps: BTreeMap::new(),
            added_at: Timestamp::from_micros(1_700_000_000_000_000),
        }
    }

    fn file() -> (tempfile::TempDir, RegistryFile) {
        let tmp = tempfile::tempdir().unwrap();
        let file = RegistryFile::new(tmp.path().join("registry.json"));
        (tmp, file)
    }

    #[test]
    fn missing_is_empty_and_what_is_saved_is_loaded() {
        let (tmp, file) = file();
        assert_eq!(file.load().unwrap(), Registry::default());
        let nowhere = RegistryFile::new(tmp.path().join("no/registry.json"));
        assert_eq!(nowhere.load().unwrap(), Registry::default());
        let mut feature = root("b", "/p/ü/f");
        feature.kind = RootKind::Feature;
        feature.mission_type = Some("research".to_owned());
        feature.steps.insert("f".to_owned(), "plan".to_owned());
        let registry = Registry { roots: vec![root("a", "/p"), feature] };
        file.save(&registry).unwrap();
        assert_eq!(file.load().unwrap(), registry);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_text_keeps_its_bytes() {
        let (_tmp, file) = file();
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/p/\xff"));
        let registry = Registry { roots: vec![root("a", path)] };
        file.save(&registry).unwrap();
        assert_eq!(file.load().unwrap(), registry);
    }

    #[test]
    fn a_broken_file_is_named_with_its_line_and_only_moved_on_request() {
        let (_tmp, file) = file();
        for (text, expected) in [
            ("{\n  \"schema_version\": 1,\n  \"roots\": [\n    oops\n", "line 4"),
            ("", "line 1"),
            ("{\"schema_version\":9}", "schema_version 9"),
        ] {
            fs::write(file.path(), text).unwrap();
            for error in [file.load().unwrap_err(), file.save(&Registry::default()).unwrap_err()] {
                assert!(error.to_string().contains(expected), "{error}");
                assert!(error.to_string().contains("registry.json"), "{error}");
            }
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
        let first = file.set_aside().unwrap().unwrap();
        fs::write(file.path(), "again").unwrap();
        let second = file.set_aside().unwrap().unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read_to_string(second).unwrap(), "again");
        assert_eq!(file.set_aside().unwrap(), None);
        file.save(&Registry::default()).unwrap();
    }

    #[test]
    fn impossible_registries_are_refused_on_both_ways() {
        let (_tmp, file) = file();
        for (roots, expected) in [
            (vec![root("a", "/p"), root("a", "/q")], "twice"),
            (vec![root("a", "/p"), root("b", "/p")], "twice"),
            (vec![root("", "/p")], "empty"),
            (vec![root("a", "p")], "absolute"),
        ] {
            let error = file.save(&Registry { roots: roots.clone() }).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            let text = serde_json::to_vec(&WriteFile::new(&roots, &Value::Null)).unwrap();
            fs::write(file.path(), text).unwrap();
            assert!(file.load().unwrap_err().to_string().contains(expected));
            fs::remove_file(file.path()).unwrap();
        }
    }

    #[test]
    fn what_a_later_version_added_stays_with_what_it_was_added_to() {
        let (_tmp, file) = file();
        let mut all = Registry { roots: vec![root("a", "/a"), root("b", "/b")] };
        all.roots[1].steps.insert("f".to_owned(), "plan".to_owned());
        file.save(&all).unwrap();
        let mut later: Value = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
        later["of_all"] = "kept".into();
        for number in 0..2 {
            later["roots"][number]["of_root"] = number.into();
        }
        fs::write(file.path(), later.to_string()).unwrap();
        assert_eq!(file.load().unwrap(), all);

        all.roots.remove(0);
        all.roots[0].steps.clear();
        all.roots.push(root("c", "/c"));
        file.save(&all).unwrap();
        let now: Value = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
        assert_eq!(now["of_all"], "kept");
        assert_eq!(now["roots"][0]["of_root"], 1);
        assert_eq!(now["roots"][0].get("steps"), None, "what was taken away does not come back");
        assert_eq!(now["roots"][1].get("of_root"), None);
        assert_eq!(file.load().unwrap(), all);
    }
}
