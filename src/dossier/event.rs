//! The four canonical event types and their envelope.
//!
//! Source of the format: the public contract of the package `spec-kitty-events` 11.0.0
//! (envelope 3.0.0). Its forbidden keys (`feature_slug`, `feature_number`, `mission_key`,
//! `legacy_aggregate_id`) have no field here, and free text goes into values only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArtifactClass, Digest, Timestamp};

/// Version of the envelope.
pub const ENVELOPE_SCHEMA_VERSION: &str = "3.0.0";

/// The aggregate that all events of a mission belong to.
pub const AGGREGATE_TYPE: &str = "MissionDossier";

/// The four types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    /// An artifact was indexed: it is new, changed, or named by a full scan.
    #[serde(rename = "MissionDossierArtifactIndexed")]
    ArtifactIndexed,
    /// A blocking required artifact became missing or unreadable.
    #[serde(rename = "MissionDossierArtifactMissing")]
    ArtifactMissing,
    /// A snapshot was computed.
    #[serde(rename = "MissionDossierSnapshotComputed")]
    SnapshotComputed,
    /// The snapshot differs from the baseline.
    #[serde(rename = "MissionDossierParityDriftDetected")]
    ParityDriftDetected,
}

impl EventType {
    /// All types.
    pub const ALL: [EventType; 4] = [
        Self::ArtifactIndexed,
        Self::ArtifactMissing,
        Self::SnapshotComputed,
        Self::ParityDriftDetected,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArtifactIndexed => "MissionDossierArtifactIndexed",
            Self::ArtifactMissing => "MissionDossierArtifactMissing",
            Self::SnapshotComputed => "MissionDossierSnapshotComputed",
            Self::ParityDriftDetected => "MissionDossierParityDriftDetected",
        }
    }

    /// The type of this name; the prefix `MissionDossier` may be left out, case does not
    /// matter, and `drift`, `missing`, `indexed`, `snapshot` are understood, for people.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        Self::ALL.into_iter().find(|event_type| {
            let full = event_type.as_str().to_ascii_lowercase();
            let bare = full.trim_start_matches("missiondossier").to_owned();
            let word = match event_type {
                Self::ArtifactIndexed => "indexed",
                Self::ArtifactMissing => "missing",
                Self::SnapshotComputed => "snapshot",
                Self::ParityDriftDetected => "drift",
            };
            text == full || text == bare || text == word
        })
    }
}

/// The context that all events of a log share, but for `step_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// UUID of the project.
    pub project_uuid: String,
    /// The feature's directory name.
    pub mission_slug: String,
    /// The branch the mission is meant for.
    pub target_branch: String,
    /// Type of the mission, `unknown` if it is.
    pub mission_type: String,
    /// Version of the manifest, `unknown` without one.
    pub manifest_version: String,
    /// The current step.
    pub step_id: Option<String>,
}

impl Namespace {
    /// Is it the same stream of events? The step may differ.
    pub fn is_same_stream(&self, other: &Namespace) -> bool {
        Self { step_id: None, ..self.clone() } == Self { step_id: None, ..other.clone() }
    }
}

/// Identity of an artifact in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactIdentity {
    /// Type of the mission.
    pub mission_type: String,
    /// Path relative to the project root, as shown.
    pub path: String,
    /// What it is for.
    pub artifact_class: ArtifactClass,
    /// Work package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp_id: Option<String>,
}

/// What an artifact's bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRef {
    /// SHA-256.
    pub hash: Digest,
    /// Always `sha256`.
    pub algorithm: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Always `utf-8`: nothing else is present.
    pub encoding: String,
}

/// Where contents come from, as far as the contract has fields for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenanceRef {
    /// The checked-out commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_sha: Option<String>,
    /// The checked-out ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
}

/// Free strings for diagnosis.
pub type Diagnostics = BTreeMap<String, String>;

/// Payload of [`EventType::ArtifactIndexed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactIndexed {
    /// The stream.
    pub namespace: Namespace,
    /// Which artifact.
    pub artifact_id: ArtifactIdentity,
    /// Its contents.
    pub content_ref: ContentRef,
    /// When.
    pub indexed_at: Timestamp,
    /// The step it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// Where the contents come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceRef>,
    /// What it was called before a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ArtifactIdentity>,
    /// `artifact_key`, `required_status`, `relative_path`, `classified_by`.
    pub context_diagnostics: Diagnostics,
}

/// Payload of [`EventType::ArtifactMissing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactMissing {
    /// The stream.
    pub namespace: Namespace,
    /// What should be there.
    pub expected_identity: ArtifactIdentity,
    /// `required_always` or the step that asks for it.
    pub manifest_step: String,
    /// When.
    pub checked_at: Timestamp,
    /// Where it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_ref: Option<ProvenanceRef>,
    /// What to do.
    pub remediation_hint: String,
    /// `artifact_key`, `reason_code`, `reason_detail`, `blocking`.
    pub context_diagnostics: Diagnostics,
}

/// Payload of [`EventType::SnapshotComputed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotComputed {
    /// The stream.
    pub namespace: Namespace,
    /// The parity hash.
    pub snapshot_hash: Digest,
    /// Present artifacts.
    pub artifact_count: usize,
    /// Anomalies.
    pub anomaly_count: usize,
    /// When.
    pub computed_at: Timestamp,
    /// Always `sha256`.
    pub algorithm: String,
    /// Counts and statuses, `scan_kind`, `removed_paths`.
    pub context_diagnostics: Diagnostics,
}

impl SnapshotComputed {
    /// Can a drift that was reported before still stand?
    pub(super) fn leaves_drift_open(&self) -> bool {
        let status = self.context_diagnostics.get("parity_status").map(String::as_str);
        matches!(status, Some("drifted" | "moved" | "baseline_rejected"))
    }
}

/// Payload of [`EventType::ParityDriftDetected`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityDriftDetected {
    /// The stream.
    pub namespace: Namespace,
    /// The accepted parity hash.
    pub expected_hash: Digest,
    /// The current one.
    pub actual_hash: Digest,
    /// `artifact_added`, `artifact_removed`, `artifact_mutated`, `anomaly_introduced`,
    /// `anomaly_resolved` or `manifest_version_changed`.
    pub drift_kind: String,
    /// When.
    pub detected_at: Timestamp,
    /// The artifacts that differ and are present now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_ids_changed: Option<Vec<ArtifactIdentity>>,
    /// What to do.
    pub rebuild_hint: String,
    /// Severity and names.
    pub context_diagnostics: Diagnostics,
}

/// A payload of any type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Payload {
    /// See there.
    ArtifactIndexed(Box<ArtifactIndexed>),
    /// See there.
    ArtifactMissing(Box<ArtifactMissing>),
    /// See there.
    SnapshotComputed(Box<SnapshotComputed>),
    /// See there.
    ParityDriftDetected(Box<ParityDriftDetected>),
}

impl Payload {
    /// The type of event that carries it.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::ArtifactIndexed(_) => EventType::ArtifactIndexed,
            Self::ArtifactMissing(_) => EventType::ArtifactMissing,
            Self::SnapshotComputed(_) => EventType::SnapshotComputed,
            Self::ParityDriftDetected(_) => EventType::ParityDriftDetected,
        }
    }

    /// The stream it belongs to.
    pub fn namespace(&self) -> &Namespace {
        match self {
            Self::ArtifactIndexed(p) => &p.namespace,
            Self::ArtifactMissing(p) => &p.namespace,
            Self::SnapshotComputed(p) => &p.namespace,
            Self::ParityDriftDetected(p) => &p.namespace,
        }
    }

    /// Reads the payload of an event of this type.
    pub fn parse(event_type: EventType, value: serde_json::Value) -> serde_json::Result<Self> {
        Ok(match event_type {
            EventType::ArtifactIndexed => Self::ArtifactIndexed(serde_json::from_value(value)?),
            EventType::ArtifactMissing => Self::ArtifactMissing(serde_json::from_value(value)?),
            EventType::SnapshotComputed => Self::SnapshotComputed(serde_json::from_value(value)?),
            EventType::ParityDriftDetected => {
                Self::ParityDriftDetected(serde_json::from_value(value)?)
            }
        })
    }
}

/// Who writes events, for the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitter {
    /// UUID of the project.
    pub project_uuid: String,
    /// Its slug.
    pub project_slug: String,
    /// Identity of the checkout.
    pub build_id: String,
    /// Identity of the machine and user.
    pub node_id: String,
}

/// One event, as a line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// ULID, monotonic.
    pub event_id: String,
    /// One of four.
    pub event_type: EventType,
    /// The mission slug.
    pub aggregate_id: String,
    /// [`AGGREGATE_TYPE`].
    pub aggregate_type: String,
    /// What happened.
    pub payload: Payload,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The checkout.
    pub build_id: String,
    /// The emitter.
    pub node_id: String,
    /// Per node, never goes back.
    pub lamport_clock: u64,
    /// The event that led to this one.
    pub causation_id: Option<String>,
    /// ULID of the scan.
    pub correlation_id: String,
    /// UUID of the project.
    pub project_uuid: String,
    /// Its slug.
    pub project_slug: String,
    /// [`ENVELOPE_SCHEMA_VERSION`].
    pub schema_version: String,
    /// 0: local.
    pub data_tier: u8,
}

impl Event {
    /// One line of the log, with its newline.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.write_line(&mut line);
        line
    }

    /// Puts the line at the end of others.
    pub fn write_line(&self, lines: &mut Vec<u8>) {
        serde_json::to_writer(&mut *lines, self)
            .expect("an event has only strings, numbers and lists, which always serialise");
        lines.push(b'\n');
    }
}

/// An event as it is read back, before its payload is understood.
#[derive(Debug, Clone, Deserialize)]
pub struct RawEvent {
    /// ULID.
    pub event_id: String,
    /// One of four, for our logs.
    pub event_type: EventType,
    /// The mission slug.
    pub aggregate_id: String,
    /// Not yet understood.
    pub payload: serde_json::Value,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The emitter.
    pub node_id: String,
    /// Per node.
    pub lamport_clock: u64,
    /// The event that led to this one.
    pub causation_id: Option<String>,
    /// ULID of the scan.
    pub correlation_id: String,
    /// UUID of the project.
    pub project_uuid: String,
    /// Version of the envelope.
    pub schema_version: String,
}

impl RawEvent {
    /// Is the envelope of a later version, so that its members may mean something else?
    /// Versions are semantic: what the first number shares is understood.
    pub fn is_newer(&self) -> bool {
        let major = |version: &str| version.split('.').next().and_then(|text| text.parse().ok());
        let known: Option<u64> = major(ENVELOPE_SCHEMA_VERSION);
        major(&self.schema_version) > known
    }
}
