//! From a dossier and what the log already says to the events that are still to be
//! written. Order: indexed and missing by path, then the snapshot, then drift.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::artifact::Artifact;
use super::completeness::Missing;
use super::drift::Drift;
use super::event::{
    ArtifactIdentity, ArtifactIndexed, ArtifactMissing, ContentRef, Diagnostics, EventType,
    Namespace, Payload, ProvenanceRef, SnapshotComputed,
};
use super::ledger::{Changes, Ledger};
use super::log_state::SnapshotMark;
use super::record::FileRow;
use super::{Digest, Dossier, RelPath, Timestamp, drift_event};

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
    pub ledger: &'a Ledger,
    /// Is a full re-emission asked for?
    pub full: bool,
}

/// Events that belong together, in log order. Those of single artifacts are made when they
/// are asked for: a first scan has as many as there are files.
#[derive(Debug)]
pub struct Batch {
    namespace: Namespace,
    prefix: String,
    provenance: Option<ProvenanceRef>,
    now: Timestamp,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Indexed { row: Arc<Artifact>, supersedes: Option<Box<ArtifactIdentity>> },
    Whole(Payload),
}

impl Batch {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is nothing to be written?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The payload of the event at this place, from 0.
    pub fn payload(&self, at: usize) -> Payload {
        match &self.entries[at] {
            Entry::Indexed { row, supersedes } => self.indexed(row, supersedes.as_deref()),
            Entry::Whole(payload) => payload.clone(),
        }
    }

    /// The row that the event at this place indexes, if it is one of a path that had no other
    /// before.
    pub(super) fn plain_row(&self, at: usize) -> Option<&Artifact> {
        match &self.entries[at] {
            Entry::Indexed { row, supersedes: None } => Some(row),
            Entry::Indexed { .. } | Entry::Whole(_) => None,
        }
    }

    /// Where contents come from.
    pub(super) fn provenance(&self) -> Option<&ProvenanceRef> {
        self.provenance.as_ref()
    }

    /// The type of the last event.
    pub fn last_type(&self) -> Option<EventType> {
        self.entries.last().map(|entry| match entry {
            Entry::Indexed { .. } => EventType::ArtifactIndexed,
            Entry::Whole(payload) => payload.event_type(),
        })
    }

    /// The stream.
    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Path of the feature relative to the project root.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Snapshot and drift, with which it ends.
    pub(super) fn closing(&self) -> impl Iterator<Item = &Payload> {
        let last = &self.entries[self.entries.len().saturating_sub(2)..];
        last.iter().filter_map(|entry| match entry {
            Entry::Whole(payload) => Some(payload),
            Entry::Indexed { .. } => None,
        })
    }

    /// The path, relative to the project root, of what lies there in the feature.
    pub(super) fn project_path(&self, path: &str) -> String {
        project_path(&self.prefix, path)
    }

    fn indexed(&self, row: &Artifact, supersedes: Option<&ArtifactIdentity>) -> Payload {
        let hash = row.content_hash().expect("only present rows are indexed");
        let path = self.project_path(&row.location.shown());
        Payload::ArtifactIndexed(Box::new(ArtifactIndexed {
            namespace: self.namespace.clone(),
            artifact_id: identity(&self.namespace, path, row),
            content_ref: ContentRef {
                hash,
                algorithm: "sha256".to_owned(),
                size_bytes: row.size_bytes(),
                encoding: "utf-8".to_owned(),
            },
            indexed_at: row.indexed_at().unwrap_or(self.now),
            step_id: row.step_id.as_deref().map(str::to_owned),
            provenance: self.provenance.clone(),
            supersedes: supersedes.cloned(),
            context_diagnostics: diagnostics([
                ("artifact_key", row.key.to_string()),
                ("required_status", row.required_status.as_str().to_owned()),
                ("relative_path", row.location.shown().into_owned()),
                ("classified_by", row.classified_by.to_string()),
            ]),
        }))
    }
}

/// What is to be written; nothing if nothing changed.
pub fn emit(emission: &Emission<'_>) -> Batch {
    let changes = emission.ledger.changes(emission.feature_prefix, emission.dossier);
    let removed_bytes: usize = changes.gone.keys().map(|path| path.len() + 3).sum();
    let full =
        emission.full || emission.ledger.snapshot.is_none() || removed_bytes > MAX_REMOVED_BYTES;
    let kind = if full { ScanKind::Full } else { ScanKind::Incremental };
    let mut renames = if full { BTreeMap::new() } else { renames(&changes) };
    let superseded: BTreeSet<String> = renames.values().map(|old| old.path.clone()).collect();

    let mut named: Vec<(Cow<'_, str>, Entry)> = Vec::new();
    let mut index = |row: &'_ FileRow| {
        let supersedes = renames.remove(&row.path).map(Box::new);
        Entry::Indexed { row: Arc::clone(&row.artifact), supersedes }
    };
    if full {
        let present = emission.dossier.rows.iter().filter(|row| row.artifact.is_present());
        named.extend(present.map(|row| (row.path.shown(), index(row))));
    } else {
        named.extend(changes.indexed.iter().map(|(row, _)| (row.path.shown(), index(row))));
    }
    for missing in emission.dossier.missing.iter().filter(|m| m.blocking) {
        let known = emission.ledger.missing.get(&missing.artifact_key);
        if full || known.map(String::as_str) != Some(missing.reason_code.as_str()) {
            let payload = missing_payload(emission, missing);
            named.push((missing.shown_path().into(), Entry::Whole(payload)));
        }
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut entries: Vec<Entry> = named.into_iter().map(|(_, entry)| entry).collect();

    let gone = changes.gone.keys().map(String::as_str);
    let removed: Vec<&str> = gone.filter(|path| !full && !superseded.contains(*path)).collect();
    let snapshot = snapshot(emission, kind, &removed);
    let changed = !entries.is_empty() || !removed.is_empty() || changes.in_doubt;
    if full || changed || emission.ledger.snapshot != Some(SnapshotMark::of(&snapshot)) {
        entries.push(Entry::Whole(Payload::SnapshotComputed(Box::new(snapshot))));
    }
    if let Some(payload) = drift_event::drift(emission, full) {
        entries.push(Entry::Whole(Payload::ParityDriftDetected(Box::new(payload))));
    }
    Batch {
        namespace: emission.namespace.clone(),
        prefix: emission.feature_prefix.to_owned(),
        provenance: provenance(emission),
        now: emission.now,
        entries,
    }
}

/// A path relative to the project root.
pub(super) fn project_path(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

/// Identities that new paths had before: of a path that is gone with the same contents,
/// each gone path used once.
fn renames(changes: &Changes<'_>) -> BTreeMap<RelPath, ArtifactIdentity> {
    let mut by_hash: BTreeMap<Digest, VecDeque<&ArtifactIdentity>> = BTreeMap::new();
    for gone in changes.gone.values().flatten() {
        by_hash.entry(gone.hash).or_default().push_back(&gone.identity);
    }
    let mut out = BTreeMap::new();
    for (row, is_known) in &changes.indexed {
        let old = row.content_hash().filter(|_| !is_known);
        let old = old.and_then(|hash| by_hash.get_mut(&hash)?.pop_front());
        out.extend(old.map(|old| (row.path.clone(), old.clone())));
    }
    out
}

/// The identity of a row in events.
pub(super) fn identity(namespace: &Namespace, path: String, row: &Artifact) -> ArtifactIdentity {
    ArtifactIdentity {
        mission_type: namespace.mission_type.clone(),
        path,
        artifact_class: row.class,
        wp_id: row.wp_id.as_deref().map(str::to_owned),
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

fn missing_payload(emission: &Emission<'_>, missing: &Missing) -> Payload {
    let prefix = emission.feature_prefix;
    Payload::ArtifactMissing(Box::new(ArtifactMissing {
        namespace: emission.namespace.clone(),
        expected_identity: ArtifactIdentity {
            mission_type: emission.namespace.mission_type.clone(),
            path: project_path(prefix, missing.shown_path()),
            artifact_class: missing.artifact_class,
            wp_id: emission.ledger.wp_id(prefix, missing.shown_path()),
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
    for (path, row) in dossier.noted.iter() {
        if let super::FileState::Faulty { reason, raw_sha256, .. } = &row.facts.state {
            let raw = raw_sha256.as_ref().map_or_else(String::new, |raw| raw.to_string());
            lines.push_str(&format!("{}\t{}\t{raw}\n", path.shown(), reason.as_str()));
        }
    }
    if lines.is_empty() { String::new() } else { Digest::sha256(lines).short(16) }
}
