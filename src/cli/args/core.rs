//! Arguments of the commands that work on the disk themselves: the daemon, one-shot
//! scans and checks.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{FailOn, ReportFormat};

/// The commands that need no running daemon because they do its work themselves.
#[derive(Debug, Subcommand)]
pub enum CoreCommand {
    /// Run the daemon in the foreground; what services start
    Run(RunArgs),
    /// Run the daemon, register PATH and print what happens
    Watch(WatchArgs),
    /// Scan once without a daemon; writes nothing unless told to
    Scan(ScanArgs),
    /// Check a project or feature without a daemon, for CI
    Check(CheckArgs),
    /// Verify event logs: rebuild every catalogue and recompute every snapshot hash
    Verify(VerifyArgs),
    /// Explain one file: which rule classed it, which manifest entry it meets, its hashes
    Explain(ExplainArgs),
}

/// How the daemon listens and what it reads.
#[derive(Debug, Clone, Default, Args)]
pub struct ListenArgs {
    /// Loopback address of the HTTP API; port 0 picks a free one [default: DOSSIERD_LISTEN,
    /// else the configuration's, else 127.0.0.1:7717]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::daemon::config::loopback)]
    pub listen: Option<SocketAddr>,
    /// Configuration file [default: DOSSIERD_CONFIG, else config.yaml in the configuration
    /// directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Accept this name in the Host header as well; may be given several times
    #[arg(long, value_name = "HOST")]
    pub allowed_host: Vec<String>,
    /// What to log: error, warn, info, debug, trace, off, or such levels for parts, as in
    /// `info,dossierd::watch=debug`; parts that are not named log their errors
    /// [default: DOSSIERD_LOG, else the configuration's, else info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Write the log as JSON lines
    #[arg(long)]
    pub log_json: bool,
}

/// `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd run
  dossierd run --listen 127.0.0.1:0 --json      first line on stdout: {\"ready\":true,\"http\":…}
  DOSSIERD_HOME=/tmp/second dossierd run --listen 127.0.0.1:0

It ends on SIGINT and SIGTERM, after what is known has been written, and on SIGHUP loads its
configuration again; `dossierd config check` tells before whether that will do.
DOSSIERD_CONFIG, DOSSIERD_LISTEN, DOSSIERD_LOG and DOSSIERD_SOCKET stand in for their flags.")]
pub struct RunArgs {
    /// How it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Write the log to this file instead of stderr, below 10 MB, with one former file of as much
    /// (FILE.1); stderr ends there, too, where it is a file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    /// Print one JSON line on stdout when it is ready
    #[arg(long)]
    pub json: bool,
}

/// `watch`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd watch
  dossierd watch ~/work/shop
  dossierd watch kitty-specs/012-checkout --step plan --json")]
pub struct WatchArgs {
    /// A project or feature directory
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Mission and step.
    #[command(flatten)]
    pub mission: MissionArgs,
    /// How it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Print JSON lines: one when it is ready, then one for each event
    #[arg(long)]
    pub json: bool,
}

/// What registration or a scan says of the mission.
#[derive(Debug, Clone, Default, Args)]
pub struct MissionArgs {
    /// Mission type where meta.json names none, such as software-dev
    #[arg(long, value_name = "TYPE")]
    pub mission_type: Option<String>,
    /// Current step; takes precedence over meta.json. For a single feature only
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
}

impl From<MissionArgs> for crate::daemon::OnceOptions {
    fn from(args: MissionArgs) -> Self {
        Self { mission_type: args.mission_type, step: args.step }
    }
}

/// `scan`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd scan .
  dossierd scan kitty-specs/012-checkout --json > snapshot.json
  dossierd scan . --write                       also write snapshot-latest.json and events")]
pub struct ScanArgs {
    /// A project or feature directory
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Write snapshot and events below .kittify/dossiers/, as the daemon does
    #[arg(long)]
    pub write: bool,
    /// Mission and step.
    #[command(flatten)]
    pub mission: MissionArgs,
    /// Print the snapshot as JSON; for a project {"schema_version":1,"features":[…]}
    #[arg(long)]
    pub json: bool,
}

/// `check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd check .
  dossierd check . --fail-on missing
  dossierd check kitty-specs/012-checkout --format json
  dossierd check . --format junit > dossier.xml
  dossierd check . --format github

Exits 0 if nothing fails, 1 if something does, 2 if it could not be checked.")]
pub struct CheckArgs {
    /// A project or feature directory
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// What makes it fail, comma separated
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_values = ["missing", "drift"])]
    pub fail_on: Vec<FailOn>,
    /// Form of the report on stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Mission and step.
    #[command(flatten)]
    pub mission: MissionArgs,
}

/// `verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd verify .kittify/dossiers/012-checkout/events.jsonl
  dossierd verify .kittify/dossiers             every feature's log below it
  dossierd verify --snapshot exported.json kitty-specs/012-checkout

With --snapshot (or a .json file before a directory) it says whether a snapshot (of `export` or `scan --json`) and a feature directory
agree, and names the paths that differ. The directory is scanned; no daemon is needed.

Exits 0 if every log is sound or snapshot and directory agree, 1 if not, 2 if something could not
be read or compared.")]
pub struct VerifyArgs {
    /// Event logs, or directories that hold them; with --snapshot the feature directory
    #[arg(value_name = "LOG|DIR", required = true)]
    pub logs: Vec<PathBuf>,
    /// Compare this snapshot with a feature directory
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd explain kitty-specs/012-checkout/tasks/WP01-cart.md
  dossierd explain spec.md --json")]
pub struct ExplainArgs {
    /// A file of a feature
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}
