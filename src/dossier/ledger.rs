//! What a feature's log says, as it is kept while the daemon writes it.
//!
//! After each batch the catalogue of the log is exactly the present rows of the dossier
//! that the batch was made from, so it is kept as those rows: shared with the dossier,
//! and compared with the next one at the cost of what changed. Only at a start does it
//! come from the log itself ([`LogState`]), or from a [`Checkpoint`] of rows that the
//! index cache brings back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::artifact::{Artifact, RequiredStatus};
use super::chunked::Chunked;
use super::emit::{Batch, identity, project_path};
use super::event::{ArtifactIdentity, EventType, Namespace, Payload};
use super::log_state::{CatalogueEntry, DriftMark, LogState, SnapshotMark};
use super::record::FileRow;
use super::{Digest, Dossier, FileTable, RelPath};

/// What the log says, with what is on its way there.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The stream's context, without the step; `None` for an empty log.
    pub namespace: Option<Namespace>,
    /// Reason codes of what was reported missing and still is, by manifest entry.
    pub missing: BTreeMap<String, String>,
    /// The drift that was reported and still stands.
    pub drift: Option<DriftMark>,
    /// The last snapshot.
    pub snapshot: Option<SnapshotMark>,
    known: Known,
    /// Required artifacts that were ever indexed in this stream, by path relative to the
    /// project root; of those that `Known::Rows` has as present, none need be here.
    ever: BTreeSet<String>,
    last: Option<BatchEnd>,
}

/// The catalogue.
#[derive(Debug, Clone)]
enum Known {
    /// As the log's events left it; `loose` are paths named by a batch that was cut short.
    Log { catalogue: BTreeMap<String, CatalogueEntry>, loose: BTreeSet<String> },
    /// The present ones of these rows.
    Rows { prefix: String, rows: Chunked<FileRow> },
}

impl Default for Known {
    fn default() -> Self {
        Self::Log { catalogue: BTreeMap::new(), loose: BTreeSet::new() }
    }
}

/// How the last batch ends: by it a log is recognised as the one that a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchEnd {
    /// The batch.
    pub correlation_id: String,
    /// The type of its last event.
    pub event_type: EventType,
}

/// A ledger without its rows, for the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    prefix: String,
    namespace: Option<Namespace>,
    missing: BTreeMap<String, String>,
    drift: Option<DriftMark>,
    snapshot: Option<SnapshotMark>,
    ever: BTreeSet<String>,
    last: BatchEnd,
    /// SHA-256 over everything that the log says of the rows.
    rows: Digest,
}

/// An artifact that the log has as present, or in doubt, and that is not present.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) hash: Digest,
    pub(super) identity: ArtifactIdentity,
}

/// What the log lacks.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    /// Present rows that it does not have in this state, by path, and whether it has the
    /// path at all.
    pub(super) indexed: Vec<(&'a FileRow, bool)>,
    /// What it has and is gone, by path relative to the project root; `None` for paths
    /// of which nothing but the name is known.
    pub(super) gone: BTreeMap<String, Option<Gone>>,
    /// A batch was cut short, so that a snapshot is due whatever else is.
    pub(super) in_doubt: bool,
}

impl Ledger {
    /// What a log says that was folded, and how it ends.
    pub fn of_log(state: LogState, last: Option<BatchEnd>) -> Self {
        let LogState { namespace, catalogue, missing, drift, snapshot, loose, ever, .. } = state;
        let known = Known::Log { catalogue, loose };
        Self { namespace, missing, drift, snapshot, known, ever, last }
    }

    /// What the log lacks of a dossier.
    pub(super) fn changes<'a>(&self, prefix: &str, dossier: &'a Dossier) -> Changes<'a> {
        match &self.known {
            Known::Rows { prefix: former, rows } if former == prefix => {
                self.changes_of_rows(prefix, rows, &dossier.rows)
            }
            // The feature is somewhere else in its project: every path is another one.
            Known::Rows { prefix: former, rows } => {
                let indexed = present(&dossier.rows).map(|row| (row, false)).collect();
                let gone = present(rows).map(|row| self.gone(former, row)).collect();
                Changes { indexed, gone, in_doubt: false }
            }
            Known::Log { catalogue, loose } => changes_of_log(catalogue, loose, prefix, dossier),
        }
    }

    fn changes_of_rows<'a>(
        &self,
        prefix: &str,
        before: &Chunked<FileRow>,
        now: &'a Chunked<FileRow>,
    ) -> Changes<'a> {
        let mut changes = Changes::default();
        for (was, is) in before.differences(now) {
            let was = was.filter(|row| row.artifact.is_present());
            match (was, is.filter(|row| row.artifact.is_present())) {
                (was, Some(is)) => {
                    let same = was.is_some_and(|was| says_the_same(&was.artifact, &is.artifact));
                    if !same {
                        changes.indexed.push((is, was.is_some()));
                    }
                }
                (Some(was), None) => {
                    changes.gone.extend([self.gone(prefix, was)]);
                }
                (None, None) => {}
            }
        }
        changes
    }

    /// A row that is gone, by its path relative to the project root.
    fn gone(&self, prefix: &str, row: &FileRow) -> (String, Option<Gone>) {
        let path = project_path(prefix, &row.path.shown());
        let gone = self.namespace.as_ref().zip(row.content_hash());
        let gone = gone.map(|(namespace, hash)| Gone {
            hash,
            identity: identity(namespace, path.clone(), &row.artifact),
        });
        (path, gone)
    }

    /// The work package of an artifact that the log knows, by path relative to the feature.
    pub(super) fn wp_id(&self, prefix: &str, path: &str) -> Option<String> {
        match &self.known {
            Known::Rows { rows, .. } => {
                let row = rows.get(&RelPath::new(path).ok()?)?;
                row.artifact.wp_id.as_deref().map(str::to_owned)
            }
            Known::Log { catalogue, .. } => {
                catalogue.get(&project_path(prefix, path))?.identity.wp_id.clone()
            }
        }
    }

    /// Takes in a batch that was made from this dossier, as if it were written. An empty
    /// one says that the log lacks nothing of it.
    pub fn advance(&mut self, batch: &Batch, correlation_id: &str, dossier: &Dossier) {
        if let Some(event_type) = batch.last_type() {
            self.last = Some(BatchEnd { correlation_id: correlation_id.to_owned(), event_type });
        }
        self.namespace = Some(batch.namespace().clone());
        self.remember(batch.prefix(), &dossier.rows);
        self.known = Known::Rows { prefix: batch.prefix().to_owned(), rows: dossier.rows.clone() };
        let missing = dossier.missing.iter().filter(|m| m.blocking);
        self.missing =
            missing.map(|m| (m.artifact_key.clone(), m.reason_code.as_str().to_owned())).collect();
        for payload in batch.closing() {
            match payload {
                Payload::SnapshotComputed(snapshot) => {
                    self.snapshot = Some(SnapshotMark::of(snapshot));
                    if !snapshot.leaves_drift_open() {
                        self.drift = None;
                    }
                }
                Payload::ParityDriftDetected(drift) => self.drift = Some(DriftMark::of(drift)),
                Payload::ArtifactIndexed(_) | Payload::ArtifactMissing(_) => {}
            }
        }
    }

    /// Keeps the paths of required artifacts that these rows no longer tell of.
    fn remember(&mut self, prefix: &str, rows: &Chunked<FileRow>) {
        let counts = |row: &FileRow| is_required(&row.artifact);
        match &self.known {
            Known::Rows { prefix: former, rows: before } => {
                let moved = former != prefix;
                for (was, is) in before.differences(rows) {
                    let is = is.is_some_and(counts) && !moved;
                    if let Some(was) = was.filter(|was| counts(was)).filter(|_| !is) {
                        self.ever.insert(project_path(former, &was.path.shown()));
                    }
                }
            }
            // All that the log ever had is in `ever` then.
            Known::Log { .. } => {}
        }
        let told = |path: &String| {
            let own = own_path(prefix, path);
            own.and_then(|path| rows.get(&path)).is_some_and(counts)
        };
        self.ever.retain(|path| !told(path));
    }

    /// Required artifacts of this feature that were there before and that have no file
    /// now. `changed` are the only paths that may differ from `before`, if that is known.
    pub fn remembered(
        &self,
        prefix: &str,
        files: &FileTable,
        changed: Option<(&Dossier, &BTreeSet<RelPath>)>,
    ) -> BTreeSet<RelPath> {
        let mut remembered: BTreeSet<RelPath> =
            self.ever.iter().filter_map(|path| own_path(prefix, path)).collect();
        match &self.known {
            Known::Rows { prefix: former, rows } if former == prefix => {
                let mut add = |row: &FileRow| {
                    if is_required(&row.artifact) && !files.contains_key(&row.path) {
                        remembered.insert(row.path.clone());
                    }
                };
                match changed.filter(|(before, _)| before.rows.is_shared_with(rows)) {
                    Some((_, changed)) => {
                        changed.iter().filter_map(|path| rows.get(path)).for_each(add);
                    }
                    None => rows.iter().for_each(&mut add),
                }
            }
            Known::Rows { .. } | Known::Log { .. } => {}
        }
        remembered.retain(|path| !files.contains_key(path));
        remembered
    }

    /// Forgets the catalogue, as when the log has to begin anew; what was ever there stays.
    pub fn begin_anew(self) -> Self {
        let mut ever = self.ever;
        if let Known::Rows { prefix, rows } = &self.known {
            let required = rows.iter().filter(|row| is_required(&row.artifact));
            ever.extend(required.map(|row| project_path(prefix, &row.path.shown())));
        }
        Self { namespace: self.namespace, ever, ..Self::default() }
    }

    /// What the next start needs to know, apart from the rows; `None` if the catalogue is
    /// not that of rows.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let Known::Rows { prefix, rows } = &self.known else { return None };
        Some(Checkpoint {
            prefix: prefix.clone(),
            namespace: self.namespace.clone(),
            missing: self.missing.clone(),
            drift: self.drift.clone(),
            snapshot: self.snapshot.clone(),
            ever: self.ever.clone(),
            last: self.last.clone()?,
            rows: fingerprint(rows),
        })
    }

    /// The ledger that a checkpoint was made of, if these are the rows that it had.
    pub fn resume(checkpoint: Checkpoint, prefix: &str, rows: &Chunked<FileRow>) -> Option<Self> {
        let Checkpoint { prefix: former, namespace, missing, drift, snapshot, ever, last, .. } =
            checkpoint;
        (former == prefix && checkpoint.rows == fingerprint(rows)).then(|| Self {
            namespace,
            missing,
            drift,
            snapshot,
            known: Known::Rows { prefix: prefix.to_owned(), rows: rows.clone() },
            ever,
            last: Some(last),
        })
    }
}

impl Checkpoint {
    /// How the log ends that it is of.
    pub fn last(&self) -> &BatchEnd {
        &self.last
    }
}

fn present(rows: &Chunked<FileRow>) -> impl Iterator<Item = &FileRow> {
    rows.iter().filter(|row| row.artifact.is_present())
}

fn is_required(row: &Artifact) -> bool {
    row.required_status == RequiredStatus::Required && row.is_present()
}

/// Would events say the same of both?
fn says_the_same(a: &Artifact, b: &Artifact) -> bool {
    a.content_hash() == b.content_hash()
        && a.class == b.class
        && a.wp_id == b.wp_id
        && a.step_id == b.step_id
        && a.key == b.key
        && a.required_status == b.required_status
}

/// A path relative to the project root as one of this feature, if it is.
fn own_path(prefix: &str, path: &str) -> Option<RelPath> {
    let rest = path.strip_prefix(prefix)?;
    RelPath::new(if prefix.is_empty() { rest } else { rest.strip_prefix('/')? }).ok()
}

fn changes_of_log<'a>(
    catalogue: &BTreeMap<String, CatalogueEntry>,
    loose: &BTreeSet<String>,
    prefix: &str,
    dossier: &'a Dossier,
) -> Changes<'a> {
    let mut changes = Changes { in_doubt: !loose.is_empty(), ..Changes::default() };
    let mut here: BTreeSet<&str> = BTreeSet::new();
    for row in present(&dossier.rows) {
        let path = project_path(prefix, &row.path.shown());
        let known = catalogue.get_key_value(&path);
        let loose = loose.get(&path);
        here.extend(known.map(|(path, _)| path.as_str()));
        here.extend(loose.map(String::as_str));
        if loose.is_some() || !known.is_some_and(|(_, entry)| is_of(entry, &row.artifact)) {
            changes.indexed.push((row, known.is_some()));
        }
    }
    let gone = |entry: &CatalogueEntry| Gone { hash: entry.hash, identity: entry.identity.clone() };
    for path in loose.iter().chain(catalogue.keys()).filter(|path| !here.contains(path.as_str())) {
        changes.gone.insert(path.clone(), catalogue.get(path).map(gone));
    }
    changes
}

/// Does the log have this state of the artifact?
fn is_of(entry: &CatalogueEntry, row: &Artifact) -> bool {
    Some(entry.hash) == row.content_hash()
        && entry.identity.artifact_class == row.class
        && entry.identity.wp_id.as_deref() == row.wp_id.as_deref()
        && entry.step_id.as_deref() == row.step_id.as_deref()
        && *entry.artifact_key == *row.key
        && entry.required_status == row.required_status.as_str()
}

/// SHA-256 over what events say of present rows, with lengths in front of all texts.
fn fingerprint(rows: &Chunked<FileRow>) -> Digest {
    let mut hasher = Sha256::new();
    let mut line = Vec::new();
    for row in present(rows) {
        let artifact: &Arc<Artifact> = &row.artifact;
        line.clear();
        let texts = [
            row.path.as_bytes(),
            artifact.key.as_bytes(),
            artifact.class.as_str().as_bytes(),
            artifact.wp_id.as_deref().unwrap_or("\u{0}").as_bytes(),
            artifact.step_id.as_deref().unwrap_or("\u{0}").as_bytes(),
            artifact.required_status.as_str().as_bytes(),
        ];
        for text in texts {
            line.extend_from_slice(&(text.len() as u64).to_le_bytes());
            line.extend_from_slice(text);
        }
        line.extend(artifact.content_hash().map(|digest| digest.0).into_iter().flatten());
        hasher.update(&line);
    }
    Digest(hasher.finalize().into())
}
