//! What is in force: flags over environment over file over default, and where each value
//! comes from. `run`, a reload and `dossierd config show` all go through [`ConfigSource`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Problem};
use crate::watch::BackendChoice;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
    },
    /// This environment variable.
    Variable(&'static str),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What comes before the file: a flag, or where there is none an environment variable.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Where the API listens.
    pub listen: Option<(SocketAddr, Origin)>,
    /// Filter of the log.
    pub log: Option<(String, Origin)>,
    /// The source of file events.
    pub backend: Option<(BackendChoice, Origin)>,
    /// More names for `Host`, besides those of the file.
    pub allowed_hosts: Vec<String>,
}

/// A configuration file, and what comes before it.
#[derive(Debug, Clone, Default)]
pub struct ConfigSource {
    /// The file.
    pub file: PathBuf,
    /// Did somebody name it, so that it has to be there?
    pub is_named: bool,
    /// What comes before it.
    pub overrides: Overrides,
}

/// A configuration, and where each of its values comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The values.
    pub config: Config,
    /// Is there a file at all?
    pub file_is_there: bool,
    origins: BTreeMap<&'static str, Vec<Origin>>,
}

impl Effective {
    /// Where the value of this key comes from; several places for a list that they make up.
    pub fn origins(&self, key: &str) -> &[Origin] {
        self.origins.get(key).map_or(&[Origin::Default], Vec::as_slice)
    }

    /// The line of the file that says this; none if the file does not.
    pub fn line(&self, key: &str) -> Option<u64> {
        self.origins(key).iter().find_map(|origin| match origin {
            Origin::File { line, .. } => Some(*line),
            _ => None,
        })
    }
}

impl ConfigSource {
    /// This file, and nothing before it.
    pub fn of_file(file: &Path) -> Self {
        Self { file: file.to_path_buf(), ..Self::default() }
    }

    /// Reads the file, and puts what comes before it above.
    pub fn load(&self) -> Result<Effective, ConfigError> {
        let (effective, problems) = self.examine()?;
        match problems.is_empty() {
            true => Ok(effective),
            false => Err(ConfigError::invalid(&self.file, problems)),
        }
    }

    /// The same, with all that is wrong with the file beside what it says besides: for who
    /// has more to find out about it. The error is that nothing of it can be read.
    pub fn examine(&self) -> Result<(Effective, Vec<Problem>), ConfigError> {
        let reading = super::load(&self.file)?;
        if reading.is_none() && self.is_named {
            return Err(ConfigError::Missing { path: self.file.display().to_string() });
        }
        let file_is_there = reading.is_some();
        let (reading, problems) = reading.unwrap_or_default();
        let of_file = |line| vec![Origin::File { path: self.file.clone(), line }];
        let lines = reading.lines.into_iter();
        let mut origins: BTreeMap<_, _> = lines.map(|(key, line)| (key, of_file(line))).collect();
        let mut config = reading.config;
        let Overrides { listen, log, backend, allowed_hosts } = &self.overrides;
        if let Some((address, origin)) = listen {
            config.listen = Some(*address);
            origins.insert("listen", vec![origin.clone()]);
        }
        if let Some((filter, origin)) = log {
            config.log = Some(filter.clone());
            origins.insert("log", vec![origin.clone()]);
        }
        if let Some((choice, origin)) = backend {
            config.watch.backend = *choice;
            origins.insert("watch.backend", vec![origin.clone()]);
        }
        if !allowed_hosts.is_empty() {
            config.allowed_hosts.extend_from_slice(allowed_hosts);
            origins.entry("allowed_hosts").or_default().push(Origin::Flag("--allowed-host"));
        }
        Ok((Effective { config, file_is_there, origins }, problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_the_file_wins_and_each_value_says_where_it_is_from() {
        let tmp = tempfile::tempdir().expect("a directory");
        let file = tmp.path().join("config.yaml");
        let mut source = ConfigSource::of_file(&file);
        let defaults = source.load().expect("there need be none");
        assert_eq!(defaults.config, Config::default());
        assert_eq!(defaults.origins("log"), [Origin::Default]);
        source.is_named = true;
        assert!(matches!(source.load(), Err(ConfigError::Missing { .. })));

        let text = "log: debug\nallowed_hosts: [a.test]\nlisten: 127.0.0.1:1\n";
        std::fs::write(&file, text).expect("written");
        source.overrides.log = Some(("trace".to_owned(), Origin::Variable("DOSSIERD_LOG")));
        source.overrides.allowed_hosts = vec!["b.test".to_owned()];
        let found = source.load().expect("loads");
        assert_eq!(found.config.log.as_deref(), Some("trace"));
        assert_eq!(found.config.allowed_hosts, ["a.test", "b.test"]);
        let shown = |key| found.origins(key).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown("log"), ["DOSSIERD_LOG"]);
        assert_eq!(shown("listen"), [format!("{}:3", file.display())]);
        assert_eq!(shown("allowed_hosts")[1], "--allowed-host");
        assert_eq!(
            (found.line("listen"), found.line("log"), found.line("tcp_auth")),
            (Some(3), None, None)
        );
    }
}
