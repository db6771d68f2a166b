//! The dossier of one feature: immutable, with everything the manifest says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::anomaly::Anomaly;
use super::artifact::Artifact;
use super::chunked::{Chunked, Row};
use super::completeness::{CompletenessStatus, Missing, StepReport};
use super::definition::MissionDefinition;
use super::parity::TreeHash;
use super::{Digest, FileFacts, RelPath};

/// A listed file: its path, the facts it was read as, and the row made from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Where it lies in the feature.
    pub path: RelPath,
    /// What reading it gave.
    pub facts: Arc<FileFacts>,
    /// What the dossier says of it.
    pub artifact: Arc<Artifact>,
}

impl FileRow {
    /// SHA-256 of its contents, if it is present.
    pub fn content_hash(&self) -> Option<Digest> {
        self.facts.content_hash()
    }
}

impl Row for FileRow {
    type Key = RelPath;

    fn key(&self) -> &RelPath {
        &self.path
    }

    fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.artifact, &other.artifact)
    }
}

impl Row for Arc<Artifact> {
    type Key = str;

    fn key(&self) -> &str {
        &self.key
    }

    fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }
}

/// Where a file's contents come from, as far as the checkout tells.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// `git` in a checkout, else `manual`.
    pub source_kind: &'static str,
    /// The checked-out commit.
    pub git_sha: Option<String>,
    /// The checked-out ref (`refs/heads/main`).
    pub git_ref: Option<String>,
}

/// How the current step was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepSource {
    /// Set at registration, or through the API or the command line.
    Explicit,
    /// `meta.json` says so.
    Meta,
    /// From what is on disk.
    Inferred,
    /// Not found.
    Unknown,
}

impl StepSource {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Meta => "meta",
            Self::Inferred => "inferred",
            Self::Unknown => "unknown",
        }
    }
}

/// Rows by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// All rows: present, unreadable and missing.
    pub total: usize,
    /// Rows that a required entry asks for.
    pub required: usize,
    /// Those that are present.
    pub required_present: usize,
    /// Those that are not.
    pub required_missing: usize,
    /// All other rows.
    pub optional: usize,
    /// Those that are present.
    pub optional_present: usize,
}

/// All artifacts of one feature, plus what the manifest says of them. Immutable.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The feature's directory name, as shown.
    pub feature_slug: String,
    /// `None` when nothing says what type of mission it is.
    pub mission_type: Option<String>,
    /// The mission in force; `None` for an unknown type.
    pub definition: Option<Arc<MissionDefinition>>,
    /// The current step's name, also one that the mission does not have.
    pub current_step: Option<String>,
    /// How it was found.
    pub step_source: StepSource,
    /// Rows by key.
    pub artifacts: Chunked<Arc<Artifact>>,
    /// Rows of files, by path, with the facts they were made from.
    pub rows: Chunked<FileRow>,
    /// Those of them that a person should look at: unreadable, or not understood.
    pub noted: Arc<BTreeMap<RelPath, FileRow>>,
    /// Of everything up to the current step.
    pub completeness_status: CompletenessStatus,
    /// Of the current step alone.
    pub step_status: CompletenessStatus,
    /// All that is missing.
    pub missing: Vec<Missing>,
    /// The matrix.
    pub steps: Vec<StepReport>,
    /// Rows by kind.
    pub counts: Counts,
    /// Rows that only the default rule classified.
    pub unrecognised: usize,
    /// Files and directories that are not indexed.
    pub ignored: usize,
    /// What a person should look at.
    pub anomalies: Vec<Anomaly>,
    /// Over contents.
    pub parity_hash: Digest,
    /// Over names and contents.
    pub tree_hash: TreeHash,
    /// Where the contents come from.
    pub provenance: Arc<Provenance>,
    /// `target_branch` of meta.json.
    pub target_branch: Option<String>,
}

impl Dossier {
    /// Present artifacts, by path.
    pub fn present(&self) -> impl Iterator<Item = (&RelPath, Digest)> {
        self.rows.iter().filter_map(|row| Some((&row.path, row.content_hash()?)))
    }

    /// How many blocking required artifacts are missing at the current step.
    pub fn missing_required(&self) -> usize {
        self.missing.iter().filter(|m| m.blocking).count()
    }

    /// How many artifacts are present.
    pub fn present_count(&self) -> usize {
        self.counts.required_present + self.counts.optional_present
    }

    /// Why the dossier may lack artifacts that are there, if so: a directory that cannot be
    /// listed, or a limit.
    pub fn unseen(&self) -> Option<&str> {
        let hides =
            |a: &&Anomaly| matches!(a.code.as_str(), "unreadable-directory" | "limit-exceeded");
        self.anomalies.iter().find(hides).map(|anomaly| anomaly.message.as_str())
    }

    /// The sorted content hashes that the parity hash covers.
    pub fn parity_components(&self) -> Vec<Digest> {
        let mut components: Vec<Digest> = self.present().map(|(_, digest)| digest).collect();
        components.sort_unstable();
        components
    }

    /// The row with this key.
    pub fn artifact(&self, key: &str) -> Option<&Arc<Artifact>> {
        self.artifacts.get(key)
    }

    /// The manifest's version, or `unknown` without a manifest.
    pub fn manifest_version(&self) -> &str {
        self.definition.as_ref().map_or("unknown", |d| d.manifest.manifest_version())
    }

    /// The mission's type, or `unknown`.
    pub fn mission_type_or_unknown(&self) -> &str {
        self.mission_type.as_deref().unwrap_or("unknown")
    }
}
