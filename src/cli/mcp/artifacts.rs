//! `artifacts`: what a feature has and lacks, filtered and in pages.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Rows};
use super::daemon::{Daemon, Target, yes};
use super::said;
use crate::cli::CliError;
use crate::cli::route::Route;
use crate::cli::wire::{Artifact, Artifacts, FeatureRow};

const PATH: &str = "/api/dossier/artifacts";
/// Rows in a page, unless others are asked for.
const DEFAULT_ROWS: u8 = 40;

/// What is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Slug, id or path of a feature; left out: the one the server's directory lies in, else
    /// the only one
    #[serde(default)]
    feature: Option<std::path::PathBuf>,
    /// Only this class: input, workflow, output, evidence, policy or runtime
    #[serde(default)]
    class: Option<String>,
    /// Only this work package, such as WP03
    #[serde(default)]
    wp: Option<String>,
    /// Only this mission step
    #[serde(default)]
    step: Option<String>,
    /// Only those that the manifest requires
    #[serde(default)]
    required: bool,
    /// Only those that are there, or that are not (missing or unreadable)
    #[serde(default)]
    state: Option<State>,
    /// Only those whose key or path has this text in it, in any case
    #[serde(default)]
    search: Option<String>,
    /// next_cursor of the page before
    #[serde(default)]
    cursor: Option<String>,
    /// At most so many rows; 40 when left out
    #[serde(default)]
    limit: Option<std::num::NonZeroU8>,
    /// true: the answer has every change made before this call; false: what is known now
    #[serde(default = "yes")]
    fresh: bool,
}

/// Whether an artifact is there.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Present,
    Missing,
}

/// The answer for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    feature: String,
    /// All artifacts of the feature
    total_count: u64,
    /// Those that pass the filters
    filtered_count: u64,
    artifacts: Vec<Row>,
    /// cursor= for the next page
    next_cursor: Option<String>,
}

/// One artifact.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    artifact_key: String,
    path: String,
    class: String,
    required: bool,
    is_present: bool,
    error_reason: Option<String>,
    size_bytes: u64,
}

pub(super) async fn answer(daemon: &Daemon, asked: Asked) -> Result<Answer, CliError> {
    let target = Target { feature: asked.feature.clone(), fresh: asked.fresh };
    let feature = daemon.feature(&target).await?;
    let limit = asked.limit.map_or(DEFAULT_ROWS, std::num::NonZeroU8::get);
    let mut page: Artifacts =
        daemon.get(&route(daemon, &feature, &asked).with("limit", &limit.to_string())).await?;
    let mut rows = list(&page);
    if rows.len() < page.artifacts.len() {
        // A cursor is the daemon's: it gives the one for just as many rows as are shown.
        let fewer = rows.len().max(1).to_string();
        page = daemon.get(&route(daemon, &feature, &asked).with("limit", &fewer)).await?;
        rows = list(&page);
    }
    Ok(render(&feature, &asked, page, rows))
}

fn route(daemon: &Daemon, feature: &FeatureRow, asked: &Asked) -> Route {
    let present = asked.state.map(|state| match state {
        State::Present => "true",
        State::Missing => "false",
    });
    daemon
        .about(PATH, feature, asked.fresh)
        .maybe("class", asked.class.as_deref())
        .maybe("wp_id", asked.wp.as_deref())
        .maybe("step_id", asked.step.as_deref())
        .flag("required_only", asked.required)
        .maybe("present", present)
        .maybe("q", asked.search.as_deref())
        .maybe("cursor", asked.cursor.as_deref())
}

fn list(page: &Artifacts) -> Rows<Row> {
    let mut rows = Rows::new();
    for artifact in &page.artifacts {
        if !rows.push(&line(artifact), Row::new(artifact)) {
            break;
        }
    }
    rows
}

fn render(feature: &FeatureRow, asked: &Asked, page: Artifacts, rows: Rows<Row>) -> Answer {
    let slug = said::name(&feature.slug);
    let mut text = match (page.total_count, page.filtered_count) {
        (all, some) if all == some => format!("{slug} has {all} artifacts"),
        (all, some) => format!("{some} of the {all} artifacts of {slug} pass the filter"),
    };
    // After a cursor it is not known how many came before, only whether more follow.
    let more = page.filtered_count.saturating_sub(rows.len() as u64);
    let next_cursor = page.next_cursor.filter(|_| rows.len() > 0);
    text.push_str(if rows.len() == 0 { "\n" } else { " (path, class, key):\n" });
    text.push_str(&rows.text);
    match (&next_cursor, &asked.cursor) {
        (Some(next), None) => {
            text.push_str(&format!("and {more} more; go on with cursor={next}\n"));
        }
        (Some(next), Some(_)) => {
            text.push_str(&format!("there are more; go on with cursor={next}\n"))
        }
        (None, _) => {}
    }
    let document = Document {
        feature: said::value(&feature.slug),
        total_count: page.total_count,
        filtered_count: page.filtered_count,
        artifacts: rows.items,
        next_cursor,
    };
    Answer::new(text, &document)
}

impl Row {
    fn new(artifact: &Artifact) -> Self {
        Self {
            artifact_key: artifact.artifact_key.clone(),
            path: said::value(&artifact.relative_path),
            class: artifact.artifact_class.clone(),
            required: artifact.required_status == "required",
            is_present: artifact.is_present,
            error_reason: artifact.error_reason.clone(),
            size_bytes: artifact.size_bytes,
        }
    }
}

fn line(artifact: &Artifact) -> String {
    let mut line = format!(
        "- {} {}",
        said::name(&artifact.relative_path),
        said::name(&artifact.artifact_class)
    );
    if artifact.required_status == "required" {
        line.push_str(" required");
    }
    if !artifact.is_present {
        let reason = artifact.error_reason.as_deref().unwrap_or("missing");
        line.push_str(&format!(" NOT PRESENT: {}", said::name(reason)));
    }
    line.push_str(&format!(" [{}]", said::key(&artifact.artifact_key)));
    line
}
