//! From a dossier and what the log already says to the events that are still to be
//! written. Order: indexed and missing by path, then the snapshot, then drift.

use std::collections::{BTreeMap, BTreeSet};

use super::artifact::Artifact;
use super::completeness::Missing;
use super::drift::Drift;
use super::event::{
    AGGREGATE_TYPE, ArtifactIdentity, ArtifactIndexed, ArtifactMissing, ContentRef, Diagnostics,
    ENVELOPE_SCHEMA_VERSION, Emitter, Event, Namespace, Payload, ProvenanceRef, SnapshotComputed,
};
use super::log_state::{CatalogueEntry, LogState, SnapshotMark};
use super::{Digest, Dossier, Timestamp, drift_event};

/// Whether a snapshot's events name everything or only what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanKind {
    /// The catalogue is exactly what was indexed under this correlation.
    Full,
    /// The catalogue is the one before, plus what was indexed, minus what was removed.
    Incremental,
}

impl ScanKind {
    /// The name in the diagnostics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// Names of removed paths that one snapshot event can carry. Where more went at once, what
/// is left is named instead, by a full scan: a line of the log stays far below a megabyte.
const MAX_REMOVED_BYTES: usize = 256 * 1024;

/// What events are made from.
pub struct Emission<'a> {
    /// The stream.
    pub namespace: Namespace,
    /// Path of the feature relative to the project root, as shown; empty when the feature
    /// is its own project.
    pub feature_prefix: &'a str,
    /// The current state.
    pub dossier: &'a Dossier,
    /// How it stands to the baseline.
    pub drift: &'a Drift,
    /// Hash of the key in a rejected baseline, and of the current key and branch.
    pub rejection: Option<(String, String)>,
    /// UUID of the snapshot.
    pub snapshot_id: &'a str,
    /// Now.
    pub now: Timestamp,
    /// What the log says.
    pub log: &'a LogState,
    /// Is a full re-emission asked for?
    pub full: bool,
}

/// What is to be written; nothing if nothing changed.
pub fn emit(emission: &Emission<'_>) -> Vec<Payload> {
    let present = present(emission);
    let gone: BTreeMap<&str, Option<&CatalogueEntry>> = gone(emission, &present);
    let removed_bytes: usize = gone.keys().map(|path| path.len() + 3).sum();
    let full =
        emission.full || emission.log.snapshot.is_none() || removed_bytes > MAX_REMOVED_BYTES;
    let kind = if full { ScanKind::Full } else { ScanKind::Incremental };
    let renames = if full { BTreeMap::new() } else { renames(emission, &present, &gone) };
    let superseded: BTreeSet<&str> = renames.values().map(|e| e.identity.path.as_str()).collect();

    let mut named: Vec<(String, Payload)> = Vec::new();
    for (path, row) in &present {
        if full || is_new(emission.log, path, row) {
            let old = renames.get(path.as_str()).copied();
            named.push((path.clone(), indexed(emission, path, row, old)));
        }
    }
    for missing in emission.dossier.missing.iter().filter(|m| m.blocking) {
        let known = emission.log.missing.get(&missing.artifact_key);
        if full || known.map(String::as_str) != Some(missing.reason_code.as_str()) {
            let path = project_path(emission.feature_prefix, missing.shown_path());
            let payload = missing_payload(emission, missing, &path);
            named.push((path, payload));
        }
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out: Vec<Payload> = named.into_iter().map(|(_, payload)| payload).collect();

    let removed: Vec<&str> =
        gone.keys().copied().filter(|path| !full && !superseded.contains(path)).collect();
    let snapshot = snapshot(emission, kind, &removed);
    let changed = !out.is_empty() || !removed.is_empty() || !emission.log.loose.is_empty();
    if full || changed || emission.log.snapshot != Some(SnapshotMark::of(&snapshot)) {
        out.push(Payload::SnapshotComputed(Box::new(snapshot)));
    }
    if let Some(payload) = drift_event::drift(emission, full) {
        out.push(Payload::ParityDriftDetected(Box::new(payload)));
    }
    out
}

/// Puts payloads into envelopes. `next` gives the id and the Lamport clock of each event,
/// in order; the drift event names the snapshot that led to it as its cause.
pub fn seal(
    payloads: Vec<Payload>,
    emitter: &Emitter,
    correlation_id: &str,
    now: Timestamp,
    mut next: impl FnMut() -> (String, u64),
) -> Vec<Event> {
    let mut snapshot_id: Option<String> = None;
    let seal_one = |payload: Payload| {
        let (event_id, lamport_clock) = next();
        let causation_id = match payload {
            Payload::ParityDriftDetected(_) => snapshot_id.clone(),
            _ => None,
        };
        if matches!(payload, Payload::SnapshotComputed(_)) {
            snapshot_id = Some(event_id.clone());
        }
        Event {
            event_id,
            event_type: payload.event_type(),
            aggregate_id: payload.namespace().mission_slug.clone(),
            aggregate_type: AGGREGATE_TYPE.to_owned(),
            payload,
            timestamp: now,
            build_id: emitter.build_id.clone(),
            node_id: emitter.node_id.clone(),
            lamport_clock,
            causation_id,
            correlation_id: correlation_id.to_owned(),
            project_uuid: emitter.project_uuid.clone(),
            project_slug: emitter.project_slug.clone(),
            schema_version: ENVELOPE_SCHEMA_VERSION.to_owned(),
            data_tier: 0,
        }
    };
    payloads.into_iter().map(seal_one).collect()
}

/// A path relative to the project root.
pub(super) fn project_path(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

/// Present rows by path relative to the project root.
fn present<'a>(emission: &Emission<'a>) -> BTreeMap<String, &'a Artifact> {
    let rows = emission.dossier.rows.iter().filter(|(_, _, row)| row.is_present());
    rows.map(|(path, _, row)| (project_path(emission.feature_prefix, &path.shown()), row.as_ref()))
        .collect()
}

/// Paths that the log has as present, or left in doubt, and that are not present.
fn gone<'a>(
    emission: &Emission<'a>,
    present: &BTreeMap<String, &Artifact>,
) -> BTreeMap<&'a str, Option<&'a CatalogueEntry>> {
    let log = emission.log;
    let catalogued = log.catalogue.iter().map(|(path, entry)| (path.as_str(), Some(entry)));
    let loose = log.loose.iter().map(|path| (path.as_str(), log.catalogue.get(path)));
    loose.chain(catalogued).filter(|(path, _)| !present.contains_key(*path)).collect()
}

/// Does the log lack this state of the artifact?
fn is_new(log: &LogState, path: &str, row: &Artifact) -> bool {
    let Some(entry) = log.catalogue.get(path) else { return true };
    log.loose.contains(path)
        || Some(entry.hash) != row.content_hash()
        || entry.identity.artifact_class != row.class
        || entry.identity.wp_id != row.wp_id
        || entry.step_id != row.step_id
        || entry.artifact_key != row.key
        || entry.required_status != row.required_status.as_str()
}

/// New paths that have the contents of a path that is gone, each gone path used once.
fn renames<'a>(
    emission: &Emission<'a>,
    present: &BTreeMap<String, &Artifact>,
    gone: &BTreeMap<&'a str, Option<&'a CatalogueEntry>>,
) -> BTreeMap<String, &'a CatalogueEntry> {
    let mut by_hash: BTreeMap<Digest, Vec<&'a CatalogueEntry>> = BTreeMap::new();
    for entry in gone.values().copied().flatten() {
        by_hash.entry(entry.hash).or_default().push(entry);
    }
    let mut out = BTreeMap::new();
    for (path, row) in present {
        if emission.log.catalogue.contains_key(path) {
            continue;
        }
        let old = row.content_hash().and_then(|hash| by_hash.get_mut(&hash));
        if let Some(entries) = old.filter(|entries| !entries.is_empty()) {
            out.insert(path.clone(), entries.remove(0));
        }
    }
    out
}

/// The identity of a row in events.
pub(super) fn identity(emission: &Emission<'_>, path: &str, row: &Artifact) -> ArtifactIdentity {
    ArtifactIdentity {
        mission_type: emission.namespace.mission_type.clone(),
        path: path.to_owned(),
        artifact_class: row.class,
        wp_id: row.wp_id.clone(),
    }
}

/// The checkout, if the project is one.
fn provenance(emission: &Emission<'_>) -> Option<ProvenanceRef> {
    let provenance = &emission.dossier.provenance;
    (provenance.source_kind == "git").then(|| ProvenanceRef {
        git_sha: provenance.git_sha.clone(),
        git_ref: provenance.git_ref.clone(),
    })
}

pub(super) fn diagnostics<const N: usize>(pairs: [(&str, String); N]) -> Diagnostics {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A JSON array of strings, as text.
pub(super) fn json_array<T: serde::Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).expect("strings always serialise")
}

fn indexed(
    emission: &Emission<'_>,
    path: &str,
    row: &Artifact,
    supersedes: Option<&CatalogueEntry>,
) -> Payload {
    let hash = row.content_hash().expect("only present rows are indexed");
    Payload::ArtifactIndexed(Box::new(ArtifactIndexed {
        namespace: emission.namespace.clone(),
        artifact_id: identity(emission, path, row),
        content_ref: ContentRef {
            hash,
            algorithm: "sha256".to_owned(),
            size_bytes: row.size_bytes,
            encoding: "utf-8".to_owned(),
        },
        indexed_at: row.indexed_at.unwrap_or(emission.now),
        step_id: row.step_id.clone(),
        provenance: provenance(emission),
        supersedes: supersedes.map(|entry| entry.identity.clone()),
        context_diagnostics: diagnostics([
            ("artifact_key", row.key.clone()),
            ("required_status", row.required_status.as_str().to_owned()),
            ("relative_path", row.location.shown().into_owned()),
            ("classified_by", row.classified_by.to_string()),
        ]),
    }))
}

fn missing_payload(emission: &Emission<'_>, missing: &Missing, path: &str) -> Payload {
    let wp_id = emission.log.catalogue.get(path).and_then(|e| e.identity.wp_id.clone());
    Payload::ArtifactMissing(Box::new(ArtifactMissing {
        namespace: emission.namespace.clone(),
        expected_identity: ArtifactIdentity {
            mission_type: emission.namespace.mission_type.clone(),
            path: path.to_owned(),
            artifact_class: missing.artifact_class,
            wp_id,
        },
        manifest_step: missing.manifest_step.clone(),
        checked_at: emission.now,
        last_known_ref: missing.was_present.then(|| provenance(emission)).flatten(),
        remediation_hint: missing.remediation_hint.clone(),
        context_diagnostics: diagnostics([
            ("artifact_key", missing.artifact_key.clone()),
            ("reason_code", missing.reason_code.as_str().to_owned()),
            ("reason_detail", missing.reason_detail.clone().unwrap_or_default()),
            ("blocking", missing.blocking.to_string()),
        ]),
    }))
}

fn snapshot(emission: &Emission<'_>, kind: ScanKind, removed: &[&str]) -> SnapshotComputed {
    let dossier = emission.dossier;
    let counts = dossier.counts;
    let missing_keys: Vec<&str> =
        dossier.missing.iter().filter(|m| m.blocking).map(|m| m.artifact_key.as_str()).collect();
    SnapshotComputed {
        namespace: emission.namespace.clone(),
        snapshot_hash: dossier.parity_hash,
        artifact_count: dossier.present_count(),
        anomaly_count: dossier.anomalies.len(),
        computed_at: emission.now,
        algorithm: "sha256".to_owned(),
        context_diagnostics: diagnostics([
            ("snapshot_id", emission.snapshot_id.to_owned()),
            ("completeness_status", dossier.completeness_status.as_str().to_owned()),
            ("required", counts.required.to_string()),
            ("required_present", counts.required_present.to_string()),
            ("required_missing", counts.required_missing.to_string()),
            ("optional", counts.optional.to_string()),
            ("optional_present", counts.optional_present.to_string()),
            ("tree_hash", dossier.tree_hash.to_string()),
            ("parity_status", emission.drift.parity_status.as_str().to_owned()),
            ("current_step", dossier.current_step.clone().unwrap_or_default()),
            ("scan_kind", kind.as_str().to_owned()),
            ("removed_paths", json_array(removed)),
            ("missing_keys", json_array(&missing_keys)),
            ("unreadable_hash", unreadable_hash(dossier)),
        ]),
    }
}

/// A short hash over the rows that cannot be read, so that a change in one is a change.
fn unreadable_hash(dossier: &Dossier) -> String {
    let mut lines = String::new();
    for (path, facts, _) in &dossier.rows {
        if let super::FileState::Faulty { reason, raw_sha256, .. } = &facts.state {
            let raw = raw_sha256.map_or_else(String::new, |d| d.to_string());
            lines.push_str(&format!("{}\t{}\t{raw}\n", path.shown(), reason.as_str()));
        }
    }
    if lines.is_empty() { String::new() } else { Digest::sha256(lines).short(16) }
}
