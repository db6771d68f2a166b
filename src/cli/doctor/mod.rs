//! `dossierd doctor`: is the daemon well, and are its surroundings?
//!
//! Every check is one line: ok, warn or fail, and what to do. Nothing is changed. A check
//! that cannot be made is a warning that says why, never a silent pass.

mod daemon;
mod inotify;
mod places;
mod service;

use serde::Serialize;
use serde_json::json;

use super::args::DoctorArgs;
use super::render::diagnosis::diagnosis;
use super::{CliError, Context, Verdict};

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
    let home = super::places::home();
    match &home {
        Ok(found) => checks.extend(places::directories(found)),
        Err(error) => checks.push(failure("directories", error)),
    }
    if let Ok(socket) = context.socket_path() {
        checks.push(places::socket(&socket));
    }
    if let Ok(found) = &home {
        checks.push(places::token_file(&found.token_file()));
    }
    checks.extend(daemon::daemon(context));
    checks.extend(inotify::limits());
    checks.extend(service::service());
    checks.push(places::git(std::env::var_os("PATH").as_deref()));

    if args.json {
        let document = json!({ "schema_version": 1, "checks": checks });
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&diagnosis(&checks))?;
    }
    let failing = checks.iter().any(|check| check.status == CheckStatus::Fail);
    Ok(if failing { Verdict::Failing } else { Verdict::Fine })
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
