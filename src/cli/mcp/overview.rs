//! `overview`: where all features stand, or one.

use std::path::Path;

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Rows};
use super::daemon::{Daemon, Target, yes};
use super::{missing, said};
use crate::cli::CliError;
use crate::cli::render::features::in_order;
use crate::cli::select;
use crate::cli::wire::{DriftSummary, FeatureRow, Features, Overview};

/// Missing artifacts that the overview of one feature names.
const MISSING: usize = 8;
/// Anomalies that it names.
const ANOMALIES: usize = 4;

/// What is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Slug, id or path of a feature; left out: all features
    #[serde(default)]
    feature: Option<std::path::PathBuf>,
    /// true: the answer has every change made before this call; false: what is known now
    #[serde(default = "yes")]
    fresh: bool,
    /// Of all features, leave out this many at the beginning
    #[serde(default)]
    skip: usize,
}

/// The answer for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// How many features there are, shown or not
    total: usize,
    /// Those that need attention first
    features: Vec<Row>,
    /// skip= for the next ones
    next_skip: Option<usize>,
    /// The one feature in full, if one was named
    feature: Option<Full>,
}

/// One feature of many.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    id: String,
    slug: String,
    project: Option<String>,
    branch: Option<String>,
    completeness_status: String,
    current_step: Option<String>,
    missing_required_count: u64,
    parity_status: String,
}

/// One feature in full.
#[derive(Debug, Serialize, JsonSchema)]
struct Full {
    id: String,
    slug: String,
    mission_type: Option<String>,
    current_step: Option<String>,
    step_source: String,
    completeness_status: String,
    step_status: String,
    artifacts: u64,
    required: u64,
    required_present: u64,
    missing_required_count: u64,
    missing: Vec<missing::Entry>,
    parity_status: String,
    drift_severity: Option<String>,
    parity_hash_sha256: String,
    watch: String,
    last_scanned_at: Option<String>,
}

pub(super) async fn answer(daemon: &Daemon, asked: Asked) -> Result<Answer, CliError> {
    if asked.feature.is_none() {
        let all = daemon.features(asked.fresh).await?;
        let here = select::current_dir();
        return Ok(all_features(&all, here.as_deref(), asked.skip));
    }
    let target = Target { feature: asked.feature, fresh: asked.fresh };
    let feature = daemon.feature(&target).await?;
    let route = daemon.about("/api/dossier/overview", &feature, target.fresh);
    Ok(one(&daemon.get(&route).await?))
}

/// All features: those below the server's directory first, and of these the ones that need
/// attention.
fn all_features(all: &Features, here: Option<&Path>, skip: usize) -> Answer {
    let mut order = in_order(&all.features);
    let elsewhere = |row: &&FeatureRow| {
        let dir = row.dir.as_ref();
        !here.is_some_and(|here| dir.is_some_and(|dir| dir.0.starts_with(here)))
    };
    order.sort_by_key(elsewhere);
    let mut rows = Rows::new();
    for row in order.iter().skip(skip) {
        if !rows.push(&line(row), Row::new(row)) {
            break;
        }
    }
    let total = order.len();
    let complete = all.features.iter().filter(|f| f.completeness_status == "complete").count();
    let mut text = match total {
        0 => "no feature is registered; `dossierd add PATH` registers a project\n".to_owned(),
        1 => format!("1 feature, {complete} complete\n"),
        _ => format!("{total} features, {complete} complete; those that need attention first\n"),
    };
    text.push_str(&rows.text);
    let next = skip.saturating_add(rows.len());
    let next_skip = (next < total).then_some(next);
    if let Some(next) = next_skip {
        text.push_str(&format!("and {} more; go on with skip={next}\n", total - next));
    }
    for warning in all.health.warnings.iter().chain(&all.health.watch_fault).take(3) {
        text.push_str(&format!("daemon: {}\n", said::sentence(warning)));
    }
    Answer::new(text, &Document { total, features: rows.items, next_skip, feature: None })
}

impl Row {
    fn new(row: &FeatureRow) -> Self {
        Self {
            id: row.id.clone(),
            slug: said::value(&row.slug),
            project: row.project_slug.as_deref().map(said::value),
            branch: row.branch.as_deref().map(said::value),
            completeness_status: row.completeness_status.clone(),
            current_step: row.current_step.as_deref().map(said::value),
            missing_required_count: row.missing_required_count,
            parity_status: row.parity_status.clone(),
        }
    }
}

fn line(row: &FeatureRow) -> String {
    let mut line = format!("- {} [{}]", said::name(&row.slug), said::key(&row.id));
    if let Some(project) = &row.project_slug {
        line.push_str(&format!(" of {}", said::name(project)));
    }
    if let Some(branch) = &row.branch {
        line.push_str(&format!(" on {}", said::name(branch)));
    }
    line.push_str(&format!(": {}", said::name(&row.completeness_status)));
    if let Some(step) = &row.current_step {
        line.push_str(&format!(" at {}", said::name(step)));
    }
    if row.missing_required_count > 0 {
        line.push_str(&format!(", {} missing", row.missing_required_count));
    }
    line.push_str(&format!(", {}", said::name(&row.parity_status)));
    if row.watch.state != "live" {
        line.push_str(&format!(", watch {}", said::name(&row.watch.state)));
    }
    line
}

fn one(overview: &Overview) -> Answer {
    let counts = overview.artifact_counts;
    let mut text = format!(
        "{} [{}] is {}{} ({}), mission {}\n",
        said::name(&overview.feature_slug),
        said::key(&overview.feature_id),
        said::name(&overview.completeness_status),
        missing::at(overview),
        said::name(&overview.step_source),
        overview.mission_type.as_deref().map_or("unknown".to_owned(), said::name)
    );
    text.push_str(&format!(
        "required: {} of {} present; optional: {} of {} present; unrecognised: {}; ignored: {}\n",
        counts.required_present,
        counts.required,
        counts.optional_present,
        counts.optional,
        overview.unrecognised,
        overview.ignored
    ));
    if overview.step_status != overview.completeness_status {
        text.push_str(&format!("this step alone: {}\n", said::name(&overview.step_status)));
    }
    let mut rows = Rows::new();
    for entry in overview.missing.iter().take(MISSING) {
        if !rows.push(&missing::line(entry), missing::Entry::new(entry)) {
            break;
        }
    }
    if !overview.missing.is_empty() {
        text.push_str("missing:\n");
        text.push_str(&rows.text);
    }
    if let Some(more) = overview.missing.len().checked_sub(rows.len()).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more; the tool missing lists them\n"));
    }
    text.push_str(&parity(overview));
    text.push_str(&anomalies(overview));
    if overview.watch.state != "live" {
        let why = overview.watch.reason.as_deref().map(said::sentence).unwrap_or_default();
        text.push_str(&format!("watch: {} {why}\n", said::name(&overview.watch.state)));
    }
    if let Some(failing) = &overview.store.failing {
        text.push_str(&format!("its log cannot be written: {}\n", said::sentence(failing)));
    }
    let feature = Some(Full::new(overview, rows.items));
    Answer::new(text, &Document { total: 1, features: Vec::new(), next_skip: None, feature })
}

impl Full {
    fn new(overview: &Overview, missing: Vec<missing::Entry>) -> Self {
        let counts = overview.artifact_counts;
        Self {
            id: overview.feature_id.clone(),
            slug: said::value(&overview.feature_slug),
            mission_type: overview.mission_type.as_deref().map(said::value),
            current_step: overview.current_step.as_deref().map(said::value),
            step_source: overview.step_source.clone(),
            completeness_status: overview.completeness_status.clone(),
            step_status: overview.step_status.clone(),
            artifacts: counts.total,
            required: counts.required,
            required_present: counts.required_present,
            missing_required_count: overview.missing_required_count,
            missing,
            parity_status: overview.parity_status.clone(),
            drift_severity: overview.drift.severity.clone(),
            parity_hash_sha256: overview.parity_hash_sha256.clone(),
            watch: overview.watch.state.clone(),
            last_scanned_at: overview.last_scanned_at.clone(),
        }
    }
}

fn parity(overview: &Overview) -> String {
    let drift = &overview.drift;
    let mut text = format!("baseline: {}", said::name(&overview.parity_status.replace('_', "-")));
    if let Some(severity) = &drift.severity {
        text.push_str(&format!(" ({})", said::name(severity)));
    }
    if let Some(counts) = counts(drift) {
        text.push_str(&format!(": {counts}; the tool drift names them"));
    } else if let Some(message) = &drift.message {
        text.push_str(&format!(", {}", said::sentence(message)));
    }
    if let Some(baseline) = &overview.baseline {
        text.push_str(&format!("; captured {}", said::name(&baseline.captured_at)));
    }
    text.push('\n');
    text
}

fn counts(drift: &DriftSummary) -> Option<String> {
    let counts = [
        (drift.removed, "removed"),
        (drift.changed, "changed"),
        (drift.added, "added"),
        (drift.moved, "moved"),
    ];
    let words = counts.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = words.map(|(count, word)| format!("{count} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn anomalies(overview: &Overview) -> String {
    // What is missing was said.
    let others = overview.anomalies.iter().filter(|anomaly| anomaly.code != "missing-required");
    let mut text = String::new();
    for anomaly in others.clone().take(ANOMALIES) {
        let path = anomaly.relative_path.as_deref().map(said::name).unwrap_or_default();
        text.push_str(&format!(
            "{} {path} ({}): {}\n",
            said::name(&anomaly.severity),
            said::name(&anomaly.code),
            said::sentence(&anomaly.message)
        ));
    }
    match others.count().saturating_sub(ANOMALIES) {
        0 => text,
        more => text + &format!("and {more} more anomalies; `dossierd status` shows them\n"),
    }
}
