//! Who may ask over TCP, and who the service is told it is.

use std::sync::atomic::Ordering;

use dossierd::server::{TcpAuth, Warning};

use crate::harness::{Site, head};
use crate::sample::{SESSION, TOKEN};

fn ask(site: &Site, path: &str, lines: &[&str]) -> crate::harness::Reply {
    let host = format!("Host: {}", site.host());
    let lines: Vec<&str> = [host.as_str()].into_iter().chain(lines.iter().copied()).collect();
    site.tcp().ask(&head("GET", path, &lines))
}

#[test]
fn token_forms() {
    let site = Site::new();
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer wrong".to_owned(),
        format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]),
        format!("Bearer {TOKEN}x"),
        format!("Bearer \"{TOKEN}\""),
        format!("Bearer {TOKEN}, Bearer {TOKEN}"),
        format!("Basic {TOKEN}"),
        format!("Token {TOKEN}"),
        TOKEN.to_owned(),
    ];
    for value in &wrong {
        for path in ["/api/echo", "/nowhere", "/api/%2e%2e/x"] {
            let reply = ask(&site, path, &[&format!("Authorization: {value}")]);
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (401, "unauthorized"),
                "{value:?} {path}"
            );
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    let right = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(ask(&site, "/api/echo", &[&right, &right]).status, 401);
    assert_eq!(ask(&site, "/api/echo", &[&format!("Cookie: token={TOKEN}")]).status, 401);
    assert_eq!(ask(&site, "/api/echo", &[]).status, 401);
    let refused = 3 * wrong.len() + 3;
    assert_eq!(site.counters.failed_auth.load(Ordering::Relaxed), refused as u64);
    assert_eq!(site.sample.asked.load(Ordering::SeqCst), 0, "nothing reached the service");
    assert_eq!(ask(&site, "/api/echo", &[&right]).text(), "GET /api/echo - 0 bearer");
    assert_eq!(ask(&site, "/api/echo", &[&right.replace("Bearer", "bEARER")]).status, 200);
}

#[test]
fn a_stream_ends_with_the_access_that_opened_it() {
    let site = Site::new();
    let follow = |path: &str, token: &str| {
        let mut wire = site.tcp();
        wire.send(head(
            "GET",
            path,
            &[&format!("Host: {}", site.host()), &format!("Authorization: Bearer {token}")],
        ));
        assert_eq!(wire.reply_head().status, 200);
        wire
    };
    let mut of_token = follow("/api/stream", TOKEN);
    assert_eq!(of_token.chunk(), b"hello\n");
    for path in ["/api/stream", "/api/unannounced"] {
        site.sample.session_end.send_replace(false);
        let mut wire = follow(path, SESSION);
        assert_eq!(wire.chunk(), b"hello\n");
        site.sample.session_end.send_replace(true);
        assert_eq!(wire.chunk(), b"", "{path}");
        // Access ended between the look at the token and the beginning of the stream.
        assert_eq!(follow(path, SESSION).chunk(), b"", "{path}");
    }
    let producers = site.sample.producers.lock().unwrap();
    producers[0].try_send("event\n".into()).unwrap();
    drop(producers);
    assert_eq!(of_token.chunk(), b"event\n", "the token itself opens on");
}

#[test]
fn a_token_in_an_address_is_refused() {
    let site = Site::new();
    let right = format!("Authorization: Bearer {TOKEN}");
    for path in ["/", "/api/echo"] {
        for query in [format!("token={TOKEN}"), "a=b&token=".to_owned(), "%74oken=x".to_owned()] {
            let reply = ask(&site, &format!("{path}?{query}"), &[&right]);
            assert_eq!((reply.status, reply.code().as_str()), (400, "token-in-url"));
            assert!(!reply.text().contains(TOKEN));
        }
    }
    assert_eq!(site.unix().ask(&head("GET", "/api/echo?token=x", &[])).status, 400);
}

#[test]
fn the_service_is_told_who_asks() {
    let site = Site::new();
    assert_eq!(ask(&site, "/healthz", &[]).text(), "ok");
    assert_eq!(ask(&site, "/healthz", &["Authorization: Bearer wrong"]).status, 200);
    let reply = site.unix().ask(&head("GET", "/api/echo?a=%2e", &[]));
    assert_eq!(reply.text(), "GET /api/echo a=%2e 0 local");
}

#[test]
fn without_tcp_auth_everyone_is_in_and_a_warning_says_so() {
    let site = Site::with(|config| config.tcp_auth = TcpAuth::None);
    assert_eq!(ask(&site, "/api/echo", &[]).text(), "GET /api/echo - 0 bearer");
    let warnings = &site.server.as_ref().unwrap().warnings;
    assert_eq!(*warnings, [Warning::NoTcpAuth]);
    assert_eq!(ask(&site, "/api/echo", &["Origin: http://evil.test"]).status, 403);
}
