//! Errors on the wire: `application/problem+json` (RFC 9457) with a stable `code`.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::http::Response;

/// One error answer. `code` is stable and for programs; `title` says what happened,
/// `detail` where, and what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Kebab-case, stable across versions.
    pub code: &'static str,
    /// One short sentence, the same for each problem of this code.
    pub title: &'static str,
    /// What, where, and what to do, for this occurrence.
    pub detail: String,
    /// More members, such as `candidates`.
    pub extra: Map<String, Value>,
    /// Seconds for `Retry-After`, where trying again makes sense.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem without extra members.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), extra: Map::new(), retry_after: None }
    }

    /// The same problem with one more member.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem with a `Retry-After` header.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The answer that carries it.
    pub fn response(&self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.extra.clone());
        }
        let mut response =
            Response::full(self.status, "application/problem+json", format!("{body}\n"));
        if let Some(seconds) = self.retry_after {
            response.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
