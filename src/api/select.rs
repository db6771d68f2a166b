//! Which feature a request is about.

use std::sync::Arc;

use serde_json::{Value, json};

use super::code::{Code, quoted};
use super::http::Peer;
use super::problem::Problem;
use crate::daemon::view::{FeatureView, SelectError, View};
use crate::dossier::similar::similar;

/// The feature of this slug or id; with one feature registered the name may be left out.
pub(super) fn select(
    view: &View,
    name: Option<&str>,
    peer: Peer,
) -> Result<Arc<FeatureView>, Problem> {
    view.select(name).map_err(|error| match error {
        SelectError::Starting(pending) => starting(&pending),
        SelectError::Unknown => unknown(view, name.unwrap_or_default()),
        SelectError::Ambiguous(found) => ambiguous(&found, peer),
        SelectError::NameNeeded(0) => Code::FeatureNeeded
            .problem("no feature is registered; register one with POST /api/features"),
        SelectError::NameNeeded(count) => Code::FeatureNeeded.problem(format!(
            "{count} features are registered; name one by slug or id, as GET /api/features lists them"
        )),
    })
}

/// How many features a problem names.
const NAMED: usize = 3;

/// The problem of a name that may select what is not scanned yet.
fn starting(pending: &[String]) -> Problem {
    let names: Vec<String> = pending.iter().take(NAMED).map(|slug| quoted(slug)).collect();
    let names = names.join(", ");
    let detail = match pending.len() {
        0 => "the daemon is starting; ask again".to_owned(),
        1 => format!("the first scan of {names} has not ended; ask again"),
        count if count <= NAMED => {
            format!("the first scans of {names} have not ended; ask again")
        }
        count => format!(
            "the first scans of {names} and {} more features have not ended; ask again",
            count - NAMED
        ),
    };
    Code::Starting.problem(detail).retry_after(1)
}

/// The problem of a name that selects nothing.
pub(super) fn unknown(view: &View, name: &str) -> Problem {
    let close = similar(name, view.features.values().map(|f| f.slug.as_str()));
    let hint = if close.is_empty() {
        "GET /api/features lists them".to_owned()
    } else {
        let close: Vec<String> = close.into_iter().map(quoted).collect();
        format!("similar are {}", close.join(", "))
    };
    Code::FeatureUnknown.problem(format!("no feature is called {}; {hint}", quoted(name)))
}

fn ambiguous(found: &[Arc<FeatureView>], peer: Peer) -> Problem {
    let candidates: Vec<Value> = found
        .iter()
        .map(|feature| {
            let mut candidate = json!({
                "id": feature.id,
                "slug": feature.slug,
                "project_slug": feature.project.slug,
                "branch": feature.project.branch,
            });
            if peer == Peer::Local {
                candidate["dir"] = feature.dir.to_string_lossy().into();
            }
            candidate
        })
        .collect();
    Code::FeatureAmbiguous
        .problem("name the feature by one of the candidates' ids")
        .with("candidates", candidates)
}
