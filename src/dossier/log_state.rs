//! What an event log says, folded: the catalogue, what is missing, the last drift.
//!
//! The log is the durable truth. After a restart the next scan is compared with this
//! state, so that only what really changed is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Digest;
use super::event::{
    ArtifactIdentity, ArtifactIndexed, ArtifactMissing, Namespace, ParityDriftDetected, Payload,
    SnapshotComputed,
};

/// One artifact as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// SHA-256 of its contents.
    pub hash: Digest,
    /// Its identity, with the path relative to the project root.
    pub identity: ArtifactIdentity,
    /// The step it belongs to.
    pub step_id: Option<String>,
    /// Its key.
    pub artifact_key: String,
    /// `required` or `optional`.
    pub required_status: String,
}

/// The parts of a snapshot event by which a change is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMark {
    /// The parity hash.
    pub snapshot_hash: Digest,
    /// Present artifacts.
    pub artifact_count: usize,
    /// Anomalies.
    pub anomaly_count: usize,
    /// The diagnostics named by [`MARKED_DIAGNOSTICS`].
    pub diagnostics: BTreeMap<String, String>,
}

/// Diagnostics of a snapshot whose change alone is worth an event.
pub const MARKED_DIAGNOSTICS: [&str; 6] = [
    "completeness_status",
    "tree_hash",
    "parity_status",
    "current_step",
    "missing_keys",
    "unreadable_hash",
];

impl SnapshotMark {
    /// The mark of a snapshot event.
    pub fn of(payload: &SnapshotComputed) -> Self {
        let marked = |name: &&str| {
            let value = payload.context_diagnostics.get(*name)?;
            Some(((*name).to_owned(), value.clone()))
        };
        Self {
            snapshot_hash: payload.snapshot_hash,
            artifact_count: payload.artifact_count,
            anomaly_count: payload.anomaly_count,
            diagnostics: MARKED_DIAGNOSTICS.iter().filter_map(marked).collect(),
        }
    }
}

/// By what a drift counts as the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftMark {
    /// The contents or names differ from an accepted baseline.
    Drifted {
        /// The accepted parity hash.
        expected: Digest,
        /// The current one.
        actual: Digest,
        /// The current tree hash, as text.
        tree: String,
        /// `info`, `warning` or `error`.
        severity: String,
    },
    /// The baseline belongs to another context.
    Rejected {
        /// Hash of the key in the baseline.
        baseline: String,
        /// Hash of the current key and branch.
        current: String,
    },
}

impl DriftMark {
    /// The mark of a drift event.
    pub fn of(payload: &ParityDriftDetected) -> Self {
        let get = |name: &str| payload.context_diagnostics.get(name).cloned().unwrap_or_default();
        if payload.context_diagnostics.contains_key("context_hash") {
            return Self::Rejected {
                baseline: get("baseline_key_hash"),
                current: get("context_hash"),
            };
        }
        Self::Drifted {
            expected: payload.expected_hash,
            actual: payload.actual_hash,
            tree: get("tree_hash"),
            severity: get("severity"),
        }
    }
}

/// The fold of one stream of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogState {
    /// The stream's context, without the step; `None` for an empty log.
    pub namespace: Option<Namespace>,
    /// Present artifacts, by path relative to the project root.
    pub catalogue: BTreeMap<String, CatalogueEntry>,
    /// Reason codes of what was reported missing and still is, by manifest entry.
    pub missing: BTreeMap<String, String>,
    /// The drift that was reported and still stands.
    pub drift: Option<DriftMark>,
    /// The last snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// Paths named by events after the last snapshot: of a batch that a crash cut short.
    pub loose: BTreeSet<String>,
    /// Paths indexed under the correlation that is open, for full snapshots.
    open_scan: (String, BTreeSet<String>),
    /// Every path of a required artifact that was ever indexed in this stream.
    pub ever: BTreeSet<String>,
}

impl LogState {
    /// Takes in the next event of the log.
    pub fn apply(&mut self, correlation_id: &str, payload: &Payload) {
        self.namespace = Some(payload.namespace().clone());
        if self.open_scan.0 != correlation_id {
            self.open_scan = (correlation_id.to_owned(), BTreeSet::new());
        }
        match payload {
            Payload::ArtifactIndexed(p) => self.indexed(p),
            Payload::ArtifactMissing(p) => self.missing(p),
            Payload::SnapshotComputed(p) => self.snapshot(p),
            Payload::ParityDriftDetected(p) => self.drift = Some(DriftMark::of(p)),
        }
    }

    fn indexed(&mut self, payload: &ArtifactIndexed) {
        let diagnostic =
            |name: &str| payload.context_diagnostics.get(name).cloned().unwrap_or_default();
        if let Some(old) = &payload.supersedes {
            self.catalogue.remove(&old.path);
            self.loose.insert(old.path.clone());
        }
        let path = payload.artifact_id.path.clone();
        let entry = CatalogueEntry {
            hash: payload.content_ref.hash,
            identity: payload.artifact_id.clone(),
            step_id: payload.step_id.clone(),
            artifact_key: diagnostic("artifact_key"),
            required_status: diagnostic("required_status"),
        };
        self.open_scan.1.insert(path.clone());
        self.loose.insert(path.clone());
        if entry.required_status == "required" {
            self.ever.insert(path.clone());
        }
        self.catalogue.insert(path, entry);
    }

    fn missing(&mut self, payload: &ArtifactMissing) {
        let get = |name: &str| payload.context_diagnostics.get(name).cloned().unwrap_or_default();
        self.missing.insert(get("artifact_key"), get("reason_code"));
    }

    fn snapshot(&mut self, payload: &SnapshotComputed) {
        let get = |name: &str| payload.context_diagnostics.get(name).map(String::as_str);
        if get("scan_kind") == Some("full") {
            let named = &self.open_scan.1;
            self.catalogue.retain(|path, _| named.contains(path));
        }
        for path in json_list(get("removed_paths")) {
            self.catalogue.remove(&path);
        }
        let still: BTreeSet<String> = json_list(get("missing_keys")).into_iter().collect();
        self.missing.retain(|key, _| still.contains(key));
        if !payload.leaves_drift_open() {
            self.drift = None;
        }
        self.snapshot = Some(SnapshotMark::of(payload));
        self.loose.clear();
    }
}

/// A JSON array of strings in a diagnostic; anything else counts as empty.
fn json_list(text: Option<&str>) -> Vec<String> {
    text.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
}
