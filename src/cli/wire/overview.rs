//! One feature in full.

use serde::Deserialize;

/// GET `/api/dossier/overview`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Overview {
    /// Directory name.
    pub feature_slug: String,
    /// Opaque.
    pub feature_id: String,
    /// Its project.
    pub project_slug: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Of everything up to the current step.
    pub completeness_status: String,
    /// Of the current step alone.
    pub step_status: String,
    /// Over contents.
    pub parity_hash_sha256: String,
    /// Over names and contents.
    pub tree_hash: String,
    /// Type of the mission.
    pub mission_type: Option<String>,
    /// Version of its manifest.
    pub manifest_version: Option<String>,
    /// The current step.
    pub current_step: Option<String>,
    /// How it was found.
    pub step_source: String,
    /// Rows.
    pub artifact_counts: Counts,
    /// Blocking required artifacts that are missing.
    pub missing_required_count: u64,
    /// All that is missing.
    pub missing: Vec<Missing>,
    /// The matrix.
    pub steps: Vec<Step>,
    /// How it stands to its baseline.
    pub parity_status: String,
    /// What differs, in numbers.
    pub drift: DriftSummary,
    /// The accepted baseline.
    pub baseline: Option<BaselineSummary>,
    /// Rows that only the default rule classified.
    pub unrecognised: u64,
    /// What is not indexed.
    pub ignored: u64,
    /// What a person should look at.
    pub anomalies: Vec<Anomaly>,
    /// How well it is watched.
    pub watch: Watch,
    /// Its durable files.
    pub store: Store,
    /// When the last scan ended.
    pub last_scanned_at: Option<String>,
    /// Where it lies.
    pub dir: Option<crate::dossier::LosslessPath>,
}

/// Rows by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Required ones.
    pub required: u64,
    /// Required and present.
    pub required_present: u64,
    /// Required and not.
    pub required_missing: u64,
    /// Others.
    pub optional: u64,
    /// Others that are present.
    pub optional_present: u64,
}

/// One required artifact that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Missing {
    /// Key of the manifest entry.
    pub artifact_key: String,
    /// The path patterns that would meet the entry.
    pub path_patterns: Vec<String>,
    /// The file that is there but does not count.
    pub relative_path: Option<String>,
    /// Which step asks for it.
    pub manifest_step: String,
    /// Why it is missing.
    pub reason_code: String,
    /// More, for people.
    pub reason_detail: Option<String>,
    /// Does it keep the mission from being complete?
    pub blocking: bool,
    /// What to do.
    pub remediation_hint: String,
}

/// One step of the mission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Its name.
    pub step_id: String,
    /// Is it the current one?
    pub current: bool,
    /// Keys of its required entries.
    pub required: Vec<String>,
    /// Those that are met.
    pub present: Vec<String>,
    /// Are all blocking ones met?
    pub status: String,
}

/// Drift in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DriftSummary {
    /// How much it matters.
    pub severity: Option<String>,
    /// New artifacts.
    pub added: u64,
    /// Artifacts that are gone.
    pub removed: u64,
    /// Artifacts with other contents.
    pub changed: u64,
    /// Artifacts under other names.
    pub moved: u64,
    /// Are the names known?
    pub names_known: bool,
    /// What could not be done, or what to do.
    pub message: Option<String>,
}

/// The baseline in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BaselineSummary {
    /// When.
    pub captured_at: String,
    /// By whom.
    pub captured_by: String,
    /// What the person said.
    pub note: Option<String>,
    /// The branch that was checked out.
    pub checkout_branch: Option<String>,
    /// Does it count in the current context?
    pub accepted: bool,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Anomaly {
    /// Stable.
    pub code: String,
    /// How much it matters.
    pub severity: String,
    /// Where.
    pub relative_path: Option<String>,
    /// What happened and what to do.
    pub message: String,
}

/// How well something is watched; a bare state is understood too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "WatchForm")]
pub struct Watch {
    /// `starting`, `live`, `rescanning`, `partial`, `polling`, `detached`.
    pub state: String,
    /// Why it is not live, and what to do.
    pub reason: Option<String>,
    /// Directories that are polled.
    pub unwatched: Option<u64>,
    /// Since when it is gone.
    pub since: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WatchForm {
    State(String),
    Full { state: String, reason: Option<String>, unwatched: Option<u64>, since: Option<String> },
}

impl From<WatchForm> for Watch {
    fn from(form: WatchForm) -> Self {
        match form {
            WatchForm::State(state) => Self { state, ..Self::default() },
            WatchForm::Full { state, reason, unwatched, since } => {
                Self { state, reason, unwatched, since }
            }
        }
    }
}

/// Where durable files are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Store {
    /// `project` or `state`.
    pub location: String,
    /// Why not in the project.
    pub fallback_reason: Option<String>,
    /// Why nothing can be written at the moment.
    pub failing: Option<String>,
    /// `later-version`, if the log is of a later dossierd; `same-name`, `hard-link`, `identity`.
    pub failing_code: Option<String>,
    /// Bytes of a torn last line that were cut off at the start.
    pub repaired_bytes: u64,
}
