//! `/api/sync/*`: delivery to a back end. None is configured, and that is what is said.

use serde_json::json;

use crate::api::call::Call;
use crate::api::code::Code;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;

pub(in crate::api) async fn status(api: &Api, call: &Call) -> Result<Response, Problem> {
    api.view(call).await?;
    Ok(ok(&json!({
        "configured": false,
        "sinks": [],
        "paused": false,
        "pending": 0,
        "delivered": 0,
        "duplicate": 0,
        "rejected": 0,
        "oldest_pending_age_seconds": null,
    })))
}

/// Pause, resume and flush have nothing to act on.
pub(in crate::api) async fn refuse(_: &Api, call: &Call) -> Result<Response, Problem> {
    call.members(&[])?;
    let detail = "delivery is not configured: all events stay in the logs of their features";
    Err(Code::SyncNotConfigured.problem(detail))
}
