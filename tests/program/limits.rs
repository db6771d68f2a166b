//! The kernel's limits on watches and instances, reached for certain in a user namespace of
//! the daemon's own: it says so everywhere, with the command that mends it, stays right by
//! polling, and takes the watches when there are some.

use std::process::{Command, Stdio};

use crate::agreement::{agree, difference};
use crate::kit::{Place, Running, wait_until};

const NAMESPACE: [&str; 3] = ["unshare", "--user", "--map-root-user"];

/// May a user namespace be made here, with limits of its own? Says loudly if not.
fn can_limit(what: &str) -> bool {
    let script = "echo 60 >/proc/sys/user/max_inotify_watches";
    let tried = Command::new(NAMESPACE[0])
        .args(&NAMESPACE[1..])
        .args(["sh", "-ec", script])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            eprintln!("SKIP {what}: no user namespace with limits of its own: {why}");
            false
        }
        Err(error) => {
            eprintln!("SKIP {what}: unshare: {error}");
            false
        }
    }
}

/// A place with more directories than so small a limit.
fn many_directories() -> Place {
    let place = Place::with_feature();
    for number in 0..100 {
        place.write(&format!("plan-me/d{number}/note.md"), "# Note\n");
    }
    place
}

fn limited(place: &Place, limit: &str, number: u32) -> Running {
    let script = format!("echo {number} >/proc/sys/user/{limit}; exec \"$@\"");
    place.start_through(&NAMESPACE, &script)
}

/// Raises the limit of the namespace that the daemon is in.
fn raise(daemon: &Running, limit: &str, number: u32) {
    let pid = daemon.pid().to_string();
    let script = format!("echo {number} >/proc/sys/user/{limit}");
    let raised = Command::new("nsenter")
        .args(["--target", &pid, "--user", "--preserve-credentials", "sh", "-ec", &script])
        .output()
        .expect("nsenter runs");
    assert!(raised.status.success(), "{raised:?}");
}

fn metrics(daemon: &Running) -> String {
    let reply = daemon.unix("GET", "/metrics", &["Host: localhost"]);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// Status, doctor and metrics all give the state and the command.
fn told_everywhere(place: &Place, daemon: &Running, state: &str, key: &str) {
    let command = format!("fs.inotify.{key}=");
    let list = place.run(&["list"]);
    let status = place.run(&["status", "plan-me"]);
    let doctor = place.run(&["doctor"]);
    let metrics = metrics(daemon);
    assert!(list.out.contains(state), "list says {}", list.out);
    for (what, text) in [("status", &status.out), ("doctor", &doctor.out), ("/metrics", &metrics)] {
        assert!(text.contains(state) || what == "doctor", "no {state} in {what}: {text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&command), "no {command} in {what}: {text}");
        assert!(words.contains("sudo sysctl --system"), "no command in {what}: {text}");
    }
    assert!(!doctor.out.contains(" 0 warnings") || doctor.code != 0, "{doctor:?}");
}

/// What changes is seen by a fresh read, and without one by polling.
fn converges(place: &Place, daemon: &Running) {
    for number in [0, 50, 99] {
        place.write(&format!("plan-me/d{number}/note.md"), "# Fresh\n");
        place.write(&format!("plan-me/d{number}/deeper/new.md"), "# New\n");
    }
    place.write("another/spec.md", "# New\n");
    agree(place, daemon, "limited");
    let artifacts = || {
        let listed = daemon.ask("/api/features");
        let features = listed["features"].as_array().expect("a list").clone();
        let own = features.into_iter().find(|row| row["slug"] == "plan-me").expect("is there");
        own["artifact_total"].as_u64().expect("a number")
    };
    let before = artifacts();
    place.write("plan-me/d99/polled.md", "# Nobody asks\n");
    wait_until("it is polled", || artifacts() == before + 1);
}

#[test]
fn without_watches_left_it_is_partial_says_how_to_mend_it_and_recovers() {
    if !can_limit("the limit on watches") {
        return;
    }
    for limit in [60, 1] {
        let place = many_directories();
        let daemon = limited(&place, "max_inotify_watches", limit);
        place.run(&["add", "project"]).fine();
        told_everywhere(&place, &daemon, "partial", "max_user_watches");
        converges(&place, &daemon);
        // With only one watch the root itself has none.
        raise(&daemon, "max_inotify_watches", 10_000);
        wait_until("everything is watched", || {
            let listed = daemon.ask("/api/features");
            let features = listed["features"].as_array().expect("a list");
            let states = features.iter().chain(listed["roots"].as_array().expect("a list"));
            states.map(|one| &one["watch"]["state"]).all(|state| state == "live")
        });
        assert!(metrics(&daemon).contains("dossierd_unwatched_directories 0\n"));
        place.write("plan-me/d98/live.md", "# Live\n");
        assert_eq!(difference(&place, &daemon), None);
        daemon.stop();
    }
}

#[test]
fn without_an_instance_it_polls_and_says_how_to_mend_it() {
    if !can_limit("the limit on instances") {
        return;
    }
    let place = many_directories();
    let daemon = limited(&place, "max_inotify_instances", 0);
    place.run(&["add", "project"]).fine();
    told_everywhere(&place, &daemon, "polling", "max_user_instances");
    converges(&place, &daemon);
    daemon.stop();
    // A restart with the limit raised is all that it takes.
    let daemon = limited(&place, "max_inotify_instances", 8);
    agree(&place, &daemon, "restarted");
    assert_eq!(daemon.ask("/api/features")["roots"][0]["watch"]["state"], "live");
}
