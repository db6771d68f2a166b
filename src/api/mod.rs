//! The HTTP API without a transport: pure requests to responses.
//!
//! `service::Api` answers; `router::ROUTES` says what there is, one file below `resource`
//! how each resource looks on the wire. What touches a disk is behind `ports`. Nothing here
//! knows sockets, hyper or the loop's state: reads come from the published view, writes are
//! commands.
//!
//! Invariants: every error is a problem with a code of `code::Code`; no absolute path is in
//! an answer to a peer that is not local; every GET that is no stream has an ETag made from
//! its bytes.

pub mod code;
pub mod delivery;
pub mod http;
pub mod ports;
pub mod problem;
pub mod router;
pub mod service;
pub mod session;
pub mod token;

mod backlog;
mod blocking;
mod call;
mod etag;
mod follower;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json_body;
mod markdown;
mod privacy;
mod query;
mod reply;
mod request_counts;
mod resource;
mod select;

pub use resource::artifact::MAX_TEXT_BYTES;
pub use service::{Api, ApiConfig};
pub use session::MAX_SESSIONS;
