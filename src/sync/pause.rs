//! Why a sink sends nothing; what a person asked for outlasts a restart.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::{StoreError, atomic, document};

const VERSION: u64 = 1;
const SIZE_LIMIT: u64 = 64 * 1024;

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// Somebody asked for it.
    Asked,
    /// The other side refused, for this reason. A restart tries again.
    Refused(String),
    /// Whether somebody asked for it cannot be read.
    Unknown(String),
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("as asked for"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Unknown(reason) => write!(f, "{reason}; resume to go on"),
        }
    }
}

/// Where it is written down that somebody asked for a pause.
pub(super) struct PauseFile(PathBuf);

#[derive(Serialize, Deserialize)]
struct Document {
    schema_version: u64,
    paused: bool,
}

impl PauseFile {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.join("pause.json"))
    }

    pub(super) fn read(&self) -> Result<bool, StoreError> {
        let Some(bytes) = document::read(&self.0, SIZE_LIMIT)? else { return Ok(false) };
        let document: Document = document::parse(&bytes, &self.0, "pause", VERSION)?;
        Ok(document.paused)
    }

    pub(super) fn write(&self, paused: bool) -> Result<(), StoreError> {
        let document = Document { schema_version: VERSION, paused };
        atomic::replace(&self.0, &document::render(&document, &self.0)?, 0o600)
    }
}
