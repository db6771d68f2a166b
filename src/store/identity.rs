//! Identities that dossierd gives to projects which state none themselves, one small file
//! per project in the state directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::atomic;
use super::document;
use super::error::{At, StoreError};
use crate::dossier::Digest;
use crate::dossier::LosslessPath;
use crate::platform::Dir;

const VERSION: u64 = 1;
const LIMIT: u64 = 64 * 1024;

/// Who a project is, and which node says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectIdentity {
    /// Random, and kept from then on.
    pub project_uuid: Uuid,
    /// The project's name.
    pub project_slug: String,
    /// The machine and user.
    pub node_id: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    schema_version: u64,
    /// Whose identity it is: the file's name is only a digest of it.
    project_path: LosslessPath,
    project_uuid: Uuid,
    project_slug: String,
    node_id: String,
}

/// The identities below one directory ([`super::Home::identity_dir`]).
#[derive(Debug, Clone)]
pub struct IdentityFile {
    dir: PathBuf,
}

impl IdentityFile {
    /// Identities in `dir`, which must exist by the time one is made.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The identity kept for the project at `project` (absolute), if there is one. Writes
    /// nothing.
    pub fn load(&self, project: &Path) -> Result<Option<ProjectIdentity>, StoreError> {
        match Dir::open(&self.dir) {
            Ok(dir) => Self::load_in(&dir, project),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open the directory", &self.dir, error)),
        }
    }

    /// The identity kept for the project, else a new one with this name and node, which is
    /// on disk when this returns. A damaged file is an error and stays: a new identity in
    /// its place would silently orphan every baseline of the project.
    pub fn load_or_create(
        &self,
        project: &Path,
        project_slug: &str,
        node_id: &str,
    ) -> Result<ProjectIdentity, StoreError> {
        self.load_or_keep(project, || ProjectIdentity {
            project_uuid: Uuid::new_v4(),
            project_slug: project_slug.to_owned(),
            node_id: node_id.to_owned(),
        })
    }

    /// The identity kept for the project, else this one, which is on disk when this returns: a
    /// file that was lost is made again by those who know what it said. A damaged file is an
    /// error and stays.
    pub fn load_or_keep(
        &self,
        project: &Path,
        identity: impl FnOnce() -> ProjectIdentity,
    ) -> Result<ProjectIdentity, StoreError> {
        let dir = Dir::open(&self.dir).at("open the directory", &self.dir)?;
        if let Some(known) = Self::load_in(&dir, project)? {
            return Ok(known);
        }
        let identity = identity();
        let name = file_name(project);
        let path = self.dir.join(&name);
        let file = File {
            schema_version: VERSION,
            project_path: LosslessPath(project.to_path_buf()),
            project_uuid: identity.project_uuid,
            project_slug: identity.project_slug.clone(),
            node_id: identity.node_id.clone(),
        };
        if atomic::create_in(&dir, &name, &document::render(&file, &path)?, 0o600)? {
            return Ok(identity);
        }
        // Another process was faster; its identity is the one.
        Self::load_in(&dir, project)?
            .ok_or_else(|| StoreError::io("read", &path, std::io::ErrorKind::NotFound.into()))
    }

    fn load_in(dir: &Dir, project: &Path) -> Result<Option<ProjectIdentity>, StoreError> {
        let name = file_name(project);
        let path = dir.path().join(&name);
        let Some(bytes) = document::read_in(dir, &name, LIMIT)? else { return Ok(None) };
        let file: File = document::parse(&bytes, &path, "project identity", VERSION)?;
        if file.project_path.0 != project {
            // Messages go further than paths may, so this one does not say whose it is.
            let problem = "its project_path is that of another project".to_owned();
            return Err(StoreError::Invalid { path, kind: "project identity", problem });
        }
        Ok(Some(ProjectIdentity {
            project_uuid: file.project_uuid,
            project_slug: file.project_slug,
            node_id: file.node_id,
        }))
    }
}

fn file_name(project: &Path) -> OsString {
    let digest = Digest::sha256(project.as_os_str().as_encoded_bytes());
    format!("{}.json", digest.short(32)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_then_kept() {
        let tmp = tempfile::tempdir().unwrap();
        let store = IdentityFile::new(tmp.path().join("identities"));
        let project = Path::new("/p/one");
        assert_eq!(store.load(project).unwrap(), None);
        assert!(store.load_or_create(project, "one", "n").unwrap_err().is_gone());
        std::fs::create_dir(tmp.path().join("identities")).unwrap();
        assert_eq!(store.load(project).unwrap(), None);
        let first = store.load_or_create(project, "one", "abc").unwrap();
        let again = store.load_or_create(project, "renamed", "def").unwrap();
        assert_eq!(first, again);
        assert_eq!(store.load(project).unwrap(), Some(first.clone()));
        let other = store.load_or_create(Path::new("/p/two"), "two", "abc").unwrap();
        assert_ne!(other.project_uuid, first.project_uuid);
    }

    #[test]
    fn a_lost_file_is_made_again_by_those_who_know_it() {
        let tmp = tempfile::tempdir().unwrap();
        let store = IdentityFile::new(tmp.path().to_path_buf());
        let project = Path::new("/p/one");
        let known = store.load_or_create(project, "one", "abc").unwrap();
        std::fs::remove_file(tmp.path().join(file_name(project))).unwrap();
        assert_eq!(store.load_or_keep(project, || known.clone()).unwrap(), known);
        assert_eq!(store.load(project).unwrap(), Some(known.clone()));
        let other = ProjectIdentity { project_uuid: Uuid::new_v4(), ..known.clone() };
        assert_eq!(store.load_or_keep(project, || other).unwrap(), known, "the file counts");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let store = IdentityFile::new(tmp.path().to_path_buf());
        let project = Path::new("/p/one");
        store.load_or_create(project, "one", "abc").unwrap();
        let path = tmp.path().join(file_name(project));
        for bad in ["", "{\"schema_version\":1}", "nonsense"] {
            std::fs::write(&path, bad).unwrap();
            let error = store.load_or_create(project, "one", "abc").unwrap_err();
            assert!(matches!(error, StoreError::Broken { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_file_of_another_project_is_not_taken_over() {
        let tmp = tempfile::tempdir().unwrap();
        let store = IdentityFile::new(tmp.path().to_path_buf());
        store.load_or_create(Path::new("/p/one"), "one", "abc").unwrap();
        let (from, to) = (file_name(Path::new("/p/one")), file_name(Path::new("/p/two")));
        std::fs::rename(tmp.path().join(from), tmp.path().join(to)).unwrap();
        let error = store.load(Path::new("/p/two")).unwrap_err();
        assert!(error.to_string().contains("another project"), "{error}");
        assert!(!error.to_string().contains("/p/one"), "{error}");
    }
}
