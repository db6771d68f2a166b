//! Snapshots: the published form of a dossier, as `snapshot-latest.json`, `scan --json`
//! and the export give it.

use serde::Serialize;

use super::anomaly::Anomaly;
use super::artifact::{Artifact, RequiredStatus};
use super::completeness::{CompletenessStatus, Missing, StepReport};
use super::parity::TreeHash;
use super::record::{Provenance, StepSource};
use super::{ArtifactClass, Digest, Dossier, ErrorReason, Timestamp};

/// Version of the snapshot format.
pub const SNAPSHOT_SCHEMA_VERSION: u32 = 1;

/// Provenance of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactProvenance<'a> {
    /// `git` or `manual`.
    pub source_kind: &'static str,
    /// The checked-out commit.
    pub git_sha: Option<&'a str>,
    /// The checked-out ref.
    pub git_ref: Option<&'a str>,
}

/// One row of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactSummary<'a> {
    /// Unique in the snapshot.
    pub artifact_key: &'a str,
    /// What it is for.
    pub artifact_class: ArtifactClass,
    /// Where it lies; for a missing one the path pattern that would meet its entry.
    pub relative_path: std::borrow::Cow<'a, str>,
    /// SHA-256 of its bytes; null unless present.
    pub content_hash_sha256: Option<Digest>,
    /// SHA-256 of bytes that are not valid UTF-8; null otherwise.
    pub raw_hash_sha256: Option<Digest>,
    /// Bytes.
    pub size_bytes: u64,
    /// Work package.
    pub wp_id: Option<&'a str>,
    /// Mission step.
    pub step_id: Option<&'a str>,
    /// Whether the manifest asks for it.
    pub required_status: RequiredStatus,
    /// Is it there, readable and valid UTF-8?
    pub is_present: bool,
    /// Reason code when it is not.
    pub error_reason: Option<ErrorReason>,
    /// More on the reason.
    pub error_detail: Option<&'a str>,
    /// Which rule decided the class.
    pub classified_by: String,
    /// When this state was established.
    pub indexed_at: Option<Timestamp>,
    /// Where the contents come from.
    pub provenance: Option<ArtifactProvenance<'a>>,
}

impl<'a> ArtifactSummary<'a> {
    /// The wire form of a row.
    pub fn new(row: &'a Artifact, provenance: &'a Provenance) -> Self {
        Self {
            artifact_key: &row.key,
            artifact_class: row.class,
            relative_path: row.location.shown(),
            content_hash_sha256: row.content_hash(),
            raw_hash_sha256: row.raw_hash(),
            size_bytes: row.size_bytes(),
            wp_id: row.wp_id.as_deref(),
            step_id: row.step_id.as_deref(),
            required_status: row.required_status,
            is_present: row.is_present(),
            error_reason: row.error_reason(),
            error_detail: row.error_detail(),
            classified_by: row.classified_by.to_string(),
            indexed_at: row.indexed_at(),
            provenance: row.is_present().then_some(ArtifactProvenance {
                source_kind: provenance.source_kind,
                git_sha: provenance.git_sha.as_deref(),
                git_ref: provenance.git_ref.as_deref(),
            }),
        }
    }
}

/// All rows of a dossier, by key: made one by one while they are serialised.
#[derive(Debug, Clone)]
pub struct ArtifactSummaries<'a>(&'a Dossier);

impl Serialize for ArtifactSummaries<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.artifacts.iter();
        serializer.collect_seq(rows.map(|row| ArtifactSummary::new(row, &self.0.provenance)))
    }
}

/// A snapshot, ready to be serialised. Two snapshots of the same content differ in
/// `snapshot_id`, `computed_at` and `indexed_at` only.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot<'a> {
    /// The feature's directory name.
    pub feature_slug: &'a str,
    /// UUID of this snapshot.
    pub snapshot_id: &'a str,
    /// Rows: present, unreadable and missing.
    pub total_artifacts: usize,
    /// Required rows.
    pub required_artifacts: usize,
    /// Required rows that are present.
    pub required_present: usize,
    /// Required rows that are not.
    pub required_missing: usize,
    /// Other rows.
    pub optional_artifacts: usize,
    /// Other rows that are present.
    pub optional_present: usize,
    /// At the current step.
    pub completeness_status: CompletenessStatus,
    /// Of the current step alone.
    pub step_status: CompletenessStatus,
    /// All that is missing, with reasons.
    pub missing: &'a [Missing],
    /// Over contents.
    pub parity_hash_sha256: Digest,
    /// What the parity hash covers: sorted content hashes.
    pub parity_hash_components: Vec<Digest>,
    /// Over names and contents.
    pub tree_hash: TreeHash,
    /// Type of the mission.
    pub mission_type: Option<&'a str>,
    /// Version of its manifest.
    pub manifest_version: Option<&'a str>,
    /// The current step.
    pub current_step: Option<&'a str>,
    /// How it was found.
    pub step_source: StepSource,
    /// The matrix.
    pub steps: &'a [StepReport],
    /// Rows by key.
    pub artifact_summaries: Option<ArtifactSummaries<'a>>,
    /// Rows that only the default rule classified.
    pub unrecognised: usize,
    /// Files and directories that are not indexed.
    pub ignored: usize,
    /// What a person should look at.
    pub anomalies: &'a [Anomaly],
    /// When it was computed.
    pub computed_at: Timestamp,
    /// [`SNAPSHOT_SCHEMA_VERSION`].
    pub schema_version: u32,
}

impl<'a> Snapshot<'a> {
    /// The snapshot of a dossier.
    pub fn new(dossier: &'a Dossier, snapshot_id: &'a str, computed_at: Timestamp) -> Self {
        Self {
            parity_hash_components: dossier.parity_components(),
            artifact_summaries: Some(ArtifactSummaries(dossier)),
            ..Self::without_rows(dossier, snapshot_id, computed_at)
        }
    }

    fn without_rows(dossier: &'a Dossier, snapshot_id: &'a str, computed_at: Timestamp) -> Self {
        Self {
            feature_slug: &dossier.feature_slug,
            snapshot_id,
            total_artifacts: dossier.counts.total,
            required_artifacts: dossier.counts.required,
            required_present: dossier.counts.required_present,
            required_missing: dossier.counts.required_missing,
            optional_artifacts: dossier.counts.optional,
            optional_present: dossier.counts.optional_present,
            completeness_status: dossier.completeness_status,
            step_status: dossier.step_status,
            missing: &dossier.missing,
            parity_hash_sha256: dossier.parity_hash,
            parity_hash_components: Vec::new(),
            tree_hash: dossier.tree_hash,
            mission_type: dossier.mission_type.as_deref(),
            manifest_version: dossier.definition.as_ref().map(|d| d.manifest.manifest_version()),
            current_step: dossier.current_step.as_deref(),
            step_source: dossier.step_source,
            steps: &dossier.steps,
            artifact_summaries: None,
            unrecognised: dossier.unrecognised,
            ignored: dossier.ignored,
            anomalies: &dossier.anomalies,
            computed_at,
            schema_version: SNAPSHOT_SCHEMA_VERSION,
        }
    }

    /// SHA-256 over all that snapshots of these rows can differ in, if they are not the same
    /// snapshot: everything but the rows, ids and times.
    pub fn frame(dossier: &'a Dossier) -> Digest {
        let bare = Self::without_rows(dossier, "", Timestamp::from_micros(0));
        let bytes = serde_json::to_vec(&(bare, dossier.provenance.as_ref()))
            .expect("a snapshot has only strings, numbers and lists, which always serialise");
        Digest::sha256(&bytes)
    }

    /// The JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self)
            .expect("a snapshot has only strings, numbers and lists, which always serialise");
        bytes.push(b'\n');
        bytes
    }
}
