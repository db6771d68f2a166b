//! The last good mission overrides of projects, so that one that breaks while nobody looks
//! does not lose what was in force.
//!
//! One file a project, because overrides that belong together must not be mixed by a
//! crash; made with the first good override and removed with the last.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::atomic;
use super::document;
use super::dossier_dir::project_id;
use super::error::{At, StoreError};
use crate::dossier::LosslessPath;
use crate::dossier::definition::OverrideTexts;
use crate::platform::Dir;

const VERSION: u64 = 1;
const KIND: &str = "file of mission overrides";
/// More is neither written nor read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Overrides by mission type.
pub type Overrides = BTreeMap<String, Arc<OverrideTexts>>;

#[derive(Serialize)]
struct Written<'a> {
    schema_version: u64,
    project_path: LosslessPath,
    overrides: BTreeMap<&'a str, &'a OverrideTexts>,
}

#[derive(Deserialize)]
struct Read {
    /// Whose overrides they are: the file's name is only a digest of it.
    project_path: LosslessPath,
    overrides: BTreeMap<String, OverrideTexts>,
}

/// The files below one directory ([`super::Home::mission_overrides_dir`]).
#[derive(Debug, Clone)]
pub struct MissionOverridesFile {
    dir: PathBuf,
}

impl MissionOverridesFile {
    /// Files in `dir`, which must exist by the time one is written.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What is kept for the project at `project` (absolute). Writes nothing.
    pub fn load(&self, project: &Path) -> Result<Overrides, StoreError> {
        let path = self.dir.join(file_name(project));
        let Some(bytes) = document::read(&path, LIMIT)? else { return Ok(Overrides::new()) };
        let file: Read = document::parse(&bytes, &path, KIND, VERSION)?;
        if file.project_path.0 != project {
            let problem = format!("it is that of {}", file.project_path.0.display());
            return Err(StoreError::Invalid { path, kind: KIND, problem });
        }
        Ok(file.overrides.into_iter().map(|(name, texts)| (name, Arc::new(texts))).collect())
    }

    /// Keeps just these for the project, on disk when this returns.
    pub fn replace(&self, project: &Path, overrides: &Overrides) -> Result<(), StoreError> {
        let dir = Dir::open(&self.dir).at("open the directory", &self.dir)?;
        let name = file_name(project);
        let path = self.dir.join(&name);
        if overrides.is_empty() {
            return match dir.remove_file(&name) {
                Ok(()) => dir.sync().at("sync the directory of", &path),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(StoreError::io("remove", &path, error)),
            };
        }
        let file = Written {
            schema_version: VERSION,
            project_path: LosslessPath(project.to_path_buf()),
            overrides: overrides.iter().map(|(name, texts)| (name.as_str(), &**texts)).collect(),
        };
        let bytes = document::render(&file, &path)?;
        if bytes.len() as u64 > LIMIT {
            let error = ErrorKind::FileTooLarge.into();
            return Err(StoreError::io("keep more than 16 MiB of overrides in", &path, error));
        }
        atomic::replace_in(&dir, &name, &bytes, 0o600)
    }
}

fn file_name(project: &Path) -> OsString {
    format!("{}.json", project_id(project)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::definition::LabelledText;

    fn overrides(text: &str) -> Overrides {
        let file = LabelledText { label: "m.yaml".to_owned(), text: text.to_owned() };
        let texts = OverrideTexts { mission: None, manifest: Some(file) };
        Overrides::from([("research".to_owned(), Arc::new(texts))])
    }

    #[test]
    fn what_is_kept_is_read_again_until_nothing_is() {
        let tmp = tempfile::tempdir().unwrap();
        let store = MissionOverridesFile::new(tmp.path().join("missions"));
        let (one, two) = (Path::new("/p/one"), Path::new("/p/two"));
        assert_eq!(store.load(one).unwrap(), Overrides::new());
        assert!(store.replace(one, &overrides("a: 1\n")).unwrap_err().is_gone());
        std::fs::create_dir(tmp.path().join("missions")).unwrap();
        for text in ["a: 1\n", "b: \u{1}\"\n"] {
            store.replace(one, &overrides(text)).unwrap();
            assert_eq!(store.load(one).unwrap(), overrides(text));
        }
        assert_eq!(store.load(two).unwrap(), Overrides::new());
        store.replace(one, &Overrides::new()).unwrap();
        store.replace(one, &Overrides::new()).unwrap();
        assert_eq!(std::fs::read_dir(tmp.path().join("missions")).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_and_one_of_another_project_are_errors() {
        let tmp = tempfile::tempdir().unwrap();
        let store = MissionOverridesFile::new(tmp.path().to_path_buf());
        let (one, two) = (Path::new("/p/one"), Path::new("/p/two"));
        store.replace(one, &overrides("a: 1\n")).unwrap();
        std::fs::copy(tmp.path().join(file_name(one)), tmp.path().join(file_name(two))).unwrap();
        let error = store.load(two).unwrap_err();
        assert!(error.to_string().contains("/p/one"), "{error}");
        for bad in ["", "{\"schema_version\":1}", "nonsense"] {
            std::fs::write(tmp.path().join(file_name(one)), bad).unwrap();
            let error = store.load(one).unwrap_err();
            assert!(matches!(error, StoreError::Broken { .. }), "{error}");
        }
    }

    #[test]
    fn too_much_is_refused_and_what_was_kept_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let store = MissionOverridesFile::new(tmp.path().to_path_buf());
        let project = Path::new("/p/one");
        store.replace(project, &overrides("a: 1\n")).unwrap();
        let much = "x".repeat(17 * 1024 * 1024);
        let error = store.replace(project, &overrides(&much)).unwrap_err();
        assert!(error.to_string().contains("16 MiB"), "{error}");
        assert_eq!(store.load(project).unwrap(), overrides("a: 1\n"));
    }
}
