//! The time between the first answer and the last first scan: what is not known yet is not
//! told, and a signal ends it cleanly.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::delivery::configure;
use crate::kit::{Place, Running, wait_until};

/// A place with a feature that is soon scanned, and one that never is: it has a file that
/// takes hours to read, and no room.
pub(crate) fn endless() -> Place {
    let place = Place::with_feature();
    place.start_registered().stop();
    place.planned("endless");
    let file = File::create(place.feature("endless").join("huge.bin")).expect("made");
    file.set_len(1 << 40).expect("is sparse");
    place
}

/// The daemon of this place, as soon as it answers.
pub(crate) fn answering(place: &Place) -> Running {
    let mut daemon = place.begin(place.command(&["run", "--listen", "127.0.0.1:0", "--json"]));
    let socket = place.home().join("run/dossierd.sock");
    wait_until("it answers", || UnixStream::connect(&socket).is_ok());
    daemon.ready = json!({ "socket": socket });
    daemon
}

fn asked(daemon: &Running, target: &str) -> (u16, Value) {
    let reply = daemon.unix("GET", target, &[]);
    (reply.status, reply.json())
}

#[test]
fn what_is_not_scanned_yet_is_not_known_and_a_signal_ends_it_cleanly() {
    let place = endless();
    let mut daemon = answering(&place);
    let mut status = Value::Null;
    wait_until("the small feature is scanned", || {
        status = asked(&daemon, "/api/status").1;
        status["features"] == 1
    });
    assert_eq!(status["ready"], false);
    assert_eq!(status["features_pending"], 1);
    let ready = daemon.unix("GET", "/readyz", &[]);
    assert_eq!((ready.status, ready.body.as_str()), (503, "not ready\n"));
    assert_eq!(daemon.unix("GET", "/healthz", &[]).status, 200);

    let (_, listing) = asked(&daemon, "/api/features");
    let slugs: Vec<&Value> =
        listing["features"].as_array().expect("a list").iter().map(|f| &f["slug"]).collect();
    assert_eq!(slugs, ["plan-me"]);
    assert_eq!(listing["roots"][0]["watch"]["state"], "starting");
    assert_eq!(listing["pending"][0]["slug"], "endless");
    assert_eq!(listing["pending"][0]["dir"], json!(place.feature("endless")));
    assert_eq!(listing["pending"][0]["root_id"], listing["roots"][0]["id"]);
    for resource in ["overview", "artifacts", "drift", "baseline", "events", "snapshots/export"] {
        // By name, and without one: there may be two features.
        for query in ["?feature=endless", ""] {
            let (status, problem) = asked(&daemon, &format!("/api/dossier/{resource}{query}"));
            assert_eq!((status, &problem["code"]), (503, &json!("starting")), "{resource}{query}");
        }
        let (status, _) = asked(&daemon, &format!("/api/dossier/{resource}?feature=plan-me"));
        assert_eq!(status, 200, "{resource}");
        let (status, problem) = asked(&daemon, &format!("/api/dossier/{resource}?feature=nobody"));
        assert_eq!((status, &problem["code"]), (404, &json!("feature-unknown")), "{resource}");
    }
    let (status, problem) = asked(&daemon, "/api/dossier/overview?feature=endless&fresh=true");
    assert_eq!((status, &problem["code"]), (504, &json!("stale-read")));
    place.run(&["status", "endless", "--cached"]).fails(2, &["has not ended", "first time"]);
    let shown = place.run(&["status", "--cached"]).fine();
    assert!(shown.contains("still scanning, 1 feature to come"), "{shown}");
    assert!(!daemon.has_line(), "it is not ready, and says that it is");

    let began = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    assert!(daemon.rest().is_empty(), "it was never ready");
    assert!(!place.home().join("run/dossierd.sock").exists(), "the socket stays");
    assert!(!place.home().join("state/token").exists(), "the token stays");

    fs::remove_file(place.feature("endless").join("huge.bin")).expect("removed");
    let daemon = place.start();
    assert_eq!(daemon.unix("GET", "/readyz", &[]).status, 200);
    place.run(&["status", "endless"]).fine();
    daemon.stop();
    place.run(&["verify", "project"]).fine();
}

#[test]
fn what_is_open_can_be_closed_while_first_scans_run() {
    let place = endless();
    let file = place.home().join("config/config.yaml");
    crate::kit::write(&file, "tcp_auth: none\nlisten: 127.0.0.1:0\n");
    let mut daemon = answering(&place);
    daemon.ready["http"] = asked(&daemon, "/api/status").1["http"].clone();
    let status = |daemon: &Running| daemon.tcp("GET", "/api/status", &[]).status;
    assert_eq!(status(&daemon), 200);
    fs::write(&file, "tcp_auth: token\nlisten: 127.0.0.1:0\n").expect("written");
    daemon.signal(Signal::HUP);
    wait_until("it is closed", || status(&daemon) == 401);
    assert_eq!(asked(&daemon, "/api/status").1["ready"], false, "it still starts");
    daemon.stop();
}

#[test]
fn a_command_without_a_name_leaves_the_only_known_feature_alone() {
    let place = endless();
    let daemon = answering(&place);
    wait_until("the small feature is scanned", || asked(&daemon, "/api/status").1["features"] == 1);
    let logged = place.log("plan-me");
    let here = place.feature("endless");
    let words = ["first scan of endless has not ended", "wait", "dossierd status"];
    for command in [
        &["reindex"][..],
        &["step", "set", "specify"],
        &["status", "."],
        &["artifacts"],
        &["drift"],
        &["baseline", "show"],
        &["tail"],
    ] {
        place.run_in(&here, command).fails(2, &words);
    }
    for command in [&["reindex"][..], &["step", "set", "specify"]] {
        place.run_in(&place.project(), command).fails(2, &words);
    }
    let (status, problem) = asked(&daemon, "/api/dossier/overview");
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("\"endless\"")), "{problem}");
    assert_eq!(place.log("plan-me"), logged, "the other feature was changed");
    assert_eq!(asked(&daemon, "/api/dossier/overview?feature=plan-me").1["current_step"], "plan");
    daemon.signal(Signal::TERM);
}

/// A feature that is made while the daemon is ready, and is not read yet, is told everywhere.
#[test]
fn a_feature_that_comes_late_is_told_until_its_first_scan_has_ended() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    // It comes whole, so that no scan ends before the huge file is there.
    let made = place.path().join("made");
    crate::kit::write(&made.join("meta.json"), "{}");
    File::create(made.join("huge.bin")).expect("made").set_len(1 << 40).expect("is sparse");
    fs::rename(made, place.feature("late")).expect("renamed");
    let huge = place.feature("late").join("huge.bin");
    let mut listing = Value::Null;
    wait_until("it is known", || {
        listing = asked(&daemon, "/api/features").1;
        listing["pending"][0]["slug"] == "late"
    });
    assert_eq!(listing["health"]["ready"], true);
    assert_eq!(listing["roots"][0]["watch"]["state"], "starting");
    let shown = place.run(&["status", "--cached"]).fine();
    assert!(shown.contains("ready, 1 feature to come (late)"), "{shown}");
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("1 feature to come (late)"), "{doctor:?}");
    let metrics = daemon.unix("GET", "/metrics", &[]).body;
    assert!(metrics.contains("\ndossierd_features_pending 1\n"), "{metrics}");

    // What is being read ends here.
    File::options().write(true).open(huge).expect("opens").set_len(0).expect("is cut");
    wait_until("it is scanned", || {
        listing = asked(&daemon, "/api/features").1;
        listing["pending"] == json!([])
    });
    assert_eq!(listing["roots"][0]["watch"]["state"], "live");
    let metrics = daemon.unix("GET", "/metrics", &[]).body;
    assert!(metrics.contains("\ndossierd_features_pending 0\n"), "{metrics}");
    daemon.stop();
}

#[test]
fn nothing_is_delivered_before_the_first_scans_have_ended() {
    let backend = Backend::start();
    let place = endless();
    let logged = place.log("plan-me").len();
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), "");
    let mut daemon = answering(&place);
    wait_until("the small feature is scanned", || asked(&daemon, "/api/status").1["features"] == 1);
    let sync = asked(&daemon, "/api/sync/status").1;
    assert!(sync.to_string().contains("before the first scans have ended"), "{sync}");
    for counts in [&sync, &sync["sinks"][0]] {
        for count in ["pending", "delivered", "duplicate", "rejected"] {
            assert_eq!(counts[count], Value::Null, "{count} is not known yet: {sync}");
        }
    }
    assert_eq!(sync["sinks"][0]["state"], "starting");
    assert_eq!(sync["sinks"][0]["fault"], Value::Null, "nothing is wrong: {sync}");
    let metrics = daemon.unix("GET", "/metrics", &[]).body;
    assert!(!metrics.contains("dossierd_sync_pending{"), "{metrics}");
    let shown = place.run(&["sync", "status"]).fine();
    assert!(shown.starts_with("! webhook starting"), "{shown}");
    place.run(&["sync", "flush"]).fails(2, &["first scans", "nothing has been sent", "wait until"]);
    assert!(backend.came().is_empty(), "a log was sent that is not opened yet");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());

    fs::remove_dir_all(place.feature("endless")).expect("removed");
    let daemon = place.start();
    wait_until("the log is delivered", || backend.taken().len() >= logged);
    daemon.stop();
}

#[test]
fn a_lone_feature_that_is_not_scanned_is_not_nothing() {
    let place = endless();
    fs::remove_dir_all(place.feature("plan-me")).expect("removed");
    let mut daemon = answering(&place);
    wait_until("it knows of it", || asked(&daemon, "/api/status").1["features_pending"] == 1);
    let shown = place.run(&["status", "--cached"]).fine();
    assert!(shown.contains("1 feature, read for the first time"), "{shown}");
    assert!(!shown.contains("nothing is registered"), "{shown}");
    daemon.signal(Signal::INT);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
}
