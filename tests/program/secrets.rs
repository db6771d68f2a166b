//! Secrets: all that the program does at its most talkative, and then a search for the
//! token, for sessions and for codes in everything that it wrote or said.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::kit::{DEADLINE, Place, Reply, Running, set_mode, wait_until, write};

/// The forms in which a secret could turn up.
fn forms(secret: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let random = secret.rsplit("dsr1_").next().expect("at least one part");
    let raw = URL_SAFE_NO_PAD.decode(random).expect("is base64url");
    let mut forms = vec![
        random.to_owned(),
        random.chars().rev().collect(),
        random.replace('-', "%2D").replace('_', "%5F"),
        hex(secret.as_bytes()),
        hex(random.as_bytes()),
        hex(&raw),
        STANDARD.encode(&raw),
        format!("{raw:?}"),
    ];
    // Within a longer text that was encoded the letters depend on where it begins.
    for before in 0..3 {
        let text = [&b"xxx"[..before], random.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(text);
        forms.push(encoded[4..encoded.len() - 4].to_owned());
    }
    forms
}

#[track_caller]
fn is_clean(what: &str, bytes: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        assert!(!text.contains(&form.to_lowercase()), "{what} has {form}");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Reads some of a stream of events.
fn follow(daemon: &Running, token: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(daemon.address()).expect("listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("is set");
    let request = format!(
        "GET /api/dossier/events?feature=plan-me&follow=true HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n",
        daemon.address()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = vec![0; 64 * 1024];
    let length = stream.read(&mut bytes).expect("begins");
    bytes.truncate(length);
    bytes
}

/// Everything that can be asked, by someone who is logged in.
fn ask_everything(daemon: &Running, token: &str) -> Vec<(String, Reply)> {
    let bearer = format!("Authorization: Bearer {token}");
    let host = format!("Host: {}", daemon.address());
    let mut replies = Vec::new();
    for target in [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/openapi.json",
        "/api/status",
        "/api/features",
        "/api/schemas",
        "/api/sync/status",
        "/api/token",
        "/api/nothing",
        "/api/dossier/overview?feature=plan-me&fresh=true",
        "/api/dossier/artifacts?feature=plan-me",
        "/api/dossier/artifacts/input.spec.main?feature=plan-me",
        "/api/dossier/snapshots/export?feature=plan-me",
        "/api/dossier/drift?feature=plan-me",
        "/api/dossier/baseline?feature=plan-me",
        "/api/dossier/events?feature=plan-me",
        "/api/dossier/history?feature=plan-me",
        "/api/dossier/diff?feature=plan-me&artifact=input.spec.main",
    ] {
        replies.push((target.to_owned(), daemon.get(target, token)));
        // A secret in an address, or nearly right, is refused and forgotten.
        let separator = if target.contains('?') { '&' } else { '?' };
        replies.push((
            target.to_owned(),
            daemon.get(&format!("{target}{separator}token={token}"), token),
        ));
        replies.push((target.to_owned(), daemon.get(target, &format!("{token}x"))));
    }
    let json = "Content-Type: application/json";
    for (method, target, body) in [
        ("POST", "/api/dossier/baseline?feature=plan-me", "{\"note\": \"as it is\"}"),
        ("POST", "/api/features", "{\"path\": \"/nowhere\"}"),
        ("POST", "/api/sync/pause", "{}"),
        ("POST", "/api/session/code", "{}"),
        ("POST", "/api/session", "{\"code\": \"wrong\"}"),
        ("POST", "/api/nothing", "{"),
        ("DELETE", "/api/dossier/baseline?feature=plan-me", ""),
    ] {
        let reply = daemon.tcp_raw(method, target, &[&host, &bearer, json], body);
        replies.push((target.to_owned(), reply));
    }
    replies
}

/// Logs a page in as a browser would; gives the code and the token of the session.
pub(crate) fn log_in(place: &Place, daemon: &Running) -> (String, String) {
    let url = place.run(&["open", "--print-url"]).fine();
    let code = url.trim().split_once("#code=").expect("has a code").1.to_owned();
    let lines = [&format!("Host: {}", daemon.address()), "Content-Type: application/json"];
    let body = json!({ "code": code }).to_string();
    let session = daemon.tcp_raw("POST", "/api/session", &lines, &body).json();
    (code, session["token"].as_str().expect("a token").to_owned())
}

#[test]
fn no_secret_is_anywhere_but_where_it_belongs() {
    for more in [&[][..], &["--log-json"]] {
        let place = Place::with_feature();
        let args = ["run", "--listen", "127.0.0.1:0", "--json", "--log", "trace,notify=trace"];
        let daemon = place.start_with(&[&args[..], more].concat());
        place.run(&["add", "project"]).fine();
        let token = place.run(&["token"]).fine().trim().to_owned();
        let (code, session) = log_in(&place, &daemon);
        let secrets = [token.clone(), session.clone(), code];
        for secret in [&token, &session] {
            for (target, reply) in ask_everything(&daemon, secret) {
                is_clean(&target, format!("{}\n{}", reply.head, reply.body).as_bytes(), &secrets);
            }
            is_clean("a stream of events", &follow(&daemon, secret), &secrets);
        }
        for args in [&["status"][..], &["list", "--json"], &["doctor"], &["events", "plan-me"]] {
            let ran = place.run(args);
            is_clean(args[0], format!("{}{}", ran.out, ran.err).as_bytes(), &secrets);
        }
        place.write("plan-me/spec.md", "edited\n");
        place.run(&["status", "plan-me"]).fine();
        for name in ["cmdline", "environ", "comm"] {
            let bytes = fs::read(format!("/proc/{}/{name}", daemon.pid())).expect("reads");
            is_clean(name, &bytes, &secrets);
        }
        is_clean("the log", daemon.stderr().as_bytes(), &secrets);
        assert!(daemon.stderr().contains("TRACE"), "nothing was traced");
        let written = [files(&place.home()), files(&place.project())].concat();
        for path in written.iter().filter(|path| !path.ends_with("state/token")) {
            is_clean(&path.display().to_string(), &fs::read(path).unwrap_or_default(), &secrets);
        }
        assert!(written.iter().any(|path| path.ends_with("state/sessions.json")));
        daemon.stop();
        assert!(!place.home().join("state/token").exists(), "it opens nothing any more");
    }
}

#[test]
fn its_memory_is_never_dumped() {
    let place = Place::new();
    let daemon = place.start_through(&["env"], "ulimit -c unlimited || true; exec \"$@\"");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("reads");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[4..6], ["0", "0"], "{line}");
    daemon.stop();
}

#[test]
fn the_browser_gets_a_private_page_and_no_code_on_its_command_line() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let (tools, seen) = (place.path().join("tools"), place.path().join("seen"));
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{0}'\nstat -c %a \"$1\" >>'{0}'\ncat \"$1\" >>'{0}'\n",
        seen.display()
    );
    write(&tools.join("xdg-open"), script);
    fs::set_permissions(tools.join("xdg-open"), PermissionsExt::from_mode(0o755)).expect("set");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("has one"));
    let opened = place.command(&["open"]).env("PATH", path).output().expect("runs");
    assert!(opened.status.success(), "{opened:?}");
    wait_until("the browser has it", || {
        fs::read_to_string(&seen).is_ok_and(|text| text.contains("</a>"))
    });
    let text = fs::read_to_string(&seen).expect("reads");
    let (argument, rest) = text.split_once('\n').expect("an argument");
    let (mode, page) = rest.split_once('\n').expect("a mode");
    assert_eq!(
        (argument, mode),
        (place.home().join("run/open.html").to_str().expect("text"), "600")
    );
    let wanted = format!("url=http://{}/#code=", daemon.address());
    assert!(page.contains(&wanted), "{page}");
    let (_, code) = page.split_once("#code=").expect("a code");
    let code = &code[..22];
    for told in [&opened.stdout, &opened.stderr] {
        assert!(!String::from_utf8_lossy(told).contains(code), "{opened:?}");
    }
    daemon.stop();
}

#[test]
fn paths_with_spaces_that_the_configuration_names_stay_on_this_machine() {
    let place = Place::with_feature();
    let (dir, other) =
        (place.path().join("my xyzzy client/merger"), place.path().join("an xyzzy place"));
    for dir in [&dir, &other] {
        fs::create_dir_all(dir).expect("made");
        set_mode(dir, 0o700);
    }
    let file = dir.join("c.yaml");
    let configured = |text: &str| {
        write(&file, text);
        set_mode(&file, 0o600);
    };
    let missing = other.join("no token");
    configured(&format!(
        "sync: {{webhook: {{url: 'http://127.0.0.1:9', token_file: {}}}}}\n",
        missing.display()
    ));
    write(&missing, "t0ken");
    set_mode(&missing, 0o600);
    let shown = file.to_str().expect("text");
    let args = ["run", "--config", shown, "--listen", "127.0.0.1:0", "--json"];
    let daemon = place.start_with(&args);
    place.run(&["add", "project"]).fine();
    let token = place.run(&["token"]).fine().trim().to_owned();
    fs::remove_file(&missing).expect("removed");
    wait_until("the file is missed", || {
        place.run(&["sync", "flush"]);
        place.run(&["sync", "status"]).out.contains("no token")
    });
    configured("nonsense: 1\n");
    daemon.signal(rustix::process::Signal::HUP);
    wait_until("it is refused", || daemon.stderr().contains("was not reloaded"));
    let mut told = String::new();
    for target in ["/api/features", "/api/status", "/api/sync/status", "/metrics"] {
        let reply = daemon.get(target, &token);
        assert_eq!(reply.status, 200, "{target}");
        for part in ["xyzzy", "merger", "no token"] {
            assert!(!reply.body.contains(part), "{part} in {target}: {}", reply.body);
        }
        told.push_str(&reply.body);
    }
    for word in ["<config-file>", "<sync.webhook.token_file>", "\"<file>\""] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
    let local = daemon.unix("GET", "/api/status", &["Host: dossierd"]).json();
    assert_eq!(local["warning_details"][0]["file"], shown);
    daemon.stop();
}
