//! What must hold for any bytes: one check a target.
//!
//! A check takes the bytes as they come and panics if something does not hold that is more than
//! "no panic": a round trip, two ways that have to agree, a bound, a place that must not be
//! reached. It keeps nothing between two inputs that could change what it finds. The fuzz
//! targets call these, and so do the crate's unit tests, with every input that is kept.

#[path = "../../tests/api/fake_delivery.rs"]
mod fake_delivery;
#[path = "../../tests/api/kit/mod.rs"]
mod kit;

mod scratch;
mod wire;
mod world;

pub mod connection;
pub mod definition;
pub mod event_log;
pub mod frontmatter;
pub mod key;
pub mod markdown;
pub mod meta;
pub mod project;
pub mod request;
pub mod state;
pub mod status_events;

/// A check of one input.
pub type Check = fn(&[u8]);

/// Every check, under the name of its target.
pub const ALL: &[(&str, Check)] = &[
    ("connection", connection::check),
    ("definition", definition::check),
    ("event_log", event_log::check),
    ("frontmatter", frontmatter::check),
    ("key", key::check),
    ("markdown", markdown::check),
    ("meta", meta::check),
    ("project", project::check),
    ("request", request::check),
    ("state", state::check),
    ("status_events", status_events::check),
];

/// Is this a text that may be shown as it is: no control character, so in one line?
fn is_one_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}
