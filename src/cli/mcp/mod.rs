//! `dossierd mcp`: the read API as a server of the Model Context Protocol, over stdio.
//!
//! It is a client of the running daemon like all other commands, and holds no state: each call
//! asks anew, so a daemon that is started, stopped or replaced in between is no matter. stdout
//! belongs to the protocol alone; the log goes to stderr. It ends when stdin closes, or on a
//! signal.
//!
//! What a model reads is not what a person reads, so answers are made here and not in
//! `render`: short, bounded ([`answer`]), and with every name that files gave set apart from
//! our own words ([`said`]).

#[cfg(feature = "mcp")]
mod answer;
#[cfg(feature = "mcp")]
mod artifact_text;
#[cfg(feature = "mcp")]
mod artifacts;
#[cfg(feature = "mcp")]
mod daemon;
#[cfg(feature = "mcp")]
mod drift;
#[cfg(feature = "mcp")]
mod events;
#[cfg(feature = "mcp")]
mod missing;
#[cfg(feature = "mcp")]
mod overview;
#[cfg(feature = "mcp")]
mod said;
#[cfg(feature = "mcp")]
mod server;

use super::args::McpArgs;
#[cfg(not(feature = "mcp"))]
use super::error::ErrorKind;
use super::{CliError, Context, Verdict};

#[cfg(not(feature = "mcp"))]
pub(super) fn run(_: McpArgs, _: &mut Context) -> Result<Verdict, CliError> {
    let message = "this dossierd was built without the Model Context Protocol".to_owned();
    Err(CliError::new(ErrorKind::Usage, message).hint("install one with `--features mcp`"))
}

#[cfg(feature = "mcp")]
pub(super) fn run(_: McpArgs, context: &mut Context) -> Result<Verdict, CliError> {
    super::log::start_quietly();
    let daemon = daemon::Daemon::new(context.socket_path()?);
    let mut signals = super::signals::Signals::of_command()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| CliError::io("cannot set up input and output", error))?;
    let ended = runtime.block_on(server::serve(daemon, async move { signals.stop().await }));
    // A read of stdin that waits cannot be called back; the process does not wait for it.
    runtime.shutdown_background();
    ended.map(|()| Verdict::Fine)
}
