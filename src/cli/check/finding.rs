//! What a check finds in one feature.

use crate::cli::args::FailOn;
use crate::dossier::completeness::CompletenessStatus;
use crate::dossier::drift::{ParityStatus, Severity};
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
    pub artifact_key: Option<String>,
    pub reason_code: Option<&'static str>,
    pub message: String,
}

/// Checks one feature.
pub(super) fn check(feature: &FeatureSurvey, judged: &Judged, fail_on: &[FailOn]) -> Checked {
    let dossier = &judged.dossier;
    let mut findings = completeness(feature, judged, fail_on.contains(&FailOn::Missing));
    findings.extend(drift(feature, judged, fail_on.contains(&FailOn::Drift)));
    findings.extend(anomalies(feature, judged));
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
    }
}

/// A path relative to the project root.
fn project_path(feature: &FeatureSurvey, path: &str) -> String {
    if feature.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", feature.prefix) }
}

fn completeness(feature: &FeatureSurvey, judged: &Judged, fails: bool) -> Vec<Finding> {
    let dossier = &judged.dossier;
    let missing = dossier.missing.iter().filter(|m| m.blocking).map(|m| Finding {
        kind: "missing",
        severity: Severity::Error,
        fails,
        path: Some(project_path(feature, m.shown_path())),
        artifact_key: Some(m.artifact_key.clone()),
        reason_code: Some(m.reason_code.as_str()),
        message: format!(
            "{} ({}) is missing at step {}: {}; {}",
            m.shown_path(),
            m.artifact_key,
            m.manifest_step,
            m.reason_code.as_str().replace('_', " "),
            m.remediation_hint
        ),
    });
    let mut findings: Vec<Finding> = missing.collect();
    if dossier.completeness_status == CompletenessStatus::Unknown {
        findings.push(Finding {
            kind: "completeness",
            severity: Severity::Error,
            fails,
            path: None,
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

fn drift(feature: &FeatureSurvey, judged: &Judged, fails: bool) -> Vec<Finding> {
    let drift = &judged.drift;
    let differs = matches!(
        drift.parity_status,
        ParityStatus::Drifted | ParityStatus::Moved | ParityStatus::Error
    );
    let severity = drift.severity.unwrap_or(Severity::Info);
    let finding = |path: Option<String>, message: String| Finding {
        kind: "drift",
        severity,
        fails: fails && differs,
        path,
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
            findings.push(finding(Some(project_path(feature, path)), message));
        }
    }
    for moved in &names.moved {
        let message = format!("{} was moved to {} since the baseline", moved.from, moved.to);
        findings.push(finding(Some(project_path(feature, &moved.to)), message));
    }
    if findings.is_empty() && (differs || drift.parity_status == ParityStatus::BaselineRejected) {
        let status = drift.parity_status.as_str().replace('_', " ");
        let why = drift.message.as_ref().map_or_else(String::new, |m| format!(": {m}"));
        findings.push(finding(None, format!("{status}{why}")));
    }
    findings
}

/// Anomalies that are not missing artifacts: shown, never failing by themselves.
fn anomalies(feature: &FeatureSurvey, judged: &Judged) -> Vec<Finding> {
    let others = judged.dossier.anomalies.iter().filter(|a| a.code != "missing-required");
    others
        .map(|anomaly| Finding {
            kind: "anomaly",
            severity: anomaly.severity,
            fails: false,
            path: anomaly.relative_path.as_ref().map(|path| project_path(feature, path)),
            artifact_key: anomaly.artifact_key.clone(),
            reason_code: anomaly.reason_code.map(|reason| reason.as_str()),
            message: anomaly.message.clone(),
        })
        .collect()
}
