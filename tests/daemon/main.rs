//! The daemon in this process: watching, publishing, logging, commands, restarts.

#[path = "../kit/mod.rs"]
mod kit;
mod live;
mod model;
mod operations;
