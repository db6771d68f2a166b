use serde_json::{Value, json};

use super::super::fake_daemon::{FakeDaemon, json as answer, problem, response};
use super::super::output::tests::captured;
use super::*;

#[test]
fn a_request_says_what_the_daemon_wants_to_know_and_no_more() {
    let daemon = FakeDaemon::answering([answer("{\"a\":1}\n"), answer("{}"), answer("{}")]);
    let client = daemon.client();
    let got = client.ask(&Route::get("/api/features").with("x", "é")).unwrap();
    assert_eq!(got.body, "{\"a\":1}\n");
    client.ask(&Route::post("/api/features", json!({"path": "/w"}))).unwrap();
    client.ask(&Route::delete("/api/features").with("id", "r")).unwrap();

    let asked = daemon.asked();
    assert_eq!(asked[0].line, "GET /api/features?x=%C3%A9");
    assert_eq!(asked[0].headers, ["host: dossierd"]);
    assert_eq!(asked[1].line, "POST /api/features");
    assert!(asked[1].headers.contains(&"content-type: application/json".to_owned()));
    assert_eq!(asked[1].body, "{\"path\":\"/w\"}");
    assert_eq!(asked[2].line, "DELETE /api/features?id=r");
    for request in asked {
        let hostile = ["origin", "referer", "sec-fetch", "cookie", "authorization"];
        assert!(!request.headers.iter().any(|h| hostile.iter().any(|name| h.starts_with(name))));
    }
}

#[test]
fn a_problem_is_an_error_with_its_code() {
    let daemon = FakeDaemon::answering([problem(
        "404 Not Found",
        r#"{"status":404,"code":"feature-unknown","title":"No such feature","detail":"similar: a, b"}"#,
    )]);
    let error = daemon.client().ask(&Route::get("/x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.code(), Some("feature-unknown"));
    assert_eq!(error.to_string(), "No such feature: similar: a, b");
    assert!(error.hints()[0].contains("dossierd list"));
}

#[test]
fn a_refusal_without_a_document_still_says_its_status() {
    let daemon = FakeDaemon::answering([response("431 Too Large", "text/plain", "")]);
    let error = daemon.client().ask(&Route::get("/x")).unwrap_err();
    assert!(error.to_string().contains("431"), "{error}");
}

#[test]
fn answers_that_are_none_are_errors() {
    let daemon = FakeDaemon::answering([b"SSH-2.0-x\r\n".to_vec(), Vec::new(), answer("[")]);
    let client = daemon.client();
    for _ in 0..2 {
        let error = client.ask(&Route::get("/x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    let error = client.ask(&Route::get("/x")).unwrap().parse::<Value>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.hints()[0].contains("restart"), "{error:?}");
}

#[test]
fn no_daemon_says_how_to_start_one() {
    let tmp = tempfile::tempdir().unwrap();
    let stale = tmp.path().join("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    for socket in [tmp.path().join("none"), stale] {
        let error = Client::new(socket.clone()).unwrap().ask(&Route::get("/x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoDaemon, "{error:?}");
        assert!(error.to_string().contains(&*socket.to_string_lossy()));
        assert!(error.hints()[0].contains("dossierd run"), "{error:?}");
    }
}

#[test]
fn only_our_own_daemon_and_roots_are_trusted() {
    assert!(transport::is_trusted(Some(1000), 1000));
    assert!(transport::is_trusted(Some(0), 1000));
    assert!(!transport::is_trusted(Some(1001), 1000));
    assert!(!transport::is_trusted(None, 0));
}

#[test]
fn waiting_is_only_told_to_a_terminal() {
    let daemon = FakeDaemon::answering([answer("{}")]);
    let (mut output, _, err) = captured(false);
    daemon.client().ask_patiently(&Route::get("/x"), "scanning", &mut output).unwrap();
    assert_eq!(err.text(), "");
}
