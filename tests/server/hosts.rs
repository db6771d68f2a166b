//! Names: DNS rebinding and confusion about who is asked.

use crate::harness::{Site, head};
use crate::sample::TOKEN;

#[test]
fn only_our_names_are_answered_on_every_path() {
    let site = Site::new();
    let port = site.addr.port();
    let ours =
        ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"].map(|name| format!("{name}:{port}"));
    let other_port = format!("localhost:{}", port.wrapping_add(1));
    let others = [
        "",
        ":PORT",
        "localhost",
        "127.0.0.1",
        "localhost.:PORT",
        "x.localhost:PORT",
        "foo.local:PORT",
        "127.0.0.1.evil:PORT",
        "localhost.evil.test:PORT",
        "0.0.0.0:PORT",
        "127.1:PORT",
        "127.0.0.2:PORT",
        "[::]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "::1:PORT",
        "user@localhost:PORT",
        "localhost:PORT:PORT",
        "localhost:0PORT",
        "localhost: PORT",
        "localhost:PORT/",
        "localhost:PORT#",
        "http://localhost:PORT",
        "evil.test",
        "evil.test:PORT",
        "dossierd",
        "l\u{f6}calhost:PORT",
    ];
    let others = others.map(|host| host.replace("PORT", &port.to_string()));
    for path in ["/", "/healthz", "/api/echo", "/nowhere"] {
        for host in &ours {
            let reply = site.tcp().ask(&with_host(path, host));
            assert_ne!(reply.code(), "host-not-allowed", "{host} {path}");
            assert!(matches!(reply.status, 200 | 404), "{host} {path} {}", reply.status);
        }
        for host in others.iter().chain([&other_port]) {
            let reply = site.tcp().ask(&with_host(path, host));
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "host-not-allowed"),
                "{host} {path}"
            );
        }
    }
}

fn with_host(path: &str, host: &str) -> String {
    head("GET", path, &[&format!("Host: {host}"), &format!("Authorization: Bearer {TOKEN}")])
}

#[test]
fn exactly_one_host_that_the_target_agrees_with() {
    let site = Site::new();
    let host = site.host();
    let (own, token) = (format!("Host: {host}"), format!("Authorization: Bearer {TOKEN}"));
    let cases = [
        ("/api/echo".to_owned(), vec![&token], 400),
        ("/api/echo".to_owned(), vec![&own, &own, &token], 400),
        ("http://evil.com/api/echo".to_owned(), vec![&own, &token], 400),
        (format!("http://{host}/api/echo"), vec![&own, &token], 200),
        (format!("http://u@{host}/api/echo"), vec![&own, &token], 400),
        (format!("http://{host}.evil.test/api/echo"), vec![&own, &token], 400),
    ];
    for (target, lines, status) in cases {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        let reply = site.tcp().ask(&head("GET", &target, &lines));
        assert_eq!(reply.status, status, "{target} {lines:?}");
    }
    let reply = site.tcp().ask(&format!("GET / HTTP/1.0\r\n{token}\r\n\r\n"));
    assert_eq!(reply.status, 400, "HTTP/1.0 without a Host");
    let reply = site.tcp().ask(&format!("GET / HTTP/1.0\r\n{own}\r\n\r\n"));
    assert_eq!(reply.status, 200, "HTTP/1.0 with a Host");
}

#[test]
fn an_extra_name_is_allowed_when_configured() {
    let site = Site::with(|config| config.allowed_hosts = vec!["dossier.test".to_owned()]);
    let port = site.addr.port();
    assert_eq!(
        site.tcp().ask(&with_host("/api/echo", &format!("dossier.test:{port}"))).status,
        200
    );
    assert_eq!(site.tcp().ask(&with_host("/api/echo", "dossier.test")).status, 403);
}

#[test]
fn the_unix_socket_has_its_own_names() {
    let site = Site::new();
    for (lines, status) in [
        (vec![], 200),
        (vec!["Host: localhost"], 200),
        (vec!["Host: dossierd"], 200),
        (vec!["Host: "], 403),
        (vec!["Host: evil.test"], 403),
        (vec!["Host: localhost", "Host: localhost"], 400),
    ] {
        let reply = site.unix().ask(&head("GET", "/api/echo", &lines));
        assert_eq!(reply.status, status, "{lines:?}");
    }
}
