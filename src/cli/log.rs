//! The log on stderr, or in a file: one event is one line, whatever is in it.
//!
//! What is logged names files and directories, whose names are hostile text. As JSON they
//! are escaped by its rules. As text each line is made harmless here, in the one place
//! through which all of them go, since no single log call can be trusted to remember.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::CliError;
use super::error::ErrorKind;
use super::render::escape;
use crate::daemon::config::{ConfigSource, DEFAULT_LOG, log_directives};
use crate::platform::stderr;
use crate::store::{LOG_FILE_LIMIT, LogFile};

/// The log that was started; its filter can be changed.
pub(super) struct Log {
    change: Box<dyn Fn(EnvFilter)>,
}

/// Opens a file for the log. Where stderr is a file that nothing bounds, it leads there, too.
pub(super) fn open(path: &Path) -> Result<LogFile, CliError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        CliError::new(ErrorKind::Io, format!("the log cannot be kept in {}", path.display()))
            .because(error)
            .hint("name a file in a directory of your own that exists: --log-file FILE")
    };
    // Whoever opens it again later may have another current directory.
    let absolute = std::path::absolute(path).map_err(|error| failed(error.into()))?;
    LogFile::open(&absolute, LOG_FILE_LIMIT, stderr::is_a_file())
        .map_err(|error| failed(error.into()))
}

/// Sends the log to this file, or to stderr, as JSON lines or as text.
pub(super) fn start(
    source: &ConfigSource,
    as_json: bool,
    file: Option<LogFile>,
) -> Result<Log, CliError> {
    let writer = match file {
        Some(file) => {
            let file = Arc::new(file);
            BoxMakeWriter::new(move || InFile(Arc::clone(&file)))
        }
        None => BoxMakeWriter::new(io::stderr),
    };
    // A file that cannot be used is an error a moment later, when the daemon starts; until
    // then what comes before the file holds.
    let given = || source.overrides.log.as_ref().map(|(filter, _)| filter.clone());
    let configured = source.load().map_or_else(|_| given(), |effective| effective.config.log);
    let filter = filter(configured.as_deref().unwrap_or(DEFAULT_LOG))?;
    // A log that cannot be written is no reason to end, and there is nowhere to say so.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    // A second subscriber in one process is refused; then the first one goes on.
    if as_json {
        let log = log.json().with_writer(writer).with_filter_reloading();
        let handle = log.reload_handle();
        let _ = log.try_init();
        Ok(Log { change: Box::new(move |filter| drop(handle.reload(filter))) })
    } else {
        let log = log.with_ansi(false).with_writer(Lines(writer)).with_filter_reloading();
        let handle = log.reload_handle();
        let _ = log.try_init();
        Ok(Log { change: Box::new(move |filter| drop(handle.reload(filter))) })
    }
}

impl Log {
    /// From now on logs what passes this filter.
    pub(super) fn set(&self, directives: &str) -> Result<(), CliError> {
        (self.change)(filter(directives)?);
        Ok(())
    }
}

fn filter(directives: &str) -> Result<EnvFilter, CliError> {
    // What the watcher's crate warns of is met by design, and would name absolute paths.
    let quiet = if directives.contains("notify") { "" } else { ",notify=error" };
    EnvFilter::try_new(format!("{}{quiet}", log_directives(directives))).map_err(|error| {
        CliError::new(ErrorKind::Usage, format!("{directives:?} is no log filter"))
            .because(error)
            .hint("use error, warn, info, debug or trace, or directives such as info,dossierd::watch=debug")
    })
}

/// Sends warnings and errors to stderr, for a command whose stdout belongs to another program.
#[cfg(feature = "mcp")]
pub(super) fn start_quietly() {
    // A second subscriber in one process is refused; then the first one goes on.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .log_internal_errors(false)
        .with_ansi(false)
        .with_writer(Lines(io::stderr))
        .try_init();
}

/// Where lines go; what is written at once is one event, and becomes one line.
struct Lines<M>(M);

/// Takes one event.
struct Line<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.0.make_writer())
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = escape::line(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Takes one event for a file.
struct InFile(Arc<LogFile>);

impl Write for InFile {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.append(event).map_err(io::Error::other)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_says() {
        let mut written = Vec::new();
        let mut line = Line(&mut written);
        line.write_all("at a\n<3>b\u{1b}[31m\u{202e}\n".as_bytes()).unwrap();
        line.write_all(b"plain\n").unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "at a\\u{a}<3>b\\u{1b}[31m\\u{202e}\nplain\n");
    }
}
