//! The running program: the daemon, the API and the listeners, put together.
//!
//! Order of starting: daemon (locks, watches), token, listeners, then the first scans, during
//! which what is not scanned yet is answered as not known. Order of ending: listeners first,
//! so that nobody asks what is no longer there.

mod caveats;
mod check;
mod delivery;
mod error;
mod manager;
mod milestones;
mod places;
mod ports;
mod reload;
mod running;
mod sessions;
mod vigil;

pub use crate::server::ServerError;
pub use check::check;
pub use error::HostError;
pub use manager::{Manager, NotifyError};
pub use reload::Reloaded;
pub use running::{Host, HostConfig, Started};
