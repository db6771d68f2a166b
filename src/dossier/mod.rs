//! The pure core: artifacts, classes, keys, manifests, steps, completeness, parity,
//! snapshots, baselines, drift and events, as values and functions over values.
//!
//! Nothing here reads a clock, a disk or an environment: what is needed comes in as an
//! argument. `tests/architecture.rs` keeps it so.

pub mod class;
pub mod classify;
pub mod condition;
pub mod definition;
pub mod digest;
pub mod extract;
pub mod facts;
pub mod file;
pub mod frontmatter;
pub mod manifest;
pub mod meta;
pub mod mission;
pub mod path;
pub mod pattern;
pub mod rules;
pub mod status;
pub mod strict;
pub mod timestamp;
pub mod yaml;

pub use class::ArtifactClass;
pub use digest::Digest;
pub use file::{ErrorReason, FileFacts, FileState, FileTable};
pub use path::RelPath;
pub use timestamp::Timestamp;
