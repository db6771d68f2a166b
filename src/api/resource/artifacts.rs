//! `GET /api/dossier/artifacts`: rows by key, filtered and in pages.
//!
//! A page begins after a key, so that rows which come or go between two requests never
//! make another row appear twice or not at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::api::call::Call;
use crate::api::code::quoted;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::query::{Query, bad_parameter};
use crate::api::reply::{JSON, document, kept, ok, shared};
use crate::api::service::Api;
use crate::daemon::view::{FeatureView, IgnoredEntry};
use crate::dossier::ArtifactClass;
use crate::dossier::artifact::{Artifact, RequiredStatus};
use crate::dossier::snapshot::ArtifactSummary;

/// Rows in a page, and the most that can be asked for.
const MAX_ROWS: usize = 1000;

#[derive(Serialize)]
struct Page<'a> {
    total_count: usize,
    filtered_count: usize,
    artifacts: Vec<ArtifactSummary<'a>>,
    filters_applied: &'a Filters,
    next_cursor: Option<String>,
    generation: u64,
}

#[derive(Serialize)]
struct IgnoredPage<'a> {
    ignored: &'a [IgnoredEntry],
}

/// What rows are wanted; only what was given is there.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Filters {
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<ArtifactClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wp_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let filters = Filters::from_query(&call.query)?;
    let limit = call.query.number("limit", 1..=MAX_ROWS)?;
    let cursor = call.query.get("cursor").map(after_key).transpose()?;
    if call.query.flag("ignored")? == Some(true) {
        if filters != Filters::default() || limit.is_some() || cursor.is_some() {
            let detail = "ignored=true lists all ignored entries; it cannot be combined with filters, limit or cursor";
            return Err(bad_parameter("ignored", detail));
        }
        let feature = api.feature(call).await?;
        return Ok(ok(&IgnoredPage { ignored: &feature.ignored }));
    }
    let feature = api.feature(call).await?;
    let plain = filters == Filters::default() && limit.is_none() && cursor.is_none();
    if let Some(known) = feature.rendered.artifacts.get().filter(|_| plain) {
        // What almost everyone asks for.
        return Ok(shared(known));
    }
    let rows = feature.dossier.artifacts.len();
    let work = move || {
        let render = || page(&feature, &filters, limit.unwrap_or(MAX_ROWS), cursor.as_deref());
        if plain {
            return shared(feature.rendered.artifacts.get_or_init(|| kept(render())));
        }
        Response::full(StatusCode::OK, JSON, render())
    };
    api.renderings.render(rows, work).await
}

fn page(feature: &FeatureView, filters: &Filters, limit: usize, after: Option<&str>) -> Bytes {
    let rows = &feature.dossier.artifacts;
    let wanted = filters.q.as_ref().map(|q| q.to_lowercase());
    let matching: Vec<&Artifact> = rows
        .iter()
        .map(|row| row.as_ref())
        .filter(|row| filters.match_row(row, wanted.as_deref()))
        .collect();
    let start = after.map_or(0, |key| matching.partition_point(|row| &*row.key <= key));
    let shown = &matching[start..matching.len().min(start.saturating_add(limit))];
    let has_more = start + shown.len() < matching.len();
    let last = shown.last().filter(|_| has_more);
    document(&Page {
        total_count: rows.len(),
        filtered_count: matching.len(),
        artifacts: shown
            .iter()
            .map(|row| ArtifactSummary::new(row, &feature.dossier.provenance))
            .collect(),
        filters_applied: filters,
        next_cursor: last.map(|row| URL_SAFE_NO_PAD.encode(row.key.as_bytes())),
        generation: feature.generation,
    })
}

/// The key that a cursor stands for. Cursors are opaque to clients: what is none of ours
/// is refused rather than guessed at.
fn after_key(cursor: &str) -> Result<String, Problem> {
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let is_key = |key: &String| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    key.filter(is_key).ok_or_else(|| {
        let detail = format!("{} is no cursor; use next_cursor of the page before", quoted(cursor));
        bad_parameter("cursor", detail)
    })
}

impl Filters {
    fn from_query(query: &Query) -> Result<Self, Problem> {
        let class = query.get("class").map(|text| {
            text.parse().map_err(|error: crate::dossier::class::UnknownClass| {
                bad_parameter("class", error.to_string())
            })
        });
        let text = |name: &str| query.get(name).map(str::to_owned);
        Ok(Self {
            class: class.transpose()?,
            wp_id: text("wp_id"),
            step_id: text("step_id"),
            required_only: query.flag("required_only")?,
            present: query.flag("present")?,
            q: text("q"),
        })
    }

    /// Is the row wanted? `wanted` is `q` in lower case.
    fn match_row(&self, row: &Artifact, wanted: Option<&str>) -> bool {
        self.class.is_none_or(|class| row.class == class)
            && self.wp_id.as_ref().is_none_or(|wanted| {
                row.wp_id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(wanted))
            })
            && self.step_id.as_ref().is_none_or(|wanted| row.step_id.as_deref() == Some(wanted))
            && (self.required_only != Some(true) || row.required_status == RequiredStatus::Required)
            && self.present.is_none_or(|present| row.is_present() == present)
            && wanted.is_none_or(|wanted| {
                row.key.to_ascii_lowercase().contains(wanted)
                    || row.location.shown().to_lowercase().contains(wanted)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_cursors_are_understood() {
        let key = "artifact.tasks.WP01-x_md";
        assert_eq!(after_key(&URL_SAFE_NO_PAD.encode(key)).expect("ours"), key);
        for foreign in
            ["", "%", "abc=", &URL_SAFE_NO_PAD.encode("a/b"), &URL_SAFE_NO_PAD.encode([255])]
        {
            assert_eq!(after_key(foreign).expect_err(foreign).code, "bad-parameter");
        }
    }
}
