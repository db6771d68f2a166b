//! From disk to facts, for one feature directory: walk, read, hash, stat cache,
//! incremental re-index.
//!
//! The index decides nothing about classes, missions or parity; it says which files there
//! are, what they hash to, and which cannot be read and why. Events only tell it where to
//! look. All file access goes through `FeatureDir`, beneath the directory.

mod below;
mod beneath;
mod contents;
mod feature_index;
mod first_pass;
mod ignore_rules;
mod index_cache;
mod links;
mod listing;
mod reader;
mod reading;
mod resolve;
mod scan;
mod stat;
mod touched_paths;
mod tree;
mod utf8_check;
mod walk;

#[cfg(test)]
mod tests;

pub use beneath::{BoundedText, FeatureDir, OpenFault, OpenedFile, RootFault};
pub use feature_index::FeatureIndex;
pub use ignore_rules::{
    IGNORE_FILE, IGNORE_FILE_LIMIT, IgnoreFault, IgnoreFile, IgnoreRules, Ignored, IgnoredBy,
};
pub use index_cache::{CacheError, IndexCache};
pub use scan::{Limits, ScanOutcome, ScanProgress, ScanRequest, ScanSettings, ScanStats, Touched};
pub use stat::{FileKind, Moment, StatKey, errno_text};
pub use tree::LimitExceeded;
