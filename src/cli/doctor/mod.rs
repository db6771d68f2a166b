//! `dossierd doctor`: is the daemon well, and are its surroundings?
//!
//! Every check is one line: ok, warn or fail, and what to do. Nothing is changed. A check
//! that cannot be made is a warning that says why, never a silent pass; one that takes too
//! long is given up.

mod bounded;
mod clock;
mod configuration;
mod daemon;
mod delivery;
mod inotify;
mod leftovers;
mod locks;
mod places;
mod registry;
mod service;
mod space;
mod warnings;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use bounded::{PATIENCE, bounded};
use daemon::Answers;

use super::args::DoctorArgs;
use super::render::diagnosis::diagnosis;
use super::{CliError, Context, Verdict};
use crate::store::Home;

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// Something does not work.
    Fail,
}

impl CheckStatus {
    /// The word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub status: CheckStatus,
    /// What was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Ok, message: message.into(), hint: None }
    }

    /// Somebody should look.
    pub fn warn(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Warn, message: message.into(), hint: Some(hint.into()) }
    }

    /// Something does not work.
    pub fn fail(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Fail, message: message.into(), hint: Some(hint.into()) }
    }
}

pub(super) fn run(args: DoctorArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let mut checks = Vec::new();
    // A daemon of the system's service has its files elsewhere than one of the user's own.
    let places = super::places::of_daemon(context.socket.as_deref());
    match &places {
        Ok(at) => checks.extend(own_places(at.home.clone(), at.socket.clone())),
        Err(error) => checks.push(failure("directories", error)),
    }
    let service = places.as_ref().ok().and_then(|at| at.service.as_ref());
    let (of_daemon, answers) = daemon::daemon(context, service);
    checks.extend(of_daemon);
    checks.extend(configured(answers.as_ref()));
    if let Ok(at) = places {
        checks.extend(around(at.home, at.socket, answers));
    }
    checks.extend(bounded("inotify watches", PATIENCE, inotify::limits));
    checks.extend(service::service());
    let path = std::env::var_os("PATH");
    checks.extend(bounded("git", PATIENCE, move || vec![places::git(path.as_deref())]));

    if args.json {
        let document = json!({ "schema_version": 1, "checks": checks });
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&diagnosis(&checks))?;
    }
    let failing = checks.iter().any(|check| check.status == CheckStatus::Fail);
    Ok(if failing { Verdict::Failing } else { Verdict::Fine })
}

/// Who else could get at our files?
fn own_places(home: Home, socket: PathBuf) -> Vec<Check> {
    bounded("directories", PATIENCE, move || {
        let mut checks = places::directories(&home);
        checks.extend(locks::locks(&home));
        checks.push(places::socket(&socket));
        checks.push(places::token_file(&home.token_file()));
        checks.extend(places::sessions_file(&home.sessions_file()));
        checks
    })
}

/// The configuration, and what it says of the port.
fn configured(answers: Option<&Answers>) -> Vec<Check> {
    let served = answers.and_then(|answers| answers.status.http.clone());
    match configuration::source() {
        Err(error) => vec![failure("configuration file", &error)],
        Ok(source) => bounded("configuration file", PATIENCE, move || {
            let mut checks = vec![configuration::file(&source)];
            checks.extend(configuration::port(&source, served.as_deref()));
            checks
        }),
    }
}

/// What the daemon needs, and what others of its kind have left.
fn around(home: Home, socket: PathBuf, answers: Option<Answers>) -> Vec<Check> {
    let clock_file = home.clock_file();
    let features = answers.as_ref().map(|answers| answers.features.clone()).unwrap_or_default();
    let own = vec![home.state_dir().to_owned(), home.runtime_dir().to_owned()];
    let roots = features.roots.iter().filter_map(|root| Some(root.path.clone()?.0));
    let disks: Vec<PathBuf> = own.iter().cloned().chain(roots).collect();
    let mut checks = bounded("disk space", PATIENCE, move || space::disks(disks));
    checks.extend(bounded("writing", PATIENCE, move || space::writable(&own)));
    let dirs: Vec<PathBuf> =
        features.features.iter().filter_map(|row| Some(row.dir.clone()?.0)).collect();
    let moments: Vec<String> =
        features.features.iter().filter_map(|row| row.last_scanned_at.clone()).collect();
    checks.extend(bounded("clock", PATIENCE, move || {
        let moments = moments.iter().map(String::as_str);
        let now = std::time::SystemTime::now();
        vec![clock::logical(&clock_file), clock::system(now, moments, &[&clock_file])]
    }));
    let registry_file = home.registry_file();
    checks.extend(bounded("registry", PATIENCE, || vec![registry::registry(registry_file)]));
    checks.extend(bounded("stale state", PATIENCE, move || match answers {
        Some(_) => leftovers::unregistered(&home, dirs.iter().map(PathBuf::as_path)),
        None => leftovers::without_daemon(&home, &socket),
    }));
    checks
}

/// An error as a failed check.
fn failure(name: &'static str, error: &CliError) -> Check {
    let mut message = error.to_string();
    for cause in error.causes() {
        message.push_str(": ");
        message.push_str(&cause);
    }
    Check {
        name,
        status: CheckStatus::Fail,
        message,
        hint: (!error.hints().is_empty()).then(|| error.hints().join("; ")),
    }
}
