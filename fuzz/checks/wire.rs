//! Answers as a client sees them, and what holds for each of them.

use dossierd::api::http::Peer;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::kit::SECRET_PLACE;

/// An answer whose body, if it has an end, is there.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// No failure of ours, no place on this machine for anyone but local peers, and a body that
    /// is what it says.
    pub(crate) fn check(&self, peer: Peer) {
        let Self { status, headers, body } = self;
        assert!(status.as_u16() < 500, "{status}: {}", String::from_utf8_lossy(body));
        if peer != Peer::Local {
            let secret = SECRET_PLACE.as_bytes();
            let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!has(body), "a place on this machine: {}", String::from_utf8_lossy(body));
            assert!(!headers.values().any(|value| has(value.as_bytes())));
        }
        let kind = headers.get(CONTENT_TYPE).map_or("", |kind| kind.to_str().expect("text"));
        if headers.contains_key(CONTENT_ENCODING) || body.is_empty() {
            return;
        }
        let is_problem = kind == "application/problem+json";
        if is_problem || kind == "application/json" {
            let value: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            if is_problem {
                assert_eq!(value["status"], status.as_u16());
                let texts = ["code", "title", "detail"].map(|name| value[name].as_str());
                assert!(texts.iter().all(|text| text.is_some_and(|t| !t.is_empty())), "{value}");
            }
        }
        assert_eq!(status.is_client_error(), is_problem, "{status} as {kind}");
    }

    /// Is this what hyper says by itself to what is no HTTP?
    pub(crate) fn is_of_hyper(&self) -> bool {
        let code = self.status.as_u16();
        matches!(code, 400 | 414 | 431)
            && self.body.is_empty()
            && !self.headers.contains_key("x-content-type-options")
    }

    /// The headers that every answer of ours has.
    pub(crate) fn check_transport(&self) {
        for name in ["x-content-type-options", "referrer-policy", "content-security-policy"] {
            assert!(self.headers.contains_key(name), "an answer without {name}");
        }
    }
}

/// The answers of one connection, in order. The last one may be cut where the connection ended.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, rest) = bytes.split_at(end.expect("a whole head") + 4);
        let (status, headers) = read_head(head);
        let (body, rest) = read_body(&headers, rest);
        answers.push(Answer { status, headers, body });
        bytes = rest;
    }
    answers
}

fn read_head(head: &[u8]) -> (StatusCode, HeaderMap) {
    let text = std::str::from_utf8(head).expect("a head of ASCII").trim_end_matches("\r\n");
    let mut lines = text.split("\r\n");
    let line = lines.next().filter(|line| begins_answer(line.as_bytes()));
    let status = line.and_then(|line| line.get(9..12)).expect("a status line");
    let mut headers = HeaderMap::new();
    for line in lines {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        let (name, value) = line.split_once(": ").expect("a header");
        let name = HeaderName::try_from(name).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    (StatusCode::from_bytes(status.as_bytes()).expect("a status"), headers)
}

/// An answer has the version of its request.
fn begins_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 ") || bytes.starts_with(b"HTTP/1.0 ")
}

fn read_body<'a>(headers: &HeaderMap, rest: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
    // The answer to a HEAD, or to a condition, says how long a body would be and has none.
    if rest.is_empty() || begins_answer(rest) {
        return (Vec::new(), rest);
    }
    if let Some(length) = headers.get("content-length") {
        let length = length.to_str().ok().and_then(|text| text.parse().ok()).expect("a length");
        let (body, rest) = rest.split_at(length);
        return (body.to_vec(), rest);
    }
    match headers.get("transfer-encoding") {
        Some(encoding) => assert_eq!(encoding, "chunked"),
        // To HTTP/1.0 the end of the connection is the end of a stream.
        None => return (rest.to_vec(), &[]),
    }
    read_chunks(rest)
}

/// A stream ends with its connection, so its end may be missing.
fn read_chunks(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        body.extend_from_slice(&rest[at + 2..][..size]);
        rest = &rest[at + 2 + size + 2..];
        if size == 0 {
            return (body, rest);
        }
    }
    (body, rest)
}
