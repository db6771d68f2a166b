//! dossierd: a per-user daemon that keeps the dossier of every mission.
//!
//! ARCHITECTURE.md is the map; each module says at its top what it is for.

// The checks of the fuzz targets name the crate as its users do.
#[cfg(test)]
extern crate self as dossierd;

// Transport-free requests and responses: router, resources, wire types.
pub mod api;
// The command line: one file per command.
pub mod cli;
// The loop that owns all mutable state, and the views it publishes.
pub mod daemon;
// The pure core: values and functions over values, no clock, no disk.
pub mod dossier;
// Doors for the fuzz targets, in no build of the program.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
// The running program: the daemon, the API and the listeners, put together.
pub mod host;
// From disk to facts: walk, read, hash, cache, incremental re-index.
pub mod index;
// The little that differs between operating systems.
pub mod platform;
// What a project says of itself: root, identity, git, missions.
pub mod project;
// hyper over TCP and Unix sockets: guards, limits, streams.
pub mod server;
// Durable files: atomic replace, event log, snapshots, baselines.
pub mod store;
// One feature from disk to judgement: scan, assemble, find the baseline, compare.
pub mod survey;
pub mod sync;
// File-system events as hints: back-end, dirty set, settling, cookies.
pub mod watch;
