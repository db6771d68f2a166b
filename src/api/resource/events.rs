//! `GET /api/dossier/events`: a page of the log, or a stream that follows it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use ulid::Ulid;

use super::newest;
use crate::api::backlog::{Backlog, Line};
use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::follower::{Follower, Form};
use crate::api::http::{Body, Response};
use crate::api::ports::{EventLogs, LogFault};
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::JSON;
use crate::api::service::Api;
use crate::daemon::view::{FeatureView, View};
use crate::dossier::event::EventType;

/// Events in an answer, unless more are asked for.
const DEFAULT_LIMIT: usize = 1000;
/// The most that can be asked for.
const MAX_LIMIT: usize = 10_000;
/// Lines that one request looks at: with a filter that meets little, the answer is short
/// and says where to go on.
const MAX_LOOKED_AT: usize = 50_000;
/// Lines that are read at once.
const READ_AT_ONCE: usize = 1000;

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let types = call.query.get("type").map(parse_types).transpose()?.unwrap_or_default();
    let since = call.query.get("since").map(|text| parse_id("since", text)).transpose()?;
    let limit = call.query.number("limit", 1..=MAX_LIMIT)?;
    // A client that comes back says where it was; its address still has the first place.
    let last_seen = call
        .headers
        .get("last-event-id")
        .map(|value| parse_id("Last-Event-ID", value.to_str().unwrap_or_default()))
        .transpose()?;
    if newest::is_wanted(call)? {
        let feature = api.feature(call).await?;
        return newest::page(api, call, feature, types, limit.unwrap_or(DEFAULT_LIMIT)).await;
    }
    if call.query.flag("follow")? != Some(true) {
        let feature = api.feature(call).await?;
        return page(api, feature, types, since, limit.unwrap_or(DEFAULT_LIMIT)).await;
    }
    if limit.is_some() {
        return Err(bad_parameter("limit", "limit has no meaning with follow=true; leave it out"));
    }
    follow(api, call, types, last_seen.or(since)).await
}

async fn follow(
    api: &Api,
    call: &Call,
    types: Vec<EventType>,
    since: Option<String>,
) -> Result<Response, Problem> {
    let feature = match call.query.get("feature") {
        Some(_) => Some(api.feature(call).await?),
        None => None,
    };
    let view = api.view(call).await?;
    let only = feature.map(|feature| feature.id.clone());
    let backlog = match since.clone() {
        None => None,
        Some(since) => {
            let (logs, features) = (Arc::clone(&api.logs), followed(&view, only.as_deref()));
            let asked = since.clone();
            let opened =
                api.blocking.run(move || Backlog::open(logs.as_ref(), features, &since)).await?;
            Some(opened.map_err(|fault| log_problem(&fault, Some(&asked)))?)
        }
    };
    let form = form(&call.headers);
    let follower = Follower {
        handle: api.handle.clone(),
        logs: Arc::clone(&api.logs),
        blocking: api.blocking.clone(),
        clock: Arc::clone(&api.clock),
        heartbeat: api.heartbeat,
        form,
        types,
        only,
        seen: since,
    };
    let mut response = Response::full(StatusCode::OK, form.media_type(), Bytes::new());
    response.body = Body::Stream(follower.start(backlog));
    Ok(response)
}

/// The features whose logs a stream reads.
pub(in crate::api) fn followed(view: &View, only: Option<&str>) -> Vec<Arc<FeatureView>> {
    let wanted = |feature: &&Arc<FeatureView>| only.is_none_or(|id| feature.id == id);
    view.features.values().filter(wanted).cloned().collect()
}

/// What one request found in a log.
#[derive(Default)]
struct Gathered {
    lines: Vec<Line>,
    last_id: Option<String>,
    more: bool,
    damaged: usize,
}

async fn page(
    api: &Api,
    feature: Arc<FeatureView>,
    types: Vec<EventType>,
    since: Option<String>,
    limit: usize,
) -> Result<Response, Problem> {
    let (logs, asked) = (Arc::clone(&api.logs), since.clone());
    let gathered = api
        .blocking
        .run(move || gather(logs.as_ref(), &feature, &types, since, limit))
        .await?
        .map_err(|fault| log_problem(&fault, asked.as_deref()))?;
    // The lines are JSON already: they are put into the document as they are.
    let mut body = Vec::from(&b"{\"events\":["[..]);
    for (i, line) in gathered.lines.iter().enumerate() {
        body.extend_from_slice(if i == 0 { b"" } else { b"," });
        body.extend_from_slice(&line.json);
    }
    let next_since = json!(gathered.last_id);
    let (more, damaged) = (gathered.more, gathered.damaged);
    let rest =
        format!("],\"next_since\":{next_since},\"more\":{more},\"damaged_lines\":{damaged}}}\n");
    body.extend_from_slice(rest.as_bytes());
    Ok(Response::full(StatusCode::OK, JSON, body))
}

fn gather(
    logs: &dyn EventLogs,
    feature: &FeatureView,
    types: &[EventType],
    since: Option<String>,
    limit: usize,
) -> Result<Gathered, LogFault> {
    let mut out = Gathered { last_id: since, ..Gathered::default() };
    let mut looked_at = 0;
    loop {
        let page = logs.read(feature, out.last_id.as_deref(), READ_AT_ONCE)?;
        let read = page.lines.len();
        out.more = page.more && read > 0;
        for (i, json) in page.lines.into_iter().enumerate() {
            let Some(line) = Line::parse(json) else {
                out.damaged += 1;
                continue;
            };
            let wanted = types.is_empty() || types.contains(&line.event_type);
            if wanted && out.lines.len() == limit {
                // This one is for the next page.
                out.more = true;
                return Ok(out);
            }
            out.last_id = Some(line.event_id.clone());
            if wanted {
                out.lines.push(line);
            }
            if out.lines.len() == limit && i + 1 < read && types.is_empty() {
                out.more = true;
                return Ok(out);
            }
        }
        // Damaged lines at the end of a page are passed by.
        out.last_id = page.last_id.or(out.last_id);
        looked_at += read;
        if !out.more || out.lines.len() == limit || looked_at >= MAX_LOOKED_AT {
            return Ok(out);
        }
    }
}

pub(super) fn log_problem(fault: &LogFault, since: Option<&str>) -> Problem {
    match fault {
        LogFault::UnknownId => Code::EventUnknown.problem(format!(
            "no event of the log has the id {}; read without since, from the beginning",
            quoted(since.unwrap_or_default())
        )),
        LogFault::Io(message) => {
            Code::Internal.problem(format!("the log cannot be read: {message}"))
        }
    }
}

/// The types of a comma-separated list.
fn parse_types(text: &str) -> Result<Vec<EventType>, Problem> {
    let names = text.split(',').map(str::trim);
    let types = names.map(|name| {
        EventType::parse(name).ok_or_else(|| {
            let allowed: Vec<&str> = EventType::ALL.iter().map(|t| t.as_str()).collect();
            let detail = format!(
                "{} is no type of event; allowed are {} (or indexed, missing, snapshot, drift)",
                quoted(name),
                allowed.join(", ")
            );
            bad_parameter("type", detail)
        })
    });
    types.collect()
}

/// An event id in its canonical form.
pub(super) fn parse_id(parameter: &str, text: &str) -> Result<String, Problem> {
    match Ulid::from_string(text) {
        Ok(id) if text.len() == 26 => Ok(id.to_string()),
        _ => {
            let detail = format!("{parameter} is {}; send an event_id, a ULID", quoted(text));
            Err(bad_parameter(parameter, detail))
        }
    }
}

/// Server-Sent Events where `Accept` names them, else lines of JSON.
fn form(headers: &HeaderMap) -> Form {
    let named = headers.get_all(header::ACCEPT).iter().any(|line| {
        line.to_str().unwrap_or_default().split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let weight = part.strip_prefix("q=").unwrap_or("1");
                weight.parse::<f32>().is_ok_and(|weight| weight == 0.0)
            });
            kind.eq_ignore_ascii_case("text/event-stream") && !refused
        })
    });
    if named { Form::EventStream } else { Form::Lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_short_names() {
        let parsed = parse_types("drift, MissionDossierArtifactMissing").expect("types");
        assert_eq!(parsed, [EventType::ParityDriftDetected, EventType::ArtifactMissing]);
        for bad in ["", "drift,", "x"] {
            assert_eq!(parse_types(bad).expect_err(bad).extra["parameter"], "type");
        }
    }

    #[test]
    fn ids_are_ulids() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        assert_eq!(parse_id("since", id).expect("a ULID"), id);
        assert_eq!(parse_id("since", &id.to_lowercase()).expect("a ULID"), id);
        for bad in ["", "1", "01ARZ3NDEKTSV4RRFFQ69G5FA!", &format!("{id}0"), "ééééééééééééé"]
        {
            assert!(parse_id("since", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn accept_chooses_the_form() {
        let form = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            super::form(&headers)
        };
        assert_eq!(super::form(&HeaderMap::new()), Form::Lines);
        for accept in ["text/event-stream", "a/b, Text/Event-Stream;q=0.5"] {
            assert_eq!(form(accept), Form::EventStream, "{accept}");
        }
        for accept in ["*/*", "application/x-ndjson", "text/event-stream;q=0"] {
            assert_eq!(form(accept), Form::Lines, "{accept}");
        }
    }
}
