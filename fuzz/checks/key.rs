//! Paths and the keys made of them. The input is a list of paths, separated by NUL, which none
//! can have: every file of one feature.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dossierd::dossier::assemble::{Sources, assemble};
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::extract::Extract;
use dossierd::dossier::key::{FREE_PREFIX, Keyed, encode};
use dossierd::dossier::parity::parity_hash;
use dossierd::dossier::record::Provenance;
use dossierd::dossier::{Digest, FileFacts, FileState, FileTable, RelPath, Timestamp};
use percent_encoding::percent_decode_str;

/// More paths cost time and show nothing new.
const MOST: usize = 64;

pub fn check(data: &[u8]) {
    let mut paths = BTreeSet::new();
    for bytes in data.split(|byte| *byte == 0).take(MOST) {
        let is_path = !bytes.is_empty()
            && bytes.split(|byte| *byte == b'/').all(|s| !matches!(s, b"" | b"." | b".."));
        let path = RelPath::new(bytes);
        assert_eq!(path.is_ok(), is_path, "{bytes:?}");
        paths.extend(path);
    }
    let (mut keys, mut shown) = (BTreeMap::new(), BTreeMap::new());
    for path in &paths {
        check_path(path);
        let taken = keys.insert(encode(path), path);
        assert_eq!(taken, None, "a key that is not unique, of {path:?}");
        let taken = shown.insert(path.shown().into_owned(), path);
        assert_eq!(taken, None, "a shown form that is not unique, of {path:?}");
    }
    if !paths.is_empty() {
        check_dossier(&paths);
    }
}

fn check_path(path: &RelPath) {
    let key = encode(path);
    assert!(is_key(&key), "{key:?}");
    let is_hashed = |digits| {
        let tail = format!("_h{}", Digest::sha256(path.as_bytes()).short(digits));
        key.ends_with(&tail)
    };
    assert!(
        decoded(&key) == path.as_bytes() || is_hashed(12),
        "{path:?} cannot be told from {key}"
    );
    let longer = Keyed::encoded(FREE_PREFIX, path).longer(path).expect("an encoded key");
    assert!(is_key(&longer) && longer != format!("{FREE_PREFIX}.{key}"));

    let json = serde_json::to_vec(path).expect("a path serialises");
    assert_eq!(&serde_json::from_slice::<RelPath>(&json).expect("it comes back"), path);
    if path.as_str().is_none() {
        let back: Vec<u8> = percent_decode_str(&path.shown()).collect();
        assert_eq!(back, path.as_bytes(), "a shown form cannot be read back");
    }
    let segments: Vec<&[u8]> = path.segments().collect();
    assert_eq!(segments.join(&b'/'), path.as_bytes());
    assert_eq!(segments.last().copied(), Some(path.file_name()));
    match path.parent() {
        None => assert_eq!(segments.len(), 1),
        Some(parent) => {
            assert!(path.is_below(&parent));
            assert_eq!(&parent.join(path.file_name()).expect("its own name fits"), path);
        }
    }
}

/// `^[A-Za-z0-9._-]+$`
fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !key.is_empty() && key.bytes().all(allowed)
}

/// The encoding backwards, written a second time: `__` is `_`, `_` is `.`, `.` is `/`.
fn decoded(key: &str) -> Vec<u8> {
    key.replace('.', "/").replace("__", "\0").replace('_', ".").replace('\0', "_").into_bytes()
}

/// All of them in one feature: no key twice, and the hashes are those of the contents.
fn check_dossier(paths: &BTreeSet<RelPath>) {
    let files: FileTable = paths
        .iter()
        .map(|path| {
            let sha256 = Digest::sha256(path.as_bytes());
            let state = FileState::Text { sha256, extract: Extract::None.into_shared() };
            let indexed_at = Timestamp::from_micros(0);
            (path.clone(), Arc::new(FileFacts { size_bytes: 1, state, indexed_at }))
        })
        .collect();
    let dossier = assemble(&Sources {
        feature_slug: "001-demo",
        files: &files,
        ignored: 0,
        faults: &|_| Vec::new(),
        missions: &MissionDefinition::builtin,
        registered_mission: Some("software-dev"),
        explicit_step: Some("implement"),
        remembered: &BTreeSet::new(),
        provenance: Arc::new(Provenance { source_kind: "git", git_sha: None, git_ref: None }),
        both_at_once: None,
    });
    let mut keys = BTreeSet::new();
    for artifact in dossier.artifacts.iter() {
        let key = artifact.key.to_string();
        assert!(is_key(&key), "{key:?}");
        assert!(keys.insert(key.clone()), "the key {key} is there twice");
    }
    let hashes = || paths.iter().rev().map(|path| Digest::sha256(path.as_bytes()));
    assert_eq!(dossier.parity_hash, parity_hash(hashes()), "parity does not depend on the order");
}
