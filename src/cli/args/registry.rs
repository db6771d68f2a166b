//! Arguments of the commands that are about the daemon and what is registered with it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{JsonArg, MissionArgs};

/// `add`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd add .
  dossierd add kitty-specs/012-checkout --mission-type software-dev --step plan

A project is registered with all directories of its kitty-specs, also those that appear later.")]
pub struct AddArgs {
    /// A project or feature directory
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Mission and step.
    #[command(flatten)]
    pub mission: MissionArgs,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `remove`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd remove .
  dossierd remove shop                 the project whose directory is named shop
  dossierd remove 3f2a9c01b7d4         by id; see `dossierd list`

No file is deleted: what was written stays where it is.")]
pub struct RemoveArgs {
    /// Name, path, or id of what was registered
    #[arg(value_name = "NAME|PATH|ID")]
    pub target: PathBuf,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `list`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd list
  dossierd list --json")]
pub struct ListArgs {
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `top`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd top
  dossierd top --filter checkout       only features that have this in name, step or status

Keys: j k arrows, Enter opens, Esc goes back, / filters, r rescans, ? shows all, q quits.
It needs a terminal; `dossierd status` prints the same once, `dossierd tail` what happens.")]
pub struct TopArgs {
    /// Show only features with this text in name, project, branch, step or status
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
}

/// `sync`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct SyncArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SyncCommand,
}

/// What to do with the delivery of events.
#[derive(Debug, Clone, Subcommand)]
pub enum SyncCommand {
    /// Show what is pending, delivered and rejected
    Status(SyncArg),
    /// Stop delivering; events are kept
    Pause(SyncArg),
    /// Deliver again
    Resume(SyncArg),
    /// Try to deliver everything now
    Flush(SyncArg),
    /// List the events that the back end refused, with its reasons
    DeadLetters(DeadLettersArgs),
    /// Send refused events again
    Retry(RetryArgs),
}

/// Arguments of all `sync` commands.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd sync status
  dossierd sync flush --json

Events are delivered only if `sync` is configured in config.yaml.")]
pub struct SyncArg {
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `sync dead-letters`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd sync dead-letters
  dossierd sync dead-letters --limit 1000 --json

With --json each of them holds the whole event.")]
pub struct DeadLettersArgs {
    /// List at most so many of each sink, the oldest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `sync retry`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd sync retry --all
  dossierd sync retry 01K8ZC3V5T0000000000000000

What is refused again stays a dead letter.")]
pub struct RetryArgs {
    /// Events to send again, by their ids in `sync dead-letters`
    #[arg(value_name = "EVENT_ID", required_unless_present = "all")]
    pub event_ids: Vec<String>,
    /// Send all of them again
    #[arg(long, conflicts_with = "event_ids")]
    pub all: bool,
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `open`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd open
  dossierd open --print-url            for a browser that cannot read the runtime directory

The address holds a code that works once and for 60 seconds.")]
pub struct OpenArgs {
    /// Print the address instead of opening it
    #[arg(long)]
    pub print_url: bool,
}

/// `token`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  printf 'Authorization: Bearer %s' \"$(dossierd token)\" | curl -H @- http://127.0.0.1:7717/api/features
  dossierd token --json                with the address of the API

The token opens everything that this user's daemon knows and changes at each start. Keep it
out of command lines and files that others can read.")]
pub struct TokenArgs {
    /// JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd doctor
  dossierd doctor --json

Exits 0 if nothing failed (warnings do not count), else 2.")]
pub struct DoctorArgs {
    /// Print the checks as one JSON document
    #[arg(long)]
    pub json: bool,
}
