//! Can the files that the configuration of a sink names be used? Nothing is sent for it, and
//! nothing of what they hold is told.

use std::path::Path;

use super::secrets::SecretFile;
use super::signature::SigningSecret;
use super::tls;
use crate::daemon::config::{Nats, Sync, Webhook};

/// Everything that cannot be used: the key that names it, and what to do.
pub fn check(config: &Sync) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut note =
        |key, result: Result<(), String>| problems.extend(result.err().map(|why| (key, why)));
    if let Some(Webhook { token_file, ca_file, signing_secret_file, .. }) = &config.webhook {
        note("sync.webhook.token_file", readable(token_file.as_deref()));
        note("sync.webhook.ca_file", certificates(ca_file.as_deref()));
        note("sync.webhook.signing_secret_file", signing_secret(signing_secret_file.as_deref()));
    }
    if let Some(Nats { token_file, credentials_file, ca_file, .. }) = &config.nats {
        note("sync.nats.token_file", readable(token_file.as_deref()));
        note("sync.nats.credentials_file", readable_lines(credentials_file.as_deref()));
        note("sync.nats.ca_file", certificates(ca_file.as_deref()));
    }
    problems
}

fn readable(file: Option<&Path>) -> Result<(), String> {
    file.map_or(Ok(()), |path| SecretFile::new(path).read().map(drop))
}

fn readable_lines(file: Option<&Path>) -> Result<(), String> {
    file.map_or(Ok(()), |path| SecretFile::lines(path).read().map(drop))
}

fn certificates(file: Option<&Path>) -> Result<(), String> {
    file.map_or(Ok(()), |path| tls::client(Some(path)).map(drop))
}

fn signing_secret(file: Option<&Path>) -> Result<(), String> {
    let Some(path) = file else { return Ok(()) };
    let text = SecretFile::new(path).read()?;
    let parsed = SigningSecret::parse(&text).map(drop);
    parsed.map_err(|error| format!("{} cannot be used: {error}", path.display()))
}
