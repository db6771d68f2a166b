//! One row of a dossier: an artifact that is present, unreadable or missing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::classify::ClassifiedBy;
use super::{ArtifactClass, Digest, ErrorReason, FileFacts, FileState, RelPath, Timestamp};

/// Whether the manifest asks for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequiredStatus {
    /// A required entry of the manifest matches it, of whatever step.
    Required,
    /// None does.
    Optional,
}

impl RequiredStatus {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

/// Where a row lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A listed file.
    File(RelPath),
    /// Nothing matches this path pattern of the manifest.
    Expected(Box<str>),
}

impl Location {
    /// The relative path or the pattern, as shown.
    pub fn shown(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::File(path) => path.shown(),
            Self::Expected(pattern) => (&**pattern).into(),
        }
    }

    /// The path, if it is that of a listed file.
    pub fn path(&self) -> Option<&RelPath> {
        match self {
            Self::File(path) => Some(path),
            Self::Expected(_) => None,
        }
    }
}

/// What a row stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A listed file.
    File(Arc<FileFacts>),
    /// An artifact that should be there.
    Missing(Box<Absence>),
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// The reason code.
    pub reason: ErrorReason,
    /// More, for people.
    pub detail: Option<String>,
}

/// One row of a dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Unique in the dossier.
    pub key: Box<str>,
    /// What it is for.
    pub class: ArtifactClass,
    /// Which rule said so.
    pub classified_by: ClassifiedBy,
    /// Where it lies or should lie.
    pub location: Location,
    /// The work package it belongs to, upper-case (`WP03`).
    pub wp_id: Option<Box<str>>,
    /// The mission step it belongs to.
    pub step_id: Option<Box<str>>,
    /// Whether the manifest asks for it.
    pub required_status: RequiredStatus,
    /// The file, or why there is none.
    pub source: Source,
    /// See [`Self::entries`]. There is one such row for each file, so space counts.
    pub(super) entry_numbers: Box<[u32]>,
}

impl Artifact {
    /// Manifest entries that match it, by index, in manifest order.
    pub fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        self.entry_numbers.iter().map(|number| *number as usize)
    }

    /// Is it present: there, readable and valid UTF-8?
    pub fn is_present(&self) -> bool {
        matches!(self.state(), Some(FileState::Text { .. }))
    }

    /// SHA-256 of its contents, if present.
    pub fn content_hash(&self) -> Option<Digest> {
        self.facts()?.content_hash()
    }

    /// SHA-256 of bytes that were read but are not valid UTF-8.
    pub fn raw_hash(&self) -> Option<Digest> {
        match self.state()? {
            FileState::Faulty { raw_sha256, .. } => raw_sha256.as_deref().copied(),
            FileState::Text { .. } => None,
        }
    }

    /// Bytes; 0 when it is missing.
    pub fn size_bytes(&self) -> u64 {
        self.facts().map_or(0, |facts| facts.size_bytes)
    }

    /// When this state was established; `None` for missing artifacts, which have no file
    /// that could have been indexed.
    pub fn indexed_at(&self) -> Option<Timestamp> {
        self.facts().map(|facts| facts.indexed_at)
    }

    /// The reason code, if it is not present.
    pub fn error_reason(&self) -> Option<ErrorReason> {
        match &self.source {
            Source::Missing(absence) => Some(absence.reason),
            Source::File(facts) => match &facts.state {
                FileState::Faulty { reason, .. } => Some(*reason),
                FileState::Text { .. } => None,
            },
        }
    }

    /// The detail of the reason, if there is one.
    pub fn error_detail(&self) -> Option<&str> {
        match &self.source {
            Source::Missing(absence) => absence.detail.as_deref(),
            Source::File(facts) => match &facts.state {
                FileState::Faulty { detail, .. } => Some(detail),
                FileState::Text { .. } => None,
            },
        }
    }

    fn facts(&self) -> Option<&FileFacts> {
        match &self.source {
            Source::File(facts) => Some(facts),
            Source::Missing(_) => None,
        }
    }

    fn state(&self) -> Option<&FileState> {
        self.facts().map(|facts| &facts.state)
    }
}
