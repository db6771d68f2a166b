//! gzip of whole answers, when a client asks for it and it pays.
//!
//! Invariants (RFC 9110 sections 8.8.3, 12.5.3 and 15.4.5): a compressed answer is another
//! representation, so its strong entity tag becomes weak; whatever could have been compressed
//! says `Vary: Accept-Encoding`; a 304 carries the tag that the 200 had.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;

use super::headers::media_type;
use crate::api::http::Packed;

/// Answers up to this size are sent as they are.
const LEAST_BYTES: usize = 1024;
/// Compressing more than this would keep other connections of the thread waiting.
const INLINE_BYTES: usize = 32 * 1024;
/// Large answers that are compressed at the same time; others go out as they are.
static LARGE: Semaphore = Semaphore::const_new(2);

/// What a request's headers say of the form of the answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    gzip: bool,
    /// The lines of `If-None-Match`.
    held: Vec<HeaderValue>,
}

impl Asked {
    pub(super) fn of(request: &HeaderMap) -> Self {
        let held = request.get_all(header::IF_NONE_MATCH).iter().cloned().collect();
        Self { gzip: accepts_gzip(request), held }
    }
}

/// Compresses `body` where the request allows it and sets the answer's headers.
pub(super) async fn compress(
    asked: &Asked,
    status: StatusCode,
    headers: &mut HeaderMap,
    body: Bytes,
    packed: Option<Packed>,
) -> Bytes {
    if status == StatusCode::NOT_MODIFIED {
        vary(headers);
        match_weak_tag(&asked.held, headers);
        return body;
    }
    if !is_compressible(headers) || headers.contains_key(header::CONTENT_ENCODING) {
        return body;
    }
    vary(headers);
    if body.len() <= LEAST_BYTES || !asked.gzip {
        return body;
    }
    let packed = packed.unwrap_or_default();
    let Some(small) = small_form(body.clone(), &packed).await else {
        return body;
    };
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some(weak) = headers.get(header::ETAG).and_then(weakened) {
        headers.insert(header::ETAG, weak);
    }
    small
}

/// `None` when it would not get smaller, or too many large answers are being compressed.
/// What comes out is kept in `packed`, and taken from there.
async fn small_form(body: Bytes, packed: &Packed) -> Option<Bytes> {
    if let Some(known) = packed.get() {
        return known.clone();
    }
    if body.len() <= INLINE_BYTES {
        return packed.get_or_init(|| gzip(&body)).clone();
    }
    let _permit = LARGE.try_acquire().ok()?;
    let packed = Arc::clone(packed);
    let work = move || packed.get_or_init(|| gzip(&body)).clone();
    tokio::task::spawn_blocking(work).await.ok()?
}

/// `None` when it would not get smaller.
fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() < body.len()).then(|| small.into())
}

fn is_compressible(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| {
        if kind == "application/json" {
            // Nearly all answers.
            return true;
        }
        let kind = kind.to_ascii_lowercase();
        kind.starts_with("text/")
            || kind.ends_with("+json")
            || kind.ends_with("+xml")
            || matches!(
                kind.as_str(),
                "application/json" | "application/x-ndjson" | "application/javascript"
            )
    })
}

/// Does `Accept-Encoding` allow gzip, and not ask for the plain answer first?
fn accepts_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for line in request.get_all(header::ACCEPT_ENCODING) {
        for item in line.to_str().unwrap_or_default().split(',') {
            let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = quality(weight);
            let coding = coding.trim();
            let is = |name: &str| coding.eq_ignore_ascii_case(name);
            if is("gzip") || is("x-gzip") {
                gzip = Some(weight);
            } else if is("identity") {
                identity = Some(weight);
            } else if coding == "*" {
                any = Some(weight);
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight (RFC 9110 section 12.4.2) in thousandths; what is none counts as "not accepted".
fn quality(text: &str) -> u16 {
    let Some((name, value)) = text.trim().split_once('=') else {
        return 0;
    };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_weight = name.eq_ignore_ascii_case("q")
        && matches!(whole, "0" | "1")
        && fraction.len() <= 3
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_weight {
        return 0;
    }
    let thousandths = format!("{whole}{fraction:0<3}").parse().unwrap_or(0);
    if thousandths > 1000 { 0 } else { thousandths }
}

fn vary(headers: &mut HeaderMap) {
    let known = headers.get_all(header::VARY).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            value.split(',').any(|name| name.trim().eq_ignore_ascii_case("accept-encoding"))
        })
    });
    if !known {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// A client that holds the compressed answer knows the weak form of its tag; a cache only
/// refreshes what it holds if the 304 says the same.
fn match_weak_tag(held: &[HeaderValue], headers: &mut HeaderMap) {
    let Some(weak) = headers.get(header::ETAG).and_then(weakened) else {
        return;
    };
    let names = |line: &HeaderValue| {
        line.as_bytes().windows(weak.len()).any(|window| window == weak.as_bytes())
    };
    if held.iter().any(names) {
        headers.insert(header::ETAG, weak);
    }
}

/// The weak form of a strong tag.
fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    if tag.as_bytes().starts_with(b"W/") {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn request(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))])
    }

    #[test]
    fn accept_encoding() {
        let cases = [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, gzip;q=0.5, br", true),
            ("*", true),
            ("*;q=0.1", true),
            ("gzip ; q=1.000", true),
            ("identity;q=0.5, gzip", true),
            ("identity;q=0, gzip;q=0.1", true),
            ("", false),
            ("br, zstd", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*;q=0", false),
            ("gzip;q=0.5, identity", false),
            ("gzip;q=x", false),
            ("gzip;q=2", false),
            ("gzip;q=1.5", false),
            ("gzip;q=-1", false),
            ("gzip;q=0.1234", false),
            ("gzipped", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(accepts_gzip(&request(accept)), expected, "{accept:?}");
        }
    }

    fn run(
        request: &HeaderMap,
        status: StatusCode,
        kind: &'static str,
        size: usize,
    ) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::ETAG, HeaderValue::from_static("\"x\""));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = Bytes::from(vec![b'a'; size]);
        let body =
            runtime.block_on(compress(&Asked::of(request), status, &mut headers, body, None));
        (headers, body)
    }

    #[test]
    fn a_compressed_answer_unpacks_to_the_same_bytes_under_a_weak_tag() {
        for size in [LEAST_BYTES + 1, INLINE_BYTES + 1] {
            let (headers, body) =
                run(&request("gzip"), StatusCode::OK, "application/json; charset=utf-8", size);
            assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
            assert_eq!(headers[header::VARY], "Accept-Encoding");
            assert_eq!(headers[header::ETAG], "W/\"x\"");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, vec![b'a'; size]);
        }
    }

    #[test]
    fn what_does_not_pay_or_was_not_asked_for_stays_as_it_is() {
        for (accept, kind, size, varies) in [
            ("gzip", "application/json", LEAST_BYTES, true),
            ("", "application/json", 5000, true),
            ("gzip", "image/png", 5000, false),
        ] {
            let (headers, body) = run(&request(accept), StatusCode::OK, kind, size);
            assert_eq!(body.len(), size);
            assert!(!headers.contains_key(header::CONTENT_ENCODING));
            assert_eq!(headers[header::ETAG], "\"x\"");
            assert_eq!(headers.contains_key(header::VARY), varies, "{accept} {kind}");
        }
    }

    #[test]
    fn a_304_repeats_the_tag_the_client_holds() {
        for (held, expected) in [("W/\"x\"", "W/\"x\""), ("\"x\"", "\"x\""), ("*", "\"x\"")] {
            let mut request = request("gzip");
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_static(held));
            let (headers, _) = run(&request, StatusCode::NOT_MODIFIED, "application/json", 0);
            assert_eq!(headers[header::ETAG], expected);
            assert_eq!(headers[header::VARY], "Accept-Encoding");
        }
    }
}
