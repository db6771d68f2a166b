//! `dossierd completions`: completion scripts for shells.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::{CliError, Context, Verdict};

pub(super) fn run(args: CompletionsArgs, context: &mut Context) -> Result<Verdict, CliError> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dossierd", &mut script);
    context.output.bytes(&script)?;
    Ok(Verdict::Fine)
}
