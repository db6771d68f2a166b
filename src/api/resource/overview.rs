//! `GET /api/dossier/overview`: one feature at a glance.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use super::standing::{Standing, watch};
use crate::api::call::Call;
use crate::api::http::{Peer, Response};
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::reply::{JSON, document, kept, shared};
use crate::api::service::Api;
use crate::daemon::view::{FeatureView, StoreState, WatchState};
use crate::dossier::LosslessPath;
use crate::dossier::anomaly::Anomaly;
use crate::dossier::baseline::Acceptance;
use crate::dossier::completeness::{CompletenessStatus, Missing, StepReport};
use crate::dossier::drift::{ParityStatus, Severity};
use crate::dossier::parity::TreeHash;
use crate::dossier::record::{Counts, StepSource};
use crate::dossier::{Digest, Timestamp};

/// Version of this document.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Overview<'a> {
    feature_slug: &'a str,
    feature_id: &'a str,
    project_slug: &'a str,
    project_uuid: &'a str,
    branch: Option<&'a str>,
    completeness_status: CompletenessStatus,
    step_status: CompletenessStatus,
    parity_hash_sha256: Digest,
    tree_hash: TreeHash,
    mission_type: Option<&'a str>,
    manifest_version: Option<&'a str>,
    current_step: Option<&'a str>,
    step_source: StepSource,
    artifact_counts: Counts,
    missing_required_count: usize,
    missing: &'a [Missing],
    steps: &'a [StepReport],
    parity_status: ParityStatus,
    drift: DriftSummary,
    baseline: Option<BaselineSummary<'a>>,
    unrecognised: usize,
    ignored: usize,
    anomalies: &'a [Anomaly],
    watch: WatchState,
    store: StoreState,
    last_scanned_at: Timestamp,
    computed_at: Timestamp,
    snapshot_id: &'a str,
    generation: u64,
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<LosslessPath>,
}

/// How many differ; the drift resource names them.
#[derive(Serialize)]
struct DriftSummary {
    severity: Option<Severity>,
    added: usize,
    removed: usize,
    changed: usize,
    moved: usize,
    names_known: bool,
    message: Option<String>,
}

#[derive(Serialize)]
struct BaselineSummary<'a> {
    captured_at: &'a str,
    captured_by: &'a str,
    note: Option<&'a str>,
    checkout_branch: Option<&'a str>,
    parity_hash_sha256: Digest,
    accepted: bool,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let feature = api.feature(call).await?;
    Ok(respond(api, &feature, call.peer))
}

/// The answer with the overview of a feature.
pub(in crate::api) fn respond(api: &Api, feature: &FeatureView, peer: Peer) -> Response {
    match peer {
        Peer::Local => Response::full(StatusCode::OK, JSON, render(api, feature, peer)),
        // Everyone else sees the same, and it is asked for often.
        Peer::Bearer | Peer::Anonymous => {
            let render = || kept(render(api, feature, Peer::Bearer));
            shared(feature.rendered.overview.get_or_init(render))
        }
    }
}

fn render(api: &Api, feature: &FeatureView, peer: Peer) -> Bytes {
    let privacy = Privacy::of_feature(peer, feature, &api.places());
    let standing = Standing::of(feature);
    let (dossier, drift) = (&feature.dossier, &feature.drift);
    let names = &drift.differences;
    document(&Overview {
        feature_slug: &feature.slug,
        feature_id: &feature.id,
        project_slug: &feature.project.slug,
        project_uuid: &feature.project.uuid,
        branch: feature.project.branch.as_deref(),
        completeness_status: standing.completeness,
        step_status: standing.step,
        parity_hash_sha256: dossier.parity_hash,
        tree_hash: dossier.tree_hash,
        mission_type: dossier.mission_type.as_deref(),
        manifest_version: dossier.definition.as_ref().map(|d| d.manifest.manifest_version()),
        current_step: dossier.current_step.as_deref(),
        step_source: dossier.step_source,
        artifact_counts: dossier.counts,
        missing_required_count: dossier.missing_required(),
        missing: &dossier.missing,
        steps: &dossier.steps,
        parity_status: standing.parity,
        drift: DriftSummary {
            severity: standing.severity,
            added: names.added.len(),
            removed: names.removed.len(),
            changed: names.changed.len(),
            moved: names.moved.len(),
            names_known: drift.names_known,
            message: standing.message(feature, &privacy),
        },
        baseline: baseline(feature),
        unrecognised: dossier.unrecognised,
        ignored: dossier.ignored,
        anomalies: &dossier.anomalies,
        watch: watch(&feature.watch, &privacy),
        store: store(&feature.store, &privacy),
        last_scanned_at: feature.last_scanned_at,
        computed_at: feature.computed_at,
        snapshot_id: &feature.snapshot_id,
        generation: feature.generation,
        schema_version: SCHEMA_VERSION,
        dir: (peer == Peer::Local).then(|| LosslessPath(feature.dir.clone())),
    })
}

fn baseline(feature: &FeatureView) -> Option<BaselineSummary<'_>> {
    let baseline = feature.baseline.as_deref()?;
    let branch = feature.project.branch.as_deref();
    Some(BaselineSummary {
        captured_at: &baseline.captured_at,
        captured_by: &baseline.captured_by,
        note: baseline.note.as_deref(),
        checkout_branch: baseline.checkout_branch.as_deref(),
        parity_hash_sha256: baseline.parity_hash_sha256,
        accepted: baseline.acceptance(&feature.baseline_key, branch) == Acceptance::Accepted,
    })
}

/// The store's state with messages that the peer may see.
fn store(state: &StoreState, privacy: &Privacy) -> StoreState {
    StoreState {
        fallback_reason: privacy.maybe(state.fallback_reason.as_deref()),
        failing: privacy.maybe(state.failing.as_deref()),
        ..*state
    }
}
