//! `GET /metrics`: counters and states in Prometheus' text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! The number of series is bounded: labels come from our own tables, but for the slug and
//! id of the first [`MAX_FEATURES`] features.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use http::StatusCode;

use super::standing::Standing;
use crate::api::call::Call;
use crate::api::delivery::SinkReport;
use crate::api::http::Response;
use crate::api::privacy::Privacy;
use crate::api::problem::Problem;
use crate::api::request_counts::{BUCKETS, RequestCounts};
use crate::api::router::ROUTES;
use crate::api::service::Api;
use crate::daemon::view::{FeatureView, View, WatchState};
use crate::dossier::ErrorReason;

/// Features that have series of their own.
const MAX_FEATURES: usize = 200;

/// Reasons for polling that are told.
const MAX_REASONS: usize = 10;

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let view = api.view(call).await?;
    let mut out = Exposition::default();
    process(&mut out, api);
    index(&mut out, &view);
    degraded(&mut out, &view, &Privacy::of_view(call.peer, &view, &api.places()));
    out.one(
        "dossierd_followers",
        "gauge",
        "Streams that follow events.",
        api.handle.feed().followers() as f64,
    );
    delivery(&mut out, api);
    features(&mut out, &view);
    requests(&mut out, &api.counts);
    transport(&mut out, api);
    Ok(Response::full(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out.0))
}

fn process(out: &mut Exposition, api: &Api) {
    out.head("dossierd_build_info", "gauge", "Version of the program.");
    out.sample("dossierd_build_info", &[("version", api.version)], 1.0);
    let started = api.started_at.as_micros() as f64 / 1e6;
    let help = "When the daemon started, in seconds since 1970.";
    out.one("process_start_time_seconds", "gauge", help, started);
}

fn index(out: &mut Exposition, view: &View) {
    let health = &view.health;
    for (name, help, value) in [
        ("dossierd_scans_total", "Scans run.", health.scans),
        (
            "dossierd_event_losses_total",
            "Times that file-system events were lost.",
            health.overflows,
        ),
        (
            "dossierd_missed_events_total",
            "Differences that only a periodic scan found.",
            health.missed_events,
        ),
        (
            "dossierd_fresh_timeouts_total",
            "Fresh reads that ran out of time.",
            health.fresh_timeouts,
        ),
    ] {
        out.one(name, "counter", help, value as f64);
    }
    let ready = f64::from(u8::from(health.ready));
    out.one("dossierd_ready", "gauge", "1 once all first scans have ended.", ready);
    let watching = f64::from(u8::from(health.watch_fault.is_none()));
    out.one("dossierd_watching", "gauge", "0 while nothing can be watched.", watching);
    let name = "dossierd_watch_backend_info";
    out.head(name, "gauge", "Who tells of changes; always 1.");
    out.sample(name, &[("backend", health.watch_backend)], 1.0);
    out.one("dossierd_roots", "gauge", "Registered roots.", view.roots.len() as f64);
    out.one("dossierd_features", "gauge", "Features.", view.features.len() as f64);
    let help = "Features whose first scan has not ended.";
    out.one("dossierd_features_pending", "gauge", help, view.pending.len() as f64);
}

/// Each event of the logs is in one of the four counts of a sink. What is not known before the
/// first scans have ended has no sample.
fn delivery(out: &mut Exposition, api: &Api) {
    type Value = fn(&SinkReport) -> Option<f64>;
    let series: [(&str, &str, &str, Value); 6] = [
        ("dossierd_sync_pending", "gauge", "Events to be delivered.", |s| number(s.pending)),
        ("dossierd_sync_delivered_total", "counter", "Events delivered.", |s| number(s.delivered)),
        ("dossierd_sync_duplicate_total", "counter", "Events that were known.", |s| {
            number(s.duplicate)
        }),
        ("dossierd_sync_rejected", "gauge", "Dead letters.", |s| number(s.rejected)),
        ("dossierd_sync_oldest_pending_seconds", "gauge", "Age of the oldest.", |s| {
            s.pending.map(|_| s.oldest_pending_age_seconds.unwrap_or(0.0))
        }),
        ("dossierd_sync_paused", "gauge", "1 while nothing is sent.", |s| {
            Some(f64::from(u8::from(s.state == "paused")))
        }),
    ];
    let sinks = api.delivery.sinks();
    for (name, kind, help, value) in series.into_iter().filter(|_| !sinks.is_empty()) {
        out.head(name, kind, help);
        for (sink, value) in sinks.iter().filter_map(|sink| Some((sink, value(sink)?))) {
            out.sample(name, &[("sink", sink.name)], value);
        }
    }
}

fn number(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

/// What is not watched, and why, with what mends it: the same words as everywhere else.
fn degraded(out: &mut Exposition, view: &View, privacy: &Privacy) {
    let roots = view.roots.iter().map(|root| &root.watch);
    let states = roots.chain(view.features.values().map(|feature| &feature.watch));
    let mut unwatched = 0;
    let mut reasons = BTreeSet::new();
    for state in states {
        match state {
            WatchState::Partial { unwatched: count, reason } => {
                unwatched += count;
                reasons.insert((state.as_str(), reason.as_str()));
            }
            WatchState::Polling { reason } => {
                reasons.insert((state.as_str(), reason.as_str()));
            }
            _ => {}
        }
    }
    let help = "Directories that are polled, as they could not be watched.";
    out.one("dossierd_unwatched_directories", "gauge", help, unwatched as f64);
    let name = "dossierd_watch_degraded_info";
    out.head(name, "gauge", "Why something is polled, and what mends it; always 1.");
    for (state, reason) in reasons.into_iter().take(MAX_REASONS) {
        out.sample(name, &[("state", state), ("reason", &privacy.text(reason))], 1.0);
    }
}

fn features(out: &mut Exposition, view: &View) {
    let mut by_status = [("present", 0_u64), ("missing", 0), ("unreadable", 0)];
    let rows = view.features.values().flat_map(|feature| feature.dossier.artifacts.iter());
    for row in rows {
        let at = match row.error_reason() {
            None => 0,
            Some(ErrorReason::NotFound | ErrorReason::NotProducedYet) => 1,
            Some(_) => 2,
        };
        by_status[at].1 += 1;
    }
    out.head("dossierd_artifacts", "gauge", "Artifacts of all features.");
    for (status, count) in by_status {
        out.sample("dossierd_artifacts", &[("status", status)], count as f64);
    }
    let hidden = view.features.len().saturating_sub(MAX_FEATURES) as f64;
    let help = "Features without series of their own, as there are too many.";
    out.one("dossierd_features_hidden", "gauge", help, hidden);
    type Value = fn(&FeatureView) -> f64;
    let gauges: [(&str, &str, Value); 4] = [
        ("dossierd_feature_artifacts", "Artifacts of a feature.", |f| {
            f.dossier.counts.total as f64
        }),
        ("dossierd_feature_missing_required", "Required artifacts that are missing.", |f| {
            f.dossier.missing_required() as f64
        }),
        ("dossierd_feature_anomalies", "What a person should look at.", |f| {
            f.dossier.anomalies.len() as f64
        }),
        ("dossierd_feature_last_scan_seconds", "What the last scan took.", |f| {
            f.cost.micros as f64 / 1e6
        }),
    ];
    for (name, help, value) in gauges {
        out.head(name, "gauge", help);
        for feature in view.features.values().take(MAX_FEATURES) {
            let labels = [("feature", feature.slug.as_str()), ("id", feature.id.as_str())];
            out.sample(name, &labels, value(feature));
        }
    }
    states(out, view);
}

/// The two states of a feature, as labels of a gauge that is always 1.
fn states(out: &mut Exposition, view: &View) {
    let name = "dossierd_feature_state";
    out.head(name, "gauge", "How a feature stands; always 1.");
    for feature in view.features.values().take(MAX_FEATURES) {
        let standing = Standing::of(feature);
        let labels = [
            ("feature", feature.slug.as_str()),
            ("id", feature.id.as_str()),
            ("completeness", standing.completeness.as_str()),
            ("parity", standing.parity.as_str()),
            ("watch", feature.watch.as_str()),
        ];
        out.sample(name, &labels, 1.0);
    }
}

fn requests(out: &mut Exposition, counts: &RequestCounts) {
    let name = "dossierd_requests_total";
    out.head(name, "counter", "Requests that reached the API, by route and class of status.");
    for (route, class, count) in counts.by_route() {
        let (method, template) = route
            .map_or(("other", "unmatched"), |at| (ROUTES[at].method.as_str(), ROUTES[at].template));
        let class = format!("{class}xx");
        let labels = [("method", method), ("route", template), ("status", class.as_str())];
        out.sample(name, &labels, count as f64);
    }
    let histogram = counts.histogram();
    let name = "dossierd_request_duration_seconds";
    out.head(name, "histogram", "From request to answer; of a stream, to its first byte.");
    let bucket = format!("{name}_bucket");
    for (most, count) in BUCKETS.iter().zip(histogram.cumulative) {
        let most = (*most as f64 / 1e6).to_string();
        out.sample(&bucket, &[("le", most.as_str())], count as f64);
    }
    out.sample(&bucket, &[("le", "+Inf")], histogram.count as f64);
    out.sample(&format!("{name}_sum"), &[], histogram.total_micros as f64 / 1e6);
    out.sample(&format!("{name}_count"), &[], histogram.count as f64);
}

fn transport(out: &mut Exposition, api: &Api) {
    let Some(counts) = api.transport_counts() else { return };
    let panics = counts.panics + api.blocking.panics() + api.renderings.panics();
    for (name, help, value) in [
        ("dossierd_auth_failures_total", "Requests without a valid token.", counts.failed_auth),
        (
            "dossierd_refused_connections_total",
            "Connections beyond the limit.",
            counts.refused_connections,
        ),
        (
            "dossierd_foreign_peers_total",
            "Connections of processes under another uid.",
            counts.foreign_peers,
        ),
        ("dossierd_panics_total", "Requests whose handler panicked.", panics),
    ] {
        out.one(name, "counter", help, value as f64);
    }
}

/// Text in the making.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// The two lines before a family's samples.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let opening = if i == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{opening}{label}=\"{}\"", escaped(text));
        }
        let closing = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{closing} {value}");
    }

    /// A family with one sample.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// A label's value: the format escapes backslash, quote and newline. Other control
/// characters are shown as a replacement, so that no terminal acts on them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut out = Exposition::default();
        out.sample("x", &[("a", "q\"\\\n\u{1b}"), ("b", "ž")], 1.5);
        out.sample("y", &[], 2.0);
        assert_eq!(out.0, "x{a=\"q\\\"\\\\\\n\u{fffd}\",b=\"ž\"} 1.5\ny 2\n");
    }
}
