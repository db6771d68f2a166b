//! Which commit a project's checkout is at, read from the repository's files.
//!
//! No `git` is run, no configuration or hook of the repository is read, and each file is
//! bounded: a hostile repository can give a wrong branch name, nothing more. Understood
//! are plain checkouts, linked worktrees, submodules, detached and unborn heads, loose
//! and packed refs. Repositories with SHA-256 objects or reftable storage are faults.

use std::path::{Component, Path, PathBuf};

use gix_ref::bstr::ByteSlice as _;
use gix_ref::file::loose::Reference;
use gix_ref::{FullName, Target, packed};

use super::beneath::{BeneathError, read_anywhere};
use crate::dossier::yaml::printable;

/// Of `HEAD`, refs and pointers to git directories; real ones are one line.
const MAX_SMALL_BYTES: usize = 16 * 1024;
/// Of `packed-refs`: some 300,000 refs.
const MAX_PACKED_BYTES: usize = 32 * 1024 * 1024;
/// Symbolic refs that point to symbolic refs; git follows five.
const MAX_SYMBOLIC: usize = 5;
const LOCAL_BRANCHES: &str = "refs/heads/";

/// Where a checkout's head is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitState {
    /// The checked-out branch, short (`main`); `None` when the head is detached.
    pub branch: Option<String>,
    /// The commit's object id in hex; `None` before the first commit.
    pub head_sha: Option<String>,
    /// The full name of the checked-out ref (`refs/heads/main`).
    pub git_ref: Option<String>,
}

/// Why the state of a checkout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A file of the repository can't be read.
    #[error("cannot read the git repository")]
    Read(#[source] BeneathError),
    /// A file of the repository makes no sense.
    #[error("the git repository's {file} is broken: {reason}")]
    Broken {
        /// Its name, without any path outside the project.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `.git` leads to no git directory.
    #[error(".git leads to a directory that is gone or has no HEAD")]
    NoRepository,
}

/// The two directories of a checkout's repository; equal but for linked worktrees.
pub(super) struct GitDirs {
    /// The directory that `.git` is in.
    pub(super) checkout: PathBuf,
    /// `HEAD` and what belongs to the worktree alone.
    own: PathBuf,
    /// Branches, tags and packed refs.
    pub(super) common: PathBuf,
}

impl GitState {
    /// The state of the checkout that a project is in; `None` if it is in none. The
    /// project may be a folder inside the checkout.
    pub fn read(project_root: &Path) -> Result<Option<GitState>, GitError> {
        let Some(dirs) = find(project_root)? else { return Ok(None) };
        let head = read(&dirs.own.join("HEAD"))?.ok_or(GitError::NoRepository)?;
        let mut name = match parse_ref(head_name()?, &head)? {
            Target::Symbolic(name) => name,
            Target::Object(id) => {
                let head_sha = Some(id.to_string());
                return Ok(Some(GitState { head_sha, ..GitState::default() }));
            }
        };
        let git_ref = shown(&name);
        let branch = git_ref.strip_prefix(LOCAL_BRANCHES).map(str::to_owned);
        let mut head_sha = None;
        for _ in 0..MAX_SYMBOLIC {
            match resolve(&dirs, &name)? {
                Some(Target::Symbolic(next)) => name = next,
                Some(Target::Object(id)) => {
                    head_sha = Some(id.to_string());
                    break;
                }
                None => break,
            }
        }
        Ok(Some(GitState { branch, head_sha, git_ref: Some(git_ref) }))
    }
}

/// The nearest `.git` at or above the project.
pub(super) fn find(project_root: &Path) -> Result<Option<GitDirs>, GitError> {
    for dir in project_root.ancestors() {
        let dot_git = dir.join(gix_discover::DOT_GIT_DIR);
        let own = match std::fs::metadata(&dot_git) {
            Err(_) => continue,
            Ok(metadata) if metadata.is_dir() => dot_git,
            Ok(_) => {
                let Some(pointer) = read(&dot_git)? else { continue };
                let target = gix_discover::parse::gitdir(&pointer)
                    .map_err(|_| broken(".git", "it does not say `gitdir: <path>`"))?;
                dir.join(target)
            }
        };
        if !own.is_dir() {
            return Err(GitError::NoRepository);
        }
        let common = match read(&own.join("commondir"))? {
            None => own.clone(),
            Some(text) => {
                let text =
                    text.trim_end().to_str().map_err(|_| broken("commondir", "not UTF-8"))?;
                own.join(text)
            }
        };
        return Ok(Some(GitDirs { checkout: dir.to_path_buf(), own, common }));
    }
    Ok(None)
}

/// What a ref points to: its own file first, then the packed ones.
fn resolve(dirs: &GitDirs, name: &FullName) -> Result<Option<Target>, GitError> {
    let text = shown(name);
    let relative = Path::new(&text);
    // Checked names have no such segments; the file system is not asked to prove it.
    if relative.components().any(|c| !matches!(c, Component::Normal(_))) {
        return Err(broken("HEAD", "it names a path outside the repository"));
    }
    let own_refs = ["refs/bisect/", "refs/worktree/", "refs/rewritten/"];
    let is_own = !text.contains('/') || own_refs.iter().any(|prefix| text.starts_with(prefix));
    let base = if is_own { &dirs.own } else { &dirs.common };
    // A folder of refs may have the name that a packed ref once had.
    let loose = match read_anywhere(&base.join(relative), MAX_SMALL_BYTES) {
        Err(BeneathError::Special(path)) if path.is_dir() => None,
        loose => loose.map_err(GitError::Read)?,
    };
    if let Some(bytes) = loose {
        return parse_ref(name.clone(), &bytes).map(Some);
    }
    let packed_path = dirs.common.join("packed-refs");
    let Some(bytes) = read_anywhere(&packed_path, MAX_PACKED_BYTES).map_err(GitError::Read)? else {
        return Ok(None);
    };
    let unreadable = |_| broken("packed-refs", "its lines can't be read");
    let buffer = packed::Buffer::from_bytes(&bytes, Default::default()).map_err(unreadable)?;
    let found = buffer.try_find(name.as_ref()).map_err(unreadable)?;
    Ok(found.map(|reference| Target::Object(reference.target())))
}

fn parse_ref(name: FullName, bytes: &[u8]) -> Result<Target, GitError> {
    let file = shown(&name);
    match Reference::try_from_path(name, bytes, Default::default()) {
        Ok(reference) => Ok(reference.target),
        Err(_) if bytes.starts_with(b"ref: refs/heads/.invalid") => {
            Err(broken(&file, "the repository stores its refs as a reftable, which is not read"))
        }
        Err(_) => Err(broken(&file, "it is neither `ref: <name>` nor a SHA-1 object id")),
    }
}

fn head_name() -> Result<FullName, GitError> {
    FullName::try_from("HEAD").map_err(|_| broken("HEAD", "it is no name of a ref"))
}

fn shown(name: &FullName) -> String {
    name.as_bstr().to_string()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, GitError> {
    read_anywhere(path, MAX_SMALL_BYTES).map_err(GitError::Read)
}

pub(super) fn broken(file: &str, reason: &str) -> GitError {
    GitError::Broken { file: printable(file), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        dir
    }

    fn check(files: &[(&str, &str)], project: &str, branch: Option<&str>, sha: Option<&str>) {
        let dir = repository(files);
        let root = dir.path().join(project);
        fs::create_dir_all(&root).expect("made");
        let state = GitState::read(&root).expect("reads").expect("a checkout");
        assert_eq!(
            (state.branch.as_deref(), state.head_sha.as_deref()),
            (branch, sha),
            "{files:?}"
        );
        let full = branch.map(|branch| format!("refs/heads/{branch}"));
        assert_eq!(state.git_ref, full);
    }

    #[test]
    fn heads_of_all_kinds() {
        let head = (".git/HEAD", "ref: refs/heads/main\n");
        let loose = (".git/refs/heads/main", &*format!("{A}\n"));
        let packed = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{B} refs/heads/main\n{A} refs/tags/v1\n^{B}\n"
        );
        let packed = (".git/packed-refs", packed.as_str());
        check(&[head, loose], "", Some("main"), Some(A));
        check(&[head, loose, packed], "", Some("main"), Some(A));
        check(&[head, packed], "", Some("main"), Some(B));
        check(&[head, packed], "inner/project", Some("main"), Some(B));
        check(&[head], "", Some("main"), None);
        check(&[(".git/HEAD", A)], "", None, Some(A));
        let unsorted = format!("{A} refs/heads/z\n{B} refs/heads/main\n");
        check(&[head, (".git/packed-refs", &unsorted)], "", Some("main"), Some(B));
        let slashes = (".git/HEAD", "ref: refs/heads/feature/a\n");
        check(&[slashes, (".git/refs/heads/feature/a", A)], "", Some("feature/a"), Some(A));
        let (to, from) = (("x", ""), (".git/refs/heads/main", "ref: refs/heads/next\n"));
        check(&[head, from, to, (".git/refs/heads/next", B)], "", Some("main"), Some(B));
        let circle = (".git/refs/heads/main", "ref: refs/heads/main\n");
        check(&[head, circle], "", Some("main"), None);
    }

    #[test]
    fn linked_worktrees() {
        let files = [
            ("main/.git/HEAD", "ref: refs/heads/main\n"),
            ("main/.git/refs/heads/side", A),
            ("main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n"),
            ("main/.git/worktrees/side/commondir", "../..\n"),
            ("side/.git", "gitdir: ../main/.git/worktrees/side\n"),
        ];
        check(&files, "side", Some("side"), Some(A));
    }

    #[test]
    fn no_checkout_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        if dir.path().ancestors().any(|dir| dir.join(".git").exists()) {
            eprintln!("skipped: temporary directories are inside a checkout");
            return;
        }
        assert_eq!(GitState::read(dir.path()).expect("reads"), None);
    }

    fn check_broken(files: &[(&str, &str)], needle: &str) {
        let dir = repository(files);
        let error = GitState::read(dir.path()).expect_err(needle);
        assert!(error.to_string().contains(needle), "{error}");
    }

    #[test]
    fn broken_repositories_are_errors() {
        let head = (".git/HEAD", "ref: refs/heads/main\n");
        check_broken(&[(".git/config", "")], "no HEAD");
        check_broken(&[(".git/HEAD", "nonsense")], "HEAD is broken");
        check_broken(&[(".git/HEAD", "")], "HEAD is broken");
        check_broken(&[(".git/HEAD", "ref: ../../../etc/passwd\n")], "HEAD is broken");
        check_broken(&[(".git/HEAD", "ref: /etc/passwd\n")], "HEAD is broken");
        check_broken(&[(".git/HEAD", "ref: refs/heads/.invalid\n")], "reftable");
        check_broken(&[(".git/HEAD", &"a".repeat(64))], "HEAD is broken");
        check_broken(&[(".git/HEAD", &"x".repeat(MAX_SMALL_BYTES + 1))], "cannot read");
        check_broken(&[head, (".git/refs/heads/main", "short")], "refs/heads/main is broken");
        check_broken(&[head, (".git/packed-refs", "garbage\nmore\n")], "packed-refs is broken");
        check_broken(&[(".git", "nonsense")], "gitdir");
        check_broken(&[(".git", "gitdir: gone")], "gone");
    }

    #[test]
    fn a_fifo_in_place_of_a_file_does_not_block() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = repository(&[(".git/config", "")]);
        let fifo = dir.path().join(".git/HEAD");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).expect("a fifo");
        assert!(GitState::read(dir.path()).is_err());
    }
}
