//! Projects on disk, generated from a [`Shape`] once and kept, and the edits made in them.

use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{self, Text};
use super::shape::Shape;
use super::sizes::{Random, size};
use crate::fault::{Outcome, While};

/// Inputs that another version of this program made are made again.
const VERSION: &str = "1";
/// The same for every run.
const SEED: u64 = 0x0D05_51E2;
const MEGABYTE: usize = 1_000_000;
const GIANT: usize = 200 * MEGABYTE;

/// A project directory with its features.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
}

impl Project {
    /// The project of this shape, made if it is not there.
    pub(crate) fn generated(inputs: &Path, shape: Shape) -> Outcome<Self> {
        let project = Self { root: inputs.join(shape.name) };
        make_once(&project.root, VERSION, || {
            eprintln!("making {} with {} artifacts …", shape.name, shape.total());
            generate(&project.root, shape)
        })?;
        project.forget_dossiers()?;
        Ok(project)
    }

    /// The same, made anew in a directory that the caller removes.
    pub(crate) fn scratch(root: &Path, shape: Shape) -> Outcome<Self> {
        generate(root, shape)?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// 10,000 directories with one small file each, in four features.
    pub(crate) fn of_directories(inputs: &Path) -> Outcome<Self> {
        let project = Self { root: inputs.join("directories-10000") };
        make_once(&project.root, VERSION, || {
            eprintln!("making 10,000 directories …");
            directories(&project.root)
        })?;
        project.forget_dossiers()?;
        Ok(project)
    }

    /// A copy of the features of a real project.
    pub(crate) fn copied(inputs: &Path, from: &Path) -> Outcome<Self> {
        let project = Self { root: inputs.join("corpus") };
        make_once(&project.root, &format!("{VERSION} {}", from.display()), || {
            eprintln!("copying {} …", from.display());
            head(&project.root)?;
            copy(&from.join("kitty-specs"), &project.root.join("kitty-specs"))
        })?;
        project.forget_dossiers()?;
        Ok(project)
    }

    /// Removes what a daemon left in it.
    pub(crate) fn forget_dossiers(&self) -> Outcome<()> {
        let dossiers = self.root.join(".kittify/dossiers");
        match fs::remove_dir_all(&dossiers) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).at("cannot remove", &dossiers)
            }
            _ => Ok(()),
        }
    }

    /// The directory of a feature.
    pub(crate) fn feature(&self, slug: &str) -> PathBuf {
        self.root.join("kitty-specs").join(slug)
    }

    /// Directory names of the features, sorted.
    pub(crate) fn slugs(&self) -> Outcome<Vec<String>> {
        let specs = self.root.join("kitty-specs");
        let mut slugs = Vec::new();
        for entry in fs::read_dir(&specs).at("cannot list", &specs)? {
            let entry = entry.at("cannot list", &specs)?;
            slugs.push(entry.file_name().to_string_lossy().into_owned());
        }
        slugs.sort();
        Ok(slugs)
    }
}

/// Runs `make` for an empty directory, unless an earlier run did with the same `version`.
pub(crate) fn make_once(
    root: &Path,
    version: &str,
    make: impl FnOnce() -> Outcome<()>,
) -> Outcome<()> {
    let mark = root.join(".made-by-bench");
    if fs::read_to_string(&mark).is_ok_and(|made| made == version) {
        return Ok(());
    }
    if root.exists() {
        fs::remove_dir_all(root).at("cannot remove", root)?;
    }
    fs::create_dir_all(root).at("cannot make", root)?;
    make()?;
    fs::write(&mark, version).at("cannot write", &mark)
}

/// What makes a directory a project, and a git checkout of its own: the one around it may
/// change while it is measured.
fn head(root: &Path) -> Outcome<()> {
    let config = "project:\n  uuid: 5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815\n  slug: bench\n";
    for dir in [".git/objects", ".git/refs/heads"] {
        fs::create_dir_all(root.join(dir)).at("cannot make", root)?;
    }
    let git_config = "[core]\n\trepositoryformatversion = 0\n";
    write(&root.join(".git/HEAD"), b"ref: refs/heads/main\n")?;
    write(&root.join(".git/config"), git_config.as_bytes())?;
    write(&root.join(".kittify/config.yaml"), config.as_bytes())
}

fn generate(root: &Path, shape: Shape) -> Outcome<()> {
    head(root)?;
    let text = Text::new(SEED);
    for feature in 0..shape.features {
        let slug = Shape::slug(feature);
        let dir = root.join("kitty-specs").join(&slug);
        let mut random = Random(SEED + feature as u64 + 1);
        let first = feature == 0;
        for number in 0..shape.artifacts {
            let path = artifact::path(number);
            // The last ones of the first feature are the large ones.
            let from_end = shape.artifacts - number;
            let size = match () {
                () if first && shape.giant && from_end == 1 => GIANT,
                () if first && (2..2 + shape.megabytes).contains(&from_end) => MEGABYTE,
                () => size(&mut random),
            };
            let content = artifact::content(&slug, &path, size, &text, &mut random);
            write(&dir.join(path), content.as_bytes())?;
        }
    }
    Ok(())
}

/// Four features; in each 50 directories with 49 directories in them, one file in each of
/// all these.
fn directories(root: &Path) -> Outcome<()> {
    head(root)?;
    for feature in 0..4 {
        let dir = root.join("kitty-specs").join(Shape::slug(feature));
        let meta = "{\"mission_type\": \"software-dev\"}\n";
        write(&dir.join("meta.json"), meta.as_bytes())?;
        for number in 0..2_500 {
            let path = match (number / 50, number % 50) {
                (outer, 0) => format!("research/topic-{outer}/notes.md"),
                (outer, inner) => format!("research/topic-{outer}/part-{inner}/notes.md"),
            };
            write(&dir.join(&path), format!("# {path}\n\nA note.\n").as_bytes())?;
        }
    }
    Ok(())
}

/// Writes a file, with the directories above it where they are missing.
pub(crate) fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    let written = match fs::write(path, content) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(path);
            fs::create_dir_all(parent).at("cannot make", parent)?;
            fs::write(path, content)
        }
        written => written,
    };
    written.at("cannot write", path)
}

/// Copies directories and regular files, with the modes that new ones get.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to).at("cannot make", to)?;
    for entry in fs::read_dir(from).at("cannot list", from)? {
        let entry = entry.at("cannot list", from)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().at("cannot look at", &path)?;
        if kind.is_dir() {
            copy(&path, &target)?;
        } else if kind.is_file() {
            write(&target, &fs::read(&path).at("cannot read", &path)?)?;
        }
    }
    Ok(())
}
