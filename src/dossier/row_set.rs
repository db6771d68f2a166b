//! Rows: one for each listed file, with a key that no other row has.
//!
//! A set of rows goes along with its feature from one dossier to the next. Told what
//! changed it looks at nothing else; asked for a row it does not have, or told that the
//! mission changed, it is made anew. Both give the same, which debug builds check.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::artifact::{Artifact, Location, RequiredStatus, Source};
use super::chunked::Chunked;
use super::classify;
use super::definition::MissionDefinition;
use super::extract::Extract;
use super::key::{FREE_PREFIX, Keyed};
use super::manifest::{Found, Manifest};
use super::record::FileRow;
use super::tally::Tally;
use super::{Digest, FileFacts, FileState, FileTable, RelPath};

/// The rows of all listed files of one feature.
#[derive(Debug, Clone, Default)]
pub(super) struct RowSet {
    /// What the rows were made with.
    definition: Option<Arc<MissionDefinition>>,
    /// By path.
    pub(super) by_path: Chunked<FileRow>,
    /// By key.
    pub(super) by_key: Chunked<Arc<Artifact>>,
    /// Those that a person should look at.
    pub(super) noted: Arc<BTreeMap<RelPath, FileRow>>,
    pub(super) tally: Tally,
    /// Keys had to be made longer: which ones depends on all rows together.
    collisions: bool,
}

impl RowSet {
    /// Rows of these files. Artifacts of `former` are kept where neither the file nor the
    /// mission has changed.
    pub(super) fn new(
        files: &FileTable,
        definition: Option<&Arc<MissionDefinition>>,
        former: &Self,
    ) -> Self {
        let former = former.is_of(definition).then_some(former);
        let mut rows = Vec::with_capacity(files.len());
        for (path, facts) in files {
            let kept = former.and_then(|former| former.by_path.get(path));
            let artifact = match kept.filter(|kept| Arc::ptr_eq(&kept.facts, facts)) {
                // A longer key is one by comparison with the others: find it anew.
                Some(kept) if !former.is_some_and(|former| former.collisions) => {
                    Arc::clone(&kept.artifact)
                }
                _ => Arc::new(artifact(path, facts, definition)),
            };
            rows.push(FileRow { path: path.clone(), facts: Arc::clone(facts), artifact });
        }
        let mut by_key: Vec<Arc<Artifact>> =
            rows.iter().map(|row| Arc::clone(&row.artifact)).collect();
        by_key.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let collisions = by_key.windows(2).any(|pair| pair[0].key == pair[1].key);
        if collisions {
            resolve_collisions(&mut rows, definition.map(|d| &d.manifest));
            by_key = rows.iter().map(|row| Arc::clone(&row.artifact)).collect();
            by_key.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        }
        let mut tally = Tally::new(definition.map_or(0, |d| d.manifest.entries().len()));
        rows.iter().for_each(|row| tally.add(row));
        let noted = rows.iter().filter(|row| is_notable(row));
        let noted = noted.map(|row| (row.path.clone(), row.clone())).collect();
        Self {
            definition: definition.cloned(),
            by_path: Chunked::from_sorted(rows),
            by_key: Chunked::from_sorted(by_key),
            noted: Arc::new(noted),
            tally,
            collisions,
        }
    }

    /// Were the rows made with this mission?
    fn is_of(&self, definition: Option<&Arc<MissionDefinition>>) -> bool {
        match (&self.definition, definition) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Brings the rows up to date, where nothing but `changed` differs from when they
    /// were. Whether it could: if not, they have to be made anew.
    #[must_use]
    pub(super) fn update<'p>(
        &mut self,
        files: &FileTable,
        definition: Option<&Arc<MissionDefinition>>,
        changed: impl IntoIterator<Item = &'p RelPath>,
    ) -> bool {
        if self.collisions || !self.is_of(definition) {
            return false;
        }
        for path in changed {
            if let Some(former) = self.by_path.remove(path) {
                self.by_key.remove(&former.artifact.key);
                self.tally.take(&former);
                if self.noted.contains_key(path) {
                    Arc::make_mut(&mut self.noted).remove(path);
                }
            }
            let Some(facts) = files.get(path) else { continue };
            let artifact = Arc::new(artifact(path, facts, definition));
            if self.by_key.insert(Arc::clone(&artifact)).is_some() {
                return false;
            }
            let row = FileRow { path: path.clone(), facts: Arc::clone(facts), artifact };
            self.tally.add(&row);
            if is_notable(&row) {
                Arc::make_mut(&mut self.noted).insert(path.clone(), row.clone());
            }
            self.by_path.insert(row);
        }
        self.by_path.len() == files.len()
    }

    /// Has the other one equal rows?
    #[cfg(debug_assertions)]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.by_path.iter().eq(other.by_path.iter())
            && self.by_key.iter().eq(other.by_key.iter())
            && self.noted == other.noted
            && self.tally == other.tally
    }
}

/// Is it unreadable, or does it say what cannot be understood?
fn is_notable(row: &FileRow) -> bool {
    match &row.facts.state {
        FileState::Text { extract, .. } => extract.fault().is_some(),
        FileState::Faulty { .. } => true,
    }
}

/// Gives all rows that share a key its longer form, until no two share one. Only crafted
/// names get here: 48 bits of SHA-256 have to collide.
fn resolve_collisions(rows: &mut [FileRow], manifest: Option<&Manifest>) {
    loop {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            by_key.entry(row.artifact.key.to_string()).or_default().push(i);
        }
        let shared: Vec<usize> = by_key.into_values().filter(|v| v.len() > 1).flatten().collect();
        if shared.is_empty() {
            return;
        }
        for i in shared {
            let FileRow { path, artifact, .. } = &mut rows[i];
            if let Some(longer) = keyed(path, manifest.map(|m| m.find(path)).as_ref()).longer(path)
            {
                let key = if *artifact.key == *longer {
                    format!("{longer}_h{}", Digest::sha256(longer.as_bytes()))
                } else {
                    longer
                };
                *artifact = Arc::new(Artifact { key: key.into(), ..artifact.as_ref().clone() });
            }
        }
    }
}

/// The key of a path: that of a manifest entry that names exactly this path, else encoded.
///
/// Of an entry with several literal alternatives only the first gives its own key: keys
/// depend on path and manifest alone, and both alternatives may be there at once.
fn keyed(path: &RelPath, found: Option<&Found<'_>>) -> Keyed {
    match found.and_then(Found::first) {
        None => Keyed::encoded(FREE_PREFIX, path),
        Some((entry, 0)) if !entry.patterns[0].is_glob => Keyed::Entry(entry.artifact_key.clone()),
        Some((entry, _)) => Keyed::encoded(&entry.artifact_key, path),
    }
}

/// Makes the row of one file.
fn artifact(
    path: &RelPath,
    facts: &Arc<FileFacts>,
    definition: Option<&Arc<MissionDefinition>>,
) -> Artifact {
    let found = definition.map(|d| d.manifest.find(path));
    let found = found.as_ref();
    let front = match &facts.state {
        FileState::Text { extract, .. } => match extract.as_ref() {
            Extract::Markdown(front) => Some(front),
            _ => None,
        },
        FileState::Faulty { .. } => None,
    };
    let (class, classified_by) = classify::classify(path, front, found);
    let mission = definition.map(|d| &d.mission);
    let required = found.is_some_and(Found::is_required);
    Artifact {
        key: keyed(path, found).into_key(),
        class,
        classified_by,
        location: Location::File(path.clone()),
        wp_id: classify::wp_id(path, front).map(Into::into),
        step_id: classify::step_id(front, mission, found).map(Into::into),
        required_status: if required { RequiredStatus::Required } else { RequiredStatus::Optional },
        source: Source::File(Arc::clone(facts)),
        entry_numbers: found.into_iter().flat_map(Found::entries).map(number).collect(),
    }
}

/// An index of a manifest entry, as rows keep it.
fn number(entry: usize) -> u32 {
    u32::try_from(entry).expect("a manifest is far smaller than 4 GiB, and so is its list")
}
