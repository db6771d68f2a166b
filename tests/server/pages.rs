//! Pages of other origins, on TCP and through the Unix socket.

use crate::harness::{Site, head};

const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];

#[test]
fn every_method_with_every_origin_and_site() {
    let site = Site::new();
    let own = format!("http://{}", site.host());
    let origins = [
        (None, true),
        (Some(own.clone()), true),
        (Some("null".to_owned()), false),
        (Some("http://evil.test".to_owned()), false),
        (Some(format!("http://localhost:{}", site.addr.port())), false),
        (Some(own.replace("http:", "https:")), false),
    ];
    let sites = [
        (None, true),
        (Some("same-origin"), true),
        (Some("none"), true),
        (Some("same-site"), false),
        (Some("cross-site"), false),
    ];
    let mut wire = site.tcp();
    for method in METHODS {
        for (origin, origin_fine) in &origins {
            for (fetch, fetch_fine) in sites {
                let mut lines = vec!["Content-Type: application/json".to_owned()];
                lines.extend(origin.iter().map(|origin| format!("Origin: {origin}")));
                lines.extend(fetch.iter().map(|fetch| format!("Sec-Fetch-Site: {fetch}")));
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let reply = wire.ask(&site.request(method, "/api/echo", &lines));
                let status = if *origin_fine && fetch_fine { 200 } else { 403 };
                assert_eq!(reply.status, status, "{method} {lines:?}");
                let opened =
                    reply.headers.iter().find(|(name, _)| name.starts_with("access-control"));
                assert_eq!(opened, None, "{method} {lines:?}");
            }
        }
    }
}

#[test]
fn preflights_and_proxying_are_refused() {
    let site = Site::new();
    for method in ["OPTIONS", "TRACE"] {
        let reply = site.ask(method, "/api/echo", &[]);
        assert_eq!((reply.status, reply.code().as_str()), (405, "method-not-allowed"));
        assert!(reply.header("allow").is_some());
    }
    let foreign = ["Origin: http://evil.test", "Access-Control-Request-Method: PUT"];
    let reply = site.ask("OPTIONS", "/api/echo", &foreign);
    assert_eq!(reply.status, 403);
    assert!(reply.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
    let host = site.host();
    assert_eq!(site.ask("CONNECT", &host, &[]).status, 405);
}

#[test]
fn the_page_may_be_opened_from_anywhere_but_not_embedded() {
    let site = Site::new();
    let host = format!("Host: {}", site.host());
    let ask = |path: &str, mode: &str, dest: &str| {
        let (mode, dest) = (format!("Sec-Fetch-Mode: {mode}"), format!("Sec-Fetch-Dest: {dest}"));
        let lines = [host.as_str(), "Sec-Fetch-Site: cross-site", &mode, &dest];
        site.tcp().ask(&head("GET", path, &lines)).status
    };
    assert_eq!(ask("/", "navigate", "document"), 200);
    assert_eq!(ask("/", "navigate", "iframe"), 403);
    assert_eq!(ask("/", "no-cors", "script"), 403);
    assert_eq!(ask("/api/echo", "navigate", "document"), 403);
}

#[test]
fn no_browser_gets_through_the_unix_socket() {
    let site = Site::new();
    for line in [
        "Origin: http://localhost",
        "Origin: null",
        "Referer: http://localhost/",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-User: ?1",
    ] {
        for path in ["/", "/api/echo"] {
            let reply = site.unix().ask(&head("GET", path, &["Host: localhost", line]));
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "browser-not-allowed"),
                "{line}"
            );
        }
    }
}

#[test]
fn writes_must_be_json() {
    let site = Site::new();
    for method in ["POST", "PUT", "PATCH"] {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
        ] {
            let line = kind.map(|kind| format!("Content-Type: {kind}"));
            let lines: Vec<&str> = line.as_deref().into_iter().collect();
            let reply = site.ask(method, "/api/echo", &lines);
            assert_eq!(reply.status, 415, "{method} {kind:?}");
        }
        let reply = site.ask(method, "/api/echo", &["Content-Type: application/json"]);
        assert_eq!(reply.status, 200);
    }
    assert_eq!(site.ask("DELETE", "/api/echo", &[]).status, 200);
}
