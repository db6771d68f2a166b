//! Where a project begins, what a registered directory is, and which features a project has.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The directory of a project whose directories are features.
pub const KITTY_SPECS: &str = "kitty-specs";
/// The directory of a project's configuration.
pub const KITTIFY: &str = ".kittify";
const GIT: &str = ".git";

/// What a registered path is. Paths are canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// A project: each directory of `kitty_specs` is a feature, also those yet to come.
    Project {
        /// The project root.
        root: PathBuf,
        /// Its `kitty-specs`, which need not exist yet.
        kitty_specs: PathBuf,
    },
    /// One feature by itself.
    Feature {
        /// The feature directory.
        dir: PathBuf,
        /// Its project's root.
        project_root: PathBuf,
    },
}

/// Why a path is no root, or a project's features can't be listed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It can't be found, entered or listed.
    #[error("cannot read the directory {}", path.display())]
    Io {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a file, or something else.
    #[error("{} is not a directory; register a feature directory or a project root", .0.display())]
    NotADirectory(PathBuf),
}

/// The project root of a feature directory: the nearest of it and its ancestors with a
/// `.kittify` directory, else with `.git`, else the feature directory itself.
pub fn project_root_of(feature_dir: &Path) -> PathBuf {
    let nearest = |has: fn(&Path) -> bool| feature_dir.ancestors().find(|dir| has(dir));
    nearest(has_kittify).or_else(|| nearest(has_git)).unwrap_or(feature_dir).to_owned()
}

/// Says what a path is that someone wants to register.
pub fn classify_registration(path: &Path) -> Result<Registration, RootError> {
    let failed = |source| RootError::Io { path: path.to_owned(), source };
    let dir = std::fs::canonicalize(path).map_err(failed)?;
    if !dir.is_dir() {
        return Err(RootError::NotADirectory(path.to_owned()));
    }
    // Listing it now gives the error now, rather than an empty dossier later.
    std::fs::read_dir(&dir).map_err(failed)?;
    let project = |root: &Path| Registration::Project {
        root: root.to_owned(),
        kitty_specs: root.join(KITTY_SPECS),
    };
    let is_named = |dir: &Path| dir.file_name().is_some_and(|name| name == KITTY_SPECS);
    if is_real_directory(&dir.join(KITTY_SPECS)) {
        return Ok(project(&dir));
    }
    match dir.parent() {
        // Who names the folder of all features means the project.
        Some(parent) if is_named(&dir) => return Ok(project(parent)),
        Some(parent) if is_named(parent) => {}
        _ if has_kittify(&dir) || has_git(&dir) => return Ok(project(&dir)),
        _ => {}
    }
    let project_root = project_root_of(&dir);
    Ok(Registration::Feature { dir, project_root })
}

/// The features of a project: the directories of `kitty-specs` that are neither hidden
/// nor links, by name. None yet is an empty list.
pub fn feature_dirs(project_root: &Path) -> Result<Vec<(Vec<u8>, PathBuf)>, RootError> {
    let kitty_specs = project_root.join(KITTY_SPECS);
    let failed = |source| RootError::Io { path: kitty_specs.clone(), source };
    match std::fs::symlink_metadata(&kitty_specs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(RootError::NotADirectory(kitty_specs)),
        Ok(_) => {}
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&kitty_specs).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().as_bytes().to_vec();
        // An entry that vanished in the meantime is no feature, and no error.
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && !name.starts_with(b".") {
            found.push((name, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn has_kittify(dir: &Path) -> bool {
    dir.join(KITTIFY).is_dir()
}

/// A linked worktree has a file of that name.
fn has_git(dir: &Path) -> bool {
    dir.join(GIT).exists()
}

fn is_real_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A temporary directory by its canonical path, with these directories in it.
    fn tree(dirs: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("exists");
        for name in dirs {
            fs::create_dir_all(root.join(name)).expect("made");
        }
        (dir, root)
    }

    #[test]
    fn the_nearest_kittify_then_git_then_itself() {
        let (_dir, root) = tree(&["a/.kittify", "a/b/.git", "a/b/f", "g/.git", "g/h/f", "n/f"]);
        assert_eq!(project_root_of(&root.join("a/b/f")), root.join("a"));
        assert_eq!(project_root_of(&root.join("g/h/f")), root.join("g"));
        fs::write(root.join("g/h/.git"), "gitdir: /x").expect("written");
        assert_eq!(project_root_of(&root.join("g/h/f")), root.join("g/h"));
    }

    fn check(dirs: &[&str], path: &str, expected: Result<&str, &str>) {
        let (_dir, root) = tree(dirs);
        match (classify_registration(&root.join(path)).expect(path), expected) {
            (Registration::Project { root: found, kitty_specs }, Ok(project)) => {
                assert_eq!(found, root.join(project).components().collect::<PathBuf>());
                assert_eq!(kitty_specs, found.join(KITTY_SPECS));
            }
            (Registration::Feature { dir, project_root }, Err(project)) => {
                assert_eq!(dir, root.join(path));
                assert_eq!(project_root, root.join(project));
            }
            (found, expected) => panic!("{path}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn what_a_registered_directory_is() {
        check(&["p/kitty-specs/f"], "p", Ok("p"));
        check(&["p/.kittify"], "p", Ok("p"));
        check(&["p/.git"], "p", Ok("p"));
        check(&["p/.kittify", "p/kitty-specs/f"], "p/kitty-specs", Ok("p"));
        check(&["p/.kittify", "p/kitty-specs/f"], "p/kitty-specs/f", Err("p"));
        check(&["p/.kittify", "p/specs/f"], "p/specs/f", Err("p"));
        check(&["p/f"], "p/f", Err("p/f"));
        check(&["p/kitty-specs/f/.git"], "p/kitty-specs/f", Err("p/kitty-specs/f"));
    }

    #[test]
    fn what_is_no_directory_is_an_error() {
        let (_dir, root) = tree(&[]);
        fs::write(root.join("file"), "").expect("written");
        assert!(matches!(
            classify_registration(&root.join("file")),
            Err(RootError::NotADirectory(_))
        ));
        let gone = classify_registration(&root.join("gone")).expect_err("nothing there");
        assert!(gone.to_string().contains("gone"), "{gone}");
    }

    #[test]
    fn a_link_is_registered_as_what_it_points_to() {
        let (_dir, root) = tree(&["p/kitty-specs/f"]);
        symlink(root.join("p/kitty-specs/f"), root.join("link")).expect("linked");
        let found = classify_registration(&root.join("link")).expect("a feature");
        let dir = root.join("p/kitty-specs/f");
        assert_eq!(found, Registration::Feature { project_root: dir.clone(), dir });
    }

    #[test]
    fn features_are_real_visible_directories() {
        let (_dir, root) = tree(&["kitty-specs/b", "kitty-specs/a", "kitty-specs/.hidden", "x"]);
        fs::write(root.join("kitty-specs/file"), "").expect("written");
        symlink(root.join("x"), root.join("kitty-specs/link")).expect("linked");
        let found = feature_dirs(&root).expect("lists");
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [b"a", b"b"]);
        assert_eq!(found[0].1, root.join("kitty-specs/a"));
        assert!(feature_dirs(&root.join("x")).expect("lists").is_empty());
        symlink(root.join("kitty-specs"), root.join("x/kitty-specs")).expect("linked");
        assert!(matches!(feature_dirs(&root.join("x")), Err(RootError::NotADirectory(_))));
    }
}
