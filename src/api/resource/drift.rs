//! `GET /api/dossier/drift`: how a feature differs from its baseline, by name.

use serde::Serialize;

use super::standing::Standing;
use crate::api::call::Call;
use crate::api::http::Response;
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
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
    let privacy = Privacy::of_feature(call.peer, &feature, &api.places());
    let rows = feature.dossier.artifacts.len();
    api.renderings.render(rows, move || render(&feature, &privacy)).await
}

fn render(feature: &FeatureView, privacy: &Privacy) -> Response {
    let standing = Standing::of(feature);
    ok(&DriftDocument {
        feature_slug: &feature.slug,
        feature_id: &feature.id,
        baseline_captured_at: feature.baseline.as_ref().map(|b| b.captured_at.as_str()),
        drift: Drift {
            parity_status: standing.parity,
            severity: standing.severity,
            message: standing.message(feature, privacy),
            ..feature.drift.as_ref().clone()
        },
    })
}
