//! `GET /api/dossier/history`: how a feature went, one point a snapshot of its log.

use std::sync::Arc;

use memchr::memmem::Finder;
use serde::Serialize;

use super::events::log_problem;
use crate::api::call::Call;
use crate::api::http::Response;
use crate::api::ports::{EventLogs, LogFault};
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
use crate::dossier::event::{EventType, Payload, RawEvent};
use crate::dossier::timeline::{Point, Timeline};

/// Points in an answer, unless others are asked for.
const DEFAULT_POINTS: usize = 500;
/// The most that can be asked for.
const MAX_POINTS: usize = 5000;
/// Lines that are read at once.
const READ_AT_ONCE: usize = 1000;

#[derive(Serialize)]
struct History<'a> {
    feature_slug: &'a str,
    feature_id: &'a str,
    /// Snapshots in the log.
    total: usize,
    /// Those that stand for them, oldest first.
    points: Vec<Point>,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let most = call.query.number("points", 2..=MAX_POINTS)?.unwrap_or(DEFAULT_POINTS);
    let feature = api.feature(call).await?;
    let (logs, read) = (Arc::clone(&api.logs), Arc::clone(&feature));
    let folded = api.blocking.run(move || fold(logs.as_ref(), &read, most)).await?;
    let (total, points) = folded.map_err(|fault| log_problem(&fault, None))?;
    Ok(ok(&History { feature_slug: &feature.slug, feature_id: &feature.id, total, points }))
}

fn fold(
    logs: &dyn EventLogs,
    feature: &FeatureView,
    most: usize,
) -> Result<(usize, Vec<Point>), LogFault> {
    // Most lines are of artifacts; those need not be understood.
    let wanted = [EventType::SnapshotComputed, EventType::ParityDriftDetected];
    let names = wanted.map(|event_type| Finder::new(event_type.as_str()));
    let mut timeline = Timeline::new(most);
    let mut after = None;
    loop {
        let page = logs.read(feature, after.as_deref(), READ_AT_ONCE)?;
        for line in &page.lines {
            if !names.iter().any(|name| name.find(line).is_some()) {
                continue;
            }
            let Ok(event) = serde_json::from_slice::<RawEvent>(line) else { continue };
            if let Ok(payload) = Payload::parse(event.event_type, event.payload) {
                timeline.apply(&event.event_id, &payload);
            }
        }
        if !page.more || page.lines.is_empty() {
            return Ok(timeline.finish());
        }
        after = page.last_id.or(after);
    }
}
