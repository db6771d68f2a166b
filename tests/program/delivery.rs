//! Delivery by the real binary, to a back end that fails in every way.

use std::fs;

use serde_json::Value;

use crate::backend::{Backend, Reply};
use crate::disk_full::SmallDisk;
use crate::kit::{Place, Running, is_root, set_mode, wait_until, write};

const SNAPSHOT: &str = "SnapshotComputed";

/// A place whose daemon delivers to this back end, with more of `sync.webhook`.
pub(crate) fn delivering(backend: &Backend, more: &str) -> Place {
    let place = Place::with_feature();
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), more);
    place
}

pub(crate) fn configure(place: &Place, url: &str, more: &str) {
    let config = place.home().join("config");
    fs::create_dir_all(&config).expect("made");
    for dir in [place.home(), config.clone()] {
        set_mode(&dir, 0o700);
    }
    secret(place, "token", "s3cret\n");
    let text = format!("sync:\n  webhook:\n    url: {url}\n    token_file: token\n{more}");
    write(&config.join("config.yaml"), text);
}

pub(crate) fn secret(place: &Place, name: &str, text: &str) {
    let path = place.home().join("config").join(name);
    write(&path, text);
    set_mode(&path, 0o600);
}

pub(crate) fn status(place: &Place) -> Value {
    let status = place.run(&["sync", "status", "--json"]).json();
    status["sinks"][0].clone()
}

/// Pending, delivered, duplicate, rejected.
pub(crate) fn counts(place: &Place) -> [u64; 4] {
    let status = status(place);
    ["pending", "delivered", "duplicate", "rejected"]
        .map(|name| status[name].as_u64().expect("a count"))
}

/// Tries at once, again and again, until everything is out.
pub(crate) fn drain(place: &Place) {
    wait_until("the queue is empty", || {
        place.run(&["sync", "flush"]);
        counts(place)[0] == 0
    });
}

pub(crate) fn logged(place: &Place) -> Vec<String> {
    let log = place.log("plan-me");
    log.iter().map(|event| event["event_id"].as_str().expect("an id").to_owned()).collect()
}

/// How many events the log has, whatever else is in it; none if there is no log.
fn events_in_log(place: &Place) -> u64 {
    let log = fs::read(place.dossier("plan-me").join("events.jsonl")).unwrap_or_default();
    log.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"event_id\"")).count()
        as u64
}

pub(crate) fn edit(place: &Place, text: &str) {
    let total = || counts(place).iter().sum::<u64>();
    let before = (events_in_log(place), total());
    place.write("plan-me/plan.md", text);
    place.run(&["status", "plan-me"]).fine();
    // It is seen a moment before it is logged, and counted when that is durable.
    wait_until("the edit is counted", || events_in_log(place) != before.0 && total() != before.1);
}

/// A daemon with the project, and everything delivered.
pub(crate) fn settled(place: &Place) -> Running {
    let daemon = place.start_registered();
    drain(place);
    daemon
}

#[test]
fn every_event_is_delivered_in_order_with_the_token() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    edit(&place, "# other\n");
    drain(&place);
    let logged = logged(&place);
    assert_eq!(backend.taken(), logged);
    assert_eq!(counts(&place), [0, logged.len() as u64, 0, 0]);
    for came in backend.came() {
        assert_eq!(came.target, "/api/v1/events/batch/");
        assert_eq!(came.headers["authorization"], "Bearer s3cret");
        assert_eq!(came.headers["content-type"], "application/json");
    }
    assert_eq!(status(&place)["state"], "idle");
    daemon.stop();
    let daemon = place.start();
    assert_eq!(counts(&place), [0, logged.len() as u64, 0, 0], "a restart sends nothing again");
    daemon.stop();
}

#[test]
fn whatever_fails_is_tried_again_until_it_works() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    backend.next([
        Reply::Status(500, "", "oops"),
        Reply::Status(503, "Retry-After: 0\r\n", ""),
        Reply::Status(429, "Retry-After: 0\r\n", ""),
        Reply::Status(302, "Location: /elsewhere\r\n", ""),
        Reply::Status(200, "", "<html>"),
        Reply::Status(200, "", r#"{"results":[]}"#),
        Reply::TakeFirst(1),
        Reply::TakeAndCut,
    ]);
    let daemon = settled(&place);
    let logged = logged(&place);
    assert_eq!(backend.taken(), logged, "all of them, in order");
    let [pending, delivered, duplicate, rejected] = counts(&place);
    assert_eq!((pending, rejected), (0, 0));
    assert_eq!(delivered + duplicate, logged.len() as u64);
    assert!(duplicate > 0, "what was taken before the connection was cut was known already");
    daemon.stop();
}

#[test]
fn a_failure_says_why_and_when_it_is_tried_again() {
    let backend = Backend::start();
    backend.otherwise(Reply::Status(500, "Retry-After: 3000\r\n", "database\u{1b}[31m down"));
    let place = delivering(&backend, "");
    let daemon = place.start_registered();
    wait_until("the failure is told", || status(&place)["state"] == "waiting");
    let shown = place.run(&["sync", "status"]).fine();
    for part in ["500", "database", "next attempt at", "the oldest pending event"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert!(status(&place)["oldest_pending_age_seconds"].is_number());
    assert_eq!(status(&place)["failures"], 1, "Retry-After is honoured");
    backend.otherwise(Reply::Take);
    drain(&place);
    assert_eq!(status(&place)["failures"], 0);
    daemon.stop();
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_is_not() {
    let backend = Backend::start();
    backend.otherwise(Reply::AtMost(2));
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    assert_eq!(backend.taken(), logged(&place));
    assert!(backend.came().iter().any(|came| came.events.len() > 2));
    backend.otherwise(Reply::AtMost(0));
    edit(&place, "# other\n");
    drain(&place);
    let rejected = counts(&place)[3];
    assert!(rejected > 0, "what is too large alone is a dead letter");
    let letters = place.run(&["sync", "dead-letters"]).fine();
    assert!(letters.contains("413"), "{letters}");
    daemon.stop();
}

#[test]
fn a_refused_token_pauses_and_says_so() {
    let backend = Backend::start();
    backend.next([Reply::Status(401, "", "who are you")]);
    let place = delivering(&backend, "");
    let daemon = place.start_registered();
    wait_until("delivery is paused", || status(&place)["state"] == "paused");
    assert!(status(&place)["reason"].as_str().expect("a reason").contains("401"));
    place.run(&["sync", "flush"]).fine();
    assert_eq!(backend.came().len(), 1, "a flush does not go on");
    place.run(&["sync", "resume"]).fine();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}

#[test]
fn a_token_that_others_can_read_is_never_sent() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    set_mode(&place.home().join("config/token"), 0o644);
    let daemon = place.start_registered();
    wait_until("the reason is told", || status(&place)["state"] == "waiting");
    let reason = status(&place)["reason"].to_string();
    assert!(reason.contains("token") && !reason.contains("s3cret"), "{reason}");
    assert!(backend.came().is_empty());
    set_mode(&place.home().join("config/token"), 0o600);
    drain(&place);
    daemon.stop();
}

#[test]
fn a_refused_event_is_kept_with_its_reason_and_blocks_nobody() {
    let backend = Backend::start();
    backend.otherwise(Reply::Refuse(SNAPSHOT, "no such project"));
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    let logged = logged(&place);
    let rejected = counts(&place)[3];
    assert!(rejected > 0);
    assert_eq!(backend.taken().len() as u64 + rejected, logged.len() as u64);
    let letters = place.run(&["sync", "dead-letters", "--json"]).json();
    assert_eq!(letters["total"], rejected);
    let first = &letters["dead_letters"][0];
    assert_eq!(first["reason"], "no such project");
    assert!(first["event"]["event_type"].as_str().expect("text").ends_with(SNAPSHOT));
    let id = first["event_id"].as_str().expect("an id");

    place.run(&["sync", "retry", id]).fine();
    drain(&place);
    wait_until("it was sent again", || {
        let letters = place.run(&["sync", "dead-letters", "--json"]).json();
        letters["dead_letters"][0]["attempts"] == 2
    });
    assert_eq!(counts(&place)[3], rejected, "refused again, it stays");
    daemon.kill();
    let daemon = place.start();
    assert_eq!(counts(&place)[3], rejected, "also over a crash");
    backend.otherwise(Reply::Take);
    place.run(&["sync", "retry", "--all"]).fine();
    wait_until("all are delivered", || counts(&place) == [0, logged.len() as u64, 0, 0]);
    place.run(&["sync", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).fails(2, &["no dead letter"]);
    daemon.stop();
}

#[test]
fn a_back_end_that_refuses_everything_pauses_delivery_instead_of_emptying_the_queue() {
    for (code, advice) in [(400, "url and format"), (413, "bounds requests there")] {
        let backend = Backend::start();
        backend.otherwise(Reply::Status(code, "", "what is this"));
        let place = delivering(&backend, "");
        for number in 0..30 {
            place.write(&format!("plan-me/data/{number}.csv"), format!("{number}\n"));
        }
        let daemon = place.start_registered();
        wait_until("delivery is paused", || {
            place.run(&["sync", "flush"]);
            status(&place)["state"] == "paused"
        });
        let told = status(&place)["reason"].to_string();
        assert!(told.contains("what is this") && told.contains(advice), "{told}");
        let [pending, delivered, _, rejected] = counts(&place);
        assert_eq!((delivered, rejected), (0, 10), "{code}: and not all of them");
        assert_eq!(status(&place)["last_success_at"], Value::Null, "{code}: nothing was taken");
        assert!(pending > 20);
        daemon.stop();
    }
}

#[test]
fn a_pause_outlasts_a_restart_and_nothing_is_sent_meanwhile() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    place.run(&["sync", "pause"]).fine();
    daemon.kill();
    let daemon = place.start();
    let before = backend.came().len();
    edit(&place, "# other\n");
    wait_until("the edit is pending", || counts(&place)[0] > 0);
    assert_eq!(status(&place)["state"], "paused");
    assert_eq!(backend.came().len(), before);
    place.run(&["sync", "resume"]).fine();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}

#[test]
fn the_end_of_a_feature_is_delivered_too() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    place.run(&["sync", "pause"]).fine();
    let before = logged(&place).len();
    fs::remove_dir_all(place.feature("plan-me")).expect("removed");
    wait_until("its end is in the log", || logged(&place).len() > before);
    daemon.stop();
    let daemon = place.start();
    place.run(&["sync", "resume"]).fine();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}

#[test]
fn a_log_that_was_deleted_is_delivered_anew() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    fs::remove_file(place.dossier("plan-me").join("events.jsonl")).expect("removed");
    edit(&place, "# other\n");
    wait_until("the log is there again", || place.dossier("plan-me").join("events.jsonl").exists());
    wait_until("everything that is logged is delivered", || {
        place.run(&["sync", "flush"]);
        let taken = backend.taken();
        logged(&place).iter().all(|id| taken.contains(id))
    });
    daemon.stop();
}

#[test]
fn requests_are_signed_and_cloud_events_are_sent_where_that_is_wanted() {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let backend = Backend::start();
    backend.otherwise(Reply::Status(202, "", ""));
    let place = delivering(
        &backend,
        "    format: cloudevents\n    batch_size: 3\n    signing_secret_file: signing\n",
    );
    let key = [7; 32];
    let encoded = base64::engine::general_purpose::STANDARD.encode(key);
    secret(&place, "signing", &format!("whsec_{encoded}\n"));
    let daemon = settled(&place);
    let mut ids = Vec::new();
    for came in backend.came() {
        assert_eq!(came.target, "/");
        assert!(came.headers["content-type"].starts_with("application/cloudevents-batch+json"));
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
        let (id, time) = (&came.headers["webhook-id"], &came.headers["webhook-timestamp"]);
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&came.body);
        let code = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(came.headers["webhook-signature"], format!("v1,{code}"));
        let events: Vec<Value> = serde_json::from_slice(&came.body).expect("a list");
        assert!((1..=3).contains(&events.len()));
        for event in events {
            assert_eq!(
                (&event["specversion"], &event["id"]),
                (&"1.0".into(), &event["data"]["event_id"])
            );
            ids.push(event["id"].as_str().expect("text").to_owned());
        }
    }
    assert_eq!(ids, logged(&place));
    daemon.stop();
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_at_the_start() {
    let place = Place::with_feature();
    for (url, more, words) in [
        ("http://example.org", "", ["line 3", "use https"]),
        ("https://example.org", "    batch_size: 0\n", ["line 5", "1 to 1000"]),
        ("https://example.org", "    ca_file: missing.pem\n", ["sync.webhook", "missing.pem"]),
        ("https://example.org", "    tokenfile: x\n", ["line 5", "tokenfile"]),
    ] {
        configure(&place, url, more);
        place.run(&["run", "--listen", "127.0.0.1:0"]).fails(2, &words);
    }
    fs::write(place.home().join("config/config.yaml"), "sync: {nats: {url: 'nats://127.0.0.1'}}\n")
        .expect("written");
    if cfg!(not(feature = "nats")) {
        place.run(&["run", "--listen", "127.0.0.1:0"]).fails(2, &["--features nats"]);
    }
}

#[test]
fn without_a_sink_nothing_is_sent_and_that_is_said() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    assert!(place.run(&["sync", "status"]).fine().contains("not configured"));
    for command in ["pause", "resume", "flush"] {
        place.run(&["sync", command]).fails(2, &["not configured"]);
    }
    place.run(&["sync", "retry", "--all"]).fails(2, &["not configured"]);
    assert_eq!(place.run(&["sync", "dead-letters", "--json"]).json()["total"], 0);
    daemon.stop();
}

#[test]
fn a_full_disk_is_told_and_costs_at_most_that_events_are_sent_again() {
    if !is_root("a full disk under the cursors") {
        return;
    }
    let backend = Backend::start();
    let place = Place::with_feature();
    let Some(disk) = SmallDisk::mount(&place.home()) else { return };
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), "");
    let daemon = settled(&place);
    let filler = disk.fill();
    let mut number = 0;
    wait_until("the fault is told", || {
        number += 1;
        edit(&place, &format!("# {number}\n"));
        place.run(&["sync", "flush"]);
        !status(&place)["fault"].is_null()
    });
    assert!(place.run(&["sync", "status"]).fine().contains("delivery/webhook"));
    assert_eq!(daemon.tcp("GET", "/healthz", &[]).status, 200);
    fs::remove_file(filler).expect("removed");
    wait_until("the fault is gone", || {
        place.run(&["sync", "flush"]);
        status(&place)["fault"].is_null() && counts(&place)[0] == 0
    });
    daemon.kill();
    let daemon = place.start();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    let [_, delivered, duplicate, rejected] = counts(&place);
    assert_eq!((delivered + duplicate, rejected), (logged(&place).len() as u64, 0));
    daemon.stop();
}

#[test]
fn over_tls_only_a_trusted_back_end_gets_the_token() {
    use std::sync::Arc;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.expect("a key"))
        .expect("a configuration");
    let tls = Arc::new(tls);
    let backend = Backend::start_with(move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&tls)).ok()?;
        Some(Box::new(rustls::StreamOwned::new(connection, stream)))
    });
    let place = Place::with_feature();
    let url = format!("https://localhost:{}", backend.port);
    configure(&place, &url, "");
    let daemon = place.start_registered();
    wait_until("the certificate is not trusted", || {
        status(&place)["reason"].as_str().is_some_and(|reason| reason.contains("certificate"))
    });
    assert!(backend.came().is_empty());
    daemon.stop();
    write(&place.home().join("config/ca.pem"), made.cert.pem());
    configure(&place, &url, "    ca_file: ca.pem\n");
    let daemon = place.start();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}
