//! What the slow lane watches, and which directories that takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What changed: read it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlowEvent {
    /// The daemon's own configuration file.
    Config,
    /// What the project at this path says of itself, or of its missions.
    Project(PathBuf),
    /// What watches them panicked: nothing follows.
    Panicked,
}

/// One thing to watch, whether or not it exists yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SlowPath {
    /// A file, however it is replaced.
    File(PathBuf),
    /// A directory with everything in it.
    Tree(PathBuf),
}

impl SlowPath {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Tree(path) => path,
        }
    }
}

/// Things to watch that are reported as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SlowTarget {
    /// What is reported.
    pub event: SlowEvent,
    /// Absolute paths.
    pub paths: Vec<SlowPath>,
}

impl SlowTarget {
    /// How deep and how many directories of a tree are watched; missions have two levels.
    const DEEPEST: usize = 8;
    const MOST: usize = 2048;

    /// The daemon's configuration file.
    pub fn config(file: PathBuf) -> Self {
        Self { event: SlowEvent::Config, paths: vec![SlowPath::File(file)] }
    }

    /// What a project says of itself: `.kittify/config.yaml`, mission overrides,
    /// `.dossierignore`, and, for a checkout, the HEAD file of its git directory.
    pub fn project(project: &Path, git_head: Option<PathBuf>) -> Self {
        let mut paths = vec![
            SlowPath::File(project.join(".kittify/config.yaml")),
            SlowPath::Tree(project.join(".kittify/missions")),
            SlowPath::Tree(project.join(".kittify/overrides/missions")),
            SlowPath::File(project.join(".dossierignore")),
        ];
        paths.extend(git_head.map(SlowPath::File));
        Self { event: SlowEvent::Project(project.to_path_buf()), paths }
    }

    /// The directories to watch, not recursively, as things are now. What does not exist
    /// is covered by the nearest directory above it that does.
    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for path in &self.paths {
            let wanted = match path {
                SlowPath::File(file) => file.parent(),
                SlowPath::Tree(dir) => Some(dir.as_path()),
            };
            let nearest = wanted.into_iter().flat_map(Path::ancestors).find(|dir| dir.is_dir());
            let Some(nearest) = nearest else { continue };
            if matches!(path, SlowPath::Tree(dir) if dir == nearest) {
                add_tree(nearest, Self::DEEPEST, &mut found);
            }
            found.insert(nearest.to_path_buf());
        }
        found
    }

    /// Does an event about `path` concern this target: the thing itself, something in a
    /// tree, or a directory on the way to it?
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.paths.iter().any(|own| {
            own.path().starts_with(path)
                || matches!(own, SlowPath::Tree(dir) if path.starts_with(dir))
        })
    }
}

/// Adds the directories below `dir`; links are not followed, and what cannot be listed is
/// left out, since its parent reports when that changes.
fn add_tree(dir: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if found.len() >= SlowTarget::MOST {
            return;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
            let below = entry.path();
            add_tree(&below, depth - 1, found);
            found.insert(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_covered_from_above() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let project = home.path().join("p");
        let target = SlowTarget::project(&project, Some(project.join(".git/HEAD")));
        let dirs = || -> Vec<String> {
            target
                .directories()
                .iter()
                .map(|dir| dir.strip_prefix(home.path()).expect("inside").display().to_string())
                .collect()
        };
        assert_eq!(dirs(), [""]);
        fs::create_dir_all(project.join(".git")).expect("made");
        assert_eq!(dirs(), ["p", "p/.git"]);
        fs::create_dir_all(project.join(".kittify/missions/m/deep")).expect("made");
        assert_eq!(
            dirs(),
            [
                "p",
                "p/.git",
                "p/.kittify",
                "p/.kittify/missions",
                "p/.kittify/missions/m",
                "p/.kittify/missions/m/deep"
            ]
        );
    }

    #[test]
    fn events_on_the_way_and_in_trees_concern_it_and_others_do_not() {
        let target = SlowTarget::project(Path::new("/p"), Some("/g/HEAD".into()));
        for path in [
            "/p",
            "/p/.kittify",
            "/p/.kittify/config.yaml",
            "/p/.kittify/missions/m/mission.yaml",
            "/p/.kittify/overrides",
            "/p/.dossierignore",
            "/g",
            "/g/HEAD",
        ] {
            assert!(target.concerns(Path::new(path)), "{path}");
        }
        for path in ["/p/src", "/p/.kittify/dossiers", "/p/.kittify/config.yaml~", "/g/index", "/q"]
        {
            assert!(!target.concerns(Path::new(path)), "{path}");
        }
    }
}
