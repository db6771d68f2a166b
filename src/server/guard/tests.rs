//! Tables over heads: what is admitted, and as which refusal the others end.

use super::*;

const TOKEN: &str = "dsr1_right";
const OWN: (&str, &str) = ("host", "localhost:7717");
const AUTH: (&str, &str) = ("authorization", "Bearer dsr1_right");
const JSON: (&str, &str) = ("content-type", "application/json");

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn config(tcp_auth: TcpAuth) -> GuardConfig {
    let hosts = AllowedHosts::new(([127, 0, 0, 1], 7717).into(), &[]).unwrap();
    GuardConfig { hosts, tcp_auth, uri_bytes: 2048 }
}

/// "/" is public, as the shell of the page is.
fn outcome(parts: &Parts, transport: Transport, tcp_auth: TcpAuth) -> Result<Peer, &'static str> {
    let served = match (parts.method.as_str(), parts.uri.path()) {
        (_, "/") => Served::Public,
        (_, "/api/nothing") => Served::Nothing,
        ("OPTIONS" | "PATCH", "/api/y") => Served::OtherMethods,
        _ => Served::Guarded,
    };
    check(parts, transport, &config(tcp_auth), served, |token| token == TOKEN)
        .map_err(|problem| problem.code)
}

#[track_caller]
fn tcp(method: &str, uri: &str, headers: &[(&str, &str)], expected: Result<Peer, &str>) {
    let found = outcome(&parts(method, uri, headers), Transport::Tcp, TcpAuth::Token);
    assert_eq!(found, expected, "{method} {uri} {headers:?}");
}

#[track_caller]
fn unix(method: &str, headers: &[(&str, &str)], expected: Result<Peer, &str>) {
    let found = outcome(&parts(method, "/api/x", headers), Transport::Unix, TcpAuth::Token);
    assert_eq!(found, expected, "{method} {headers:?}");
}

#[test]
fn hosts_over_tcp() {
    tcp("GET", "/api/x", &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("GET", "/api/x", &[AUTH], Err("host-malformed"));
    tcp("GET", "/api/x", &[OWN, OWN, AUTH], Err("host-malformed"));
    tcp("GET", "/", &[("host", "evil.test:7717")], Err("host-not-allowed"));
    tcp("GET", "/api/x", &[("host", ""), AUTH], Err("host-not-allowed"));
    tcp("GET", "http://evil.test/x", &[OWN, AUTH], Err("host-malformed"));
    tcp("GET", "http://evil.test/x", &[("host", "evil.test"), AUTH], Err("host-not-allowed"));
    tcp("GET", "http://LOCALHOST:7717/x", &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("GET", "http://a@localhost:7717/x", &[OWN, AUTH], Err("host-malformed"));
}

#[test]
fn hosts_over_unix() {
    unix("GET", &[], Ok(Peer::Local));
    unix("GET", &[("host", "localhost")], Ok(Peer::Local));
    unix("GET", &[("host", "Dossierd")], Ok(Peer::Local));
    unix("GET", &[("host", "localhost:7717")], Err("host-not-allowed"));
    unix("GET", &[("host", "evil.test")], Err("host-not-allowed"));
    unix("GET", &[("host", "localhost"), ("host", "localhost")], Err("host-malformed"));
}

#[test]
fn browsers_over_unix() {
    for header in [
        ("origin", "http://localhost"),
        ("referer", "http://localhost/"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-user", "?1"),
    ] {
        unix("GET", &[header], Err("browser-not-allowed"));
    }
}

#[test]
fn origins() {
    let cases = [
        ("http://localhost:7717", true),
        ("http://LocalHost:7717", true),
        ("http://127.0.0.1:7717", false),
        ("https://localhost:7717", false),
        ("http://localhost:7718", false),
        ("http://localhost", false),
        ("http://localhost:7717/", false),
        ("http://localhost:7717.evil.test", false),
        ("http://evil.test", false),
        ("null", false),
        ("", false),
        ("localhost:7717", false),
    ];
    for (origin, fine) in cases {
        let expected = if fine { Ok(Peer::Bearer) } else { Err("origin-not-allowed") };
        for method in ["GET", "POST", "PUT", "DELETE"] {
            tcp(method, "/api/x", &[OWN, AUTH, JSON, ("origin", origin)], expected);
        }
    }
    let own = ("origin", "http://localhost:7717");
    tcp("GET", "/api/x", &[OWN, AUTH, own, own], Err("origin-not-allowed"));
}

#[test]
fn sites() {
    for (site, fine) in [
        ("same-origin", true),
        ("none", true),
        ("same-site", false),
        ("cross-site", false),
        ("Same-Origin", false),
        ("", false),
    ] {
        let expected = if fine { Ok(Peer::Bearer) } else { Err("origin-not-allowed") };
        tcp("GET", "/api/x", &[OWN, AUTH, ("sec-fetch-site", site)], expected);
    }
}

#[test]
fn only_a_navigation_to_the_shell_may_come_from_elsewhere() {
    let foreign = ("sec-fetch-site", "cross-site");
    let navigate = ("sec-fetch-mode", "navigate");
    let document = ("sec-fetch-dest", "document");
    tcp("GET", "/", &[OWN, foreign, navigate, document], Ok(Peer::Anonymous));
    let refused = Err("origin-not-allowed");
    tcp("GET", "/", &[OWN, foreign], refused);
    tcp("GET", "/", &[OWN, foreign, ("sec-fetch-mode", "no-cors"), document], refused);
    tcp("GET", "/", &[OWN, foreign, navigate, ("sec-fetch-dest", "iframe")], refused);
    tcp("POST", "/", &[OWN, JSON, foreign, navigate, document], refused);
    tcp("GET", "/api/x", &[OWN, AUTH, foreign, navigate, document], refused);
    tcp("GET", "/", &[OWN, foreign, navigate, document, ("origin", "null")], refused);
}

#[test]
fn tokens() {
    for (value, fine) in [
        ("Bearer dsr1_right", true),
        ("bearer dsr1_right", true),
        ("Bearer dsr1_wrong", false),
        ("Bearer  dsr1_right", false),
        ("Bearer dsr1_right x", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("Basic dsr1_right", false),
        ("dsr1_right", false),
        ("", false),
    ] {
        let expected = if fine { Ok(Peer::Bearer) } else { Err("unauthorized") };
        tcp("GET", "/api/x", &[OWN, ("authorization", value)], expected);
    }
    tcp("GET", "/api/x", &[OWN, AUTH, AUTH], Err("unauthorized"));
    tcp("GET", "/api/x", &[OWN, ("cookie", "token=dsr1_right")], Err("unauthorized"));
    tcp("GET", "/", &[OWN], Ok(Peer::Anonymous));
    tcp("GET", "/", &[OWN, AUTH], Ok(Peer::Bearer));
}

#[test]
fn a_token_in_the_address_is_refused_even_next_to_a_good_one() {
    tcp("GET", "/api/x?token=dsr1_right", &[OWN], Err("token-in-url"));
    tcp("GET", "/?a=b&token=", &[OWN, AUTH], Err("token-in-url"));
}

#[test]
fn without_tcp_auth_everyone_is_a_bearer_but_names_and_pages_still_count() {
    let open = |headers: &[(&str, &str)]| {
        outcome(&parts("GET", "/api/x", headers), Transport::Tcp, TcpAuth::None)
    };
    assert_eq!(open(&[OWN]), Ok(Peer::Bearer));
    assert_eq!(open(&[("host", "evil.test:7717")]), Err("host-not-allowed"));
    assert_eq!(open(&[OWN, ("origin", "http://evil.test")]), Err("origin-not-allowed"));
}

#[test]
fn the_order_gives_nothing_away_without_a_token() {
    for method in ["OPTIONS", "TRACE"] {
        tcp(method, "/api/x", &[OWN], Err("unauthorized"));
        tcp(method, "/api/x", &[OWN, AUTH], Err("method-not-allowed"));
        tcp(method, "/", &[OWN], Err("method-not-allowed"));
        unix(method, &[], Err("method-not-allowed"));
    }
    tcp("OPTIONS", "/api/x", &[OWN, ("origin", "http://evil.test")], Err("origin-not-allowed"));
    // The service says which methods it has instead.
    tcp("OPTIONS", "/api/y", &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("PATCH", "/api/y", &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("POST", "/api/nothing", &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("OPTIONS", "/api/nothing", &[OWN, AUTH], Err("method-not-allowed"));
    tcp("GET", "/api/../x", &[OWN], Err("unauthorized"));
    tcp("GET", "/api/../x", &[OWN, AUTH], Err("path-malformed"));
    tcp("POST", "/api/x", &[OWN], Err("unauthorized"));
    tcp("CONNECT", "localhost:7717", &[OWN, AUTH], Err("method-not-allowed"));
}

#[test]
fn contents() {
    let refused = Err("content-type-not-supported");
    for method in ["POST", "PUT", "PATCH"] {
        tcp(method, "/api/x", &[OWN, AUTH], refused);
        tcp(method, "/api/x", &[OWN, AUTH, ("content-type", "text/plain")], refused);
        tcp(method, "/api/x", &[OWN, AUTH, ("content-type", "application/jsonp")], refused);
        tcp(method, "/api/x", &[OWN, AUTH, JSON, JSON], refused);
        tcp(method, "/api/x", &[OWN, AUTH, JSON], Ok(Peer::Bearer));
        let charset = ("content-type", "Application/JSON ; charset=utf-8");
        tcp(method, "/api/x", &[OWN, AUTH, charset], Ok(Peer::Bearer));
        unix(method, &[], refused);
    }
    tcp("DELETE", "/api/x", &[OWN, AUTH], Ok(Peer::Bearer));
    let gzip = ("content-encoding", "gzip");
    tcp("GET", "/api/x", &[OWN, AUTH, gzip], Err("content-encoding-not-supported"));
    tcp("POST", "/api/x", &[OWN, AUTH, JSON, gzip], Err("content-encoding-not-supported"));
}

#[test]
fn long_targets() {
    let path = format!("/{}", "a".repeat(2047));
    tcp("GET", &path, &[OWN, AUTH], Ok(Peer::Bearer));
    tcp("GET", &format!("{path}a"), &[OWN, AUTH], Err("uri-too-long"));
    tcp("GET", &format!("/?{}", "a".repeat(2047)), &[OWN, AUTH], Err("uri-too-long"));
}
