//! Every key that a configuration file can have, in one table: what it takes, which flag and
//! which variable come before it, when a change of it is applied, how it is read and shown.
//!
//! The parser, `dossierd config show` and the test of `docs/configuration.md` go by this
//! table, so that none of them can know a key that the others do not.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use super::limits::{Limits, UpTo};
use super::sync::{BatchSize, Format, HttpUrl, Nats, NatsUrl, TimeoutSeconds, Webhook};
use super::{Config, TcpAuth, log_filter, loopback};
use crate::dossier::yaml::Node;
use crate::watch::BackendChoice;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A number between these two.
    Number {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text, as described.
    Text(&'static str),
    /// The name of a file; from the directory of the configuration, unless absolute.
    File,
    /// A list of text, as described.
    List(&'static str),
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { least, most: u64::MAX } => write!(f, "{least} or more"),
            Self::Number { least, most } => write!(f, "{least} to {most}"),
            Self::OneOf(words) => f.write_str(&words.join(" or ")),
            Self::Text(what) => f.write_str(what),
            Self::File => f.write_str("a file"),
            Self::List(what) => write!(f, "a list of {what}"),
        }
    }
}

/// When a changed value is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// When the daemon reloads its configuration.
    AtReload,
    /// When the daemon is started the next time.
    AtStart,
}

/// One key.
pub struct Key {
    /// With the sections it is in, such as `limits.streams`.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The flag of `run` that comes first.
    pub flag: Option<&'static str>,
    /// The environment variable that comes before the file.
    pub variable: Option<&'static str>,
    /// When a change is applied.
    pub applies: Applies,
    /// Puts what the file says into a configuration that has all its sections; or says why not.
    pub(super) set: fn(&mut Config, &Node) -> Result<(), String>,
    /// What a configuration says, for people: no secret. Null where it says nothing.
    get: fn(&Config) -> Value,
}

impl Key {
    /// The value in this configuration, without anything secret; null where there is none.
    pub fn value(&self, config: &Config) -> Value {
        (self.get)(config)
    }

    /// The value where nobody says anything; null where there is none.
    pub fn default_value(&self) -> Value {
        let mut config = Config::default();
        config.sync.webhook = Some(Webhook::to(HttpUrl::this_machine()));
        config.sync.nats = Some(Nats::to(NatsUrl::this_machine()));
        if self.is_required() { Value::Null } else { self.value(&config) }
    }

    /// Must its section have it?
    pub fn is_required(&self) -> bool {
        matches!(self.name, "sync.webhook.url" | "sync.nats.url")
    }

    /// The section it is in, if any.
    pub fn section(&self) -> Option<&'static str> {
        self.name.rsplit_once('.').map(|(section, _)| section)
    }

    /// Its name in its section.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    const fn at_start(self) -> Self {
        Self { applies: Applies::AtStart, ..self }
    }

    const fn or(self, flag: Option<&'static str>, variable: Option<&'static str>) -> Self {
        Self { flag, variable, ..self }
    }
}

const fn key(
    name: &'static str,
    takes: Takes,
    set: fn(&mut Config, &Node) -> Result<(), String>,
    get: fn(&Config) -> Value,
) -> Key {
    Key { name, takes, flag: None, variable: None, applies: Applies::AtReload, set, get }
}

/// What the type of a limit says.
const fn bounds<const LEAST: u64, const MOST: u64>(
    _: fn(&mut Limits) -> &mut UpTo<LEAST, MOST>,
) -> Takes {
    Takes::Number { least: LEAST, most: MOST }
}

macro_rules! limit {
    ($field:ident) => {
        key(
            concat!("limits.", stringify!($field)),
            bounds(|limits| &mut limits.$field),
            |config, node| put(&mut config.limits.$field, number(node)),
            |config| config.limits.$field.get().into(),
        )
    };
}

macro_rules! webhook {
    ($field:ident, $takes:expr, $read:expr, $show:expr) => {
        key(
            concat!("sync.webhook.", stringify!($field)),
            $takes,
            |config, node| match &mut config.sync.webhook {
                Some(webhook) => put(&mut webhook.$field, $read(node)),
                None => Err("the section is missing".to_owned()),
            },
            |config| config.sync.webhook.as_ref().map_or(Value::Null, |of| $show(&of.$field)),
        )
    };
}

macro_rules! nats {
    ($field:ident, $takes:expr, $read:expr, $show:expr) => {
        key(
            concat!("sync.nats.", stringify!($field)),
            $takes,
            |config, node| match &mut config.sync.nats {
                Some(nats) => put(&mut nats.$field, $read(node)),
                None => Err("the section is missing".to_owned()),
            },
            |config| config.sync.nats.as_ref().map_or(Value::Null, |of| $show(&of.$field)),
        )
    };
}

const BATCH: Takes = Takes::Number { least: 1, most: BatchSize::MAX as u64 };

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key(
        "listen",
        Takes::Text("ADDRESS:PORT on loopback"),
        |config, node| put(&mut config.listen, loopback(text(node)?).map(Some)),
        |config| config.listen.unwrap_or(super::DEFAULT_LISTEN).to_string().into(),
    )
    .or(Some("--listen"), Some("DOSSIERD_LISTEN"))
    .at_start(),
    key(
        "tcp_auth",
        Takes::OneOf(&["token", "none"]),
        |config, node| put(&mut config.tcp_auth, TcpAuth::of(text(node)?)),
        |config| config.tcp_auth.as_str().into(),
    ),
    key(
        "allowed_hosts",
        Takes::List("NAME or NAME:PORT"),
        |config, node| put(&mut config.allowed_hosts, names(node)),
        |config| config.allowed_hosts.clone().into(),
    )
    .or(Some("--allowed-host"), None),
    key(
        "log",
        Takes::Text("a level, or a filter"),
        |config, node| put(&mut config.log, log_filter(text(node)?).map(Some)),
        |config| config.log.as_deref().unwrap_or(super::DEFAULT_LOG).into(),
    )
    .or(Some("--log"), Some("DOSSIERD_LOG")),
    key(
        "watch.backend",
        Takes::OneOf(&["auto", "inotify", "notify"]),
        |config, node| {
            put(&mut config.watch.backend, BackendChoice::try_from(text(node)?.to_owned()))
        },
        |config| config.watch.backend.as_str().into(),
    )
    .or(None, Some("DOSSIERD_WATCH_BACKEND"))
    .at_start(),
    limit!(connections),
    limit!(streams),
    limit!(local_connections),
    limit!(local_streams),
    limit!(header_bytes),
    limit!(header_count),
    limit!(uri_bytes),
    limit!(body_bytes),
    limit!(header_seconds),
    limit!(body_seconds),
    limit!(handler_seconds),
    limit!(write_stall_seconds),
    limit!(sessions),
    limit!(text_bytes),
    limit!(roots).at_start(),
    limit!(artifacts).at_start(),
    limit!(path_depth).at_start(),
    limit!(name_bytes).at_start(),
    webhook!(url, Takes::Text("an address"), address::<HttpUrl>, HttpUrl::shown),
    webhook!(token_file, Takes::File, file, shown_file),
    webhook!(batch_size, BATCH, batch, |size: &BatchSize| size.get().into()),
    webhook!(ca_file, Takes::File, file, shown_file),
    webhook!(format, Takes::OneOf(&["native", "cloudevents"]), format, |format: &Format| format
        .as_str()
        .into()),
    webhook!(signing_secret_file, Takes::File, file, shown_file),
    webhook!(
        timeout_seconds,
        Takes::Number { least: 1, most: TimeoutSeconds::MAX },
        number::<TimeoutSeconds>,
        |seconds: &TimeoutSeconds| seconds.get().as_secs().into()
    ),
    nats!(url, Takes::Text("an address"), address::<NatsUrl>, NatsUrl::shown),
    nats!(token_file, Takes::File, file, shown_file),
    nats!(credentials_file, Takes::File, file, shown_file),
    nats!(ca_file, Takes::File, file, shown_file),
    nats!(batch_size, BATCH, batch, |size: &BatchSize| size.get().into()),
    key(
        "sync.keep_segments",
        Takes::Number { least: 0, most: u64::MAX },
        |config, node| put(&mut config.sync.keep_segments, whole(node).map(Some)),
        |config| config.sync.keep_segments.map_or(Value::Null, Value::from),
    ),
];

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn text(node: &Node) -> Result<&str, String> {
    node.as_text().ok_or_else(|| format!("text is wanted here, not {}", node.kind()))
}

fn whole(node: &Node) -> Result<u64, String> {
    let text = text(node)?;
    text.parse().map_err(|_| format!("a whole number is wanted here, not {text:?}"))
}

fn number<T: TryFrom<u64, Error = String>>(node: &Node) -> Result<T, String> {
    T::try_from(whole(node)?)
}

fn batch(node: &Node) -> Result<BatchSize, String> {
    BatchSize::try_from(usize::try_from(whole(node)?).unwrap_or(usize::MAX))
}

fn address<T: TryFrom<String, Error = String>>(node: &Node) -> Result<T, String> {
    T::try_from(text(node)?.to_owned())
}

fn format(node: &Node) -> Result<Format, String> {
    Format::of(text(node)?)
}

fn file(node: &Node) -> Result<Option<PathBuf>, String> {
    match text(node)? {
        "" => Err("a file is wanted here, and its name is empty".to_owned()),
        name => Ok(Some(PathBuf::from(name))),
    }
}

fn names(node: &Node) -> Result<Vec<String>, String> {
    let nodes = node.as_list().ok_or_else(|| format!("a list is wanted here, not {}", node.kind()));
    nodes?.iter().map(|node| text(node).map(str::to_owned)).collect()
}

fn shown_file(file: &Option<PathBuf>) -> Value {
    file.as_ref().map_or(Value::Null, |path| path.to_string_lossy().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_default_is_one_that_its_key_takes() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            let default = key.default_value();
            let is_taken = match key.takes {
                Takes::Number { least, most } => {
                    default.is_null()
                        || default.as_u64().is_some_and(|n| (least..=most).contains(&n))
                }
                Takes::OneOf(words) => default.as_str().is_some_and(|word| words.contains(&word)),
                Takes::File => default.is_null(),
                Takes::List(_) => default == Value::Array(Vec::new()),
                Takes::Text(_) => default.is_string() || key.is_required(),
            };
            assert!(is_taken, "{}: {default}", key.name);
        }
    }
}
