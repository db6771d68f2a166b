//! Commands without a daemon, where a feature's durable files are another one's, or nobody can say
//! whose: they tell it, and touch and compare nothing.

use std::fs;

use serde_json::Value;

use crate::kit::{Place, write};

/// What is below the dossier directory of the feature, by name.
fn files(place: &Place, slug: &str) -> Vec<(String, Vec<u8>)> {
    let entries =
        fs::read_dir(place.dossier(slug)).expect("lists").map(|entry| entry.expect("lists"));
    let mut files: Vec<_> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("reads")))
        .map(|(name, bytes)| (name.into_string().expect("is text"), bytes))
        .filter(|(name, _)| name != "writer.lock")
        .collect();
    files.sort();
    files
}

#[test]
fn of_two_features_of_one_name_only_the_one_that_has_the_log_is_written() {
    let place = Place::with_feature();
    write(&place.project().join("drafts/plan-me/spec.md"), "# Draft\n");
    let daemon = place.start();
    place.run(&["add", "project/drafts/plan-me"]).fine();
    place.run(&["add", "project"]).fine();
    place.run(&["baseline", "capture", "project/drafts/plan-me"]).fine();
    daemon.stop();
    let before = files(&place, "plan-me");
    let why = "its dossier directory is that of drafts/plan-me";
    place.run(&["scan", "project", "--write"]).fails(2, &["plan-me: ", why, "rename one"]);
    assert_eq!(files(&place, "plan-me"), before);
    for command in [&["scan", "project"][..], &["check", "project", "--fail-on", "drift"]] {
        let ran = place.run(command);
        assert!(ran.out.contains(why), "{command:?}: {}{}", ran.out, ran.err);
    }
    place.run(&["scan", "project/drafts/plan-me", "--write"]).fine();
    // What nobody registered gives way to what the project lists.
    write(&place.project().join("attic/plan-me/spec.md"), "# Old\n");
    place.run(&["scan", "project/attic/plan-me", "--write"]).fails(2, &[why]);
    write(&place.project().join("attic/other/spec.md"), "# Old\n");
    place.run(&["scan", "project/attic/other", "--write"]).fine();
    place.run(&["verify", "project"]).fine();
}

#[test]
fn under_an_identity_that_cannot_be_read_nothing_is_written_and_that_is_said() {
    let place = Place::with_feature();
    place.run(&["scan", "project", "--write"]).fine();
    let before = files(&place, "plan-me");
    let mut identities = fs::read_dir(place.home().join("state/identities")).expect("lists");
    let identity = identities.next().expect("has one").expect("lists").path();
    let good = fs::read(&identity).expect("reads");
    fs::write(&identity, "{").expect("written");
    place.write("plan-me/spec.md", "# Other\n");
    let why = "it is not known who the project is";
    place.run(&["scan", "project", "--write"]).fails(2, &["plan-me: ", why]);
    assert_eq!(files(&place, "plan-me"), before);
    assert!(place.run(&["scan", "project"]).out.contains(why));
    fs::write(&identity, good).expect("written");
    place.run(&["scan", "project", "--write"]).fine();
    let uuids: Vec<Value> =
        place.log("plan-me").iter().map(|event| event["project_uuid"].clone()).collect();
    assert!(uuids.len() > 1 && uuids.iter().all(|uuid| *uuid == uuids[0]), "{uuids:?}");
    assert!(files(&place, "plan-me") != before);
}
