//! The command line: one file per command, each a function from its arguments and the
//! [`Context`] to a [`Verdict`].
//!
//! What a command prints goes through [`output::Output`], what it asks goes through
//! [`client::Client`], and how it ends is decided in [`error::exit_code`] alone.

pub mod args;
pub mod client;
pub mod context;
pub mod error;
pub mod output;
pub mod places;
pub mod problem;
pub mod render;
pub mod route;
pub mod select;
pub mod wire;

mod add;
mod agree;
mod artifacts;
mod baseline;
mod check;
mod completions;
mod config;
mod doctor;
mod drift;
mod events;
mod explain;
mod export;
mod fleet;
mod follow;
mod list;
mod log;
mod man;
mod mcp;
mod new_file;
mod open;
mod reindex;
mod remove;
mod run;
mod scan;
mod service;
mod settings;
mod show;
mod signals;
mod status;
mod step;
mod surveying;
mod sync;
mod tail;
mod token;
#[cfg(unix)]
mod top;
mod verify;
mod watch;

#[cfg(test)]
#[cfg(unix)]
mod fake_daemon;

use std::ffi::OsString;
use std::io::Write as _;

use clap::Parser;

use args::{Cli, Command, CoreCommand};
pub use context::Context;
pub use error::{CliError, Verdict};
use output::Output;

/// Runs the program with its arguments (the first is its name) and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            // It repeats the arguments, which scripts take from names of files.
            let text = error.render().to_string();
            let _ = std::io::stderr().write_all(render::escape::block(&text).as_bytes());
            return error::EXIT_USAGE;
        }
        Err(help) => {
            // A closed pipe is the reader's choice, and there is nobody left to tell.
            let _ = help.print();
            return error::EXIT_FINE;
        }
    };
    let output = Output::standard(cli.global.color);
    let socket = settings::socket(cli.global.socket);
    let mut context = Context::new(output, None);
    let result = socket.and_then(|(path, origin)| {
        (context.socket, context.socket_origin) = (path, origin);
        dispatch(cli.command, &mut context)
    });
    let result = result.and_then(|verdict| context.output.finish().map(|()| verdict));
    if let Err(error) = &result {
        context.output.error(error);
    }
    error::exit_code(&result)
}

/// Hands each command to its file.
fn dispatch(command: Command, context: &mut Context) -> Result<Verdict, CliError> {
    match command {
        Command::Core(CoreCommand::Run(args)) => run::run(args, context),
        Command::Core(CoreCommand::Watch(args)) => watch::run(args, context),
        Command::Core(CoreCommand::Scan(args)) => scan::run(args, context),
        Command::Core(CoreCommand::Check(args)) => check::run(args, context),
        Command::Core(CoreCommand::Verify(args)) => verify::run(args, context),
        Command::Core(CoreCommand::Explain(args)) => explain::run(args, context),
        Command::Add(args) => add::run(args, context),
        Command::Remove(args) => remove::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Baseline(args) => baseline::run(args, context),
        Command::Drift(args) => drift::run(args, context),
        #[cfg(unix)]
        Command::Top(args) => top::run(args, context),
        Command::Tail(args) => tail::run(args, context),
        Command::Events(args) => events::run(args, context),
        Command::Artifacts(args) => artifacts::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Export(args) => export::run(args, context),
        Command::Reindex(args) => reindex::run(args, context),
        Command::Step(args) => step::run(args, context),
        Command::Sync(args) => sync::run(args, context),
        Command::Fleet(args) => fleet::run(args, context),
        Command::Open(args) => open::run(args, context),
        Command::Token(args) => token::run(args, context),
        Command::Config(args) => config::run(args, context),
        Command::Service(args) => service::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => man::run(args, context),
        Command::Mcp(args) => mcp::run(args, context),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
