//! The six classes of artifacts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an artifact is for. There is no "other"; the encoding may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ArtifactClass {
    /// What a mission starts from, such as `spec.md`.
    Input,
    /// What steers the work, such as task lists and state.
    Workflow,
    /// What the mission produces.
    Output,
    /// What supports a claim: research, reviews, test results.
    Evidence,
    /// What binds the work: checklists, decisions, contracts.
    Policy,
    /// What tools write while they run.
    Runtime,
}

impl ArtifactClass {
    /// All classes, in the order they are documented.
    pub const ALL: [ArtifactClass; 6] =
        [Self::Input, Self::Workflow, Self::Output, Self::Evidence, Self::Policy, Self::Runtime];

    /// The name used everywhere: files, wire, command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Workflow => "workflow",
            Self::Output => "output",
            Self::Evidence => "evidence",
            Self::Policy => "policy",
            Self::Runtime => "runtime",
        }
    }
}

impl fmt::Display for ArtifactClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no artifact class; allowed are input, workflow, output, evidence, policy, runtime"
)]
pub struct UnknownClass(pub String);

impl FromStr for ArtifactClass {
    type Err = UnknownClass;
    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| UnknownClass(text.chars().take(80).collect()))
    }
}
