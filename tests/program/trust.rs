//! Who may ask the program what, and what it never tells.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::{BINARY, Place, Reply, Running, is_root, mode, set_mode, wait_until};

/// All paths below a directory, and itself; links are not followed.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_path_buf()];
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn nobody_else_can_read_what_is_written_whatever_the_umask() {
    let place = Place::with_feature();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" run --listen 127.0.0.1:0 --json", BINARY]);
    command.current_dir(place.path()).env("DOSSIERD_HOME", place.home());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let lines = crate::kit::lines_of(child.stdout.take().expect("piped"));
    lines.recv_timeout(crate::kit::DEADLINE).expect("is ready");
    place.run(&["add", "project"]).fine();
    place.run(&["baseline", "capture", "plan-me"]).fine();
    let checked: Vec<PathBuf> =
        [tree(&place.home()), tree(&place.project().join(".kittify/dossiers"))].concat();
    let expected = |path: &Path| if path.is_dir() { 0o700 } else { 0o600 };
    for path in &checked {
        // What the project's files are is not secret, and Git reads this one.
        if path.ends_with(".gitignore") {
            continue;
        }
        assert_eq!(mode(path), expected(path), "{}", path.display());
    }
    for name in ["run/dossierd.sock", "state/token", "state/registry.json"] {
        assert!(checked.contains(&place.home().join(name)), "{name} was not looked at");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn another_user_gets_nothing() {
    if !is_root("another user at the socket") {
        return;
    }
    let place = Place::with_feature();
    let daemon = place.start_registered();
    set_mode(&place.path(), 0o755);
    // The place where tests are built may be closed to others.
    let binary = place.path().join("dossierd");
    fs::copy(BINARY, &binary).expect("copied");
    set_mode(&binary, 0o755);
    let socket = daemon.socket().display().to_string();
    let as_other = || {
        let mut command = std::process::Command::new(&binary);
        command.args(["list", "--socket", &socket]).uid(65534).gid(65534);
        let ran = command.current_dir("/").env_clear().env("DOSSIERD_HOME", "/nowhere").output();
        let ran = ran.expect("runs");
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    assert!(as_other().contains("belongs to another user"), "{}", as_other());
    for path in [place.home(), place.home().join("run")] {
        set_mode(&path, 0o755);
    }
    set_mode(daemon.socket(), 0o666);
    let error = as_other();
    assert!(error.contains("ended the connection"), "the peer was not checked: {error}");
    place.run(&["list"]).fine();
    daemon.stop();
}

/// All that TCP serves of reading.
const TARGETS: [&str; 12] = [
    "/api/dossier/overview?feature=plan-me",
    "/api/dossier/artifacts?feature=plan-me",
    "/api/dossier/artifacts/input.spec.main?feature=plan-me",
    "/api/dossier/snapshots/export?feature=plan-me",
    "/api/dossier/snapshots/export?feature=plan-me&format=in-toto",
    "/api/dossier/drift?feature=plan-me",
    "/api/dossier/baseline?feature=plan-me",
    "/api/dossier/events?feature=plan-me",
    "/api/features",
    "/api/status",
    "/api/openapi.json",
    "/metrics",
];

#[test]
fn without_the_token_there_is_only_the_shell() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine().trim().to_owned();
    for target in TARGETS.iter().chain(&["/api/nothing", "/nothing", "/api/token"]) {
        assert_eq!(daemon.tcp("GET", target, &[]).status, 401, "{target}");
        let wrong = daemon.get(target, &format!("{token}x"));
        assert_eq!(wrong.status, 401, "{target}");
        assert!(!wrong.body.contains(&token));
    }
    for target in ["/healthz", "/readyz", "/"] {
        let reply = daemon.tcp("GET", target, &[]);
        assert_eq!(reply.status, 200, "{target}");
        assert!(!reply.body.contains("plan-me"), "{target} has data in it");
    }
    let in_url = daemon.tcp("GET", &format!("/api/features?token={token}"), &[]);
    assert!([400, 401].contains(&in_url.status), "{in_url:?}");
    assert_eq!(daemon.get("/api/token", &token).status, 403, "over the socket alone");
    assert_eq!(daemon.unix("GET", "/api/token", &["Host: dossierd"]).status, 200);
    daemon.stop();
}

#[test]
fn the_token_and_places_stay_where_they_belong() {
    let place = Place::with_feature();
    let daemon = place.start_with(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--log",
        "trace,notify=trace",
    ]);
    place.run(&["add", "project"]).fine();
    let token = place.run(&["token"]).fine().trim().to_owned();
    let mut answers = Vec::new();
    for target in TARGETS {
        let reply = daemon.get(target, &token);
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        answers.push((target, reply));
    }
    for target in ["/api/dossier/overview?feature=nope", "/api/dossier/artifacts/nope", "/api/nope"]
    {
        answers.push((target, daemon.get(target, &token)));
    }
    daemon.get("/api/features", "dsr1_this-is-another-token");
    place.write("plan-me/spec.md", "edited\n");
    place.run(&["status", "plan-me"]).fine();
    let here = place.path().display().to_string();
    for (target, Reply { head, body, .. }) in &answers {
        for text in [head, body] {
            assert!(!text.contains(&token), "the token is in the answer to {target}");
            assert!(!text.contains(&here), "a place is in the answer to {target}: {text}");
        }
    }
    for name in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{name}", daemon.pid())).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token), "{name}");
    }
    let log = daemon.stderr();
    assert!(log.contains("TRACE notify"), "nothing was traced");
    assert!(!log.contains(&token) && !log.contains("this-is-another-token"), "a token is logged");
    for path in [tree(&place.home()), tree(&place.project())].concat() {
        if path.is_file() && !path.ends_with("state/token") {
            let text = String::from_utf8_lossy(&fs::read(&path).expect("reads")).into_owned();
            assert!(!text.contains(&token), "{}", path.display());
        }
    }
    let events = fs::read_to_string(place.dossier("plan-me").join("events.jsonl")).expect("there");
    assert!(!events.contains(&here), "a place is in the log");
    daemon.stop();
}

#[test]
fn an_ordinary_log_names_no_places() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    place.write("plan-me/spec.md", b"bad \xff");
    place.run(&["status", "plan-me"]).fine();
    let log = place.dossier("plan-me").join("events.jsonl");
    fs::write(&log, "").expect("cut");
    place.write("plan-me/spec.md", "good\n");
    wait_until("it says that the log was cut", || daemon.stderr().contains("WARN"));
    fs::remove_dir_all(place.feature("plan-me")).expect("removed");
    place.run(&["status"]).fine();
    let text = daemon.stderr();
    let project = place.project().display().to_string();
    assert!(!text.contains(&project), "{text}");
    daemon.stop();
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine().trim().to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    let port = daemon.address().rsplit(':').next().expect("a port").to_owned();
    let with_host = |host: &str, target: &str| {
        daemon.tcp_raw("GET", target, &[&format!("Host: {host}"), &bearer], "").status
    };
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        (format!("evil.test:{port}"), 403),
        (format!("localhost.:{port}"), 403),
        (format!("127.0.0.1.evil.test:{port}"), 403),
        (format!("0.0.0.0:{port}"), 403),
        ("127.0.0.1:1".to_owned(), 403),
        ("127.0.0.1".to_owned(), 403),
    ] {
        for target in ["/api/features", "/healthz", "/"] {
            assert_eq!(with_host(&host, target), status, "{host} {target}");
        }
    }
    let own = format!("Host: {}", daemon.address());
    assert_eq!(daemon.tcp_raw("GET", "/healthz", &[], "").status, 400, "no Host");
    assert_eq!(daemon.tcp_raw("GET", "/healthz", &[&own, &own], "").status, 400, "two Hosts");
    assert_eq!(daemon.tcp_raw("GET", "http://evil.test/healthz", &[&own], "").status, 400);

    let origin = format!("Origin: http://{}", daemon.address());
    for (header, status) in [
        (origin.as_str(), 200),
        ("Sec-Fetch-Site: same-origin", 200),
        ("Sec-Fetch-Site: none", 200),
        ("Origin: http://evil.test", 403),
        ("Origin: null", 403),
        ("Origin: http://127.0.0.1:1", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
    ] {
        let reply = daemon.tcp("GET", "/api/features", &[&bearer, header]);
        assert_eq!(reply.status, status, "{header}");
        assert!(!reply.head.to_lowercase().contains("access-control-"), "{header}");
    }
    let form = [own.as_str(), &bearer, "Content-Type: text/plain"];
    assert_eq!(daemon.tcp_raw("POST", "/api/features", &form, "{}").status, 415);
    assert_eq!(daemon.tcp("OPTIONS", "/api/features", &[&bearer]).status, 405);
    for header in ["Origin: http://localhost", "Referer: http://x/", "Sec-Fetch-Mode: cors"] {
        let reply = daemon.unix("GET", "/api/features", &["Host: dossierd", header]);
        assert_eq!(reply.status, 403, "{header}");
    }
    daemon.stop();
}

/// Asks for the text of an artifact, which must be answered soon.
fn text_of(daemon: &Running, token: &str, key: &str) -> Reply {
    let began = Instant::now();
    let reply = daemon.get(&format!("/api/dossier/artifacts/{key}?feature=plan-me"), token);
    assert!(began.elapsed() < Duration::from_secs(5), "{key} took {:?}", began.elapsed());
    reply
}

#[test]
fn what_is_no_file_of_the_feature_is_named_and_never_opened() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};
    use std::os::unix::fs::symlink;
    let place = Place::with_feature();
    let dir = place.feature("plan-me");
    let canary = place.path().join("canary");
    fs::write(&canary, "CANARY outside of the feature\n").expect("written");
    mkfifoat(CWD, dir.join("pipe"), Mode::RWXU).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).expect("binds");
    symlink(&canary, dir.join("absolute.md")).expect("linked");
    symlink("../../../canary", dir.join("relative.md")).expect("linked");
    symlink("/dev/zero", dir.join("zero.md")).expect("linked");
    symlink("/proc/self/environ", dir.join("magic.md")).expect("linked");
    symlink("loop.md", dir.join("loop.md")).expect("linked");
    symlink("pipe", dir.join("to-pipe.md")).expect("linked");
    symlink(place.path(), dir.join("up")).expect("linked");
    let mut keys: Vec<&str> = vec![
        "artifact.pipe",
        "artifact.socket",
        "artifact.absolute_md",
        "artifact.relative_md",
        "artifact.zero_md",
        "artifact.magic_md",
        "artifact.loop_md",
        "artifact.to-pipe_md",
    ];
    let device =
        mknodat(CWD, dir.join("device"), FileType::CharacterDevice, Mode::RWXU, makedev(1, 5));
    match device {
        Ok(()) => keys.push("artifact.device"),
        Err(error) => eprintln!("SKIPPED, cannot make a device: {error}"),
    }
    let scanned = place.run(&["scan", "project", "--json"]);
    assert!(!scanned.out.contains("CANARY"));
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine().trim().to_owned();
    for key in keys {
        let reply = text_of(&daemon, &token, key);
        assert!([410, 422].contains(&reply.status), "{key}: {reply:?}");
        assert!(!reply.body.contains("CANARY"), "{key}: {reply:?}");
        let row = place.run(&["artifacts", "plan-me", "--json"]).json()["artifacts"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|row| row["artifact_key"] == key)
            .cloned();
        let row = row.unwrap_or_else(|| panic!("{key} is silently gone"));
        assert_eq!(row["error_reason"], "unreadable", "{row}");
    }
    for key in [
        "..%2f..%2fcanary",
        "%2e%2e%2fcanary",
        "..",
        "%00",
        "/etc/passwd",
        "up/canary",
        "artifact.up.canary",
    ] {
        let reply = text_of(&daemon, &token, key);
        assert!([400, 404].contains(&reply.status), "{key}: {reply:?}");
    }

    // A file that becomes a link, or a pipe, after it was indexed.
    place.write("plan-me/swapped.md", "inside\n");
    assert_eq!(place.run(&["show", "artifact.swapped_md", "plan-me"]).fine(), "inside\n");
    fs::remove_file(dir.join("swapped.md")).expect("removed");
    symlink(&canary, dir.join("swapped.md")).expect("linked");
    for _ in 0..20 {
        let reply = text_of(&daemon, &token, "artifact.swapped_md");
        assert!(reply.status != 200 && !reply.body.contains("CANARY"), "{reply:?}");
    }
    fs::remove_file(dir.join("swapped.md")).expect("removed");
    mkfifoat(CWD, dir.join("swapped.md"), Mode::RWXU).expect("made");
    let reply = text_of(&daemon, &token, "artifact.swapped_md");
    assert!([410, 422].contains(&reply.status), "{reply:?}");
    assert_eq!(place.run(&["status", "plan-me", "--json"]).json()["current_step"], json!("plan"));
    daemon.stop();
}
