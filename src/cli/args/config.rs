//! Arguments of `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ListenArgs;

/// `config`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd config check
  dossierd config show --origin

docs/configuration.md of the project describes every key. A running daemon takes a changed file
when it gets SIGHUP; systemd sends it for `systemctl --user reload dossierd`.")]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What `config` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file, with everything that it refers to; exits 2 if it cannot be used
    Check(ConfigCheckArgs),
    /// Show the configuration in force with these flags: flag, environment, file, default
    Show(ConfigShowArgs),
}

/// `config check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd config check
  dossierd config check new.yaml && mv new.yaml ~/.config/dossierd/config.yaml")]
pub struct ConfigCheckArgs {
    /// The file [default: DOSSIERD_CONFIG, else config.yaml in the configuration directory]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `config show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd config show --origin
  DOSSIERD_LOG=debug dossierd config show --json --listen 127.0.0.1:0")]
pub struct ConfigShowArgs {
    /// Say of each value where it comes from
    #[arg(long)]
    pub origin: bool,
    /// Print one JSON document instead of text; it always has the origins
    #[arg(long)]
    pub json: bool,
    /// As `run` takes them.
    #[command(flatten)]
    pub listen: ListenArgs,
}
