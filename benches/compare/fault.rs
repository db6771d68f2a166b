//! Why something was not measured.

use std::fmt;
use std::path::Path;

/// A sentence for the table.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A peer or an input is not on this machine; the sentence says what to do.
    Missing(String),
    /// It was tried and went wrong.
    Failed(String),
}

/// What most functions here answer.
pub(crate) type Outcome<T> = Result<T, Fault>;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

/// Something went wrong, in these words.
pub(crate) fn failed<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Fault::Failed(text.into()))
}

/// Adds what was being done to an error that does not say it.
pub(crate) trait While<T> {
    /// `what: error`.
    fn during(self, what: &str) -> Outcome<T>;
    /// `what PATH: error`.
    fn at(self, what: &str, path: &Path) -> Outcome<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn during(self, what: &str) -> Outcome<T> {
        self.map_err(|error| Fault::Failed(format!("{what}: {error}")))
    }

    fn at(self, what: &str, path: &Path) -> Outcome<T> {
        self.map_err(|error| Fault::Failed(format!("{what} {}: {error}", path.display())))
    }
}
