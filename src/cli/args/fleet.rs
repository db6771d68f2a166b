//! Arguments of `fleet`.

use std::path::PathBuf;

use clap::Args;

/// `fleet`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd fleet --nats tls://nats.example.org:4222 --credentials-file ~/.nats/me.creds
  dossierd fleet --nats nats://127.0.0.1:4222 --json

Nodes publish with `sync: {nats: {url: …}}` in config.yaml. Exits 0 if all nodes agree on every
feature, 1 if some differ, 2 if the broker cannot be read.")]
pub struct FleetArgs {
    /// The broker; tls://, or nats:// to this machine
    #[arg(long, value_name = "URL")]
    pub nats: String,
    /// A file that holds a token; only its owner may have access
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file that holds a user's credentials, as nsc writes it
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}
