//! Requests that are too large, ambiguous, encoded or malformed.

use std::io::Read;
use std::time::Duration;

use crate::harness::{Site, head};
use crate::sample::TOKEN;

const JSON: &str = "Content-Type: application/json";

#[test]
fn bodies_up_to_the_limit() {
    let site = Site::new();
    for (length, status) in [(0, 200), (64 * 1024, 200), (64 * 1024 + 1, 413), (1 << 30, 413)] {
        let mut wire = site.tcp();
        wire.send(site.request("POST", "/api/echo", &[JSON, &format!("Content-Length: {length}")]));
        if status == 200 {
            wire.send(vec![b'x'; length]);
        }
        let reply = wire.reply(false);
        assert_eq!(reply.status, status, "{length}");
        if status == 200 {
            assert_eq!(reply.text(), format!("POST /api/echo - {length} bearer"));
        } else {
            assert_eq!(reply.code(), "body-too-large");
            assert_eq!(reply.header("connection"), Some("close"));
            assert_eq!(wire.rest(), b"");
        }
    }
}

#[test]
fn a_refusal_does_not_reset_a_client_that_is_still_sending() {
    let site = Site::new();
    let mut wire = site.tcp();
    wire.send(site.request("POST", "/api/echo", &[JSON, "Content-Length: 300000"]));
    assert_eq!(wire.reply(false).code(), "body-too-large");
    let mut end = [0];
    assert_eq!(wire.stream.read(&mut end).unwrap(), 0, "the server says that it is done");
    // A server that had gone would answer the first of these with a reset, and fail the next.
    // The pauses give it the time to go; all together are far below the time that it lingers.
    for _ in 0..50 {
        wire.send([b'x'; 1000]);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn chunked_bodies_count_as_well() {
    let site = Site::new();
    let chunked = [JSON, "Transfer-Encoding: chunked"];
    let mut wire = site.tcp();
    wire.send(site.request("POST", "/api/echo", &chunked));
    wire.send("3\r\nabc\r\n0\r\n\r\n");
    let reply = wire.reply(false);
    assert_eq!(reply.text(), "POST /api/echo - 3 bearer");
    assert_eq!(reply.header("connection"), Some("close"));

    let mut wire = site.tcp();
    wire.send(site.request("POST", "/api/echo", &chunked));
    let chunk = format!("{:x}\r\n{}\r\n", 33 * 1024, "x".repeat(33 * 1024));
    wire.send(&chunk);
    wire.send(&chunk);
    assert_eq!(wire.reply(false).code(), "body-too-large");

    let mut wire = site.tcp();
    wire.send(site.request("POST", "/api/echo", &chunked));
    wire.send("not a chunk\r\n");
    assert_eq!(wire.reply(false).code(), "body-broken");
}

#[test]
fn two_lengths_are_refused_and_nothing_is_smuggled() {
    let site = Site::new();
    let (te, cl) = ("Transfer-Encoding: chunked", "Content-Length: 4");
    for lines in [[JSON, te, cl], [JSON, cl, te]] {
        for path in ["/api/echo", "/healthz"] {
            let mut wire = site.tcp();
            // As in a pipeline after a request with a body of its own.
            wire.send(site.request("POST", "/api/echo", &[JSON, "Content-Length: 2"]) + "{}");
            assert_eq!(wire.reply(false).status, 200);
            let smuggled = site.request("GET", "/api/smuggled", &[]);
            wire.send(site.request("POST", path, &lines) + "0\r\n\r\n" + &smuggled);
            let reply = wire.reply(false);
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (400, "ambiguous-length"),
                "{lines:?}"
            );
            assert_eq!(reply.header("connection"), Some("close"));
            assert_eq!(wire.rest(), b"", "one answer only");
        }
    }
}

#[test]
fn after_a_chunked_request_nothing_more_is_read() {
    let site = Site::new();
    let mut wire = site.tcp();
    let first = site.request("POST", "/api/echo", &[JSON, "Transfer-Encoding: chunked"]);
    wire.send(first + "0\r\n\r\n" + &site.request("GET", "/api/echo", &[]));
    assert_eq!(wire.reply(false).status, 200);
    assert_eq!(wire.rest(), b"");
}

#[test]
fn other_lengths_that_make_no_sense() {
    let site = Site::new();
    for lines in [
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: x", "X: y"],
        ["Content-Length: -1", "X: y"],
        ["Transfer-Encoding: gzip", "X: y"],
    ] {
        let lines = [JSON, lines[0], lines[1]];
        assert_eq!(site.ask("POST", "/api/echo", &lines).status, 400, "{lines:?}");
    }
}

#[test]
fn compressed_requests_are_refused() {
    let site = Site::new();
    for coding in ["gzip", "identity", "br, gzip", "zstd"] {
        let lines = [JSON, &format!("Content-Encoding: {coding}"), "Content-Length: 0"];
        let reply = site.ask("POST", "/api/echo", &lines);
        assert_eq!((reply.status, reply.code().as_str()), (415, "content-encoding-not-supported"));
    }
}

#[test]
fn heads_up_to_the_limits() {
    let site = Site::new();
    let many = |count| {
        let lines: Vec<String> = (0..count).map(|index| format!("X-{index}: y")).collect();
        site.request("GET", "/api/echo", &lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // Host and Authorization are two of them.
    assert_eq!(site.tcp().ask(&many(62)).status, 200);
    assert_eq!(site.tcp().ask(&many(63)).status, 431);
    let large = |size| site.request("GET", "/api/echo", &[&format!("X: {}", "y".repeat(size))]);
    assert_eq!(site.tcp().ask(&large(8 * 1024)).status, 200);
    assert_eq!(site.tcp().ask(&large(17 * 1024)).status, 431);
    assert_eq!(site.ask("GET", "/api/echo", &[]).status, 200, "the server lives");
}

#[test]
fn a_bomb_of_headers_is_cut_off() {
    let site = Site::new();
    let mut wire = site.tcp();
    wire.send("GET /api/echo HTTP/1.1\r\n");
    let line = format!("X: {}\r\n", "y".repeat(16 * 1024));
    // 64 MiB, of which the server must not take more than a few buffers.
    let sent = (0..4096)
        .take_while(|_| std::io::Write::write_all(&mut wire.stream, line.as_bytes()).is_ok());
    assert!(sent.count() < 4096, "the server read it all");
    assert_eq!(site.ask("GET", "/api/echo", &[]).status, 200, "the server lives");
}

#[test]
fn long_targets() {
    let site = Site::new();
    for (length, status) in [(2048, 404), (2049, 414), (10_000, 414)] {
        let path = format!("/{}", "a".repeat(length - 1));
        let reply = site.ask("GET", &path, &[]);
        assert_eq!(reply.status, status, "{length}");
    }
    assert_eq!(site.ask("GET", &format!("/api/echo?{}", "a".repeat(3000)), &[]).status, 414);
}

#[test]
fn paths_that_could_climb_never_reach_the_service() {
    let site = Site::new();
    for path in [
        "//",
        "/api//echo",
        "/api/../echo",
        "/api/..%2f..%2fetc/passwd",
        "/%2e%2e/x",
        "/api/%00",
        "/api/%5c..%5c",
        "/api/%zz",
        "/api/%",
        "/api/.",
        "/api/a%2fb",
    ] {
        let reply = site.ask("GET", path, &[]);
        assert_eq!((reply.status, reply.code().as_str()), (400, "path-malformed"), "{path}");
        let reply = site.unix().ask(&head("GET", path, &[]));
        assert_eq!(reply.code(), "path-malformed", "{path} over the socket");
    }
    assert_eq!(site.sample.asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    // Decoded once and no further: this is a strange name, and passed on as it came.
    assert_eq!(site.ask("GET", "/api/%252e%252e", &[]).code(), "not-found");
}

#[test]
fn what_is_no_http_is_refused() {
    let site = Site::new();
    for bytes in [
        "hello\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{0}\u{a5}\u{1}",
    ] {
        let mut wire = site.tcp();
        wire.send(bytes);
        let answer = String::from_utf8_lossy(&wire.rest()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    }
    assert_eq!(site.ask("GET", "/api/echo", &[]).status, 200, "the server lives");
}

#[test]
fn a_connection_serves_many_requests() {
    let site = Site::new();
    let mut wire = site.tcp();
    for _ in 0..3 {
        assert_eq!(wire.ask(&site.request("GET", "/api/echo", &[])).status, 200);
    }
    let three = site.request("GET", "/api/echo", &[]).repeat(3);
    wire.send(three);
    for _ in 0..3 {
        assert_eq!(wire.reply(false).status, 200);
    }
    wire.send(head(
        "GET",
        "/api/echo",
        &["Host: evil.test", &format!("Authorization: Bearer {TOKEN}")],
    ));
    assert_eq!(wire.reply(false).status, 403, "each request is looked at");
}
