//! `/api/dossier/baseline`: show, capture, clear. Capturing is a deliberate act: nothing
//! else writes a baseline.

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::standing::Standing;
use crate::api::call::Call;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::{ok, status};
use crate::api::service::{Api, feature_problem};
use crate::daemon::view::FeatureView;
use crate::dossier::Digest;
use crate::dossier::baseline::{Baseline, BaselineKey};
use crate::dossier::capture::CaptureRequest;
use crate::dossier::drift::ParityStatus;
use crate::dossier::parity::TreeHash;

#[derive(Serialize)]
struct BaselineDocument<'a> {
    feature_slug: &'a str,
    feature_id: &'a str,
    parity_status: ParityStatus,
    baseline: Option<&'a Baseline>,
    baseline_key: &'a BaselineKey,
    baseline_key_hash: Digest,
    rejected_components: &'a [&'static str],
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let feature = api.feature(call).await?;
    Ok(ok(&document(&feature)))
}

pub(in crate::api) async fn capture(api: &Api, call: &Call) -> Result<Response, Problem> {
    let members = call.members(&["note", "paths", "expected_tree_hash"])?;
    let (note, paths) = (members.text("note")?, members.texts("paths")?);
    let expected = members.text("expected_tree_hash")?.map(|text| text.parse()).transpose();
    let expected: Option<TreeHash> = expected.map_err(|_| {
        let detail = "expected_tree_hash is no tree hash; send actual_tree_hash of the drift";
        bad_parameter("expected_tree_hash", detail)
    })?;
    if paths.as_ref().is_some_and(Vec::is_empty) {
        let detail = "paths is empty; name at least one, or leave it out to accept everything";
        return Err(bad_parameter("paths", detail));
    }
    let feature = api.feature(call).await?;
    let captured =
        api.handle.capture(feature.id.clone(), CaptureRequest { note, paths, expected }).await;
    let captured = captured
        .map_err(|error| feature_problem(error, "paths", &api.handle.view(), &feature.slug))?;
    Ok(status(StatusCode::CREATED, &document(&captured)))
}

pub(in crate::api) async fn clear(api: &Api, call: &Call) -> Result<Response, Problem> {
    let feature = api.feature(call).await?;
    let cleared =
        api.handle.clear_baseline(feature.id.clone()).await.map_err(|error| {
            feature_problem(error, "feature", &api.handle.view(), &feature.slug)
        })?;
    Ok(ok(&json!({ "cleared": cleared })))
}

fn document(feature: &FeatureView) -> BaselineDocument<'_> {
    BaselineDocument {
        feature_slug: &feature.slug,
        feature_id: &feature.id,
        parity_status: Standing::of(feature).parity,
        baseline: feature.baseline.as_deref(),
        baseline_key: &feature.baseline_key,
        baseline_key_hash: feature.baseline_key.hash(),
        rejected_components: &feature.drift.rejected_components,
    }
}
