//! From the facts of files to a dossier.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::anomaly::Anomaly;
use super::artifact::{Artifact, Location, Presence, RequiredStatus};
use super::classify::ClassifiedBy;
use super::completeness::{self, Completeness, Evidence, Missing};
use super::definition::MissionDefinition;
use super::extract::Extract;
use super::facts::DiskFacts;
use super::meta::MetaFacts;
use super::parity::{TreeHash, parity_hash};
use super::record::{Counts, Dossier, Provenance, StepSource};
use super::{FileState, FileTable, RelPath, anomalies, rows};

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
    /// The dossier before, whose rows are kept where nothing they depend on changed.
    pub previous: Option<&'a Dossier>,
}

/// Assembles a dossier.
pub fn assemble(sources: Sources<'_>) -> Dossier {
    let meta = meta_facts(sources.files);
    let mission_type = meta
        .and_then(|m| m.mission_type().map(str::to_owned))
        .or_else(|| sources.registered_mission.map(str::to_owned));
    let definition = mission_type.as_deref().and_then(|name| (sources.missions)(name));
    let (current_step, step_source) = current_step(&sources, meta, definition.as_deref());
    let rows = rows::rows(sources.files, definition.as_ref(), sources.previous);
    let file_rows: Vec<Arc<Artifact>> = rows.iter().map(|(_, _, row)| Arc::clone(row)).collect();
    let judged = match &definition {
        None => Completeness::unknown(),
        Some(definition) => completeness::judge(&Evidence {
            definition,
            rows: &file_rows,
            current: current_step.as_deref().and_then(|s| definition.mission.step_index(s)),
            inferred: step_source == StepSource::Inferred,
            remembered: sources.remembered,
        }),
    };
    let artifacts = with_missing(file_rows, &judged.missing, definition.as_deref());
    let present = || rows.iter().filter_map(|(p, _, row)| Some((p, row.content_hash()?)));
    let mut dossier = Dossier {
        feature_slug: sources.feature_slug.to_owned(),
        counts: counts(&artifacts),
        unrecognised: artifacts.iter().filter(|a| a.classified_by == ClassifiedBy::Default).count(),
        ignored: sources.ignored,
        anomalies: Vec::new(),
        parity_hash: parity_hash(present().map(|(_, digest)| digest)),
        tree_hash: TreeHash::of_sorted(present()),
        provenance: sources.provenance,
        target_branch: meta.and_then(|m| m.target_branch.clone()),
        completeness_status: judged.status,
        step_status: judged.step_status,
        missing: judged.missing,
        steps: judged.steps,
        mission_type,
        definition,
        current_step,
        step_source,
        artifacts,
        rows,
    };
    let faults = (sources.faults)(dossier.mission_type.as_deref());
    dossier.anomalies = anomalies::anomalies(&dossier, faults);
    dossier
}

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

/// All rows by key: those of files, and one for each missing entry that no file stands for.
fn with_missing(
    mut rows: Vec<Arc<Artifact>>,
    missing: &[Missing],
    definition: Option<&MissionDefinition>,
) -> Vec<Arc<Artifact>> {
    let is_step = |step: &String| definition.is_some_and(|d| d.mission.step_index(step).is_some());
    for m in missing.iter().filter(|m| m.blocking && m.relative_path.is_none()) {
        rows.push(Arc::new(Artifact {
            key: m.artifact_key.clone(),
            class: m.artifact_class,
            classified_by: ClassifiedBy::Manifest(m.artifact_key.clone()),
            location: Location::Expected(m.shown_path().to_owned()),
            size_bytes: 0,
            wp_id: None,
            step_id: Some(m.manifest_step.clone()).filter(is_step),
            required_status: RequiredStatus::Required,
            presence: Presence::Absent {
                reason: m.reason_code,
                detail: m.reason_detail.clone(),
                raw_hash: None,
            },
            indexed_at: None,
            entries: Vec::new(),
        }));
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

/// Counts rows by kind.
fn counts(rows: &[Arc<Artifact>]) -> Counts {
    let mut counts = Counts { total: rows.len(), ..Counts::default() };
    for row in rows {
        match (row.required_status, row.is_present()) {
            (RequiredStatus::Required, true) => counts.required_present += 1,
            (RequiredStatus::Required, false) => counts.required_missing += 1,
            (RequiredStatus::Optional, true) => counts.optional_present += 1,
            (RequiredStatus::Optional, false) => {}
        }
    }
    counts.required = counts.required_present + counts.required_missing;
    counts.optional = counts.total - counts.required;
    counts
}
