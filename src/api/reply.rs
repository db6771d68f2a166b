//! Answers as JSON documents.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use super::http::Response;

/// The media type of all JSON documents.
pub(super) const JSON: &str = "application/json";

/// The bytes of a document: one line that ends in a newline.
pub(super) fn document(value: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(value)
        .expect("wire types have text keys and finite numbers only, which always serialise");
    bytes.push(b'\n');
    bytes.into()
}

/// A 200 with a document.
pub(super) fn ok(value: &impl Serialize) -> Response {
    status(StatusCode::OK, value)
}

/// Any status with a document.
pub(super) fn status(status: StatusCode, value: &impl Serialize) -> Response {
    Response::full(status, JSON, document(value))
}
