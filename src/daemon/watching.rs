//! Everything that tells the daemon of changes, started as well as the system allows.

use std::sync::Arc;

use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::store::Home;
#[cfg(target_os = "linux")]
use crate::watch::MountWatch;
use crate::watch::{BackendChoice, Cookies, DirtySet, Unwatched, WatchBackend, WatchError};

/// Makes the source of events, which pushes into the set and recognises the cookies.
pub type BackendFactory =
    Box<dyn FnOnce(&Arc<DirtySet>, Option<&Cookies>) -> Result<Arc<dyn WatchBackend>, WatchError>>;

/// Makes the system's source of events.
pub(super) fn factory(choice: BackendChoice) -> BackendFactory {
    Box::new(move |dirty, cookies| choice.start(dirty, cookies))
}

/// Everything that tells of changes.
pub(super) struct Watching {
    pub(super) backend: Arc<dyn WatchBackend>,
    pub(super) fault: Option<String>,
    pub(super) cookies: Option<Cookies>,
    #[cfg(target_os = "linux")]
    pub(super) mounts: Option<MountWatch>,
}

impl Watching {
    /// The system's watcher, or none, with the reason. The daemon goes on without: it
    /// polls, and says so.
    pub(super) fn start(
        home: &Home,
        dirty: &Arc<DirtySet>,
        factory: BackendFactory,
        warnings: &mut Vec<Caveat>,
    ) -> Self {
        let mut warn = |text| warnings.push(Caveat::new(CaveatKind::Watching, text));
        let instance = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
        let cookies = Cookies::new(home.cookie_dir(), &instance);
        let cookies =
            cookies.map_err(|error| warn(format!("fresh reads cost a full scan: {error}"))).ok();
        let backend = factory(dirty, cookies.as_ref());
        #[cfg(target_os = "linux")]
        let mounts = MountWatch::start(Arc::clone(dirty))
            .map_err(|error| warn(format!("mounts are not watched: {error}")))
            .ok();
        let (backend, fault): (Arc<dyn WatchBackend>, _) = match backend {
            Ok(backend) => (backend, None),
            Err(error) => {
                let text = format!("files are polled, not watched: {error}");
                warn(text.clone());
                (Arc::new(Unwatched), Some(text))
            }
        };
        Self {
            backend,
            fault,
            cookies,
            #[cfg(target_os = "linux")]
            mounts,
        }
    }
}
