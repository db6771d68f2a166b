//! `GET /api/dossier/events?order=newest`: the log from its end, page by page.

use std::sync::Arc;

use serde_json::json;

use super::events::{log_problem, parse_id};
use crate::api::backlog::Line;
use crate::api::call::Call;
use crate::api::code::quoted;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::JSON;
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
use crate::dossier::event::EventType;

/// Does the call ask for this order? Then nothing that belongs to the other one goes with it.
pub(super) fn is_wanted(call: &Call) -> Result<bool, Problem> {
    let is_newest = match call.query.get("order") {
        None | Some("oldest") => false,
        Some("newest") => true,
        Some(other) => {
            let detail = format!("order is {}; allowed are oldest and newest", quoted(other));
            return Err(bad_parameter("order", detail));
        }
    };
    let other = if is_newest { &["since", "follow"][..] } else { &["before"] };
    match other.iter().find(|name| call.query.get(name).is_some()) {
        Some(name) if is_newest => {
            let detail = format!("{name} reads on towards the end; order=newest takes before");
            Err(bad_parameter(name, detail))
        }
        Some(name) => {
            let detail = format!("{name} belongs to order=newest; here since is to be used");
            Err(bad_parameter(name, detail))
        }
        None => Ok(is_newest),
    }
}

/// The last `limit` events of these types, or of all, before `before`.
pub(super) async fn page(
    api: &Api,
    call: &Call,
    feature: Arc<FeatureView>,
    types: Vec<EventType>,
    limit: usize,
) -> Result<Response, Problem> {
    let before = call.query.get("before").map(|text| parse_id("before", text)).transpose()?;
    let logs = Arc::clone(&api.logs);
    let read = move || {
        let mut damaged = 0;
        // Ids only ever grow within a log. One more than asked for tells whether there are more.
        let found = logs.read_back(&feature, limit + 1, &mut |json| {
            let Some(line) = Line::parse(json.clone()) else {
                damaged += 1;
                return false;
            };
            before.as_ref().is_none_or(|before| line.event_id < *before)
                && (types.is_empty() || types.contains(&line.event_type))
        });
        found.map(|found| (found, damaged))
    };
    let found = api.blocking.run(read).await?;
    let (mut found, damaged) = found.map_err(|fault| log_problem(&fault, None))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().and_then(|json| Line::parse(json.clone()));
    let next_before = json!(last.filter(|_| more).map(|line| line.event_id));
    // The lines are JSON already: they are put into the document as they are.
    let mut body = Vec::from(&b"{\"events\":["[..]);
    for (i, json) in found.iter().enumerate() {
        body.extend_from_slice(if i == 0 { b"" } else { b"," });
        body.extend_from_slice(json);
    }
    let rest =
        format!("],\"next_before\":{next_before},\"more\":{more},\"damaged_lines\":{damaged}}}\n");
    body.extend_from_slice(rest.as_bytes());
    Ok(Response::full(http::StatusCode::OK, JSON, body))
}
