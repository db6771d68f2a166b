//! Watching: events are hints, content decides.
//!
//! What a back-end reports lands in a [`DirtySet`]: paths that may have changed, a flag
//! that something was lost, and barriers. The loop takes all of it at once, lets paths
//! settle ([`Settler`]) and has them looked at. Nothing here reads an artifact, and no
//! kind of event ever decides what a path is: that is asked of the file system.
//!
//! Invariants:
//! - A directory is watched first and listed afterwards, at every visit, known or not.
//! - One back-end instance, hence one ordered queue: a cookie seen by it fences every
//!   write, in any root, that returned before the cookie was made.
//! - What is lost (a queue overflow, an error, a mount) becomes a request for a rescan,
//!   never silence.

mod backend;
#[cfg(all(test, target_os = "linux"))]
mod backend_tests;
mod choice;
mod classify;
mod cookie;
mod dirty;
mod error;
pub mod fake;
mod file_system;
mod heat;
mod identity;
#[cfg(target_os = "linux")]
mod inotify_backend;
mod limits;
#[cfg(target_os = "linux")]
mod mounts;
mod notify_backend;
mod plain_dir;
mod rescan;
mod settle;
mod slow_lane;
mod slow_target;

pub use backend::{Coverage, DirWatcher, Unwatched, WatchBackend};
pub use choice::BackendChoice;
pub use classify::Classifier;
pub use cookie::{CookieError, CookieId, Cookies};
pub use dirty::{Batch, DirtySet, DirtyStats, MarkKind};
pub use error::{StatError, WatchError};
pub use file_system::FileSystemKind;
pub use identity::RootIdentity;
#[cfg(target_os = "linux")]
pub use inotify_backend::InotifyBackend;
pub use limits::InotifyLimits;
#[cfg(target_os = "linux")]
pub use mounts::MountWatch;
pub use notify_backend::NotifyBackend;
pub use rescan::{BackoffPolicy, RescanBackoff};
pub use settle::{SettlePolicy, Settler};
pub use slow_lane::SlowLane;
pub use slow_target::{SlowEvent, SlowPath, SlowTarget};
