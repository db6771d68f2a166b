//! How far a sink has come in one log, on disk.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::batch::identified;
use crate::dossier::Timestamp;
use crate::store::{DossierDir, LineBody, LogReader, Position, StoreError, atomic, document};

const VERSION: u64 = 1;
const SIZE_LIMIT: u64 = 64 * 1024;

/// How far a sink has come in one log. Everything up to `last` is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    schema_version: u64,
    /// The last settled event; `None` before the first.
    pub(super) last: Option<Last>,
    /// Events that are settled: delivered, known already, or kept as dead letters.
    pub(super) settled: u64,
    /// Those of them that the other side had already.
    pub(super) duplicate: u64,
}

/// A settled event and where it is. The place is only believed while the event is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) at: Position,
    pub(super) event_id: String,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { schema_version: VERSION, last: None, settled: 0, duplicate: 0 }
    }
}

impl Cursor {
    /// Reads the cursor of a log in a sink's directory; one that points to the beginning if
    /// there is none.
    pub(super) fn load(dir: &Path, log: &str) -> Result<Self, StoreError> {
        let path = file(dir, log);
        match document::read(&path, SIZE_LIMIT)? {
            Some(bytes) => document::parse(&bytes, &path, "delivery cursor", VERSION),
            None => Ok(Self::default()),
        }
    }

    /// Writes it down, durably.
    pub(super) fn save(&self, dir: &Path, log: &str) -> Result<(), StoreError> {
        let path = file(dir, log);
        atomic::replace(&path, &document::render(self, &path)?, 0o600)
    }

    /// A reader of what comes behind the cursor. Where the log is no longer the one that the
    /// cursor knew, it is read from its beginning, and with the reader comes the id up to
    /// which events are to be passed over: ids only ever grow, so nothing is sent twice that
    /// is in both.
    pub(super) fn reader(&self, place: &DossierDir, now: Timestamp) -> (LogReader, Option<String>) {
        let whole = || LogReader::new(place.clone());
        let Some(last) = &self.last else { return (whole(), None) };
        match last.reader_behind(place) {
            Some(reader) => (reader, None),
            None => (whole(), Some(last.event_id.clone()).filter(|id| !is_ahead(id, now))),
        }
    }
}

/// Is an id from a time to come? Then nothing can be told from it: sooner everything is sent
/// again than anything is passed over.
fn is_ahead(id: &str, now: Timestamp) -> bool {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    Ulid::from_string(id).map_or(true, |id| id.timestamp_ms() > now.as_millis() + DAY_MS)
}

impl Last {
    /// A reader that begins behind the event; `None` if it is not where it was.
    pub(super) fn reader_behind(&self, place: &DossierDir) -> Option<LogReader> {
        let mut reader = LogReader::from(place.clone(), self.at).ok()?;
        let LineBody::Whole(bytes) = reader.next()?.ok()?.body else { return None };
        let (id, _) = identified(&bytes)?;
        (id == self.event_id).then_some(reader)
    }
}

fn file(dir: &Path, log: &str) -> PathBuf {
    dir.join(format!("{log}.json"))
}
