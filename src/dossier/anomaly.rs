//! Anomalies: what a person should look at, in the order of the dossier.

use serde::{Deserialize, Serialize};

use super::ErrorReason;
use super::drift::Severity;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Kebab-case, stable: `missing-required`, `unreadable-artifact`,
    /// `unreadable-directory`, `invalid-frontmatter`, `invalid-meta`, `invalid-status`,
    /// `invalid-mission-override`, `invalid-ignore-file`, `unknown-mission`,
    /// `unknown-step`, `limit-exceeded`, `invalid-project-config`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// The artifact concerned, if one is.
    pub artifact_key: Option<String>,
    /// Where, relative to the feature (or to the project, for its configuration).
    pub relative_path: Option<String>,
    /// The reason code of an artifact that is not present.
    pub reason_code: Option<ErrorReason>,
    /// What happened and what to do.
    pub message: String,
}

impl Anomaly {
    /// An anomaly that belongs to no artifact.
    pub fn general(code: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            artifact_key: None,
            relative_path: None,
            reason_code: None,
            message: message.into(),
        }
    }

    /// The same anomaly at a path.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.relative_path = Some(path.into());
        self
    }
}
