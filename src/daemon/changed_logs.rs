//! Which logs have grown since somebody looked: for those who read the logs themselves,
//! however far behind they are. Never grows beyond the number of features.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Ids of features whose logs have grown.
#[derive(Debug, Default)]
pub struct ChangedLogs {
    features: Mutex<BTreeSet<String>>,
    grown: Notify,
}

impl ChangedLogs {
    /// Notes features.
    pub(super) fn note<'a>(&self, features: impl Iterator<Item = &'a str>) {
        let mut noted = self.features.lock().unwrap_or_else(PoisonError::into_inner);
        for feature in features {
            if !noted.contains(feature) {
                noted.insert(feature.to_owned());
            }
        }
        drop(noted);
        self.grown.notify_one();
    }

    /// Waits until there is something, and takes it. One may wait at a time.
    pub async fn take(&self) -> BTreeSet<String> {
        loop {
            // A note that comes between the two leaves a permit, so the wait ends at once.
            let noted =
                std::mem::take(&mut *self.features.lock().unwrap_or_else(PoisonError::into_inner));
            if !noted.is_empty() {
                return noted;
            }
            self.grown.notified().await;
        }
    }
}
