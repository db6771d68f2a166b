//! What is measured on: generated projects, and a copy of a real one.

mod artifact;
mod edits;
mod project;
mod shape;
mod sizes;

pub(crate) use edits::Edits;
pub(crate) use project::{Project, make_once, write};
pub(crate) use shape::{
    MANY_10_000, MANY_100_000, ONE_1_000, ONE_50_000, ONE_100_000, PLAIN_10_000, STAND_IN, STORM,
    Shape,
};
