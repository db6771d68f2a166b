//! A file as the checked-out commit has it, read from the repository's objects.
//!
//! As with the head ([`super::git`]) no `git` is run, and no configuration, hook, filter or
//! attribute of the repository is read: what is given are the bytes that were committed.

use std::path::Path;

use gix_hash::{Kind as HashKind, ObjectId};
use gix_object::bstr::BStr;
use gix_object::tree::EntryKind;
use gix_object::{CommitRef, Kind, TreeRef};

use super::git::{GitError, GitState, broken, find};
use super::objects::Objects;

/// A file in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit's object id in hex.
    pub commit: String,
    /// The branch that is checked out, short.
    pub branch: Option<String>,
    /// What the commit has of the file.
    pub file: CommittedFile,
}

/// What a commit has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommittedFile {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// A file of so many bytes, more than were asked for.
    TooLarge(u64),
    /// Something else than a file: what it is.
    Other(&'static str),
    /// Nothing.
    Absent,
}

/// The file at `path` (of segments that are names) below `dir` (absolute), as the commit has
/// it that the checkout around `dir` is at; `None` without a checkout, or before its first
/// commit. At most `limit` bytes are given.
pub fn committed(dir: &Path, path: &[&[u8]], limit: u64) -> Result<Option<Committed>, GitError> {
    let Some(state) = GitState::read(dir)? else { return Ok(None) };
    let (Some(commit), Some(dirs)) = (state.head_sha, find(dir)?) else { return Ok(None) };
    let Ok(above) = dir.strip_prefix(&dirs.checkout) else { return Ok(None) };
    let above = above.components().map(|name| name.as_os_str().as_encoded_bytes());
    let names: Vec<&[u8]> = above.chain(path.iter().copied()).collect();
    let objects = Objects::open(&dirs.common.join("objects"))?;
    let id = ObjectId::from_hex(commit.as_bytes())
        .map_err(|_| broken("HEAD", "it is no SHA-1 object id"))?;
    let file = lookup(&objects, id, &names, limit)?;
    Ok(Some(Committed { commit, branch: state.branch, file }))
}

fn lookup(
    objects: &Objects,
    commit: ObjectId,
    names: &[&[u8]],
    limit: u64,
) -> Result<CommittedFile, GitError> {
    let missing = || broken("objects", "an object that the commit needs is missing or damaged");
    let bytes = objects.read(commit, Kind::Commit)?.ok_or_else(missing)?;
    let mut at = CommitRef::from_bytes(&bytes, HashKind::Sha1).map_err(|_| missing())?.tree();
    for (number, name) in names.iter().enumerate() {
        let is_last = number + 1 == names.len();
        let bytes = objects.read(at, Kind::Tree)?.ok_or_else(missing)?;
        let tree = TreeRef::from_bytes(&bytes, HashKind::Sha1).map_err(|_| missing())?;
        let name = BStr::new(name);
        // Directories sort as if their names ended in a slash.
        let file = tree.bisect_entry(name, false).filter(|_| is_last);
        let Some(entry) = file.or_else(|| tree.bisect_entry(name, true)) else {
            return Ok(CommittedFile::Absent);
        };
        let is_wanted = if is_last { entry.mode.is_blob() } else { entry.mode.is_tree() };
        if !is_wanted {
            return Ok(match entry.mode.kind() {
                EntryKind::Link => CommittedFile::Other("a symbolic link"),
                EntryKind::Commit => CommittedFile::Other("a submodule"),
                EntryKind::Tree => CommittedFile::Other("a directory"),
                EntryKind::Blob | EntryKind::BlobExecutable => CommittedFile::Absent,
            });
        }
        at = entry.oid.to_owned();
    }
    let size = objects.blob_size(at)?.ok_or_else(missing)?;
    if size > limit {
        return Ok(CommittedFile::TooLarge(size));
    }
    objects.read(at, Kind::Blob)?.map(CommittedFile::Bytes).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    /// Runs git without any configuration but its own; `None` where there is no git.
    fn git(dir: &Path, arguments: &[&str]) -> Option<()> {
        let mut command = Command::new("git");
        command.current_dir(dir).args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("HOME", "/nonexistent"),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ] {
            command.env(name, value);
        }
        let Ok(output) = command.output() else {
            eprintln!("SKIPPED: there is no git to make a repository with");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    }

    fn at(dir: &Path, path: &str, limit: u64) -> Option<CommittedFile> {
        let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        committed(dir, &names, limit).expect("reads").map(|committed| committed.file)
    }

    #[test]
    fn a_file_is_read_from_loose_and_from_packed_objects() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("exists");
        let feature = root.join("kitty-specs/001-a");
        fs::create_dir_all(feature.join("tasks")).expect("made");
        fs::write(feature.join("tasks/WP01.md"), "# One\n").expect("written");
        fs::write(feature.join("spec.md"), "# Spec\n").expect("written");
        std::os::unix::fs::symlink("spec.md", feature.join("link.md")).expect("made");
        if git(&root, &["init", "-q", "-b", "main"]).is_none() {
            return;
        }
        assert_eq!(at(&feature, "spec.md", 100), None, "before the first commit");
        git(&root, &["add", "."]);
        git(&root, &["commit", "-q", "-m", "x"]);
        fs::write(feature.join("spec.md"), "# Changed\n").expect("written");
        fs::write(feature.join("new.md"), "# New\n").expect("written");
        for packed in [false, true] {
            if packed {
                git(&root, &["gc", "-q"]);
            }
            let bytes = |text: &str| Some(CommittedFile::Bytes(text.into()));
            assert_eq!(at(&feature, "spec.md", 100), bytes("# Spec\n"), "{packed}");
            assert_eq!(at(&feature, "tasks/WP01.md", 100), bytes("# One\n"), "{packed}");
            assert_eq!(at(&feature, "spec.md", 6), Some(CommittedFile::TooLarge(7)));
            assert_eq!(at(&feature, "spec.md", 7), bytes("# Spec\n"));
            let other = |what| Some(CommittedFile::Other(what));
            assert_eq!(at(&feature, "tasks", 100), other("a directory"));
            assert_eq!(at(&feature, "link.md", 100), other("a symbolic link"));
            for absent in ["new.md", "tasks/x/y", "spec.md/x"] {
                assert_eq!(at(&feature, absent, 100), Some(CommittedFile::Absent), "{absent}");
            }
        }
        let whole = committed(&feature, &[b"spec.md"], 100).expect("reads").expect("a commit");
        assert_eq!((whole.commit.len(), whole.branch.as_deref()), (40, Some("main")));
    }

    #[test]
    fn a_damaged_repository_is_an_error_and_none_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("exists");
        fs::create_dir_all(root.join(".git/refs/heads")).expect("made");
        fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").expect("written");
        fs::write(root.join(".git/refs/heads/main"), "a".repeat(40)).expect("written");
        let error = committed(&root, &[b"spec.md"], 100).expect_err("no objects");
        assert!(error.to_string().contains("objects"), "{error}");
        fs::create_dir_all(root.join(".git/objects/aa")).expect("made");
        let error = committed(&root, &[b"spec.md"], 100).expect_err("no commit");
        assert!(error.to_string().contains("missing or damaged"), "{error}");
        let object = root.join(".git/objects/aa").join("a".repeat(38));
        fs::write(&object, "no zlib stream").expect("written");
        assert!(committed(&root, &[b"spec.md"], 100).is_err());
        fs::remove_file(&object).expect("removed");
        for fifo in [
            object,
            root.join(".git/objects/pack/a.idx"),
            root.join(".git/objects/info/alternates"),
        ] {
            fs::create_dir_all(fifo.parent().expect("has one")).expect("made");
            rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600))
                .expect("made");
            assert!(committed(&root, &[b"spec.md"], 100).is_err(), "and does not wait");
            fs::remove_file(&fifo).expect("removed");
        }
    }
}
