//! `/api/sync/*`: delivery to a back end.

use std::time::Duration;

use serde::Serialize;

use super::events::parse_id;
use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::delivery::{Delivery, DeliveryFault, RefusedEvent, SinkReport};
use crate::api::http::Response;
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::ok;
use crate::api::service::Api;

/// How long a flush is waited for; it goes on after that.
const FLUSH_LIMIT: Duration = Duration::from_secs(25);
/// Dead letters in an answer, unless others are asked for.
const DEFAULT_LETTERS: usize = 100;
/// The most that can be asked for.
const MAX_LETTERS: usize = 1000;

/// All sinks, and their sums: an event that waits for two sinks is pending twice. What is not
/// known of one sink is not known of the sum.
#[derive(Serialize)]
struct Status {
    configured: bool,
    sinks: Vec<SinkReport>,
    paused: bool,
    pending: Option<u64>,
    delivered: Option<u64>,
    duplicate: Option<u64>,
    rejected: Option<u64>,
    oldest_pending_age_seconds: Option<f64>,
}

#[derive(Serialize)]
struct DeadLetters {
    total: Option<u64>,
    dead_letters: Vec<RefusedEvent>,
}

#[derive(Serialize)]
struct Retried {
    retrying: usize,
}

pub(in crate::api) async fn status(api: &Api, call: &Call) -> Result<Response, Problem> {
    let view = api.view(call).await?;
    let privacy = Privacy::of_view(call.peer, &view, &api.places());
    let mut sinks = api.delivery.sinks();
    for sink in &mut sinks {
        sink.reason = privacy.maybe(sink.reason.as_deref());
        sink.fault = privacy.maybe(sink.fault.as_deref());
    }
    let sum = |count: fn(&SinkReport) -> Option<u64>| sinks.iter().map(count).sum();
    let oldest = sinks.iter().filter_map(|sink| sink.oldest_pending_age_seconds);
    Ok(ok(&Status {
        configured: !sinks.is_empty(),
        paused: !sinks.is_empty() && sinks.iter().all(|sink| sink.state == "paused"),
        pending: sum(|sink| sink.pending),
        delivered: sum(|sink| sink.delivered),
        duplicate: sum(|sink| sink.duplicate),
        rejected: sum(|sink| sink.rejected),
        oldest_pending_age_seconds: oldest.max_by(f64::total_cmp),
        sinks,
    }))
}

pub(in crate::api) async fn pause(api: &Api, call: &Call) -> Result<Response, Problem> {
    configured(api, call)?.pause().await.map_err(problem)?;
    status(api, call).await
}

pub(in crate::api) async fn resume(api: &Api, call: &Call) -> Result<Response, Problem> {
    configured(api, call)?.resume().await.map_err(problem)?;
    status(api, call).await
}

/// Answers with the status when everything is sent, an attempt has failed, or time is up. While the
/// first scans run that would be untrue: they are to be waited for.
pub(in crate::api) async fn flush(api: &Api, call: &Call) -> Result<Response, Problem> {
    let flushed = configured(api, call)?.flush();
    if let Ok(done) = tokio::time::timeout(FLUSH_LIMIT, flushed).await {
        done.map_err(problem)?;
    }
    status(api, call).await
}

pub(in crate::api) async fn dead_letters(api: &Api, call: &Call) -> Result<Response, Problem> {
    let limit = call.query.number("limit", 1..=MAX_LETTERS)?.unwrap_or(DEFAULT_LETTERS);
    api.view(call).await?;
    let after = call.query.get("after").map(|text| parse_id("after", text)).transpose()?;
    let dead_letters = api.delivery.dead_letters(limit, after).await.map_err(problem)?;
    let total = api.delivery.sinks().iter().map(|sink| sink.rejected).sum();
    Ok(ok(&DeadLetters { total, dead_letters }))
}

pub(in crate::api) async fn retry(api: &Api, call: &Call) -> Result<Response, Problem> {
    let ids = call.members(&["event_ids"])?.texts("event_ids")?;
    if api.delivery.sinks().is_empty() {
        return Err(not_configured());
    }
    let retrying = api.delivery.retry(ids).await.map_err(problem)?;
    Ok(ok(&Retried { retrying }))
}

/// Delivery, if there is any to act on.
fn configured<'a>(api: &'a Api, call: &Call) -> Result<&'a dyn Delivery, Problem> {
    call.members(&[])?;
    if api.delivery.sinks().is_empty() {
        return Err(not_configured());
    }
    Ok(api.delivery.as_ref())
}

fn not_configured() -> Problem {
    let detail = "delivery is not configured: all events stay in the logs of their features";
    Code::SyncNotConfigured.problem(detail)
}

fn problem(fault: DeliveryFault) -> Problem {
    match fault {
        DeliveryFault::Unknown(ids) => {
            let first = ids.first().map(String::as_str).unwrap_or_default();
            let detail = match ids.len() {
                1 => format!("{} is no dead letter", quoted(first)),
                n => format!("{} and {} more are no dead letters", quoted(first), n - 1),
            };
            bad_parameter("event_ids", detail)
        }
        DeliveryFault::Starting => {
            let detail = "the first scans are still under way, so what there is to deliver is \
                          not known and nothing has been sent; ask again in a moment";
            Code::Starting.problem(detail).retry_after(1)
        }
        DeliveryFault::Failed(reason) => Code::Internal.problem(reason),
    }
}
