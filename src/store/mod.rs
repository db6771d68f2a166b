//! Durable files: atomic replace, the event log, locks, the clock, the registry.
//!
//! Bytes only: what a snapshot, a baseline or an event says is the pure core's business,
//! which parses and renders. Here is what a crash, a full disk, a second process or a
//! hostile checkout may do to a file, and what is left then. Invariants: nothing but the
//! event log is ever changed in place; nothing below a project is reached through a
//! symbolic link; every error names its path.

pub mod atomic;
pub mod clock;
pub mod document;
pub mod dossier_dir;
pub mod error;
pub mod event_log;
pub mod home;
pub mod identity;
pub mod line_file;
pub mod lock;
pub mod log_file;
pub mod mission_overrides;
mod pace;
pub mod place;
pub mod registry;
pub mod secret;

pub use clock::LamportClock;
pub use dossier_dir::{DossierDir, project_id};
pub use error::{StoreError, with_causes};
pub use event_log::{
    Append, Appended, EventLog, LineBody, LogEvent, LogLine, LogReader, MAX_LINE, Position,
    Recovery, Segment, Syncer, ask_newest, remove_segments_before, segments,
};
pub use home::{Home, HomeError, socket_of_system_service};
pub use identity::{IdentityFile, ProjectIdentity};
pub use line_file::LineFile;
pub use lock::{InstanceLock, LockError};
pub use log_file::{LOG_FILE_LIMIT, LogFile, LogFileError};
pub use mission_overrides::{MissionOverridesFile, Overrides};
pub use pace::Pace;
pub use place::FallbackReason;
pub use registry::{RegisteredRoot, Registry, RegistryFile, RootKind};
