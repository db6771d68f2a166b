//! One request that met a route, as handlers see it.

use bytes::Bytes;
use http::HeaderMap;

use super::http::Peer;
use super::json_body::JsonBody;
use super::problem::Problem;
use super::query::Query;

/// A request after routing: its parameters are known ones, its body is bounded.
#[derive(Debug)]
pub(super) struct Call {
    /// Who asks.
    pub(super) peer: Peer,
    /// The parameters.
    pub(super) query: Query,
    /// The decoded part of the path that the template leaves open; empty if it has none.
    pub(super) segment: String,
    /// All headers.
    pub(super) headers: HeaderMap,
    /// The whole body.
    pub(super) body: Bytes,
}

impl Call {
    /// The body's members, of these names only.
    pub(super) fn members(&self, allowed: &[&str]) -> Result<JsonBody, Problem> {
        JsonBody::parse(&self.body, allowed)
    }

    /// May this peer see absolute paths?
    pub(super) fn is_local(&self) -> bool {
        self.peer == Peer::Local
    }
}
