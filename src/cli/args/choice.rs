//! Values that can be chosen from.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::dossier::event::EventType;

/// A type of event, as people type it: one word, or its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind(pub EventType);

impl EventKind {
    /// The `event_type` on the wire.
    pub fn wire_name(self) -> &'static str {
        self.0.as_str()
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self.0 {
            EventType::ArtifactIndexed => "indexed",
            EventType::ArtifactMissing => "missing",
            EventType::SnapshotComputed => "snapshot",
            EventType::ParityDriftDetected => "drift",
        }
    }
}

impl ValueEnum for EventKind {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [EventKind; 4] = [
            EventKind(EventType::ALL[0]),
            EventKind(EventType::ALL[1]),
            EventKind(EventType::ALL[2]),
            EventKind(EventType::ALL[3]),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let wire = self.wire_name();
        let bare = wire.trim_start_matches("MissionDossier");
        Some(PossibleValue::new(self.word()).aliases([wire, bare]))
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
