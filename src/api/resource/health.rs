//! `/healthz`, `/readyz` and `/api/status`: is the daemon there, ready, and well?

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde::Serialize;

use crate::api::call::Call;
use crate::api::http::{Peer, Response};
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::daemon::view::View;
use crate::dossier::Timestamp;

/// What stands for a file that only local peers are told of.
const FILE: &str = "<file>";

/// What the daemon says of itself.
#[derive(Serialize)]
pub(super) struct HealthReport {
    ready: bool,
    features_pending: usize,
    overflows: u64,
    missed_events: u64,
    scans: u64,
    fresh_timeouts: u64,
    watch_backend: &'static str,
    watch_fault: Option<String>,
    warnings: Vec<String>,
    warning_details: Vec<WarningDetail>,
    version: &'static str,
    pid: u32,
    started_at: Timestamp,
}

/// A warning, and what it is about.
#[derive(Serialize)]
struct WarningDetail {
    kind: CaveatKind,
    message: String,
    file: Option<String>,
}

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    health: HealthReport,
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<String>,
    tcp_auth: &'static str,
    roots: usize,
    features: usize,
    followers: usize,
}

/// The report for one peer.
pub(super) fn report(api: &Api, view: &View, peer: Peer) -> HealthReport {
    let privacy = Privacy::of_view(peer, view, &api.places());
    let health = &view.health;
    let detail = |caveat: &Caveat| WarningDetail {
        kind: caveat.kind,
        message: privacy.text(&caveat.text).into_owned(),
        file: caveat.file.as_ref().map(|file| match peer {
            Peer::Local => file.to_string_lossy().into_owned(),
            Peer::Bearer | Peer::Anonymous => FILE.to_owned(),
        }),
    };
    let details: Vec<WarningDetail> =
        health.warnings.iter().chain(api.warnings()).map(detail).collect();
    HealthReport {
        ready: health.ready,
        features_pending: view.pending.len(),
        overflows: health.overflows,
        missed_events: health.missed_events,
        scans: health.scans,
        fresh_timeouts: health.fresh_timeouts,
        watch_backend: health.watch_backend,
        watch_fault: privacy.maybe(health.watch_fault.as_deref()),
        warnings: details.iter().map(|detail| detail.message.clone()).collect(),
        warning_details: details,
        version: api.version,
        pid: std::process::id(),
        started_at: api.started_at,
    }
}

pub(in crate::api) async fn status(api: &Api, call: &Call) -> Result<Response, Problem> {
    let view = api.view(call).await?;
    let socket = api.socket.as_ref().filter(|_| call.is_local());
    Ok(ok(&Status {
        health: report(api, &view, call.peer),
        http: api.http_url(),
        socket: socket.map(|path| path.to_string_lossy().into_owned()),
        tcp_auth: if api.tcp_auth_none.load(Ordering::Relaxed) { "none" } else { "token" },
        roots: view.roots.len(),
        features: view.features.len(),
        followers: api.handle.feed().followers(),
    }))
}

pub(in crate::api) async fn healthz(_: &Api, _: &Call) -> Result<Response, Problem> {
    Ok(word(StatusCode::OK, "ok\n"))
}

pub(in crate::api) async fn readyz(api: &Api, _: &Call) -> Result<Response, Problem> {
    let ready = api.handle.view().health.ready;
    Ok(if ready {
        word(StatusCode::OK, "ok\n")
    } else {
        word(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    })
}

fn word(status: StatusCode, word: &'static str) -> Response {
    Response::full(status, "text/plain; charset=utf-8", word)
}
