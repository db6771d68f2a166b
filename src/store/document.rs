//! Small files read whole: with a bound, and for JSON documents with their version.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{At, StoreError};
use crate::platform::dir::file_facts;
use crate::platform::{Dir, NodeKind, Open, user};

/// Reads the regular file `name` in `dir`; `None` if there is none, an error if it has
/// more than `limit` bytes, whatever its length claims.
pub fn read_in(dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let path = dir.path().join(name);
    match dir.open_file(name, Open::Read) {
        Ok(file) => read_open(&file, &path, limit).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("open", &path, error)),
    }
}

/// Reads the regular file at `path`; `None` if it or its directory is missing.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreError::io("open", path, ErrorKind::InvalidInput.into()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match Dir::open(parent) {
        Ok(dir) => read_in(&dir, name, limit),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("open the directory", parent, error)),
    }
}

/// Reads the regular file at `path` if only its owner can change it, and that is this user or
/// root; `None` if it or its directory is missing. For what says where something is sent.
pub fn read_trusted(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreError::io("open", path, ErrorKind::InvalidInput.into()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let dir = match Dir::open(parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open the directory", parent, error)),
    };
    let shown = path.display();
    let exposed = |problem| StoreError::Exposed { path: path.to_path_buf(), problem };
    let file = match dir.open_file(name, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let kind = dir.facts(name).at("look at", path)?.map(|facts| facts.kind);
            if kind == Some(NodeKind::Symlink) {
                let target = std::fs::read_link(path).unwrap_or_default();
                let problem = format!(
                    "is a symbolic link to {}; put the file itself there, or name it with --config FILE",
                    target.display()
                );
                return Err(exposed(problem));
            }
            return Err(StoreError::io("open", path, error));
        }
    };
    let facts = file_facts(&file).at("look at", path)?;
    if let Some(owner) = facts.owner
        && owner != 0
        && facts.owner != user::uid()
    {
        let problem = format!(
            "belongs to uid {owner}, not to you; look what it says, then make it yours: \
             cp {shown} {shown}.mine && mv -f {shown}.mine {shown}"
        );
        return Err(exposed(problem));
    }
    if facts.others_can_write() {
        let mode = facts.mode.unwrap_or_default();
        let problem = format!(
            "can be changed by others (mode {mode:03o}); look what it says, then: chmod go-w {shown}"
        );
        return Err(exposed(problem));
    }
    read_open(&file, path, limit).map(Some)
}

/// Reads an open file from where it stands, at most `limit` bytes.
pub(super) fn read_open(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// What every document of ours has.
#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

/// Parses a JSON document of the given kind, and refuses versions after `known`. The
/// version is looked at first, so that new members do not read as damage.
pub fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    path: &Path,
    kind: &'static str,
    known: u64,
) -> Result<T, StoreError> {
    let broken = |source: serde_json::Error| StoreError::Broken {
        path: path.to_path_buf(),
        kind,
        line: source.line(),
        column: source.column(),
        source,
    };
    let Version { schema_version: found } = serde_json::from_slice(bytes).map_err(broken)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    serde_json::from_slice(bytes).map_err(broken)
}

/// The bytes of a document: indented, one final newline. `path` is for the error, which
/// only a value that JSON cannot hold brings about.
pub fn render(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| StoreError::io("write", path, source.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Note {
        #[allow(dead_code)]
        schema_version: u64,
        text: String,
    }

    fn note(text: &str) -> Result<Note, StoreError> {
        parse(text.as_bytes(), Path::new("/n"), "note", 1)
    }

    #[test]
    fn errors_name_the_line_and_a_newer_version_is_no_damage() {
        assert_eq!(note(r#"{"schema_version":1,"text":"a"}"#).unwrap().text, "a");
        let error = note("{\"schema_version\":1,\n\"text\":7}").unwrap_err();
        assert!(error.to_string().contains("/n, line 2"), "{error}");
        let error = note(r#"{"schema_version":2,"text":"a","more":1}"#).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
        assert!(matches!(note("").unwrap_err(), StoreError::Broken { .. }));
        assert!(matches!(note(r#"{"text":"a"}"#).unwrap_err(), StoreError::Broken { .. }));
    }

    #[test]
    fn reading_is_bounded() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join("a"), "12345").unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        assert_eq!(read_in(&dir, OsStr::new("a"), 5).unwrap().unwrap(), b"12345");
        let error = read_in(&dir, OsStr::new("a"), 4).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { limit: 4, .. }), "{error}");
        assert_eq!(read_in(&dir, OsStr::new("b"), 4).unwrap(), None);
    }

    #[test]
    #[cfg(unix)]
    fn what_others_can_change_is_not_trusted() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a");
        assert_eq!(read_trusted(&path, 4).unwrap(), None);
        assert_eq!(read_trusted(&tmp.path().join("no/a"), 4).unwrap(), None);
        std::fs::write(&path, "x").unwrap();
        let chmod = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
        for (mode, trusted) in [(0o644, true), (0o600, true), (0o664, false), (0o602, false)] {
            chmod(mode).unwrap();
            let read = read_trusted(&path, 4);
            assert_eq!(read.is_ok(), trusted, "{mode:o}");
            let Err(error) = read else { continue };
            assert!(error.to_string().ends_with(&format!("chmod go-w {}", path.display())));
        }
        chmod(0o600).unwrap();
        symlink("a", tmp.path().join("link")).unwrap();
        let error = read_trusted(&tmp.path().join("link"), 4).unwrap_err();
        assert!(error.to_string().contains("symbolic link to a"), "{error}");
        if user::uid() != Some(0) {
            eprintln!("SKIP: only root can make a file of another user");
            return;
        }
        std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
        let error = read_trusted(&path, 4).unwrap_err();
        assert!(error.to_string().contains("belongs to uid 4242"), "{error}");
    }
}
