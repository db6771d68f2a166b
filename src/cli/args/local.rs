//! Arguments of the commands that need neither a daemon nor a project to start.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd completions bash > ~/.local/share/bash-completion/completions/dossierd
  dossierd completions zsh > ~/.zfunc/_dossierd
  dossierd completions fish > ~/.config/fish/completions/dossierd.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// `man`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd man | man -l -
  dossierd man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write dossierd.1 and one page for each command into this directory
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `mcp`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  {\"mcpServers\": {\"dossierd\": {\"command\": \"dossierd\", \"args\": [\"mcp\"]}}}

A coding agent starts it, and asks it over stdin and stdout. All tools only read: overview,
missing, drift, artifacts, artifact_text, events. It asks the running daemon at each call; where
none runs, the answer says how to start one. It ends when its stdin closes.")]
pub struct McpArgs {}
