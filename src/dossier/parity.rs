//! Parity: one hash over the content of all present artifacts, the same on every machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::digest::DigestError;
use super::{Digest, RelPath};

/// `parity_hash_sha256`: SHA-256 of the concatenated lower-case hex content hashes of all
/// present artifacts, sorted as strings, duplicates kept, no separators. Of nothing:
/// SHA-256 of the empty string. Independent of names, order, times and platform.
pub fn parity_hash(content_hashes: impl IntoIterator<Item = Digest>) -> Digest {
    let mut sorted: Vec<Digest> = content_hashes.into_iter().collect();
    // Bytes sort as their hex forms do.
    sorted.sort_unstable();
    parity_of_sorted(&sorted)
}

/// The parity hash of content hashes that are sorted already.
pub fn parity_of_sorted(sorted: &[Digest]) -> Digest {
    debug_assert!(sorted.is_sorted());
    let mut hasher = Sha256::new();
    for digest in sorted {
        hasher.update(digest.hex());
    }
    Digest(hasher.finalize().into())
}

/// A hash over names and contents, written `sha256:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub Digest);

impl TreeHash {
    /// SHA-256 of the lines `<relative_path>\t<content_hash>` of present artifacts, sorted
    /// by path bytes and joined by `\n`. Sees renames and swapped contents, which parity
    /// does not. The items must come in path order.
    pub fn of_sorted<'a>(items: impl IntoIterator<Item = (&'a RelPath, Digest)>) -> Self {
        let mut hasher = Sha256::new();
        let mut first = true;
        for (path, digest) in items {
            if !std::mem::take(&mut first) {
                hasher.update(b"\n");
            }
            hasher.update(path.shown().as_bytes());
            hasher.update(b"\t");
            hasher.update(digest.hex());
        }
        Self(Digest(hasher.finalize().into()))
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TreeHash {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix("sha256:").unwrap_or("").parse().map(Self)
    }
}

impl Serialize for TreeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TreeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_is_sha256_of_the_empty_string() {
        assert_eq!(parity_hash([]), Digest::sha256(""));
    }

    #[test]
    fn is_the_hash_of_the_sorted_hex_forms_with_duplicates() {
        let (a, b) = (Digest::sha256("a"), Digest::sha256("b"));
        let mut texts = [a.to_string(), b.to_string(), a.to_string()];
        texts.sort();
        assert_eq!(parity_hash([a, b, a]), Digest::sha256(texts.concat()));
        assert_eq!(parity_hash([b, a, a]), parity_hash([a, a, b]));
        assert_ne!(parity_hash([a, b]), parity_hash([a, a, b]));
    }

    #[test]
    fn the_tree_hash_sees_names() {
        let path = |t: &str| RelPath::new(t).expect("valid");
        let (x, y) = (path("x"), path("y/z"));
        let (a, b) = (Digest::sha256("a"), Digest::sha256("b"));
        let tree = TreeHash::of_sorted([(&x, a), (&y, b)]);
        assert_eq!(tree.0, Digest::sha256(format!("x\t{a}\ny/z\t{b}")));
        assert_ne!(tree, TreeHash::of_sorted([(&x, b), (&y, a)]));
        assert_eq!(tree.to_string().parse::<TreeHash>().expect("parses"), tree);
    }
}
