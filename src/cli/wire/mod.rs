//! The daemon's documents, as far as people are shown them.
//!
//! Reading is lenient, so that a command and a daemon of neighbouring versions understand
//! each other: unknown members are ignored, missing ones count as empty. What a status
//! means is decided by the daemon; here it is text.

mod features;
mod lists;
mod overview;

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::platform::access;

pub use features::{DaemonStatus, FeatureRow, Features, Health, Registered, Removed, Root};
pub use lists::{
    Artifact, Artifacts, BaselineDocument, BaselineFile, Cleared, Drift, Events, Ignored,
    IgnoredEntry, Move, ShownArtifact, SyncStatus,
};
pub use overview::{
    Anomaly, BaselineSummary, Counts, DriftSummary, Missing, Overview, Step, Store, Watch,
};

/// A path in JSON: text when it is UTF-8, else an array of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WirePath(pub PathBuf);

impl<'de> Deserialize<'de> for WirePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into())),
            Form::Bytes(bytes) => access::path_from_bytes(bytes)
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("these bytes are no path here")),
        }
    }
}
