//! Which feature a command is about, and what is registered.

use std::fs;

use serde_json::Value;

use crate::kit::Place;

/// Two checkouts of one project, both registered.
fn two_checkouts() -> Place {
    let place = Place::with_feature();
    let other = place.path().join("other/kitty-specs/plan-me");
    fs::create_dir_all(&other).expect("made");
    fs::create_dir_all(place.path().join("other/.kittify")).expect("made");
    for name in ["meta.json", "spec.md"] {
        fs::copy(place.feature("plan-me").join(name), other.join(name)).expect("copied");
    }
    place
}

#[test]
fn a_slug_of_two_checkouts_is_refused_with_both_and_chosen_by_id_or_path() {
    let place = two_checkouts();
    let daemon = place.start_registered();
    place.run(&["add", "other"]).fine();
    let list = place.run(&["list", "--json"]).json();
    let features = list["features"].as_array().expect("a list");
    let ids: Vec<&str> = features.iter().map(|f| f["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 2);
    for args in [
        &["status", "plan-me"][..],
        &["artifacts", "plan-me"],
        &["drift", "plan-me"],
        &["events", "plan-me"],
        &["export", "plan-me"],
        &["show", "input.spec.main", "plan-me"],
        &["baseline", "capture", "plan-me"],
        &["step", "set", "plan", "plan-me"],
        &["reindex", "plan-me"],
    ] {
        let directory = place.feature("plan-me").display().to_string();
        place.run(args).fails(2, &[ids[0], ids[1], &directory, "by its id"]);
    }
    let dir_of = |name: &str| place.run(&["status", name, "--json"]).json()["dir"].clone();
    for feature in features {
        let id = feature["id"].as_str().expect("an id");
        let dir = feature["dir"].as_str().expect("a path");
        assert_eq!(dir_of(id), *dir);
        assert_eq!(dir_of(dir), *dir);
    }
    let here = place.run_in(&place.feature("plan-me"), &["status", ".", "--json"]).json();
    assert_eq!(here["dir"].as_str(), place.feature("plan-me").to_str());
    daemon.stop();
}

#[test]
fn an_unknown_name_suggests_what_is_similar() {
    let place = Place::new();
    place.kittify();
    place.planned("012-checkout");
    place.planned("013-cart");
    let daemon = place.start_registered();
    for args in [
        &["status", "12-checkout"][..],
        &["artifacts", "checkout"],
        &["drift", "012-chekout"],
        &["reindex", "012-chekout"],
        &["step", "set", "plan", "012-chekout"],
        &["tail", "012-chekout"],
    ] {
        let ran = place.run(args);
        ran.fails(2, &["no feature is called", "012-checkout", "dossierd list"]);
        assert!(!ran.err.contains("/api/"), "advice for programs: {}", ran.err);
    }
    let nothing = place.run(&["status", "zzz"]);
    nothing.fails(2, &["no feature is called \"zzz\"", "dossierd list"]);
    assert!(!nothing.err.contains("/api/"), "{}", nothing.err);
    place.run(&["artifacts"]).fails(2, &["2 features are registered", "name a feature"]);
    place
        .run(&["status", "home"])
        .fails(2, &["lies in no registered feature", "dossierd add home"]);
    let here = place.run_in(&place.feature("013-cart"), &["step", "show", "--json"]).json();
    assert_eq!(here["feature_slug"], "013-cart");
    daemon.stop();
}

#[test]
fn what_is_registered_comes_and_goes_and_its_files_stay() {
    let place = Place::with_feature();
    let daemon = place.start();
    place.run(&["drift"]).fails(2, &["no feature is registered", "dossierd add"]);
    place.run(&["add", "nowhere"]).fails(2, &["cannot register nowhere", "existing"]);
    assert!(place.run(&["add", "project"]).fine().contains("with 1 feature"));
    let again = place.run(&["add", "project", "--mission-type", "research"]);
    assert!(again.err.contains("were not used"), "{again:?}");
    assert!(again.fine().contains("already registered"));
    place.run(&["add", "project", "--step", "plan"]).fails(2, &["a step belongs to one feature"]);

    place.planned("later");
    let slugs = || -> Vec<String> {
        place.run(&["status", "later"]);
        let list = place.run(&["list", "--json"]).json();
        let of = |f: &Value| f["slug"].as_str().expect("text").to_owned();
        list["features"].as_array().expect("a list").iter().map(of).collect()
    };
    crate::kit::wait_until("the new feature is there", || slugs() == ["later", "plan-me"]);
    place.run(&["remove", "later"]).fails(2, &["came with its project", "dossierd remove"]);
    place.run(&["remove", "zzz"]).fails(2, &["nothing is registered as zzz"]);
    assert!(place.run(&["remove", "project"]).fine().contains("its files stay"));
    assert!(place.dossier("plan-me").join("events.jsonl").exists());
    assert!(place.run(&["list"]).fine().contains("nothing is registered"));
    daemon.stop();
}

#[test]
fn a_project_without_kittify_is_kept_in_the_state_directory() {
    let place = Place::new();
    let lone = place.path().join("lone");
    crate::kit::write(&lone.join("spec.md"), "# spec\n");
    let daemon = place.start();
    let mission = ["add", "lone", "--mission-type", "software-dev", "--step", "specify"];
    place.run(&mission).fine();
    let status = place.run(&["status", "lone", "--json"]).json();
    assert_eq!(status["completeness_status"], "complete");
    assert_eq!(status["store"]["location"], "state");
    assert!(status["store"]["fallback_reason"].is_string(), "{status}");
    assert!(place.run(&["status", "lone"]).fine().contains("state directory"));
    let names: Vec<_> =
        fs::read_dir(&lone).expect("lists").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["spec.md"], "something was written into the project");
    daemon.stop();
    let kept = fs::read_dir(place.home().join("state/dossiers")).expect("lists");
    let kept = kept.flatten().next().expect("one project").path().display().to_string();
    place.run(&["verify", &kept]).fine();
}
