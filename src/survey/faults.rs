//! What the index and the project found wrong, as anomalies of the dossier.

use crate::dossier::RelPath;
use crate::dossier::anomaly::Anomaly;
use crate::dossier::drift::Severity;
use crate::index::{FeatureIndex, IgnoreFault};
use crate::project::{MissionFault, ProjectContext};

/// Unreadable directories and exceeded limits.
pub(super) fn of_index(index: &FeatureIndex) -> Vec<Anomaly> {
    let directories = index.unreadable_directories().iter().map(|(path, reason)| {
        let shown = path.as_ref().map_or_else(|| ".".into(), RelPath::shown);
        let message = format!(
            "the directory {shown} cannot be listed ({reason}); what is in it is not known"
        );
        Anomaly::general("unreadable-directory", Severity::Error, message).at(shown)
    });
    let limits = index.limits_exceeded().iter().map(|(path, limit)| {
        let message = format!("{path} is not indexed: {}", limit.as_str());
        Anomaly::general("limit-exceeded", Severity::Error, message).at(path.shown())
    });
    let too_many = index.artifacts_exceeded().then(|| {
        let message =
            "the feature has more artifacts than are indexed; add what is none to .dossierignore";
        Anomaly::general("limit-exceeded", Severity::Error, message)
    });
    directories.chain(limits).chain(too_many).collect()
}

/// Lines of `.dossierignore` files that cannot be used.
pub fn of_ignore_files(found: &[IgnoreFault]) -> Vec<Anomaly> {
    let anomaly = |fault: &IgnoreFault| {
        Anomaly::general("invalid-ignore-file", Severity::Warning, fault.to_string())
    };
    found.iter().map(anomaly).collect()
}

/// Broken configuration and repository, and broken overrides of this mission type. A feature
/// of unknown type sees all of them: one may be the reason.
pub(super) fn of_project(context: &ProjectContext, mission_type: Option<&str>) -> Vec<Anomaly> {
    let general = context.faults.iter().map(|fault| {
        Anomaly::general("invalid-project-config", Severity::Warning, fault.to_string())
            .at(&*fault.file)
    });
    let concerns = |fault: &&MissionFault| {
        fault.mission_type.is_empty() || mission_type.is_none_or(|own| own == fault.mission_type)
    };
    let overrides = context.catalog.faults().iter().filter(concerns).map(|fault| {
        let message = format!(
            "{}, line {}: {}; the last good definition of {} stays in force",
            fault.file, fault.line, fault.message, fault.mission_type
        );
        Anomaly::general("invalid-mission-override", Severity::Error, message).at(&*fault.file)
    });
    general.chain(overrides).collect()
}
