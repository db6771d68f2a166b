//! What can be typed: all commands, flags and their help. No behaviour.
//!
//! One word per thing, as in the API: FEATURE is a slug, an id or a path; PATH is any path,
//! also one that is not UTF-8.

mod choice;
mod config;
mod core;
mod feature;
mod fleet;
mod local;
mod registry;
mod service;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use choice::{EventKind, ExportFormat, FailOn, ReportFormat};
pub use config::{ConfigArgs, ConfigCheckArgs, ConfigCommand, ConfigShowArgs};
pub use core::{
    CheckArgs, CoreCommand, ExplainArgs, ListenArgs, MissionArgs, RunArgs, ScanArgs, VerifyArgs,
    WatchArgs,
};
pub use feature::{
    ArtifactsArgs, BaselineArgs, BaselineCommand, CaptureArgs, ClearArgs, DriftArgs, EventsArgs,
    ExportArgs, FeatureArg, FreshArg, ReindexArgs, ShowArgs, ShowBaselineArgs, StatusArgs,
    StepArgs, StepCommand, StepSetArgs, StepShowArgs, TailArgs,
};
pub use fleet::FleetArgs;
pub use local::{CompletionsArgs, ManArgs, McpArgs};
pub use registry::{
    AddArgs, DeadLettersArgs, DoctorArgs, ListArgs, OpenArgs, RemoveArgs, RetryArgs, SyncArg,
    SyncArgs, SyncCommand, TokenArgs, TopArgs,
};
pub use service::{
    InstallArgs, Manager, ManagerArg, PrintArgs, ServiceArgs, ServiceCommand, ServiceStatusArgs,
    UninstallArgs, VariantArgs,
};

const EXAMPLES: &str = "\
Examples:
  dossierd watch .                     start, register the project here, print what happens
  dossierd add ~/work/shop             register a project with the running daemon
  dossierd status                      all features, those that need attention first
  dossierd status 012-checkout         one feature in full
  dossierd top                         the same live, in the terminal
  dossierd check . --fail-on missing   for CI; needs no daemon

FEATURE is a slug, an id (see `dossierd list`), or a path to a feature directory. Left out, it
is the feature that the current directory lies in.

Exit codes: 0 fine; 1 incomplete or drifted (check, drift, verify); 2 error; 64 bad usage.
Results go to stdout, everything else, errors too, to stderr, with --json as without it.
DOSSIERD_HOME=DIR puts configuration, state and runtime files below one directory;
DOSSIERD_SOCKET=PATH stands in for --socket.
NO_COLOR or CLICOLOR=0 switches colour off.";

/// Keeps the dossier of every mission: which artifacts exist, what they hash to, what is
/// missing, what drifted
#[derive(Debug, Parser)]
#[command(name = "dossierd", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Flags of all commands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// The daemon's Unix socket [default: DOSSIERD_SOCKET, else dossierd.sock in
    /// the runtime directory]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub socket: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(help_heading = "Global options")]
    pub color: ColorChoice,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or CLICOLOR is 0
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--json` of commands that print one document.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct JsonArg {
    /// Print the daemon's JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What needs no running daemon.
    #[command(flatten)]
    Core(CoreCommand),
    /// Register a project or a feature directory
    Add(AddArgs),
    /// Unregister a project or a feature directory; its files stay
    Remove(RemoveArgs),
    /// List what is registered
    List(ListArgs),
    /// Show all features, or one in full
    Status(StatusArgs),
    /// Capture, show or clear the accepted baseline of a feature
    Baseline(BaselineArgs),
    /// Show how a feature differs from its baseline; exits 1 if it does
    Drift(DriftArgs),
    /// Watch all features live in the terminal, and each in full
    #[cfg(unix)]
    Top(TopArgs),
    /// Follow events as they happen
    Tail(TailArgs),
    /// Print the event log of a feature
    Events(EventsArgs),
    /// List the artifacts of a feature
    Artifacts(ArtifactsArgs),
    /// Print the text of one artifact
    Show(ShowArgs),
    /// Export a snapshot: JSON, sha256sum manifest or in-toto statement
    Export(ExportArgs),
    /// Scan a feature in full and write all its events again
    Reindex(ReindexArgs),
    /// Show, set or clear the current mission step of a feature
    Step(StepArgs),
    /// Look at or control the delivery of events to a back end
    Sync(SyncArgs),
    /// Show what each node of a team has, from a NATS broker that they publish to
    Fleet(FleetArgs),
    /// Open the dashboard in a browser
    Open(OpenArgs),
    /// Print the current token of the HTTP API
    Token(TokenArgs),
    /// Check the configuration, or show what is in force and where it comes from
    Config(ConfigArgs),
    /// Run the daemon as a service of this user: systemd or launchd
    Service(ServiceArgs),
    /// Check the daemon and its surroundings, and say what to do
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a directory
    Man(ManArgs),
    /// Serve what is known to a coding agent, over the Model Context Protocol on stdio
    Mcp(McpArgs),
}

#[cfg(test)]
mod tests;
