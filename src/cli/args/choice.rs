//! Values that can be chosen from.

use clap::ValueEnum;
use clap::builder::PossibleValue;

/// A type of event, as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// An artifact was indexed.
    Indexed,
    /// A required artifact became missing.
    Missing,
    /// A snapshot was computed.
    Snapshot,
    /// The snapshot differs from the baseline.
    Drift,
}

impl EventKind {
    /// The `event_type` on the wire.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Indexed => "MissionDossierArtifactIndexed",
            Self::Missing => "MissionDossierArtifactMissing",
            Self::Snapshot => "MissionDossierSnapshotComputed",
            Self::Drift => "MissionDossierParityDriftDetected",
        }
    }

    /// The short word for an `event_type`; an unknown type is its own word.
    pub fn word(event_type: &str) -> &str {
        match event_type {
            "MissionDossierArtifactIndexed" => "indexed",
            "MissionDossierArtifactMissing" => "missing",
            "MissionDossierSnapshotComputed" => "snapshot",
            "MissionDossierParityDriftDetected" => "drift",
            other => other,
        }
    }
}

impl ValueEnum for EventKind {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Indexed, Self::Missing, Self::Snapshot, Self::Drift]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let wire = self.wire_name();
        let bare = wire.trim_start_matches("MissionDossier");
        Some(PossibleValue::new(Self::word(wire)).aliases([wire, bare]))
    }
}

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The snapshot, for import elsewhere
    Json,
    /// A manifest that `sha256sum -c` accepts
    Sha256sums,
    /// An in-toto Statement v1 with one subject per artifact
    InToto,
}

impl ExportFormat {
    /// The value of `format=` on the wire.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sha256sums => "sha256sums",
            Self::InToto => "in-toto",
        }
    }
}

/// What makes `check` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A blocking required artifact is missing at the current step
    Missing,
    /// The content differs from the accepted baseline
    Drift,
}

/// Form of a report of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// JUnit XML
    Junit,
}
