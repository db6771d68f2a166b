//! `/api/features`: registered roots and their features; register, unregister, rescan,
//! set the step.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::health::{HealthReport, report};
use super::overview;
use super::standing::{Standing, watch};
use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::http::{Peer, Response};
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::{ok, status};
use crate::api::select::select;
use crate::api::service::{Api, command_problem, feature_problem};
use crate::daemon::view::{FeatureView, RootView, View, WatchState};
use crate::dossier::LosslessPath;
use crate::dossier::Timestamp;
use crate::dossier::completeness::CompletenessStatus;
use crate::dossier::drift::{ParityStatus, Severity};
use crate::dossier::record::StepSource;

#[derive(Serialize)]
struct Listing<'a> {
    roots: Vec<RootRow<'a>>,
    features: Vec<FeatureRow<'a>>,
    pending: Vec<PendingRow<'a>>,
    health: HealthReport,
}

#[derive(Serialize)]
struct Registration<'a> {
    root: RootRow<'a>,
    features: Vec<FeatureRow<'a>>,
    already: bool,
}

#[derive(Serialize)]
struct RootRow<'a> {
    id: &'a str,
    kind: &'static str,
    watch: WatchState,
    added_at: &'a str,
    features: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<LosslessPath>,
}

/// A feature that is known by name alone: its first scan has not ended.
#[derive(Serialize)]
struct PendingRow<'a> {
    id: &'a str,
    slug: &'a str,
    root_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<LosslessPath>,
}

#[derive(Serialize)]
struct FeatureRow<'a> {
    id: &'a str,
    slug: &'a str,
    root_id: &'a str,
    project_slug: &'a str,
    branch: Option<&'a str>,
    mission_type: Option<&'a str>,
    current_step: Option<&'a str>,
    step_source: StepSource,
    completeness_status: CompletenessStatus,
    parity_status: ParityStatus,
    severity: Option<Severity>,
    missing_required_count: usize,
    artifact_total: usize,
    unrecognised: usize,
    anomaly_count: usize,
    watch: WatchState,
    last_scanned_at: Timestamp,
    computed_at: Timestamp,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<LosslessPath>,
}

pub(in crate::api) async fn list(api: &Api, call: &Call) -> Result<Response, Problem> {
    let view = api.view(call).await?;
    let privacy = Privacy::of_view(call.peer, &view, &api.places());
    Ok(ok(&Listing {
        roots: view.roots.iter().map(|root| root_row(root, call.peer, &privacy)).collect(),
        features: feature_rows(view.features.values(), call.peer, &privacy),
        pending: pending_rows(&view, call.peer),
        health: report(api, &view, call.peer),
    }))
}

pub(in crate::api) async fn register(api: &Api, call: &Call) -> Result<Response, Problem> {
    let members = call.members(&["path", "mission_type", "step"])?;
    let path = members.needed_path("path")?;
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        let detail = format!("path is {}; send an absolute path", quoted(&path.to_string_lossy()));
        return Err(bad_parameter("path", detail));
    }
    let (mission_type, step) = (members.text("mission_type")?, members.text("step")?);
    let registered = api.handle.register(path, mission_type, step).await;
    let registered = registered.map_err(|error| command_problem(error, "path"))?;
    let privacy = Privacy::of_view(call.peer, &api.handle.view(), &api.places());
    let code = if registered.already { StatusCode::OK } else { StatusCode::CREATED };
    Ok(status(
        code,
        &Registration {
            root: root_row(&registered.root, call.peer, &privacy),
            features: feature_rows(registered.features.iter(), call.peer, &privacy),
            already: registered.already,
        },
    ))
}

pub(in crate::api) async fn unregister(api: &Api, call: &Call) -> Result<Response, Problem> {
    let Some(name) = call.query.get("id") else {
        return Err(bad_parameter("id", "id is needed; GET /api/features lists the roots"));
    };
    let id = root_of(&api.handle.view(), name, call.peer)?;
    let root = api.handle.unregister(id).await;
    let root = root.map_err(|error| command_problem(error, "id"))?;
    Ok(ok(&json!({ "removed": { "id": root.id, "kind": root.kind } })))
}

pub(in crate::api) async fn rescan(api: &Api, call: &Call) -> Result<Response, Problem> {
    let reemit = call.members(&["reemit"])?.flag("reemit")?.unwrap_or(false);
    let feature = select(&api.handle.view(), Some(&call.segment), call.peer)?;
    let scanned = api
        .handle
        .rescan(feature.id.clone(), reemit)
        .await
        .map_err(|error| feature_problem(error, "reemit", &api.handle.view(), &feature.slug))?;
    Ok(overview::respond(api, &scanned, call.peer))
}

pub(in crate::api) async fn set_step(api: &Api, call: &Call) -> Result<Response, Problem> {
    let members = call.members(&["step"])?;
    if !members.has("step") {
        let detail = "the member step is needed: a step of the mission, or null for none";
        return Err(bad_parameter("step", detail));
    }
    let step = members.text("step")?;
    let feature = select(&api.handle.view(), Some(&call.segment), call.peer)?;
    let changed = api
        .handle
        .set_step(feature.id.clone(), step)
        .await
        .map_err(|error| feature_problem(error, "step", &api.handle.view(), &feature.slug))?;
    Ok(overview::respond(api, &changed, call.peer))
}

/// The id of the root that is meant: its own, or id or slug of a feature that is one.
fn root_of(view: &View, name: &str, peer: Peer) -> Result<String, Problem> {
    let root = |id: &str| view.roots.iter().find(|root| root.id == id);
    if let Some(root) = root(name) {
        return Ok(root.id.clone());
    }
    let feature = select(view, Some(name), peer).map_err(|problem| {
        if problem.code != Code::FeatureUnknown.as_str() {
            return problem;
        }
        let detail =
            format!("no root or feature is {}; GET /api/features lists them", quoted(name));
        Code::RootUnknown.problem(detail)
    })?;
    match root(&feature.root_id) {
        Some(root) if root.kind == "project" => Err(Code::Conflict.problem(format!(
            "{} came with the project root {}; unregister that root, which takes all its features along",
            quoted(&feature.slug),
            root.id
        ))),
        _ => Ok(feature.root_id.clone()),
    }
}

fn root_row<'a>(root: &'a RootView, peer: Peer, privacy: &Privacy) -> RootRow<'a> {
    RootRow {
        id: &root.id,
        kind: root.kind,
        watch: watch(&root.watch, privacy),
        added_at: &root.added_at,
        features: root.features,
        path: (peer == Peer::Local).then(|| LosslessPath(root.path.clone())),
    }
}

/// Rows by slug, then id.
fn feature_rows<'a>(
    features: impl Iterator<Item = &'a Arc<FeatureView>>,
    peer: Peer,
    privacy: &Privacy,
) -> Vec<FeatureRow<'a>> {
    let mut rows: Vec<FeatureRow<'a>> = features.map(|f| feature_row(f, peer, privacy)).collect();
    rows.sort_by(|a, b| (a.slug, a.id).cmp(&(b.slug, b.id)));
    rows
}

/// Rows by slug, then id.
fn pending_rows(view: &View, peer: Peer) -> Vec<PendingRow<'_>> {
    let rows = view.pending.iter().map(|pending| PendingRow {
        id: &pending.id,
        slug: &pending.slug,
        root_id: &pending.root_id,
        dir: (peer == Peer::Local).then(|| LosslessPath(pending.dir.clone())),
    });
    let mut rows: Vec<PendingRow<'_>> = rows.collect();
    rows.sort_by(|a, b| (a.slug, a.id).cmp(&(b.slug, b.id)));
    rows
}

fn feature_row<'a>(feature: &'a FeatureView, peer: Peer, privacy: &Privacy) -> FeatureRow<'a> {
    let standing = Standing::of(feature);
    let dossier = &feature.dossier;
    FeatureRow {
        id: &feature.id,
        slug: &feature.slug,
        root_id: &feature.root_id,
        project_slug: &feature.project.slug,
        branch: feature.project.branch.as_deref(),
        mission_type: dossier.mission_type.as_deref(),
        current_step: dossier.current_step.as_deref(),
        step_source: dossier.step_source,
        completeness_status: standing.completeness,
        parity_status: standing.parity,
        severity: standing.severity,
        missing_required_count: dossier.missing_required(),
        artifact_total: dossier.counts.total,
        unrecognised: dossier.unrecognised,
        anomaly_count: dossier.anomalies.len(),
        watch: watch(&feature.watch, privacy),
        last_scanned_at: feature.last_scanned_at,
        computed_at: feature.computed_at,
        generation: feature.generation,
        dir: (peer == Peer::Local).then(|| LosslessPath(feature.dir.clone())),
    }
}
