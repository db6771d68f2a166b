//! The daemon's documents, as far as people are shown them.
//!
//! Reading is lenient, so that a command and a daemon of neighbouring versions understand
//! each other: unknown members are ignored, missing ones count as empty. What a status
//! means is decided by the daemon; here it is text.

mod features;
mod lists;
mod overview;

pub use features::{
    DaemonStatus, FeatureRow, Features, Health, PendingRow, Registered, Removed, Root,
    WarningDetail,
};
pub use lists::{
    Artifact, Artifacts, BaselineDocument, BaselineFile, Cleared, DeadLetter, DeadLetters, Drift,
    Events, Ignored, IgnoredEntry, Move, Retried, ShownArtifact, Sink, SyncStatus,
};
pub use overview::{
    Anomaly, BaselineSummary, Counts, DriftSummary, Missing, Overview, Step, Store, Watch,
};
