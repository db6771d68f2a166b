//! Is what the daemon publishes what a fresh survey without it finds, and does its log
//! say the same?

use std::collections::BTreeMap;
use std::path::Path;

use dossierd::daemon::view::FeatureView;
use dossierd::dossier::Digest;
use dossierd::dossier::verify::{LogSummary, LogVerifier};
use dossierd::store::{DossierDir, Home, LineBody, LogReader};
use dossierd::survey::{FeatureSurvey, Found, OneShot};
use serde_json::Value;

/// Everything that is published of a feature and that a fresh survey must find as well:
/// the snapshot but for ids and times, and what is ignored.
pub(crate) fn comparable(snapshot: &[u8], mut ignored: Vec<String>) -> Value {
    let mut value: Value = serde_json::from_slice(snapshot).expect("is JSON");
    forget(&mut value);
    ignored.sort();
    value["ignored_paths"] = ignored.into();
    value
}

/// Takes out what may differ: ids, times, whether something that is not there ever was, and
/// which of the two reasons is given for it: until its log says so, only the daemon knows.
fn forget(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["snapshot_id", "computed_at", "indexed_at", "captured_at", "was_present"] {
                map.remove(key);
            }
            for key in ["reason_code", "error_reason"] {
                let absent = map
                    .get(key)
                    .is_some_and(|reason| reason == "not_found" || reason == "not_produced_yet");
                if absent {
                    map.insert(key.to_owned(), "absent".into());
                    for detail in ["reason_detail", "error_detail", "remediation_hint", "message"] {
                        map.remove(detail);
                    }
                }
            }
            map.values_mut().for_each(forget);
        }
        Value::Array(all) => all.iter_mut().for_each(forget),
        _ => {}
    }
}

/// What the daemon publishes.
pub(crate) fn of_view(view: &FeatureView) -> Value {
    let ignored = view.ignored.iter().map(|entry| entry.path.clone());
    comparable(&view.snapshot().to_json(), ignored.collect())
}

/// What a survey found.
pub(crate) fn of_survey(survey: &FeatureSurvey) -> Value {
    use dossierd::dossier::snapshot::Snapshot;
    let judged = survey.judged.as_ref().expect("is judged");
    let snapshot = Snapshot::new(&judged.dossier, &judged.snapshot_id, judged.computed_at);
    let ignored = survey.index.ignored().iter().map(|(path, ignored)| {
        let slash = if ignored.is_dir { "/" } else { "" };
        format!("{}{slash}", path.shown())
    });
    comparable(&snapshot.to_json(), ignored.collect())
}

/// Surveys a project without a daemon: by slug.
pub(crate) fn survey(home: &Home, path: &Path) -> BTreeMap<String, Value> {
    let loader = dossierd::daemon::project_loader(home);
    let one_shot = OneShot {
        barred: &|_, _| None,
        home: Some(home),
        project: &*loader,
        mission_type: None,
        step: None,
        threads: 2,
        progress: None,
    };
    let found: Found<_> = one_shot.survey(path, &|feature| feature).expect("is surveyed");
    found.items().iter().map(|survey| (survey.slug.clone(), of_survey(survey))).collect()
}

/// The differences between two values, by the path to them.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut out = Vec::new();
    compare(String::new(), ours, theirs, &mut out);
    out
}

fn compare(at: String, ours: &Value, theirs: &Value, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null));
                compare(format!("{at}.{key}"), a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(format!("{at}[{index}]"), a, b, out);
            }
        }
        _ if ours == theirs => {}
        _ => out.push(format!("{at}: daemon {ours}, fresh survey {theirs}")),
    }
}

/// Replays a log, all segments.
pub(crate) fn verify_log(place: &DossierDir) -> Result<LogSummary, String> {
    let mut verifier = LogVerifier::default();
    let mut segment = None;
    for line in LogReader::new(place.clone()) {
        let line = line.map_err(|error| error.to_string())?;
        if segment.replace(line.at.segment) != Some(line.at.segment) {
            verifier.begin_segment();
        }
        let LineBody::Whole(bytes) = line.body else {
            return Err(format!("no whole line at {:?}", line.at));
        };
        verifier.line(&bytes).map_err(|error| format!("{:?}: {error}", line.at))?;
    }
    Ok(verifier.summary().clone())
}

/// All events of a log, of all segments.
pub(crate) fn events_of(place: &DossierDir) -> Vec<Value> {
    let bodies = LogReader::new(place.clone()).map(|line| line.expect("is read").body);
    let whole = bodies.filter_map(|body| match body {
        LineBody::Whole(bytes) => Some(serde_json::from_slice(&bytes).expect("is JSON")),
        _ => None,
    });
    whole.collect()
}

/// The last snapshot hash that a log gives, if it is sound.
pub(crate) fn logged_hash(place: &DossierDir) -> Result<Option<Digest>, String> {
    verify_log(place).map(|summary| summary.snapshot_hash)
}
