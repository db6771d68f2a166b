//! The headers that every answer carries, so that nothing we serve can be sniffed, framed,
//! cached, or run with another page's rights.
//!
//! The set is fixed here and overwrites what a handler says; only `Cache-Control` is the
//! handler's to choose. There is no `Access-Control-*` header, ever. The headers of a 304
//! replace those of the answer that the client holds (RFC 9111 section 3.2), so its policy is
//! that of the kind of answer which it stands for: with another the page would not run again.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What an API answer may do in a browser: nothing.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// What the dashboard may do: its own scripts, styles, images and requests, and no HTML from
/// strings.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Adds the headers to an answer that is otherwise complete.
pub(super) fn apply(status: StatusCode, headers: &mut HeaderMap) {
    let mut set = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(RESOURCE_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    let is_page = is_html(headers);
    let policy = if is_page { PAGE_POLICY } else { API_POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    if is_page {
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    if status == StatusCode::NOT_MODIFIED {
        // It has told which policy; the kind of a body is not said where there is none.
        headers.remove(header::CONTENT_TYPE);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED && !headers.contains_key(header::ALLOW) {
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
        headers.insert(header::ALLOW, methods);
    }
}

/// The media type without parameters, in whatever case it was given.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

fn is_html(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(status: StatusCode, given: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(name, HeaderValue::from_static(value));
        }
        apply(status, &mut headers);
        headers
    }

    #[test]
    fn an_api_answer_is_a_sandbox_and_the_page_is_not() {
        for kind in ["application/json", "text/plain; charset=utf-8", "image/svg+xml", "text/htmlx"]
        {
            let headers = applied(StatusCode::OK, &[(header::CONTENT_TYPE, kind)]);
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], API_POLICY, "{kind}");
            assert!(!headers.contains_key(OPENER_POLICY), "{kind}");
        }
        for kind in ["text/html", "Text/HTML; charset=utf-8"] {
            let headers = applied(StatusCode::OK, &[(header::CONTENT_TYPE, kind)]);
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], PAGE_POLICY, "{kind}");
            assert_eq!(headers[OPENER_POLICY], "same-origin", "{kind}");
        }
    }

    #[test]
    fn a_304_has_the_policy_of_the_answer_that_it_stands_for() {
        for (kind, policy) in [("text/html", PAGE_POLICY), ("application/json", API_POLICY)] {
            let headers = applied(StatusCode::NOT_MODIFIED, &[(header::CONTENT_TYPE, kind)]);
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], policy, "{kind}");
            assert!(!headers.contains_key(header::CONTENT_TYPE), "{kind}");
        }
    }

    #[test]
    fn a_handler_chooses_its_caching_and_nothing_else() {
        let given = [
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, "default-src *"),
            (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        ];
        let headers = applied(StatusCode::OK, &given);
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], API_POLICY);
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(applied(StatusCode::OK, &[])[header::CACHE_CONTROL], "no-store");
    }
}
