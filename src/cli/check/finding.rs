//! What a check finds in one feature.

use crate::cli::args::FailOn;
use crate::dossier::RelPath;
use crate::dossier::completeness::{CompletenessStatus, Missing};
use crate::dossier::drift::{ParityStatus, Severity};
use crate::dossier::manifest::Requirement as When;
use crate::dossier::path::shown;
use crate::survey::{FeatureSurvey, Judged};

/// One feature, checked.
#[derive(Debug, serde::Serialize)]
pub(super) struct Checked {
    pub feature_slug: String,
    pub completeness_status: CompletenessStatus,
    pub mission_type: Option<String>,
    pub current_step: Option<String>,
    pub step_source: &'static str,
    pub parity_status: ParityStatus,
    pub parity_hash_sha256: String,
    pub required: usize,
    pub required_present: usize,
    pub present: usize,
    pub findings: Vec<Finding>,
    /// What is required up to the current step.
    #[serde(skip)]
    pub requirements: Vec<Requirement>,
}

/// One manifest entry that the feature has to meet by now.
#[derive(Debug)]
pub(super) struct Requirement {
    pub artifact_key: String,
    /// `required_always` or the step.
    pub step: String,
    /// Why it is not met.
    pub missing: Option<Unmet>,
}

/// A requirement that is not met.
#[derive(Debug)]
pub(super) struct Unmet {
    pub fails: bool,
    pub reason_code: &'static str,
    pub message: String,
}

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Finding {
    /// `missing`, `completeness`, `drift` or `anomaly`.
    pub kind: &'static str,
    pub severity: Severity,
    /// Does it make the check fail?
    pub fails: bool,
    /// Path relative to the project root, where there is one.
    pub path: Option<String>,
    /// What is there to be pointed at, relative to the root of the repository: the file, or
    /// where there is none, the feature's meta.json or its directory.
    #[serde(skip)]
    pub place: String,
    pub artifact_key: Option<String>,
    pub reason_code: Option<&'static str>,
    pub message: String,
}

/// Checks one feature.
pub(super) fn check(feature: &FeatureSurvey, judged: &Judged, fail_on: &[FailOn]) -> Checked {
    let dossier = &judged.dossier;
    let places = Places::of(feature, judged);
    let mut findings = completeness(feature, judged, &places, fail_on.contains(&FailOn::Missing));
    findings.extend(drift(feature, judged, &places, fail_on.contains(&FailOn::Drift)));
    findings.extend(anomalies(feature, judged, &places));
    Checked {
        feature_slug: dossier.feature_slug.clone(),
        completeness_status: dossier.completeness_status,
        mission_type: dossier.mission_type.clone(),
        current_step: dossier.current_step.clone(),
        step_source: dossier.step_source.as_str(),
        parity_status: judged.drift.parity_status,
        parity_hash_sha256: dossier.parity_hash.to_string(),
        required: dossier.counts.required,
        required_present: dossier.counts.required_present,
        present: dossier.present_count(),
        findings,
        requirements: requirements(judged, fail_on.contains(&FailOn::Missing)),
    }
}

/// What the manifest requires up to the current step, in its order.
fn requirements(judged: &Judged, fails: bool) -> Vec<Requirement> {
    let dossier = &judged.dossier;
    let Some(definition) = &dossier.definition else { return Vec::new() };
    let steps = definition.mission.steps();
    let current =
        dossier.current_step.as_ref().and_then(|step| definition.mission.step_index(step));
    let step_of = |when: &When| match when {
        When::Always => Some("required_always".to_owned()),
        When::Step(step) => current.filter(|now| step <= now).map(|_| steps[*step].clone()),
        When::Optional => None,
    };
    let entries = definition.manifest.entries().iter();
    let required = entries.filter_map(|entry| {
        let missing = dossier.missing.iter().find(|m| m.artifact_key == entry.artifact_key);
        Some(Requirement {
            artifact_key: entry.artifact_key.clone(),
            step: step_of(&entry.when)?,
            missing: missing.map(|missing| Unmet {
                fails: fails && missing.blocking,
                reason_code: missing.reason_code.as_str(),
                message: describe(missing),
            }),
        })
    });
    required.collect()
}

/// Where annotations go.
struct Places {
    /// From the root of the repository to the feature.
    feature: String,
    has_meta: bool,
}

impl Places {
    fn of(feature: &FeatureSurvey, judged: &Judged) -> Self {
        // Annotations are read from the root of the checkout, which a project may lie below.
        let below = feature.context.as_ref().and_then(|context| {
            let root = context.root.ancestors().find(|dir| dir.join(".git").exists())?;
            let below = context.root.strip_prefix(root).ok()?;
            Some(shown(below.as_os_str().as_encoded_bytes()).into_owned())
        });
        let parts = [below.unwrap_or_default(), feature.prefix.clone()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let mut places = Self { feature: parts.join("/"), has_meta: false };
        places.has_meta = places.has(judged, "meta.json");
        places
    }

    fn has(&self, judged: &Judged, path: &str) -> bool {
        RelPath::new(path.as_bytes()).is_ok_and(|path| judged.dossier.rows.get(&path).is_some())
    }

    /// The file itself if there is one, else what stands for the feature.
    fn at(&self, judged: &Judged, path: Option<&str>) -> String {
        let inside = match path.filter(|path| self.has(judged, path)) {
            Some(path) => path,
            None if self.has_meta => "meta.json",
            None => "",
        };
        match (self.feature.as_str(), inside) {
            ("", "") => ".".to_owned(),
            ("", inside) => inside.to_owned(),
            (feature, "") => feature.to_owned(),
            (feature, inside) => format!("{feature}/{inside}"),
        }
    }
}

/// A path relative to the project root.
fn project_path(feature: &FeatureSurvey, path: &str) -> String {
    if feature.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", feature.prefix) }
}

/// A missing artifact in words.
fn describe(missing: &Missing) -> String {
    format!(
        "{} ({}) is missing at step {}: {}; {}",
        missing.shown_path(),
        missing.artifact_key,
        missing.manifest_step,
        missing.reason_code.as_str().replace('_', " "),
        missing.remediation_hint
    )
}

fn completeness(
    feature: &FeatureSurvey,
    judged: &Judged,
    places: &Places,
    fails: bool,
) -> Vec<Finding> {
    let dossier = &judged.dossier;
    let missing = dossier.missing.iter().filter(|m| m.blocking).map(|m| Finding {
        kind: "missing",
        severity: Severity::Error,
        fails,
        path: Some(project_path(feature, m.shown_path())),
        artifact_key: Some(m.artifact_key.clone()),
        reason_code: Some(m.reason_code.as_str()),
        place: places.at(judged, m.relative_path.as_deref()),
        message: describe(m),
    });
    let mut findings: Vec<Finding> = missing.collect();
    if dossier.completeness_status == CompletenessStatus::Unknown {
        findings.push(Finding {
            kind: "completeness",
            severity: Severity::Error,
            fails,
            path: None,
            place: places.at(judged, None),
            artifact_key: None,
            reason_code: None,
            message: format!(
                "completeness is unknown: mission type {}, step {}; name both in meta.json, or with --mission-type and --step",
                dossier.mission_type_or_unknown(),
                dossier.current_step.as_deref().unwrap_or("unknown"),
            ),
        });
    }
    findings
}

fn drift(feature: &FeatureSurvey, judged: &Judged, places: &Places, fails: bool) -> Vec<Finding> {
    let drift = &judged.drift;
    let differs = matches!(
        drift.parity_status,
        ParityStatus::Drifted | ParityStatus::Moved | ParityStatus::Error
    );
    let severity = drift.severity.unwrap_or(Severity::Info);
    let finding = |path: Option<&str>, message: String| Finding {
        kind: "drift",
        severity,
        fails: fails && differs,
        path: path.map(|path| project_path(feature, path)),
        place: places.at(judged, path),
        artifact_key: None,
        reason_code: None,
        message,
    };
    let names = &drift.differences;
    let mut findings = Vec::new();
    for (word, paths) in
        [("removed", &names.removed), ("changed", &names.changed), ("added", &names.added)]
    {
        for path in paths {
            let message = format!("{path} was {word} since the baseline");
            findings.push(finding(Some(path), message));
        }
    }
    for moved in &names.moved {
        let message = format!("{} was moved to {} since the baseline", moved.from, moved.to);
        findings.push(finding(Some(&moved.to), message));
    }
    if findings.is_empty() && (differs || drift.parity_status == ParityStatus::BaselineRejected) {
        let status = drift.parity_status.as_str().replace('_', " ");
        let why = drift.message.as_ref().map_or_else(String::new, |m| format!(": {m}"));
        findings.push(finding(None, format!("{status}{why}")));
    }
    findings
}

/// Anomalies that are not missing artifacts: shown, never failing by themselves.
fn anomalies(feature: &FeatureSurvey, judged: &Judged, places: &Places) -> Vec<Finding> {
    let others = judged.dossier.anomalies.iter().filter(|a| a.code != "missing-required");
    others
        .map(|anomaly| Finding {
            kind: "anomaly",
            severity: anomaly.severity,
            fails: false,
            path: anomaly.relative_path.as_ref().map(|path| project_path(feature, path)),
            place: places.at(judged, anomaly.relative_path.as_deref()),
            artifact_key: anomaly.artifact_key.clone(),
            reason_code: anomaly.reason_code.map(|reason| reason.as_str()),
            message: anomaly.message.clone(),
        })
        .collect()
}
