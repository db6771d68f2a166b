//! Relative paths inside a feature: bytes, `/`-separated, identity of an artifact.
//!
//! A path is never text first: names need not be UTF-8. What people and JSON see is
//! [`RelPath::shown`]; what identity, order and hashing of keys use is the bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why bytes are no relative path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelPathError {
    /// Nothing at all.
    #[error("a relative path cannot be empty")]
    Empty,
    /// Begins or ends with `/`, or has two of them in a row.
    #[error("the path {0:?} has an empty segment")]
    EmptySegment(String),
    /// `.` or `..` as a segment.
    #[error("the path {0:?} has a `.` or `..` segment")]
    DotSegment(String),
    /// A NUL byte.
    #[error("the path {0:?} has a NUL byte")]
    Nul(String),
}

/// A path below a feature directory: non-empty segments separated by `/`, none of them
/// `.` or `..`, no NUL. Ordered by bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Arc<[u8]>);

/// In a name that is not UTF-8, everything outside printable ASCII is percent-encoded,
/// and `%` itself, so that the shown form can be decoded again.
const SHOWN: &AsciiSet = &CONTROLS.add(b'%');

/// A name or path for people and JSON: itself when it is UTF-8, else percent-encoded. No two
/// names share a form: a UTF-8 name that reads like the form of another one (`bad%FF.md`) has
/// its `%` encoded too.
pub fn shown(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if reads_as_encoded(text) => Cow::Owned(text.replace('%', "%25")),
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(percent_encode(bytes, SHOWN).to_string()),
    }
}

/// Would this text, decoded once or more often, be a name that is not UTF-8?
fn reads_as_encoded(text: &str) -> bool {
    let mut level = Cow::Borrowed(text);
    while level.contains('%') {
        if percent_decode_str(&level).decode_utf8().is_err() {
            return true;
        }
        let next = level.replace("%25", "%");
        if next == *level {
            return false;
        }
        level = Cow::Owned(next);
    }
    false
}

impl RelPath {
    /// Checks and takes over the bytes of a path.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, RelPathError> {
        let bytes = bytes.as_ref();
        let text = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.is_empty() {
            return Err(RelPathError::Empty);
        }
        if bytes.contains(&0) {
            return Err(RelPathError::Nul(text()));
        }
        for segment in bytes.split(|b| *b == b'/') {
            match segment {
                b"" => return Err(RelPathError::EmptySegment(text())),
                b"." | b".." => return Err(RelPathError::DotSegment(text())),
                _ => {}
            }
        }
        Ok(Self(bytes.into()))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as UTF-8, if it is.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The form for people and JSON: the path itself when it is UTF-8, else
    /// percent-encoded (`%FF`).
    pub fn shown(&self) -> Cow<'_, str> {
        shown(&self.0)
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// The last segment.
    pub fn file_name(&self) -> &[u8] {
        self.segments().next_back().unwrap_or(&self.0)
    }

    /// The path of the directory this is in; `None` directly below the feature.
    pub fn parent(&self) -> Option<RelPath> {
        let at = self.0.iter().rposition(|b| *b == b'/')?;
        Some(Self(self.0[..at].into()))
    }

    /// Is this path inside `dir` (strictly below it)?
    pub fn is_below(&self, dir: &RelPath) -> bool {
        self.0.len() > dir.0.len() && self.0.starts_with(&dir.0) && self.0[dir.0.len()] == b'/'
    }

    /// This path with one more segment.
    pub fn join(&self, name: &[u8]) -> Result<RelPath, RelPathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self::new(bytes)
    }

    /// Does any segment begin with a dot? Such paths are not indexed.
    pub fn is_hidden(&self) -> bool {
        self.segments().any(|s| s.first() == Some(&b'.'))
    }

    /// Ends the file name in `extension` (ASCII, without the dot, any case)?
    pub fn has_extension(&self, extension: &str) -> bool {
        let name = self.file_name();
        name.iter()
            .rposition(|b| *b == b'.')
            .is_some_and(|dot| name[dot + 1..].eq_ignore_ascii_case(extension.as_bytes()))
    }

    /// The file-system form of the path.
    #[cfg(unix)]
    pub fn to_path(&self) -> &std::path::Path {
        use std::os::unix::ffi::OsStrExt;
        std::path::Path::new(std::ffi::OsStr::from_bytes(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown().as_ref(), f)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl TryFrom<&str> for RelPath {
    type Error = RelPathError;
    fn try_from(text: &str) -> Result<Self, RelPathError> {
        Self::new(text)
    }
}

/// Lossless in JSON: text when the path is UTF-8, else an array of bytes. For private
/// files such as the index cache; wire types use [`RelPath::shown`].
impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        let bytes = match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        };
        RelPath::new(bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_relative_path() {
        for bad in ["", "/a", "a/", "a//b", ".", "a/../b", "a\0b", "./a"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shows_names_that_are_not_utf8_percent_encoded() {
        let path = RelPath::new(b"a/\xff%.md").expect("valid");
        assert_eq!(path.shown(), "a/%FF%25.md");
        assert_eq!(RelPath::new("a/é%.md").expect("valid").shown(), "a/é%.md");
        assert_eq!(RelPath::new("50%20off.md").expect("valid").shown(), "50%20off.md");
    }

    #[test]
    fn no_two_names_share_a_shown_form() {
        let names: [&[u8]; 9] = [
            b"bad\xff",
            b"bad%FF",
            b"bad%25FF",
            b"bad%2525FF",
            b"\xc3%A9",
            b"%C3%A9",
            b"%C3%25A9",
            b"%C3%2525A9",
            "é".as_bytes(),
        ];
        let shown: std::collections::BTreeSet<_> = names.iter().map(|name| shown(name)).collect();
        assert_eq!(shown.len(), names.len(), "{shown:?}");
    }

    #[test]
    fn below_is_by_segment() {
        let dir = RelPath::new("a/b").expect("valid");
        assert!(RelPath::new("a/b/c").expect("valid").is_below(&dir));
        assert!(!RelPath::new("a/bc").expect("valid").is_below(&dir));
        assert!(!dir.is_below(&dir));
    }

    #[test]
    fn json_round_trip_keeps_the_bytes() {
        for bytes in [&b"a/b.md"[..], b"a/\xff"] {
            let path = RelPath::new(bytes).expect("valid");
            let json = serde_json::to_string(&path).expect("serialises");
            assert_eq!(serde_json::from_str::<RelPath>(&json).expect("parses"), path);
        }
    }
}
