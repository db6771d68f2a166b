//! The daemon as the tools see it: one question after the other, and which feature is meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::said;
use crate::cli::CliError;
use crate::cli::client::ask;
use crate::cli::error::ErrorKind;
use crate::cli::route::Route;
use crate::cli::select;
use crate::cli::wire::{FeatureRow, Features};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Features that an error lists.
const CANDIDATES: usize = 10;

/// Which feature, and how fresh.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// Slug, id or path of a feature; left out: the one the server's directory lies in, else
    /// the only one
    #[serde(default)]
    pub(super) feature: Option<PathBuf>,
    /// true: the answer has every change made before this call; false: what is known now
    #[serde(default = "yes")]
    pub(super) fresh: bool,
}

/// An agent that has just written a file wants to see what came of it.
pub(super) fn yes() -> bool {
    true
}

/// The way to the daemon.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    socket: PathBuf,
}

impl Daemon {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks, and understands the answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, route: &Route) -> Result<T, CliError> {
        ask(&self.socket, route, LIMIT).await?.parse()
    }

    /// What is registered.
    pub(super) async fn features(&self, fresh: bool) -> Result<Features, CliError> {
        self.get(&Route::get("/api/features").flag("fresh", fresh)).await
    }

    /// The one feature that is meant. One that has only just been made is found too.
    pub(super) async fn feature(&self, target: &Target) -> Result<FeatureRow, CliError> {
        let typed = target.feature.as_deref();
        let known = self.features(false).await?;
        let found = find(typed, &known);
        if !target.fresh || matches!(found, Ok(Some(_))) {
            return found.and_then(|found| found.ok_or_else(|| unknown(typed)));
        }
        let known = match self.features(true).await {
            // What keeps the daemon from an answer is the feature that was asked for.
            Err(error) if error.code() == Some("stale-read") => {
                return Err(found.err().filter(is_starting).unwrap_or(error));
            }
            other => other?,
        };
        find(typed, &known).and_then(|found| found.ok_or_else(|| unknown(typed)))
    }

    /// A question about this feature.
    pub(super) fn about(&self, path: &str, feature: &FeatureRow, fresh: bool) -> Route {
        Route::get(path).with("feature", &feature.id).flag("fresh", fresh)
    }
}

/// The feature that was named; `None` if there is none of that name.
fn find(typed: Option<&Path>, known: &Features) -> Result<Option<FeatureRow>, CliError> {
    let id = match select::one_of(typed, known) {
        Err(error) if typed.is_none() && known.features.len() > 1 && !is_starting(&error) => {
            return Err(which(error, &known.features));
        }
        other => other?,
    };
    Ok(known.features.iter().find(|feature| feature.id == id).cloned())
}

/// Is what is meant still read for the first time?
fn is_starting(error: &CliError) -> bool {
    error.code() == Some(select::STARTING)
}

/// The same error with the features there are.
fn which(error: CliError, known: &[FeatureRow]) -> CliError {
    let mut error = CliError::new(ErrorKind::Input, error.to_string())
        .hint("name one with the argument feature:");
    for feature in known.iter().take(CANDIDATES) {
        error = error.hint(format!("{} ({})", said::name(&feature.slug), feature.id));
    }
    match known.len().saturating_sub(CANDIDATES) {
        0 => error,
        more => error
            .hint(format!("and {more} more; the tool overview without a feature lists them all")),
    }
}

fn unknown(typed: Option<&Path>) -> CliError {
    let name = typed.map(|typed| said::name(&typed.to_string_lossy())).unwrap_or_default();
    CliError::new(ErrorKind::Refused, format!("there is no feature {name}"))
        .with_code("feature-unknown")
}
