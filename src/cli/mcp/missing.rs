//! `missing`: what has to be written next, and why.

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;

use super::answer::{Answer, Rows};
use super::daemon::{Daemon, Target};
use super::said;
use crate::cli::CliError;
use crate::cli::wire::{Missing, Overview, Watch};

/// The answer for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    feature: String,
    /// complete, incomplete or unknown
    completeness_status: String,
    current_step: Option<String>,
    /// How many there are, shown or not
    total: usize,
    missing: Vec<Entry>,
    /// live, or why this may be old: rescanning, partial, polling or detached
    watch: String,
}

/// One required artifact that is not there.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    artifact_key: String,
    /// Where it is expected: paths or patterns inside the feature
    expected: Vec<String>,
    manifest_step: String,
    reason_code: String,
    reason_detail: Option<String>,
    /// Does it keep the feature from being complete?
    blocking: bool,
    hint: String,
}

impl Entry {
    pub(super) fn new(missing: &Missing) -> Self {
        let expected = match &missing.relative_path {
            Some(path) => vec![said::value(path)],
            None => missing.path_patterns.iter().map(|pattern| said::value(pattern)).collect(),
        };
        Self {
            artifact_key: missing.artifact_key.clone(),
            expected,
            manifest_step: said::value(&missing.manifest_step),
            reason_code: missing.reason_code.clone(),
            reason_detail: missing.reason_detail.as_deref().map(said::value),
            blocking: missing.blocking,
            hint: said::value(&missing.remediation_hint),
        }
    }
}

pub(super) async fn answer(daemon: &Daemon, target: &Target) -> Result<Answer, CliError> {
    let feature = daemon.feature(target).await?;
    let route = daemon.about("/api/dossier/overview", &feature, target.fresh);
    let overview: Overview = daemon.get(&route).await?;
    Ok(render(&overview))
}

fn render(overview: &Overview) -> Answer {
    let mut rows = Rows::new();
    for missing in &overview.missing {
        rows.push(&line(missing), Entry::new(missing));
    }
    let total = overview.missing.len();
    let mut text = format!(
        "{} is {}{}; {}\n{}",
        said::name(&overview.feature_slug),
        said::name(&overview.completeness_status),
        at(overview),
        match total {
            0 if overview.completeness_status == "unknown" =>
                "what it requires is not known: meta.json has to name mission_type and current_step"
                    .to_owned(),
            0 => "nothing required is missing".to_owned(),
            1 => "1 required artifact is missing:".to_owned(),
            many => format!("{many} required artifacts are missing:"),
        },
        rows.text
    );
    if let Some(more) = total.checked_sub(rows.len()).filter(|more| *more > 0) {
        text.push_str(&format!(
            "and {more} more; the tool artifacts with state=missing lists them all\n"
        ));
    }
    text.push_str(&watch(&overview.watch));
    let document = Document {
        feature: said::value(&overview.feature_slug),
        completeness_status: overview.completeness_status.clone(),
        current_step: overview.current_step.as_deref().map(said::value),
        total,
        missing: rows.items,
        watch: said::value(&overview.watch.state),
    };
    Answer::new(text, &document)
}

/// Where a feature stands.
pub(super) fn at(overview: &Overview) -> String {
    match &overview.current_step {
        Some(step) => format!(" at step {}", said::name(step)),
        None => " at an unknown step".to_owned(),
    }
}

/// What keeps the daemon from seeing every change at once, as a line; nothing if it does.
pub(super) fn watch(watch: &Watch) -> String {
    if watch.state == "live" {
        return String::new();
    }
    let why = watch.reason.as_deref().map(|why| format!(" {}", said::sentence(why)));
    format!("watch: {}{}\n", said::name(&watch.state), why.unwrap_or_default())
}

/// One missing artifact: path, step, reason, what to do.
pub(super) fn line(missing: &Missing) -> String {
    let expected = match &missing.relative_path {
        Some(path) => said::name(path),
        None => {
            let patterns: Vec<String> =
                missing.path_patterns.iter().map(|pattern| said::name(pattern)).collect();
            patterns.join(" or ")
        }
    };
    let mut line = format!(
        "- {expected} (for {}): {}",
        said::name(&missing.manifest_step),
        said::name(&missing.reason_code.replace('_', "-"))
    );
    if let Some(detail) = &missing.reason_detail {
        line.push_str(&format!(", {}", said::sentence(detail)));
    }
    if !missing.blocking {
        line.push_str(", not blocking");
    }
    if !missing.remediation_hint.is_empty() {
        line.push_str(&format!(" -> {}", said::sentence(&missing.remediation_hint)));
    }
    line
}
