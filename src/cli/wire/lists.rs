//! Drift, baseline, artifacts, events and delivery.

use serde::Deserialize;
use serde_json::Value;

/// GET `/api/dossier/drift`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// Directory name.
    pub feature_slug: String,
    /// How it stands to its baseline.
    pub parity_status: String,
    /// How much it matters.
    pub severity: Option<String>,
    /// The accepted parity hash.
    pub expected_hash: Option<String>,
    /// The current one.
    pub actual_hash: String,
    /// New.
    pub added: Vec<String>,
    /// Gone.
    pub removed: Vec<String>,
    /// With other contents.
    pub changed: Vec<String>,
    /// Under other names.
    pub moved: Vec<Move>,
    /// Are the names known?
    pub names_known: bool,
    /// What could not be done, or what to do.
    pub message: Option<String>,
    /// When the baseline was captured.
    pub baseline_captured_at: Option<String>,
}

/// One artifact under another name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Move {
    /// Then.
    pub from: String,
    /// Now.
    pub to: String,
}

/// `/api/dossier/baseline`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BaselineDocument {
    /// Directory name.
    pub feature_slug: String,
    /// How it stands to its baseline.
    pub parity_status: String,
    /// The baseline.
    pub baseline: Option<BaselineFile>,
    /// Components of the context that differ.
    pub rejected_components: Vec<String>,
}

/// A baseline.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BaselineFile {
    /// What was accepted.
    pub parity_hash_sha256: String,
    /// When.
    pub captured_at: String,
    /// By whom.
    pub captured_by: String,
    /// The branch that was checked out.
    pub checkout_branch: Option<String>,
    /// The commit that was checked out.
    pub git_sha: Option<String>,
    /// What the person said.
    pub note: Option<String>,
    /// What was accepted, by name.
    pub artifacts: Option<Vec<Value>>,
}

/// DELETE `/api/dossier/baseline`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Cleared {
    /// Was there one?
    pub cleared: bool,
}

/// GET `/api/dossier/artifacts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Artifacts {
    /// All rows.
    pub total_count: u64,
    /// Those that pass the filters.
    pub filtered_count: u64,
    /// One page of them.
    pub artifacts: Vec<Artifact>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// Which state of the feature this is of.
    pub generation: u64,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Unique in the feature.
    pub artifact_key: String,
    /// What it is for.
    pub artifact_class: String,
    /// Where it lies.
    pub relative_path: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Work package.
    pub wp_id: Option<String>,
    /// `required` or `optional`.
    pub required_status: String,
    /// Is it there?
    pub is_present: bool,
    /// Why not.
    pub error_reason: Option<String>,
    /// Which rule decided its class.
    pub classified_by: String,
}

/// GET `/api/dossier/artifacts?ignored=true`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Ignored {
    /// What is not indexed.
    pub ignored: Vec<IgnoredEntry>,
}

/// A file or directory that is not indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IgnoredEntry {
    /// Where it lies.
    pub path: String,
    /// Which rule ignores it.
    pub reason: String,
}

/// GET `/api/dossier/artifacts/{artifact_key}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ShownArtifact {
    /// Unique in the feature.
    pub artifact_key: String,
    /// What it is for.
    pub artifact_class: String,
    /// Where it lies.
    pub relative_path: String,
    /// Work package.
    pub wp_id: Option<String>,
    /// The step that asks for it.
    pub step_id: Option<String>,
    /// `required` or `optional`.
    pub required_status: String,
    /// Which rule decided its class.
    pub classified_by: String,
    /// Of its bytes, when it was indexed.
    pub content_hash_sha256: Option<String>,
    /// The text; null when it is too large.
    pub content: Option<String>,
    /// Is there more than that?
    pub content_truncated: bool,
    /// What to know about that.
    pub truncation_notice: Option<String>,
    /// Why there is no text, where that is no matter of size.
    pub content_error: Option<String>,
    /// Has the file moved on since it was indexed?
    pub stale: bool,
}

/// GET `/api/dossier/events`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Events {
    /// In the order of the log.
    pub events: Vec<Value>,
    /// Where the next page begins.
    pub next_since: Option<String>,
    /// Is there a next page?
    pub more: bool,
    /// Lines of the log that are no events, and are passed over.
    pub damaged_lines: u64,
}

/// GET `/api/sync/status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// Is anything configured?
    pub configured: bool,
    /// Where events go.
    pub sinks: Vec<Sink>,
    /// Is delivery paused?
    pub paused: bool,
    /// Not delivered yet. No count is known before the first scans have ended.
    pub pending: Option<u64>,
    /// Delivered.
    pub delivered: Option<u64>,
    /// Known there already.
    pub duplicate: Option<u64>,
    /// Refused.
    pub rejected: Option<u64>,
    /// Age of the oldest pending event in seconds.
    pub oldest_pending_age_seconds: Option<f64>,
}

/// A sink of `/api/sync/status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Sink {
    /// `webhook` or `nats`.
    pub name: String,
    /// Scheme, host and port of the other side.
    pub target: String,
    /// `starting`, `idle`, `sending`, `waiting` or `paused`.
    pub state: String,
    /// Why it waits, is paused, or does nothing yet.
    pub reason: Option<String>,
    /// When it tries again.
    pub next_attempt_at: Option<String>,
    /// Not delivered yet. No count is known before the first scans have ended.
    pub pending: Option<u64>,
    /// Delivered.
    pub delivered: Option<u64>,
    /// Known there already.
    pub duplicate: Option<u64>,
    /// Refused.
    pub rejected: Option<u64>,
    /// Age of the oldest pending event in seconds.
    pub oldest_pending_age_seconds: Option<f64>,
    /// What cannot be read or written here.
    pub fault: Option<String>,
}

/// GET `/api/sync/dead-letters`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeadLetters {
    /// How many there are, if that is known.
    pub total: Option<u64>,
    /// The oldest of them.
    pub dead_letters: Vec<DeadLetter>,
}

/// A refused event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    /// The sink that could not deliver it.
    pub sink: String,
    /// ULID.
    pub event_id: String,
    /// Why it was refused.
    pub reason: String,
    /// When it was refused last.
    pub rejected_at: String,
    /// How often it was sent.
    pub attempts: u64,
    /// The event.
    pub event: Value,
}

/// POST `/api/sync/retry`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Retried {
    /// Events that are sent again.
    pub retrying: u64,
}
