//! The daemon's configuration file, `config.yaml`. Missing means defaults; unknown keys are
//! errors that name their line.

mod limits;
mod sync;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::Deserialize;
use serde_yaml::{MessageFormatter as _, UserMessageFormatter};

use crate::dossier::yaml::printable;
use crate::store::{StoreError, document};
use crate::watch::BackendChoice;

pub use self::limits::Limits;
pub use self::sync::{BatchSize, Format, HttpUrl, Sync, TimeoutSeconds, Webhook};
#[cfg(feature = "nats")]
pub use self::sync::{Nats, NatsUrl};

/// More than any configuration needs.
const SIZE_LIMIT: u64 = 64 * 1024;

/// Where the API listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7717);

/// Whether TCP asks for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TcpAuth {
    /// Every request but the public ones.
    #[default]
    Token,
    /// None: every process on the machine can read everything. Loopback only.
    None,
}

/// How files are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// `auto`, `inotify` (Linux only) or `notify`.
    pub backend: BackendChoice,
}

/// What `config.yaml` can say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Loopback address and port of the API; port 0 picks one.
    pub listen: Option<SocketAddr>,
    /// Whether TCP asks for the token.
    pub tcp_auth: TcpAuth,
    /// More names that requests may use in `Host`.
    pub allowed_hosts: Vec<String>,
    /// Filter of the log on stderr, as in `RUST_LOG`: `info`, `dossierd=debug`.
    pub log: Option<String>,
    /// How files are watched.
    pub watch: Watch,
    /// What clients and projects may take.
    pub limits: Limits,
    /// Where events are delivered to.
    pub sync: Sync,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration cannot be read")]
    Read(#[from] StoreError),
    /// The file that was asked for does not exist.
    #[error("there is no configuration file {path}")]
    Missing {
        /// The file.
        path: String,
    },
    /// The file makes no sense.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, and at which line.
        message: String,
    },
}

impl Config {
    /// Reads the file; the defaults if there is none.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_if_there(path).map(Option::unwrap_or_default)
    }

    /// Reads a file that somebody named, which therefore has to be there.
    pub fn load_named(path: &Path) -> Result<Self, ConfigError> {
        let missing = || ConfigError::Missing { path: path.display().to_string() };
        Self::load_if_there(path)?.ok_or_else(missing)
    }

    fn load_if_there(path: &Path) -> Result<Option<Self>, ConfigError> {
        let Some(bytes) = document::read(path, SIZE_LIMIT)? else { return Ok(None) };
        let invalid =
            |message: String| ConfigError::Invalid { path: path.display().to_string(), message };
        let text = String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
        let mut config = Self::parse(&text).map_err(invalid)?;
        config.sync.files_from(path.parent().unwrap_or(Path::new("")));
        Ok(Some(config))
    }

    /// Parses the text of a configuration file.
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_yaml::from_str::<Option<Self>>(text).map(Option::unwrap_or_default).map_err(|error| {
            let line = error.location().map_or(1, |at| at.line().max(1));
            let message = UserMessageFormatter.format_message(error.without_snippet());
            format!("line {line}: {}", printable(&message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_comments_are_the_defaults() {
        for text in ["", "\n", "# nothing\n", "{}\n"] {
            assert_eq!(Config::parse(text), Ok(Config::default()), "{text:?}");
        }
    }

    #[test]
    fn known_keys_are_read() {
        let text = "listen: 127.0.0.1:0\ntcp_auth: none\nallowed_hosts: [box.test]\nlog: debug\n\
                    watch: {backend: notify}\n";
        let config = Config::parse(text).expect("parses");
        assert_eq!(config.listen, Some("127.0.0.1:0".parse().expect("an address")));
        assert_eq!(config.tcp_auth, TcpAuth::None);
        assert_eq!(config.allowed_hosts, ["box.test"]);
        assert_eq!(config.watch.backend, BackendChoice::Notify);
        for text in ["", "watch: {}\n", "watch:\n  backend: auto\n"] {
            let config = Config::parse(text).expect("parses");
            assert_eq!(config.watch.backend, BackendChoice::Auto, "{text:?}");
        }
    }

    #[test]
    fn a_back_end_that_is_not_to_be_had_is_refused_with_those_that_are() {
        let refused = |text| Config::parse(text).expect_err("refused");
        let error = refused("log: x\nwatch:\n  backend: polling\n");
        assert!(error.starts_with("line 3: "), "{error}");
        assert!(error.contains("use auto, inotify or notify"), "{error}");
        assert!(refused("watch:\n  backends: auto\n").starts_with("line 2: "));
        let inotify = Config::parse("watch: {backend: inotify}");
        match cfg!(target_os = "linux") {
            true => assert_eq!(inotify.expect("parses").watch.backend, BackendChoice::Inotify),
            false => assert!(inotify.expect_err("refused").contains("Linux only")),
        }
    }

    #[test]
    fn unknown_keys_and_broken_values_name_their_line() {
        for text in ["# one\nlissten: 1\n", "log: x\ntcp_auth: maybe\n", "a: 1\nlisten: here\n"] {
            let error = Config::parse(text).expect_err("refused");
            assert!(error.starts_with("line "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
