//! `snapshot-latest.json` of one feature, written behind the log.
//!
//! The log is the durable truth and the file repeats it, so while a feature changes faster
//! than its snapshot can be written, only the newest one is. Writing takes at most about a
//! twentieth of the time: at once for small features, now and then for huge ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::view::FeatureView;
use crate::store::{DossierDir, StoreError};

/// The file's name.
pub(super) const SNAPSHOT_FILE: &str = "snapshot-latest.json";

/// So many times as long as a write took, the next one waits.
const REST: u32 = 20;

/// But never longer than this.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The file, and what it should say.
#[derive(Default)]
pub(super) struct SnapshotFile {
    waiting: Option<(Arc<FeatureView>, DossierDir)>,
    not_before: Option<Instant>,
}

impl SnapshotFile {
    /// This is what it should say.
    pub(super) fn put(&mut self, view: Arc<FeatureView>, place: DossierDir) {
        self.waiting = Some((view, place));
        self.not_before.get_or_insert_with(Instant::now);
    }

    /// When it is to be written, if it is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref().and(self.not_before)
    }

    /// Writes it if it is due, or in any case if `at_once`.
    pub(super) fn write(&mut self, at_once: bool) -> Result<(), StoreError> {
        let began = Instant::now();
        if !at_once && self.due().is_none_or(|due| due > began) {
            return Ok(());
        }
        if let Some((view, place)) = &self.waiting {
            place.replace(SNAPSHOT_FILE, &view.snapshot().to_json())?;
            self.waiting = None;
            self.not_before = Some(Instant::now() + (began.elapsed() * REST).min(LONGEST_REST));
        }
        Ok(())
    }
}
