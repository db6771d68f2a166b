//! Does what a configuration refers to exist, and can it be used? Nothing is started for it.

use crate::daemon::config::{Config, ConfigError, ConfigSource, Effective, Problem};
use crate::server;
use crate::sync;

/// What a configuration refers to that cannot be used: the key, and what to do.
fn references(config: &Config) -> Vec<(&'static str, String)> {
    let mut problems = sync::check(&config.sync);
    let hosts = server::check_hosts(&config.allowed_hosts).into_iter();
    problems.extend(hosts.map(|error| ("allowed_hosts", error.to_string())));
    problems
}

/// Loads a configuration, with everything that it refers to. The error has all that is wrong.
pub fn check(source: &ConfigSource) -> Result<Effective, ConfigError> {
    let (effective, mut problems) = source.examine()?;
    // A mistake in the text hides none in what the rest of it refers to.
    problems.extend(unusable(&effective));
    problems.sort_by_key(|problem| problem.line.unwrap_or(u64::MAX));
    match problems.is_empty() {
        true => Ok(effective),
        false => Err(ConfigError::invalid(&source.file, problems)),
    }
}

/// Why a configuration that could be read cannot be used, by the lines that say so.
pub(super) fn refused(source: &ConfigSource, effective: &Effective) -> Option<ConfigError> {
    let problems = unusable(effective);
    (!problems.is_empty()).then(|| ConfigError::invalid(&source.file, problems))
}

fn unusable(effective: &Effective) -> Vec<Problem> {
    let problem = |(key, message)| Problem {
        line: effective.line(key),
        message: format!("{key}: {message}"),
    };
    references(&effective.config).into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("config.yaml");
        let text = "\
allowed_hosts: ['*', fine.test, 'a b']
sync:
  webhook:
    token_file: no-token
    url: gopher://x
    ca_file: no-ca
zz: 1
";
        std::fs::write(&file, text).unwrap();
        let Err(ConfigError::Invalid { problems, .. }) = check(&ConfigSource::of_file(&file))
        else {
            panic!("it cannot be used");
        };
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 1, 4, 5, 6, 7].map(Some), "{problems:?}");
        for (problem, words) in
            problems.iter().zip(["\"*\"", "\"a b\"", "no-token", "url", "no-ca", "zz"])
        {
            assert!(problem.message.contains(words), "{problem} should tell of {words}");
        }
    }
}
