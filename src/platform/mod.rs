//! The little that differs between operating systems, so that nothing else needs `cfg`.
//!
//! `dir` is the handle through which everything below a directory is reached without
//! following links; `user` says who runs this and on which machine; `runtime` where
//! sockets go and how long their paths may be; `stderr` where messages go; `access` sets modes and forbids core dumps; `memory` gives free
//! memory back; `threads` starts those that may be refused; `supervisor` is what a service
//! manager tells its services, `passed_sockets` and `launchd` the listeners that it passes.
//! Decisions stay with the callers: nothing here knows a dossier.

pub mod access;
#[cfg(unix)]
#[path = "dir_unix.rs"]
pub mod dir;
#[cfg(not(unix))]
#[path = "dir_portable.rs"]
pub mod dir;
#[cfg(target_os = "macos")]
mod launchd;
pub mod memory;
pub mod node;
#[cfg(unix)]
pub mod passed_sockets;
pub mod runtime;
pub mod stderr;
#[cfg(unix)]
pub mod supervisor;
pub mod threads;
pub mod user;

pub use dir::Dir;
pub use node::{NodeFacts, NodeKind, Open};
