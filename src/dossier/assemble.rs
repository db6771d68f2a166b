//! From the facts of files to a dossier.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::anomaly::Anomaly;
use super::artifact::{Absence, Artifact, Location, RequiredStatus, Source};
use super::chunked::Chunked;
use super::classify::ClassifiedBy;
use super::completeness::{self, Completeness, Evidence, Missing};
use super::definition::MissionDefinition;
use super::extract::Extract;
use super::facts::DiskFacts;
use super::meta::MetaFacts;
use super::parity::TreeHash;
use super::record::{Dossier, FileRow, Provenance, StepSource};
use super::row_set::RowSet;
use super::running_hash::{ContentHashes, TreeLines};
use super::{Digest, FileState, FileTable, RelPath, anomalies};

/// What a dossier is made from.
pub struct Sources<'a> {
    /// The feature's directory name, as shown.
    pub feature_slug: &'a str,
    /// All listed files.
    pub files: &'a FileTable,
    /// How many files and directories were ignored.
    pub ignored: usize,
    /// What the index and the project found wrong, as far as it concerns a mission of this
    /// type.
    pub faults: &'a dyn Fn(Option<&str>) -> Vec<Anomaly>,
    /// The missions that are known here.
    pub missions: &'a dyn Fn(&str) -> Option<Arc<MissionDefinition>>,
    /// The mission type that the registration names.
    pub registered_mission: Option<&'a str>,
    /// The step that a person set.
    pub explicit_step: Option<&'a str>,
    /// Paths that were there before and are not now.
    pub remembered: &'a BTreeSet<RelPath>,
    /// Where the contents come from.
    pub provenance: Arc<Provenance>,
    /// Calls both at the same time, if that can be done here: they are independent.
    pub both_at_once: Option<Both<'a>>,
}

/// Calls two functions once each, and returns when both have.
pub type Both<'a> = &'a (dyn Fn(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)) + Sync);

/// Assembles the dossiers of one feature, one after the other. What did not change is
/// shared between them, and not looked at again.
#[derive(Debug, Default)]
pub struct Assembler {
    rows: RowSet,
    contents: ContentHashes,
    lines: TreeLines,
    /// Are all of them those of the dossier before?
    in_step: bool,
}

/// A dossier of these files alone.
pub fn assemble(sources: &Sources<'_>) -> Dossier {
    Assembler::default().assemble(sources, None)
}

impl Assembler {
    /// Assembles a dossier. `changed` are the paths of which the files may differ from
    /// those of the last call, `None` if any may.
    pub fn assemble(
        &mut self,
        sources: &Sources<'_>,
        changed: Option<&BTreeSet<RelPath>>,
    ) -> Dossier {
        let meta = meta_facts(sources.files);
        let mission_type = meta
            .and_then(|m| m.mission_type().map(str::to_owned))
            .or_else(|| sources.registered_mission.map(str::to_owned));
        let definition = mission_type.as_deref().and_then(|name| (sources.missions)(name));
        let (current_step, step_source) = current_step(sources, meta, definition.as_deref());
        let (parity_hash, tree_hash) =
            self.take_in(sources.files, definition.as_ref(), changed, sources.both_at_once);
        let judged = match &definition {
            None => Completeness::unknown(),
            Some(definition) => completeness::judge(&Evidence {
                definition,
                entries: &self.rows.tally.entries,
                current: current_step.as_deref().and_then(|s| definition.mission.step_index(s)),
                inferred: step_source == StepSource::Inferred,
                remembered: sources.remembered,
            }),
        };
        let missing = missing_rows(&judged.missing, definition.as_deref());
        let mut dossier = Dossier {
            feature_slug: sources.feature_slug.to_owned(),
            counts: self.rows.tally.counts(missing.len()),
            unrecognised: self.rows.tally.unrecognised,
            ignored: sources.ignored,
            anomalies: Vec::new(),
            parity_hash,
            tree_hash,
            provenance: Arc::clone(&sources.provenance),
            target_branch: meta.and_then(|m| m.target_branch.clone()),
            completeness_status: judged.status,
            step_status: judged.step_status,
            missing: judged.missing,
            steps: judged.steps,
            mission_type,
            definition,
            current_step,
            step_source,
            artifacts: with_missing(self.rows.by_key.clone(), missing),
            rows: self.rows.by_path.clone(),
            noted: Arc::clone(&self.rows.noted),
        };
        let faults = (sources.faults)(dossier.mission_type.as_deref());
        dossier.anomalies = anomalies::anomalies(&dossier, faults);
        dossier
    }

    /// Brings rows and hashes up to date; gives both hashes.
    fn take_in(
        &mut self,
        files: &FileTable,
        definition: Option<&Arc<MissionDefinition>>,
        changed: Option<&BTreeSet<RelPath>>,
        both_at_once: Option<Both<'_>>,
    ) -> (Digest, TreeHash) {
        // Should this end early, the next call begins from nothing.
        let was_in_step = std::mem::take(&mut self.in_step);
        let updated = changed
            .filter(|_| was_in_step)
            .is_some_and(|changed| self.update(files, definition, changed));
        if !updated {
            self.rows = RowSet::new(files, definition, &self.rows);
            let present = self.rows.by_path.iter().filter_map(FileRow::content_hash);
            self.contents = ContentHashes::new(present);
            self.lines = TreeLines::default();
        }
        let first = changed.filter(|_| updated).and_then(BTreeSet::first);
        let hashes = self.hash(first, both_at_once);
        self.in_step = true;
        #[cfg(debug_assertions)]
        self.check(files, definition, hashes);
        hashes
    }

    fn update(
        &mut self,
        files: &FileTable,
        definition: Option<&Arc<MissionDefinition>>,
        changed: &BTreeSet<RelPath>,
    ) -> bool {
        let contents = |rows: &RowSet| -> Vec<Digest> {
            changed.iter().filter_map(|path| rows.by_path.get(path)?.content_hash()).collect()
        };
        let before = contents(&self.rows);
        self.rows.update(files, definition, changed)
            && self.contents.update(before, contents(&self.rows))
    }

    /// Both hashes; `first` is the first path that changed, if one did and that is known.
    fn hash(
        &mut self,
        first: Option<&RelPath>,
        both_at_once: Option<Both<'_>>,
    ) -> (Digest, TreeHash) {
        let Self { rows, contents, lines, .. } = self;
        let rows = &rows.by_path;
        let mut tree = || lines.hash(rows, first);
        let mut both = |both: Both<'_>| {
            let (mut parity, mut lines) = (None, None);
            both(&mut || parity = Some(contents.parity()), &mut || lines = Some(tree()));
            (parity, lines)
        };
        let (parity, lines) = match both_at_once.filter(|_| rows.len() >= WORTH_A_THREAD) {
            Some(at_once) => both(at_once),
            None => both(&|parity, lines| {
                parity();
                lines();
            }),
        };
        (parity.expect("both are called"), lines.expect("both are called"))
    }

    /// Is everything as if it had been made from nothing?
    #[cfg(debug_assertions)]
    fn check(
        &self,
        files: &FileTable,
        definition: Option<&Arc<MissionDefinition>>,
        (parity, tree): (Digest, TreeHash),
    ) {
        use super::parity::parity_hash;
        let anew = RowSet::new(files, definition, &RowSet::default());
        assert!(self.rows.is_like(&anew), "rows were not brought up to date");
        let present = || anew.by_path.iter().filter_map(|r| Some((&r.path, r.content_hash()?)));
        assert_eq!(parity, parity_hash(present().map(|(_, digest)| digest)));
        assert_eq!(tree, TreeHash::of_sorted(present()));
    }
}

/// From so many rows on the two hashes are computed at the same time.
const WORTH_A_THREAD: usize = 10_000;

/// What meta.json says, if it is there and readable.
fn meta_facts(files: &FileTable) -> Option<&MetaFacts> {
    let path = RelPath::new("meta.json").expect("a constant, valid path");
    match &files.get(&path)?.state {
        FileState::Text { extract, .. } => match extract.as_ref() {
            Extract::Meta(facts) => Some(facts),
            _ => None,
        },
        FileState::Faulty { .. } => None,
    }
}

/// The current step and how it was found: explicit, else meta.json, else inferred. A step
/// that the mission does not have stays visible, and is never complete.
fn current_step(
    sources: &Sources<'_>,
    meta: Option<&MetaFacts>,
    definition: Option<&MissionDefinition>,
) -> (Option<String>, StepSource) {
    if let Some(step) = sources.explicit_step {
        return (Some(step.to_owned()), StepSource::Explicit);
    }
    if let Some(stated) = meta.and_then(MetaFacts::step) {
        return (Some(stated.to_owned()), StepSource::Meta);
    }
    let Some(definition) = definition else { return (None, StepSource::Unknown) };
    let mission = &definition.mission;
    let inferred = if meta.is_some_and(|m| m.accepted_at.is_some()) {
        let done = mission.steps().iter().find(|s| s.as_str() == "done");
        done.or_else(|| mission.steps().last()).map(String::as_str)
    } else {
        mission.infer_step(&DiskFacts::new(sources.files))
    };
    match inferred {
        Some(step) => (Some(step.to_owned()), StepSource::Inferred),
        None => (None, StepSource::Unknown),
    }
}

/// A row for each missing entry that no file stands for.
fn missing_rows(missing: &[Missing], definition: Option<&MissionDefinition>) -> Vec<Arc<Artifact>> {
    let is_step = |step: &&String| definition.is_some_and(|d| d.mission.step_index(step).is_some());
    let row = |m: &Missing| Artifact {
        key: m.artifact_key.as_str().into(),
        class: m.artifact_class,
        classified_by: ClassifiedBy::Manifest(m.artifact_key.clone()),
        location: Location::Expected(m.shown_path().into()),
        wp_id: None,
        step_id: Some(&m.manifest_step).filter(is_step).map(|step| step.as_str().into()),
        required_status: RequiredStatus::Required,
        source: Source::Missing(Box::new(Absence {
            reason: m.reason_code,
            detail: m.reason_detail.clone(),
        })),
        entry_numbers: Box::default(),
    };
    let unmet = missing.iter().filter(|m| m.blocking && m.relative_path.is_none());
    unmet.map(|m| Arc::new(row(m))).collect()
}

/// All rows by key: those of files, and the missing ones. Should a file have the key of a
/// missing entry, which only crafted manifests bring about, it is the file that gets
/// another one: the entry's key is what people know.
fn with_missing(
    mut rows: Chunked<Arc<Artifact>>,
    missing: Vec<Arc<Artifact>>,
) -> Chunked<Arc<Artifact>> {
    for row in missing {
        if let Some(displaced) = rows.insert(row) {
            let place = Digest::sha256(displaced.location.shown().as_bytes());
            let key = format!("{}_h{place}", displaced.key).into();
            rows.insert(Arc::new(Artifact { key, ..displaced.as_ref().clone() }));
        }
    }
    rows
}
