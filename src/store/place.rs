//! Choosing and opening the directory of one feature's dossier.
//!
//! A project is hostile until shown otherwise: each component below its root is opened
//! relative to the one above and never through a link, at each use anew, so that neither
//! a checkout nor a swap under us can make us write elsewhere. Invariants: `.kittify` is
//! never made; what is written below it is ignored by git.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::atomic;
use super::document;
use super::error::{StoreError, is_shortage};
use crate::dossier::Digest;
use crate::platform::{Dir, NodeKind, access};

const KITTIFY: &str = ".kittify";
const DOSSIERS: &str = "dossiers";
const GITIGNORE: &str = ".gitignore";
/// More than anybody's ignore file has; a larger one is not ours, and is not read.
const GITIGNORE_LIMIT: u64 = 64 * 1024;

/// Why a dossier is not kept inside its project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FallbackReason {
    /// The project has none, and dossierd makes none.
    #[error("{} does not exist", .0.display())]
    NoKittify(PathBuf),
    /// A link could lead anywhere.
    #[error("{} is a symbolic link, which dossierd does not write through", .0.display())]
    Symlink(PathBuf),
    /// Something else has the name.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The system refused.
    #[error("{} cannot be written: {problem}", path.display())]
    Refused {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The feature's name is no file name.
    #[error("{0:?} cannot be the name of a directory")]
    UnsafeSlug(OsString),
    /// Git would see the files, and nothing may change what it sees.
    #[error("{} is not ours and does not ignore everything below it", .0.display())]
    NotIgnored(PathBuf),
}

/// The names from a trusted directory down to a dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The project root, or the daemon's own directory.
    anchor: PathBuf,
    /// Below it; each opened without following links.
    segments: Vec<OsString>,
    pub(super) in_project: bool,
}

/// Why a place cannot be written.
pub(super) enum Refusal {
    /// The system has too little at the moment: nothing is known of the place.
    Shortage,
    /// It cannot be used.
    Unusable(FallbackReason),
}

/// What stopped the way down.
struct Stop {
    path: PathBuf,
    error: std::io::Error,
    /// What is there instead of a directory; `None` if nothing is.
    found: Option<NodeKind>,
}

impl Place {
    /// `<project_root>/.kittify/dossiers/<slug>`.
    pub(super) fn in_project(project_root: &Path, slug: &OsStr) -> Self {
        let segments = vec![KITTIFY.into(), DOSSIERS.into(), slug.to_os_string()];
        Self { anchor: project_root.to_path_buf(), segments, in_project: true }
    }

    /// `<base>/<project_id>/<slug>`, names that no directory can have replaced by others.
    pub(super) fn fallback(base: PathBuf, project_id: &str, slug: &OsStr) -> Self {
        let segments = vec![safe_name(OsStr::new(project_id)), safe_name(slug)];
        Self { anchor: base, segments, in_project: false }
    }

    /// Where it is, for people.
    pub(super) fn path(&self) -> PathBuf {
        self.segments.iter().fold(self.anchor.clone(), |path, segment| path.join(segment))
    }

    /// Opens it; with `create` what is missing is made, except `.kittify`, and git is told
    /// to look away.
    pub(super) fn open(&self, create: bool) -> Result<Dir, StoreError> {
        let dir = self
            .walk(create)
            .map_err(|stop| StoreError::io("open the dossier directory", &stop.path, stop.error))?;
        if create && self.in_project && !self.ensure_ignored(&dir)? {
            let problem = FallbackReason::NotIgnored(dir.path().join(GITIGNORE));
            let error = std::io::Error::new(ErrorKind::NotFound, problem);
            return Err(StoreError::io("use the dossier directory", dir.path(), error));
        }
        Ok(dir)
    }

    /// Makes and opens the place for writing, or says why it cannot be used.
    pub(super) fn open_for_writing(&self) -> Result<Dir, Refusal> {
        let dir = self.walk(true).map_err(|stop| self.refusal(stop))?;
        dir.check_writable().map_err(|error| refused(dir.path(), &error))?;
        match self.ensure_ignored(&dir) {
            Ok(true) => Ok(dir),
            Err(StoreError::Io { path, source, .. }) => Err(refused(&path, &source)),
            Ok(false) | Err(_) => {
                Err(Refusal::Unusable(FallbackReason::NotIgnored(dir.path().join(GITIGNORE))))
            }
        }
    }

    fn walk(&self, create: bool) -> Result<Dir, Stop> {
        let stop = |path: &Path, error| Stop { path: path.to_path_buf(), error, found: None };
        if create && !self.in_project {
            access::create_private_dirs(&self.anchor).map_err(|e| stop(&self.anchor, e))?;
        }
        let mut dir = Dir::open(&self.anchor).map_err(|e| stop(&self.anchor, e))?;
        for (depth, name) in self.segments.iter().enumerate() {
            let may_create = create && !(self.in_project && depth == 0);
            dir = step(&dir, name, may_create).map_err(|error| Stop {
                path: dir.path().join(name),
                error,
                found: dir.facts(name).ok().flatten().map(|facts| facts.kind),
            })?;
        }
        Ok(dir)
    }

    fn refusal(&self, stop: Stop) -> Refusal {
        Refusal::Unusable(match stop.found {
            Some(NodeKind::Symlink) => FallbackReason::Symlink(stop.path),
            Some(NodeKind::File | NodeKind::Special) => FallbackReason::NotADirectory(stop.path),
            None if stop.path == self.anchor.join(KITTIFY)
                && stop.error.kind() == ErrorKind::NotFound =>
            {
                FallbackReason::NoKittify(stop.path)
            }
            _ => return refused(&stop.path, &stop.error),
        })
    }

    /// Sees to it that git ignores the dossier: by `dossiers/.gitignore`, which is made if
    /// missing. One that somebody else has put there is not touched, since it may be
    /// tracked; if it does not ignore everything, the dossier's own directory gets one,
    /// which git ranks above it. `false` if that one too is somebody else's.
    fn ensure_ignored(&self, dir: &Dir) -> Result<bool, StoreError> {
        if !self.in_project {
            return Ok(true);
        }
        let above = Self { segments: self.segments[..2].to_vec(), ..self.clone() };
        let above = above.open_existing()?;
        Ok(ignores_all(&above)? || ignores_all(dir)?)
    }

    /// Opens it as it is, making nothing.
    pub(super) fn open_existing(&self) -> Result<Dir, StoreError> {
        self.walk(false)
            .map_err(|stop| StoreError::io("open the directory", &stop.path, stop.error))
    }

    /// The directory that holds all dossiers of the project, where ours could leave a
    /// temporary file behind.
    pub(super) fn parent(&self) -> Self {
        let above = self.segments.len().saturating_sub(1);
        Self { segments: self.segments[..above].to_vec(), ..self.clone() }
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Refusal {
    if is_shortage(error) {
        return Refusal::Shortage;
    }
    // The kind is the shorter text, where the error has one that says something.
    let problem = match error.kind().to_string() {
        kind if kind == "uncategorized error" => error.to_string(),
        kind => kind,
    };
    Refusal::Unusable(FallbackReason::Refused { path: path.to_path_buf(), problem })
}

fn step(dir: &Dir, name: &OsStr, create: bool) -> std::io::Result<Dir> {
    match dir.open_dir(name) {
        Err(error) if error.kind() == ErrorKind::NotFound && create => {
            if dir.create_dir(name, 0o700)? {
                dir.sync()?;
            }
            dir.open_dir(name)
        }
        other => other,
    }
}

/// Makes `.gitignore` in `dir` if there is none, and says whether it ignores everything.
fn ignores_all(dir: &Dir) -> Result<bool, StoreError> {
    let name = OsStr::new(GITIGNORE);
    match document::read_in(dir, name, GITIGNORE_LIMIT) {
        Ok(Some(text)) => Ok(is_all_ignored_by(&text)),
        Ok(None) => {
            atomic::create_in(dir, name, b"*\n", 0o600)?;
            // Read again: somebody else may have been faster, with other content.
            let text = document::read_in(dir, name, GITIGNORE_LIMIT)?;
            Ok(text.is_some_and(|text| is_all_ignored_by(&text)))
        }
        Err(error) if error.is_shortage() => Err(error),
        // A link, a directory, a giant: nothing that git or we should rely on.
        Err(_) => Ok(false),
    }
}

/// Is there a line `*`, and does no later one take anything back but the file itself
/// (gitignore(5): the last matching pattern decides)?
fn is_all_ignored_by(text: &[u8]) -> bool {
    let mut all = false;
    for line in text.split(|b| *b == b'\n') {
        match line.trim_ascii_end() {
            b"*" => all = true,
            b"!.gitignore" | b"!/.gitignore" => {}
            line if line.starts_with(b"!") => all = false,
            _ => {}
        }
    }
    all
}

/// Can this be the name of one directory? Names that a listing gave always can; others
/// come from requests and damaged files.
pub(super) fn is_safe_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let plain = !matches!(bytes, b"" | b"." | b"..")
        && !bytes.iter().any(|b| matches!(b, b'/' | 0))
        && bytes.len() <= 255;
    plain && (!cfg!(windows) || is_safe_on_windows(bytes))
}

/// Windows forbids some characters, strips trailing dots and spaces, and takes device
/// names for devices whatever their extension (Microsoft, "Naming Files, Paths, and
/// Namespaces").
fn is_safe_on_windows(name: &[u8]) -> bool {
    let stem = name.split(|b| *b == b'.').next().unwrap_or(name).trim_ascii_end();
    let stem = stem.to_ascii_uppercase();
    let device = match stem.as_slice() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" => true,
        [b'C', b'O', b'M', digit] | [b'L', b'P', b'T', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    !device
        && !name.iter().any(|b| *b < 32 || br#"<>:"/\|?*"#.contains(b))
        && !matches!(name.last(), Some(b'.' | b' '))
}

/// The name itself if it is safe, else one that stands for it.
fn safe_name(name: &OsStr) -> OsString {
    if is_safe_name(name) {
        return name.to_os_string();
    }
    format!("_h{}", Digest::sha256(name.as_encoded_bytes()).short(12)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignore_file_counts_only_if_everything_stays_ignored() {
        for (text, expected) in [
            ("*\n", true),
            ("*", true),
            ("# ours\n*\r\n", true),
            ("*\n!.gitignore\n", true),
            ("!a\n*\n", true),
            ("", false),
            ("*.json\n", false),
            ("*\n!parity-baseline.json\n", false),
            ("#*\n", false),
            ("/*\n", false),
        ] {
            assert_eq!(is_all_ignored_by(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_lack_of_descriptors_says_nothing_of_a_place() {
        use rustix::io::Errno;
        let refused = |errno: Errno| refused(Path::new("/p"), &errno.into());
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(matches!(refused(errno), Refusal::Shortage), "{errno:?}");
        }
        for (errno, said) in [(Errno::ACCESS, "permission denied"), (Errno::IO, "Input/output")] {
            let Refusal::Unusable(reason) = refused(errno) else { panic!("{errno:?} is final") };
            assert!(reason.to_string().contains(said), "{reason}");
        }
    }

    #[test]
    fn names_that_are_no_directory_names_are_refused_and_replaced() {
        for (name, unix, windows) in [
            ("001-feature", true, true),
            ("con", true, false),
            ("CON.md", true, false),
            ("com1", true, false),
            ("comet", true, true),
            ("a:b", true, false),
            ("a.", true, false),
            ("", false, true),
            ("..", false, false),
            ("a/b", false, false),
            ("a\0", false, false),
        ] {
            assert_eq!(
                is_safe_name(OsStr::new(name)),
                unix && (!cfg!(windows) || windows),
                "{name:?}"
            );
            if !name.is_empty() {
                assert_eq!(is_safe_on_windows(name.as_bytes()), windows, "{name:?}");
            }
            assert!(is_safe_name(&safe_name(OsStr::new(name))));
        }
        assert!(is_safe_name(&safe_name(OsStr::new(&"x".repeat(300)))));
    }
}
