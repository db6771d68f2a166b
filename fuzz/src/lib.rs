//! The checks, built once for all targets.

#[path = "../checks/mod.rs"]
#[allow(dead_code)]
pub mod checks;
