//! `GET /api/dossier/drift`: how a feature differs from its baseline, by name.

use serde::Serialize;

use super::standing::Standing;
use crate::api::call::Call;
use crate::api::http::Response;
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::dossier::drift::Drift;

#[derive(Serialize)]
struct DriftDocument<'a> {
    feature_slug: &'a str,
    feature_id: &'a str,
    baseline_captured_at: Option<&'a str>,
    #[serde(flatten)]
    drift: Drift,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let feature = api.feature(call).await?;
    let standing = Standing::of(&feature);
    let privacy = Privacy::of_feature(call.peer, &feature, &api.places);
    Ok(ok(&DriftDocument {
        feature_slug: &feature.slug,
        feature_id: &feature.id,
        baseline_captured_at: feature.baseline.as_ref().map(|b| b.captured_at.as_str()),
        drift: Drift {
            parity_status: standing.parity,
            severity: standing.severity,
            message: standing.message(&feature, &privacy),
            ..feature.drift.as_ref().clone()
        },
    }))
}
