//! Requests to the daemon: method, encoded path and query, JSON body.

use std::path::Path;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Everything but RFC 3986's unreserved characters is encoded, so that no value can become
/// another parameter or path segment.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// GET, POST, PUT or DELETE.
    pub method: Method,
    /// Path and query, encoded.
    pub target: String,
    /// The body of a POST or PUT.
    pub body: Option<Value>,
    has_query: bool,
}

impl Route {
    fn new(method: Method, path: &str, body: Option<Value>) -> Self {
        Self { method, target: path.to_owned(), body, has_query: false }
    }

    /// Reads a path, which is written as it is.
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// Posts a JSON body.
    pub fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    /// Puts a JSON body.
    pub fn put(path: &str, body: Value) -> Self {
        Self::new(Method::PUT, path, Some(body))
    }

    /// Deletes.
    pub fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    /// The same request with one more path segment, encoded.
    pub fn segment(mut self, text: &str) -> Self {
        // A segment of dots alone would be resolved away by whoever normalises the path.
        let encoded = if text.chars().all(|c| c == '.') {
            text.replace('.', "%2E")
        } else {
            utf8_percent_encode(text, RESERVED).to_string()
        };
        self.target.push('/');
        self.target.push_str(&encoded);
        self
    }

    /// The same request with one more parameter.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    /// The same request with one more parameter, if there is a value.
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same request with a parameter set to true, if so.
    pub fn flag(self, name: &str, on: bool) -> Self {
        if on { self.with(name, "true") } else { self }
    }
}

/// A path in JSON without loss: text when it is UTF-8, else an array of its bytes.
pub fn path_value(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => Value::from(text),
        None => Value::from(path.as_os_str().as_encoded_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let route = Route::get("/api/dossier/artifacts")
            .segment("a/../b?c")
            .with("feature", "x&y=z é")
            .maybe("wp_id", None)
            .flag("fresh", true)
            .flag("raw", false);
        assert_eq!(
            route.target,
            "/api/dossier/artifacts/a%2F..%2Fb%3Fc?feature=x%26y%3Dz%20%C3%A9&fresh=true"
        );
        assert_eq!(Route::get("/a").segment("..").target, "/a/%2E%2E");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_keep_their_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a\xff"));
        assert_eq!(path_value(path), serde_json::json!([47, 97, 255]));
        assert_eq!(path_value(Path::new("/é")), serde_json::json!("/é"));
    }
}
