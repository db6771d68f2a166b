//! The drift event: made from a comparison, written once per state.

use std::collections::BTreeSet;

use super::drift::{Drift, ParityStatus, Severity};
use super::emit::{Emission, diagnostics, identity, json_array, project_path};
use super::event::{ArtifactIdentity, Diagnostics, ParityDriftDetected};
use super::log_state::DriftMark;

/// Names that each list of one event carries at most, so that a line of the log stays far
/// below a megabyte. The API has all of them.
const MAX_NAMES: usize = 500;

/// The drift event, if its state is not the one that the log reported last.
pub(super) fn drift(emission: &Emission<'_>, full: bool) -> Option<ParityDriftDetected> {
    let drift = emission.drift;
    let severity = drift.severity?;
    let expected_hash = drift.expected_hash?;
    if drift.parity_status == ParityStatus::Error {
        return None;
    }
    let mut context_diagnostics = drift_diagnostics(drift, severity);
    if let Some((baseline, current)) = &emission.rejection {
        context_diagnostics.insert("baseline_key_hash".to_owned(), baseline.clone());
        context_diagnostics.insert("context_hash".to_owned(), current.clone());
    }
    let payload = ParityDriftDetected {
        namespace: emission.namespace.clone(),
        expected_hash,
        actual_hash: drift.actual_hash,
        drift_kind: drift_kind(drift).to_owned(),
        detected_at: emission.now,
        artifact_ids_changed: Some(changed_identities(emission)),
        rebuild_hint: rebuild_hint(drift).to_owned(),
        context_diagnostics,
    };
    let known = emission.ledger.drift == Some(DriftMark::of(&payload));
    (full || !known).then_some(payload)
}

/// A JSON array of the first names. `differing` says how many there are in all.
fn some_of<T: serde::Serialize>(names: impl IntoIterator<Item = T>) -> String {
    json_array(&names.into_iter().take(MAX_NAMES).collect::<Vec<_>>())
}

fn drift_diagnostics(drift: &Drift, severity: Severity) -> Diagnostics {
    let names = &drift.differences;
    let moved = names.moved.iter().map(|m| format!("{} -> {}", m.from, m.to));
    let missing_in_local = names.removed.iter().chain(names.moved.iter().map(|m| &m.from));
    let missing_in_baseline = names.added.iter().chain(names.moved.iter().map(|m| &m.to));
    let differing =
        names.added.len() + names.removed.len() + names.changed.len() + names.moved.len();
    diagnostics([
        ("severity", severity.as_str().to_owned()),
        ("parity_status", drift.parity_status.as_str().to_owned()),
        ("tree_hash", drift.actual_tree_hash.to_string()),
        ("differing", differing.to_string()),
        ("added", some_of(&names.added)),
        ("removed", some_of(&names.removed)),
        ("changed", some_of(&names.changed)),
        ("moved", some_of(moved)),
        ("missing_in_local", some_of(missing_in_local)),
        ("missing_in_baseline", some_of(missing_in_baseline)),
        ("baseline_rejected", json_array(&drift.rejected_components)),
    ])
}

/// The contract's word for what happened; the most severe one where several did.
fn drift_kind(drift: &Drift) -> &'static str {
    let names = &drift.differences;
    if drift.parity_status == ParityStatus::BaselineRejected {
        if drift.rejected_components.contains(&"manifest_version") {
            "manifest_version_changed"
        } else {
            "anomaly_introduced"
        }
    } else if !names.removed.is_empty() {
        "artifact_removed"
    } else if !names.changed.is_empty() || !names.moved.is_empty() || !drift.names_known {
        "artifact_mutated"
    } else {
        "artifact_added"
    }
}

fn rebuild_hint(drift: &Drift) -> &'static str {
    match drift.parity_status {
        ParityStatus::BaselineRejected => {
            "switch back to the context of the baseline, or capture a baseline for this one"
        }
        _ => "restore the named artifacts, or accept the current state by capturing a baseline",
    }
}

/// Identities of the artifacts that differ and are present.
fn changed_identities(emission: &Emission<'_>) -> Vec<ArtifactIdentity> {
    let names = &emission.drift.differences;
    let wanted: BTreeSet<&str> = names
        .added
        .iter()
        .chain(&names.changed)
        .chain(names.moved.iter().map(|m| &m.to))
        .map(String::as_str)
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let rows = emission.dossier.rows.iter();
    rows.filter(|row| wanted.contains(&*row.path.shown()))
        .take(MAX_NAMES)
        .map(|row| {
            let path = project_path(emission.feature_prefix, &row.path.shown());
            identity(&emission.namespace, path, &row.artifact)
        })
        .collect()
}
