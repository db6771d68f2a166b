//! Entity tags made from an answer's bytes, and conditional requests (RFC 9110 section 13).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::http::{Body, Response};

/// Hex digits in a tag: 128 bits of BLAKE3.
const TAG_DIGITS: usize = 32;

/// Gives a successful whole answer to a GET its strong tag, unless it brings one along, and
/// turns it into a 304 where the client has these bytes already. Its media type stays with
/// it: a transport needs to know what the 304 stands for, and does not send it.
pub(super) fn conditional(
    method: &Method,
    request: &HeaderMap,
    mut response: Response,
) -> Response {
    let Body::Full(bytes) = &response.body else { return response };
    if *method != Method::GET || response.status != StatusCode::OK {
        return response;
    }
    if !response.headers.contains_key(header::ETAG) {
        response.headers.insert(header::ETAG, value(tag(bytes)));
    }
    if if_none_match(request, response.headers[header::ETAG].as_bytes()) {
        response.status = StatusCode::NOT_MODIFIED;
        response.headers.remove(header::CONTENT_DISPOSITION);
        response.body = Body::Full(Bytes::new());
        response.packed = None;
    }
    response
}

/// The strong tag of these bytes, quoted.
pub(super) fn tag(bytes: &[u8]) -> Bytes {
    let hex = blake3::hash(bytes).to_hex();
    format!("\"{}\"", &hex[..TAG_DIGITS]).into()
}

/// A tag as a header's value, which shares its bytes.
pub(super) fn value(tag: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(tag)
        .expect("a tag is made of hex digits and quotes, which every header may have")
}

/// Does `If-None-Match` name the tag? By weak comparison, as GET has it: a tag that a
/// transport weakened when it compressed the answer still names the same bytes.
fn if_none_match(request: &HeaderMap, tag: &[u8]) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().any(|line| {
        let Ok(line) = line.to_str() else { return false };
        // Our tags have no comma, so cutting a foreign one in two changes nothing.
        line.split(',')
            .map(str::trim)
            .any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item).as_bytes() == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(method: Method, status: StatusCode, if_none_match: &[&str]) -> Response {
        let mut request = HeaderMap::new();
        for value in if_none_match {
            request.append(header::IF_NONE_MATCH, value.parse().expect("a value"));
        }
        conditional(&method, &request, Response::full(status, "text/plain", "hello"))
    }

    #[test]
    fn a_tag_that_is_known_gives_304_without_a_body() {
        let first = answer(Method::GET, StatusCode::OK, &[]);
        let tag = first.headers[header::ETAG].to_str().expect("text").to_owned();
        for values in [
            vec![tag.clone()],
            vec![format!("W/{tag}")],
            vec![format!("\"x\", \"a,b\" , {tag}")],
            vec!["\"x\"".to_owned(), tag.clone()],
            vec!["*".to_owned()],
        ] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let again = answer(Method::GET, StatusCode::OK, &values);
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{values:?}");
            assert!(matches!(&again.body, Body::Full(bytes) if bytes.is_empty()));
            assert_eq!(again.headers[header::ETAG], tag.as_str());
            assert_eq!(again.headers[header::CONTENT_TYPE], "text/plain");
        }
        let bare = tag.trim_matches('"');
        assert_eq!(answer(Method::GET, StatusCode::OK, &[bare, "\"y\""]).status, StatusCode::OK);
    }

    #[test]
    fn only_a_successful_get_has_a_tag() {
        for (method, status) in
            [(Method::POST, StatusCode::OK), (Method::GET, StatusCode::NOT_FOUND)]
        {
            let response = answer(method, status, &["*"]);
            assert_eq!(response.status, status);
            assert!(!response.headers.contains_key(header::ETAG));
        }
    }
}
