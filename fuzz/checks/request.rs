//! Guards, routes, parameters and handlers: the input is a request as text, in which `TOKEN`
//! stands for the token. It is asked over both transports.

use std::net::Ipv4Addr;

use bytes::Bytes;
use dossierd::api::http::{Body, Peer, Request, Served, Service as _};
use dossierd::server::guard::{self, GuardConfig, TcpAuth, Transport};
use dossierd::server::host::AllowedHosts;
use http::request::Parts;
use http::{Method, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::wire::Answer;
use super::world::{self, Stage};

const URI_BYTES: usize = 2048;

pub fn check(data: &[u8]) {
    world::with(|stage| {
        let Some((parts, body)) = request(&stage.with_token(data)) else { return };
        for transport in [Transport::Tcp, Transport::Unix] {
            check_over(stage, transport, &parts, &body);
        }
    });
}

/// Lenient: what HTTP cannot say is left out, so that more of what is said gets through.
fn request(bytes: &[u8]) -> Option<(Parts, Bytes)> {
    let end = bytes.windows(2).position(|window| window == b"\n\n").unwrap_or(bytes.len());
    let body = Bytes::copy_from_slice(bytes.get(end + 2..).unwrap_or_default());
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    let (method, target) = lines.next()?.split_at_checked(lines_space(bytes)?)?;
    let mut request =
        http::Request::builder().method(method).uri(target.strip_prefix(b" ")?).body(()).ok()?;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = header::HeaderName::from_bytes(&line[..colon]);
        let value = header::HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Some((request.into_parts().0, body))
}

fn lines_space(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b' ')
}

fn check_over(stage: &Stage, transport: Transport, parts: &Parts, body: &Bytes) {
    let hosts = AllowedHosts::new((Ipv4Addr::LOCALHOST, 7717).into(), &[]).expect("loopback");
    let config = GuardConfig { hosts, tcp_auth: TcpAuth::Token, uri_bytes: URI_BYTES };
    // HEAD is GET without the body, so the API never sees it.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let served = stage.served(&method, parts.uri.path());
    let accepts = |token: &str| stage.world.token.matches(token);
    let peer = match guard::check(parts, transport, &config, served, accepts) {
        Ok(peer) => peer,
        Err(problem) => {
            let answer = stage.run(async { whole(problem.response()) });
            assert!(answer.status.is_client_error());
            return answer.check(Peer::Anonymous);
        }
    };
    check_admitted(stage, transport, parts, peer, served == Served::Public);
    let ask = |if_none_match: Option<&header::HeaderValue>| {
        let mut headers = parts.headers.clone();
        if let Some(tag) = if_none_match {
            headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        let request = Request {
            method: method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body: body.clone(),
            peer,
        };
        stage.run(async { whole(stage.world.api.answer(request).await) })
    };
    let answer = ask(None);
    answer.check(peer);
    if method == Method::GET {
        let second = ask(None);
        assert_eq!(second.status, answer.status, "asked again");
        // Counts of requests are another document each time.
        if let Some(tag) = answer.headers.get(header::ETAG)
            && second.headers.get(header::ETAG) == Some(tag)
            && answer.status == StatusCode::OK
        {
            assert_eq!(second.body, answer.body, "one tag, two documents");
            let again = ask(Some(tag));
            assert!(again.status == StatusCode::NOT_MODIFIED && again.body.is_empty());
        }
    }
}

/// Whoever got in had a right to, and a path that cannot climb.
fn check_admitted(stage: &Stage, transport: Transport, parts: &Parts, peer: Peer, public: bool) {
    let token = format!("bearer {}", stage.world.token.expose());
    let given = parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match peer {
        Peer::Local => assert_eq!(transport, Transport::Unix),
        Peer::Bearer => {
            assert!(given.is_some_and(|given| given.eq_ignore_ascii_case(token.as_bytes())));
        }
        Peer::Anonymous => assert!(public && transport == Transport::Tcp),
    }
    if transport == Transport::Tcp {
        let host = parts.headers.get(header::HOST).expect("a host").to_str().expect("text");
        let ours = ["127.0.0.1:7717", "[::1]:7717", "localhost:7717"];
        assert!(ours.contains(&host.to_ascii_lowercase().as_str()), "{host}");
    }
    let path = parts.uri.path();
    assert!(path.len() <= URI_BYTES);
    for raw in path[1..].split('/').filter(|_| path.len() > 1) {
        let segment: Vec<u8> = percent_decode_str(raw).collect();
        assert!(!matches!(&segment[..], b"" | b"." | b".."), "{path}");
        assert!(!segment.iter().any(|b| b.is_ascii_control() || b"/\\".contains(b)), "{path}");
    }
}

/// Of a stream nothing is read: it ends when it is dropped.
fn whole(response: dossierd::api::http::Response) -> Answer {
    let body = match response.body {
        Body::Full(bytes) => bytes.to_vec(),
        Body::Stream(_) => Vec::new(),
    };
    Answer { status: response.status, headers: response.headers, body }
}
