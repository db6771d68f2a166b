//! The daemon in this process: watching, publishing, logging, commands, restarts.

mod baseline;
mod behind;
mod completeness;
mod determinism;
mod durable;
mod events;
#[path = "../kit/mod.rs"]
mod kit;
mod live;
mod panics;
mod places;
mod registry;
mod roots;
mod survey;
mod unopened;
mod vigil;
