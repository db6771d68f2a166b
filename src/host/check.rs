//! Does what a configuration refers to exist, and can it be used? Nothing is started for it.

use crate::daemon::config::{Config, ConfigError, ConfigSource, Effective, Problem};
use crate::server;
use crate::sync;

/// What a configuration refers to that cannot be used: the key, and what to do.
fn references(config: &Config) -> Vec<(&'static str, String)> {
    let mut problems = sync::check(&config.sync);
    if let Err(error) = server::check_hosts(&config.allowed_hosts) {
        problems.push(("allowed_hosts", error.to_string()));
    }
    problems
}

/// Loads a configuration, with everything that it refers to. The error has all that is wrong.
pub fn check(source: &ConfigSource) -> Result<Effective, ConfigError> {
    let effective = source.load()?;
    match refused(source, &effective) {
        Some(error) => Err(error),
        None => Ok(effective),
    }
}

/// Why a configuration that could be read cannot be used, by the lines that say so.
pub(super) fn refused(source: &ConfigSource, effective: &Effective) -> Option<ConfigError> {
    let problem = |(key, message)| Problem {
        line: effective.line(key),
        message: format!("{key}: {message}"),
    };
    let problems: Vec<Problem> = references(&effective.config).into_iter().map(problem).collect();
    (!problems.is_empty()).then(|| ConfigError::invalid(&source.file, problems))
}
