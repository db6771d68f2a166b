//! Do the daemon's view, a fresh survey and the log say the same?

use std::collections::BTreeMap;
use std::time::Instant;

use dossierd::dossier::parity::parity_hash;
use dossierd::store::{DossierDir, project_id};
use serde_json::Value;

use crate::kit::compare::{differences, logged_hash, of_view, survey};
use crate::kit::{Bench, DEADLINE};

/// What the published view, as it is now, and a fresh survey differ in.
pub(crate) fn view_and_survey(bench: &Bench) -> Result<(), String> {
    let view = bench.handle().view();
    let ours: BTreeMap<String, Value> =
        view.features.values().map(|view| (view.slug.clone(), of_view(view))).collect();
    let theirs = survey(&bench.home(), &bench.project());
    let slugs = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    let mut found = Vec::new();
    if slugs(&ours) != slugs(&theirs) {
        found.push(format!("features: daemon {:?}, survey {:?}", slugs(&ours), slugs(&theirs)));
    }
    for (slug, ours) in &ours {
        let different = theirs.get(slug).map_or_else(Vec::new, |theirs| differences(ours, theirs));
        found.extend(different.into_iter().map(|what| format!("{slug}{what}")));
        found.extend(theirs.get(slug).into_iter().flat_map(|theirs| rows(slug, ours, theirs)));
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}

/// The paths of the rows that differ, with what the file system says of them.
fn rows(slug: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    let of = |value: &Value| value["artifact_summaries"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (of(ours), of(theirs));
    let pairs = ours.iter().filter(|row| !theirs.contains(row)).map(|row| ("daemon", row));
    let pairs =
        pairs.chain(theirs.iter().filter(|row| !ours.contains(row)).map(|row| ("survey", row)));
    pairs
        .map(|(who, row)| {
            let [path, hash, reason] =
                ["relative_path", "content_hash_sha256", "error_reason"].map(|name| &row[name]);
            format!("{slug}: {who} alone has {path} {hash} {reason}")
        })
        .collect()
}

/// Waits until every log says what is published, and the log of a feature that is gone says
/// that everything in it is.
pub(crate) fn view_and_logs(bench: &Bench) -> Result<(), String> {
    let began = Instant::now();
    let view = bench.handle().view();
    let mut expected = Vec::new();
    for feature in view.features.values() {
        let place = feature.place.clone().ok_or("a feature has no place")?;
        expected.push((feature.slug.clone(), place, feature.dossier.parity_hash));
    }
    let slugs: Vec<String> = expected.iter().map(|(slug, _, _)| slug.clone()).collect();
    let departed = departed(bench, &slugs).into_iter();
    expected.extend(departed.map(|(slug, place)| (slug, place, parity_hash([]))));
    for (slug, place, hash) in expected {
        loop {
            let logged = logged_hash(&place);
            if logged.as_ref() == Ok(&Some(hash)) {
                break;
            }
            if began.elapsed() > DEADLINE {
                let now = bench.handle().view();
                let now = now.features.values().find(|view| view.slug == slug);
                let now = now.map(|view| (view.dossier.parity_hash, view.store.clone()));
                return Err(format!(
                    "after {:?} the log of {slug} says {logged:?}, not {hash:?}; published now: \
                     {now:?}; journals: {:?}",
                    began.elapsed(),
                    journals(),
                ));
            }
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
    }
    Ok(())
}

/// The logs of features that are not there any more.
fn departed(bench: &Bench, slugs: &[String]) -> Vec<(String, DossierDir)> {
    let (project, home) = (bench.project(), bench.home());
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(project.join(".kittify/dossiers")).into_iter().flatten().flatten()
    {
        let name = entry.file_name();
        let slug = name.to_string_lossy().into_owned();
        if slugs.contains(&slug) || !entry.path().join("events.jsonl").is_file() {
            continue;
        }
        let place = DossierDir::existing(&project, &name, &project_id(&project), &home);
        found.push((slug, place.expect("is there")));
    }
    found
}

/// What the journals of this process do at the moment: a disk that does not sync for a
/// minute is another fault than an event that was never ordered.
fn journals() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = |dir: &std::path::Path, name| {
        std::fs::read_to_string(dir.join(name)).unwrap_or_default().trim().to_owned()
    };
    let journals = tasks.map(|task| task.path()).filter(|dir| read(dir, "comm") == "journal");
    journals.map(|dir| format!("{} in {}", read(&dir, "wchan"), read(&dir, "syscall"))).collect()
}
