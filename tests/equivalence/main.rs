//! Whatever is done to the files, and whatever the watcher makes of it: what the daemon
//! publishes after a fresh read is what a survey without it finds.
//!
//! Everything here runs over each back-end in turn. `tests/mutants/run.py` breaks the
//! rules that this rests on, one by one, and expects this suite to fail.
//!
//! The environment may set:
//! - `DOSSIERD_ROUNDS`: rounds per back-end, spread over file systems and queue sizes;
//! - `DOSSIERD_SEED`: the seed of the first round, everywhere, to run a failed one again;
//! - `DOSSIERD_BACKENDS`: which back-ends, separated by commas;
//! - `DOSSIERD_DISK`, `DOSSIERD_MEMORY`: directories on two kinds of file systems.
#![cfg(target_os = "linux")]

mod agreement;
mod backend;
mod field;
#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../kit/mod.rs"]
mod kit;
mod lossy;
mod lossy_watcher;
mod meddling;
mod model;
mod operations;
mod queue_limit;
mod rounds;
mod tricks;
mod worst_moments;
