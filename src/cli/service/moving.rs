//! An install that would take the service to other places: a daemon with another DOSSIERD_HOME has
//! another socket and knows none of the projects that were registered, so a shell that merely lacks
//! the variable must not move it there.

use std::path::Path;

use super::carried::Carried;
use crate::cli::args::InstallArgs;
use crate::cli::error::{CliError, ErrorKind};

/// Refuses to take variables from the service that is installed, or to change them. One that has none
/// may get some: who sets them asks for that. `state_dir` is where it would then be.
pub(super) fn check(
    installed: &Carried,
    here: &Carried,
    state_dir: &Path,
    args: &InstallArgs,
) -> Result<(), CliError> {
    if installed.is_empty() || installed == here || args.force {
        return Ok(());
    }
    let here_told = match here.is_empty() {
        true => "nothing of that is set here".to_owned(),
        false => format!("{} is set here", here.told()),
    };
    let message = format!(
        "the installed service has {}, and {here_told}; it would start in other places, without what \
         is registered, so nothing was done",
        installed.told()
    );
    let keep = install_line(&installed.prefix(here), args);
    let change = install_line("", args);
    Err(CliError::new(ErrorKind::Input, message)
        .hint(format!("to leave it where it is: {keep}"))
        .hint(format!("to take it to {}: {change} --force", state_dir.display())))
}

/// The command with these arguments, as a person types it.
pub(super) fn install_line(prefix: &str, args: &InstallArgs) -> String {
    let mut line = format!("{prefix}dossierd service install");
    for (is_given, flag) in [
        (args.variant.socket_activated, " --socket-activated"),
        (args.variant.hardened, " --hardened"),
        (args.no_start, " --no-start"),
    ] {
        if is_given {
            line.push_str(flag);
        }
    }
    if let Some(manager) = args.manager.manager {
        line.push_str(" --manager ");
        line.push_str(manager.as_str());
    }
    line
}
