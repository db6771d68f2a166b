//! Answers as JSON documents.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};
use serde::Serialize;

use super::etag;
use super::http::Response;
use crate::daemon::view::Document;

/// The media type of all JSON documents.
pub(super) const JSON: &str = "application/json";

/// The bytes of a document: one line that ends in a newline.
pub(super) fn document(value: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(value)
        .expect("wire types have text keys and finite numbers only, which always serialise");
    bytes.push(b'\n');
    bytes.into()
}

/// A document that is kept: its tag is computed here, once.
pub(super) fn kept(bytes: Bytes) -> Document {
    Document { tag: etag::tag(&bytes), bytes, packed: Arc::default() }
}

/// A 200 with a document that is kept. Nothing of its size is looked at or copied.
pub(super) fn shared(document: &Document) -> Response {
    let response = Response::full(StatusCode::OK, JSON, document.bytes.clone());
    let mut response = response.with_header(header::ETAG, etag::value(document.tag.clone()));
    response.packed = Some(Arc::clone(&document.packed));
    response
}

/// A 200 with a document.
pub(super) fn ok(value: &impl Serialize) -> Response {
    status(StatusCode::OK, value)
}

/// Any status with a document.
pub(super) fn status(status: StatusCode, value: &impl Serialize) -> Response {
    Response::full(status, JSON, document(value))
}
