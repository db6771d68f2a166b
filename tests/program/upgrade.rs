//! Files that earlier versions wrote are loaded, with whatever was added to them; files of later
//! versions are refused, and stay as they are.
//!
//! `tests/fixtures/state-0.1` is what version 0.1 leaves after a short life: a home and a project.
//! `cargo test --test program make_the_fixture -- --ignored` makes one anew, for a new version,
//! in a directory named after it; those of former versions are never changed. In place of what
//! is different on each machine there are words: `@PLACE@` for the directory that it lies in,
//! `@PROJECT@` and `@IDENTITY@` for digests of the project's path, `@PORT@` for the back end's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::backend::{Backend, Reply};
use crate::delivery::{configure, counts, drain};
use crate::kit::{Place, Running, set_mode, wait_until, write};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const ADDED: &str = "added_later";

/// Digests of the project's path, by which its files are named, and the words for them; by the
/// definition of version 0.1, not by the function that computes it today.
fn project_ids(place: &Place) -> [(String, String); 2] {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(place.project().to_str().expect("is UTF-8"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = |length: usize| digest[..length].to_owned();
    [("@IDENTITY@".to_owned(), id(32)), ("@PROJECT@".to_owned(), id(16))]
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("lists").map(|entry| entry.expect("is there").path()) {
        match entry.is_dir() {
            true => found.extend(files(&entry)),
            false => found.push(entry),
        }
    }
    found.sort();
    found
}

/// Copies a tree, with these texts replaced in names and contents.
fn copy(from: &Path, to: &Path, replaced: &[(String, String)]) {
    let apply = |text: &str| {
        replaced.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    };
    for file in files(from) {
        let below = file.strip_prefix(from).expect("is below");
        let target = to.join(apply(below.to_str().expect("is UTF-8")));
        match String::from_utf8(fs::read(&file).expect("reads")) {
            Ok(text) => write(&target, apply(&text)),
            Err(bytes) => write(&target, bytes.into_bytes()),
        }
    }
}

fn document(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A place with what the version left, and a back end that takes everything.
fn restored(version: &str) -> (Place, Backend) {
    let (place, backend) = (Place::new(), Backend::start());
    let mut replaced = Vec::from(project_ids(&place));
    let dir = place.path().to_str().expect("is UTF-8").to_owned();
    replaced.extend([("@PLACE@".to_owned(), dir), ("@PORT@".to_owned(), backend.port.to_string())]);
    copy(&Path::new(FIXTURES).join(version).join("place"), &place.path(), &replaced);
    let mut private = vec![place.home(), place.home().join("config"), place.home().join("state")];
    private.extend(files(&place.home()));
    for path in private {
        set_mode(&path, if path.is_dir() { 0o700 } else { 0o600 });
    }
    (place, backend)
}

/// Every JSON document of ours in the place.
fn documents(place: &Place) -> Vec<PathBuf> {
    let mut found = files(&place.home().join("state"));
    found.push(place.home().join("state/clock"));
    found.extend(files(&place.project().join(".kittify/dossiers")));
    found.retain(|path| {
        path.extension().is_some_and(|e| e == "json") || path.ends_with("state/clock")
    });
    found.sort();
    found.dedup();
    found
}

/// Adds to each document and each line a member that no version knows.
fn add_unknown(place: &Place) {
    for path in documents(place) {
        let mut value = document(&path);
        value[ADDED] = json!({"by": "a later version"});
        for root in value["roots"].as_array_mut().into_iter().flatten() {
            root[ADDED] = json!(1);
        }
        fs::write(&path, serde_json::to_vec_pretty(&value).expect("serialises")).expect("written");
    }
    let lines = [place.home().join("state"), place.project().join(".kittify/dossiers")];
    for path in lines.iter().flat_map(|dir| files(dir)) {
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("reads");
        let lines = text.lines().map(|line| {
            let mut value: Value = serde_json::from_str(line).expect("is JSON");
            value[ADDED] = json!("x");
            format!("{value}\n")
        });
        fs::write(&path, lines.collect::<String>()).expect("written");
    }
}

fn ids(events: &Value) -> Vec<String> {
    let list = events.as_array().expect("is a list");
    list.iter().map(|id| id.as_str().expect("is text").to_owned()).collect()
}

fn all_events(place: &Place, slug: &str) -> Vec<Value> {
    let events = place.run(&["events", slug, "--limit", "10000", "--json"]).json();
    events["events"].as_array().expect("has events").clone()
}

#[test]
fn what_a_former_version_wrote_is_all_there() {
    for unknown in [false, true] {
        let (place, backend) = restored("state-0.1");
        backend.otherwise(Reply::Take);
        let expected = document(&Path::new(FIXTURES).join("state-0.1/expected.json"));
        if unknown {
            add_unknown(&place);
        }
        let mut running = place.start();
        assert!(!running.stderr().contains("ERROR"), "{}", running.stderr());
        is_all_there(&place, &expected);
        goes_on(&place, &backend, &expected);
        if unknown {
            keeps_unknown(&place);
        }
        place.run(&["verify", "project/.kittify/dossiers"]).fine();
        running.stop();
        running = place.start();
        assert_eq!(place.run(&["status", "plan-me", "--json"]).json()["step_source"], "explicit");
        running.stop();
    }
}

fn is_all_there(place: &Place, expected: &Value) {
    let listed = place.run(&["list", "--json"]).json();
    let [_, (_, project)] = project_ids(place);
    assert_eq!(listed["roots"][0]["id"], format!("r{project}"));
    assert_eq!(listed["features"].as_array().map(Vec::len), Some(2), "{listed}");
    let overview = place.run(&["status", "plan-me", "--json"]).json();
    assert_eq!(overview["parity_hash_sha256"], expected["parity"]);
    assert_eq!(overview["step_source"], "explicit", "{overview}");
    assert_eq!(overview["baseline"]["note"], "of the fixture");
    assert_eq!(overview["baseline"]["accepted"], true, "the project is who it was: {overview}");
    assert_eq!(overview["store"]["failing"], Value::Null);
    let garden = place.run(&["status", "garden", "--json"]).json();
    assert_eq!(garden["completeness_status"], "complete", "by its own mission: {garden}");
    let events = all_events(place, "plan-me");
    let known: Vec<String> =
        events.iter().map(|event| event["event_id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(known, ids(&expected["events"]), "a restart of what is unchanged writes nothing");
    let baselines = place.dossier("plan-me").join("baselines");
    assert_eq!(files(&baselines).len(), 1, "the one of another branch is kept");
    assert_eq!(Some(counts(place)[3]), expected["dead_letters"].as_u64());
}

/// Delivery goes on where it was, the log with higher numbers.
fn goes_on(place: &Place, backend: &Backend, expected: &Value) {
    drain(place);
    let came: BTreeSet<String> = backend
        .came()
        .iter()
        .flat_map(|request| request.events.clone())
        .map(|event| event["event_id"].as_str().expect("an id").to_owned())
        .collect();
    let pending: BTreeSet<String> = ids(&expected["pending"]).into_iter().collect();
    assert_eq!(came, pending, "what was settled is not sent again, what was not is");
    let before = all_events(place, "plan-me");
    place.write("plan-me/research.md", "# later\n");
    wait_until("the log goes on", || all_events(place, "plan-me").len() > before.len());
    let events = all_events(place, "plan-me");
    for (old, new) in events.iter().zip(events.iter().skip(1)) {
        assert!(old["event_id"].as_str() < new["event_id"].as_str(), "{old} {new}");
    }
    let highest = expected["clock"].as_u64().expect("a number");
    for event in &events[before.len()..] {
        assert!(event["lamport_clock"].as_u64() > Some(highest), "{event}");
    }
}

/// What a person has said is written again with what others have added to it.
fn keeps_unknown(place: &Place) {
    fs::create_dir_all(place.path().join("other/kitty-specs")).expect("made");
    place.run(&["add", "other"]).fine();
    let registry = document(&place.home().join("state/registry.json"));
    assert_eq!(registry[ADDED]["by"], "a later version", "{registry}");
    assert_eq!(registry["roots"][0][ADDED], 1, "{registry}");
    assert_eq!(registry["roots"][1].get(ADDED), None, "{registry}");
    let meta = r#"{"mission_type": "software-dev", "target_branch": "third"}"#;
    place.write("plan-me/meta.json", meta);
    place.run(&["baseline", "capture", "plan-me"]).fine();
    let kept = files(&place.dossier("plan-me").join("baselines"));
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|path| document(path).get(ADDED).is_some()), "{kept:?}");
    let identities = files(&place.home().join("state/identities"));
    assert!(identities.iter().all(|path| document(path).get(ADDED).is_some()));
}

/// Sets the version of a document to one that nobody knows; gives the whole text.
fn from_the_future(path: &Path) -> String {
    let mut value = document(path);
    value["schema_version"] = json!(99);
    let text = value.to_string();
    fs::write(path, &text).expect("written");
    text
}

fn only(dir: &Path) -> PathBuf {
    let found = files(dir);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_start_with_the_registry_or_clock_of_a_later_version_is_refused() {
    for name in ["registry.json", "clock"] {
        let (place, _backend) = restored("state-0.1");
        let path = place.home().join("state").join(name);
        let text = from_the_future(&path);
        let ran = place.run(&["run", "--listen", "127.0.0.1:0"]);
        ran.fails(2, &[name, "schema_version 99", "use the newer dossierd", "move the file away"]);
        assert!(!ran.err.contains("dossierd doctor"), "it says what to do: {ran:?}");
        let doctor = place.run(&["doctor", "--json"]).json();
        let mut checks = doctor["checks"].as_array().expect("a list").iter();
        let fails = |check: &&Value| {
            check["status"] == "fail" && check["message"].to_string().contains(name)
        };
        let check = checks.find(fails).unwrap_or_else(|| panic!("{name} passes: {doctor}"));
        assert!(check["hint"].to_string().contains("use the newer dossierd"), "{check}");
        assert_eq!(fs::read_to_string(&path).expect("is there"), text, "{name}");
    }
}

/// Starts on what a later version wrote into one file, and looks; the file stays as it is.
fn with_future(file: impl Fn(&Place) -> PathBuf, look: impl Fn(&Place, &Running)) {
    let (place, backend) = restored("state-0.1");
    backend.otherwise(Reply::Take);
    let path = file(&place);
    let text = from_the_future(&path);
    let running = place.start();
    look(&place, &running);
    running.stop();
    assert_eq!(fs::read_to_string(&path).expect("is there"), text, "{}", path.display());
}

#[test]
fn a_later_versions_file_of_one_feature_or_sink_stops_only_what_needs_it() {
    with_future(
        |place| place.dossier("plan-me").join("parity-baseline.json"),
        |place, _| {
            let overview = place.run(&["status", "plan-me", "--json"]).json();
            assert_eq!(overview["parity_status"], "error", "{overview}");
            let said = overview["drift"]["message"].as_str().unwrap_or_default();
            assert!(said.contains("schema_version 99"), "{overview}");
        },
    );
    let sink = |place: &Place| place.home().join("state/delivery/webhook");
    let cursor = |place: &Place| {
        let names = files(&sink(place)).into_iter();
        let mut cursors = names.filter(|path| path.to_string_lossy().contains("-project.json"));
        cursors.next().expect("has one")
    };
    let says_so = |place: &Place, _: &Running| {
        wait_until("the sink says so", || {
            let said = place.run(&["sync", "status", "--json"]).out;
            said.contains("schema_version 99") && said.contains("use the newer dossierd")
        });
    };
    with_future(cursor, says_so);
    with_future(|place| sink(place).join("pause.json"), says_so);
    with_future(
        |place| only(&place.home().join("state/identities")),
        |place, running| {
            let said = running.stderr() + &place.run(&["status", "plan-me"]).out;
            assert!(said.contains("schema_version 99"), "{said}");
            let overview = place.run(&["status", "plan-me", "--json"]).json();
            assert_eq!(overview["store"]["failing_code"], "identity", "{overview}");
            assert_eq!(overview["parity_status"], "error", "{overview}");
            let doctor = place.run(&["doctor"]).out;
            assert!(doctor.contains("schema_version 99"), "{doctor}");
            assert!(doctor.contains("run the newer dossierd, or do what it says"), "{doctor}");
        },
    );
}

#[test]
fn a_log_of_a_later_version_is_not_written_to() {
    let (place, _backend) = restored("state-0.1");
    let path = place.dossier("plan-me").join("events.jsonl");
    let text = fs::read_to_string(&path).expect("reads");
    let last = text.lines().last().expect("has a line");
    let later = text.replace(last, &last.replace("\"3.0.0\"", "\"4.0.0\""));
    fs::write(&path, &later).expect("written");
    let running = place.start();
    place.write("plan-me/research.md", "# later\n");
    let overview = place.run(&["status", "plan-me", "--json"]).json();
    let failing = overview["store"]["failing"].as_str().unwrap_or_default();
    for word in ["plan-me", "\"4.0.0\"", "newer dossierd"] {
        assert!(failing.contains(word), "{overview}");
    }
    assert_eq!(overview["store"]["failing_code"], "later-version");
    let doctor = place.run(&["doctor"]).out;
    assert!(doctor.contains("run the newer dossierd; or move the log away"), "{doctor}");
    running.stop();
    assert_eq!(fs::read_to_string(&path).expect("reads"), later);
}

#[test]
fn dead_letters_of_a_later_version_stay_and_are_counted() {
    let (place, backend) = restored("state-0.1");
    backend.otherwise(Reply::Take);
    let path = place.home().join("state/delivery/webhook/dead-letters.jsonl");
    let mut text = fs::read_to_string(&path).expect("reads");
    let later = text.replace("\"schema_version\":1,", "\"schema_version\":99,");
    assert_ne!(later, text);
    text.push_str(&later);
    fs::write(&path, &text).expect("written");
    let running = place.start();
    drain(&place);
    place.run(&["sync", "retry", "--all"]).fine();
    wait_until("it was taken", || {
        !fs::read_to_string(&path).expect("reads").contains(":1,\"event_id")
    });
    assert_eq!(fs::read_to_string(&path).expect("reads"), later);
    running.stop();
}

/// Makes the fixture of this version.
#[test]
#[ignore = "writes into the repository; run by hand for a new version"]
fn make_the_fixture() {
    let (place, backend) = (Place::with_feature(), Backend::start());
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), "");
    let missions = place.project().join(".kittify/missions/gardening");
    write(&missions.join("mission.yaml"), "initial: dig\nstates: [dig, sow]\n");
    let manifest = "schema_version: '1.0'\nmission_type: gardening\nmanifest_version: '1'\nrequired_always:\n  - artifact_key: input.plan.garden\n    artifact_class: input\n    path_pattern: garden.md\n";
    write(&missions.join("expected-artifacts.yaml"), manifest);
    place.write("garden/meta.json", r#"{"mission_type": "gardening", "current_step": "dig"}"#);
    place.write("garden/garden.md", "# Garden\n");
    backend.otherwise(Reply::Refuse("MissionDossierParityDriftDetected", "not today"));
    let running = place.start_registered();
    place.run(&["step", "set", "plan", "plan-me"]).fine();
    place.run(&["baseline", "capture", "plan-me", "--note", "of another branch"]).fine();
    place.write("plan-me/plan.md", "# drifted\n");
    wait_until("it drifted", || {
        all_events(&place, "plan-me")
            .iter()
            .any(|event| event["event_type"] == "MissionDossierParityDriftDetected")
    });
    drain(&place);
    // Another context: a new segment, and the baseline before is kept.
    place.write(
        "plan-me/meta.json",
        r#"{"mission_type": "software-dev", "target_branch": "release"}"#,
    );
    place.run(&["status", "plan-me"]).fine();
    place.run(&["baseline", "capture", "plan-me", "--note", "of the fixture"]).fine();
    drain(&place);
    let settled: BTreeSet<String> = [all_events(&place, "plan-me"), all_events(&place, "garden")]
        .concat()
        .iter()
        .map(|event| event["event_id"].as_str().expect("an id").to_owned())
        .collect();
    backend.otherwise(Reply::Status(503, "", ""));
    place.write("plan-me/gap-analysis.md", "# not delivered yet\n");
    let logged = all_events(&place, "plan-me").len();
    place.write("plan-me/quickstart.md", "# not delivered yet\n");
    wait_until("it is logged", || all_events(&place, "plan-me").len() > logged);
    // What a person asked for outlasts a restart, and what was resumed too.
    place.run(&["sync", "pause"]).fine();
    place.run(&["sync", "resume"]).fine();
    let all = [all_events(&place, "plan-me"), all_events(&place, "garden")].concat();
    let id = |event: &Value| event["event_id"].as_str().expect("an id").to_owned();
    let of_feature: Vec<String> = all_events(&place, "plan-me").iter().map(id).collect();
    let pending: Vec<String> = all.iter().map(id).filter(|id| !settled.contains(id)).collect();
    assert!(!pending.is_empty());
    let overview = place.run(&["status", "plan-me", "--json"]).json();
    let expected = json!({
        "parity": overview["parity_hash_sha256"],
        "events": of_feature,
        "pending": pending,
        "dead_letters": counts(&place)[3],
        "clock": all.iter().filter_map(|event| event["lamport_clock"].as_u64()).max(),
    });
    running.stop();
    assert!(files(&place.dossier("plan-me")).len() >= 5, "two segments, snapshot, baselines");
    let name =
        concat!("state-", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    let target = Path::new(FIXTURES).join(name);
    let _ = fs::remove_dir_all(&target);
    let _ = fs::remove_dir_all(place.home().join("run"));
    let _ = fs::remove_file(place.home().join("state/token"));
    let passing = ["lock", "writer.lock", ".gitignore"];
    for path in files(&place.path()) {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|n| passing.contains(&n)) {
            fs::remove_file(&path).expect("removed");
        }
    }
    let session = json!({"token_sha256": "0".repeat(64), "last_used": "2026-01-02T03:04:05Z"});
    let sessions = json!({"schema_version": 1, "sessions": [session]});
    write(&place.home().join("state/sessions.json"), sessions.to_string());
    let mut replaced: Vec<(String, String)> =
        project_ids(&place).into_iter().map(|(word, id)| (id, word)).collect();
    replaced.extend([
        (place.path().to_str().expect("is UTF-8").to_owned(), "@PLACE@".to_owned()),
        (format!("127.0.0.1:{}", backend.port), "127.0.0.1:@PORT@".to_owned()),
    ]);
    for part in ["home", "project"] {
        copy(&place.path().join(part), &target.join("place").join(part), &replaced);
    }
    write(&target.join("expected.json"), format!("{expected:#}\n"));
}
