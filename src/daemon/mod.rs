//! The daemon: one loop owns all mutable state; readers get immutable views.

pub mod command;
pub mod feed;
pub mod handle;
pub mod view;
