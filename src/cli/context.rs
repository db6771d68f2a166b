//! What every command gets: the way out, and the way to the daemon.

use std::path::PathBuf;

use super::client::Client;
use super::error::CliError;
use super::output::Output;
use super::places;
use crate::daemon::config::Origin;

/// Passed to every command.
pub struct Context {
    /// stdout and stderr.
    pub output: Output,
    /// `--socket` or `DOSSIERD_SOCKET`, if one was given.
    pub socket: Option<PathBuf>,
    /// Which of them it was.
    pub socket_origin: Origin,
}

impl Context {
    /// A context for one run of the program.
    pub fn new(output: Output, socket: Option<PathBuf>) -> Self {
        let socket_origin = socket.as_ref().map_or(Origin::Default, |_| Origin::Flag("--socket"));
        Self { output, socket, socket_origin }
    }

    /// The socket to speak to: `--socket`, else the one in the runtime directory, else the
    /// one of a daemon that the system runs for this user.
    pub fn socket_path(&self) -> Result<PathBuf, CliError> {
        match &self.socket {
            Some(path) => Ok(path.clone()),
            None => places::socket(),
        }
    }

    /// A client of the daemon. Nothing is connected yet.
    pub fn client(&self) -> Result<Client, CliError> {
        Client::new(self.socket_path()?)
    }
}
