//! How a command can end: a verdict, or one application error.
//!
//! An error has a kind, a message (what, where, what to do), the chain of its sources, and
//! hints. [`exit_code`] is the only place that maps either to a number. Errors are always
//! text on stderr, also with `--json`: stdout then stays empty, so that what is on stdout
//! is a result, whole, or nothing. The two reports of `check` that only CI systems read say
//! the error too.

use std::error::Error;
use std::fmt;

/// Fine.
pub const EXIT_FINE: u8 = 0;
/// Incomplete or drifted.
pub const EXIT_FINDINGS: u8 = 1;
/// An error, with what to do.
pub const EXIT_ERROR: u8 = 2;
/// Bad usage (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// What a command that did its work found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to complain about.
    Fine,
    /// Something is incomplete, drifted or not sound, as the output says.
    Findings,
    /// What was asked for was printed, and it says that something does not work (`doctor`).
    Failing,
}

/// What sort of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was typed makes no sense.
    Usage,
    /// No daemon is running.
    NoDaemon,
    /// Something that is not our daemon answers.
    Untrusted,
    /// The daemon refused, with a problem document.
    Refused,
    /// The daemon's answer cannot be understood, or did not come.
    Protocol,
    /// What was named does not exist or is not unique.
    Input,
    /// The file system or another program refused.
    Io,
}

/// The exit code of a command's result.
pub fn exit_code(result: &Result<Verdict, CliError>) -> u8 {
    match result {
        Ok(Verdict::Fine) => EXIT_FINE,
        Ok(Verdict::Findings) => EXIT_FINDINGS,
        Ok(Verdict::Failing) => EXIT_ERROR,
        Err(error) => match error.kind {
            ErrorKind::Usage => EXIT_USAGE,
            ErrorKind::NoDaemon
            | ErrorKind::Untrusted
            | ErrorKind::Refused
            | ErrorKind::Protocol
            | ErrorKind::Input
            | ErrorKind::Io => EXIT_ERROR,
        },
    }
}

/// The application error.
#[derive(Debug)]
pub struct CliError {
    kind: ErrorKind,
    code: Option<String>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
}

impl CliError {
    /// An error without source or hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), source: None, hints: Vec::new() }
    }

    /// An error of the file system or another program, with what was tried.
    pub fn io(message: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, message).because(source)
    }

    /// The same error with what led to it.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with one more thing to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same error with the `code` of the problem document it came from.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The `code` of the problem document, if the daemon refused.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What to do, in order.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The texts of all sources, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_exit_code() {
        assert_eq!(exit_code(&Ok(Verdict::Fine)), 0);
        assert_eq!(exit_code(&Ok(Verdict::Findings)), 1);
        assert_eq!(exit_code(&Ok(Verdict::Failing)), 2);
        for (kind, code) in [
            (ErrorKind::Usage, 64),
            (ErrorKind::NoDaemon, 2),
            (ErrorKind::Untrusted, 2),
            (ErrorKind::Refused, 2),
            (ErrorKind::Protocol, 2),
            (ErrorKind::Input, 2),
            (ErrorKind::Io, 2),
        ] {
            assert_eq!(exit_code(&Err(CliError::new(kind, "x"))), code, "{kind:?}");
        }
    }

    #[test]
    fn the_chain_of_sources_is_kept_in_order() {
        let inner = CliError::io("cannot read /a", std::io::Error::other("disk on fire"));
        let error = CliError::new(ErrorKind::Io, "cannot export").because(inner).hint("try again");
        assert_eq!(error.to_string(), "cannot export");
        assert_eq!(error.causes(), ["cannot read /a", "disk on fire"]);
        assert_eq!(error.hints(), ["try again"]);
    }
}
