//! The back-ends that everything has to hold for.

use std::sync::Arc;

use dossierd::watch::{BackendChoice, Cookies, DirtySet, WatchBackend, WatchError};

/// A source of file events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The kernel's inotify, directly.
    Inotify,
    /// The `notify` crate.
    Notify,
}

impl Backend {
    const ALL: [Self; 2] = [Self::Inotify, Self::Notify];

    /// All of them, or those that `DOSSIERD_BACKENDS` names.
    pub(crate) fn chosen() -> Vec<Self> {
        let Ok(names) = std::env::var("DOSSIERD_BACKENDS") else { return Self::ALL.to_vec() };
        let named = names.split(',').map(|name| {
            let found = Self::ALL.into_iter().find(|backend| backend.name() == name.trim());
            found.unwrap_or_else(|| panic!("DOSSIERD_BACKENDS: no back-end is called {name:?}"))
        });
        named.collect()
    }

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inotify => "inotify",
            Self::Notify => "notify",
        }
    }

    /// Starts one.
    pub(crate) fn start(
        self,
        dirty: &Arc<DirtySet>,
        cookies: Option<&Cookies>,
    ) -> Result<Arc<dyn WatchBackend>, WatchError> {
        let choice = match self {
            Self::Inotify => BackendChoice::Inotify,
            Self::Notify => BackendChoice::Notify,
        };
        choice.start(dirty, cookies)
    }
}
