//! How a feature stands, as it is shown: a feature whose directory is gone keeps its last
//! dossier for a while, but nothing about it is called complete or in sync.

use crate::api::privacy::Privacy;
use crate::daemon::view::{FeatureView, WatchState};
use crate::dossier::Timestamp;
use crate::dossier::completeness::CompletenessStatus;
use crate::dossier::drift::{ParityStatus, Severity};

/// What is shown of a feature's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Standing {
    pub(in crate::api) completeness: CompletenessStatus,
    pub(in crate::api) step: CompletenessStatus,
    pub(in crate::api) parity: ParityStatus,
    pub(in crate::api) severity: Option<Severity>,
    /// Since when the directory is gone.
    pub(in crate::api) detached: Option<Timestamp>,
}

impl Standing {
    pub(in crate::api) fn of(feature: &FeatureView) -> Self {
        match feature.watch {
            WatchState::Detached { since } => Self {
                completeness: CompletenessStatus::Unknown,
                step: CompletenessStatus::Unknown,
                parity: ParityStatus::Error,
                severity: Some(Severity::Error),
                detached: Some(since),
            },
            _ => Self {
                completeness: feature.dossier.completeness_status,
                step: feature.dossier.step_status,
                parity: feature.drift.parity_status,
                severity: feature.drift.severity,
                detached: None,
            },
        }
    }

    /// The message to show with the drift.
    pub(in crate::api) fn message(
        &self,
        feature: &FeatureView,
        privacy: &Privacy,
    ) -> Option<String> {
        match self.detached {
            Some(since) => Some(format!(
                "the feature's directory is gone since {since}; restore it, or unregister the feature"
            )),
            None => privacy.maybe(feature.drift.message.as_deref()),
        }
    }
}

/// The watch state with messages that the peer may see.
pub(in crate::api) fn watch(state: &WatchState, privacy: &Privacy) -> WatchState {
    let clean = |reason: &str| privacy.text(reason).into_owned();
    match state {
        WatchState::Starting | WatchState::Live | WatchState::Detached { .. } => state.clone(),
        WatchState::Rescanning { reason } => WatchState::Rescanning { reason: clean(reason) },
        WatchState::Partial { unwatched, reason } => {
            WatchState::Partial { unwatched: *unwatched, reason: clean(reason) }
        }
        WatchState::Polling { reason } => WatchState::Polling { reason: clean(reason) },
    }
}
