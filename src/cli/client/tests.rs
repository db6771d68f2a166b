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
    assert_eq!(error.to_string(), "similar: a, b");
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
fn a_socket_of_another_user_is_sent_nothing() {
    use std::os::unix::process::CommandExt;
    if rustix::process::geteuid().as_raw() != 0 {
        eprintln!("SKIPPED: only root can listen as another user");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(tmp.path(), open_to_all).unwrap();
    let socket = tmp.path().join("s");
    let script = "import os,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\n\
                  print(flush=True)\nc,_=s.accept()\nprint(len(c.recv(100)))";
    let spawned = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&socket)
        .stdout(std::process::Stdio::piped())
        .uid(4242)
        .gid(4242)
        .spawn();
    let Ok(mut planted) = spawned else {
        eprintln!("SKIPPED: python3 is needed to listen as another user");
        return;
    };
    let mut said = std::io::BufReader::new(planted.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut String::new()).unwrap();
    let error = Client::new(socket).unwrap().ask(&Route::get("/x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error:?}");
    assert!(error.to_string().contains("uid 4242"), "{error}");
    let mut received = String::new();
    std::io::Read::read_to_string(&mut said, &mut received).unwrap();
    planted.wait().unwrap();
    assert_eq!(received.trim(), "0", "bytes that were sent");
}

#[test]
fn a_path_too_long_for_a_socket_is_an_error_of_its_own() {
    let socket = PathBuf::from(format!("/{}", "s".repeat(200)));
    let error = Client::new(socket).unwrap().ask(&Route::get("/x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.causes()[0].contains("--socket"), "{error:?}");
}

#[test]
fn waiting_is_only_told_to_a_terminal() {
    let daemon = FakeDaemon::answering([answer("{}")]);
    let (mut output, _, err) = captured(false);
    daemon.client().ask_patiently(&Route::get("/x"), "scanning", &mut output).unwrap();
    assert_eq!(err.text(), "");
}
