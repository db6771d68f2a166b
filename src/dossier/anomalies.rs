//! Finds the anomalies of a dossier.

use super::anomaly::Anomaly;
use super::artifact::Artifact;
use super::completeness::Missing;
use super::drift::Severity;
use super::extract::Extract;
use super::{Dossier, FileFacts, FileState};

/// Everything a person should look at: what is missing, what cannot be read, what the
/// index and the project found, what files say that cannot be understood.
pub(super) fn anomalies(dossier: &Dossier, faults: Vec<Anomaly>) -> Vec<Anomaly> {
    let mut out = Vec::new();
    for m in dossier.missing.iter().filter(|m| m.blocking) {
        let why = m.reason_detail.as_ref().map_or_else(String::new, |d| format!(" ({d})"));
        let message = format!(
            "{} is {}{why}; {}",
            m.shown_path(),
            m.reason_code.as_str().replace('_', " "),
            m.remediation_hint
        );
        let mut anomaly =
            Anomaly::general("missing-required", Severity::Error, message).at(m.shown_path());
        anomaly.artifact_key = Some(m.artifact_key.clone());
        anomaly.reason_code = Some(m.reason_code);
        out.push(anomaly);
    }
    let noted = dossier.noted.values();
    out.extend(noted.filter_map(|row| row_anomaly(dossier, &row.facts, &row.artifact)));
    if dossier.definition.is_none() {
        let message = match &dossier.mission_type {
            None => "meta.json names no mission_type and the registration none either; completeness is unknown".to_owned(),
            Some(name) => format!("mission type {name:?} is not known; add .kittify/missions/{name}/ or correct meta.json"),
        };
        out.push(Anomaly::general("unknown-mission", Severity::Warning, message));
    } else if let (Some(definition), Some(step)) = (&dossier.definition, &dossier.current_step)
        && definition.mission.step_index(step).is_none()
    {
        let allowed = definition.mission.steps().join(", ");
        let message =
            format!("step {step:?} is none of mission {}: {allowed}", definition.mission_type);
        out.push(Anomaly::general("unknown-step", Severity::Warning, message));
    }
    out.extend(faults);
    out
}

/// The anomaly of one listed file, if it has one that is not named as missing already.
fn row_anomaly(dossier: &Dossier, facts: &FileFacts, row: &Artifact) -> Option<Anomaly> {
    let shown = row.location.shown();
    let mut anomaly = match &facts.state {
        FileState::Faulty { reason, detail, .. } => {
            let named = |m: &Missing| m.blocking && m.relative_path.as_deref() == Some(&*shown);
            if dossier.missing.iter().any(named) {
                return None;
            }
            let mut anomaly = Anomaly::general(
                "unreadable-artifact",
                Severity::Warning,
                format!("{shown} is not part of the parity hash: {detail}"),
            );
            anomaly.reason_code = Some(*reason);
            anomaly
        }
        FileState::Text { extract, .. } => {
            let fault = extract.fault()?;
            let code = match extract.as_ref() {
                Extract::Markdown(_) => "invalid-frontmatter",
                Extract::Meta(_) => "invalid-meta",
                _ => "invalid-status",
            };
            Anomaly::general(code, Severity::Warning, format!("{shown}: {fault}"))
        }
    };
    anomaly.artifact_key = Some(row.key.to_string());
    Some(anomaly.at(shown))
}
