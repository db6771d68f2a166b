//! What every answer carries, compression, HEAD, and a handler that panics.

use std::io::Read;
use std::sync::atomic::Ordering;

use crate::harness::{Reply, Site, head};

/// Word for word what the page may do.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

fn assert_headers(reply: &Reply, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}: {name}");
    }
    assert!(reply.header("date").is_some(), "{what}: date");
    let policy = reply.header("content-security-policy").unwrap();
    if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        assert_eq!(policy, PAGE_POLICY, "{what}");
        assert_eq!(reply.header("cross-origin-opener-policy"), Some("same-origin"));
    } else {
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'; sandbox", "{what}");
    }
}

#[test]
fn every_answer_carries_the_headers() {
    let site = Site::new();
    let cases = [
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/api/echo", 200),
        ("GET", "/api/unchanged", 304),
        ("GET", "/api//", 400),
        ("GET", "/nowhere", 404),
        ("OPTIONS", "/", 405),
        ("POST", "/api/echo", 415),
        ("GET", "/api/panic", 500),
        ("HEAD", "/api/echo", 200),
    ];
    for (method, path, status) in cases {
        let reply = site.ask(method, path, &[]);
        assert_eq!(reply.status, status, "{method} {path}");
        assert_headers(&reply, path);
        let reply = site.unix().ask(&head(method, path, &[]));
        assert_eq!(reply.status, status, "{method} {path} over the socket");
        assert_headers(&reply, path);
    }
    let host = format!("Host: {}", site.host());
    assert_headers(&site.tcp().ask(&head("GET", "/api/echo", &[&host])), "401");
    assert_headers(&site.tcp().ask(&head("GET", "/", &["Host: evil.test"])), "403");
    assert_headers(&site.tcp().ask(&head("GET", "/", &[])), "400");
    let long = format!("/{}", "a".repeat(3000));
    assert_headers(&site.ask("GET", &long, &[]), "414");
}

#[test]
fn answers_to_bodies_and_limits_carry_the_headers() {
    let short = std::time::Duration::from_millis(100);
    let site = Site::with_limits(|limits| {
        (limits.streams, limits.body_time, limits.handler_time) = (1, short, short);
    });
    let mut stream = site.tcp();
    stream.send(site.request("GET", "/api/stream", &[]));
    assert_headers(&stream.reply_head(), "a stream");
    let json = "Content-Type: application/json";
    for (method, path, more, status) in [
        ("GET", "/api/stream", &[][..], 503),
        ("GET", "/api/never", &[], 503),
        ("POST", "/api/echo", &[json, "Content-Length: 65537"], 413),
        ("POST", "/api/echo", &[json, "Content-Length: 5"], 408),
        ("POST", "/api/echo", &[json, "Content-Encoding: gzip"], 415),
        ("POST", "/api/echo", &[json, "Content-Length: 1", "Transfer-Encoding: chunked"], 400),
    ] {
        let reply = site.ask(method, path, more);
        assert_eq!(reply.status, status, "{path} {more:?}");
        assert_headers(&reply, path);
    }
}

#[test]
fn gzip_when_asked_for() {
    let site = Site::new();
    let plain = site.ask("GET", "/api/large", &[]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("etag"), Some("\"tag\""));
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    for (accept, packed) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, gzip;q=0.2", true),
        ("*", true),
        ("gzip;q=0", false),
        ("identity, gzip;q=0.5", false),
        ("*;q=0", false),
        ("br", false),
    ] {
        let reply = site.ask("GET", "/api/large", &[&format!("Accept-Encoding: {accept}")]);
        if !packed {
            assert_eq!(reply.header("content-encoding"), None, "{accept}");
            assert_eq!(reply.body, plain.body);
            continue;
        }
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{accept}");
        assert_eq!(reply.header("etag"), Some("W/\"tag\""), "{accept}");
        assert_eq!(reply.header("vary"), Some("Accept-Encoding"), "{accept}");
        assert!(reply.body.len() < plain.body.len() / 10);
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body);
    }
    let small = site.ask("GET", "/api/small", &["Accept-Encoding: gzip"]);
    assert_eq!(small.header("content-encoding"), None, "too small to pay");
}

#[test]
fn a_304_names_the_tag_that_the_client_holds() {
    let site = Site::new();
    let ask = |held: &str| {
        let line = format!("If-None-Match: {held}");
        let reply = site.ask("GET", "/api/unchanged", &[&line, "Accept-Encoding: gzip"]);
        assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        reply.header("etag").unwrap().to_owned()
    };
    assert_eq!(ask("\"tag\""), "\"tag\"");
    assert_eq!(ask("W/\"tag\""), "W/\"tag\"");
}

#[test]
fn head_is_get_without_the_body() {
    let site = Site::new();
    let mut wire = site.tcp();
    for accept in ["identity", "gzip"] {
        let line = format!("Accept-Encoding: {accept}");
        let get = wire.ask(&site.request("GET", "/api/large", &[&line]));
        let head = wire.ask(&site.request("HEAD", "/api/large", &[&line]));
        assert_eq!(head.status, 200);
        for name in ["content-length", "content-type", "content-encoding", "etag", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
    let host = format!("Host: {}", site.host());
    assert_eq!(wire.ask(&head("HEAD", "/", &[&host])).status, 200, "public for GET and HEAD");
    assert_eq!(wire.ask(&head("HEAD", "/api/echo", &[&host])).status, 401);
}

#[test]
fn a_panic_is_a_500_with_an_id_and_the_server_lives() {
    let site = Site::new();
    let mut wire = site.tcp();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = wire.ask(&site.request("GET", "/api/panic", &[]));
        assert_eq!((reply.status, reply.code().as_str()), (500, "internal"));
        assert!(!reply.text().contains("sample panics"), "the client learns an id, not why");
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        ids.push(problem["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(site.counters.panics.load(Ordering::Relaxed), 3);
    assert_eq!(wire.ask(&site.request("GET", "/api/echo", &[])).status, 200);
}
