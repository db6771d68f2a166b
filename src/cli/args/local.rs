//! Arguments of the commands that need neither a daemon nor a project.

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
