//! Arguments of the commands that are about one feature.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{EventKind, ExportFormat, JsonArg};
use crate::dossier::ArtifactClass;

/// Which feature.
#[derive(Debug, Clone, Default, Args)]
pub struct FeatureArg {
    /// Slug, id, or path of a feature [default: the one that the current directory lies in]
    #[arg(value_name = "FEATURE")]
    pub feature: Option<PathBuf>,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct FreshArg {
    /// Do not wait for changes that are not indexed yet; answer from memory at once
    #[arg(long)]
    pub cached: bool,
}

/// `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd status                all features, those that need attention first
  dossierd status .              the feature that the current directory lies in
  dossierd status 012-checkout --json")]
pub struct StatusArgs {
    /// Slug, id, or path of a feature; all features when left out
    #[arg(value_name = "FEATURE")]
    pub feature: Option<PathBuf>,
    /// Freshness.
    #[command(flatten)]
    pub fresh: FreshArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `baseline`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct BaselineArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: BaselineCommand,
}

/// What to do with a baseline.
#[derive(Debug, Clone, Subcommand)]
pub enum BaselineCommand {
    /// Accept the current state, whole or for some artifacts
    Capture(CaptureArgs),
    /// Show the baseline and whether it is accepted in the current context
    Show(ShowBaselineArgs),
    /// Forget the baseline of the current context
    Clear(ClearArgs),
}

/// `baseline capture`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd baseline capture 012-checkout --note \"reviewed by Ana\"
  dossierd baseline capture --path spec.md --path tasks/WP01-cart.md")]
pub struct CaptureArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Why it is accepted, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Accept this artifact only, by its path inside the feature; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<String>,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `baseline show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd baseline show
  dossierd baseline show 012-checkout --json")]
pub struct ShowBaselineArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `baseline clear`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd baseline clear 012-checkout")]
pub struct ClearArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `drift`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd drift
  dossierd drift 012-checkout --json
  dossierd drift . > /dev/null || echo \"it drifted\"

Exits 1 if the feature drifted, moved, or could not be compared; 0 if it is in sync, has no
baseline, or has one of another context.")]
pub struct DriftArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Freshness.
    #[command(flatten)]
    pub fresh: FreshArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `tail`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd tail                                all features, from now on
  dossierd tail 012-checkout --type drift,missing
  dossierd tail --since 01KAXYZ0000000000000000000 --json

It reconnects when the daemon restarts and goes on where it was; Ctrl-C ends it.")]
pub struct TailArgs {
    /// Slug, id, or path of a feature [default: the one that the current directory lies in,
    /// else all]
    #[arg(value_name = "FEATURE")]
    pub feature: Option<PathBuf>,
    /// All features, wherever the current directory lies
    #[arg(long, conflicts_with = "feature")]
    pub all: bool,
    /// Only these types, comma separated
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', ignore_case = true)]
    pub types: Vec<EventKind>,
    /// Begin after this event_id instead of now
    #[arg(long, value_name = "EVENT_ID")]
    pub since: Option<String>,
    /// Print each event as one JSON line
    #[arg(long)]
    pub json: bool,
}

/// `events`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd events 012-checkout
  dossierd events --type drift --limit 20 --json")]
pub struct EventsArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Only these types, comma separated
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', ignore_case = true)]
    pub types: Vec<EventKind>,
    /// Begin after this event_id instead of at the start of the log
    #[arg(long, value_name = "EVENT_ID")]
    pub since: Option<String>,
    /// At most this many events
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `artifacts`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd artifacts 012-checkout
  dossierd artifacts --missing
  dossierd artifacts --class evidence --wp WP03
  dossierd artifacts --search contract --json
  dossierd artifacts --ignored")]
pub struct ArtifactsArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Only this class
    #[arg(long, value_name = "CLASS", value_parser = class_names())]
    pub class: Option<String>,
    /// Only this work package, such as WP03
    #[arg(long = "wp", value_name = "WP_ID")]
    pub wp_id: Option<String>,
    /// Only this mission step
    #[arg(long = "step", value_name = "STEP")]
    pub step_id: Option<String>,
    /// Only those that the manifest requires
    #[arg(long)]
    pub required: bool,
    /// Only those that are missing or unreadable
    #[arg(long, conflicts_with = "present")]
    pub missing: bool,
    /// Only those that are present
    #[arg(long)]
    pub present: bool,
    /// Only those whose key or path contains this text, in any case
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// List what is not indexed, and which rule ignores it
    #[arg(long)]
    #[arg(conflicts_with_all = ["class", "wp_id", "step_id", "required", "missing", "present", "search"])]
    pub ignored: bool,
    /// Freshness.
    #[command(flatten)]
    pub fresh: FreshArg,
    /// Print one JSON document with all of them
    #[arg(long)]
    pub json: bool,
}

fn class_names() -> PossibleValuesParser {
    PossibleValuesParser::new(ArtifactClass::ALL.map(ArtifactClass::as_str))
}

/// `show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd show input.spec.main
  dossierd show input.spec.main 012-checkout --json
  dossierd show input.spec.main --raw > spec.md

On a terminal control characters are escaped; --raw prints the text exactly as it is.")]
pub struct ShowArgs {
    /// Key of the artifact; see `dossierd artifacts`
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Print the exact text, also on a terminal
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Freshness.
    #[command(flatten)]
    pub fresh: FreshArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd export 012-checkout > snapshot.json
  cd kitty-specs/012-checkout && dossierd export --format sha256sums | sha256sum -c
  dossierd export --format in-toto -o statement.json")]
pub struct ExportArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Form of the export
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub format: ExportFormat,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Freshness.
    #[command(flatten)]
    pub fresh: FreshArg,
}

/// `reindex`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd reindex 012-checkout
  dossierd reindex --scan-only                 scan in full, write what really changed")]
pub struct ReindexArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// Only write events for what changed, instead of all events again
    #[arg(long)]
    pub scan_only: bool,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `step`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct StepArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: StepCommand,
}

/// What to do with the current step.
#[derive(Debug, Clone, Subcommand)]
pub enum StepCommand {
    /// Show the current step and where it comes from
    Show(StepShowArgs),
    /// Set the current step; takes precedence over meta.json
    Set(StepSetArgs),
    /// Forget the step that was set; meta.json or the files decide again
    Clear(StepShowArgs),
}

/// `step show` and `step clear`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd step show 012-checkout
  dossierd step clear 012-checkout")]
pub struct StepShowArgs {
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `step set`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd step set implement
  dossierd step set review 012-checkout")]
pub struct StepSetArgs {
    /// A step of the feature's mission
    #[arg(value_name = "STEP")]
    pub step: String,
    /// Feature.
    #[command(flatten)]
    pub feature: FeatureArg,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}
