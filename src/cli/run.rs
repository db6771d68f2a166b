//! `dossierd run`: the daemon in the foreground.

use std::path::PathBuf;

use super::args::RunArgs;
use super::error::ErrorKind;
use super::log::{self, Log};
use super::signals::{Signal, Signals};
use super::{CliError, Context, Verdict, settings};
use crate::daemon::config::{ConfigError, ConfigSource};
use crate::daemon::{Ending, StartError};
use crate::host::{Host, HostConfig, HostError, ServerError, Started};
use crate::platform::access::{forbid_core_dumps, restrict_new_files};
use crate::platform::memory;
use crate::platform::supervisor::Supervisor;
use crate::store::{LockError, StoreError, with_causes};

pub(super) fn run(args: RunArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let supervisor = prepare_process()?;
    let mut signals = Signals::of_daemon()?;
    // First of all: from then on what goes wrong is told in a file that has a bound.
    let log_file = args.log_file.as_deref().map(log::open).transpose()?;
    let source = settings::source(&args.listen)?;
    let log = log::start(&source, args.listen.log_json, log_file)?;
    let mut host = start(source, context.socket.clone(), supervisor).map_err(explain)?;
    if start_up(&mut host, &mut signals, &log) == Started::Ready {
        announce(&host, args.json, context)?;
        serve(&mut host, &mut signals, &log);
    }
    end(host)
}

/// Until first scans are done. What is served meanwhile is open or closed as configured, so a
/// reload does not wait for them.
pub(super) fn start_up(host: &mut Host, signals: &mut Signals, log: &Log) -> Started {
    loop {
        let mut heard = Signal::Stop;
        let started = host.wait_until_ready(async { heard = signals.next().await });
        match (started, heard) {
            (Started::Stopped, Signal::Reload) => reload(host, log),
            _ => return started,
        }
    }
}

/// Runs until it is asked to stop, or something has ended by itself.
fn serve(host: &mut Host, signals: &mut Signals, log: &Log) {
    loop {
        let mut heard = Signal::Stop;
        let goes_on = host.run_until(async { heard = signals.next().await });
        match heard {
            Signal::Reload if goes_on => reload(host, log),
            _ => return,
        }
    }
}

/// Everything that a reload is, from its first to its last moment.
pub(super) fn reload(host: &mut Host, log: &Log) {
    // Before it is ready there is nothing that a manager could be told to be so again.
    let is_told = host.is_ready();
    if is_told {
        host.manager().reloading();
    }
    // What went wrong has been logged, and health shows it.
    if let Ok(reloaded) = host.reload()
        && let Err(error) = log.set(&reloaded.log)
    {
        let error = with_causes(&error);
        tracing::error!(%error, "the log goes on with its former filter");
    }
    if is_told {
        host.manager().ready();
    }
}

/// What a process that becomes the daemon does first, before it has threads.
pub(super) fn prepare_process() -> Result<Supervisor, CliError> {
    memory::configure();
    restrict_new_files();
    forbid_core_dumps();
    Supervisor::of_this_process().map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let refused = CliError::new(ErrorKind::Io, error.to_string())
            .hint("correct the unit that starts dossierd, or start it without");
        match source {
            Some(source) => refused.because(source),
            None => refused,
        }
    })
}

/// Starts the daemon with its listeners.
pub(super) fn start(
    source: ConfigSource,
    socket: Option<PathBuf>,
    supervisor: Supervisor,
) -> Result<Host, HostError> {
    let home = std::env::var_os("DOSSIERD_HOME").map(PathBuf::from);
    let made = supervisor.directories.clone();
    let home = crate::store::Home::of_service(home, made).map_err(StartError::Home)?;
    let config = HostConfig {
        source,
        // Clients may have another current directory; a path that cannot be made absolute
        // is refused with a reason when it is bound.
        socket: socket.map(|path| std::path::absolute(&path).unwrap_or(path)),
        supervisor,
    };
    Host::start(&home, config)
}

/// Says that everything is ready: one JSON line on stdout, or text on stderr.
pub(super) fn announce(host: &Host, json: bool, context: &mut Context) -> Result<(), CliError> {
    for warning in host.warnings() {
        context.output.warning(warning);
    }
    let socket = host.socket().map(|path| path.display().to_string());
    if json {
        let http = host.http();
        context.output.json(&ready_line(http.as_deref(), socket.as_deref()))
    } else {
        let socket = socket.map(|path| format!("socket {path}"));
        let listeners: Vec<String> = host.http().into_iter().chain(socket).collect();
        context.output.note(format!("ready: {}", listeners.join(", ")));
        Ok(())
    }
}

/// What programs wait for.
pub(super) fn ready_line(http: Option<&str>, socket: Option<&str>) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Ready<'a> {
        ready: bool,
        http: Option<&'a str>,
        socket: Option<&'a str>,
    }
    serde_json::to_vec(&Ready { ready: true, http, socket })
        .expect("strings and booleans always serialise")
}

/// Stops, and says how that went.
pub(super) fn end(host: Host) -> Result<Verdict, CliError> {
    match host.stop() {
        Ending::Stopped => Ok(Verdict::Fine),
        Ending::Failed(message) => {
            let message = format!("the daemon has failed: {message}");
            Err(CliError::new(ErrorKind::Io, message)
                .hint("start it again; nothing that was announced is lost"))
        }
    }
}

/// What to do when the daemon cannot start.
pub(super) fn explain(error: HostError) -> CliError {
    let mut cli = CliError::new(ErrorKind::Io, error.to_string());
    if let Some(hint) = hint(&error) {
        cli = cli.hint(hint);
    }
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if !causes.is_empty() {
        cli = cli.because(causes.join(": "));
    }
    cli
}

/// Does the error itself say what to do with its file?
fn says_what_to_do(error: &StoreError) -> bool {
    !matches!(error, StoreError::Io { .. })
}

/// What to do, where the error does not say it itself.
fn hint(error: &HostError) -> Option<&'static str> {
    match error {
        HostError::Start(StartError::Locked(LockError::Held { .. })) => {
            Some("stop the other one, or give this one a home of its own with DOSSIERD_HOME=DIR")
        }
        HostError::Start(StartError::Config(ConfigError::Missing { .. }))
        | HostError::Config(ConfigError::Missing { .. }) => {
            Some("name one that exists, or leave --config out to use the default one")
        }
        HostError::Start(StartError::Config(ConfigError::Invalid { .. }))
        | HostError::Config(ConfigError::Invalid { .. }) => Some(
            "correct the file, and look at it with `dossierd config check`, or remove it to use the defaults",
        ),
        // They say which directory, and what to do with it.
        HostError::Start(StartError::Home(_)) => None,
        HostError::Start(
            StartError::Store(error) | StartError::Config(ConfigError::Read(error)),
        )
        | HostError::Config(ConfigError::Read(error))
            if says_what_to_do(error) =>
        {
            error.hint()
        }
        HostError::Server(error) => match error {
            ServerError::SocketPathTooLong { .. }
            | ServerError::SocketDirectory { .. }
            | ServerError::SocketPlanted { .. }
            | ServerError::SocketInUse(_) => {
                Some("choose another socket path with --socket PATH, for this and all commands")
            }
            ServerError::Passed { .. } => {
                Some("correct the unit of the socket, and start it again")
            }
            _ => None,
        },
        _ => Some("`dossierd doctor` looks at directories, modes and limits"),
    }
}
