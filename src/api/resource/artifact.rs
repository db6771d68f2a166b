//! `GET /api/dossier/artifacts/{artifact_key}`: one row with its text.
//!
//! Text is the one thing that is not answered from memory. It is read beneath the feature's
//! directory, by the path of the row and never by anything a client sent, and its own hash
//! says whether the file has moved on since it was indexed.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::http::Response;
use crate::api::markdown;
use crate::api::ports::{Text, TextFault};
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
use crate::dossier::artifact::{Artifact, Location};
use crate::dossier::snapshot::ArtifactSummary;
use crate::dossier::{Digest, ErrorReason, RelPath};

/// Text up to this size is served, unless less was configured: 5 MiB.
pub const MAX_TEXT_BYTES: u64 = 5 * 1024 * 1024;

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    summary: ArtifactSummary<'a>,
    content: Option<&'a str>,
    content_truncated: bool,
    truncation_notice: Option<String>,
    /// Why there is no content, where that is no matter of size.
    content_error: Option<String>,
    media_type_hint: &'static str,
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_hash_sha256: Option<Digest>,
    /// The text as a tree, where that was asked for and there is one; see [`markdown`].
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Option<markdown::Document>>,
}

/// A file as it is now.
struct Current {
    text: Text,
    /// The most that is served, in bytes.
    limit: u64,
    /// SHA-256 of the whole file; `None` where it is larger than what was read.
    hash: Option<Digest>,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let raw = call.query.flag("raw")? == Some(true);
    let tree = match call.query.get("render") {
        None => false,
        Some("tree") => true,
        Some(other) => {
            let detail = format!("render is {}; allowed is tree", quoted(other));
            return Err(bad_parameter("render", detail));
        }
    };
    if raw && tree {
        return Err(bad_parameter("render", "raw=true gives the text alone; leave one out"));
    }
    let feature = api.feature(call).await?;
    let Some(row) = feature.dossier.artifact(&call.segment) else {
        let detail = format!(
            "{} has no artifact {}; GET /api/dossier/artifacts lists the keys",
            quoted(&feature.slug),
            quoted(&call.segment)
        );
        return Err(Code::ArtifactUnknown.problem(detail));
    };
    let Location::File(path) = &row.location else { return Err(missing(row)) };
    if row.error_reason().is_some_and(|reason| reason != ErrorReason::Unreadable) {
        return Err(gone(row, row.error_reason(), row.error_detail()));
    }
    let current = read(api, &feature, path).await?;
    let current = current.map_err(|fault| unread(row, &fault))?;
    if !row.is_present() {
        // It can be read by now, but the index has not seen that yet.
        return Err(gone(row, row.error_reason(), row.error_detail()));
    }
    if raw {
        return raw_text(row, current);
    }
    if !tree {
        return Ok(detail(&feature, row, path, &current, None));
    }
    let (row, path, feature) = (Arc::clone(row), path.clone(), Arc::clone(&feature));
    let draw = move || {
        let document = document(&feature, &path, &current);
        detail(&feature, &row, &path, &current, Some(document))
    };
    api.blocking.run(draw).await
}

/// The tree of a Markdown text.
fn document(
    feature: &FeatureView,
    path: &RelPath,
    current: &Current,
) -> Option<markdown::Document> {
    if current.text.truncated || media_type_hint(path) != "markdown" {
        return None;
    }
    let text = std::str::from_utf8(&current.text.bytes).ok()?;
    let artifact_at =
        |path: &RelPath| feature.dossier.rows.get(path).map(|row| row.artifact.key.to_string());
    Some(markdown::parse(text, path, &artifact_at))
}

async fn read(
    api: &Api,
    feature: &Arc<FeatureView>,
    path: &RelPath,
) -> Result<Result<Current, TextFault>, Problem> {
    let (port, feature, path) = (Arc::clone(&api.text), Arc::clone(feature), path.clone());
    let limit = api.text_bytes.load(std::sync::atomic::Ordering::Relaxed);
    api.blocking
        .run(move || {
            let text = port.read(&feature.dir, &path, limit)?;
            let hash = (!text.truncated).then(|| Digest::sha256(&text.bytes));
            Ok(Current { text, limit, hash })
        })
        .await
}

fn detail(
    feature: &FeatureView,
    row: &Artifact,
    path: &RelPath,
    current: &Current,
    document: Option<Option<markdown::Document>>,
) -> Response {
    let utf8 = std::str::from_utf8(&current.text.bytes);
    let truncated = current.text.truncated;
    let stale = match current.hash {
        Some(hash) => Some(hash) != row.content_hash(),
        None => current.text.size != row.size_bytes(),
    };
    ok(&Detail {
        summary: ArtifactSummary::new(row, &feature.dossier.provenance),
        content: utf8.ok().filter(|_| !truncated),
        content_truncated: truncated,
        truncation_notice: truncated.then(|| too_large(current)),
        content_error: utf8.err().filter(|_| !truncated).map(|error| {
            format!("it is not valid UTF-8 any more, from byte {} on", error.valid_up_to())
        }),
        media_type_hint: media_type_hint(path),
        stale,
        current_hash_sha256: current.hash.filter(|_| stale),
        document,
    })
}

/// The text alone, as a download that no browser shows as anything but text.
fn raw_text(row: &Artifact, current: Current) -> Result<Response, Problem> {
    if current.text.truncated {
        return Err(Code::TooLarge.problem(too_large(&current)));
    }
    if let Err(error) = std::str::from_utf8(&current.text.bytes) {
        let detail =
            format!("it is not valid UTF-8 any more, from byte {} on", error.valid_up_to());
        return Err(gone(row, Some(ErrorReason::InvalidFormat), Some(&detail)));
    }
    let kind = "text/plain; charset=utf-8";
    let response = Response::full(StatusCode::OK, kind, current.text.bytes);
    // A key is made of letters, digits, `.`, `_` and `-`: nothing that needs quoting.
    let name = format!("attachment; filename=\"{}.txt\"", row.key);
    Ok(match HeaderValue::from_str(&name) {
        Ok(value) => response.with_header(header::CONTENT_DISPOSITION, value),
        Err(_) => response,
    })
}

fn too_large(current: &Current) -> String {
    let (size, most) = (current.text.size, current.limit);
    format!("the file has {size} bytes; up to {most} bytes are served, so open it in the checkout")
}

fn missing(row: &Artifact) -> Problem {
    let shown = row.location.shown();
    let problem = Code::ArtifactMissing.problem(format!("nothing meets {}", quoted(&shown)));
    problem.with("error_reason", row.error_reason().map(ErrorReason::as_str))
}

fn gone(row: &Artifact, reason: Option<ErrorReason>, detail: Option<&str>) -> Problem {
    let why = detail.or(reason.map(ErrorReason::as_str)).unwrap_or("it cannot be read");
    Code::ArtifactGone
        .problem(format!("{}: {why}", quoted(&row.location.shown())))
        .with("error_reason", reason.map(ErrorReason::as_str))
        .with("error_detail", detail)
}

/// The problem of a file that could not be read just now.
fn unread(row: &Artifact, fault: &TextFault) -> Problem {
    let text = fault.to_string();
    match fault {
        TextFault::Special(kind) => Code::ArtifactSpecial
            .problem(format!("{} is a {kind}; it is never opened", quoted(&row.location.shown()))),
        TextFault::Gone => gone(row, Some(ErrorReason::DeletedAfterScan), Some(&text)),
        TextFault::Escapes | TextFault::Denied | TextFault::Io(_) => {
            gone(row, Some(ErrorReason::Unreadable), Some(&text))
        }
    }
}

/// What kind of text it is, by the file's extension: a hint, never a promise.
fn media_type_hint(path: &RelPath) -> &'static str {
    const HINTS: [(&str, &str); 15] = [
        ("md", "markdown"),
        ("markdown", "markdown"),
        ("json", "json"),
        ("jsonl", "ndjson"),
        ("ndjson", "ndjson"),
        ("yaml", "yaml"),
        ("yml", "yaml"),
        ("csv", "csv"),
        ("tsv", "tsv"),
        ("toml", "toml"),
        ("html", "html"),
        ("htm", "html"),
        ("xml", "xml"),
        ("svg", "xml"),
        ("txt", "text"),
    ];
    let known = HINTS.iter().find(|(extension, _)| path.has_extension(extension));
    known.map_or("text", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_go_by_extension() {
        for (path, expected) in [
            ("spec.md", "markdown"),
            ("a/SPEC.MD", "markdown"),
            ("status.events.jsonl", "ndjson"),
            ("x.yml", "yaml"),
            ("source-register.csv", "csv"),
            ("evil.html", "html"),
            ("Makefile", "text"),
            ("a.rs", "text"),
        ] {
            let path = RelPath::new(path).expect("a path");
            assert_eq!(media_type_hint(&path), expected, "{path}");
        }
    }
}
