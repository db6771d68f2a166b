//! `meta.json` and `status.json`: the input is such a file.

use dossierd::dossier::RelPath;
use dossierd::dossier::extract::{Extract, extract};
use dossierd::dossier::meta::MetaFacts;
use dossierd::dossier::status::StatusFacts;
use serde_json::{Map, Value};

use super::is_one_line;

const BOM: &[u8] = b"\xef\xbb\xbf";

pub fn check(data: &[u8]) {
    let (meta, status) = (MetaFacts::parse(data), StatusFacts::parse(data));
    let path = |name: &str| RelPath::new(name).expect("a path");
    assert_eq!(extract(&path("meta.json"), data), Extract::Meta(meta.clone()));
    assert_eq!(extract(&path("status.json"), data), Extract::Status(status.clone()));
    for fault in [&meta.fault, &status.fault].into_iter().flatten() {
        assert!(is_one_line(fault) && !fault.is_empty() && fault.len() <= 2000, "{fault:?}");
    }
    let plain = data.strip_prefix(BOM).unwrap_or(data);
    match serde_json::from_slice::<Map<String, Value>>(plain) {
        Ok(object) => {
            check_meta(&meta, &object);
            check_status(&status, &object);
        }
        Err(_) => {
            // What cannot be read says nothing, and says that it does.
            let fault = meta.fault.clone();
            assert!(fault.is_some());
            assert_eq!(meta, MetaFacts { fault, ..MetaFacts::default() });
            let fault = status.fault.clone();
            assert!(fault.is_some());
            assert_eq!(status, StatusFacts { fault, ..StatusFacts::default() });
        }
    }
}

fn check_meta(meta: &MetaFacts, object: &Map<String, Value>) {
    let mut refused = 0;
    let mut expected = |name: &str| {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let text = value.as_str().filter(|text| text.len() <= 500 && is_plain(text));
        refused += usize::from(text.is_none());
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let slug = expected("mission_slug");
    let older_slug = expected("slug");
    for (found, name) in [
        (&meta.mission_type, "mission_type"),
        (&meta.mission, "mission"),
        (&meta.target_branch, "target_branch"),
        (&meta.current_step, "current_step"),
        (&meta.step_id, "step_id"),
        (&meta.state, "state"),
        (&meta.accepted_at, "accepted_at"),
    ] {
        assert_eq!(found, &expected(name), "{name}");
    }
    assert_eq!(meta.mission_slug, slug.or(older_slug));
    assert_eq!(meta.fault.is_some(), refused > 0, "{:?}", meta.fault);
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn check_status(status: &StatusFacts, object: &Map<String, Value>) {
    let packages = match object.get("work_packages") {
        None | Some(Value::Null) => return assert_eq!(status, &StatusFacts::default()),
        Some(Value::Object(packages)) => packages,
        Some(_) => return assert!(status.lanes.is_empty() && status.fault.is_some()),
    };
    // A package whose lane cannot be read is still one: it must not count as done.
    assert!(status.lanes.keys().eq(packages.keys()));
    for (id, package) in packages {
        let lane = package.get("lane").and_then(Value::as_str).unwrap_or_default();
        assert_eq!(status.lanes[id], lane);
    }
}
