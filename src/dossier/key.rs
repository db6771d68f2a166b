//! Artifact keys: stable, unique in a dossier, made of `[A-Za-z0-9._-]` only.
//!
//! A key depends on the path and the manifest alone. The encoding of a path is either
//! reversible, or carries a hash of the path's bytes; both forms can be told apart, so
//! no two paths share a key unless 48 bits of SHA-256 collide, and [`Keyed::longer`] is
//! the answer to that.

use super::{Digest, RelPath};

/// Prefix of the keys of artifacts that no manifest entry names.
pub const FREE_PREFIX: &str = "artifact";

/// Hex digits of the path's SHA-256 in the key of a path that has no reversible encoding.
const HASH_DIGITS: usize = 12;

/// How a key was made, so that a collision can be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    /// The key of a manifest entry, as it is written there.
    Entry(String),
    /// `<prefix>.<encoded path>`.
    Encoded {
        /// The key of a manifest entry, or `artifact`.
        prefix: String,
        /// The whole key.
        key: String,
    },
}

impl Keyed {
    /// A key below `prefix` for this path.
    pub fn encoded(prefix: &str, path: &RelPath) -> Self {
        Self::Encoded { prefix: prefix.to_owned(), key: format!("{prefix}.{}", encode(path)) }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Entry(key) | Self::Encoded { key, .. } => key,
        }
    }

    /// The key, for keeps.
    pub fn into_key(self) -> Box<str> {
        match self {
            Self::Entry(key) | Self::Encoded { key, .. } => key.into(),
        }
    }

    /// The key to use when the ordinary one is taken: with all 64 digits of the hash of
    /// the path. Keys of manifest entries stay as they are.
    pub fn longer(&self, path: &RelPath) -> Option<String> {
        match self {
            Self::Entry(_) => None,
            Self::Encoded { prefix, .. } => Some(format!(
                "{prefix}.{}_h{}",
                transliterate(path),
                Digest::sha256(path.as_bytes())
            )),
        }
    }
}

/// Encodes a path: `/` as `.`, `.` inside a name as `_`, a single `_` between
/// alphanumerics as `__`. A path that this does not encode reversibly gets every other
/// character replaced by `-`, and `_h` with the first 12 hex digits of the SHA-256 of its
/// bytes behind it.
pub fn encode(path: &RelPath) -> String {
    let text = transliterate(path);
    if is_reversible(path, &text) {
        text
    } else {
        format!("{text}_h{}", Digest::sha256(path.as_bytes()).short(HASH_DIGITS))
    }
}

/// The readable part of a key: total, not always reversible.
fn transliterate(path: &RelPath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes());
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    let mut after_alphanumeric = false;
    while let Some(c) = chars.next() {
        let mut before_alphanumeric = || chars.peek().is_some_and(char::is_ascii_alphanumeric);
        match c {
            '/' => out.push('.'),
            '.' => out.push('_'),
            '_' if after_alphanumeric && before_alphanumeric() => out.push_str("__"),
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ => out.push('-'),
        }
        after_alphanumeric = c.is_ascii_alphanumeric();
    }
    out
}

/// Can the path be read back from its transliteration, and is that no hash form?
fn is_reversible(path: &RelPath, encoded: &str) -> bool {
    decode(encoded).as_bytes() == path.as_bytes() && !ends_like_a_hash(encoded)
}

/// The inverse of the encoding: `__` to `_`, `_` to `.`, `.` to `/`.
fn decode(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut chars = encoded.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '.' => out.push('/'),
            '_' if chars.peek() == Some(&'_') => {
                chars.next();
                out.push('_');
            }
            '_' => out.push('.'),
            c => out.push(c),
        }
    }
    out
}

/// Ends in `_h` and 12 or 64 hex digits, as the hash forms do.
fn ends_like_a_hash(text: &str) -> bool {
    [HASH_DIGITS, 64].into_iter().any(|digits| {
        text.len().checked_sub(digits + 2).and_then(|at| text.as_bytes().get(at..)).is_some_and(
            |tail| {
                tail.starts_with(b"_h")
                    && tail[2..].iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: impl AsRef<[u8]>) -> RelPath {
        RelPath::new(text).expect("a valid path")
    }

    fn check(input: &str, expected: &str) {
        assert_eq!(encode(&path(input)), expected, "{input:?}");
    }

    #[test]
    fn reversible_paths() {
        check("spec.md", "spec_md");
        check("tasks/WP01-setup.md", "tasks.WP01-setup_md");
        check("tasks/WP03-x/review-cycle-1.md", "tasks.WP03-x.review-cycle-1_md");
        check("occurrence_map.yaml", "occurrence__map_yaml");
        check("status.events.jsonl", "status_events_jsonl");
        check("a.b/c_d/e", "a_b.c__d.e");
    }

    #[test]
    fn other_paths_carry_a_hash() {
        for input in
            ["a b.md", "__init__.py", "a..b", "a_.b", "a._b", "a__b", "é.md", "-.h0123456789ab"]
        {
            let key = encode(&path(input));
            assert!(ends_like_a_hash(&key), "{input:?} gave {key}");
            assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{key}");
        }
        let digest = Digest::sha256("my file.md").short(12);
        check("my file.md", &format!("my-file_md_h{digest}"));
    }

    #[test]
    fn a_forged_hash_form_is_told_from_a_real_one() {
        let real = path("é");
        let forged = path(format!("-.h{}", Digest::sha256(real.as_bytes()).short(12)));
        assert_ne!(encode(&real), encode(&forged));
    }

    #[test]
    fn the_longer_form_differs_for_each_path() {
        let (a, b) = (path("a b"), path("a\u{a0}b"));
        let longer = |p: &RelPath| Keyed::encoded(FREE_PREFIX, p).longer(p).expect("encoded");
        assert_ne!(longer(&a), longer(&b));
        assert_eq!(Keyed::Entry("x".into()).longer(&a), None);
    }

    proptest! {
        #[test]
        fn no_two_paths_share_a_key(
            a in "[a-c._/ -]{1,8}", b in "[a-c._/ -]{1,8}",
        ) {
            if let (Ok(a), Ok(b)) = (RelPath::new(&a), RelPath::new(&b)) {
                prop_assert_eq!(encode(&a) == encode(&b), a == b);
            }
        }
    }
}
