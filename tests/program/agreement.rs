//! Is what the daemon answers to a fresh read what `dossierd scan` finds without it?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kit::{Place, Running};

#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../kit/compare.rs"]
mod compare;

/// Every feature of the project, by slug, as the daemon tells it after a fresh read.
fn of_daemon(daemon: &Running) -> BTreeMap<String, Value> {
    let listed = daemon.ask_fresh("/api/features?fresh=true");
    let slugs = listed["features"].as_array().expect("a list").iter();
    let mut found = BTreeMap::new();
    for row in slugs {
        let (slug, id) =
            (row["slug"].as_str().expect("a slug"), row["id"].as_str().expect("an id"));
        let snapshot = daemon.ask(&format!("/api/dossier/snapshots/export?feature={id}"));
        found.insert(slug.to_owned(), comparable(&snapshot));
    }
    found
}

/// The same as a scan finds it.
fn of_scan(place: &Place) -> BTreeMap<String, Value> {
    let scanned = place.run(&["scan", "project", "--json"]);
    let document = scanned.json();
    let features = document["features"].as_array().expect("a list");
    let slug = |snapshot: &Value| snapshot["feature_slug"].as_str().expect("a slug").to_owned();
    features.iter().map(|snapshot| (slug(snapshot), comparable(snapshot))).collect()
}

fn comparable(snapshot: &Value) -> Value {
    compare::comparable(&serde_json::to_vec(snapshot).expect("is JSON"), Vec::new())
}

/// What daemon and scan differ in.
pub(crate) fn difference(place: &Place, daemon: &Running) -> Option<String> {
    let (ours, theirs) = (of_daemon(daemon), of_scan(place));
    let slugs = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    if slugs(&ours) != slugs(&theirs) {
        return Some(format!("daemon has {:?}, scan {:?}", slugs(&ours), slugs(&theirs)));
    }
    let different = ours.iter().flat_map(|(slug, ours)| {
        let found = compare::differences(ours, &theirs[slug]);
        found.into_iter().map(move |what| format!("{slug}{what}"))
    });
    let different: Vec<String> = different.collect();
    (!different.is_empty()).then(|| different.join("\n"))
}

/// They must not differ in anything.
pub(crate) fn agree(place: &Place, daemon: &Running, what: &str) {
    if let Some(different) = difference(place, daemon) {
        panic!("{what}: {different}\nstderr: {}", daemon.stderr());
    }
}
