//! The index as bytes, for the next run. Whoever has the state directory stores them.
//!
//! Format: 8 bytes magic with the version, 32 bytes BLAKE3 of the rest, then the postcard
//! form (its wire specification 1.0) of [`Body`]. The body begins with the version of this
//! program, because extraction may differ between versions, and the path of the feature
//! directory. Whatever does not fit is no cache at all: everything is then read again. A
//! cache is never believed for itself; the first scan checks each row by stat.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stat::{FileRecord, digest_bytes};
use crate::dossier::extract::Extract;
use crate::dossier::{Digest, ErrorReason, FileFacts, FileState, RelPath, Timestamp};

const MAGIC: &[u8; 8] = b"DOSSIX\x00\x03";
const HEADER: usize = MAGIC.len() + 32;

/// The cache cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the index cache cannot be encoded")]
pub struct CacheError(#[from] postcard::Error);

/// The rows of one index, with the stats that vouch for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexCache(Body);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    program: String,
    root: Vec<u8>,
    device: Option<u64>,
    /// Of whoever keeps it; means nothing here.
    attached: Vec<u8>,
    rows: Vec<CachedRow>,
}

/// One row. Paths and digests are bytes here; their usual forms are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CachedRow {
    path: Vec<u8>,
    through_link: bool,
    record: Option<FileRecord>,
    size_bytes: u64,
    indexed_at_micros: i64,
    state: CachedState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum CachedState {
    Text {
        sha256: [u8; 32],
        extract: Arc<Extract>,
    },
    Faulty {
        reason: ErrorReason,
        detail: String,
        #[serde(with = "digest_bytes")]
        raw_sha256: Option<Digest>,
    },
}

/// A row as the index takes it: path, is it a link, record, facts.
pub(super) type Parts = (RelPath, bool, Option<FileRecord>, Arc<FileFacts>);

impl CachedRow {
    pub(super) fn new(
        path: &RelPath,
        through_link: bool,
        record: Option<FileRecord>,
        facts: &FileFacts,
    ) -> Self {
        let state = match &facts.state {
            FileState::Text { sha256, extract } => {
                CachedState::Text { sha256: sha256.0, extract: Arc::clone(extract) }
            }
            FileState::Faulty { reason, detail, raw_sha256 } => CachedState::Faulty {
                reason: *reason,
                detail: detail.to_string(),
                raw_sha256: raw_sha256.as_deref().copied(),
            },
        };
        Self {
            path: path.as_bytes().to_vec(),
            through_link,
            record,
            size_bytes: facts.size_bytes,
            indexed_at_micros: facts.indexed_at.as_micros(),
            state,
        }
    }

    /// `None` if the path is none.
    pub(super) fn into_parts(self) -> Option<Parts> {
        let path = RelPath::new(self.path).ok()?;
        let state = match self.state {
            CachedState::Text { sha256, extract } => {
                let extract = Arc::unwrap_or_clone(extract).into_shared();
                FileState::Text { sha256: Digest(sha256), extract }
            }
            CachedState::Faulty { reason, detail, raw_sha256 } => {
                let (detail, raw_sha256) = (detail.into(), raw_sha256.map(Box::new));
                FileState::Faulty { reason, detail, raw_sha256 }
            }
        };
        let indexed_at = Timestamp::from_micros(self.indexed_at_micros);
        let facts = FileFacts { size_bytes: self.size_bytes, state, indexed_at };
        Some((path, self.through_link, self.record, Arc::new(facts)))
    }
}

impl IndexCache {
    pub(super) fn new(
        root: &Path,
        device: Option<u64>,
        attached: Vec<u8>,
        rows: Vec<CachedRow>,
    ) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self(Body { program, root: root.as_os_str().as_bytes().to_vec(), device, attached, rows })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// Has it no rows?
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// What was given along with it.
    pub fn attached(&self) -> &[u8] {
        &self.0.attached
    }

    pub(super) fn is_of(&self, root: &Path) -> bool {
        self.0.root == root.as_os_str().as_bytes()
    }

    pub(super) fn device(&self) -> Option<u64> {
        self.0.device
    }

    pub(super) fn into_rows(self) -> Vec<CachedRow> {
        self.0.rows
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CacheError> {
        let body = postcard::to_stdvec(&self.0)?;
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// The cache in these bytes; `None` if they are damaged, of another version of this
    /// program, or something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        let sound = bytes.starts_with(MAGIC)
            && bytes.get(MAGIC.len()..HEADER)? == blake3::hash(body).as_bytes();
        if !sound {
            return None;
        }
        let (body, rest) = postcard::take_from_bytes::<Body>(body).ok()?;
        (rest.is_empty() && body.program == env!("CARGO_PKG_VERSION")).then_some(Self(body))
    }
}
