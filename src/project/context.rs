//! Everything that a project says of itself, loaded together and comparable.
//!
//! Loading again is cheap: a few small files are read, and the missions come from whoever
//! knows what they were before. Equal contexts need no new snapshots.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::git::{GitError, GitState};
use super::identity::{GeneratedIdentity, ProjectIdentity};
use super::missions::MissionCatalog;

/// What is wrong with a file of the project that is not a mission's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFault {
    /// Relative to the project root.
    pub file: String,
    /// Counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ProjectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// What a project says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectContext {
    /// The project root.
    pub root: PathBuf,
    /// Who the project is.
    pub identity: ProjectIdentity,
    /// Where its checkout is; `None` if it is in none, or if that can't be read, which
    /// is a fault then.
    pub git: Option<GitState>,
    /// Its missions, with the faults of their overrides.
    pub catalog: Arc<MissionCatalog>,
    /// What is wrong with its configuration or its repository.
    pub faults: Vec<ProjectFault>,
}

impl ProjectContext {
    /// Loads the context of the project at `root` (canonical). `catalog` is what it has of
    /// missions, `node_id` the default for this machine and user, and `generate` is asked
    /// for what the configuration does not say.
    pub fn load(
        root: &Path,
        catalog: Arc<MissionCatalog>,
        node_id: &str,
        generate: impl FnOnce() -> GeneratedIdentity,
    ) -> ProjectContext {
        let mut faults = Vec::new();
        let identity = ProjectIdentity::load(root, node_id, generate, &mut faults);
        let git = GitState::read(root).unwrap_or_else(|error| {
            faults.push(git_fault(&error));
            None
        });
        ProjectContext { root: root.to_owned(), identity, git, catalog, faults }
    }
}

fn git_fault(error: &GitError) -> ProjectFault {
    ProjectFault { file: ".git".to_owned(), line: None, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn load(root: &Path) -> ProjectContext {
        ProjectContext::load(root, Arc::new(MissionCatalog::builtin()), "n", generate)
    }

    fn generate() -> GeneratedIdentity {
        GeneratedIdentity {
            project_uuid: "u".to_owned(),
            project_slug: "s".to_owned(),
            fault: None,
        }
    }

    #[test]
    fn loading_again_gives_an_equal_context() {
        let dir = tempfile::tempdir().expect("a directory");
        let head = dir.path().join(".git/HEAD");
        fs::create_dir_all(dir.path().join(".git")).expect("made");
        fs::write(&head, "ref: refs/heads/main\n").expect("written");
        let first = load(dir.path());
        let again = load(dir.path());
        assert_eq!(first, again);
        fs::write(&head, "ref: refs/heads/other\n").expect("written");
        let moved = load(dir.path());
        assert_ne!(moved, again);
        assert_eq!(moved.git.and_then(|git| git.branch).as_deref(), Some("other"));
    }

    #[test]
    fn a_broken_repository_is_a_fault() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(".git"), "nonsense").expect("written");
        let context = load(dir.path());
        assert_eq!(context.git, None);
        let [fault] = context.faults.as_slice() else { panic!("{:?}", context.faults) };
        assert!(fault.to_string().starts_with(".git: "), "{fault}");
    }
}
