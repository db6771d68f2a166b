//! The running program: the daemon, the API and the listeners, put together.
//!
//! Order of starting: daemon (locks, watches, first scans), token, listeners. Order of
//! ending: listeners first, so that nobody asks what is no longer there.

mod check;
mod delivery;
mod ports;
mod reload;
mod running;
mod sessions;

pub use crate::server::ServerError;
pub use check::check;
pub use reload::Reloaded;
pub use running::{Host, HostConfig, HostError};
