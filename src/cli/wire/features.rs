//! What is registered, and how the daemon is.

use serde::Deserialize;

use super::Watch;
use crate::dossier::LosslessPath;

/// GET `/api/features`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Features {
    /// What was registered.
    pub roots: Vec<Root>,
    /// All features whose first scan has ended.
    pub features: Vec<FeatureRow>,
    /// The others; older daemons do not list them.
    pub pending: Vec<PendingRow>,
    /// How the daemon is.
    pub health: Health,
}

/// One registered root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Opaque.
    pub id: String,
    /// `project` or `feature`.
    pub kind: String,
    /// How well it is watched.
    pub watch: Watch,
    /// Since when.
    pub added_at: String,
    /// How many features it has.
    pub features: u64,
    /// Where it lies.
    pub path: Option<LosslessPath>,
}

/// One feature in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FeatureRow {
    /// Opaque.
    pub id: String,
    /// Directory name.
    pub slug: String,
    /// The root it came with.
    pub root_id: String,
    /// Its project.
    pub project_slug: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Type of the mission.
    pub mission_type: Option<String>,
    /// The current step.
    pub current_step: Option<String>,
    /// `complete`, `incomplete`, `unknown`.
    pub completeness_status: String,
    /// How it stands to its baseline.
    pub parity_status: String,
    /// How much the drift matters.
    pub severity: Option<String>,
    /// Blocking required artifacts that are missing.
    pub missing_required_count: u64,
    /// All rows.
    pub artifact_total: u64,
    /// Rows that only the default rule classified.
    pub unrecognised: u64,
    /// What a person should look at.
    pub anomaly_count: u64,
    /// How well it is watched.
    pub watch: Watch,
    /// When the last scan ended.
    pub last_scanned_at: Option<String>,
    /// Where it lies.
    pub dir: Option<LosslessPath>,
}

/// A feature that is known by name alone: its first scan has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PendingRow {
    /// Opaque.
    pub id: String,
    /// Directory name.
    pub slug: String,
    /// The root it came with.
    pub root_id: String,
    /// Where it lies.
    pub dir: Option<LosslessPath>,
}

/// The daemon's own state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Have all first scans ended?
    pub ready: bool,
    /// Features whose first scan has not ended.
    pub features_pending: u64,
    /// Times that events were lost.
    pub overflows: u64,
    /// Differences that only a periodic rescan found.
    pub missed_events: u64,
    /// Scans run.
    pub scans: u64,
    /// Fresh reads that ran out of time.
    pub fresh_timeouts: u64,
    /// Who tells of changes; older daemons do not say.
    pub watch_backend: Option<String>,
    /// Why nothing can be watched.
    pub watch_fault: Option<String>,
    /// What the daemon lives with.
    pub warnings: Vec<String>,
    /// The same with what they are about; older daemons do not say.
    pub warning_details: Vec<WarningDetail>,
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Since when it runs.
    pub started_at: Option<String>,
}

/// A warning, and what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WarningDetail {
    /// What mends it follows from this.
    pub kind: String,
    /// A sentence.
    pub message: String,
    /// The file that it is about.
    pub file: Option<String>,
}

/// GET `/api/status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Address of the HTTP API.
    pub http: Option<String>,
    /// `token` or `none`.
    pub tcp_auth: Option<String>,
    /// Have all first scans ended?
    pub ready: bool,
    /// What the daemon lives with.
    pub warnings: Vec<String>,
}

/// POST `/api/features`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Registered {
    /// The root.
    pub root: Root,
    /// Its features.
    pub features: Vec<FeatureRow>,
    /// Was it registered already?
    pub already: bool,
}

/// DELETE `/api/features`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// What was unregistered.
    pub removed: Root,
}
