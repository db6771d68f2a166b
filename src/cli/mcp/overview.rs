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
/// Features to come that the overview of all names.
const TO_COME: usize = 5;

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
    /// Of all features: false while the first scans since the daemon's start run, and what is
    /// told is not all there is
    ready: Option<bool>,
    /// Of all features: how many are read for the first time; nothing is known of them yet
    features_pending: Option<u64>,
    /// The first of their names
    pending: Vec<String>,
    /// How many features are known, shown or not
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
    /// live, or why this may be old: rescanning, partial, polling or detached
    watch: String,
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
    let to_come = to_come(all);
    let mut text = match total {
        0 if to_come.is_some() => "nothing is known yet\n".to_owned(),
        0 => "no feature is registered; `dossierd add PATH` registers a project\n".to_owned(),
        1 => format!("1 feature, {complete} complete\n"),
        _ => format!("{total} features, {complete} complete; those that need attention first\n"),
    };
    text.push_str(&to_come.unwrap_or_default());
    text.push_str(&rows.text);
    let next = skip.saturating_add(rows.len());
    let next_skip = (next < total).then_some(next);
    if let Some(next) = next_skip {
        text.push_str(&format!("and {} more; go on with skip={next}\n", total - next));
    }
    for warning in all.health.warnings.iter().chain(&all.health.watch_fault).take(3) {
        text.push_str(&format!("daemon: {}\n", said::sentence(warning)));
    }
    let pending = all.pending.iter().take(TO_COME).map(|row| said::value(&row.slug)).collect();
    let document = Document {
        ready: Some(all.health.ready),
        features_pending: Some(all.health.features_pending),
        pending,
        total,
        features: rows.items,
        next_skip,
        feature: None,
    };
    Answer::new(text, &document)
}

/// What is still read for the first time, as a line; `None` if that is nothing.
fn to_come(all: &Features) -> Option<String> {
    let count = all.health.features_pending;
    let names: Vec<String> =
        all.pending.iter().take(TO_COME).map(|row| said::name(&row.slug)).collect();
    let what = match (count, all.health.ready) {
        (0, true) => return None,
        (0, false) => "the daemon is starting".to_owned(),
        (1, _) => "1 feature to come".to_owned(),
        _ => format!("{count} features to come"),
    };
    let names = match names.is_empty() {
        true => String::new(),
        false => format!(": {}", names.join(", ")),
    };
    let more = match count.saturating_sub(TO_COME as u64) {
        more if more > 0 && !names.is_empty() => format!(" and {more} more"),
        _ => String::new(),
    };
    Some(format!("{what}{names}{more}; first scans are under way, call again later\n"))
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
            watch: said::value(&row.watch.state),
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
    text.push_str(&missing::watch(&overview.watch));
    if let Some(failing) = &overview.store.failing {
        text.push_str(&format!("its log cannot be written: {}\n", said::sentence(failing)));
    }
    let feature = Some(Full::new(overview, rows.items));
    let document = Document {
        ready: None,
        features_pending: None,
        pending: Vec::new(),
        total: 1,
        features: Vec::new(),
        next_skip: None,
        feature,
    };
    Answer::new(text, &document)
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
