//! The pure core: artifacts, classes, keys, manifests, steps, completeness, parity,
//! snapshots, baselines, drift and events, as values and functions over values.
//!
//! Nothing here reads a clock, a disk or an environment: what is needed comes in as an
//! argument. `tests/architecture.rs` keeps it so.

pub mod agreement;
mod anomalies;
pub mod anomaly;
pub mod artifact;
pub mod assemble;
pub mod baseline;
pub mod capture;
pub mod chunked;
pub mod class;
pub mod classify;
pub mod completeness;
pub mod condition;
pub mod definition;
pub mod digest;
pub mod drift;
mod drift_event;
pub mod emit;
pub mod event;
pub mod extract;
pub mod facts;
pub mod file;
pub mod fleet;
pub mod frontmatter;
pub mod key;
pub mod ledger;
pub mod log_state;
mod lossless_path;
pub mod manifest;
pub mod meta;
pub mod mission;
pub mod parity;
pub mod path;
pub mod pattern;
pub mod record;
mod row_set;
pub mod rules;
mod running_hash;
pub mod seal;
pub mod similar;
pub mod snapshot;
pub mod status;
pub mod strict;
mod tally;
pub mod timeline;
pub mod timestamp;
pub mod verify;
pub mod yaml;

pub use class::ArtifactClass;
pub use digest::Digest;
pub use file::{ErrorReason, FileFacts, FileState, FileTable};
pub use lossless_path::LosslessPath;
pub use path::RelPath;
pub use record::Dossier;
pub use timestamp::Timestamp;

#[cfg(test)]
mod core_tests;
#[cfg(test)]
mod testing;
