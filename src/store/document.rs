//! Small files read whole: with a bound, and for JSON documents with their version.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{At, StoreError};
use crate::platform::{Dir, Open};

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
}
