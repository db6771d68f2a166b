//! Completeness: which required artifacts are there at the current step, which are not,
//! and why.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use super::definition::MissionDefinition;
use super::manifest::{ManifestEntry, Requirement};
use super::tally::EntryTally;
use super::{ArtifactClass, ErrorReason, RelPath};

/// The answer to "is it complete?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletenessStatus {
    /// Every blocking required artifact is present.
    Complete,
    /// At least one is not.
    Incomplete,
    /// There is no manifest, or the step is not known: never complete.
    Unknown,
}

impl CompletenessStatus {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }

    fn of(missing_blocking: bool) -> Self {
        if missing_blocking { Self::Incomplete } else { Self::Complete }
    }
}

/// One required artifact that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Key of the manifest entry.
    pub artifact_key: String,
    /// Its class.
    pub artifact_class: ArtifactClass,
    /// The path patterns that would meet the entry; any one of them does.
    pub path_patterns: Vec<String>,
    /// The file that is there but does not count, if there is one.
    pub relative_path: Option<String>,
    /// `required_always` or the step that asks for it.
    pub manifest_step: String,
    /// Why it is missing.
    pub reason_code: ErrorReason,
    /// More, for people.
    pub reason_detail: Option<String>,
    /// Does it keep the mission from being complete?
    pub blocking: bool,
    /// Was something there before that met the entry?
    pub was_present: bool,
    /// What to do.
    pub remediation_hint: String,
}

impl Missing {
    /// The path to name: that of the faulty file, else the first pattern.
    pub fn shown_path(&self) -> &str {
        let first = self.path_patterns.first().map_or("", String::as_str);
        self.relative_path.as_deref().unwrap_or(first)
    }
}

/// One step of the mission and its required artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// The step's name in mission.yaml.
    pub step_id: String,
    /// Is it the current one?
    pub current: bool,
    /// Keys of its required entries.
    pub required: Vec<String>,
    /// Those that are met.
    pub present: Vec<String>,
    /// Those that are not.
    pub missing: Vec<String>,
    /// Are all blocking ones met?
    pub status: CompletenessStatus,
}

/// What completeness is judged by.
pub struct Evidence<'a> {
    /// The mission and its manifest.
    pub definition: &'a MissionDefinition,
    /// How the files stand to its entries, in manifest order.
    pub entries: &'a [EntryTally],
    /// The current step, by index; `None` when it is unknown.
    pub current: Option<usize>,
    /// Was the step inferred from what is on disk?
    pub inferred: bool,
    /// Paths that were there before and are not now.
    pub remembered: &'a BTreeSet<RelPath>,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completeness {
    /// Of everything up to the current step.
    pub status: CompletenessStatus,
    /// Of `required_always` and the current step alone.
    pub step_status: CompletenessStatus,
    /// All that is missing, in manifest order.
    pub missing: Vec<Missing>,
    /// The matrix, in step order.
    pub steps: Vec<StepReport>,
}

impl Completeness {
    /// The judgement where there is no manifest.
    pub fn unknown() -> Self {
        Self {
            status: CompletenessStatus::Unknown,
            step_status: CompletenessStatus::Unknown,
            missing: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// How the files stand to one manifest entry.
#[derive(Debug, Clone, Default)]
struct EntryState<'a> {
    met: bool,
    faulty: Option<&'a Artifact>,
    remembered: bool,
}

/// Judges the completeness of a dossier.
pub fn judge(evidence: &Evidence<'_>) -> Completeness {
    let states = entry_states(evidence);
    let entries = evidence.definition.manifest.entries();
    let steps = step_reports(evidence, entries, &states);
    let Some(current) = evidence.current else {
        return Completeness { steps, ..Completeness::unknown() };
    };
    let blocked = |is_due: &dyn Fn(&Requirement) -> bool| {
        entries.iter().zip(&states).any(|(e, s)| e.blocking && !s.met && is_due(&e.when))
    };
    let due = |when: &Requirement| match when {
        Requirement::Always => true,
        Requirement::Step(step) => *step <= current,
        Requirement::Optional => false,
    };
    let status = CompletenessStatus::of(blocked(&due));
    let step_status = CompletenessStatus::of(blocked(&|when| match when {
        Requirement::Always => true,
        Requirement::Step(step) => *step == current,
        Requirement::Optional => false,
    }));
    let overtaken = overtaken_step(evidence, entries, &states, status);
    let missing = entries
        .iter()
        .zip(&states)
        .filter(|(entry, state)| {
            let late = match entry.when {
                // What was there and is gone is named whatever the step, once incomplete.
                Requirement::Step(step) => {
                    overtaken.is_some_and(|last| step <= last || state.remembered)
                }
                Requirement::Always | Requirement::Optional => false,
            };
            !state.met && (due(&entry.when) || (late && entry.blocking))
        })
        .map(|(entry, state)| missing(evidence.definition, entry, state, current))
        .collect();
    Completeness { status, step_status, missing, steps }
}

/// The last step that the files have reached already, for a mission whose step is inferred
/// and that is incomplete.
///
/// Inference stops at the first gap. When `spec.md` is deleted from a mission in
/// implementation the walk falls back to `specify`, and a list of what that step asks for
/// would hide that `plan.md` is gone too. So whatever lies before a step with artifacts
/// on disk is listed with it. The status is not touched by this.
fn overtaken_step(
    evidence: &Evidence<'_>,
    entries: &[ManifestEntry],
    states: &[EntryState<'_>],
    status: CompletenessStatus,
) -> Option<usize> {
    if !evidence.inferred || status != CompletenessStatus::Incomplete {
        return None;
    }
    let reached = entries.iter().zip(states).filter_map(|(entry, state)| match entry.when {
        Requirement::Step(step) if state.met => Some(step),
        _ => None,
    });
    Some(reached.max().unwrap_or(0))
}

/// The state of each entry, in manifest order.
fn entry_states<'a>(evidence: &Evidence<'a>) -> Vec<EntryState<'a>> {
    let manifest = &evidence.definition.manifest;
    let state = |entry: &'a EntryTally| EntryState {
        met: entry.present > 0,
        faulty: entry.faulty.values().next().map(AsRef::as_ref),
        remembered: false,
    };
    let mut states: Vec<EntryState<'a>> = evidence.entries.iter().map(state).collect();
    for path in evidence.remembered {
        for entry in manifest.find(path).entries() {
            states[entry].remembered = true;
        }
    }
    states
}

/// The matrix: for each step its required entries, and how they stand.
fn step_reports(
    evidence: &Evidence<'_>,
    entries: &[ManifestEntry],
    states: &[EntryState<'_>],
) -> Vec<StepReport> {
    let report = |(index, step): (usize, &String)| {
        let own =
            || entries.iter().zip(states).filter(move |(e, _)| e.when == Requirement::Step(index));
        let keys = |met: bool| {
            own().filter(|(_, s)| s.met == met).map(|(e, _)| e.artifact_key.clone()).collect()
        };
        StepReport {
            step_id: step.clone(),
            current: evidence.current == Some(index),
            required: own().map(|(e, _)| e.artifact_key.clone()).collect(),
            present: keys(true),
            missing: keys(false),
            status: CompletenessStatus::of(own().any(|(e, s)| e.blocking && !s.met)),
        }
    };
    evidence.definition.mission.steps().iter().enumerate().map(report).collect()
}

/// Names one missing entry, with its reason.
fn missing(
    definition: &MissionDefinition,
    entry: &ManifestEntry,
    state: &EntryState<'_>,
    current: usize,
) -> Missing {
    let (reason_code, reason_detail) = match state.faulty {
        Some(row) => (
            row.error_reason().unwrap_or(ErrorReason::Unreadable),
            row.error_detail().map(str::to_owned),
        ),
        None if state.remembered => {
            (ErrorReason::NotFound, Some("it was there before and is gone".to_owned()))
        }
        None if entry.when == Requirement::Step(current) => (ErrorReason::NotProducedYet, None),
        None => (ErrorReason::NotFound, None),
    };
    let path_patterns: Vec<String> = entry.patterns.iter().map(|p| p.text.clone()).collect();
    let manifest_step = match entry.when {
        Requirement::Step(step) => definition.mission.steps()[step].clone(),
        Requirement::Always | Requirement::Optional => "required_always".to_owned(),
    };
    let relative_path = state.faulty.map(|row| row.location.shown().into_owned());
    let named = relative_path.clone().unwrap_or_else(|| path_patterns.join(" or "));
    let remediation_hint = match reason_code {
        ErrorReason::NotFound => format!("restore or write {named}"),
        ErrorReason::NotProducedYet => {
            format!("write {named}; step {manifest_step} is where it is made")
        }
        ErrorReason::Unreadable => {
            format!("make {named} a readable regular file inside the feature")
        }
        ErrorReason::InvalidFormat => format!("save {named} as UTF-8"),
        ErrorReason::DeletedAfterScan => {
            format!("{named} vanished while it was read; restore it or scan again")
        }
    };
    Missing {
        artifact_key: entry.artifact_key.clone(),
        artifact_class: entry.artifact_class,
        path_patterns,
        relative_path,
        manifest_step,
        reason_code,
        reason_detail,
        blocking: entry.blocking,
        was_present: state.remembered,
        remediation_hint,
    }
}
