//! `drift`: what changed since a person accepted a baseline, by name.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Rows};
use super::daemon::{Daemon, Target, yes};
use super::{missing, said};
use crate::cli::CliError;
use crate::cli::wire::{BaselineDocument, Drift, Overview, Watch};

/// What is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Slug, id or path of a feature; left out: the one the server's directory lies in, else
    /// the only one
    #[serde(default)]
    feature: Option<std::path::PathBuf>,
    /// true: the answer has every change made before this call; false: what is known now
    #[serde(default = "yes")]
    fresh: bool,
    /// Leave out this many names at the beginning
    #[serde(default)]
    skip: usize,
}

/// The answer for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    feature: String,
    /// in_sync, drifted, moved, no_baseline, baseline_rejected or error
    parity_status: String,
    /// info, warning or error
    severity: Option<String>,
    message: Option<String>,
    baseline_captured_at: Option<String>,
    /// How many artifacts differ, shown or not
    total: usize,
    differences: Vec<Difference>,
    /// skip= for the next ones
    next_skip: Option<usize>,
    /// live, or why this may be old: rescanning, partial, polling or detached
    watch: String,
}

/// One artifact that differs.
#[derive(Debug, Serialize, JsonSchema)]
struct Difference {
    /// removed, changed, added or moved
    kind: &'static str,
    path: String,
    /// Where it was, if it was moved
    from: Option<String>,
}

pub(super) async fn answer(daemon: &Daemon, asked: Asked) -> Result<Answer, CliError> {
    let target = Target { feature: asked.feature, fresh: asked.fresh };
    let feature = daemon.feature(&target).await?;
    let drift: Drift =
        daemon.get(&daemon.about("/api/dossier/drift", &feature, target.fresh)).await?;
    let baseline: BaselineDocument =
        daemon.get(&daemon.about("/api/dossier/baseline", &feature, false)).await?;
    // Asked for last: what is behind by now is told.
    let overview: Overview =
        daemon.get(&daemon.about("/api/dossier/overview", &feature, false)).await?;
    Ok(render(&drift, &baseline, &overview.watch, asked.skip))
}

fn render(drift: &Drift, baseline: &BaselineDocument, watch: &Watch, skip: usize) -> Answer {
    let all = differences(drift);
    let mut rows = Rows::new();
    for (kind, path, from) in all.iter().skip(skip) {
        let line = match from {
            Some(from) => format!("- {kind} {} -> {}", said::name(from), said::name(path)),
            None => format!("- {kind} {}", said::name(path)),
        };
        let from = from.map(said::value);
        if !rows.push(&line, Difference { kind, path: said::value(path), from }) {
            break;
        }
    }
    let mut text = format!(
        "{} is {}",
        said::name(&drift.feature_slug),
        said::name(&drift.parity_status.replace('_', "-"))
    );
    if let Some(severity) = &drift.severity {
        text.push_str(&format!(", severity {}", said::name(severity)));
    }
    if !all.is_empty() {
        text.push_str(&format!(", {} artifacts differ", all.len()));
    }
    text.push('\n');
    text.push_str(&against(baseline));
    if let Some(message) = &drift.message {
        text.push_str(&format!("note: {}\n", said::sentence(message)));
    }
    text.push_str(&missing::watch(watch));
    text.push_str(&rows.text);
    let next = skip.saturating_add(rows.len());
    let next_skip = (next < all.len()).then_some(next);
    if let Some(next) = next_skip {
        text.push_str(&format!("and {} more; go on with skip={next}\n", all.len() - next));
    }
    let document = Document {
        feature: said::value(&drift.feature_slug),
        parity_status: drift.parity_status.clone(),
        severity: drift.severity.clone(),
        message: drift.message.as_deref().map(said::value),
        baseline_captured_at: drift.baseline_captured_at.clone(),
        total: all.len(),
        differences: rows.items,
        next_skip,
        watch: said::value(&watch.state),
    };
    Answer::new(text, &document)
}

/// What matters most comes first.
fn differences(drift: &Drift) -> Vec<(&'static str, &str, Option<&str>)> {
    let plain = [("removed", &drift.removed), ("changed", &drift.changed), ("added", &drift.added)];
    let plain = plain
        .into_iter()
        .flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path.as_str(), None)));
    let moved = drift.moved.iter().map(|m| ("moved", m.to.as_str(), Some(m.from.as_str())));
    plain.chain(moved).collect()
}

/// Which baseline that is.
fn against(baseline: &BaselineDocument) -> String {
    let Some(file) = &baseline.baseline else {
        return "there is no accepted baseline; a person captures one with `dossierd baseline capture`\n"
            .to_owned();
    };
    let mut text = format!("against the baseline captured {}", said::name(&file.captured_at));
    if let Some(branch) = &file.checkout_branch {
        text.push_str(&format!(" on branch {}", said::name(branch)));
    }
    if let Some(commit) = &file.git_sha {
        text.push_str(&format!(
            " at commit {}",
            said::name(&commit.chars().take(12).collect::<String>())
        ));
    }
    if let Some(note) = &file.note {
        text.push_str(&format!(", note {}", said::sentence(note)));
    }
    if !baseline.rejected_components.is_empty() {
        let parts: Vec<String> =
            baseline.rejected_components.iter().map(|part| said::name(part)).collect();
        text.push_str(&format!("; it is of another context ({})", parts.join(", ")));
    }
    text.push('\n');
    text
}
