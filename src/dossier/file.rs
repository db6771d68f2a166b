//! What the index learned of one file: the boundary between disk and core.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::extract::Extract;
use super::{Digest, RelPath, Timestamp};

/// Why an expected or listed artifact is not present. These are the reason codes of
/// the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorReason {
    /// Should be there: an earlier step asked for it, or it was there and is gone.
    NotFound,
    /// The current step is where it gets made.
    NotProducedYet,
    /// It exists but cannot be read: permissions, a special file, a link that leaves
    /// the feature, an I/O error, a file that never settles.
    Unreadable,
    /// It is not valid UTF-8.
    InvalidFormat,
    /// It vanished between listing and reading.
    DeletedAfterScan,
}

impl ErrorReason {
    /// The code used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotProducedYet => "not_produced_yet",
            Self::Unreadable => "unreadable",
            Self::InvalidFormat => "invalid_format",
            Self::DeletedAfterScan => "deleted_after_scan",
        }
    }
}

/// What reading one file gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// Valid UTF-8, hashed.
    Text {
        /// SHA-256 of the file's bytes.
        sha256: Digest,
        /// What the core needs of the contents; parsed once per distinct content.
        extract: Arc<Extract>,
    },
    /// Listed, but not present in the dossier.
    Faulty {
        /// `Unreadable`, `InvalidFormat` or `DeletedAfterScan`.
        reason: ErrorReason,
        /// For people: the byte offset, the system's error, the kind of special file.
        /// The same on every machine for the same cause; no absolute paths.
        detail: Box<str>,
        /// SHA-256 of the bytes where they could be read (`InvalidFormat`).
        raw_sha256: Option<Box<Digest>>,
    },
}

/// One listed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Size in bytes of what was read; of the entry itself when it could not be.
    pub size_bytes: u64,
    /// What reading gave.
    pub state: FileState,
    /// When this state was first established (not when it was last confirmed).
    pub indexed_at: Timestamp,
}

impl FileFacts {
    /// The content hash, if the file is present.
    pub fn content_hash(&self) -> Option<Digest> {
        match &self.state {
            FileState::Text { sha256, .. } => Some(*sha256),
            FileState::Faulty { .. } => None,
        }
    }

    /// Do both describe the same outcome, whenever it was established?
    pub fn same_outcome(&self, other: &FileFacts) -> bool {
        self.size_bytes == other.size_bytes && self.state == other.state
    }
}

/// All listed files of one feature, by path. Values are shared: an unchanged file keeps
/// its `Arc` from one scan to the next.
pub type FileTable = BTreeMap<RelPath, Arc<FileFacts>>;
